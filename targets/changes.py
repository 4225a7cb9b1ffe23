"""Change sets: which keys each build of a table changed, so that a reader follows it at the cost of the change.

A reader whose copy is of build n deletes the keys of `changed` that the table no longer has, and takes the rows of the
others from it: that is the table of now. It may do so twice, or with rows it has seen: the result is the same.

A build that is not on record changed nobody knows what: its table was filled from nothing, made anew after it was
forgotten, or too much of it changed. A reader that has not consumed that build reads everything.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

# Of a table, the keys on record are at most a quarter of its rows: beyond, reading all of it is as cheap.
SHARE, FEW, MANY = 4, 1_000, 250_000


def keep(db: Connection, table: str, build: int, key: Sequence[str], *, written: str, deleted: str) -> None:
    """Put the keys that this build of the table changed on record, and take off what no reader needs any more.

    written, deleted  queries for the keys, after FROM and with WHERE if need be: `names as n where not n.known`
    Readers are the targets that have consumed the table. What all of them have consumed goes; so does what is older
    than the keys that may be kept.
    """
    if not _settle(db, table):
        return
    names = ", ".join(key)
    # json, not jsonb: for 10,000 keys 11 ms instead of 26, and half the space.
    as_list = "coalesce((select json_agg(k) from (select {names} from {rows}) as k), '[]')"
    most = "greatest(:few, least(:many, (select rows from etl.targets where target = :table) / :share))"
    db.execute(
        text(f"""
            insert into etl.changes (target, build, keys, written, deleted)
            select :table, :build, w.rows + d.rows, {as_list.format(names=names, rows=written)},
                {as_list.format(names=names, rows=deleted)}
            from
                (select count(*) as rows from {written}) as w
                cross join (select count(*) as rows from {deleted}) as d
            where w.rows + d.rows <= {most}
        """),
        {"table": table, "build": build, "few": FEW, "many": MANY, "share": SHARE},
    )
    db.execute(
        text(f"""
            delete from etl.changes where target = :table and build in (
                select build from (
                    select build, sum(keys) over (order by build desc) as keys from etl.changes where target = :table
                ) as newest
                where keys > {most}
            )
        """),
        {"table": table, "few": FEW, "many": MANY, "share": SHARE},
    )


def _settle(db: Connection, table: str) -> bool:
    """Take off what every reader has consumed; False when the table has no reader."""
    query = text("""
        with readers as (
            select min((consumed ->> :table)::bigint) as build
            from etl.targets where consumed ? :table and fingerprint is not null
        ),
        gone as (
            delete from etl.changes
            where target = :table and build <= coalesce((select build from readers), build)
        )
        select build is not null from readers
    """)
    return bool(db.execute(query, {"table": table}).scalar_one())


def forget_changes(db: Connection, table: str) -> None:
    """Nobody knows what changed: every reader has to read everything."""
    db.execute(text("delete from etl.changes where target = :table"), {"table": table})


def changed_since(db: Connection, table: str, since: int, key: Sequence[str], into: str = "changed") -> bool:
    """Put the keys that changed after build `since` into a temporary table; False: read everything (there is none).

    The temporary table has the columns of the key, and `is_deleted`: whether the last build that changed the key
    deleted its row.
    """
    complete = text("""
        select count(c.build) = max(t.build) - :since
        from etl.targets as t left join etl.changes as c on c.target = t.target and c.build > :since
        where t.target = :table and t.fingerprint is not null and t.build >= :since
    """)
    if not db.execute(complete, {"table": table, "since": since}).scalar():
        return False
    names = ", ".join(key)
    db.execute(
        text(f"""
            create temp table {into} on commit drop as
            select distinct on ({names}) {names}, is_deleted from (
                select {", ".join(f"k.{name}" for name in key)}, c.build, l.is_deleted
                from etl.changes as c
                cross join lateral (values (c.deleted, true), (c.written, false)) as l (keys, is_deleted)
                cross join lateral json_populate_recordset(cast(null as {table}), l.keys) as k
                where c.target = :table and c.build > :since
            ) as every
            order by {names}, build desc, is_deleted
        """),
        {"table": table, "since": since},
    )
    return True
