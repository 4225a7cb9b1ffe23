"""The operator's verbs: `eduflow run`, `plan`, `account`, ... (also `python -m pipeline VERB`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import psycopg2
from sqlalchemy.exc import DBAPIError

from pipeline.cli import verbs
from pipeline.config import ConfigError, settings
from pipeline.step import UserError
from targets.database import DatabaseError, complaint, is_retryable


def main(argv: Sequence[str] | None = None) -> int:
    arguments = verbs.parser().parse_args(argv)
    try:
        return int(arguments.do(arguments, settings()) or 0)
    except (ConfigError, DatabaseError, UserError) as error:
        print(error, file=sys.stderr)
        return 1
    except (DBAPIError, psycopg2.Error) as error:
        if not is_retryable(error):
            raise
        print(f"{complaint(error)}. What was committed is kept: run again.", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
