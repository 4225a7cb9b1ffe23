"""Definitions: the numbers behind what people are shown. Each has one name and stands here.

Rules, pages and prompts read them from here; agents are told them. A query binds one as `:look_score` (`LOOK.score`);
in the names of columns, in DDL and in its comments `{look_score}` is filled in. A step's queries and its `definitions`
say on which it depends: another number makes again what is made from it, and nothing else.

Windows are days that end with as_of: of 7 days the first is as_of less 6. Percentages are whole numbers. Where no other
source is named, a number is EduFlow's own choice and follows no norm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from agents.metrics import InsightsRule, Measure, StandsOut
from agents.quality import QualityRule
from agents.risk import RiskRule


@dataclass(frozen=True)
class NeedsALook:
    """Which active students the report lists, and the columns of `class_statistics` that count them.

    attendance  percent of the recorded days; present on less
    score       percent; under it, for the mean of the assessments and, in the report, for that of the learning events
    away        days without activity, from so many on

    No value that is compared is rounded: 0.746 is shown as 0.75 and is under 75 percent.
    """

    attendance: int
    score: int
    away: int


@dataclass(frozen=True)
class Activity:
    """The windows in which days with activity are counted, in `student_360` and on the report.

    short, long  days, at most 63: a bit of a bigint stands for each

    Raises ValueError for another number of days.
    """

    short: int
    long: int

    def __post_init__(self) -> None:
        if not 0 < self.short <= 63 or not 0 < self.long <= 63:
            raise ValueError("a window of activity is 1 to 63 days")


@dataclass(frozen=True)
class EnrollmentStatus:
    """When a paid enrolment in `student_360` is no longer ACTIVE: days without activity, from so many on.

    inactive, churned  INACTIVE and CHURNED; whoever was never active is CHURNED
    """

    inactive: int
    churned: int


@dataclass(frozen=True)
class ReviewQueue:
    """Which rows are the worst ones of the review queue.

    flags  soft problems of one row, from so many on
    """

    flags: int


@dataclass(frozen=True)
class Stale:
    """When a warning says that the data has grown old.

    days  between the newest day of activity and the newest drop; more
    """

    days: int


@dataclass(frozen=True)
class Dates:
    """Which days a file may say.

    earliest  year; no student, enrolment or event is older, so an earlier day is a default value or a typing mistake
    """

    earliest: int


@dataclass(frozen=True)
class Cities:
    """When a misspelt city is taken for one of the list.

    alike  0 to 100, the share of equal letters (RapidFuzz ratio); above
    """

    alike: int


@dataclass(frozen=True)
class GuardLimits:
    """When a drop is held for a person. The defaults of `guard_...` in luigi.cfg, which says what each share is of, and
    from how many rows on one says something. They decide on a drop once, when it comes: they are a part of no target.

    overlap, growth, nulls, rejects, codes, missing, rejected, repeated, unread  shares, 0 to 1; growth: times
    class_size   students of a class that is gone; 0 = never
    enough_rows  rows; below, a share of NULLs, rejects or new codes that rose says little
    enough_keys  keys; below, a snapshot that lost a third may have lost one row
    few          rows; below, no share says anything: one row of one is all of them
    most_codes   codes kept per column; with more it is no vocabulary
    """

    overlap: float
    growth: float
    nulls: float
    rejects: float
    codes: float
    missing: float
    rejected: float
    repeated: float
    unread: float
    class_size: int
    enough_rows: int
    enough_keys: int
    few: int
    most_codes: int


# How likely a student is to drop out: what each number means, and its unit, stands with RiskRule.
RISK = RiskRule(
    inactive=20,
    low_completion=25,
    payment_open=15,
    negative_ticket=15,
    low_scores=10,
    inactive_days=7,
    least_completion=30,
    negative_tickets=1,
    ticket_days=30,
    many_low_scores=2,
    low_score=40,
    score_days=90,
    medium=25,
    high=50,
    critical=75,
)
LOOK = NeedsALook(attendance=75, score=40, away=14)
ACTIVITY = Activity(short=7, long=30)
ENROLLMENT = EnrollmentStatus(inactive=30, churned=90)
QUEUE = ReviewQueue(flags=3)
STALE = Stale(days=30)
DATES = Dates(earliest=1950)
CITIES = Cities(alike=80)
GUARD = GuardLimits(
    overlap=0.7,
    growth=2.0,
    nulls=0.3,
    rejects=0.3,
    codes=0.5,
    missing=0.2,
    rejected=0.5,
    repeated=0.3,
    unread=0.9,
    class_size=2,
    enough_rows=100,
    enough_keys=10,
    few=2,
    most_codes=500,
)
# When a dataset needs somebody: what each percentage is of stands with QualityRule.
QUALITY = QualityRule(act_rejected=5, act_touched=25, watch_touched=5, mostly=50)
# The executive summary: its windows, and which changes stand out.
INSIGHTS = InsightsRule(
    days=7,
    percent=StandsOut(by=10, share=0),
    points=StandsOut(by=10, share=0),
    count=StandsOut(by=5, share=30),
    hours=StandsOut(by=1, share=30),
)
# Its metrics, in their order. Where each is read from stands in sql/ai_insights.sql.
METRICS = (
    Measure(
        *("attendance_rate", "Attendance", "percent", "daily_dashboard", "up"),
        "Ask the class teachers which students were absent, and call their families.",
    ),
    Measure(
        *("avg_score", "Average score", "percent", "daily_dashboard", "up"),
        "Offer tutoring in the subjects with the lowest scores.",
    ),
    Measure(
        *("active_students", "Active students per day", "count", "daily_dashboard", "up"),
        "Write to the students who were not active in the last {days} days.",
    ),
    Measure(
        *("learning_hours", "Learning hours", "hours", "daily_dashboard", "up"),
        "Remind students of the lessons that are due, and ask what keeps them from learning.",
    ),
    Measure(
        *("avg_completion", "Mean course completion", "percent", "student_360", "up"),
        "Look at the courses with the lowest completion and offer study groups there.",
    ),
    Measure(
        *("high_risk_students", "Students at high or critical risk", "count", "student_360", "down"),
        "Go through the list of students at high risk with their mentors.",
    ),
    Measure(
        *("tickets_opened", "Support tickets opened", "count", "daily_dashboard", "down"),
        "See which topic most support tickets are about, and answer it for everybody.",
    ),
    Measure(
        *("negative_tickets", "Tickets that sound unhappy", "count", "daily_dashboard", "down"),
        "Let one person call back the students whose tickets sound angry.",
    ),
    Measure(
        *("tickets_open", "Support tickets open", "count", "student_360", "down"),
        "Give the oldest open support tickets to somebody by name.",
    ),
    Measure(
        *("rejected_rows", "Values that had a row rejected", "count", "data_quality", "down"),
        "Correct the rejected rows in the reject files and send them back.",
    ),
)

_NAMED = re.compile(r"(?<![:\w]):([a-z]\w*)|\{([a-z]\w*)\}")


def values() -> dict[str, Any]:
    """`look_score` -> 40: every field of every definition, by the name that a query or a comment has for it."""
    every = {name: value for name, value in globals().items() if name.isupper() and is_dataclass(value)}
    return {
        f"{name.lower()}_{field.name}": getattr(value, field.name)
        for name, value in every.items()
        for field in fields(value)
    }


def value(name: str) -> Any:
    """A definition as a whole (`LOOK`) or one field of it (`look_score`). KeyError for a name that is none."""
    return globals()[name] if name.isupper() and name in globals() else values()[name]


def named(text: str) -> tuple[str, ...]:
    """The fields that a query names, bound or filled in."""
    found = {bound or filled_in for bound, filled_in in _NAMED.findall(text)}
    return tuple(sorted(found & values().keys()))


def bound(text: str) -> dict[str, Any]:
    """The values of the fields that a query binds."""
    known = values()
    return {name: known[name] for name, _ in _NAMED.findall(text) if name in known}


def filled(text: str) -> str:
    """The text with each `{look_score}` as its value; what is no definition stays: `'{}'`."""
    known = values()
    return _NAMED.sub(lambda found: str(known[found[2]]) if found[2] in known else found[0], text)
