"""Step: a Luigi task that makes one target, and knows what it was made from.

Luigi takes "the output exists" for done; so a changed file, rule or query is never noticed. A Step is done when the
parts recorded with its target equal the parts it would be made from now: the whole of make, once. `complete()` is
asked of the whole graph before anything runs, so every part is known beforehand: from the code, the configuration,
the one look at the data folder, and the ledger's drops and decisions.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import logging
import multiprocessing
import os
import re
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, cast

import luigi
import psycopg2
from luigi.rpc import RPCError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

import init_db
from pipeline import definitions
from pipeline import drops as arrivals_of
from pipeline import home as homes
from pipeline.config import PROJECT, ConfigError, Settings, settings
from pipeline.datasets import DATASETS
from pipeline.datasets.declaration import Dataset
from pipeline.drops import Drop, Taken
from pipeline.sources import folder
from pipeline.sources.folder import Known, Scan
from targets import parts as digests
from targets.artifact import ArtifactError
from targets.changes import forget_changes
from targets.database import BULK, Database, DatabaseError, complaint, lock, retrying
from targets.parts import Parts
from targets.record import Record, read_records, write_record

REFERENCES = sorted({name for dataset in DATASETS.values() for name in dataset.lookups})
LONG_ROWS = 50_000  # read by a step that takes longer than a fork: about 0.2 s
LONG_BYTES = 5_000_000  # of a file, likewise

# A child of Luigi's own logger: shown wherever Luigi's lines are shown, and by `eduflow run` alone.
log = logging.getLogger("luigi-interface.eduflow")


class UserError(Exception):
    """Something a person can put right; its text is the whole story, so no traceback is shown."""


class WaitsError(UserError):
    """Something that was given waits for a person: what is good is built."""


class StepError(UserError):
    """A target could not be made: names it and what the database objects to, never a value."""


NO_SCHEDULER = (
    "The central scheduler does not answer; what is built stays built. "
    "Start it (eduflow ui) and run again, or run without one: eduflow run"
)


class _NoTraceback(logging.Filter):
    """Luigi logs every failure with its traceback; for a person's mistake the message alone helps."""

    # What complete() raised comes as text.
    raised = re.compile(
        r"(Will not run [^\n]*)\nTraceback .*\n\w+[.\w]*\.(?:User|Waits|Step|Config|Database|Artifact)Error: (.*)", re.S
    )

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        record.waits = isinstance(error, WaitsError)  # `eduflow run` says it in its ending
        if error is None:  # Luigi asks for tracebacks where there are none: "NoneType: None"
            record.exc_info = None
        if isinstance(error, UserError | DatabaseError | ConfigError | ArtifactError):
            record.exc_info, record.msg, record.args = None, str(error), ()
        elif isinstance(error, RPCError):
            record.exc_info, record.msg, record.args = None, NO_SCHEDULER, ()
        elif not record.args and (found := self.raised.fullmatch(str(record.msg))):
            record.msg = "\n".join(found.groups()).rstrip()
        return True


class _Printable(logging.Filter):
    """Whatever a line quotes, also one of Luigi's own or a traceback, no control character of it gets out."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = folder.shown_lines(record.getMessage()), ()
        if record.exc_info and record.exc_info[0]:
            record.exc_text = folder.shown_lines(logging.Formatter().formatException(record.exc_info))
        return True


logging.getLogger("luigi-interface").addFilter(_NoTraceback())
for _logger in ("luigi-interface", log.name, "luigi.scheduler"):
    logging.getLogger(_logger).addFilter(_Printable())


def _die_with_parent(parent: int) -> None:
    """Luigi's workers, and the manager process beside them, must not outlive a killed parent: they would go on
    writing, and hold the embedded server's lease for ever."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


# The collector writes to every object that it looks at: a worker would copy all that its parent holds.
os.register_at_fork(after_in_child=gc.freeze, after_in_parent=lambda: setattr(_Process, "forked", True))
if sys.platform == "linux":
    _parent = [os.getpid()]
    os.register_at_fork(
        before=lambda: _parent.__setitem__(0, os.getpid()), after_in_child=lambda: _die_with_parent(_parent[0])
    )


