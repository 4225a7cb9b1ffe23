"""Drops: what the ledger knows of batches that came, which files of a scan are new ones, and what waits for a person.

A path whose content differs from the last content taken from it is a new drop (A, B, A are three). The same content
at a path never seen before is the same drop moved or copied, unless its path carries another date.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Connection, text

from pipeline.datasets import DATASETS
from pipeline.sources.folder import REJECTS, SUFFIX, File, Known, Scan, printable


@dataclass(frozen=True)
class Drop:
    """A row of etl.drops, without its counts. path and size: of a file."""

    drop_id: int
    dataset: str
    path: str | None
    sha256: str
    drop_date: date
    status: str
    reason: str | None
    decision: str | None
    judged_by: str | None
    partial: bool
    in_raw: bool
    landed_on: date | None  # when its path names a day: the one that it came, anywhere on earth
    size: int | None  # bytes
    rows: int | None  # records landed
    fields: tuple[str | None, ...]  # the declaration column of each column of the file, None outside the declaration
    delimiter: str

    @property
    def name(self) -> str:
        """What people know it by, as it may be printed."""
        return printable(self.path or self.dataset)

    @property
    def accepted(self) -> bool:
        return self.status in ("landed", "staged")

    @property
    def mends(self) -> int | None:
        """The drop whose reject file this is by its name."""
        path = self.path or ""
        suffix = SUFFIX.search(path)
        found = REJECTS.search(path[: suffix.start()].lower()) if suffix and self.partial else None
        return int(found[1]) if found else None

    @property
    def unsettled(self) -> bool:
        return self.status in ("refused", "held") and self.decision is None


@dataclass(frozen=True)
class Taken:
    """A row of etl.datasets: what the drops of a dataset come to. drops: but the retracted ones; digest: of those in
    raw, whatever their order."""

    drops: int = 0
    in_raw: int = 0
    rows: int = 0
    digest: int = 0


def drop_digest(drop_date: date, sha256: str, decision: str | None) -> int:
    """The share of a drop in raw in `Taken.digest`: etl.drop_digest says the same."""
    text = f"{drop_date.isoformat()} {sha256} {decision or ''}"
    return int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[:8], signed=True)


@dataclass(frozen=True)
class Arrival:
    """A file to land. retry: the refused drop that this file is, tried again because its judge changed."""

    file: File
    drop_date: date
    retry: int | None = None


@dataclass(frozen=True)
class Arrivals:
    new: list[Arrival] = field(default_factory=list)
    same: list[tuple[File, int]] = field(default_factory=list)  # moved or copied files, and the drop they are


def arrivals(
    files: Sequence[File], drops: Sequence[Drop], known: Mapping[str, Known], judge: str, today: date
) -> Arrivals:
    """Which files of one dataset are new drops, given its drops so far. Pure; in path order."""
    found = Arrivals()
    by_id = {drop.drop_id: drop for drop in drops}
    by_content: dict[str, list[Drop]] = defaultdict(list)
    newest: dict[str, date] = {}  # by path; drops come in the order of their dates
    for drop in drops:
        if drop.path is not None:
            by_content[drop.sha256].append(drop)
            newest[drop.path] = drop.drop_date
    retried: set[int] = set()
    coming: dict[tuple[str, str], set[date]] = defaultdict(set)  # content and suffix -> the dates it arrives with
    for file in files:
        seen = known.get(file.path)
        if seen and seen.sha256 == file.sha256:
            refused = by_id.get(seen.drop_id)
            if refused and _tried_again(refused, judge) and refused.drop_id not in retried:
                retried.add(refused.drop_id)
                coming[file.sha256, _suffix(file.path)].add(refused.drop_date)
                found.new.append(Arrival(file, refused.drop_date, retry=refused.drop_id))
            continue
        day = file.date or max(today, newest.get(file.path, today))
        dates = coming[file.sha256, _suffix(file.path)]
        if seen is None:
            same = [
                drop
                for drop in by_content[file.sha256]
                if file.date in (None, drop.drop_date)
                and (drop.in_raw or _suffix(drop.path or "") == _suffix(file.path))  # else the remedy: it was renamed
            ]
            if same:
                found.same.append((file, same[-1].drop_id))
                continue
            if file.date in dates or (dates and file.date is None):
                continue  # the same file twice in one scan: known as a copy once the first has landed
        dates.add(day)
        found.new.append(Arrival(file, day))
    return found


def _suffix(path: str) -> str:
    """How a file is read depends on the end of its name."""
    found = SUFFIX.search(path)
    return found.group().lower() if found else ""


def _tried_again(drop: Drop, judge: str) -> bool:
    """Whether a refused drop deserves another try: its reader, declaration or encoding is another one now."""
    return drop.status == "refused" and drop.unsettled and drop.judged_by != judge


def unsettled(drops: Iterable[Drop]) -> list[Drop]:
    """Refused and held drops that no person decided and no newer accepted drop replaced: one from the same path, or
    the same content under a better name."""
    drops = list(drops)
    newest: dict[str, int] = {}
    for drop in drops:
        if drop.accepted:
            for name in filter(None, (drop.path, drop.sha256)):
                newest[name] = max(drop.drop_id, newest.get(name, 0))
    return [
        drop
        for drop in drops
        if drop.unsettled and max(newest.get(drop.path or "", 0), newest.get(drop.sha256, 0)) < drop.drop_id
    ]


@dataclass(frozen=True)
class Waiting:
    """Something that was given and is not taken. what: a drop or a file, why it waits, and what settles it."""

    what: str
    why: str
    remedy: str
    is_drop: bool = False

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


def waiting(drops: Iterable[Drop], found: Scan) -> list[Waiting]:
    """All that waits for a person: drops held or refused, and files that were given to be read and match no dataset."""
    waits = []
    for drop in unsettled(drops):
        name, reason = f"drop {drop.drop_id} {drop.status}", printable(drop.reason or "")
        verbs = f"account {drop.drop_id}, then approve {drop.drop_id} or refuse {drop.drop_id}"
        remedy = verbs if drop.status == "held" else f"refuse {drop.drop_id}"
        waits.append(Waiting(name, reason, f"a corrected file at the same path, or: eduflow {remedy}", is_drop=True))
    remedy = "give it a name that is known, take it away, or name it in the setting `ignore`"
    return waits + [Waiting(printable(path), why, remedy) for path, why in found.waiting]


def counted(waits: Sequence[Waiting]) -> str:
    """2 drops and 1 file; "" when nothing waits."""
    drops = sum(each.is_drop for each in waits)
    kinds = [(drops, "drop"), (len(waits) - drops, "file")]
    return " and ".join(f"{count:,} {kind}{'' if count == 1 else 's'}" for count, kind in kinds if count)


def datasets_without_a_file(taken: Mapping[str, Taken]) -> list[str]:
    """Datasets of which nothing came yet; a retracted drop is as if it had never come."""
    return [name for name in DATASETS if name not in taken or not taken[name].drops]


DROPS = """
    select drop_id, dataset, path, sha256, drop_date, status, reason, decision, judged_by, partial, size,
        landed_at is not null as in_raw,
        case
            when path ~ '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}'
                then (landed_at at time zone 'utc' + interval '14 hours')::date
        end as landed_on, rows,
        coalesce(format -> 'fields', '[]') as fields,
        coalesce(format ->> 'delimiter', ',') as delimiter
    from etl.drops where {condition} order by drop_date, drop_id
