"""The run of this process: the home's database, one look at the data folder, and the state that parts are made of."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import Connection, text

from pipeline import drops as ledger
from pipeline import home as homes
from pipeline.config import Settings, settings
from pipeline.datasets import DATASETS
from pipeline.drops import Drop, Taken
from pipeline.sources import folder
from pipeline.sources.folder import Known, Scan
from targets import run as targets_run
from targets.record import read_records

REFERENCES = sorted({name for dataset in DATASETS.values() for name in dataset.lookups})


@dataclass(kw_only=True)
class State(targets_run.State):
    """What every part is computed from: the records and drops of the ledger, the scan, the settings.

    drops: only those that matter, see drops.read_relevant; newest: the accepted ones of the newest day, of reference
    data; taken: what all of a dataset come to. known: what was taken from the files of the scan. settled: digest of the
    rejected rows that a person refused.
    """

    settings: Settings
    scan: Scan
    drops: list[Drop]
    newest: dict[str, list[Drop]]
    taken: dict[str, Taken]
    known: dict[str, Known]
    settled: str = ""

    def drops_of(self, dataset: str) -> list[Drop]:
        return [drop for drop in self.drops if drop.dataset == dataset]

    def same_inputs(self, other: targets_run.State) -> bool:
        return (
            isinstance(other, State)
            and self.scan is other.scan
            and (self.drops, self.newest, self.taken) == (other.drops, other.newest, other.taken)
            and (self.known, self.settled) == (other.known, other.settled)
        )


class Run(targets_run.Run[State]):
    """A run with these settings. scan: the data folder, looked at once."""

    def __init__(self, options: Settings) -> None:
        super().__init__(options.database, options.reader_roles)
        self.options = options
        self.scan: Scan | None = None

    def check(self, db: Connection) -> None:
        homes.check(db, self.options.home, self.options.database_name)

    def claim(self, db: Connection) -> None:
        homes.claim(db, self.options.home, self.options.database_name)

    def read(self, db: Connection) -> State:
        if self.scan is None and self.options.data_dir.is_dir():
            known_of = functools.partial(ledger.read_known, db)
            self.scan = folder.scan(self.options.data_dir, known_of, self.options.ignore)
        scan = self.scan or Scan()
        # Drops first: a build that commits in between then shows as an input that moved on, never as one that did not.
        known = {**scan.known, **ledger.read_known(db, [file.path for file in scan.new])}
        return State(
            settings=self.options,
            scan=scan,
            drops=ledger.read_relevant(db, scan.unknown(known)),
            newest={name: ledger.read_newest(db, name) for name in REFERENCES},
            taken=ledger.read_taken(db),
            known=known,
            records=read_records(db),
            settled=_settled(db),
            outdated=self.outdated(db),
        )


def _settled(db: Connection) -> str:
    query = "select coalesce(md5(string_agg(drop_id || ':' || line, ' ' order by drop_id, line)), '') from etl.settled"
    return str(db.execute(text(query)).scalar_one())


_run: Run | None = None


def this_run(options: Settings | None = None) -> Run:
    """The run of this process; with other settings than it has, another one begins."""
    global _run  # noqa: PLW0603 # Luigi makes the tasks: nothing else can hand it to them
    options = options or settings()
    if _run is None or _run.options != options:
        begin_run()
        _run = Run(options)
    return _run


def begin_run() -> None:
    """What is asked next looks at the data folder anew, under a new run id."""
    global _run  # noqa: PLW0603
    if _run:
        _run.disconnect()
    _run = None


def cancel_statement() -> None:
    """End the statement that this process is waiting for, if any. For another thread to call."""
    if _run:
        _run.cancel_statement()


def run_id() -> str:
    return this_run().id


def read_state(db: Connection, options: Settings | None = None) -> State:
    """The state as this transaction sees it. The data folder is scanned once per run."""
    return this_run(options).read(db)


def current_state() -> State:
    """The state now."""
    return this_run().current_state()


def transaction(options: Settings | None = None) -> AbstractContextManager[Connection]:
    """A transaction on the database, its ledger up to date."""
    return this_run(options).transaction()


def rolled_back(options: Settings | None = None) -> AbstractContextManager[Connection]:
    """The database as a run would find it, its ledger up to date, in a transaction of which nothing stays."""
    return this_run(options).rolled_back()
