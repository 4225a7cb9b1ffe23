"""Charts: numbers by day -> small inline SVG, hand-made: equal numbers, equal bytes, and text that stays text.

Each is 270 wide and scales with its box, so that its letters keep their size on a phone: several small ones side by
side, on one scale, instead of one big one. Nothing is said by colour alone: lines differ in dashes and marks, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from markupsafe import Markup

from pipeline.outputs.report.markup import el

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WIDTH, HEIGHT = 270, 150
LEFT, RIGHT, TOP, BOTTOM = 42, 46, 14, 24
TICKS = 4  # most dates on an axis

Points = Mapping[date, float]


def day(value: date, *, year: bool = True) -> str:
    """2024-02-09 -> 9 Feb 2024, whatever the machine's language."""
    return f"{value.day} {MONTHS[value.month - 1]}" + (f" {value.year}" if year else "")


def monday(value: date) -> date:
    return value - timedelta(days=value.weekday())


@dataclass(frozen=True)
class Scale:
    """The axes that charts of one kind share: days from first to last, values from low to high at every step.

    pad  room at both ends, for bars
    """

    first: date
    last: date
    low: float
    high: float
    step: float
    pad: float = 0

    def x(self, value: date) -> float:
        span = (self.last - self.first).days
        inner = WIDTH - LEFT - RIGHT - 2 * self.pad
        return LEFT + self.pad + (inner * (value - self.first).days / span if span else inner / 2)

    def y(self, value: float) -> float:
        inner = HEIGHT - TOP - BOTTOM
        return TOP + inner * (self.high - value) / (self.high - self.low)

    def steps(self) -> list[float]:
        return [self.low + place * self.step for place in range(round((self.high - self.low) / self.step) + 1)]

    def dates(self) -> list[date]:
        """The days to name: every day, Mondays, or the first of months, at most four of them."""
        days = [self.first + timedelta(days=place) for place in range((self.last - self.first).days + 1)]
        if len(days) > 70:
            days = [value for value in days if value.day == 1]
        elif len(days) > 14:
            days = [value for value in days if value.weekday() == 0]
        stride = -(-len(days) // TICKS) or 1
        return days[::stride]


def percent_scale(series: Sequence[Points], step: float) -> Scale:
    """From the step below the lowest value to 100 percent, over the days of all series."""
    days = [value for points in series for value in points]
    lowest = min(value for points in series for value in points.values())
    return Scale(min(days), max(days), min(lowest // step * step, 100 - 2 * step), 100, step)


def count_scale(points: Points) -> Scale:
    """From 0 to a round number above the highest value."""
    highest = max(*points.values(), 1)
    magnitude = 10 ** (len(str(int(highest))) - 1)
    high = next(factor * magnitude for factor in (1, 2, 4, 6, 8, 10) if factor * magnitude >= highest)
    return Scale(min(points), max(points), 0, high, high / 2 if high > 1 else 1, pad=14)


def line_chart(
    points: Points, scale: Scale, *, style: str, reference: Points, threshold: float, said: str, weekly: bool
) -> Markup:
    """One series in percent, its last value written beside it; behind it the reference and the threshold, dashed.

    style  "attendance" (discs) or "score" (squares): the class of its line and marks
    said   what a person who can't see it should hear first
    """
    drawn = [*_axes(scale, lambda value: f"{value:.0f} %")]
    if scale.low <= threshold <= scale.high:
        height = f"{scale.y(threshold):.1f}"
        drawn.append(el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=height, y2=height, class_="threshold"))
    if len(reference) > 1:
        drawn.append(el("polyline", points=_path(reference, scale), class_="reference"))
    if len(points) > 1:
        drawn.append(el("polyline", points=_path(points, scale), class_=f"line {style}"))
    if points:
        marked = sorted(points) if len(points) <= 45 else [max(points)]
        drawn += [_mark(scale.x(value), scale.y(points[value]), style) for value in marked]
        last = max(points)
        x, y = scale.x(last) + 7, min(max(scale.y(points[last]) + 4, TOP + 4), HEIGHT - BOTTOM)
        drawn.append(el("text", f"{points[last]:.0f} %", x=f"{x:.1f}", y=f"{y:.1f}", class_="last"))
    return _svg(drawn, said + _told(points, weekly))


def bar_chart(points: Points, scale: Scale, *, said: str, weekly: bool) -> Markup:
    """Counts, a bar for each day or week."""
    bars = (scale.last - scale.first).days // (7 if weekly else 1) + 1
    width = min(24.0, 0.75 * (WIDTH - LEFT - RIGHT) / bars)
    drawn = [*_axes(scale, lambda value: f"{value:,.0f}")]
    for when in sorted(points):
        x, y = scale.x(when) - width / 2, scale.y(points[when])
        height = HEIGHT - BOTTOM - y
        drawn.append(el("rect", x=f"{x:.1f}", y=f"{y:.1f}", width=f"{width:.1f}", height=f"{height:.1f}", class_="bar"))
        if bars <= 7:
            label = el("text", f"{points[when]:,.0f}", x=f"{scale.x(when):.1f}", y=f"{y - 4:.1f}", class_="last")
            drawn.append(label)
    highest = max(points, key=lambda value: (points[value], value))
    each = "week" if weekly else "day"
    told = f": {len(points)} {each}s, most in the {each} of {day(highest)}: {points[highest]:,.0f}"
    return _svg(drawn, said + told)


def _axes(scale: Scale, written: Callable[[float], str]) -> list[Markup]:
    drawn = []
    for value in scale.steps():
        y = f"{scale.y(value):.1f}"
        drawn.append(el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        label = el("text", written(value), x=LEFT - 6, y=f"{scale.y(value) + 4:.1f}", text_anchor="end", class_="axis")
        drawn.append(label)
    for when in scale.dates():
        x = f"{scale.x(when):.1f}"
        drawn.append(el("line", x1=x, x2=x, y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM + 4, class_="tick"))
        name = day(when, year=False)
        drawn.append(el("text", name, x=x, y=HEIGHT - BOTTOM + 16, text_anchor="middle", class_="axis"))
    return drawn


def _mark(x: float, y: float, style: str) -> Markup:
    if style == "score":
        return el("rect", x=f"{x - 3:.1f}", y=f"{y - 3:.1f}", width=6, height=6, class_=f"mark {style}")
    return el("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=3, class_=f"mark {style}")


def _path(points: Points, scale: Scale) -> str:
    return " ".join(f"{scale.x(value):.1f},{scale.y(points[value]):.1f}" for value in sorted(points))


def _told(points: Points, weekly: bool) -> str:
    """The course of a line in words."""
    if not points:
        return ": no records"
    first, last = min(points), max(points)
    lowest = min(points, key=lambda value: (points[value], value))
    each = "week of " if weekly else ""
    if first == last:
        return f": {points[first]:.0f} % ({each}{day(first)})"
    return (
        f": from {points[first]:.0f} % ({each}{day(first)}) to {points[last]:.0f} % ({each}{day(last)}), "
        f"lowest {points[lowest]:.0f} % ({each}{day(lowest)})"
    )


def _svg(drawn: Sequence[Markup], said: str) -> Markup:
    return el("svg", *drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=said)
