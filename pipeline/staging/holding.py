"""Holding: which drops do not look right, by the guard's limits, and so wait for a person."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import text

from pipeline.config import Settings
from pipeline.drops import Drop
from pipeline.guard import (
    Finding,
    Profile,
    Tally,
    at_lines,
    compared,
    compared_keys,
    held_reason,
    judged,
    of_others,
    too_early,
)
from pipeline.staging.account import write_profiles
from pipeline.staging.cleaning import Cleaning
from pipeline.staging.snapshots import Snapshots
from pipeline.staging.winners import find_losers
from targets.run import log


@dataclass(frozen=True)
class Taken(Tally):
    """Rows of a drop that would take the place of other students' rows. before: the drops of those."""

    before: frozenset[int] = frozenset()


NOBODY = Taken("rows", 0, [])


def hold(cleaning: Cleaning, options: Settings) -> None:
    """Hold the drops that do not look right: their rows leave `cleaned`, and stay in raw.

    A drop is judged once, before it is first staged; what a person approved is not judged.
    """
    query = text("select drop_id from etl.drops where drop_id = any(:drops) and profile is null")
    new = set(cleaning.db.execute(query, {"drops": cleaning.drop_ids}).scalars())
    if not new:
        return
    held: dict[int, list[Finding]] = {}
    taken, thrown_away = _taken_over(cleaning, list(new), held), lost(cleaning)
    own, earlier, snapshots = set(cleaning.drop_ids), list[Drop](), Snapshots(cleaning, options)
    if len(own) > 1 and cleaning.dataset.mode == "snapshot":
        cleaning.run("create index on cleaned (_drop_id)")  # the keys of each are asked for
    for drop in cleaning.accepted:  # in their order
        if drop.drop_id in own and drop.drop_id in new and drop.decision != "approve":
            found = too_early(drop.drop_date, drop.landed_on) if drop.landed_on else []
            if drop.partial:
                found += _no_reject_file(cleaning, drop)
            else:
                profile = cleaning.profiles[drop.drop_id]
                found += judged(profile, *thrown_away[drop.drop_id], options)
                found += of_others(cleaning.key, taken.get(drop.drop_id, NOBODY), profile.rows, options)
                found += _compared(cleaning, snapshots, drop, earlier, options)
            if found:
                held[drop.drop_id] = found
                if any(drop.drop_id in each.before for each in taken.values()):
                    taken = _taken_over(cleaning, list(new), held)  # a held row has no place that could be taken
                continue
        if not drop.partial:
            earlier.append(drop)
    if held:
        _take_out(cleaning, held)


def _take_out(cleaning: Cleaning, held: dict[int, list[Finding]]) -> None:
    names = {drop.drop_id: drop.name for drop in cleaning.drops}
    for drop_id, found in held.items():
        reason = held_reason(names[drop_id], found)
        log.warning("held drop %s: %s", drop_id, reason)
        cleaning.run(
            "update etl.drops set status = 'held', reason = :reason, findings = :findings where drop_id = :drop",
            drop=drop_id,
            reason=reason,
            findings=json.dumps([finding.stored() for finding in found]),
        )
    for table in (cleaning.cleaned, "refused"):
        cleaning.run(f"delete from {table} where _drop_id = any(:held)", held=list(held))
    write_profiles(cleaning)
    cleaning.drops = [drop for drop in cleaning.drops if drop.drop_id not in held]
    cleaning.run("drop table losers, repeated")
    find_losers(cleaning)  # a held drop supersedes nobody


def lost(cleaning: Cleaning) -> dict[int, tuple[list[Tally], Tally]]:
    """Per drop its rows that would be thrown away: rejected ones by reason, and repeats with other values."""
    by_reason = text("""
        select _drop_id, reason, count(*) as rows, (array_agg(_line order by _line))[1 \\: 3] as lines
        from refused cross join unnest(reasons) as reason
        group by _drop_id, reason order by rows desc, reason
    """)
    repeats = text("""
        select _drop_id, 'repeated', count(*) as rows, (array_agg(_line order by _line))[1 \\: 3] as lines
        from losers where differs group by _drop_id
    """)
    refused: dict[int, list[Tally]] = {drop_id: [] for drop_id in cleaning.drop_ids}
    for drop_id, *tally in cleaning.db.execute(by_reason):
        refused[drop_id].append(Tally(*tally))
    repeated = {drop_id: Tally(*tally) for drop_id, *tally in cleaning.db.execute(repeats)}
    none = Tally("repeated", 0, [])
    return {drop_id: (tallies, repeated.get(drop_id, none)) for drop_id, tallies in refused.items()}


def _taken_over(cleaning: Cleaning, drop_ids: list[int], held: Collection[int]) -> dict[int, Taken]:
    """Per drop its rows whose key names a row of another student in an earlier one that is not held.

    A row is compared with the one of its key that came last before it, and with the current one in staging.
    """
    named = cleaning.key != "student_id" and "student_id" in cleaning.dataset.column_names
    if cleaning.direct or not drop_ids or not named:
        return {}
    query = text(f"""
        with pairs as (
            select
                r._drop_id, r._line, r.student_id,
                lag(r._drop_id) over w as before, lag(r.student_id) over w as student_before
            from repeated as r
            inner join etl.drops as d on r._drop_id = d.drop_id
            where not r._drop_id = any(:held)
            window w as (partition by r.{cleaning.key} order by d.drop_date, r._drop_id, r._line)
            union all
            select c._drop_id, c._line, c.student_id, s._drop_id, s.student_id
            from cleaned as c
            inner join {cleaning.target} as s using ({cleaning.key})
            inner join etl.drops as n on c._drop_id = n.drop_id
            inner join etl.drops as o on s._drop_id = o.drop_id
            where (o.drop_date, s._drop_id) < (n.drop_date, c._drop_id)
        )
        select
            _drop_id, count(distinct _line) as rows, (array_agg(_line order by _line))[1 \\: 3] as lines,
            array_agg(distinct before) as before
        from pairs where _drop_id = any(:drops) and before <> _drop_id and student_before <> student_id
        group by _drop_id
    """)
    rows = cleaning.db.execute(query, {"drops": drop_ids, "held": list(held)})
    return {row._drop_id: Taken("rows", row.rows, row.lines, frozenset(row.before)) for row in rows}


