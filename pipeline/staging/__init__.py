"""Staging: raw -> clean() -> one current, typed row per natural key, and the account of every row.

Rows are cleaned in chunks into a temporary table (cleaning.py); what depends on other rows is SQL: which drops wait
for a person (holding.py), which row of a key wins (winners.py), what became of each row (account.py).
"""

from __future__ import annotations

import sys
from typing import ClassVar

import luigi

from pipeline import ingest
from pipeline.checks import Check
from pipeline.config import PROJECT, Settings
from pipeline.datasets import DATASETS
from pipeline.datasets.declaration import Dataset
from pipeline.drops import read_around, read_drops
from pipeline.run import State
from pipeline.staging import account, winners
from pipeline.staging.cleaning import Cleaning
from pipeline.staging.holding import hold
from pipeline.step import Build, Built, Goal, Step
from targets import parts as digests
from targets.parts import Parts
from targets.table import Difference, count_rows, without_indexes


class Staged(Step):
    """The current rows of one dataset. In full: every accepted drop is cleaned again from raw; else only new drops."""

    dataset: ClassVar[Dataset]
    recipe = tuple(
        f"pipeline/staging/{name}.py"
        for name in ("__init__", "reading", "cleaning", "snapshots", "holding", "winners", "account")
    )
    updates_drops = True

    @property
    def priority(self) -> int:  # type: ignore[override] # Luigi only reads it
        return ingest.by_size(self.dataset)

    def requires(self) -> dict[str, luigi.Task]:
        lookups = {name: STAGED[name]() for name in self.dataset.lookups}
        return {"raw": ingest.RAW[self.dataset.name](), **lookups}

    def defined(self) -> tuple[str, ...]:
        dated = any(column.rule in ("date", "timestamp") for column in self.dataset.columns)
        of_rules = (*(["dates_earliest"] if dated else []), *(["cities_alike"] if self.dataset.lookups else []))
        return (*super().defined(), *of_rules)

    def own_parts(self, state: State) -> Parts:
        references = {f"reference:{name}": _reference_digest(state, name) for name in self.dataset.lookups}
        return {**super().own_parts(state), **rule_parts(self.dataset), **references}

    def writes(self) -> tuple[str, ...]:
        return (self.target, *([f"staging.{self.dataset.versions}"] if self.dataset.versions else ()))

    def fingerprint_inputs(self) -> list[Step]:
        return [step for step in self.steps() if isinstance(step, ingest.Raw)]

    def build(self, build: Build) -> Built:
        db = build.db
        drops = read_drops(db, self.dataset.name, "landed", *(["staged"] if build.full_refresh else []))
        accepted = drops if build.full_refresh or not drops else read_around(db, self.dataset.name, drops[0].drop_date)
        cleaning = Cleaning(db, self.dataset, drops, accepted, build.number)
        return stage(cleaning, build.state.settings, full=build.full_refresh, recorded=build.rows)


def stage(cleaning: Cleaning, options: Settings, *, full: bool, recorded: int | None) -> Built:
    """Clean the drops, settle which row of each key wins, write the difference and the account of every row.

    recorded: the rows the table had, when they are known and `full` is not asked for.
    """
    # Tables just filled have no statistics: a merge join would sort a million wide rows to find a few.
    cleaning.run("set local enable_mergejoin = off")
    if cleaning.direct:
        with without_indexes(cleaning.db, cleaning.target):
            cleaning.load(options)
            winners.find_losers(cleaning)
            hold(cleaning, options)
            winners.remove_losers(cleaning)
        account.count_outcome(cleaning)
        difference = Difference(inserted=account.current_rows(cleaning))
        moved = winners.keep_versions(cleaning, everything=full)
    else:
        cleaning.load(options)
        winners.find_losers(cleaning)
        hold(cleaning, options)
        unsaid = winners.keep_versions(cleaning, everything=full)
        winners.remove_losers(cleaning)
        moved = (not cleaning.empty and winners.settle_against_staging(cleaning, everything=full)) or unsaid
        account.count_outcome(cleaning)
        difference = winners.write_difference(cleaning, everything=full)
    account.write_profiles(cleaning)
    account.write_account(cleaning)
    before = 0 if cleaning.direct else None if full else recorded
    rows = count_rows(cleaning.db, cleaning.target, difference, before)
    gone = f", {difference.deleted:,} gone" if difference.deleted else ""
    note = f"{difference.inserted:,} new, {difference.updated:,} updated{gone}"
    return Built(rows, difference.changed, invalidates_incremental=moved or difference.deleted > 0, note=note)


RULES = PROJECT / "pipeline/rules"
RULE_TABLES = ("RULES", "CANONICAL")  # an entry per rule


def rule_parts(dataset: Dataset) -> Parts:
    """The rules of its columns, each with the helpers it uses; what cleans a table of any dataset; the city list's."""
    table, frame, cities = (RULES / f"{name}.py" for name in ("__init__", "frame", "cities"))
    defined, apart = digests.defined(table), {*RULE_TABLES, "Cities"}
    parts = {}
    for rule in dict.fromkeys(column.rule for column in dataset.columns):
        entries = [name for each in RULE_TABLES if (name := f"{each}[{rule}]") in defined]
        parts[f"rule:{rule}"] = digests.definitions_digest(table, entries, apart)
    parts["rule:clean"] = digests.digest(
        [
            digests.definitions_digest(frame, ["clean"], apart),
            digests.definitions_digest(table, ["says_something"], apart),
        ]
    )
    if dataset.lookups:
        parts["rule:Cities"] = digests.definitions_digest(cities, ["Cities"])
    return parts


def _reference_digest(state: State, name: str) -> str:
    """Digest of the newest content of a reference dataset, files that are about to land included.

    Of all drops of the newest day, in their order: of A, B and A again at one path other rows win than of A and B.
    """
    raw = ingest.RAW[name]()
    found = [(d.drop_date, d.drop_id, d.sha256) for d in state.newest[name]]
    found += [(a.drop_date, a.retry or sys.maxsize, a.file.sha256) for a in raw.arrivals(state).new]
    newest = max((day for day, *_ in found), default=None)
    ordered = sorted(found, key=lambda drop: drop[:2])  # new files get their ids in the order of the scan
    return digests.digest([sha256 for day, _, sha256 in ordered if day == newest])


def _step(dataset: Dataset) -> type[Staged]:
    names = {
        "target": f"staging.{dataset.table}",
        "dataset": dataset,
        "options": dataset.options,
        "__doc__": f"Current rows of {dataset.name}.",
        "__module__": __name__,
    }
    return type(f"Staged{dataset.family}", (Staged,), names)


# By dataset: StagedStudents, StagedAttendance, ...
STAGED: dict[str, type[Staged]] = {name: _step(dataset) for name, dataset in DATASETS.items()}


class CheckStaging(Check):
    """What must hold of staging before anything is made from it."""

    target, layer = "checks/staging", "staging"

    def build(self, build: Build) -> Built:
        # The warehouse reads the drops through views; without statistics they count as one row, and it joins by loops.
        build.db.exec_driver_sql("analyze etl.drops")
        return super().build(build)

    def requires(self) -> list[luigi.Task]:
        return [step() for step in STAGED.values()]


class Clean(Goal):
    """Goal: every accepted drop is cleaned, accounted for and checked."""

    def requires(self) -> list[luigi.Task]:
        return [*(step() for step in STAGED.values()), CheckStaging()]
