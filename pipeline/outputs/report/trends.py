"""Trends: the charts of the report page, from rows by day: attendance and scores per class, learning of all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from pipeline import definitions
from pipeline.outputs.report.charts import Points, bar_chart, count_scale, day, line_chart, monday, percent_scale
from pipeline.outputs.report.facts import Row

DAILY = 31  # so many days are drawn one by one, more as weeks

MEASURES = {  # its name, what it is, the step of its scale in percent
    "attendance": ("Attendance", "Share of the recorded students who were present", 25.0),
    "score": ("Mean score", "Mean score of the assessments, percent of the points to get", 20.0),
}

Chart = tuple[str, Markup]  # its caption, and the drawing


@dataclass(frozen=True)
class Trend:
    """One small chart per class, the school first, all on one scale. each: "day" or "week"; threshold: percent."""

    measure: str
    title: str
    what: str
    each: str
    period: str
    threshold: float
    charts: Sequence[Chart]


@dataclass(frozen=True)
class Learning:
    """Learning events and hours of all students per day or week, from the first to the last day."""

    each: str
    first: date
    last: date
    charts: Sequence[Chart]


def trends(classes: Sequence[str], days: Iterable[Row]) -> list[Trend]:
    """Those that have records: days as in `Facts`, classes in the order in which they are drawn."""
    series = by_class(days)
    found = [_trend(classes, series, measure) for measure in MEASURES]
    return [each for each in found if each]


def _trend(classes: Sequence[str], series: dict[str | None, list[Row]], measure: str) -> Trend | None:
    # Few children are marked on one day, so a mean score is noise by day.
    weekly = measure == "score" or len({row["date"] for row in series[None] if row["students_with_attendance"]}) > DAILY
    lines: dict[str | None, Points] = {name: trend(rows, measure, weekly) for name, rows in series.items()}
    if not lines[None]:
        return None
    title, what, step = MEASURES[measure]
    each = "week" if weekly else "day"
    threshold = float(getattr(definitions.LOOK, measure))
    scale = percent_scale(list(lines.values()), step)
    charts = []
    for name in (None, *classes):
        caption = name or "Whole school"
        chart = line_chart(
            *(lines.get(name, {}), scale),
            style=measure,
            reference=lines[None] if name else {},
            threshold=threshold,
            said=f"{title} of {caption}, per {each}",
            weekly=weekly,
        )
        charts.append((caption, chart))
    return Trend(measure, title, what, each, _period(lines.values()), threshold, charts)


def by_class(days: Iterable[Row]) -> dict[str | None, list[Row]]:
    found: dict[str | None, list[Row]] = defaultdict(list)
    for row in days:
        found[row["class_id"]].append(row)
    return found


def trend(days: Iterable[Row], measure: str, weekly: bool) -> dict[date, float]:
    """Percent per day or week (its Monday), weighted by students or assessments."""
    sums: dict[date, float] = defaultdict(float)
    weights: dict[date, int] = defaultdict(int)
    for row in days:
        weight = row["students_with_attendance"] if measure == "attendance" else row["assessment_count"]
        total = 100 * row["present_count"] if measure == "attendance" else row["avg_score"] * weight
        if weight:
            when = monday(row["date"]) if weekly else row["date"]
            sums[when] += float(total)
            weights[when] += weight
    return {when: sums[when] / weights[when] for when in sums}


def _period(lines: Iterable[Points]) -> str:
    days = [when for line in lines for when in line]
    return f"{day(min(days), year=min(days).year != max(days).year)} to {day(max(days))}"


def learning(days: Sequence[Row]) -> Learning | None:
    """None without a day."""
    if not days:
        return None
    first, last = days[0]["date"], days[-1]["date"]
    weekly = (last - first).days >= DAILY
    each = "week" if weekly else "day"
    charts = []
    for measure, title in (("learning_events", "Learning events"), ("learning_hours", "Hours spent learning")):
        counted: dict[date, float] = defaultdict(float)
        for row in days:
            counted[monday(row["date"]) if weekly else row["date"]] += float(row[measure])
        charts.append((title, bar_chart(counted, count_scale(counted), said=f"{title} per {each}", weekly=weekly)))
    return Learning(each, first, last, charts)