def _compared(
    cleaning: Cleaning, snapshots: Snapshots, drop: Drop, earlier: list[Drop], options: Settings
) -> list[Finding]:
    """What makes a drop look unlike the drops before it, the newest last.

    A snapshot may come in several files: those of its day are compared with those of the day before.
    """
    found = []
    if before := snapshots.before(drop, earlier):
        today = snapshots.by_day[drop.drop_date]
        keys = (snapshots.keys(today), snapshots.keys(before))
        found += compared_keys(*keys, options, roster=snapshots.classed)
    profile = _profile(cleaning, earlier[-1].drop_id) if earlier else None
    return [*found, *(compared(cleaning.profiles[drop.drop_id], profile, options) if profile else [])]


def _profile(cleaning: Cleaning, drop_id: int) -> Profile | None:
    """What a drop looks like: one that is cleaned just now, or as recorded."""
    if drop_id in cleaning.profiles:
        return cleaning.profiles[drop_id]
    query = text("select profile from etl.drops where drop_id = :drop")
    stored = cleaning.db.execute(query, {"drop": drop_id}).scalar()
    return Profile.read(stored) if stored else None


def _no_reject_file(cleaning: Cleaning, drop: Drop) -> list[Finding]:
    """Why a drop that is called a reject file is none. It is not judged otherwise, so it may mend rejects only."""
    named = text("select dataset, status from etl.drops where drop_id = :drop")
    number = drop.mends if drop.mends is not None and drop.mends < 1 << 63 else 0
    mended = cleaning.db.execute(named, {"drop": number}).one_or_none()
    said, rows = f"it is called a reject file of drop {drop.mends}", cleaning.profiles[drop.drop_id].rows
    if mended is None or mended.dataset != cleaning.dataset.name:
        of = "does not exist" if mended is None else f"is one of {mended.dataset}"
        return [Finding("", said, "", f"{said}, which {of}")]
    rejected, still_open = _rejects_of(cleaning, number)
    if not still_open:
        return [Finding("", f"{rows:,} rows", "no open reject", f"{said}, which has no open rejects")]
    if rows > rejected:
        what = f"{said}, which has {rejected:,} rejected rows; the file has {rows:,}"
        return [Finding("", f"{rows:,} rows", f"{rejected:,} rejects", what)]
    others = _other_rows(cleaning, drop, number)
    if others.rows:
        where = at_lines(others.lines, others.rows)
        what = f"{said}, but {others.rows:,} of its rows name a line that was not rejected, or none: {where}"
        return [Finding("", f"{others.rows:,} rows", "rejected lines only", what)]
    return []


def _other_rows(cleaning: Cleaning, drop: Drop, mended: int) -> Tally:
    """Rows of a reject file that mend nothing: their reject_line is no rejected line of the drop that it mends.

    A row without reject_line is known by its key, if a rejected row had that key.
    """
    rejects = "select line, key from etl.rejects where drop_id = :mended and outcome = 'rejected'"
    if mended in cleaning.drop_ids:
        rejects = f"select _line, {cleaning.key} from refused where _drop_id = :mended"
    query = text(f"""
        with rejects (line, key) as materialized ({rejects}),
        others as (
            select r._line
            from raw.{cleaning.dataset.name} as r
            left join {cleaning.cleaned} as c on (c._drop_id, c._line) = (r._drop_id, r._line)
            where r._drop_id = :drop and case
                when r._extra ->> 'reject_line' is null
                    then not exists (select from rejects where key = c.{cleaning.key})
                else not exists (select from rejects where line::text = r._extra ->> 'reject_line')
            end
        )
        select
            'rows' as what, count(*) as rows,
            coalesce((array_agg(_line order by _line))[1 \\: 3], '{{}}') as lines
        from others
    """)
    return Tally(*cleaning.db.execute(query, {"drop": drop.drop_id, "mended": mended}).one())


def _rejects_of(cleaning: Cleaning, drop_id: int) -> tuple[int, int]:
    """(rejected, of them open) rows of a drop; of one that is cleaned just now, those that nobody settled."""
    if drop_id in cleaning.drop_ids:
        query = text("""
            select count(*), count(*) filter (
                where not exists (select from etl.settled as s where (s.drop_id, s.line) = (r._drop_id, r._line))
            )
            from refused as r where _drop_id = :drop
        """)
    else:
        query = text("""
            select
                (select count(*) from etl.rejects where drop_id = :drop and outcome = 'rejected'),
                (select count(*) from staging.open_rejects where drop_id = :drop)
        """)
    rejected, still_open = cleaning.db.execute(query, {"drop": drop_id}).one()
    return rejected, still_open
