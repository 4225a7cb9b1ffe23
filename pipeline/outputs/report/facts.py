"""Facts: everything the report page shows, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

NOTICED = 10  # files that wait

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Opinions:
    """What agents think; each list with the number of rows it was cut from.

    risk      active students at high or critical risk, the highest first; risk_counts: active students per category
    moods     tickets per mood, in all and lately: in the `ACTIVITY.long` days that end with as_of
    issues    what tickets are about, by the number of tickets
    pressing  open tickets that sound bad or press for time
    by_model  whether a language model took part
    """

    risk: Sequence[Row]
    risk_counts: Mapping[str, int]
    moods: Mapping[str, Row]
    issues: Sequence[Row]
    pressing: Sequence[Row]
    pressing_count: int
    by_model: bool

    @property
    def tickets(self) -> int:
        """Tickets that were read."""
        return sum(row["tickets"] for row in self.moods.values())


@dataclass(frozen=True)
class Facts:
    """What the page shows; each list with the number of rows it was cut from.

    school       one row of totals, and of the `ACTIVITY.long` days that end with as_of
    waiting      refused and held drops; of a held one `classes` (missing and new by class) and `effects` of approving
    strays       (path, why) of files that wait, because they match no dataset
    no_drops     (path, why) of files that are no drop; missing: datasets without a file
    needing      students who need a look, the most pressing first; needing_counts: how many, in all and for what
    classes      the ones that need most attention, when there are many
    days         attendance and assessments per class and day; class_id None is the school
    activity     learning events and hours per day
    opinions     what enrichment adds
    """

    as_of: date | None
    school: Row
    waiting: Sequence[Row]
    strays: Sequence[tuple[str, str]]
    no_drops: Sequence[tuple[str, str]]
    missing: Sequence[str]
    needing: Sequence[Row]
    needing_counts: Row
    classes: Sequence[Row]
    class_count: int
    days: Sequence[Row]
    courses: Sequence[Row]
    course_count: int
    activity: Sequence[Row]
    drops: Sequence[Row]
    drop_totals: Row
    rules: Sequence[Row]
    rule_count: int
    rejects: Sequence[Row]
    reject_count: int
    worst: Sequence[Row]
    worst_count: int
    queue: Sequence[Row]
    opinions: Opinions

    @property
    def anyone(self) -> bool:
        """Whether a file has named a student."""
        return bool(self.school["students"] or self.school["unknown_students"])