@dataclass
class State:
    """What every part is computed from: the records and drops of the ledger, the scan, the settings.

    drops: only those that matter, see drops.read_relevant; newest: the accepted ones of the newest day, of reference
    data; taken: what all of a dataset come to. known: what was taken from the files of the scan.
    """

    settings: Settings
    scan: Scan
    drops: list[Drop]
    newest: dict[str, list[Drop]]
    taken: dict[str, Taken]
    known: dict[str, Known]
    records: dict[str, Record]
    settled: str = ""  # digest of the rejected rows that a person refused
    outdated: frozenset[str] = frozenset()  # relations that are missing, or made from other DDL than the code has
    parts: dict[str, Parts] = field(default_factory=dict)  # by target, so that the graph is walked once

    def drops_of(self, dataset: str) -> list[Drop]:
        return [drop for drop in self.drops if drop.dataset == dataset]

    def record(self, target: str) -> Record:
        return self.records.get(target) or Record(target)


@dataclass(frozen=True)
class Build:
    """One build under way.

    full_refresh    write everything; else only what changed since the builds in `consumed`
    recipe_changed  full because the target is made another way now, not because an upstream one was
    """

    db: Connection
    state: State
    number: int
    full_refresh: bool
    recipe_changed: bool
    consumed: dict[str, int]
    rows: int | None  # as recorded by the build before


@dataclass(frozen=True)
class Built:
    """What a build did.

    invalidates_incremental  rows were deleted, moved between groups or changed without a change in staging, so readers
                             must rebuild in full
    """

    rows: int
    changed: int
    invalidates_incremental: bool = False
    content: str | None = None
    note: str = ""


class _Process:
    """What one process keeps: its scan of the data folder, its run id, whether it migrated the database."""

    scan: Scan | None = None
    run_id: str = ""
    migrated: str = ""
    prepared: str = ""  # the database; a forked worker begins with what its parent prepared
    stopped: ClassVar[dict[str, str]] = {}  # relation -> why it could not be made as the code says
    connection: tuple[tuple[int, str], Connection] | None = None
    inherited: ClassVar[list[object]] = []  # a child that let its parent's connection go would end it for both
    say: Callable[[str], None] | None = None  # Luigi gives it to a task while it runs
    steps: tuple[Any, int] | None = None  # a counter shared with forked workers, and how many steps there will be
    forked: bool = False  # whether it has had workers in this run
    last_state: tuple[str, State] | None = None  # the last state seen, and the snapshot it was seen in


def begin_run() -> None:
    """Look at the data folder anew, under a new run id."""
    _Process.scan, _Process.run_id, _Process.prepared, _Process.last_state = None, "", "", None
    _Process.steps, _Process.forked = None, False


def run_id() -> str:
    if not _Process.run_id:
        _Process.run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    return _Process.run_id


def read_state(db: Connection, options: Settings | None = None) -> State:
    """The state as this transaction sees it. The data folder is scanned once per process."""
    options = options or settings()
    if _Process.scan is None and options.data_dir.is_dir():
        known_of = functools.partial(arrivals_of.read_known, db)
        _Process.scan = folder.scan(options.data_dir, known_of, options.ignore)
        run_id()
    scan = _Process.scan or Scan()
    # Drops first: a build that commits in between then shows as an input that moved on, never as one that did not.
    known = {**scan.known, **arrivals_of.read_known(db, [file.path for file in scan.new])}
    drops = arrivals_of.read_relevant(db, scan.unknown(known))
    newest = {name: arrivals_of.read_newest(db, name) for name in REFERENCES}
    taken = arrivals_of.read_taken(db)
    outdated = frozenset(_Process.stopped) if _Process.prepared else init_db.outdated(db)
    return State(options, scan, drops, newest, taken, known, read_records(db), _settled(db), outdated)


def _settled(db: Connection) -> str:
    query = "select coalesce(md5(string_agg(drop_id || ':' || line, ' ' order by drop_id, line)), '') from etl.settled"
    return str(db.execute(text(query)).scalar_one())


