"""The database's shape, as SQL files, and the embedded server (`server.py`).

state_NN_*.sql            raw and the ledger; applied once each, forward only
schema/<schema>/<name>.sql  one derived table, view or function each (`ddl.py`); made anew alone (`derived.py`) when its
                          statements change or it is gone, and its targets are forgotten
schema/<schema>.sql       what a schema is for

What EduFlow made is written down in `etl.objects`; anything else is never touched (`ownership.py`).
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, text

from init_db.ddl import DERIVED, STATE, Relation, define, helpers, relations, run_as_it_is
from init_db.derived import (
    COMMENTED,
    GONE,
    MISSING,
    NEW,
    SETUP_LOCK,
    Change,
    create_derived,
    make_schema,
    outdated,
    remove_all,
    survey,
)
from init_db.ownership import NotOursError, check_schemas, recognise_copy
from init_db.rights import grant_readers

__all__ = [
    "COMMENTED",
    "DERIVED",
    "GONE",
    "MISSING",
    "NEW",
    "Change",
    "NewerError",
    "NotOursError",
    "Relation",
    "create_derived",
    "define",
    "grant_readers",
    "helpers",
    "last_state",
    "migrate",
    "outdated",
    "refuse_newer",
    "relations",
    "remove_all",
    "survey",
]

FOLDER = Path(__file__).parent


def migrate(db: Connection) -> None:
    """Apply the state files this database has not seen. Cheap when there are none.

    NotOursError, before anything is written, when it holds schemas of ours that we did not make; NewerError when newer
    code has migrated it.
    """
    check_schemas(db)
    files = sorted(FOLDER.glob("state_*.sql"))
    if newest := db.execute(text(NEWEST)).scalar() if _is_there(db) else None:
        refuse_newer(newest, "The database")
    if pending(db, files):
        db.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": SETUP_LOCK})
        for path in pending(db, files):
            for schema in STATE:
                make_schema(db, schema)
            run_as_it_is(db, path.read_text(encoding="utf-8"))
            db.execute(text("insert into etl.migrations (file) values (:file)"), {"file": path.name})
    recognise_copy(db)


NEWEST = "select max(file) from etl.migrations where file like 'state\\_%'"


class NewerError(RuntimeError):
    """The state was migrated by newer code than this: older code would read it wrongly."""


def last_state() -> str:
    """The newest state file that this code knows."""
    return max(path.name for path in FOLDER.glob("state_*.sql"))


def refuse_newer(state: str, what: str) -> None:
    """NewerError if a state file is newer than those of this code."""
    if state > last_state():
        raise NewerError(
            f"{what} was written by a newer EduFlow (it has {state}, this one ends with {last_state()}). Nothing was "
            "changed: update EduFlow, or restore a backup of the older one into an empty database."
        )


def _is_there(db: Connection) -> bool:
    return db.execute(text("select to_regclass('etl.migrations')")).scalar() is not None


def pending(db: Connection, files: list[Path]) -> list[Path]:
    if not _is_there(db):
        return files
    applied = set(db.execute(text("select file from etl.migrations")).scalars())
    return [path for path in files if path.name not in applied]