"""

# Drops that wait or were refused, those that replaced one of them, and those that a new file may be.
RELEVANT = """
    with open as materialized (
        select drop_id, path, sha256, decision from etl.drops where status in ('held', 'refused')
    ),
    new as (
        select path, sha256, dated
        from unnest(cast(:paths as text []), cast(:contents as text []), cast(:dates as date []))
            as n (path, sha256, dated)
    )
    select drop_id from open
    union all
    select r.drop_id from open as o cross join lateral (
        (
            select d.drop_id from etl.drops as d
            where d.path = o.path and d.drop_id > o.drop_id and d.status in ('landed', 'staged') limit 1
        )
        union all
        (
            select d.drop_id from etl.drops as d
            where d.sha256 = o.sha256 and d.drop_id > o.drop_id and d.status in ('landed', 'staged') limit 1
        )
    ) as r
    where o.decision is null
    union all
    select r.drop_id from new as n cross join lateral (
        (select d.drop_id from etl.drops as d where d.path = n.path order by d.drop_id desc limit 1)
        union all
        (
            select d.drop_id from etl.drops as d
            where d.sha256 = n.sha256 and (n.dated is null or d.drop_date = n.dated)
        )
    ) as r
"""


def _read(db: Connection, condition: str, **values: object) -> list[Drop]:
    rows = db.execute(text(DROPS.format(condition=condition)), values)
    return [Drop(**{**row._mapping, "fields": tuple(row.fields)}) for row in rows]


def read_relevant(db: Connection, new: Iterable[File]) -> list[Drop]:
    """The drops that the state is asked about: those held or refused, those that replaced one, and those that one of
    the new files may be. In the order in which their rows count: (drop_date, drop_id)."""
    files = list(new)
    values = {
        "paths": [file.path for file in files],
        "contents": [file.sha256 for file in files],
        "dates": [file.date for file in files],
    }
    return _read(db, f"drop_id in ({RELEVANT})", **values)


def read_drops(db: Connection, dataset: str, *statuses: str) -> list[Drop]:
    """The drops of a dataset, of these statuses or of all; in the order in which their rows count."""
    condition = f"status in ({', '.join(repr(status) for status in statuses)})" if statuses else "true"
    return _read(db, f"dataset = :dataset and {condition}", dataset=dataset)


def read_drop(db: Connection, drop_id: int) -> Drop:
    """One drop; it exists."""
    return _read(db, "drop_id = :drop", drop=drop_id)[0]


def read_newest(db: Connection, dataset: str) -> list[Drop]:
    """The accepted drops of the newest day of a dataset, in their order."""
    newest = """
        select drop_date from etl.drops where dataset = :dataset and status in ('landed', 'staged')
        order by drop_date desc limit 1
    """
    condition = f"dataset = :dataset and status in ('landed', 'staged') and drop_date = ({newest})"
    return _read(db, condition, dataset=dataset)


def read_around(db: Connection, dataset: str, first: date) -> list[Drop]:
    """The accepted drops of a dataset from the last day on which a whole one came before `first`, in their order."""
    before = """
        select drop_date from etl.drops
        where dataset = :dataset and status in ('landed', 'staged') and not partial and drop_date < :first
        order by drop_date desc limit 1
    """
    condition = f"dataset = :dataset and status in ('landed', 'staged') and drop_date >= coalesce(({before}), :first)"
    return _read(db, condition, dataset=dataset, first=first)


def read_known(db: Connection, paths: list[str]) -> dict[str, Known]:
    query = """
        select path, size, mtime_ns, ctime_ns, inode::bigint, sha256, drop_id from etl.files where path = any(:paths)
    """
    return {
        row.path: Known(
            row.path,
            (row.size, row.mtime_ns, row.ctime_ns, row.inode) if row.mtime_ns is not None else None,
            row.sha256,
            row.drop_id,
        )
        for row in db.execute(text(query), {"paths": paths})
    }


def read_taken(db: Connection) -> dict[str, Taken]:
    rows = db.execute(text("select dataset, drops, in_raw, rows, digest from etl.datasets"))
    return {row.dataset: Taken(row.drops, row.in_raw, row.rows, int(row.digest)) for row in rows}
