"""Pages for people: the report and the executive summary."""

from __future__ import annotations

import re

import luigi

from pipeline.drops import counted, waiting
from pipeline.enrich import Insights, Opinions, insights
from pipeline.marts import CheckAnalytics, Marts
from pipeline.outputs.artifact import Artifact, intake_digest
from pipeline.run import State
from pipeline.staging import Clean
from pipeline.step import Build, Built
from pipeline.warehouse import SqlStep
from targets.parts import Parts

REPORT = tuple(f"pipeline/outputs/report/{name}.py" for name in (
    "figures", "facts", "page", "trends", "charts", "markup", "words",
))  # fmt: skip
TEMPLATES = tuple(f"pipeline/outputs/report/templates/{name}" for name in (
    "page.css", *(f"{name}.html.j2" for name in (
        "page", "macros", "waiting", "tiles", "students", "risk", "classes", "courses", "tickets", "files", "quality",
    )),
))  # fmt: skip


class ReportPage(Artifact):
    """What the marts say, for people: one HTML page."""

    target, pattern = "output/report", "report.html"
    notes = re.compile(rb"<!-- last attempt -->.*\n")
    recipe = ("pipeline/held.py", *REPORT, *TEMPLATES)
    definitions = ("RISK", "LOOK", "activity_long")

    def requires(self) -> list[luigi.Task]:
        return [Clean(), SqlStep.made["warehouse.dim_students"](), Opinions(), Marts()]

    def own_parts(self, state: State) -> Parts:
        return {**super().own_parts(state), "intake:": intake_digest(state), "decisions:rejected rows": state.settled}

    def build(self, build: Build) -> Built:
        from pipeline.outputs.report.figures import facts
        from pipeline.outputs.report.page import page

        files = {"report.html": [page(facts(build.db, build.state))]}
        return Built(1, 1, content=self.write(build, files).content, note="page")


class InsightsPage(Artifact):
    """The executive summary."""

    target, pattern = "output/insights", "insights.md"
    recipe = ("agents/insights.py", "agents/metrics.py")

    def requires(self) -> list[luigi.Task]:
        return [Insights(), CheckAnalytics()]

    def own_parts(self, state: State) -> Parts:
        return {**super().own_parts(state), "intake:": intake_digest(state)}

    def build(self, build: Build) -> Built:
        waits = counted(waiting(build.state.drops, build.state.scan))
        files = {"insights.md": [insights(build.db, waits)]}
        return Built(1, 1, content=self.write(build, files).content, note="page")
