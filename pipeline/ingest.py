"""Ingest: files -> drops in `raw.<dataset>`, byte for byte. A file that can't be read refuses itself alone."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import luigi
import pyarrow as pa
from luigi.util import requires
from sqlalchemy import Connection, text

from pipeline import home as homes
from pipeline.config import PROJECT, Settings, settings
from pipeline.datasets import DATASETS
from pipeline.datasets.declaration import Dataset
from pipeline.drops import Arrival, Arrivals, Taken, arrivals, drop_digest
from pipeline.log import Progress
from pipeline.run import State, current_state, read_state, this_run, transaction
from pipeline.sources.batch import Batch, Reading
from pipeline.sources.errors import SourceError, listed
from pipeline.sources.folder import File, printable
from pipeline.sources.formats import kinds
from pipeline.step import Build, Built, DataFolder, Goal, Step
from targets import parts as digests
from targets import step as targets_step
from targets.errors import UserError
from targets.parts import Parts
from targets.postgres.copy import copy_in
from targets.postgres.errors import retrying
from targets.postgres.locks import lock
from targets.run import log
from targets.step import failure_recorded

LONG_BYTES = 5_000_000  # of a file that takes longer to land than a fork: about 0.2 s
MANY, SMALL = 1_000, 8_000_000  # files and bytes that are landed by one COPY
# in pipeline/sources: what decides what of a file is read
READERS = ("batch.py", "columns.py", "errors.py", "formulas.py", "never_stored.py", "formats/*.py")


def by_size(dataset: Dataset) -> int:
    """A priority: what takes longest to load and clean goes first, so that several workers end together."""
    return 10 + sum(file.stat[0] for file in current_state().scan.of(dataset.name)) // 1_000_000


@requires(folder=DataFolder)
class Raw(Step):
    """The drops of one dataset, in raw. Its one part is their list, so a file that disappears changes nothing."""

    dataset: ClassVar[Dataset]
    updates_drops = True

    def own_parts(self, state: State) -> Parts:
        landed, pending = state.taken.get(self.dataset.name, Taken()), self.arrivals(state).new
        coming = sum(drop_digest(arrival.drop_date, arrival.file.sha256, None) for arrival in pending)
        every = [landed.in_raw + len(pending), landed.digest + coming]
        return {f"drops:{self.dataset.name}": digests.digest(every)}

    @property
    def priority(self) -> int:  # type: ignore[override] # Luigi only reads it
        return by_size(self.dataset)

    def worth_a_fork(self) -> bool:
        return sum(arrival.file.stat[0] for arrival in self.arrivals(current_state()).new) > LONG_BYTES

    def arrivals(self, state: State) -> Arrivals:
        name = self.dataset.name
        judge = judge_digest(self.dataset, state.settings)
        return arrivals(state.scan.of(name), state.drops_of(name), state.known, judge, state.scan.today)

    def run(self) -> Iterator[list[targets_step.Step[State]]]:
        options = settings()
        with failure_recorded(this_run(), self.target):
            retrying(lambda: number_arrivals(options))
        yield from super().run()

    def build(self, build: Build) -> Built:
        db, state = build.db, build.state
        new = self.arrivals(state).new
        changed = sum(self._landed(db, state.settings, new))
        state = read_state(db, state.settings)  # with what has just landed
        _remember(db, self.arrivals(state).same)
        taken = state.taken.get(self.dataset.name, Taken())
        note = f"{taken.in_raw} drop{'s' if taken.in_raw > 1 else ''}" if taken.in_raw else "no file yet"
        return Built(taken.rows, changed, note=note)

    def _landed(self, db: Connection, options: Settings, new: Sequence[Arrival]) -> Iterator[int]:
        """Land the files, small ones many at a time; yield the rows landed."""
        read: list[Read] = []
        size = 0
        for arrival in new:
            if _is_small(arrival.file):
                with self._refusing(db, options, arrival):
                    read.append(_read(options, self.dataset, arrival))
                size += arrival.file.stat[0]
                if size < SMALL and len(read) < MANY:
                    continue
            else:
                with self._refusing(db, options, arrival), db.begin_nested():
                    yield _copy(db, options, self.dataset, arrival)
            yield _copy_many(db, options, self.dataset, read)
            read, size = [], 0
        yield _copy_many(db, options, self.dataset, read)

    @contextlib.contextmanager
    def _refusing(self, db: Connection, options: Settings, arrival: Arrival) -> Iterator[None]:
        """Record of a file that can't be read why it is refused."""
        file = arrival.file
        try:
            yield
        except SourceError as error:
            if not _as_scanned(file):
                raise _changed(file) from None
            if error.reason == "unreadable":  # yet it was read just now: a moment's trouble says nothing of the file
                raise UserError(f"{error}. Run again.") from None
            (drop_id,) = _record(db, self.dataset, options, [arrival], status="refused", reason=str(error))
            _remember(db, [(file, drop_id)])
            log.warning("refused %s", error)


