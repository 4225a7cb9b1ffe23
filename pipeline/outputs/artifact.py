"""Artifact: a step that makes files in the output folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from sqlalchemy import text

from pipeline.run import State
from pipeline.step import Build, Step
from targets.artifact import FILE_MODE, Content, Notes, Written, fault, write_files
from targets.parts import digest


class Artifact(Step):
    """Files in the output folder. pattern: what they are called there. notes: what attempts add to them."""

    pattern: ClassVar[str]
    mode: ClassVar[int] = FILE_MODE
    edits_are_kept: ClassVar[bool] = False
    notes: ClassVar[Notes | None] = None

    def recipes(self) -> tuple[str, ...]:
        """This module, that of the step, and what the step names beside them."""
        modules = (Artifact.__module__, type(self).__module__)
        return (*(f"{name.replace('.', '/')}.py" for name in modules), *self.recipe)

    def is_current(self, state: State) -> bool:
        """Up to date, and the files on disk are the ones written."""
        return super().is_current(state) and not self.fault(state)

    def fault(self, state: State) -> str:
        """Why the files on disk are not the ones written; "" when they are."""
        content = state.record(self.target).content
        folder = state.settings.output_dir
        return fault(folder, self.pattern, content, edits_are_kept=self.edits_are_kept, notes=self.notes)

    def reasons(self, state: State) -> str:
        return self.fault(state) if super().is_current(state) else super().reasons(state)

    def write(self, build: Build, files: Mapping[str, Content]) -> Written:
        state = build.state
        contents = text("select sha256 from etl.drops where landed_at is not null")
        expendable = set(build.db.execute(contents).scalars()) if self.edits_are_kept else None
        recorded = state.record(self.target).content
        return write_files(
            state.settings.output_dir,
            self.pattern,
            files,
            recorded=recorded,
            mode=self.mode,
            expendable=expendable,
            notes=self.notes,
        )


def intake_digest(state: State) -> str:
    """Of what is said beside upstream: refused and held drops, decisions, files that are no drop."""
    out = [(d.drop_id, d.status, d.decision, d.reason) for d in state.drops if d.status in ("refused", "held")]
    return digest([out, state.scan.unmatched])
