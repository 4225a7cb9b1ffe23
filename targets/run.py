"""Run: what one process keeps of its database, from its first question to its last step."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, TypeVar, cast

from sqlalchemy import Connection, text

import init_db
from targets.errors import UserError
from targets.parts import Parts, some
from targets.postgres.connection import BULK, Database
from targets.postgres.errors import retrying
from targets.record import Record

# A child of Luigi's own logger: shown wherever Luigi's lines are shown, and by `eduflow run` alone.
log = logging.getLogger("luigi-interface.eduflow")


@dataclass(kw_only=True)
class State(ABC):
    """The ledger as a transaction saw it. Its owner adds what else the parts of a target are computed from.

    outdated  relations that are missing, or made from other DDL than the code has
    parts     by target, so that the graph is walked once
    """

    records: dict[str, Record]
    outdated: frozenset[str]
    parts: dict[str, Parts] = field(default_factory=dict)

    def record(self, target: str) -> Record:
        return self.records.get(target) or Record(target)

    @abstractmethod
    def same_inputs(self, other: State) -> bool:
        """Whether the parts computed from the other are those of this one."""


S = TypeVar("S", bound=State)


class Run(ABC, Generic[S]):
    """One run of this process on one database: its connection, the state it saw last, what it has prepared.

    A forked worker goes on with what its parent had found, over a connection of its own.

    id        of the run in etl.runs
    stopped   relation -> why it could not be made as the code says
    forked    whether it has had workers
    say       shows a line on the scheduler's page; Luigi gives it to a task while it runs
    """

    _inherited: ClassVar[list[object]] = []  # a child that let its parent's connection go would end it for both

    def __init__(self, database: Database, reader_roles: tuple[str, ...] = ()) -> None:
        self.database, self.reader_roles = database, reader_roles
        self.id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        self.stopped: dict[str, str] = {}
        self.is_prepared = self.forked = False
        self.say: Callable[[str], None] | None = None
        self._is_migrated = False
        self._connection: tuple[int, Connection] | None = None
        self._last: tuple[str, S] | None = None  # a snapshot, and the state seen in it
        self._steps: tuple[Any, int] | None = None  # a counter shared with forked workers, and how many there will be

    # --- what its owner says ----------------------------------------------------------------------------------------

    @abstractmethod
    def check(self, db: Connection) -> None:
        """Refuse a database that is not this run's, before anything is written."""

    @abstractmethod
    def claim(self, db: Connection) -> None:
        """Note in the database whose it is."""

    @abstractmethod
    def read(self, db: Connection) -> S:
        """The state as this transaction sees it."""

    # --- transactions -----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def transaction(self, *, bulk: bool = False) -> Iterator[Connection]:
        """A transaction, the ledger up to date. bulk: for a build, whose commit may wait for the disk."""
        if not self._is_migrated:
            with self.database.transaction() as db:
                self._bring_up_to_date(db)
                self.claim(db)
                with not_ours_said():
                    init_db.grant_readers(db, self.reader_roles)
            self._is_migrated = True
        db = self._connected()
        try:
            with db.begin():
                if bulk:
                    db.exec_driver_sql(BULK)
                yield db
        except BaseException:  # it may be broken: the next transaction gets a new one
            self.disconnect()
            raise

    @contextlib.contextmanager
    def rolled_back(self) -> Iterator[Connection]:
        """The database as a run would find it, its ledger up to date, in a transaction of which nothing stays."""
        with self.database.engine().connect() as db:  # closing it rolls back
            self._bring_up_to_date(db)
            yield db

    def _bring_up_to_date(self, db: Connection) -> None:
        self.check(db)
        with not_ours_said():
            init_db.migrate(db)

    def _connected(self) -> Connection:
        """The connection of this process: a run asks and builds a hundred times. A forked worker makes its own."""
        if self._connection is None or self._connection[0] != os.getpid():
            if self._connection:
                self._inherited.append(self._connection)
            self._connection = (os.getpid(), self.database.engine().connect())
        return self._connection[1]

    def disconnect(self) -> None:
        """Let the connection go; the next transaction gets a new one."""
        kept, self._connection = self._connection, None
        if kept and kept[0] != os.getpid():
            self._inherited.append(kept)
        elif kept:
            with contextlib.suppress(Exception):
                kept[1].close()

    def cancel_statement(self) -> None:
        """End the statement that this process is waiting for, if any. For another thread to call."""
        kept = self._connection
        if kept and kept[0] == os.getpid():
            with contextlib.suppress(Exception):  # it may be closing just now
                cast(Any, kept[1].connection.driver_connection).cancel()

    # --- the state --------------------------------------------------------------------------------------------------

    def state(self, db: Connection) -> S:
        """The state, read only if a transaction has committed since it was last: most questions follow at once."""
        snapshot = str(db.execute(text("select pg_current_snapshot()")).scalar())
        if self._last and self._last[0] == snapshot:
            return self._last[1]
        state = self.read(db)
        if self._last and state.same_inputs(self._last[1]):
            state.parts = self._last[1].parts
        self._last = (snapshot, state)
        return state

    def current_state(self) -> S:
        """The state now, in a transaction of its own."""

        def seen() -> S:
            with self.transaction() as db:
                return self.state(db)

        return retrying(seen)

    def last_state(self) -> S | None:
        """The state it saw last, without asking."""
        return self._last[1] if self._last else None

    def prepare(self) -> None:
        """Make the derived relations that are missing or whose DDL changed; once."""
        if self.is_prepared:
            return
        with self.transaction() as db, not_ours_said():
            changes = init_db.create_derived(db, self.reader_roles)
        for why in dict.fromkeys(change.why for change in changes if not change.stopped):
            names = [change.name for change in changes if change.why == why and not change.stopped]
            log.info("made in the database: %s (%s)", some(names), why)
        self.stopped = {change.name: change.stopped for change in changes if change.stopped}
        self.is_prepared = True

    def outdated(self, db: Connection) -> frozenset[str]:
        return frozenset(self.stopped) if self.is_prepared else init_db.outdated(db)

    def note(self, db: Connection, status: str | None = None) -> None:
        """Say in the ledger that this run did something, and how it stands; a failure stays a failure."""
        db.execute(
            text("""
                insert into etl.runs (run_id, started_at, ended_at, status)
                values (:run, now(), clock_timestamp(), coalesce(:status, 'running'))
                on conflict (run_id) do update set
                    ended_at = clock_timestamp(),
                    status = case
                        when etl.runs.status = 'failed' then 'failed' else coalesce(:status, etl.runs.status)
                    end
            """),
            {"run": self.id, "status": status},
        )

    # --- how far it is ----------------------------------------------------------------------------------------------

    def count_steps(self, total: int) -> None:
        """Say how many steps the run will take, so that each can say which one it is; workers share the count."""
        self._steps = multiprocessing.Value("i", 0), total

    def numbered(self) -> str:
        if self._steps is None:
            return ""
        done, total = self._steps
        with done.get_lock():
            done.value += 1
            return f"[{done.value}/{max(total, done.value)}] "


@contextlib.contextmanager
def not_ours_said() -> Iterator[None]:
    """What EduFlow did not make, or newer code did, is in its way: a person can put it right."""
    try:
        yield
    except (init_db.NewerError, init_db.NotOursError) as error:
        raise UserError(str(error)) from None
