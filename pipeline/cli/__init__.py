"""The operator's verbs: `eduflow run`, `plan`, `account`, ... (also `python -m pipeline VERB`)."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence

import psycopg2
from sqlalchemy.exc import DBAPIError

from init_db import NewerError, NotOursError
from init_db.service import ServerError
from pipeline import home as homes
from pipeline.cli import verbs
from pipeline.cli.signals import Terminated, stoppable
from pipeline.cli.tables import discard, printable_streams
from pipeline.config import ConfigError, settings, use
from targets.backup import BackupError
from targets.errors import UserError
from targets.postgres.connection import DatabaseError
from targets.postgres.errors import complaint, is_retryable


def main(argv: Sequence[str] | None = None) -> int:
    """Do a verb; returns the exit code. A person's mistake, or the machine's, ends in one line and no traceback."""
    logging.raiseExceptions = False  # a log line that nobody can read or keep
    with printable_streams():
        code = _caught(lambda: _main(argv))
        return _caught(lambda: sys.stdout.flush() or code)  # what does not fit on the disk is noticed here


def _caught(do: Callable[[], int]) -> int:
    try:
        return do()
    except KeyboardInterrupt as stop:
        print("Interrupted.", file=sys.stderr)
        return 143 if isinstance(stop, Terminated) else 130
    except (BackupError, ConfigError, DatabaseError, NewerError, NotOursError, ServerError, UserError) as error:
        print(error, file=sys.stderr)
    except (DBAPIError, psycopg2.Error) as error:
        again = ". What was committed is kept: run again." if is_retryable(error) else "."
        print(f"{complaint(error)}{again}", file=sys.stderr)
    except BrokenPipeError:  # `sql --csv | head` has seen enough
        discard(sys.stdout)
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"{where}{error.strerror or type(error).__name__}", file=sys.stderr)
        if not error.filename:  # standard output's own: Python would try again when it ends
            discard(sys.stdout)
    return 1


def _main(argv: Sequence[str] | None) -> int:
    arguments = verbs.parser().parse_args(argv)
    if arguments.verb == "init":  # the one verb that needs no home
        return int(arguments.do(arguments))
    if arguments.home:
        os.environ["EDUFLOW_HOME"] = str(arguments.home.expanduser().absolute())
    home = homes.current()
    homes.declared(home.folder / homes.SETTINGS)  # what it does not understand is said before anything is done
    use(home)
    if arguments.verb in ("run", "ui"):  # which end in their own way
        return int(arguments.do(arguments, settings()) or 0)
    with stoppable():
        return int(arguments.do(arguments, settings()) or 0)
