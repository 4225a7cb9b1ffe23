"""Drops: which files in the data folder are arrivals, and what the ledger knows of earlier ones.

A path whose content differs from the last content taken from it is a new drop (A, B, A are three). The same content
at a path never seen before is the same drop moved or copied, unless its path carries another date.
"""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import os
import re
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import Connection, text

from pipeline.datasets import DATASETS
from pipeline.home import SAMPLE
from pipeline.sources import strays as strays_of
from targets.parts import file_digest

SUFFIX = re.compile(r"\.(csv|tsv|txt|xlsx|json|jsonl|ndjson)(\.gz)?$", re.IGNORECASE)
ISO_DATE = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)")
REJECTS = re.compile(r"\.rejects-([0-9]+)(\.new(-\d+)?)?$")  # .new: written beside one that a person edits
README = re.compile(r"README(\.\w+)*")  # and no `README students.csv`
NOT_SAMPLE = (
    "is no file of the sample, which is made up; a school's files must not be mixed with it. Make a home for the "
    "school: eduflow init FOLDER, and put the file into FOLDER/data"
)
MAX_DEPTH = 100  # folders in folders
MAX_PATH = 2_600  # bytes; the ledger finds a file by its path, and an index takes 2,700
NO_TABLE, NO_DATASET = "not a csv, xlsx or json file", "matches no dataset"
# A file changed again within one tick of the clock keeps its times: too fresh a file is hashed again next time.
FRESH_NS = 50_000_000


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
    fields: tuple[str | None, ...]  # the contract column of each column of the file, None outside the contract
    delimiter: str

    @property
    def name(self) -> str:
        """What people know it by, as it may be printed."""
        return shown(self.path or self.dataset)

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
class Known:
    """A row of etl.files: the last content taken from a path."""

    path: str
    stat: tuple[int, int, int, int] | None
    sha256: str
    drop_id: int


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
class File:
    """A file of a dataset in the data folder. date: the ISO date in its path. stat: size, mtime, ctime, inode."""

    path: str
    absolute: Path
    dataset: str
    date: date | None
    partial: bool
    stat: tuple[int, int, int, int]
    fresh: bool
    sha256: str


@dataclass(frozen=True)
class Scan:
    """One look at the data folder. unmatched: (path, why it is no drop); waiting: those of them that were given to be
    read, and so wait for a person. known: what the ledger knew of its files."""

    files: tuple[File, ...] = ()
    unmatched: tuple[tuple[str, str], ...] = ()
    waiting: tuple[tuple[str, str], ...] = ()
    today: date = date.min
    known: Mapping[str, Known] = field(default_factory=dict)

    def of(self, dataset: str) -> list[File]:
        return self._by_dataset.get(dataset, [])

    @functools.cached_property
    def _by_dataset(self) -> dict[str, list[File]]:
        found: dict[str, list[File]] = defaultdict(list)
        for file in self.files:
            found[file.dataset].append(file)
        return found

    @functools.cached_property
    def new(self) -> list[File]:
        """The files that the ledger did not know when they were scanned, or knew with another content."""
        return [file for file in self.files if not _is_known(file, self.known)]

    def unknown(self, known: Mapping[str, Known]) -> list[File]:
        """Those of them that it does not know yet."""
        return [file for file in self.new if not _is_known(file, known)]


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


