"""The database's shape: SQL files applied by name, and the embedded server (`server.py`).

state_NN_*.sql   raw and the ledger; applied once each, forward only
tables_NN_*.sql  one derived schema each (`tables_02_warehouse.sql` makes schema `warehouse`); dropped and made anew
                 when their digest changes or one of their relations is gone; their targets are then forgotten
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from sqlalchemy import Connection, text

FOLDER = Path(__file__).parent
# Serialises set-up between processes: any constant does, as long as nobody else takes it.
_SETUP_LOCK = 0x45445546


@functools.cache  # asked for at every step; the files are read once per process
def derived_schemas() -> dict[str, Path]:
    """schema -> the file that makes it, in order of creation."""
    return {path.stem.split("_", 2)[2]: path for path in sorted(FOLDER.glob("tables_*.sql"))}


@functools.cache
def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def migrate(db: Connection) -> None:
    """Apply the state files this database has not seen. Cheap when there are none."""
    files = sorted(FOLDER.glob("state_*.sql"))
    if pending(db, files):
        db.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _SETUP_LOCK})
        for path in pending(db, files):
            db.exec_driver_sql(path.read_text())
            db.execute(text("insert into etl.migrations (file) values (:file)"), {"file": path.name})


def pending(db: Connection, files: list[Path]) -> list[Path]:
    if db.execute(text("select to_regclass('etl.migrations')")).scalar() is None:
        return files
    applied = set(db.execute(text("select file from etl.migrations")).scalars())
    return [path for path in files if path.name not in applied]


def create_derived(db: Connection) -> list[str]:
    """Make the derived schemas that are missing, damaged or out of date; return their names.

    A schema made anew is empty, so its targets are forgotten in the same transaction.
    """
    if not outdated(db):
        return []
    db.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _SETUP_LOCK})
    stale = outdated(db)
    for schema, path in derived_schemas().items():
        if schema not in stale:
            continue
        db.exec_driver_sql(f'drop schema if exists "{schema}" cascade')
        db.exec_driver_sql(path.read_text())
        db.execute(
            text("""
                insert into etl.schemas (schema, digest, relations)
                select :schema, :digest, array_agg(relname order by relname)
                from pg_class where relnamespace = to_regnamespace(:schema) and relkind in ('r', 'v')
                on conflict (schema) do update
                set digest = excluded.digest, relations = excluded.relations, applied_at = now()
            """),
            {"schema": schema, "digest": digest(path)},
        )
        _set_foreign_keys_aside(db, schema)
        db.execute(
            text("update etl.targets set fingerprint = null, why = :why where split_part(target, '.', 1) = :schema"),
            {"schema": schema, "why": f"schema {schema} was made anew"},
        )
    return stale


def _set_foreign_keys_aside(db: Connection, schema: str) -> None:
    """Keep the new tables' foreign keys in the ledger: each is added when its table has been filled.

    Checking a million new rows one by one against three dimensions takes four times as long as loading them.
    """
    db.execute(text("delete from etl.foreign_keys where split_part(table_name, '.', 1) = :schema"), {"schema": schema})
    keys = db.execute(
        text("""
            insert into etl.foreign_keys (table_name, name, definition)
            select format('%I.%I', n.nspname, r.relname), quote_ident(c.conname), pg_get_constraintdef(c.oid)
            from pg_constraint as c
            inner join pg_class as r on c.conrelid = r.oid
            inner join pg_namespace as n on r.relnamespace = n.oid
            where c.contype = 'f' and n.nspname = :schema
            returning table_name, name
        """),
        {"schema": schema},
    ).all()
    for table, name in keys:
        db.exec_driver_sql(f"alter table {table} drop constraint {name}")


def outdated(db: Connection) -> list[str]:
    """Derived schemas whose file changed, or of which a relation is gone."""
    known = {
        row.schema: row
        for row in db.execute(
            text("""
                select s.schema, s.digest, not exists (
                    select from unnest(s.relations) as r where to_regclass(format('%I.%I', s.schema, r)) is null
                ) as whole
                from etl.schemas as s
            """)
        )
    }
    return [
        schema
        for schema, path in derived_schemas().items()
        if schema not in known or known[schema].digest != digest(path) or not known[schema].whole
    ]
