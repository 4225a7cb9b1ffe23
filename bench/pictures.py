"""Pictures of what a benchmark measured: small SVGs that read on light and dark pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10

from pipeline.page.markup import Html, el, join

WIDTH, GAP = 640, 12
NAMES, VALUES = 150, 90  # room for what stands left and right of bars
AXIS, INNER = 54, 130  # room for a curve's numbers; its height
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #444 } .title { font-weight: 600 } .axis { fill: #777 }
.grid { stroke: #999; stroke-width: 0.5 } .bar { fill: #999 } .ours { fill: #1b6ca8 }
.line { fill: none; stroke: #1b6ca8; stroke-width: 2 } .dot { fill: #1b6ca8 }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .axis { fill: #aaa } .ours, .dot { fill: #5aa9e6 } .line { stroke: #5aa9e6 }
}
"""


def bars(groups: Mapping[str, Mapping[str, tuple[float, str]]], *, ours: str, said: str) -> str:
    """Groups of bars, each group on a scale of its own: title -> name -> (value, how it is written)."""
    parts, y = [], 0
    for title, values in groups.items():
        y += 20
        parts.append(_text(title, 0, y, class_="title"))
        most = max(value for value, _ in values.values())
        for name, (value, written) in values.items():
            y += 24
            width = max((WIDTH - NAMES - VALUES) * value / most, 1)
            style = "ours" if name == ours else "bar"
            parts.append(_text(name, NAMES - 10, y, text_anchor="end"))
            parts.append(el("rect", x=NAMES, y=y - 13, width=f"{width:.1f}", height=16, class_=style))
            parts.append(_text(written, NAMES + width + 6, y))
        y += GAP
    return _picture(y, said, parts)


@dataclass(frozen=True)
class Curve:
    """points: (x, y), by x. across: what x is. The y axis starts at 0, the x axis too."""

    title: str
    across: str
    points: Sequence[tuple[float, float]]


def curves(panels: Sequence[Curve], *, said: str) -> str:
    """One below the other."""
    parts, top = [], 0
    for panel in panels:
        right = max(x for x, _ in panel.points)
        high = _round_up(max(y for _, y in panel.points))
        base = top + 32 + INNER
        placed = [(AXIS + (WIDTH - AXIS - 30) * x / right, base - INNER * y / high) for x, y in panel.points]
        parts.append(_text(panel.title, 0, top + 18, class_="title"))
        for share in (0, 0.5, 1):
            level = base - INNER * share
            parts.append(el("line", x1=AXIS, x2=WIDTH - 30, y1=level, y2=level, class_="grid"))
            parts.append(_text(f"{high * share:g}", AXIS - 8, level + 4, text_anchor="end", class_="axis"))
        parts.append(el("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in placed), class_="line"))
        if len(placed) < 10:
            parts += [el("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=3, class_="dot") for x, y in placed]
            named = list(zip(placed, panel.points, strict=True))
        else:
            named = [(placed[at], panel.points[at]) for at in (0, -1)]
        parts += [_text(f"{x:g}", at, base + 18, text_anchor="middle", class_="axis") for (at, _), (x, _) in named]
        parts.append(_text(panel.across, (AXIS + WIDTH) / 2, base + 34, text_anchor="middle", class_="axis"))
        top = base + 34 + GAP
    return _picture(top, said, parts)


def _picture(height: int, said: str, parts: Sequence[Html]) -> str:
    box = {"viewBox": f"0 0 {WIDTH} {height}", "xmlns": "http://www.w3.org/2000/svg"}
    return el("svg", el("title", said), el("style", Html(STYLE)), join(parts, "\n"), role="img", **box) + "\n"


def _text(content: str, x: float, y: float, **attributes: object) -> Html:
    return el("text", content, x=f"{x:.1f}", y=f"{y:.1f}", **attributes)


def _round_up(value: float) -> float:
    """1, 2, 4, 6, 8 or 10 times a power of ten, not below the value."""
    magnitude = 10.0 ** floor(log10(value))
    return next(factor * magnitude for factor in (1, 2, 4, 6, 8, 10) if factor * magnitude >= value)
