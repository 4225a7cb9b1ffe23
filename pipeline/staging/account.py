"""The account of every row: what each drop looks like, what was rejected and why, and that the counts balance."""

from __future__ import annotations

import json

import pyarrow as pa
from sqlalchemy import text

from pipeline.staging.cleaning import KINDS, Cleaning
from targets.postgres.copy import copy_in


def write_profiles(cleaning: Cleaning) -> None:
    cleaning.run(
        """
        update etl.drops as d set profile = n.profile
        from unnest(cast(:drops as bigint []), cast(:profiles as jsonb [])) as n (drop_id, profile)
        where d.drop_id = n.drop_id
        """,
        drops=cleaning.drop_ids,
        profiles=[json.dumps(cleaning.profiles[drop].stored()) for drop in cleaning.drop_ids],
    )


def count_outcome(cleaning: Cleaning) -> None:
    """`outcome`: rows per drop and outcome, each counted on its own."""
    cleaning.run(f"""
        create temp table outcome on commit drop as
        select _drop_id, 'current' as outcome, count(*) as rows from {cleaning.cleaned} group by _drop_id
        union all
        select _drop_id, case when is_duplicate then 'duplicate' else 'superseded' end, count(*)
        from losers group by 1, 2
        union all
        select _drop_id, 'rejected', count(*) from refused group by _drop_id
    """)


def current_rows(cleaning: Cleaning) -> int:
    query = text("select coalesce(sum(rows), 0) from outcome where outcome = 'current'")
    return int(cleaning.db.execute(query).scalar_one())


def write_account(cleaning: Cleaning) -> None:
    """Write what became of every row of the drops: rejects, rules, balance."""
    _write_rejects(cleaning)
    _write_stats(cleaning)
    _write_balance(cleaning)


def _write_rejects(cleaning: Cleaning) -> None:
    cleaning.run("delete from etl.rejects where drop_id = any(:drops)", drops=cleaning.drop_ids)
    cleaning.run(f"""
        create temp table kept on commit drop as
        select _drop_id, _line, 'rejected' as outcome, reasons, {cleaning.key} as key from refused
        union all
        select _drop_id, _line, 'duplicate',
            array[case when differs then 'duplicate_conflict' else 'duplicate_identical' end], {cleaning.key}
        from losers where is_duplicate
    """)
    cleaning.run("analyze kept")  # else the join would hash raw, not these few
    cleaning.run("set local enable_seqscan = off")  # as above: of raw, only the pages of these drops
    cleaning.run(
        f"""
        insert into etl.rejects (drop_id, line, dataset, outcome, reasons, key, original)
        with found as materialized (  -- so that only these few are read whole
            select k.*, r.ctid as place
            from kept as k
            inner join raw.{cleaning.dataset.name} as r on (r._drop_id, r._line) = (k._drop_id, k._line)
            where r._drop_id = any(:drops)
        )
        select f._drop_id, f._line, :dataset, f.outcome, f.reasons, f.key, to_jsonb(r) - array['_drop_id', '_line']
        from found as f inner join raw.{cleaning.dataset.name} as r on r.ctid = f.place
        """,
        dataset=cleaning.dataset.name,
        drops=cleaning.drop_ids,
    )
    cleaning.run("set local enable_seqscan = on")


def _write_stats(cleaning: Cleaning) -> None:
    cleaning.run("delete from etl.rule_stats where drop_id = any(:drops)", drops=cleaning.drop_ids)
    own = set(cleaning.drop_ids)
    rows = [
        (*place, *(cleaning.stats[*place, kind] for kind in KINDS))
        for place in sorted({key[:3] for key in cleaning.stats if key[0] in own})
    ]
    if rows:
        names = ["drop_id", "column", "rule", *KINDS]
        columns = [pa.array(column) for column in zip(*rows, strict=True)]
        copy_in(cleaning.db, "etl.rule_stats", [pa.table(columns, names=names)])


def _write_balance(cleaning: Cleaning) -> None:
    """The account of each drop: that it balances is a constraint of etl.drops."""
    kinds = ("current", "superseded", "duplicate", "rejected")
    counts = ", ".join(f"coalesce(sum(o.rows) filter (where o.outcome = '{kind}'), 0) as {kind}" for kind in kinds)
    cleaning.run(
        f"""
        update etl.drops as d set
            status = 'staged', read = n.read, {", ".join(f"{kind} = n.{kind}" for kind in kinds)}
        from (
            select r.drop_id, r.read, {counts}
            from unnest(cast(:drops as bigint []), cast(:read as bigint [])) as r (drop_id, read)
            left join outcome as o on r.drop_id = o._drop_id
            group by r.drop_id, r.read
        ) as n
        where d.drop_id = n.drop_id
        """,
        drops=cleaning.drop_ids,
        read=[cleaning.profiles[drop].rows for drop in cleaning.drop_ids],
    )
