"""Warehouse: dimensions and facts, each made by the one SELECT of the same name in `sql/`.

A file `dim_*.sql` or `fact_*.sql` is found by itself: its head names the key of the table and what it reads, and so
what its step requires. A SELECT that names `:<table>_since` can be asked for changed rows only: those of
`staging.<table>` whose `_build` is above the build consumed last time (0 asks for everything); `:since` says it for
each dataset, for views over all of them (pipeline/ddl/views.py). Keys are hashes of natural keys, so facts look nothing
up.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import luigi
from sqlalchemy import text

import init_db
from pipeline import definitions, queries
from pipeline.checks import Check, since
from pipeline.config import PROJECT
from pipeline.staging import STAGED, CheckStaging
from pipeline.step import Build, Built, Goal, Step
from targets.table import add_foreign_keys, apply_difference, columns_of, count_rows, fill, is_empty

# Tables of the ledger that the staged steps write beside their own: what reads one reads what all of them made.
WRITTEN_BY_ALL = frozenset({"etl.rejects", "etl.rule_stats"})


class SqlStep(Step):
    """A table made by one SELECT.

    It requires what makes the tables that the head of the SELECT says it reads, and those that its foreign keys name.

    key      the columns that name a row
    within   of these, the ones that name a group of rows which the SELECT always gives whole
    """

    key: ClassVar[tuple[str, ...]]
    within: ClassVar[tuple[str, ...]] = ()

    made: ClassVar[dict[str, type[Step]]] = {step.target: step for step in STAGED.values()}  # table -> what makes it

    def __init_subclass__(cls) -> None:
        if "target" in vars(cls):
            cls.made.setdefault(cls.target, cls)

    def recipes(self) -> tuple[str, ...]:
        return (f"pipeline/sql/{self.target.split('.')[1]}.sql",)

    def select(self) -> str:
        return (PROJECT / self.recipes()[0]).read_text(encoding="utf-8")

    def requires(self) -> dict[str, luigi.Task]:
        said = queries.reads(self.select())
        reads = queries.tables(said)
        if WRITTEN_BY_ALL.intersection(said):
            reads += [step.target for step in STAGED.values()]
        refers = [name for name in init_db.relations()[self.target].needs if name != self.target]
        steps = {name: self.made[name]() for name in sorted({*reads, *refers} & self.made.keys())}
        return {**steps, **self._gate(reads)}

    def _gate(self, reads: list[str]) -> dict[str, luigi.Task]:
        """The checks that must be passed before: for the star schema those of staging, for a mart those of both."""
        layers = {name.partition(".")[0] for name in reads} & {"etl", "staging", "warehouse"}
        in_star = self.target.startswith(("warehouse.dim_", "warehouse.fact_"))
        beside_star = self.target.startswith("warehouse.") and layers == {"staging"}
        if not layers:
            return {}
        return {"checked": CheckStaging() if in_star or beside_star else CheckWarehouse()}

    def parameters(self, build: Build) -> dict[str, Any]:
        """What the SELECT binds beside `since`: options, and the definitions that it names."""
        return {key: getattr(build.state.settings, key) for key in self.options} | definitions.bound(self.select())

    def query(self, build: Build) -> tuple[str, dict[str, Any], bool]:
        """The SELECT, its values, and whether it gives changed rows only."""
        select = definitions.filled(self.select())
        incremental = bool(since(select, build, incremental=False)) and not build.full_refresh
        return select, {**self.parameters(build), **since(select, build, incremental=incremental)}, incremental

    def build(self, build: Build) -> Built:
        db = build.db
        select, values, incremental = self.query(build)
        columns = columns_of(db, self.target)
        if is_empty(db, self.target):
            # No difference to find: straight in, without a temporary copy.
            names = ", ".join(columns)
            insert = f"insert into {self.target} ({names}) select {names} from ({select}) as q"
            rows = changed = fill(db, self.target, insert, values)
            invalidates, note = build.recipe_changed and rows > 0, ""
        else:
            db.execute(text(f"create temp table made on commit drop as {select}"), values)
            # Without statistics a few changed rows would be looked up by reading the whole table.
            db.execute(text(f"analyze made ({', '.join(self.key)})"))
            content = [name for name in columns if name not in self.key]
            difference = apply_difference(
                db,
                self.target,
                "made",
                key=self.key,
                content=content,
                build=build.number,
                whole="" if incremental else "made",
                within=self.within,
            )
            rows = count_rows(db, self.target, difference, build.rows if incremental else None)
            changed = difference.changed
            # Rows that another recipe changed belong to no new row of staging, by which readers would find them.
            invalidates = difference.deleted > 0 or (build.recipe_changed and changed > 0)
            note = "" if incremental else "in full"
        add_foreign_keys(db, self.target)
        return Built(rows, changed, invalidates_incremental=invalidates, note=note)


def sql_steps(base: type[SqlStep], schema: str, *prefixes: str, **more: dict[str, Any]) -> tuple[type[SqlStep], ...]:
    """A step for each file of `sql/` whose name begins so: dim_students.sql is DimStudents, mart_student_360.sql
    Student360. more: by table, what else its step says of itself."""
    steps = []
    for path in sorted(path for prefix in prefixes for path in SQL.glob(f"{prefix}_*.sql")):
        name = path.stem.removeprefix("mart_")
        if base.made.get(f"{schema}.{name}") is None:
            sql = path.read_text(encoding="utf-8")
            says = {
                "target": f"{schema}.{name}",
                "key": queries.key(sql),
                "__doc__": f"{queries.grain(sql).capitalize()}.",
                "__module__": base.__module__,
            }
            steps.append(type(name.title().replace("_", ""), (base,), {**says, **more.get(name, {})}))
    return tuple(steps)


SQL = Path(__file__).parent / "sql"
WAREHOUSE = sql_steps(
    SqlStep,
    "warehouse",
    "dim",
    "fact",
    dim_students_history={"within": ("student_key",)},
    # the longest way through the warehouse; Luigi hands a priority down to what a task requires
    fact_course_progress={"priority": 3},
)


class CheckWarehouse(Check):
    """What must hold of the warehouse before a mart is made from it."""

    target, layer = "checks/warehouse", "warehouse"

    def requires(self) -> list[luigi.Task]:
        return [step() for step in WAREHOUSE]


class AsOf(SqlStep):
    """The day that time-relative measures refer to: here, because enrichment and marts both look back from it."""

    target, key, options = "analytics.as_of", ("only_row",), ("as_of",)

    def worth_a_fork(self) -> bool:
        return False  # everything else waits for it

    def recipes(self) -> tuple[str, ...]:
        return ("pipeline/sql/mart_as_of.sql",)


class Warehouse(Goal):
    """Goal: the star schema, checked."""

    def requires(self) -> list[luigi.Task]:
        return [*(step() for step in WAREHOUSE), CheckWarehouse()]
