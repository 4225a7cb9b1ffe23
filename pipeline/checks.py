"""Checks: after each layer, queries that return the rows that should not be there. None = good.

Each `sql/check_<layer>_<what>.sql` says on top how severe it is and what must hold. An error stops what waits for the
layer's check: the tables above keep their last good state. A warning is only written down (`etl.checks`).
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import Connection, text

from pipeline import definitions
from pipeline.config import PROJECT
from pipeline.datasets import DATASETS
from pipeline.run import run_id
from pipeline.step import Build, Built, Step
from targets.errors import UserError
from targets.run import log

SINCE = re.compile(r":(\w+)_since\b")
SINCE_OF_EACH = re.compile(r"(?<!:):since\b")
HEADER = re.compile(r"-- (error|warning): (.+)")
SAMPLE = 5


def since(sql: str, build: Build, *, incremental: bool) -> dict[str, Any]:
    """The builds consumed last time that a query names: `:<table>_since`, and `:since`, a JSON object by dataset.

    Not incremental, each is 0: every row is newer.
    """
    found: dict[str, Any] = {
        f"{name}_since": build.consumed.get(f"staging.{name}", 0) if incremental else 0 for name in SINCE.findall(sql)
    }
    if SINCE_OF_EACH.search(sql):
        consumed = {d.name: build.consumed.get(f"staging.{d.table}", 0) for d in DATASETS.values()}
        found["since"] = json.dumps(consumed if incremental else dict.fromkeys(consumed, 0))
    return found


@dataclass(frozen=True)
class Result:
    """What one check found: the number of offending rows, and the first of them."""

    name: str
    severity: str
    what: str
    offending: int
    sample: list[dict[str, Any]]
    seconds: float


class Check(Step):
    """The checks of one layer. What waits for it is not made anew because it ran again.

    A check that names `:since` (or `:<table>_since`) looks at rows of staging changed since it last passed.
    """

    layer: ClassVar[str]
    gates = True

    def recipes(self) -> tuple[str, ...]:
        folder = PROJECT / "pipeline/sql"
        return tuple(str(path.relative_to(PROJECT)) for path in sorted(folder.glob(f"check_{self.layer}_*.sql")))

    def build(self, build: Build) -> Built:
        results = [self._result(build, path) for path in self.recipes()]
        failed = [result for result in results if result.offending and result.severity == "error"]
        if failed:  # the step fails, and its transaction with it: what was found is kept by another one
            with build.state.settings.database.transaction() as db:
                write_results(db, self.layer, results)
            raise UserError(said(self.layer, failed))
        write_results(build.db, self.layer, results)
        for result in results:
            if result.offending:
                log.warning("%s: %s offending: %s", result.name, f"{result.offending:,}", result.what)
        warnings = sum(1 for result in results if result.offending)
        said_of_them = f"{warnings} warning{'s' if warnings > 1 else ''}" if warnings else "all good"
        return Built(len(results), len(results), note=said_of_them)

    def _result(self, build: Build, path: str) -> Result:
        sql = (PROJECT / path).read_text(encoding="utf-8")
        defined = definitions.bound(sql)
        sql = definitions.filled(sql)
        header = HEADER.match(sql)
        if header is None:
            raise UserError(f"{path}: the first line must say `-- error: what must hold` or `-- warning: ...`")
        started = time.perf_counter()
        query = f"select count(*) over () as offending, to_jsonb(q) as row from ({sql}) as q limit {SAMPLE}"
        rows = build.db.execute(text(query), {**defined, **since(sql, build, incremental=not build.full_refresh)}).all()
        name = path.rpartition("/")[2].removesuffix(".sql")
        seconds = time.perf_counter() - started
        offending = rows[0].offending if rows else 0
        return Result(name, header[1], header[2], offending, [row.row for row in rows], seconds)


def write_results(db: Connection, layer: str, results: list[Result]) -> None:
    db.execute(text("delete from etl.checks where layer = :layer"), {"layer": layer})
    rows = [
        {**vars(result), "sample": json.dumps(result.sample, default=str), "layer": layer, "run": run_id()}
        for result in results
    ]
    if rows:
        db.execute(
            text("""
                insert into etl.checks (name, layer, severity, what, offending, sample, seconds, run_id)
                values (:name, :layer, :severity, :what, :offending, :sample, :seconds, :run)
            """),
            rows,
        )


def said(layer: str, failed: list[Result]) -> str:
    """Which checks failed and how to look; never a value of a row."""
    lines = [
        f"{len(failed)} check{'s' if len(failed) > 1 else ''} of {layer} failed; what is made from it stays as it was:"
    ]
    lines += [f"  {result.name}: {result.offending:,} offending: {result.what}" for result in failed]
    return "\n".join([*lines, "See them: eduflow check"])
