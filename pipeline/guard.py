"""Guard: does a new drop look right? If not, it is held until a person has looked.

A half export, a column that came out empty, a catalogue in another language: such a file reads well and is wrong. So
each drop is judged once, before it is staged: by itself, the first one too, and against the accepted one before it by
date, whose profile is in the ledger.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import definitions
from pipeline.config import Settings
from pipeline.datasets.declaration import Dataset

EXAMPLES = 3  # lines and reasons said of each finding


@dataclass(frozen=True)
class Finding:
    """A limit that a drop passes. setting: the key of [eduflow], "" when there is none to change; value and limit as
    people read them. what: in words, without any cell."""

    setting: str
    value: str
    limit: str
    what: str

    def __str__(self) -> str:
        return f"{self.what} ({self.setting}: {self.limit})" if self.setting else self.what

    def stored(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class Tally:
    """Rows of one kind: how many, and the first of their lines."""

    what: str
    rows: int
    lines: Sequence[int]

    def __str__(self) -> str:
        return f"{self.what} {self.rows:,} ({at_lines(self.lines, self.rows)})"


def at_lines(lines: Sequence[int], rows: int) -> str:
    said = ", ".join(map(str, lines[:EXAMPLES]))
    return f"line{'' if rows == 1 else 's'} {said}{', ...' if rows > len(lines[:EXAMPLES]) else ''}"


@dataclass
class Profile:
    """What a drop looks like: its records, how many were rejected; of the others NULLs and codes per staged column.

    unread: per column the values that came and were not understood; unread_at: the first of their lines.
    """

    rows: int = 0
    rejected: int = 0
    nulls: Counter[str] = field(default_factory=Counter)
    codes: dict[str, Counter[str]] = field(default_factory=dict)
    unread: Counter[str] = field(default_factory=Counter)
    unread_at: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(
        self,
        dataset: Dataset,
        accepted: pa.Table,
        rejected: int,
        unread: Mapping[str, Sequence[int]],
        fields: Collection[str | None] = (),
    ) -> None:
        """Count a chunk of cleaned rows; codes are taken from the first chunk. unread: column -> lines.

        fields: the columns of the file; an optional one that it lacks is not counted, so never too empty.
        """
        absent = dataset.absent(fields)
        columns = [column for column in dataset.columns if column.name not in absent]
        for name, lines in unread.items():
            self.unread[name] += len(lines)
            self.unread_at[name] = [*self.unread_at[name], *lines[:EXAMPLES]][:EXAMPLES]
        for column in columns:
            for name, _ in column.staged:
                self.nulls[name] += accepted[name].null_count
        if not self.rows:
            for column in columns:
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
        codes = {name: dict(seen) for name, seen in self.codes.items() if len(seen) <= definitions.GUARD.most_codes}
        shares = {"nulls": dict(self.nulls), "unread": dict(self.unread)}
        return {"rows": self.rows, "rejected": self.rejected, **shares, "codes": codes}

    @staticmethod
    def read(stored: dict[str, Any]) -> Profile:
        codes = {name: Counter(seen) for name, seen in stored["codes"].items()}
        unread = Counter(stored.get("unread", {}))  # profiles of older versions have none
        return Profile(stored["rows"], stored["rejected"], Counter(stored["nulls"]), codes, unread)


# --- by itself ------------------------------------------------------------------------------------------------------


def judged(profile: Profile, refused: Sequence[Tally], repeated: Tally, options: Settings) -> list[Finding]:
    """What is wrong with a drop whatever came before it. refused: by reason, the commonest first; repeated: rows whose
    key comes again later in the drop, with other values."""
    found = []
    share = profile.reject_share()
    if share > options.guard_rejected:  # a file of one row, too: fifty of them would be a file of nothing
        reasons = "; ".join(map(str, refused[:EXAMPLES]))
        what = f"{share:.0%} of its rows are rejected, {profile.rejected:,} of {profile.rows:,}: {reasons}"
        found.append(_over("guard_rejected", share, options.guard_rejected, what))
    share = repeated.rows / profile.rows if profile.rows else 0.0
    if repeated.rows >= definitions.GUARD.few and share > options.guard_repeated:
        where = at_lines(repeated.lines, repeated.rows)
        what = f"{repeated.rows:,} of {profile.rows:,} rows repeat a key of the file with other values: {where}"
        found.append(_over("guard_repeated", share, options.guard_repeated, what))
    lost = profile.rejected + repeated.rows
    share = lost / profile.rows if profile.rows else 0.0
    if (
        not found and lost >= definitions.GUARD.few and share > options.guard_rejected
    ):  # each under its limit, most of it together
        reasons = "; ".join(map(str, [*refused[: EXAMPLES - 1], repeated]))
        what = f"{share:.0%} of its rows would not count, {lost:,} of {profile.rows:,}: {reasons}"
        found.append(_over("guard_rejected", share, options.guard_rejected, what))
    for name, unread in sorted(profile.unread.items()):
        given = profile.accepted - profile.nulls[name] + unread
        if unread >= definitions.GUARD.few and unread / given > options.guard_unread:
            where = at_lines(profile.unread_at[name], unread)
            what = f"{name} came with {given:,} values, and {unread:,} of them were not understood: {where}"
            found.append(_over("guard_unread", unread / given, options.guard_unread, what))
    return found


def of_others(keyed: str, rows: Tally, all_rows: int, options: Settings) -> list[Finding]:
    """A drop most of whose keys name rows of other students in earlier drops: numbers that begin anew in each file.

    rows: those of the drop whose key had another student; each would take an accepted row's place.
    """
    share = rows.rows / all_rows if all_rows else 0.0
    if (
        rows.rows < definitions.GUARD.few or share <= options.guard_repeated
    ):  # one row of another student is a correction
        return []
    where = at_lines(rows.lines, rows.rows)
    what = f"{rows.rows:,} of {all_rows:,} rows have the {keyed} of an earlier row of another student: {where}"
    return [_over("guard_repeated", share, options.guard_repeated, what)]


def too_early(drop_date: date, landed_on: date) -> list[Finding]:
    """A drop of a day that has not come yet would count before all others until then."""
    if drop_date <= landed_on:
        return []
    what = f"it is dated {drop_date}, after the day it came, {landed_on}"
    return [Finding("", drop_date.isoformat(), landed_on.isoformat(), what)]


def _over(setting: str, value: float, limit: float, what: str) -> Finding:
    return Finding(setting, f"{value:.0%}", f"{limit:.0%}", what)


# --- against the one before -----------------------------------------------------------------------------------------


def compared(new: Profile, before: Profile, options: Settings) -> list[Finding]:
    """What makes a drop look unlike the one before it; empty = nothing."""
    if min(new.rows, before.rows) < definitions.GUARD.enough_rows:
        return []
    found = []
    share, old = new.reject_share(), before.reject_share()
    if share - old > options.guard_rejects:
        what = f"{share:.0%} of its rows are rejected, {old:.0%} of the drop before"
        found.append(_over("guard_rejects", share - old, options.guard_rejects, what))
    for name in sorted(new.nulls.keys() & before.nulls.keys()):
        share, old = new.null_share(name), before.null_share(name)
        if share - old > options.guard_nulls:
            what = f"{name} is empty in {share:.0%} of the rows, {old:.0%} before"
            found.append(_over("guard_nulls", share - old, options.guard_nulls, what))
    for name in sorted(new.codes.keys() & before.codes.keys()):
        seen = new.codes[name]
        share = sum(count for code, count in seen.items() if code not in before.codes[name]) / max(1, seen.total())
        if share > options.guard_codes:
            what = f"{share:.0%} of its {name} are codes that the drop before did not have"
            found.append(_over("guard_codes", share, options.guard_codes, what))
    return found


Keys = Mapping[str, str | None]  # key -> class; None in a snapshot that is no roster


def compared_keys(new: Keys, before: Keys, options: Settings, *, roster: bool) -> list[Finding]:
    """The same for the keys of two snapshots."""
    if not before:
        return []
    gone = [key for key in before if key not in new]
    found, kept = [], len(before) - len(gone)
    share = kept / len(before)
    named = f"it names {kept:,} of the {len(before):,} keys of the snapshot before ({share:.0%})"
    if roster:
        missing = len(gone) / len(before)
        if gone and missing >= options.guard_missing:
            found.append(_over("guard_missing", missing, options.guard_missing, named))
        found += _classes_gone(new, before, options)
    elif share < options.guard_overlap and (
        len(before) >= definitions.GUARD.enough_keys or len(gone) >= definitions.GUARD.few
    ):
        found.append(_over("guard_overlap", share, options.guard_overlap, named))
    if len(before) >= definitions.GUARD.enough_keys and len(new) > options.guard_growth * len(before):
        what = f"it has {len(new):,} keys, the snapshot before {len(before):,}"
        times = f"{len(new) / len(before):.1f} times"
        found.append(Finding("guard_growth", times, f"{options.guard_growth:g} times", what))
    return found


def _classes_gone(new: Keys, before: Keys, options: Settings) -> list[Finding]:
    """Classes none of whose students is named any more, in whatever class."""
    classes = Counter(name for name in before.values() if name)
    left = {before[key] for key in new if key in before}
    gone = sorted(name for name, size in classes.items() if name not in left and size >= options.guard_class)
    if not gone or not options.guard_class:
        return []
    listed = ", ".join(gone[:EXAMPLES]) + (", ..." if len(gone) > EXAMPLES else "")
    what = f"it names nobody of {listed}, {sum(classes[name] for name in gone):,} students of the snapshot before"
    size = f"{max(classes[name] for name in gone):,} students"
    return [Finding("guard_class", size, f"{options.guard_class:,} students", what)]


def held_reason(path: str, found: Iterable[Finding]) -> str:
    return f"{path} does not look right: {'; '.join(map(str, found))}"