def _is_small(file: File) -> bool:
    """Whether its records fit into memory beside those of others."""
    return file.stat[0] <= SMALL // 16 and not kinds.is_packed(file.path)


def _say_landed(arrival: Arrival, source: Reading) -> None:
    outside = f", outside the declaration: {listed(source.columns.extra, printable)}" if source.columns.extra else ""
    hidden = "".join(f", column {printable(column)!r} is never stored" for column in source.columns.never_stored[:20])
    absent = f", without {listed(source.columns.absent, printable)}" if source.columns.absent else ""
    said = f"{source.rows:,} records, drop date {arrival.drop_date}{outside}{hidden}{absent}"
    log.info("landed %s: %s", printable(arrival.file.path), said)


@functools.cache
def readers() -> tuple[Path, ...]:
    """The modules that decide what of a file is read."""
    folder = PROJECT / "pipeline/sources"
    return tuple(path for pattern in READERS for path in sorted(folder.glob(pattern)))


def judge_digest(dataset: Dataset, options: Settings) -> str:
    """What decides whether a file can be read: when it changes, refused files are tried again."""
    return digests.digest(
        [
            *(digests.source_digest(path) for path in readers()),
            *(digests.digest(dataset), options.encoding),
        ]
    )


def _copy(db: Connection, options: Settings, dataset: Dataset, arrival: Arrival) -> int:
    """COPY the file into raw under a new drop; return the records."""
    file = arrival.file
    name = printable(file.path)
    with _opened(options, dataset, arrival.file) as source:
        (drop_id,) = _record(db, dataset, options, [arrival], status="landed")
        progress = Progress(f"landing {name}")

        def tables() -> Iterator[pa.Table]:
            for table in _batches(source, name):
                progress.add(len(table))
                yield _numbered(table, drop_id)

        copy_in(db, f"raw.{dataset.name}", tables())
        _landed_as(db, [(arrival, drop_id, source)])
        return source.rows


@dataclass(frozen=True)
class Read:
    """A small file in memory."""

    arrival: Arrival
    source: Reading
    tables: list[pa.Table]


def _read(options: Settings, dataset: Dataset, arrival: Arrival) -> Read:
    with _opened(options, dataset, arrival.file) as source:
        return Read(arrival, source, list(_batches(source, printable(arrival.file.path))))


def _copy_many(db: Connection, options: Settings, dataset: Dataset, read: Sequence[Read]) -> int:
    """COPY small files into raw, each under a new drop; return the records: a COPY of each would take ten times as
    long."""
    if not read:
        return 0
    drop_ids = _record(db, dataset, options, [each.arrival for each in read], status="landed")
    numbered = list(zip(read, drop_ids, strict=True))
    tables = [_numbered(table, drop_id) for each, drop_id in numbered for table in each.tables]
    copy_in(db, f"raw.{dataset.name}", [pa.concat_tables(tables)] if tables else [])
    _landed_as(db, [(each.arrival, drop_id, each.source) for each, drop_id in numbered])
    return sum(each.source.rows for each in read)


def _opened(options: Settings, dataset: Dataset, batch: Batch) -> Reading:
    with reading(printable(batch.identity)):
        return batch.read(dataset, encoding=options.encoding)


def _batches(source: Reading, name: str) -> Iterator[pa.Table]:
    line, batches = 0, source.tables()
    while True:
        with reading(name):
            batch = next(batches, None)
            if batch is None:
                return
            line = _last_line(batch, line)
        yield batch


def _numbered(table: pa.Table, drop_id: int) -> pa.Table:
    return table.add_column(0, "_drop_id", pa.repeat(pa.scalar(drop_id), len(table)))