@contextlib.contextmanager
def transaction(options: Settings | None = None, *, bulk: bool = False) -> Iterator[Connection]:
    """A transaction on the database, its ledger up to date. bulk: for a build, whose commit may wait for the disk."""
    options = options or settings()
    _migrate(options)
    db = _connection(options.database)
    try:
        with db.begin():
            if bulk:
                db.exec_driver_sql(BULK)
            yield db
    except BaseException:  # it may be broken: the next transaction gets a new one
        _Process.connection = None
        with contextlib.suppress(Exception):
            db.close()
        raise


@contextlib.contextmanager
def rolled_back(options: Settings | None = None) -> Iterator[Connection]:
    """The database as a run would find it, its ledger up to date, in a transaction of which nothing stays."""
    options = options or settings()
    with options.database.engine().connect() as db:  # closing it rolls back
        _bring_up_to_date(db, options)
        yield db


def _migrate(options: Settings) -> None:
    """Once per process: the database is this home's, its ledger up to date, and who may read it may."""
    key = f"{options.database.key} {options.reader_roles}"
    if _Process.migrated != key:
        with options.database.transaction() as db:
            _bring_up_to_date(db, options)
            homes.claim(db, options.home, options.database_name)
            with not_ours_said():
                init_db.grant_readers(db, options.reader_roles)
        _Process.migrated = key


def _bring_up_to_date(db: Connection, options: Settings) -> None:
    homes.check(db, options.home, options.database_name)
    with not_ours_said():
        init_db.migrate(db)


@contextlib.contextmanager
def not_ours_said() -> Iterator[None]:
    """What EduFlow did not make, or newer code did, is in its way: a person can put it right."""
    try:
        yield
    except (init_db.NewerError, init_db.NotOursError) as error:
        raise UserError(str(error)) from None


def _connection(database: Database) -> Connection:
    """The connection of this process: a run asks and builds a hundred times. A forked worker makes its own."""
    key = (os.getpid(), database.key)
    if _Process.connection is None or _Process.connection[0] != key:
        if _Process.connection and _Process.connection[0][0] != key[0]:
            _Process.inherited.append(_Process.connection)
        _Process.connection = (key, database.engine().connect())
    return _Process.connection[1]


def cancel_statement() -> None:
    """End the statement that this process is waiting for, if any. For another thread to call."""
    kept = _Process.connection
    if kept and kept[0][0] == os.getpid():
        with contextlib.suppress(Exception):  # it may be closing just now
            cast(Any, kept[1].connection.driver_connection).cancel()


def current_state() -> State:
    """The state now."""
    options = settings()

    def seen() -> State:
        with transaction(options) as db:
            return _unless_nothing_changed(db, options)

    return retrying(seen)


def _unless_nothing_changed(db: Connection, options: Settings) -> State:
    """The state last seen, if no transaction has committed since: most questions follow each other at once."""
    snapshot = str(db.execute(text("select pg_current_snapshot()")).scalar())
    before = _Process.last_state[1] if _Process.last_state and _Process.last_state[1].settings == options else None
    if before and _Process.last_state and _Process.last_state[0] == snapshot:
        return before
    state = read_state(db, options)
    if (
        before
        and (before.drops, before.newest, before.taken) == (state.drops, state.newest, state.taken)
        and (before.known, before.settled) == (state.known, state.settled)
        and before.scan is state.scan
    ):
        state.parts = before.parts  # computed from nothing else that can change in a run
    _Process.last_state = (snapshot, state)
    return state


def _snapshot_after(db: Connection, before: str) -> str | None:
    """The snapshot that will be current once this transaction commits, if it is the only one since snapshot `before`.

    Snapshots read `xmin:xmax:in progress`. Alone, ours took the number that was next then, and leaves the one after it.
    """
    ours = int(db.execute(text("select pg_current_xact_id()::text")).scalar_one())
    return f"{ours + 1}:{ours + 1}:" if before == f"{ours}:{ours}:" else None


