"""The operator's verbs: `eduflow run`, `plan`, `account`, ... (also `python -m pipeline VERB`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import psycopg2
from sqlalchemy.exc import DBAPIError

from init_db import NotOursError
from init_db.server import ServerError
from pipeline import home as homes
from pipeline.cli import verbs
from pipeline.cli.tables import printable_streams
from pipeline.config import ConfigError, settings, use
from pipeline.step import UserError
from targets.backup import BackupError
from targets.database import DatabaseError, complaint, is_retryable


def main(argv: Sequence[str] | None = None) -> int:
    with printable_streams():
        return _main(argv)


def _main(argv: Sequence[str] | None) -> int:
    arguments = verbs.parser().parse_args(argv)
    try:
        if arguments.verb == "init":  # the one verb that needs no home
            return int(arguments.do(arguments))
        if arguments.home:
            os.environ["EDUFLOW_HOME"] = str(arguments.home.expanduser().absolute())
        use(homes.current())
        return int(arguments.do(arguments, settings()) or 0)
    except (BackupError, ConfigError, DatabaseError, NotOursError, ServerError, UserError) as error:
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
