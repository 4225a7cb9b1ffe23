"""Intake: the last word on what waits for a person, and the root of the graph."""

from __future__ import annotations

import luigi
from luigi.util import requires

from pipeline.drops import Waiting, counted, unsettled, waiting
from pipeline.enrich import Opinions
from pipeline.ingest import RAW, Ingest
from pipeline.marts import Marts
from pipeline.outputs.mart_files import MartFiles
from pipeline.outputs.pages import InsightsPage, ReportPage
from pipeline.outputs.prometheus import Metrics
from pipeline.outputs.rejects import RejectFiles
from pipeline.outputs.summary import RunSummary
from pipeline.run import State, current_state, read_state, this_run, transaction
from pipeline.staging import Clean
from pipeline.step import Goal
from pipeline.warehouse import Warehouse
from targets.errors import WaitsError
from targets.postgres.errors import retrying
from targets.step import failure_recorded


class Settled(luigi.Target):
    """Exists while no file waits to be landed and nothing that was given waits for a person."""

    def exists(self) -> bool:
        state = current_state()
        return not waiting(state.drops, state.scan) and not any(step().arrivals(state).new for step in RAW.values())


@requires(summary=RunSummary, rejects=RejectFiles)
class Intake(luigi.Task):
    """The last word: fails, and so the run with exit code 30, while something that was given waits for a person."""

    def output(self) -> Settled:
        return Settled()

    def worth_a_fork(self) -> bool:
        return False

    def run(self) -> None:
        with failure_recorded(this_run(), "intake"):
            waits = retrying(self._noted)
        if waits:
            raise WaitsError(waiting_text(waits))

    def _noted(self) -> list[Waiting]:
        with transaction() as db:
            state = read_state(db)
            waits = waiting(state.drops, state.scan)
            if waits:
                this_run().note(db, "unsettled")
        return waits


def waiting_kinds(state: State) -> dict[str, int]:
    """How many things wait for a person, by kind."""
    drops = unsettled(state.drops)
    kinds = {kind: sum(drop.status == kind for drop in drops) for kind in ("held", "refused")}
    return {**kinds, "unrecognised": len(state.scan.waiting)}


def waiting_text(waits: list[Waiting]) -> str:
    lines = [f"Everything good is built; {counted(waits)} not:", *(f"  {each}" for each in waits)]
    drops = [each for each in waits if each.is_drop]
    if drops:
        lines.append("Put a corrected file at the same path and run again, or settle it: eduflow refuse DROP")
    if any(" held" in each.what for each in drops):
        lines.append("A held drop is good after all? Look at it with eduflow account DROP, then: approve DROP")
    if len(drops) < len(waits):
        lines.append(
            "A file is loaded under a name that is known; take it away, or name it in the setting `ignore`, and it no "
            "longer waits"
        )
    return "\n".join(lines)


class Outputs(Goal):
    """Goal: the files that a run leaves."""

    def requires(self) -> list[luigi.Task]:
        return [step() for step in (RejectFiles, MartFiles, ReportPage, InsightsPage, RunSummary, Metrics)]


class EduFlow(Goal):
    """Goal and root: the goals, each of which names all its steps, and that nothing waits for a person."""

    def requires(self) -> list[luigi.Task]:
        return [Ingest(), Clean(), Warehouse(), Opinions(), Marts(), Outputs(), Intake()]