def say(what: str) -> None:
    """Show on the scheduler's page what the step of this process is doing: no value of a row, no name of a file."""
    if _Process.say:
        _Process.say(what)


@contextlib.contextmanager
def _said_of(step: Step) -> Iterator[None]:
    before, _Process.say = _Process.say, step.set_status_message or _Process.say
    try:
        yield
    finally:
        _Process.say = before


def count_steps(total: int) -> None:
    """Say how many steps the run will take, so that each can say which one it is; workers share the count."""
    _Process.steps = multiprocessing.Value("i", 0), total


def _numbered() -> str:
    if _Process.steps is None:
        return ""
    done, total = _Process.steps
    with done.get_lock():
        done.value += 1
        return f"[{done.value}/{max(total, done.value)}] "


class Progress:
    """Says how far a long step is: every few seconds in the log, every second on the scheduler's page."""

    def __init__(self, what: str, every: float = 5.0) -> None:
        self.what, self.every, self.rows, self.said = what, every, 0, time.monotonic()
        self.shown = 0.0

    def add(self, rows: int) -> None:
        self.rows += rows
        if time.monotonic() - self.shown > 1:
            self.shown = time.monotonic()
            say(f"{self.what.partition(' ')[0]}: {self.rows:,} rows so far")  # what follows may name a file
        if time.monotonic() - self.said > self.every:
            self.said = time.monotonic()
            log.info("%s: %s rows so far", self.what, f"{self.rows:,}")


def prepare(options: Settings) -> None:
    """Make the derived relations that are missing or whose DDL changed; once per run."""
    if not is_prepared(options):
        with transaction(options) as db, not_ours_said():
            changes = init_db.create_derived(db, options.reader_roles)
        for why in dict.fromkeys(change.why for change in changes if not change.stopped):
            names = [change.name for change in changes if change.why == why and not change.stopped]
            log.info("made in the database: %s (%s)", digests.some(names), why)
        _Process.stopped = {change.name: change.stopped for change in changes if change.stopped}
        _Process.prepared = options.database.key


def is_prepared(options: Settings) -> bool:
    return _Process.prepared == options.database.key


class Folder(luigi.LocalTarget):
    """A folder: a file of that name is none."""

    def exists(self) -> bool:
        return Path(self.path).is_dir()


class DataFolder(luigi.ExternalTask):
    """The folder the source files come in: missing, the run ends with exit code 20."""

    def output(self) -> Folder:
        return Folder(str(settings().data_dir))


class Goal(luigi.WrapperTask):
    """A name for several steps. It names each of them, also those that another one requires: Luigi never looks beneath
    a complete task, and a step may be up to date while one below it is not."""


