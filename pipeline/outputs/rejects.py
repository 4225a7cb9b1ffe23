"""Reject files: rows to put right and send back."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import luigi
from sqlalchemy import Connection, text

from pipeline.outputs.artifact import Artifact
from pipeline.run import State
from pipeline.sources.columns import OWN
from pipeline.sources.folder import printable
from pipeline.sources.formulas import defused
from pipeline.staging import STAGED
from pipeline.step import Build, Built
from targets.parts import Parts
from targets.run import log


class RejectFiles(Artifact):
    """Per drop with open rejects, a file of them: the original columns, ready to be fixed and dropped again."""

    target, pattern, edits_are_kept = "output/rejects", "rejects/*.csv", True
    recipe = ("pipeline/sources/formulas.py",)

    def requires(self) -> list[luigi.Task]:
        return [step() for step in STAGED.values()]

    def own_parts(self, state: State) -> Parts:
        return {**super().own_parts(state), "decisions:rejected rows": state.settled}

    def build(self, build: Build) -> Built:
        query = """
            select drop_id, dataset, format from etl.drops
            where drop_id in (select drop_id from staging.open_rejects) order by drop_id
        """
        drops = build.db.execute(text(query)).all()
        files = {
            f"rejects/{d.dataset}.rejects-{d.drop_id}.csv": reject_rows(build.db, d.drop_id, d.format) for d in drops
        }
        written = self.write(build, files)
        for edited, ours in written.kept:
            instead = f"the rows that are open now: {ours}" if ours else "none of its rows is open any more"
            log.warning("%s was edited and is kept as it is; %s", printable(edited), printable(instead))
        return Built(len(drops), len(drops), content=written.content, note="files")


def reject_rows(db: Connection, drop_id: int, shape: dict[str, Any]) -> Iterator[str]:
    """CSV lines of a drop's open rejects. A row whose field count was wrong stands whole in `reject_record`.

    Of a reject file that was sent back, its own `reject_...` columns are left out: they are about another drop.
    """
    by_name = "extra" not in shape  # landed when the keys in `_extra` were names, not places
    columns = [
        (name, field, name if by_name else str(place))
        for place, (name, field) in enumerate(zip(shape["header"], shape["fields"], strict=True), 1)
        if name not in OWN
    ]
    yield _csv_line([*(name for name, _, _ in columns), *OWN])
    query = text("""
        select r.line, r.reasons, r.original from etl.rejects as r
        inner join staging.open_rejects as o using (drop_id, line)
        where r.drop_id = :drop order by r.line
    """)
    for row in db.execute(query.execution_options(yield_per=10_000), {"drop": drop_id}):
        extra = row.original.get("_extra") or {}
        cells = [row.original.get(field) if field else extra.get(key) for _, field, key in columns]
        yield _csv_line([*cells, row.line, " ".join(row.reasons), row.original.get("_record")])


def _csv_line(cells: list[Any]) -> str:
    line = io.StringIO()
    # so that a cell with either line end is quoted
    csv.writer(line, lineterminator="\r\n").writerow(
        [defused(cell) if isinstance(cell, str) else cell for cell in cells]
    )
    return line.getvalue().removesuffix("\r\n") + "\n"