def shown(path: str) -> str:
    """A path as it may be printed: control characters escaped, so that a file name can't forge a log line."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in path)


def shown_lines(text: str) -> str:
    """The same for a text of several lines."""
    return text if text.replace("\n", "").isprintable() else "\n".join(map(shown, text.split("\n")))


def _is_known(file: File, known: Mapping[str, Known]) -> bool:
    seen = known.get(file.path)
    return seen is not None and seen.sha256 == file.sha256


def nothing_known(_paths: list[str]) -> dict[str, Known]:
    return {}


def scan(
    folder: Path, known_of: Callable[[list[str]], Mapping[str, Known]] = nothing_known, ignore: Sequence[str] = ()
) -> Scan:
    """Look at every file below the folder, in path order; hash those whose size or times differ from the ledger's.

    known_of: what the ledger knows of these paths; ignore: patterns of paths or names that are not looked at
    """
    files, unmatched = [], []
    of_sample = sample_files(folder)
    there = [
        (absolute, path, fault or _meaning(folder, absolute, path))
        for absolute, path, fault in sorted(_walk(folder), key=lambda found: found[1])
        if not _ignored(path, ignore)
    ]
    known = known_of([path for _, path, meaning in there if not isinstance(meaning, str)])
    for absolute, path, meaning in there:
        if of_sample and path not in of_sample and not isinstance(meaning, str) and not meaning[2]:
            unmatched.append((path, NOT_SAMPLE))
            continue
        if isinstance(meaning, str):
            unmatched.append((path, meaning))
            continue
        dataset, day, partial = meaning
        try:
            status = absolute.stat()
            identity = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
            fresh = max(status.st_mtime_ns, status.st_ctime_ns) > datetime.now(UTC).timestamp() * 1e9 - FRESH_NS
            seen = known.get(path)
            sha256 = seen.sha256 if seen and seen.stat == identity and not fresh else file_digest(absolute)
        except OSError as error:
            unmatched.append((path, f"can't be read: {error.strerror}"))
            continue
        files.append(File(path, absolute, dataset, day, partial, identity, fresh, sha256))
    taken = {file.path for file in files}
    strays = [
        _stray(folder, path, why, taken, look=place < strays_of.LOOKED_AT)
        for place, (path, why) in enumerate(unmatched)
    ]
    waiting = tuple((path, why) for path, why, waits in strays if waits)
    return Scan(tuple(files), tuple((path, why) for path, why, _ in strays), waiting, datetime.now(UTC).date(), known)


def sample_files(folder: Path) -> frozenset[str]:
    """The files of the sample, when this is its data folder; others must not be mixed with it."""
    listed = folder / SAMPLE
    return frozenset(listed.read_text(encoding="utf-8").splitlines()) if listed.is_file() else frozenset()


def _ignored(path: str, patterns: Sequence[str]) -> bool:
    name = path.rpartition("/")[2]
    return any(fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _stray(folder: Path, path: str, why: str, taken: set[str], *, look: bool) -> tuple[str, str, bool]:
    """(path, why it is no drop and what would load it, whether it waits for a person)."""
    if why not in (NO_DATASET, NO_TABLE):
        return path, why, True
    if not strays_of.is_given(path):
        return path, why, False
    said = strays_of.advice(folder / path, path, taken) if look else ""
    taken |= {said.rpartition(" ")[2]} if said else set()
    return path, f"{why}; {shown(said)}" if said else why, True


def _walk(folder: Path) -> Iterable[tuple[Path, str, str]]:
    """(absolute, relative path, why it is no drop) of every file, of links to folders (not followed) and of folders
    that can't be read. By hand: os.walk calls itself for every level."""
    waiting = [(folder, 0)]
    while waiting:
        parent, depth = waiting.pop()
        try:
            with os.scandir(parent) as found:
                entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
        except OSError as error:
            yield parent, str(parent.relative_to(folder)), f"can't be read: {error.strerror}"
            continue
        for name, is_folder in entries:
            absolute = parent / name
            if name.startswith("." if is_folder else (".", "~$")) or README.fullmatch(name):
                continue
            path = str(absolute.relative_to(folder))
            if is_folder and depth < MAX_DEPTH:
                waiting.append((absolute, depth + 1))
            elif is_folder:
                yield absolute, path, f"more than {MAX_DEPTH} folders in each other; what is in it is not read"
            elif len(os.fsencode(path)) > MAX_PATH:
                yield absolute, path, f"its path has more than {MAX_PATH:,} bytes; shorten it"
            else:
                yield absolute, path, ""


def _meaning(folder: Path, absolute: Path, path: str) -> tuple[str, date | None, bool] | str:
    """(dataset, date in the path, is a reject file sent back), or why the file is no drop."""
    try:
        if not stat.S_ISREG(absolute.stat().st_mode):
            return "not a regular file"
        path.encode()
    except OSError as error:
        return f"can't be read: {error.strerror}"
    except UnicodeEncodeError:
        return "its name is not UTF-8; rename it"
    if absolute.is_symlink() and not absolute.resolve().is_relative_to(folder.resolve()):
        return "a link that leads out of the data folder"
    suffix = SUFFIX.search(absolute.name)
    if suffix is None:
        return NO_TABLE
    stem = absolute.name[: suffix.start()].lower()
    partial = REJECTS.search(stem) is not None
    name = re.sub(r"[^a-z0-9]+", "_", ISO_DATE.sub("", REJECTS.sub("", stem))).strip("_")
    dataset = next((d.name for d in DATASETS.values() if name in (d.name, *d.aliases)), None)
    if dataset is None:
        return NO_DATASET
    if not os.access(absolute, os.R_OK):
        return "can't be read: permission denied"
    dates = ISO_DATE.findall(path)
    try:
        return dataset, date.fromisoformat(dates[-1]) if dates else None, partial
    except ValueError:
        return f"{dates[-1]} in its path is no date"


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
    """Whether a refused drop deserves another try: its reader, contract or encoding is another one now."""
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
        name, reason = f"drop {drop.drop_id} {drop.status}", shown(drop.reason or "")
        verbs = f"account {drop.drop_id}, then approve {drop.drop_id} or refuse {drop.drop_id}"
        remedy = verbs if drop.status == "held" else f"refuse {drop.drop_id}"
        waits.append(Waiting(name, reason, f"a corrected file at the same path, or: eduflow {remedy}", is_drop=True))
    remedy = "give it a name that is known, take it away, or name it in the setting `ignore`"
    return waits + [Waiting(shown(path), why, remedy) for path, why in found.waiting]


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
