"""Metrics of the marts: how they moved, whether that is good, and when it stands out.

A change stands out (`Anomaly`) when it passes `STANDS_OUT`; which direction is good is said by the metric, not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, NamedTuple

from agents.wording import Number, exact

Unit = Literal["percent", "count", "hours", "points"]


class StandsOut(NamedTuple):
    """A change stands out when it is at least `by` (units) and at least `share` of what was before."""

    by: Decimal
    share: Decimal


STANDS_OUT: dict[Unit, StandsOut] = {
    "percent": StandsOut(Decimal(10), Decimal(0)),  # percentage points
    "points": StandsOut(Decimal(10), Decimal(0)),
    "count": StandsOut(Decimal(5), Decimal("0.3")),
    "hours": StandsOut(Decimal(1), Decimal("0.3")),
}


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
    better: Literal["up", "down"] | None

    def __post_init__(self) -> None:
        for value in (self.value, self.previous):
            if isinstance(value, bool) or (value is not None and not exact(value).is_finite()):
                raise ValueError(f"metric {self.name}: a value must be a finite number or None")
        if self.unit not in STANDS_OUT:
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


def anomalies_of(metric: Metric) -> list[Anomaly]:
    """A percentage outside 0 to 100, a negative count, or a change past `STANDS_OUT`."""
    value = exact(metric.value or 0)
    if value < 0 or (metric.unit == "percent" and value > 100):
        wording = f"{metric.label} is {shown(metric.value, metric.unit)}, which can't be: please check the data."
        return [Anomaly(f"{metric.name}_impossible", wording, metric.mart)]
    change, limit = metric.change, STANDS_OUT[metric.unit]
    if change is None or abs(change) < limit.by or abs(change) < limit.share * abs(exact(metric.previous or 0)):
        return []
    rose = "rose" if change > 0 else "fell"
    return [Anomaly(f"{metric.name}_{rose}", f"{moved(metric)}.", metric.mart)]


def weight(metric: Metric) -> Decimal:
    """How far a metric moved, in multiples of what stands out."""
    limit = STANDS_OUT[metric.unit]
    least = max(limit.by, limit.share * abs(exact(metric.previous or 0)))
    return abs(metric.change or Decimal(0)) / least


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
