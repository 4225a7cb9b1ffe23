"""Guard: does a new drop look like the accepted one before it? If not, it is held until a person has looked.

A half export, a column that came out empty, a catalogue in another language: such a file reads well and is wrong. So
each drop leaves a profile in the ledger, and the next one by date is compared with it, once, before it is staged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config import Settings
from pipeline.contracts import Dataset

ENOUGH_ROWS = 100  # below, a share of NULLs, rejects or new codes says little
ENOUGH_KEYS = 10  # below, a snapshot that lost a third may have lost one row
MOST_CODES = 500  # kept per column: with more it is no vocabulary


@dataclass
class Profile:
    """What a drop looks like: its records, how many were rejected, NULLs and codes per staged column of the others."""

    rows: int = 0
    rejected: int = 0
    nulls: Counter[str] = field(default_factory=Counter)
    codes: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, dataset: Dataset, accepted: pa.Table, rejected: int) -> None:
        """Count a chunk of cleaned rows; codes are taken from the first chunk."""
        for name in dataset.staged_names:
            self.nulls[name] += accepted[name].null_count
        if not self.rows:
            for column in dataset.columns:
                if column.rule in ("code", "class_id", "attendance"):
                    counts = pc.value_counts(accepted[column.name].drop_null()).to_pylist()
                    self.codes[column.name] = Counter({count["values"]: count["counts"] for count in counts})
        self.rows += len(accepted) + rejected
        self.rejected += rejected

    @property
    def accepted(self) -> int:
        return self.rows - self.rejected

    def null_share(self, name: str) -> float:
        return self.nulls[name] / self.accepted if self.accepted else 0.0

    def reject_share(self) -> float:
        return self.rejected / self.rows if self.rows else 0.0

    def stored(self) -> dict[str, Any]:
        """As JSON; a column with too many codes keeps none."""
        codes = {name: dict(seen) for name, seen in self.codes.items() if len(seen) <= MOST_CODES}
        return {"rows": self.rows, "rejected": self.rejected, "nulls": dict(self.nulls), "codes": codes}

    @staticmethod
    def read(stored: dict[str, Any]) -> Profile:
        codes = {name: Counter(seen) for name, seen in stored["codes"].items()}
        return Profile(stored["rows"], stored["rejected"], Counter(stored["nulls"]), codes)


def compared(new: Profile, before: Profile, options: Settings) -> list[str]:
    """What makes a drop look unlike the one before it, in words; empty = nothing."""
    if min(new.rows, before.rows) < ENOUGH_ROWS:
        return []
    said = []
    rise = new.reject_share() - before.reject_share()
    if rise > options.guard_rejects:
        said.append(
            f"{new.reject_share():.0%} of its rows are rejected, {before.reject_share():.0%} of the drop before"
        )
    for name in sorted(new.nulls.keys() & before.nulls.keys()):
        if new.null_share(name) - before.null_share(name) > options.guard_nulls:
            said.append(
                f"{name} is empty in {new.null_share(name):.0%} of the rows, {before.null_share(name):.0%} before"
            )
    for name in sorted(new.codes.keys() & before.codes.keys()):
        seen = new.codes[name]
        share = sum(count for code, count in seen.items() if code not in before.codes[name]) / max(1, seen.total())
        if share > options.guard_codes:
            said.append(f"{share:.0%} of its {name} are codes that the drop before did not have")
    return said


def compared_keys(new: set[str], before: set[str], options: Settings) -> list[str]:
    """The same for the keys of two snapshots."""
    if len(before) < ENOUGH_KEYS:
        return []
    said = []
    kept = len(new & before) / len(before)
    if kept < options.guard_overlap:
        said.append(f"it names {len(new & before):,} of the {len(before):,} keys of the snapshot before ({kept:.0%})")
    if len(new) > options.guard_growth * len(before):
        said.append(f"it has {len(new):,} keys, the snapshot before {len(before):,}")
    return said


def held_reason(path: str, said: Iterable[str]) -> str:
    return f"{path} looks unlike the drop before it: {'; '.join(said)}"
