"""Which row of a key counts: the last accepted one by (drop_date, drop_id, _line), whatever order they arrived in."""

from __future__ import annotations

from sqlalchemy import text

from pipeline.staging.cleaning import Cleaning
from targets.table import Difference, apply_difference, columns_of

PROVENANCE = ("_drop_id", "_line")


def find_losers(cleaning: Cleaning) -> None:
    """`losers`: accepted rows whose key comes again: later in the drop (duplicate), in a newer one (superseded)."""
    same = " and ".join(f"a.{name} is not distinct from b.{name}" for name in cleaning.content)
    # Sorting numbers finds what may come again in 0.5 s a million; grouping by the keys takes 2. Two keys of one
    # number cost nothing: below, rows are told apart by their keys.
    cleaning.run("set local enable_hashagg = off; set local max_parallel_workers_per_gather = 0")
    cleaning.run(f"""
        create temp table repeated on commit drop as
        select *, ctid as row from {cleaning.cleaned} where ctid = any(array(
            select ctid from {cleaning.cleaned} where hashtext({cleaning.key}) in (
                select number from (select hashtext({cleaning.key}) as number from {cleaning.cleaned}) as numbers
                group by number having count(*) > 1
            )
        ))
    """)
    cleaning.run("set local enable_hashagg = on; set local max_parallel_workers_per_gather to default")
    cleaning.run(f"""
        create temp table losers on commit drop as
        with ordered as (
            select
                r.{cleaning.key}, r._drop_id, r._line, r.row,
                row_number() over (
                    partition by r.{cleaning.key} order by d.drop_date desc, r._drop_id desc, r._line desc
                ) as place,
                max(r._line) over (partition by r.{cleaning.key}, r._drop_id) as last_line
            from repeated as r
            inner join etl.drops as d on r._drop_id = d.drop_id
        )
        select
            o.{cleaning.key}, o._drop_id, o._line, o.row, o._line < o.last_line as is_duplicate,
            o._line < o.last_line and not ({same}) as differs
        from ordered as o
        inner join repeated as a on (a._drop_id, a._line) = (o._drop_id, o._line)
        inner join repeated as b on (b._drop_id, b._line) = (o._drop_id, o.last_line)
        where o.place > 1
    """)


def remove_losers(cleaning: Cleaning) -> None:
    cleaning.run(f"delete from {cleaning.cleaned} where ctid in (select row from losers)")


def keep_versions(cleaning: Cleaning, *, everything: bool) -> bool:
    """Keep the last accepted row of every key and drop date in the dataset's versions; whether any had to go."""
    if not cleaning.dataset.versions:
        return False
    table, key = f"staging.{cleaning.dataset.versions}", ("dataset", cleaning.key, "drop_date")
    known = columns_of(cleaning.db, table)
    content = [name for name in cleaning.dataset.staged_names if name in known and name != cleaning.key]
    same = " and ".join(f"v.{name} = n.{name}" for name in key)
    cleaning.run(
        f"""
        create temp table versions on commit drop as
        select distinct on (c.{cleaning.key}, d.drop_date)
            cast(:dataset as text) as dataset, d.drop_date, c.{cleaning.key}, {", ".join(f"c.{n}" for n in content)},
            c._drop_id, c._line
        from {cleaning.cleaned} as c
        inner join etl.drops as d on c._drop_id = d.drop_id
        order by c.{cleaning.key}, d.drop_date, c._drop_id desc, c._line desc
        """,
        dataset=cleaning.dataset.name,
    )
    if everything:
        gone = f"not exists (select from versions as n where {same})"
        unsaid = f"delete from {table} as v where v.dataset = :dataset and {gone}"
        removed = cleaning.run(unsaid, dataset=cleaning.dataset.name)
    else:  # an older drop of the day, approved later
        later = f"{same} and (v._drop_id, v._line) > (n._drop_id, n._line)"
        cleaning.run(f"delete from versions as n using {table} as v where {later}")
        removed = 0
    apply_difference(
        cleaning.db,
        table,
        "versions",
        key=key,
        content=content,
        provenance=PROVENANCE,
        stamp=cleaning.number,
    )
    return removed > 0


def settle_against_staging(cleaning: Cleaning, *, everything: bool) -> bool:
    """Compare new rows with the current ones of the same keys; return whether a row moves between groups.

    Unless the new rows are everything there is, those older than the current row lose to it.
    """
    moved = " or ".join(f"s.{name} is distinct from c.{name}" for name in cleaning.dataset.moved_by) or "false"
    wins = "true" if everything else "(n.drop_date, c._drop_id, c._line) > (o.drop_date, s._drop_id, s._line)"
    cleaning.run(f"""
        create temp table contest on commit drop as
        select c.{cleaning.key}, s._drop_id, {wins} as wins, {moved} as moved
        from cleaned as c
        inner join {cleaning.target} as s using ({cleaning.key})
        inner join etl.drops as n on c._drop_id = n.drop_id
        inner join etl.drops as o on s._drop_id = o.drop_id
    """)
    cleaning.run(f"""
        insert into losers ({cleaning.key}, _drop_id, _line, is_duplicate)
        select c.{cleaning.key}, c._drop_id, c._line, false
        from cleaned as c inner join contest using ({cleaning.key}) where not wins
    """)
    cleaning.run(
        f"delete from cleaned as c using contest as x where c.{cleaning.key} = x.{cleaning.key} and not x.wins"
    )
    if not everything:
        cleaning.run("""
            update etl.drops as d set current = d.current - x.rows, superseded = d.superseded + x.rows
            from (select _drop_id, count(*) as rows from contest where wins group by _drop_id) as x
            where d.drop_id = x._drop_id
        """)
    return bool(cleaning.db.execute(text("select exists (select from contest where wins and moved)")).scalar())


def write_difference(cleaning: Cleaning, *, everything: bool) -> Difference:
    """Make staging what `cleaned` says: of the keys in it, or of all there are (everything)."""
    return apply_difference(
        cleaning.db,
        cleaning.target,
        "cleaned",
        key=[cleaning.key],
        content=cleaning.content,
        provenance=PROVENANCE,
        stamp=cleaning.number,
        build=cleaning.number,
        whole="cleaned" if everything else "",
    )
