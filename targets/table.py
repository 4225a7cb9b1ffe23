"""The one primitive that writes derived tables: only the difference, in the caller's transaction.

Readers see the old rows or the new ones, never a half or an empty table; rows that did not change cost no write.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from init_db.ddl import run_as_it_is
from init_db.ownership import THEIRS
from targets import changes
from targets.record import forget

MANY = 1000  # rows: from here on one join is cheaper than a look-up per row


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
        text(f"""
            select
                i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as definition,
                quote_ident(c.conname) as key, pg_get_constraintdef(c.oid) as key_definition
            from pg_index as i
            left join pg_constraint as c on c.conindid = i.indexrelid and c.conrelid = i.indrelid
            cross join lateral pg_identify_object(
                case when c.oid is null then 'pg_class'::regclass else 'pg_constraint'::regclass end,
                coalesce(c.oid, i.indexrelid), 0
            ) as p
            where i.indrelid = cast(:table as regclass)
            and not exists (select from pg_constraint as f where f.conindid = i.indexrelid and f.contype = 'f')
            and not {THEIRS.format(table=":table", part="p.type || ' ' || p.identity")}
        """),
        {"table": table},
    ).all()
    for index in indexes:
        gone = f"alter table {table} drop constraint {index.key}" if index.key else f"drop index {index.name}"
        run_as_it_is(db, gone)
    yield
    db.exec_driver_sql("set constraints all immediate")  # a table can't be altered while a check is to come
    db.exec_driver_sql("set constraints all deferred")  # where it may be
    for index in indexes:
        made = (
            f"alter table {table} add constraint {index.key} {index.key_definition}" if index.key else index.definition
        )
        run_as_it_is(db, made)
    db.exec_driver_sql(f"analyze {table}")


def fill(db: Connection, table: str, insert: str, values: dict[str, Any]) -> int:
    """Insert into an empty table; return the rows."""
    with without_indexes(db, table):
        return db.execute(text(insert), values).rowcount


def add_foreign_keys(db: Connection, table: str) -> None:
    """Add the table's foreign keys once it holds rows: one join each, not one look-up per row and key.

    Also those of built tables that refer to it, and lost them when it was made anew. Where one does not hold, the rows
    there are older than the table's: that target is forgotten, and its step adds the key.
    """
    missing = db.execute(
        text("""
            select k.table_name, k.name, k.definition from etl.foreign_keys as k
            where (k.table_name = :table or position(' REFERENCES ' || :table || '(' in k.definition) > 0)
            and (
                k.table_name = :table
                or exists (select from etl.targets as t where t.target = k.table_name and t.fingerprint is not null)
            )
            and to_regclass(k.table_name) is not null
            and not exists (
                select from pg_constraint as c
                where c.conrelid = to_regclass(k.table_name) and quote_ident(c.conname) = k.name
            )
            order by k.table_name <> :table, k.table_name, k.name
        """),
        {"table": table},
    ).all()
    for key in missing:
        statement = f"alter table {key.table_name} add constraint {key.name} {key.definition}"
        if key.table_name == table:
            db.exec_driver_sql(statement)
            continue
        try:
            with db.begin_nested():
                db.exec_driver_sql(statement)
        except IntegrityError:
            forget(db, [key.table_name], f"{table}, which it refers to, was made anew")


@contextlib.contextmanager
def _keys_checked_by_join(db: Connection, table: str) -> Iterator[None]:
    """Insert the new rows of `written` meanwhile: their foreign keys are known to hold, by one join each.

    Row by row, as the server checks them, costs 8 us a row and key: 0.2 s of the 0.27 that 9,000 events take. Where the
    server's user may not switch that off, or a key does not hold, the server checks (and says which one fails); where
    a constraint is checked later, too. Rows referred to can't go meanwhile: who writes them waits for the lock that the
    step shares.
    """
    keys = db.execute(
        text("""
            select a.attname as name, c.confrelid::regclass::text as referenced, b.attname as key
            from pg_constraint as c
            inner join pg_attribute as a on (a.attrelid, a.attnum) = (c.conrelid, c.conkey[1])
            inner join pg_attribute as b on (b.attrelid, b.attnum) = (c.confrelid, c.confkey[1])
            where c.conrelid = to_regclass(:table) and c.contype = 'f'
            and has_parameter_privilege('session_replication_role', 'set')
            -- it would switch off a trigger that others put on the table, too
            and not exists (select from pg_trigger as t where t.tgrelid = c.conrelid and not t.tgisinternal)
            and not exists (
                select from pg_constraint as o
                where o.conrelid = c.conrelid and (o.condeferrable or o.contype = 'f' and cardinality(o.conkey) > 1)
            )
        """),
        {"table": table},
    ).all()
    lacking = " or ".join(
        f"(n.{k.name} is not null and not exists (select from {k.referenced} as r where r.{k.key} = n.{k.name}))"
        for k in keys
    )
    query = f"select exists (select from written as n where n._place is null and ({lacking}))"
    hold = bool(keys) and not db.exec_driver_sql(query).scalar()
    if hold:
        db.exec_driver_sql("set local session_replication_role = replica")
    yield
    if hold:
        db.exec_driver_sql("set local session_replication_role = origin")


def columns_of(db: Connection, relation: str) -> list[str]:
    """Column names of a table, in order, without generated ones and those that others added."""
    query = f"""
        select attname from pg_attribute
        where attrelid = to_regclass(:relation) and attnum > 0 and not attisdropped and attgenerated = ''
        and not {THEIRS.format(table=":relation", part="'column ' || quote_ident(attname)")}
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
    stamp: int | None = None,
    build: int | None = None,
    whole: str = "",
    within: Sequence[str] = (),
) -> Difference:
    """Make `table` equal to `source` (one row per key): delete, update and insert only what differs.

    whole       a relation (`source`, mostly) that has the key of every row there shall be: delete the others; without
                it `source` holds changed keys only
    within      without `whole`: columns of the key that name groups, each of which `source` holds whole or not at all
    provenance  columns refreshed without counting as a change of content
    stamp       when given, `_build` of each row whose content changed
    build       when given, the keys that changed are kept as the change set of this build (changes.py); not when the
                table was empty
    """
    stamped_columns = ("_build",) if stamp is not None else ()
    columns = [*key, *content, *provenance]
    values = ", ".join([*(f"n.{name}" for name in columns), *(":stamp" for _ in stamped_columns)])
    insert = f"insert into {table} ({_list([*columns, *stamped_columns])}) select {values} from"
    stamped = {"stamp": stamp} if stamped_columns else {}
    if is_empty(db, table):
        return Difference(inserted=fill(db, table, f"{insert} {source} as n", stamped))
    same_key = " and ".join(f"t.{name} = n.{name}" for name in key)
    deleted = _delete(db, table, source, key, whole, within)
    # One join finds what differs; it is written by the place it found.
    db.exec_driver_sql(f"""
        create temp table written on commit drop as
        select n.*, t.ctid as _place, {_differs(content)} as _differs
        from {source} as n left join {table} as t on {same_key}
        where t.ctid is null or {_differs([*content, *provenance])}
    """)
    inserted, updated, refreshed = db.exec_driver_sql("""
        select
            count(*) filter (where _place is null),
            count(*) filter (where _place is not null and _differs),
            count(*) filter (where _place is not null and not _differs)
        from written
    """).one()
    if updated or refreshed:
        sets = [f"{name} = n.{name}" for name in (*content, *provenance)]
        sets += [f"{name} = case when n._differs then :stamp else t.{name} end" for name in stamped_columns]
        changed = f"update {table} as t set {', '.join(sets)} from written as n where t.ctid = n._place"
        db.execute(text(changed), stamped)
    if inserted:
        with _keys_checked_by_join(db, table) if inserted >= MANY else contextlib.nullcontext():
            db.execute(text(f"{insert} written as n where n._place is null"), stamped)
    if build is not None:
        new = "written as n where n._place is null or n._differs"
        changes.keep(db, table, build, key, written=new, deleted="unwritten" if deleted else f"{table} where false")
    db.exec_driver_sql(f"drop table written{', unwritten' if whole or within else ''}")
    return Difference(inserted, updated, refreshed, deleted)


def _delete(db: Connection, table: str, source: str, key: Sequence[str], whole: str, within: Sequence[str]) -> int:
    """Delete the rows that `whole` lacks, or those of the groups in `source` that it lacks; `unwritten`: their keys."""
    if not whole and not within:
        return 0
    same_key = " and ".join(f"t.{name} = n.{name}" for name in key)
    groups = "" if whole else f"({_list(within, 't.')}) in (select {_list(within)} from {source}) and "
    db.exec_driver_sql(f"""
        create temp table unwritten on commit drop as
        select {_list(key, "t.")}, t.ctid as _place
        from {table} as t where {groups}not exists (select from {whole or source} as n where {same_key})
    """)
    return db.exec_driver_sql(f"delete from {table} as t using unwritten as u where t.ctid = u._place").rowcount


def _differs(columns: Sequence[str]) -> str:
    if not columns:
        return "false"
    return f"({_list(columns, 't.')}) is distinct from ({_list(columns, 'n.')})"


def _list(names: Sequence[str], prefix: str = "") -> str:
    return ", ".join(prefix + name for name in names)