class Step(luigi.Task):
    """A task that makes one target.

    target   `schema.table`, `output/...` or `checks/...`
    recipe   the files (relative to the project) that decide its content
    options  the keys of `[eduflow]` that do
    definitions  the names in definitions.py that do: `LOOK`, or `look_score` for one number of it, beside those
                 that its queries name
    dataset  its contract, if it has one
    """

    target: ClassVar[str]
    recipe: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[tuple[str, ...]] = ()
    definitions: ClassVar[tuple[str, ...]] = ()
    dataset: ClassVar[Dataset | None] = None
    updates_drops: ClassVar[bool] = False  # whether it changes the ledger's drops
    gates: ClassVar[bool] = False  # whether others only wait for it: their targets are not made from it

    def build(self, build: Build) -> Built:
        """Make the target inside the transaction `build.db`."""
        raise NotImplementedError  # each family of steps has its own

    def recipes(self) -> tuple[str, ...]:
        return self.recipe

    def writes(self) -> tuple[str, ...]:
        """The tables it writes."""
        return (self.target,)

    def relations(self) -> list[str]:
        """The relations whose DDL is a part: its tables, and the views and functions that its recipes or these name."""
        return list(_relations(self.writes(), tuple(PROJECT / path for path in self.recipes())))

    def steps(self) -> list[Step]:
        """The steps whose targets this one reads: those of a goal for the goal."""
        return self._steps

    @functools.cached_property
    def _steps(self) -> list[Step]:
        required = [step for task in self.deps() for step in (task.deps() if isinstance(task, Goal) else [task])]
        return list(dict.fromkeys(step for step in required if isinstance(step, Step)))

    def deps(self) -> list[luigi.Task]:
        return self._deps

    @functools.cached_property
    def _deps(self) -> list[luigi.Task]:
        """Luigi makes them anew each time it asks, thousands of times in a run."""
        return list(super().deps())

    def defined(self) -> tuple[str, ...]:
        """The definitions that are parts, by name: those it declares, and those that its queries name."""
        queries = tuple(PROJECT / path for path in self.recipes() if path.endswith(".sql"))
        return tuple(dict.fromkeys((*self.definitions, *_named_definitions(queries))))

    def own_parts(self, state: State) -> Parts:
        parts = {f"recipe:{path}": digests.source_digest(PROJECT / path) for path in self.recipes()}
        if self.dataset:
            parts[f"contract:{self.dataset.name}"] = digests.digest(self.dataset)
        parts |= {f"ddl:{name}": init_db.relations()[name].digest for name in self.relations()}
        parts |= {f"definition:{name}": digests.digest(definitions.value(name)) for name in self.defined()}
        for key in self.options:
            value = getattr(state.settings, key)
            parts[f"option:{key}"] = " ".join(sorted(value)) if isinstance(value, frozenset) else str(value)
        return parts

    def parts(self, state: State) -> Parts:
        """Everything the target would be made from now."""
        if self.target not in state.parts:
            upstream = {f"upstream:{step.target}": step.fingerprint(state) for step in self.fingerprint_inputs()}
            state.parts[self.target] = {**self.own_parts(state), **upstream}
        return state.parts[self.target]

    def fingerprint_inputs(self) -> list[Step]:
        """The steps whose fingerprints are parts of this one (not all: reference data counts by its content)."""
        return [step for step in self.steps() if not step.gates]

    def fingerprint(self, state: State) -> str:
        return digests.fingerprint(self.parts(state))

    def is_current(self, state: State) -> bool:
        record = state.record(self.target)
        as_declared = record.present and state.outdated.isdisjoint(self.relations())
        return as_declared and record.fingerprint == self.fingerprint(state)

    def why(self, state: State) -> str:
        """Why the target is not up to date; "" when it is."""
        record = state.record(self.target)
        if self.is_current(state):
            return ""
        if record.fingerprint is None:
            return "forgotten" if record.build else "never built"
        if not record.present:
            return "its table is gone"
        if outdated := state.outdated.intersection(self.relations()):
            return f"in the database {digests.some(sorted(outdated))} to be made"
        return digests.named(digests.differences(record.parts, self.parts(state)))

    def worth_a_fork(self) -> bool:
        """Whether it is likely to take longer than a fork does: by the rows of what it reads, as built by now.

        A gate is not: nothing else can run meanwhile.
        """
        if self.gates:
            return False
        with contextlib.suppress(DatabaseError, DBAPIError):
            # As long as nobody else builds, things stand as this process saw them last.
            state = current_state() if _Process.forked or not _Process.last_state else _Process.last_state[1]
            records = [state.record(step.target) for step in self.fingerprint_inputs()]
            return sum(record.rows or 0 for record in records) > LONG_ROWS
        return False  # without a database it fails at once

    def complete(self) -> bool:
        return self.is_current(current_state())

    def run(self) -> None:
        options = settings()
        with failure_recorded(self.target, options), _said_of(self):
            retrying(lambda: prepare(options))
            if stopped := [_Process.stopped[name] for name in self.relations() if name in _Process.stopped]:
                raise UserError(stopped[0])
            while not retrying(lambda: self._made(options)):
                for step in self.steps():
                    if not step.complete():
                        step.run()

    def _made(self, options: Settings) -> bool:
        """Make the target unless another process did; False when an input moved on meanwhile (nothing is done)."""
        started = time.perf_counter()
        with transaction(options, bulk=True) as db:
            lock(db, self.target, [step.target for step in self.steps()])
            state = _unless_nothing_changed(db, options)
            if self.is_current(state):
                log.info("%s is up to date", self.target)
                return True
            if not all(step.is_current(state) for step in self.steps()):
                return False
            why, record = self.why(state), state.record(self.target)
            say(f"building: {why}")
            built = self._build(db, state, record)
            before = _Process.last_state[0] if _Process.last_state else ""
            if self.updates_drops:
                state = read_state(db, options)
            record = replace(
                record,
                fingerprint=self.fingerprint(state),
                parts=self.parts(state),
                consumed={step.target: state.record(step.target).build for step in self.steps()},
                content=built.content,
                rows=built.rows,
                changed=built.changed,
                build=record.build + 1,
                full_build=record.build + 1 if built.invalidates_incremental else record.full_build,
                present=True,
            )
            seconds = time.perf_counter() - started
            note_run(db)
            write_record(db, record, seconds=seconds, run_id=run_id(), why=why)
            after = _snapshot_after(db, before)
        if after:
            # What would be read next, without reading it.
            _Process.last_state = after, replace(state, records={**state.records, self.target: record})
        detail = f", {built.note}" if built.note else ""
        say(f"{built.rows:,} rows, {built.changed:,} changed in {seconds:.2f} s ({why}{detail})")
        log.info(
            "%s%-36s %10s rows %10s changed %7.2f s  (%s%s)",
            _numbered(),
            self.target,
            f"{built.rows:,}",
            f"{built.changed:,}",
            seconds,
            why,
            detail,
        )
        return True

    def _build(self, db: Connection, state: State, record: Record) -> Built:
        other_recipe = any(
            not name.startswith("upstream:") for name in digests.differences(record.parts, self.parts(state))
        )
        upstream = [state.record(step.target) for step in self.steps() if not step.gates]
        invalidated = any(above.full_build > record.consumed.get(above.target, 0) for above in upstream)
        recipe_changed = record.fingerprint is None or not record.present or other_recipe
        full_refresh = recipe_changed or invalidated
        built = self.build(
            Build(db, state, record.build + 1, full_refresh, recipe_changed, record.consumed, record.rows)
        )
        # A target rebuilt from nothing may lack rows that its readers still have.
        if record.fingerprint is None and record.build:
            forget_changes(db, self.target)
        return replace(built, invalidates_incremental=built.invalidates_incremental or record.fingerprint is None)


