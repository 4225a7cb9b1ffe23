"""From raw to `cleaned` and `refused`: the rows of some drops through their rules, with what each drop looks like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, text

from pipeline.config import Settings
from pipeline.datasets.declaration import Dataset
from pipeline.drops import Drop
from pipeline.guard import Profile
from pipeline.log import Progress
from pipeline.rules import says_something
from pipeline.rules.frame import clean
from pipeline.staging.reading import contexts, fit_into_a_chunk, read_drops_raw
from targets.postgres.copy import Spool, copy_in
from targets.table import is_empty

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("changed", "flagged", "rejected")
Stats = Counter[tuple[int, str, str, str]]  # (drop, column, rule, "changed" | "flagged" | "rejected") -> count


class Cleaning:
    """Rows of some drops on their way from raw to staging.

    Accepted rows go into the temporary table `cleaned`, and from there only the difference into staging. The first
    drop into an empty table goes straight in, which halves the work; what then loses is taken out again. Rejected
    rows (their keys and reasons) go into `refused`.

    apart: the rows are only looked at, and never go into staging
    """

    def __init__(
        self,
        db: Connection,
        dataset: Dataset,
        drops: list[Drop],
        accepted: list[Drop],
        build: int,
        *,
        apart: bool = False,
    ) -> None:
        self.db, self.dataset, self.drops, self.accepted, self.number = db, dataset, drops, accepted, build
        self.stats: Stats = Counter()
        self.profiles = {drop.drop_id: Profile() for drop in drops}
        self.target = f"staging.{dataset.table}"
        self.key = dataset.key
        self.content = [name for name in dataset.staged_names if name != self.key] + ["flags"]
        self.empty = is_empty(db, self.target)
        # A reject file is judged by the rejects that are open before its own rows count.
        self.direct = self.empty and len(drops) == 1 and not apart and not drops[0].partial
        self.cleaned = self.target if self.direct else "cleaned"

    @property
    def drop_ids(self) -> list[int]:
        return [drop.drop_id for drop in self.drops]

    def run(self, statement: str, **values: object) -> int:
        return self.db.execute(text(statement), values).rowcount

    def load(self, options: Settings) -> None:
        """Clean the records in raw: accepted ones into `cleaned` as they come, rejected ones into `refused` after."""
        if not self.direct:
            self._create_cleaned()
        self.run(f"""
            create temp table refused (
                {self.key} text, reasons text[] not null, _drop_id bigint, _line bigint
            ) on commit drop
        """)
        with Spool(self.db, "refused", [self.key, "reasons", "_drop_id", "_line"]) as refused:
            copy_in(self.db, self.cleaned, self._accepted_rows(options, refused))
            refused.copy_in()

    def _create_cleaned(self) -> None:
        columns = [
            f"{name} {kind}" + (' collate "C"' if name == self.key else "") for name, kind in self.dataset.staged
        ]
        self.run(f"""
            create temp table cleaned (
                {", ".join(columns)}, flags text[], _drop_id bigint, _line bigint, _build bigint
            ) on commit drop
        """)

    def _accepted_rows(self, options: Settings, refused: Spool) -> Iterator[pa.Table]:
        context = contexts(self.db, self.dataset, options, self.drops)
        progress = Progress(f"cleaning {self.target}")
        for drop, frame in self._raw(options):
            rows, counts = clean(frame, self.dataset, context[drop.drop_id])
            self._add_stats(drop.drop_id, counts)
            progress.add(len(rows))
            table = pa.Table.from_pandas(rows, preserve_index=False)
            table = table.append_column("_drop_id", pa.repeat(pa.scalar(drop.drop_id), len(table)))
            accepted = pc.is_null(table["reasons"])
            unread = _unread(self.dataset, frame, table, accepted)
            refused.add(table.filter(pc.invert(accepted)))
            table = table.filter(accepted).drop_columns("reasons")
            self.profiles[drop.drop_id].add(self.dataset, table, len(rows) - len(table), unread, drop.fields)
            yield table.append_column("_build", pa.repeat(pa.scalar(self.number), len(table)))

    def _raw(self, options: Settings) -> Iterator[tuple[Drop, pd.DataFrame]]:
        """The records of the drops, in chunks."""
        if fit_into_a_chunk(self.drops, options.chunk_rows):
            yield from list(read_drops_raw(self.db, self.dataset, self.drops, options.chunk_rows))
            return
        # A second connection reads ahead: raw is committed and append-only, and one connection can't do both.
        with options.database.transaction() as reader:
            yield from read_drops_raw(reader, self.dataset, self.drops, options.chunk_rows)

    def _add_stats(self, drop_id: int, counts: pd.DataFrame) -> None:
        of = counts.to_dict("list")
        for place, name in enumerate(zip(of["column"], of["rule"], strict=True)):
            for kind in KINDS:
                self.stats[drop_id, *name, kind] += of[kind][place]


def _unread(dataset: Dataset, frame: pd.DataFrame, cleaned: pa.Table, accepted: pa.Array) -> dict[str, list[int]]:
    """column -> the lines of accepted rows where something came and nothing came out."""
    found = {}
    for column in dataset.columns:
        if not cleaned[column.name].null_count:
            continue
        empty = pc.and_(accepted, pc.is_null(cleaned[column.name])).combine_chunks()
        if pc.any(empty).as_py():
            came = pa.array(frame[column.name], pa.string(), from_pandas=True)
            told = says_something(came.filter(empty), column.rule)
            lines = cleaned["_line"].filter(empty).filter(told).to_pylist()
            if lines:
                found[column.name] = lines
    return found
