"""The keys that snapshots name: of one that is cleaned just now, and of those before it, cleaned again from raw."""

from __future__ import annotations

import functools
from collections import defaultdict
from datetime import date

from sqlalchemy import text

from pipeline.config import Settings
from pipeline.drops import Drop
from pipeline.rules.frame import clean
from pipeline.staging.cleaning import Cleaning
from pipeline.staging.reading import contexts, read_raw


class Snapshots:
    """The accepted drops of a dataset as snapshots: their keys, of a roster each with its class, else with None."""

    def __init__(self, cleaning: Cleaning, options: Settings) -> None:
        self.cleaning, self.options = cleaning, options
        self._found: dict[int, dict[str, str | None]] = {}  # by drop

    @property
    def classed(self) -> bool:
        """Whether the dataset is a roster: its keys are students, in classes."""
        return "class_id" in self.cleaning.dataset.column_names

    @functools.cached_property
    def by_day(self) -> dict[date, list[Drop]]:
        """The accepted drops of each day."""
        days: dict[date, list[Drop]] = defaultdict(list)
        for drop in self.cleaning.accepted:
            days[drop.drop_date].append(drop)
        return days

    def before(self, drop: Drop, earlier: list[Drop]) -> list[Drop]:
        """The drops of the last day before it, when the dataset comes in snapshots."""
        if self.cleaning.dataset.mode != "snapshot":
            return []
        found: list[Drop] = []
        for other in reversed(earlier):
            if other.drop_date < (found[0].drop_date if found else drop.drop_date):
                if found:
                    break
                found.append(other)
            elif found:
                found.append(other)
        return found[::-1]

    def keys(self, drops: list[Drop]) -> dict[str, str | None]:
        """The keys that these drops name, each asked once: as cleaned just now, or cleaned again from raw."""
        for drop in drops:
            if drop.drop_id not in self._found:
                self._found[drop.drop_id] = self._keys_of(drop)
        return {key: name for drop in drops for key, name in self._found[drop.drop_id].items()}

    def around(self, drop: Drop) -> tuple[dict[str, str | None], dict[str, str | None]]:
        """The keys of the snapshot before a drop, and those that other drops of its day name."""
        whole = [other for other in self.cleaning.accepted if not other.partial]
        before = [] if drop.partial else self.before(drop, whole)
        today = [other for other in whole if other.drop_date == drop.drop_date]
        return (self.keys(before), self.keys(today)) if before else ({}, {})

    def _keys_of(self, drop: Drop) -> dict[str, str | None]:
        db, dataset, key = self.cleaning.db, self.cleaning.dataset, self.cleaning.key
        named = [key, *(["class_id"] if self.classed else [])]
        if drop.drop_id in self.cleaning.profiles:
            query = text(
                f"select {', '.join(named)} from {self.cleaning.cleaned} where _drop_id = :drop order by _line"
            )
            rows = db.execute(query, {"drop": drop.drop_id})
            return {row[0]: row[-1] if self.classed else None for row in rows}
        context = contexts(db, dataset, self.options, [drop])[drop.drop_id]
        keys: dict[str, str | None] = {}
        for frame in read_raw(db, dataset, drop.drop_id, self.options.chunk_rows):
            rows = clean(frame[["_line", *named, "_record"]].sort_values("_line"), dataset, context).rows
            rows = rows[rows[key].notna()].astype(object)
            rows = rows.where(rows.notna(), None)
            keys |= dict(zip(rows[key], rows["class_id"] if self.classed else [None] * len(rows), strict=True))
        return keys