@functools.cache
def _relations(tables: tuple[str, ...], recipes: tuple[Path, ...]) -> tuple[str, ...]:
    every = init_db.relations()
    own = [name for name in tables if name in every]
    named = frozenset().union(*(every[name].needs for name in own), *map(digests.source_names, recipes))
    return tuple(sorted({*own, *init_db.helpers(named)}))


@functools.cache
def _named_definitions(queries: tuple[Path, ...]) -> tuple[str, ...]:
    return definitions.named("\n".join(path.read_text(encoding="utf-8") for path in queries))


@contextlib.contextmanager
def failure_recorded(target: str, options: Settings) -> Iterator[None]:
    """Note a failure of the run; one of the database is said in words, without any value of a row."""
    try:
        yield
    except Exception as error:
        with contextlib.suppress(Exception), transaction(options) as db:
            note_run(db, "failed")
        if isinstance(error, DBAPIError | psycopg2.Error):
            raise StepError(f"{target} could not be made: {complaint(error)}") from None
        raise


def note_run(db: Connection, status: str | None = None) -> None:
    """Say in the ledger that this run did something, and how it stands; a failure stays a failure."""
    db.execute(
        text("""
            insert into etl.runs (run_id, started_at, ended_at, status)
            values (:run, now(), clock_timestamp(), coalesce(:status, 'running'))
            on conflict (run_id) do update set
                ended_at = clock_timestamp(),
                status = case when etl.runs.status = 'failed' then 'failed' else coalesce(:status, etl.runs.status) end
        """),
        {"run": run_id(), "status": status},
    )
