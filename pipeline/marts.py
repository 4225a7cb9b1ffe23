"""Marts: the tables people look at, each made by one SELECT `sql/mart_<name>.sql`, which is found by itself."""

from __future__ import annotations

import luigi

from pipeline.checks import Check
from pipeline.enrich import Insights, QualityAnalysis
from pipeline.step import Goal
from pipeline.warehouse import AsOf, SqlStep, sql_steps


class Mart(SqlStep):
    """A table of schema analytics."""

    def recipes(self) -> tuple[str, ...]:
        return (f"pipeline/sql/mart_{self.target.split('.')[1]}.sql",)


MARTS: tuple[type[SqlStep], ...] = (
    AsOf,
    *sql_steps(
        Mart,
        "analytics",
        "mart",
        student_360={"priority": 2},  # with the risk of every student, the longest way to the reports
        class_statistics={"priority": 1},  # so are these two, when a school keeps attendance
        daily_dashboard={"priority": 1},
    ),
    QualityAnalysis,
    Insights,
)


class CheckAnalytics(Check):
    """What must hold of the marts before anyone is shown them."""

    target, layer = "checks/analytics", "analytics"

    def requires(self) -> list[luigi.Task]:
        return [step() for step in MARTS]


class Marts(Goal):
    """Goal: the tables people look at, checked."""

    def requires(self) -> list[luigi.Task]:
        return [*(step() for step in MARTS), CheckAnalytics()]
