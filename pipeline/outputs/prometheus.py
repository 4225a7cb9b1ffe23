"""The run in numbers, as the node exporter's textfile collector reads it."""

from __future__ import annotations

import re

import luigi

from pipeline.outputs.artifact import Artifact
from pipeline.outputs.summary import RunSummary
from pipeline.run import run_id, this_run
from pipeline.step import Build, Built

# What an attempt adds to metrics.prom: name -> help.
ATTEMPT_METRICS = {
    "last_attempt_timestamp_seconds": "When the last attempt to run ended, whatever became of it.",
    "last_attempt_exit_code": "Its exit code: 0 is good, 30 says that something failed or waits for a person.",
    "last_attempt_duration_seconds": "How long it took.",
    "last_success_timestamp_seconds": "When an attempt last ended with exit code 0.",
    "last_new_data_timestamp_seconds": "When a file last arrived.",
    "waiting": "What waits for a person, by kind: held and refused drops, files that were not recognised.",
}


class Metrics(Artifact):
    """The run in numbers, for Prometheus."""

    target, pattern = "output/metrics", "metrics.prom"
    notes = re.compile(rf"^(?:# (?:HELP|TYPE) )?eduflow_(?:{'|'.join(ATTEMPT_METRICS)})\b.*\n".encode(), re.M)
    mode = 0o644  # it holds no names, and the node exporter runs as another user
    recipe = ("pipeline/outputs/exposition.py",)

    def requires(self) -> list[luigi.Task]:
        return [RunSummary()]

    def build(self, build: Build) -> Built:
        from pipeline.outputs.exposition import exposition

        this_run().note(build.db)  # the first step of its run when the one before was killed after the summary
        files = {"metrics.prom": [exposition(build.db, run_id())]}
        return Built(1, 1, content=self.write(build, files).content)
