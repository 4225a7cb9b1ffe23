"""Mart files: what other programs read without a database."""

from __future__ import annotations

import functools

import luigi

from pipeline.marts import MARTS, Marts
from pipeline.outputs.artifact import Artifact
from pipeline.step import Build, Built
from targets import export
from targets.artifact import Content


class MartFiles(Artifact):
    """Every mart as CSV for a spreadsheet and as Parquet with its types."""

    target, pattern = "output/marts", "marts/*.*"
    recipe = ("targets/export.py",)

    def requires(self) -> list[luigi.Task]:
        return [Marts()]

    def build(self, build: Build) -> Built:
        files: dict[str, Content] = {}
        for mart in MARTS:
            name = f"marts/{mart.target.removeprefix('analytics.')}"
            files[f"{name}.csv"] = functools.partial(export.write_csv, build.db, mart.target, mart.key)
            files[f"{name}.parquet"] = functools.partial(export.write_parquet, build.db, mart.target, mart.key)
        return Built(len(files), len(files), content=self.write(build, files).content, note="files")
