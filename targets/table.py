"""The one primitive that writes derived tables: only the difference, in the caller's transaction.

Readers see the old rows or the new ones, never a half or an empty table; rows that did not change cost no write.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class Difference:
    """Rows written: `updated` changed their content, `refreshed` only their provenance."""

    inserted: int = 0
    updated: int = 0
    refreshed: int = 0
    deleted: int = 0

    @property
    def changed(self) -> int:
        return self.inserted + self.updated + self.deleted


def is_empty(db: Connection, table: str) -> bool:
    return not db.execute(text(f"select exists (select from {table})")).scalar()


def count_rows(db: Connection, table: str, difference: Difference, before: int | None) -> int:
    """Rows of the table after a difference: counted, or reckoned from the rows recorded before it."""
    if before is not None:
        return before + difference.inserted - difference.deleted
    return int(db.execute(text(f"select count(*) from {table}")).scalar_one())


@contextlib.contextmanager
def without_indexes(db: Connection, table: str) -> Iterator[None]:
    """Take an empty table's indexes and own keys off, make them after the rows: a third of the time for a million."""
    indexes = db.execute(
        text("""
            select
                i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as definition,
                quote_ident(c.conname) as key, pg_get_constraintdef(c.oid) as key_definition
            from pg_index as i
            left join pg_constraint as c on c.conindid = i.indexrelid and c.conrelid = i.indrelid
            where i.indrelid = cast(:table as regclass)
            and not exists (select from pg_constraint as f where f.conindid = i.indexrelid and f.contype = 'f')
        """),
        {"table": table},
    ).all()
    for index in indexes:
        gone = f"alter table {table} drop constraint {index.key}" if index.key else f"drop index {index.name}"
        db.exec_driver_sql(gone)
    yield
    for index in indexes:
        made = (
            f"alter table {table} add constraint {index.key} {index.key_definition}" if index.key else index.definition
        )
        db.exec_driver_sql(made)
    db.exec_driver_sql(f"analyze {table}")


def fill(db: Connection, table: str, insert: str, values: dict[str, Any]) -> int:
    """Insert into an empty table; return the rows."""
    with without_indexes(db, table):
        return db.execute(text(insert), values).rowcount


def add_foreign_keys(db: Connection, table: str) -> None:
    """Add the table's foreign keys once it holds rows: one join each, not one look-up per row and key."""
    missing = db.execute(
        text("""
            select k.name, k.definition from etl.foreign_keys as k
            where k.table_name = :table and not exists (
                select from pg_constraint as c
                where c.conrelid = to_regclass(:table) and quote_ident(c.conname) = k.name
            )
            order by k.name
        """),
        {"table": table},
    ).all()
    for key in missing:
        db.exec_driver_sql(f"alter table {table} add constraint {key.name} {key.definition}")


def columns_of(db: Connection, relation: str) -> list[str]:
    """Column names of a table, in order, without generated ones."""
    query = """
        select attname from pg_attribute
        where attrelid = to_regclass(:relation) and attnum > 0 and not attisdropped and attgenerated = ''
        order by attnum
    """
    return list(db.execute(text(query), {"relation": relation}).scalars())


def apply_difference(
    db: Connection,
    table: str,
    source: str,
    *,
    key: Sequence[str],
    content: Sequence[str],
    provenance: Sequence[str] = (),
    build: int | None = None,
    prune: bool,
    within: Sequence[str] = (),
) -> Difference:
    """Make `table` equal to `source` (one row per key): delete, update and insert only what differs.

    prune       delete the rows that `source` lacks; without it `source` holds changed keys only
    within      without prune: columns of the key that name groups, each of which `source` holds whole or not at all
    provenance  columns refreshed without counting as a change of content
    build       when given, `_build` of each row whose content changed
    """
    stamp = ("_build",) if build is not None else ()
    columns = [*key, *content, *provenance]
    values = [*(f"n.{name}" for name in columns), *(":build" for _ in stamp)]
    insert = f"insert into {table} ({_list([*columns, *stamp])}) select {', '.join(values)} from {source} as n"
    if is_empty(db, table):
        return Difference(inserted=fill(db, table, insert, {"build": build} if stamp else {}))
    same_key = " and ".join(f"t.{name} = n.{name}" for name in key)
    lacks = f"not exists (select from {source} as n where {same_key})"
    if prune:
        deleted = _rows(db, f"delete from {table} as t where {lacks}")
    elif within:
        groups = f"select {_list(within)} from {source}"
        deleted = _rows(db, f"delete from {table} as t where ({_list(within, 't.')}) in ({groups}) and {lacks}")
    else:
        deleted = 0
    updated, refreshed = _update(db, table, source, same_key, content, provenance, build)
    inserted = _rows(db, f"{insert} where not exists (select from {table} as t where {same_key})", build)
    return Difference(inserted, updated, refreshed, deleted)


def _update(
    db: Connection,
    table: str,
    source: str,
    same_key: str,
    content: Sequence[str],
    provenance: Sequence[str],
    build: int | None,
) -> tuple[int, int]:
    """(rows whose content changed, rows whose provenance alone did)."""
    if not content:
        return 0, 0
    differs = _differs(content)
    sets = [f"{name} = n.{name}" for name in (*content, *provenance)]
    if build is not None:
        sets.append(f"_build = case when {differs} then :build else t._build end")
    changed = "t._build = :build" if build is not None else "true"
    row = db.execute(
        text(f"""
            with written as (
                update {table} as t set {", ".join(sets)} from {source} as n
                where {same_key} and {_differs([*content, *provenance])}
                returning {changed} as changed
            )
            select count(*) filter (where changed), count(*) filter (where not changed) from written
        """),
        {"build": build} if build is not None else {},
    ).one()
    return row[0], row[1]


def _differs(columns: Sequence[str]) -> str:
    return f"({_list(columns, 't.')}) is distinct from ({_list(columns, 'n.')})"


def _list(names: Sequence[str], prefix: str = "") -> str:
    return ", ".join(prefix + name for name in names)


def _rows(db: Connection, statement: str, build: int | None = None) -> int:
    return db.execute(text(statement), {"build": build} if ":build" in statement else {}).rowcount
