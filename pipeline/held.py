"""Held: what a person decides by. Who is missing from a held drop and who is new, what approving it would change, and
what was decided before."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from pipeline.datasets import DATASETS
from pipeline.drops import Drop, read_around
from pipeline.guard import Tally
from pipeline.run import State
from pipeline.sources.folder import printable
from pipeline.staging.cleaning import Cleaning
from pipeline.staging.holding import lost
from pipeline.staging.snapshots import Snapshots
from pipeline.staging.winners import find_losers


@dataclass(frozen=True)
class Outlook:
    """What approving a drop would do, as things stand. Classes are "" where there are none.

    new, missing   key -> class; missing: keys of the snapshot before that it does not name
    before, named  how many keys of each class that snapshot has, and this drop
    changed, same  keys that would get other values, or have these
    older          keys of which a newer drop speaks
    rejected, repeated  rows that would be thrown away; reasons: why, the commonest first
    vanish         whether the missing would be inactive: no newer snapshot is accepted, and of this one no row rejected
    """

    new: dict[str, str]
    missing: dict[str, str]
    before: Counter[str]
    named: Counter[str]
    changed: int
    same: int
    older: int
    rejected: int
    repeated: int
    reasons: list[Tally]
    vanish: bool

    def by_class(self) -> list[dict[str, Any]]:
        """A row per class that somebody is missing from or new in; of a dataset without classes one row."""
        missing, new = Counter(self.missing.values()), Counter(self.new.values())
        return [
            {
                "class": name or "none",
                "before": self.before[name],
                "here": self.named[name],
                "missing": missing[name],
                "new": new[name],
            }
            for name in sorted(missing.keys() | new.keys())
        ]

    def effects(self) -> list[dict[str, Any]]:
        """What would happen, and to how many."""
        counts = {
            "new": len(self.new),
            "changed": self.changed,
            "as they are": self.same,
            "left to a newer drop": self.older,
            "inactive from that day, because it does not name them": len(self.missing) if self.vanish else 0,
            "rows rejected": self.rejected,
            "rows that repeat a key with other values": self.repeated,
        }
        return [{"what": what, "count": count} for what, count in counts.items() if count]


COMPARED = """
    with last as (select distinct on ({key}) * from cleaned order by {key}, _line desc)
    select
        c.{key} as key, coalesce({class_id}, '') as class_id,
        case
            when s.{key} is null then 'new'
            when (d.drop_date, d.drop_id) > (cast(:date as date), :drop) then 'older'
            when {same} then 'same'
            else 'changed'
        end as what
    from last as c
    left join staging.{table} as s using ({key})
    left join etl.drops as d on s._drop_id = d.drop_id
    order by c.{key}
"""


def outlook(db: Connection, state: State, drop: Drop) -> Outlook:
    """Clean a held drop once more, beside staging, and compare."""
    dataset = DATASETS[drop.dataset]
    others = read_around(db, drop.dataset, drop.drop_date)
    cleaning = Cleaning(db, dataset, [drop], others, 0, apart=True)
    cleaning.load(state.settings)
    find_losers(cleaning)
    snapshots = Snapshots(cleaning, state.settings)
    query = COMPARED.format(
        key=dataset.key,
        table=dataset.table,
        class_id="c.class_id" if snapshots.classed else "null",
        same=" and ".join(f"s.{name} is not distinct from c.{name}" for name in cleaning.content),
    )
    rows = db.execute(text(query), {"date": drop.drop_date, "drop": drop.drop_id}).all()
    reasons, repeated = lost(cleaning)[drop.drop_id]
    before, today = snapshots.around(drop)
    db.execute(text("drop table cleaned, refused, losers, repeated"))
    found = Counter(row.what for row in rows)
    named = {row.key: row.class_id for row in rows}
    return Outlook(
        new={row.key: row.class_id for row in rows if row.what == "new"},
        missing={key: name or "" for key, name in sorted(before.items()) if key not in named and key not in today},
        before=Counter(name or "" for name in before.values()),
        named=Counter(named.values()),
        changed=found["changed"],
        same=found["same"],
        older=found["older"],
        rejected=cleaning.profiles[drop.drop_id].rejected,
        repeated=repeated.rows,
        reasons=reasons,
        vanish=not cleaning.profiles[drop.drop_id].rejected
        and all(each.drop_date <= drop.drop_date for each in others if not each.partial),
    )


def findings(db: Connection, drop_id: int) -> list[dict[str, str]]:
    """The limits that a drop passed: setting, value, limit, and what was seen."""
    query = text("select findings from etl.drops where drop_id = :drop")
    return list(db.execute(query, {"drop": drop_id}).scalar_one())


def decided(db: Connection, dataset: str) -> list[dict[str, Any]]:
    """What people decided of the drops of a dataset, the last first."""
    query = text("""
        select
            drop_id, coalesce(path, dataset) as path, drop_date, decision, decided_at::date as decided_on, status
        from etl.drops
        where dataset = :dataset and decision is not null order by decided_at desc, drop_id desc
    """)
    rows = [dict(row._mapping) for row in db.execute(query, {"dataset": dataset})]
    return [{**row, "path": printable(row["path"])} for row in rows]
