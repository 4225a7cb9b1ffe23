"""Metrics of the marts: how they moved, whether that is good, and when it stands out.

A change stands out (`Anomaly`) when it passes what `InsightsRule` says; which direction is good is said by the metric,
not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, NamedTuple, get_args

from agents.wording import Number, exact

Unit = Literal["percent", "count", "hours", "points"]
Direction = Literal["up", "down"]


@dataclass(frozen=True)
class StandsOut:
    """When a change stands out: it is at least `by` (in the unit of the metric; percentage points) and at least `share`
    percent of what was before."""

    by: int
    share: int

    def least(self, previous: Number | None) -> Decimal:
        """The smallest change that does, from what was before."""
        return max(Decimal(self.by), self.share * abs(exact(previous or 0)) / 100)


@dataclass(frozen=True)
class InsightsRule:
    """The numbers of the executive summary.

    days     the window of a metric: those that end with as_of are now, as many before them are before
    percent, points, count, hours   per unit, when a change stands out
    """

    days: int
    percent: StandsOut
    points: StandsOut
    count: StandsOut
    hours: StandsOut

    def stands_out(self, unit: Unit) -> StandsOut:
        found: StandsOut = getattr(self, unit)
        return found


@dataclass(frozen=True)
class Measure:
    """What a metric is called and what it means.

    name     in queries and files
    wording  for people
    unit     of its values
    mart     where it is read from, in schema analytics
    better   which direction is good; None = neither
    action   what to do when it got worse; {days} stands for `InsightsRule.days`
    """

    name: str
    wording: str
    unit: Unit
    mart: str
    better: Direction | None
    action: str


@dataclass(frozen=True)
class Metric:
    """One number of a mart. value, previous: None = not known. better: which direction is good; None = neither.

    Raises ValueError for a number that is not finite; the message names the metric.
    """

    name: str
    label: str
    value: Number | None
    previous: Number | None
    unit: Unit
    mart: str
    better: Direction | None

    def __post_init__(self) -> None:
        for value in (self.value, self.previous):
            if isinstance(value, bool) or (value is not None and not exact(value).is_finite()):
                raise ValueError(f"metric {self.name}: a value must be a finite number or None")
        if self.unit not in get_args(Unit):
            raise ValueError(f"metric {self.name}: unknown unit")

    @property
    def change(self) -> Decimal | None:
        """value - previous, as both are shown; None when one of them is not known."""
        if self.value is None or self.previous is None:
            return None
        return rounded(self.value) - rounded(self.previous)

    @property
    def trend(self) -> Literal["up", "down", "unchanged", "new"]:
        """new: there is nothing to compare with."""
        if self.change is None:
            return "new"
        return "up" if self.change > 0 else "down" if self.change < 0 else "unchanged"

    @property
    def verdict(self) -> Literal["better", "worse", ""]:
        if self.better is None or self.trend not in ("up", "down"):
            return ""
        return "better" if self.trend == self.better else "worse"


class Anomaly(NamedTuple):
    """Something that stands out. code: metric and what it did, `attendance_rate_fell`."""

    code: str
    wording: str
    mart: str


# --- what stands out ------------------------------------------------------------------------------------------------


def anomalies_of(metric: Metric, rule: InsightsRule) -> list[Anomaly]:
    """A percentage outside 0 to 100, a negative count, or a change that stands out."""
    value = exact(metric.value or 0)
    if value < 0 or (metric.unit == "percent" and value > 100):
        wording = f"{metric.label} is {shown(metric.value, metric.unit)}, which can't be: please check the data."
        return [Anomaly(f"{metric.name}_impossible", wording, metric.mart)]
    change = metric.change
    if change is None or abs(change) < rule.stands_out(metric.unit).least(metric.previous):
        return []
    rose = "rose" if change > 0 else "fell"
    return [Anomaly(f"{metric.name}_{rose}", f"{moved(metric)}.", metric.mart)]


def weight(metric: Metric, rule: InsightsRule) -> Decimal:
    """How far a metric moved, in multiples of what stands out."""
    return abs(metric.change or Decimal(0)) / rule.stands_out(metric.unit).least(metric.previous)


# --- words ----------------------------------------------------------------------------------------------------------


def shown(value: Number | None, unit: Unit) -> str:
    """38 percent -> 38.00 %; 1234 count -> 1,234; 12.5 hours -> 12.5 hours; None -> not known."""
    if value is None:
        return "not known"
    number = rounded(value)
    if unit == "percent":
        return f"{number:.2f} %"
    plain = f"{number.normalize():,f}"
    return {"count": plain, "hours": f"{plain} hours", "points": f"{plain} points"}[unit]


def rounded(value: Number) -> Decimal:
    """Two decimals, half away from zero."""
    return exact(value).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP) + 0


def moved(metric: Metric) -> str:
    """Attendance rate fell from 91.00 % to 78.00 %."""
    before, now = shown(metric.previous, metric.unit), shown(metric.value, metric.unit)
    return f"{metric.label} {'rose' if metric.trend == 'up' else 'fell'} from {before} to {now}"


def values_of(metric: Metric) -> list[Number]:
    """The numbers of a metric that a text may say: as they are, as they are shown, and the change between them."""
    given = [value for value in (metric.value, metric.previous) if value is not None]
    change = [] if metric.change is None else [metric.change]
    return [*given, *(rounded(value) for value in given), *change]


def sent(value: Number | None) -> float | None:
    return None if value is None else float(rounded(value))
