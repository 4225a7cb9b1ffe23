"""Pictures of what a benchmark measured: small SVGs that read on light and dark pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10

from markupsafe import Markup

from pipeline.outputs.report.markup import el

WIDTH, GAP = 640, 12
NAMES, VALUES = 150, 90  # room for what stands left and right of bars
AXIS, INNER = 54, 130  # room for a curve's numbers; its height
MANY = 10  # points of a curve from which only the first and the last are marked
STYLE = Markup("""
text { font: 13px system-ui, sans-serif; fill: #444 } .title { font-weight: 600 } .axis { fill: #777 }
.grid { stroke: #999; stroke-width: 0.5 } .bar { fill: #999 } .ours { fill: #1b6ca8 }
.line { fill: none; stroke: #1b6ca8; stroke-width: 2 } .dot { fill: #1b6ca8 }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .axis { fill: #aaa } .ours, .dot { fill: #5aa9e6 } .line { stroke: #5aa9e6 }
}
""")


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
class Panel:
    """Curves over one axis: name -> (x, y), by x. across: what x is. Both axes start at 0."""

    title: str
    across: str
    curves: Mapping[str, Sequence[tuple[float, float]]]


def panels(contents: Sequence[Panel], *, said: str) -> str:
    """Panels one below the other."""
    parts, top = [], 0
    for panel in contents:
        points = [point for curve in panel.curves.values() for point in curve]
        right, high = max(x for x, _ in points), _round_up(max(y for _, y in points))
        base, end = top + 32 + INNER, WIDTH - NAMES
        parts.append(_text(panel.title, 0, top + 18, class_="title"))
        for share in (0, 0.5, 1):
            level = base - INNER * share
            parts.append(el("line", x1=AXIS, x2=end, y1=level, y2=level, class_="grid"))
            parts.append(_text(f"{high * share:g}", AXIS - 8, level + 4, text_anchor="end", class_="axis"))
        marks: dict[str, float] = {}
        for name, curve in panel.curves.items():
            placed = [(AXIS + (end - AXIS) * x / right, base - INNER * y / high) for x, y in curve]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
            parts.append(el("polyline", points=path, class_="line"))
            parts.append(_text(name, placed[-1][0] + 8, placed[-1][1] + 4))
            few = len(curve) < MANY
            if few:
                parts += [el("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=3, class_="dot") for x, y in placed]
            for at in range(len(curve)) if few else (0, -1):
                marks[f"{curve[at][0]:g}"] = placed[at][0]
        parts += [_text(mark, x, base + 18, text_anchor="middle", class_="axis") for mark, x in marks.items()]
        parts.append(_text(panel.across, (AXIS + end) / 2, base + 34, text_anchor="middle", class_="axis"))
        top = base + 34 + GAP
    return _picture(top, said, parts)


def _picture(height: int, said: str, parts: Sequence[Markup]) -> str:
    box = {"viewBox": f"0 0 {WIDTH} {height}", "xmlns": "http://www.w3.org/2000/svg"}
    return el("svg", el("title", said), el("style", STYLE), Markup("\n").join(parts), role="img", **box) + "\n"


def _text(content: str, x: float, y: float, **attributes: object) -> Markup:
    return el("text", content, x=f"{x:.1f}", y=f"{y:.1f}", **attributes)


def _round_up(value: float) -> float:
    """1, 2, 4, 6, 8 or 10 times a power of ten, not below the value."""
    magnitude = 10.0 ** floor(log10(value))
    return next(factor * magnitude for factor in (1, 2, 4, 6, 8, 10) if factor * magnitude >= value)
