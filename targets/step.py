"""Step: a Luigi task that makes one target, and knows what it was made from.

Luigi takes "the output exists" for done; so a changed file, rule or query is never noticed. A Step is done when the
parts recorded with its target equal the parts it would be made from now: the whole of make, once. `complete()` is
asked of the whole graph before anything runs, so every part is known beforehand.
"""

from __future__ import annotations

import contextlib
import functools
import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Generic

import luigi
import psycopg2
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

import init_db
from targets import parts as digests
from targets.changes import forget_changes
from targets.errors import StepError, UserError
from targets.parts import Parts
from targets.postgres.connection import DatabaseError
from targets.postgres.errors import complaint, retrying
from targets.postgres.locks import lock
from targets.record import Record, write_record
from targets.run import Run, S, log

LONG_ROWS = 50_000  # read by a step that takes longer than a fork: about 0.2 s


@dataclass(frozen=True)
class Build(Generic[S]):
    """One build under way.

    number          of the build of this target
    full_refresh    write everything; else only what changed since the builds in `consumed`
    recipe_changed  full because the target is made another way now, not because an upstream one was
    rows            as recorded by the build before
    """

    db: Connection
    state: S
    number: int
    full_refresh: bool
    recipe_changed: bool
    consumed: dict[str, int]
    rows: int | None


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


class Goal(luigi.WrapperTask):
    """A name for several steps. It names each of them, also those that another one requires: Luigi never looks beneath
    a complete task, and a step may be up to date while one below it is not."""

    def run(self) -> Iterator[list[luigi.Task]]:
        yield self.deps()  # of which one may have moved on since it was built


class Step(luigi.Task, Generic[S]):
    """A task that makes one target.

    target         `schema.table`, or a path
    updates_drops  whether building it changes what its own parts are computed from
    gates          whether others only wait for it: their targets are not made from it
    """

    target: ClassVar[str]
    updates_drops: ClassVar[bool] = False
    gates: ClassVar[bool] = False

    # --- what a family of steps says --------------------------------------------------------------------------------

    @abstractmethod
    def this_run(self) -> Run[S]:
        """The run of this process."""

    @abstractmethod
    def own_parts(self, state: S) -> Parts:
        """What the target would be made from now, but for what is upstream."""

    @abstractmethod
    def relations(self) -> list[str]:
        """The relations whose DDL is a part."""

    @abstractmethod
    def build(self, build: Build[S]) -> Built:
        """Make the target inside the transaction `build.db`."""

    # --- what it is made from ---------------------------------------------------------------------------------------

    def steps(self) -> list[Step[S]]:
        """The steps whose targets this one reads: those of a goal for the goal."""
        return self._steps

    @functools.cached_property
    def _steps(self) -> list[Step[S]]:
        required = [step for task in self.deps() for step in (task.deps() if isinstance(task, Goal) else [task])]
        return list(dict.fromkeys(step for step in required if isinstance(step, Step)))

    def deps(self) -> list[luigi.Task]:
        return self._deps

    @functools.cached_property
    def _deps(self) -> list[luigi.Task]:
        """Luigi makes them anew each time it asks, thousands of times in a run."""
        return list(super().deps())

    def parts(self, state: S) -> Parts:
        """Everything the target would be made from now."""
        if self.target not in state.parts:
            upstream = {f"upstream:{step.target}": step.fingerprint(state) for step in self.fingerprint_inputs()}
            state.parts[self.target] = {**self.own_parts(state), **upstream}
        return state.parts[self.target]

    def fingerprint_inputs(self) -> Sequence[Step[S]]:
        """The steps whose fingerprints are parts of this one (not all: reference data counts by its content)."""
        return [step for step in self.steps() if not step.gates]

    def fingerprint(self, state: S) -> str:
        return digests.fingerprint(self.parts(state))

    # --- whether it is done -----------------------------------------------------------------------------------------

    def is_current(self, state: S) -> bool:
        record = state.record(self.target)
        as_declared = record.present and state.outdated.isdisjoint(self.relations())
        return as_declared and record.fingerprint == self.fingerprint(state)

    def reasons(self, state: S) -> str:
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

    def complete(self) -> bool:
        return self.is_current(self.this_run().current_state())

    def worth_a_fork(self) -> bool:
        """Whether it is likely to take longer than a fork does: by the rows of what it reads, as built by now.

        A gate is not: nothing else can run meanwhile.
        """
        if self.gates:
            return False
        with contextlib.suppress(DatabaseError, DBAPIError):
            run = self.this_run()
            # As long as nobody else builds, things stand as this process saw them last.
            state = (None if run.forked else run.last_state()) or run.current_state()
            records = [state.record(step.target) for step in self.fingerprint_inputs()]
            return sum(record.rows or 0 for record in records) > LONG_ROWS
        return False  # without a database it fails at once

    # --- making it --------------------------------------------------------------------------------------------------

    def run(self) -> Iterator[list[Step[S]]]:
        """Make the target. What it reads and has moved on meanwhile is yielded: Luigi makes it, and runs this again."""
        run = self.this_run()
        with failure_recorded(run, self.target), _said_of(self, run):
            retrying(run.prepare)
            if stopped := [run.stopped[name] for name in self.relations() if name in run.stopped]:
                raise UserError(stopped[0])
            while not retrying(lambda: self._made(run)):
                yield [step for step in self.steps() if not step.complete()]

    def _made(self, run: Run[S]) -> bool:
        """Make the target unless another process did; False when an input moved on meanwhile (nothing is done)."""
        started = time.perf_counter()
        with run.transaction(bulk=True) as db:
            lock(db, self.target, [step.target for step in self.steps()])
            state = run.state(db)
            if self.is_current(state):
                log.info("%s is up to date", self.target)
                return True
            if not all(step.is_current(state) for step in self.steps()):
                return False
            why, record = self.reasons(state), state.record(self.target)
            if run.say:
                run.say(f"building: {why}")
            built = self._built(db, state, record)
            if self.updates_drops:
                state = run.read(db)
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
            run.note(db)
            write_record(db, record, seconds=seconds, run_id=run.id, why=why)
        detail = f", {built.note}" if built.note else ""
        if run.say:
            run.say(f"{built.rows:,} rows, {built.changed:,} changed in {seconds:.2f} s ({why}{detail})")
        log.info(
            "%s%-36s %10s rows %10s changed %7.2f s  (%s%s)",
            run.numbered(),
            self.target,
            f"{built.rows:,}",
            f"{built.changed:,}",
            seconds,
            why,
            detail,
        )
        return True

    def _built(self, db: Connection, state: S, record: Record) -> Built:
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


@contextlib.contextmanager
def _said_of(step: Step[S], run: Run[S]) -> Iterator[None]:
    before, run.say = run.say, step.set_status_message or run.say
    try:
        yield
    finally:
        run.say = before


@contextlib.contextmanager
def failure_recorded(run: Run[S], target: str) -> Iterator[None]:
    """Note a failure of the run; one of the database is said in words, without any value of a row."""
    try:
        yield
    except Exception as error:
        with contextlib.suppress(Exception), run.transaction() as db:
            run.note(db, "failed")
        if isinstance(error, DBAPIError | psycopg2.Error):
            raise StepError(f"{target} could not be made: {complaint(error)}") from None
        raise


def relations_of(tables: tuple[str, ...], names: frozenset[str]) -> list[str]:
    """These tables as far as EduFlow makes them, and the views and functions that they need or that are named."""
    every = init_db.relations()
    own = [name for name in tables if name in every]
    needed = names.union(*(every[name].needs for name in own))
    return sorted({*own, *init_db.helpers(needed)})