def _landed_as(db: Connection, landed: Sequence[tuple[Arrival, int, Reading]]) -> None:
    """Keep how the files of these drops were read; UserError if one is not what was scanned."""
    shapes = []
    for arrival, drop_id, source in landed:
        if source.digest != arrival.file.digest:
            raise _changed(arrival.file)
        shape = {
            "header": source.columns.header,
            "fields": source.columns.fields,
            "delimiter": source.delimiter,
            "encoding": source.encoding,
            "extra": "place",  # what the keys in `_extra` are; in drops landed before, its names
            "never_stored": source.columns.never_stored,
        }
        shapes.append({"drop_id": drop_id, "rows": source.rows, "format": shape})
    db.execute(
        text("""
            update etl.drops as d set rows = n.rows, format = n.format
            from jsonb_to_recordset(cast(:shapes as jsonb)) as n (drop_id bigint, rows bigint, format jsonb)
            where d.drop_id = n.drop_id
        """),
        {"shapes": json.dumps(shapes)},
    )
    _remember(db, [(arrival.file, drop_id) for arrival, drop_id, _ in landed])
    for arrival, _, source in landed:
        _say_landed(arrival, source)


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """Whatever a reader raises becomes a SourceError that refuses the file alone, and shows no value of it."""
    try:
        yield
    except (SourceError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of a library is no Exception
        if isinstance(error, OSError) and error.errno:
            what, reason = f"cannot be read now ({error.strerror})", "unreadable"
        else:
            what, reason = f"could not be read: {type(error).__name__}; save it anew, or send it as .csv", "failed"
        raise SourceError(f"{name}: {what}", path=name, line=None, reason=reason) from None


def _last_line(batch: pa.Table, before: int) -> int:
    """The last line of a batch; its lines must rise, because (_drop_id, _line) is the key of raw."""
    lines = batch["_line"].to_numpy()
    if len(lines) and (lines[0] <= before or (lines[1:] <= lines[:-1]).any()):
        raise AssertionError("the reader gave line numbers that do not rise")
    return int(lines[-1]) if len(lines) else before


def _as_scanned(file: File) -> bool:
    try:  # a pipe or a device that took its place would be read for ever
        return file.absolute.is_file() and digests.file_digest(file.absolute) == file.sha256
    except OSError:
        return False


def _changed(file: File) -> UserError:
    return UserError(
        f"{printable(file.path)} changed while it was read; nothing of it was kept. Run again when it is whole."
    )


def _record(
    db: Connection,
    dataset: Dataset,
    options: Settings,
    new: Sequence[Arrival],
    *,
    status: str,
    reason: str | None = None,
) -> list[int]:
    """Insert the drops (or, when a refused one is tried again, update it); return their ids."""
    numbers = _take_numbers(db, [arrival.file for arrival in new if arrival.retry is None])
    rows = [
        {
            "drop_id": arrival.retry or numbers[arrival.file.path],
            "path": arrival.file.path,
            "sha256": arrival.file.sha256,
            "size": arrival.file.stat[0],
            "drop_date": arrival.drop_date.isoformat(),
            "partial": arrival.file.partial,
        }
        for arrival in new
    ]
    landed = "clock_timestamp()" if status == "landed" else "null"
    db.execute(
        text(f"""
            insert into etl.drops
            (drop_id, dataset, path, sha256, size, drop_date, partial, status, reason, judged_by, landed_at)
            select drop_id, :dataset, path, sha256, size, drop_date, partial, :status, :reason, :judged_by, {landed}
            from jsonb_to_recordset(cast(:rows as jsonb))
                as n (drop_id bigint, path text, sha256 text, size bigint, drop_date date, partial boolean)
            on conflict (drop_id) do update set
                status = excluded.status, reason = excluded.reason, judged_by = excluded.judged_by,
                landed_at = excluded.landed_at
        """),
        {
            "dataset": dataset.name,
            "status": status,
            "reason": reason,
            "judged_by": judge_digest(dataset, options),
            "rows": json.dumps(rows),
        },
    )
    return [row["drop_id"] for row in rows]  # type: ignore[misc] # ids are numbers


def _remember(db: Connection, taken: Sequence[tuple[File, int]]) -> None:
    """Keep what was taken from these paths, so that the same content there is no new drop and needs no hashing.

    taken: files, and the drop that each is
    """
    rows = []
    for file, drop_id in taken:
        size, *times = file.stat
        mtime, ctime, inode = [None] * 3 if file.fresh else times
        named = {"path": file.path, "dataset": file.dataset, "sha256": file.sha256, "drop_id": drop_id}
        rows.append({**named, "size": size, "mtime_ns": mtime, "ctime_ns": ctime, "inode": inode})
    db.execute(
        text("""
            insert into etl.files (path, dataset, size, mtime_ns, ctime_ns, inode, sha256, drop_id)
            select path, dataset, size, mtime_ns, ctime_ns, inode, sha256, drop_id
            from jsonb_to_recordset(cast(:rows as jsonb)) as n (
                path text, dataset text, size bigint, mtime_ns bigint, ctime_ns bigint, inode numeric, sha256 text,
                drop_id bigint
            )
            on conflict (path) do update set
                dataset = excluded.dataset, size = excluded.size, mtime_ns = excluded.mtime_ns,
                ctime_ns = excluded.ctime_ns, inode = excluded.inode, sha256 = excluded.sha256,
                drop_id = excluded.drop_id
        """),
        {"rows": json.dumps(rows)},
    )


# --- drop ids -------------------------------------------------------------------------------------------------------


def number_arrivals(options: Settings) -> None:
    """Give each new file of the scan its drop id, in path order over all datasets and before the first is landed.

    So that a drop is called the same on every install, whichever dataset lands first and wherever a run is killed.
    UserError when they must not come into this database: see homes.mixed.
    """
    with transaction(options) as db:
        lock(db, "etl.coming", [])
        state = read_state(db, options)
        arriving = [arrival for step in RAW.values() for arrival in step().arrivals(state).new]
        if arriving:  # here, not where they land: the largest file would keep the others waiting
            homes.note_kind(db, options.data_dir)
            if said := homes.mixed(db, options.data_dir):
                raise UserError(said)
        new = sorted((arrival.file for arrival in arriving if arrival.retry is None), key=lambda file: file.identity)
        files = {"paths": [file.path for file in new], "digests": [file.sha256 for file in new]}
        # What is gone or has changed must not keep an early id. A locked row is being landed by another process.
        db.execute(
            text("""
                delete from etl.coming where drop_id in (
                    select drop_id from etl.coming
                    where (path, sha256) not in (
                        select path, sha256
                        from unnest(cast(:paths as text []), cast(:digests as text [])) as n (path, sha256)
                    )
                    for update skip locked
                )
            """),
            files,
        )
        _number(db, **files)


def _number(db: Connection, *, paths: list[str], digests: list[str]) -> None:
    """The next free ids to the files that have none; under the lock of etl.coming."""
    db.execute(
        text("""
            insert into etl.coming (path, sha256, drop_id)
            select n.path, n.sha256, last.drop_id + row_number() over (order by n.place)
            from unnest(cast(:paths as text []), cast(:digests as text [])) with ordinality as n (path, sha256, place)
            cross join (
                select coalesce(max(drop_id), 0) as drop_id
                from (select drop_id from etl.drops union all select drop_id from etl.coming) as known
            ) as last
            where not exists (select from etl.coming as c where (c.path, c.sha256) = (n.path, n.sha256))
        """),
        {"paths": paths, "digests": digests},
    )


def _take_numbers(db: Connection, files: Sequence[File]) -> dict[str, int]:
    """path -> the id of a drop about to be recorded. One has none yet if another process, with an older scan, took it
    away."""
    taken = _taken_numbers(db, files)
    if without := [file for file in files if file.path not in taken]:
        lock(db, "etl.coming", [])
        _number(db, paths=[file.path for file in without], digests=[file.sha256 for file in without])
        taken |= _taken_numbers(db, without)
    return taken


def _taken_numbers(db: Connection, files: Sequence[File]) -> dict[str, int]:
    rows = db.execute(
        text("""
            delete from etl.coming as c
            using unnest(cast(:paths as text []), cast(:digests as text [])) as n (path, sha256)
            where (c.path, c.sha256) = (n.path, n.sha256) returning c.path, c.drop_id
        """),
        {"paths": [file.path for file in files], "digests": [file.sha256 for file in files]},
    )
    return {row.path: row.drop_id for row in rows}


# --- the steps ------------------------------------------------------------------------------------------------------


def _step(dataset: Dataset) -> type[Raw]:
    about = f"Records of {dataset.name} files."
    names = {"target": f"raw.{dataset.name}", "dataset": dataset, "__doc__": about, "__module__": __name__}
    return type(f"Raw{dataset.family}", (Raw,), names)


# By dataset: RawStudents, RawAttendance, ...
RAW: dict[str, type[Raw]] = {name: _step(dataset) for name, dataset in DATASETS.items()}


class Ingest(Goal):
    """Goal: every readable file is in raw."""

    def requires(self) -> list[luigi.Task]:
        return [step() for step in RAW.values()]
