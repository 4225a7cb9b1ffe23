"""Drawing: boxes in columns, and the lines between them, as SVG.

A line that passes a column has a place of its own in it, so none runs below a label. The places are ordered for few
crossings (sweeps of barycentres, as Sugiyama does) and moved towards their neighbours. The same boxes give the same
bytes on every machine: text is sized by counting letters, no font is measured.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from xml.sax.saxutils import escape


@dataclass(frozen=True)
class Box:
    """A box of the picture, and of the lines that leave it. note: a second line of text; dashed: it has no lines."""

    name: str
    layer: str
    label: str
    colour: str
    note: str = ""
    dashed: bool = False


# --- where it goes --------------------------------------------------------------------------------------------------

LETTER, SMALL = 6.9, 5.2  # width of a letter of a label, of a note
HIGH, NOTED, LANE = 23.0, 36.0, 5.0  # heights: a box, a box with a note, the place of a passing line
LEAST_GAP, MOST_GAP, MARGIN, TOP = 34.0, 86.0, 8.0, 54.0

Place = tuple[int, str]  # column, and the box that is there or whose line passes
Segment = tuple[Place, Place]
Near = dict[Place, list[Place]]  # the places at the other ends of a place's lines, to one side


@dataclass
class Layout:
    """Places in columns from left to right, and the middle of each from the top.

    segments    lines from a place to one in the next column
    loops       lines between boxes of one column
    """

    boxes: dict[Place, Box]
    columns: list[list[Place]]
    segments: list[Segment]
    loops: list[Segment]
    middle: dict[Place, float]

    def height(self, place: Place) -> float:
        box = self.boxes.get(place)
        return LANE if box is None else NOTED if box.note else HIGH

    def width(self, column: int) -> float:
        inside = [box for place, box in self.boxes.items() if place[0] == column]
        return max(max(len(box.label) * LETTER, len(box.note) * SMALL) for box in inside) + 18

    def left(self, column: int) -> float:
        return MARGIN + sum(self.width(before) + self.gap(before) for before in range(column))

    def gap(self, column: int) -> float:
        """The room on the right of a column: more of it for many lines."""
        lines = sum(start[0] == column for start, _ in self.segments)
        return min(LEAST_GAP + lines, MOST_GAP)

    def apart(self, above: Place, below: Place) -> float:
        """How far apart the middles of two neighbours must be."""
        gap = 9.0 if above in self.boxes and below in self.boxes else 5.0
        return (self.height(above) + self.height(below)) / 2 + gap


def lay_out(boxes: Sequence[Box], edges: Iterable[tuple[str, str]], layers: Sequence[str]) -> Layout:
    """Find a place for every box in the column of its layer, and a way for every line from name to name."""
    place_of = {box.name: (layers.index(box.layer), box.name) for box in boxes}
    columns: list[list[Place]] = [[] for _ in layers]
    for box in boxes:
        columns[place_of[box.name][0]].append(place_of[box.name])
    segments: dict[Segment, None] = {}
    loops: list[Segment] = []
    for source, target in edges:
        (start, _), (end, _) = place_of[source], place_of[target]
        if start == end:
            loops.append((place_of[source], place_of[target]))
            continue
        lanes = [(column, source) for column in range(start + 1, end)]
        for lane in lanes:  # one lane per column for all the lines from a box
            if lane not in columns[lane[0]]:
                columns[lane[0]].append(lane)
        segments |= dict.fromkeys(pairwise([place_of[source], *lanes, place_of[target]]))
    layout = Layout({place_of[box.name]: box for box in boxes}, columns, list(segments), loops, {})
    _order(layout)
    _settle(layout)
    return layout


def _neighbours(layout: Layout) -> tuple[Near, Near]:
    before, after = defaultdict(list), defaultdict(list)
    for left, right in layout.segments:
        before[right].append(left)
        after[left].append(right)
    return before, after


def _order(layout: Layout) -> None:
    """Order the columns for few crossings: sweeps of barycentres, then exchanges of neighbours while they help."""
    before, after = _neighbours(layout)
    best, fewest = [list(column) for column in layout.columns], _crossings(layout, before)
    for sweep in range(24):
        near = after if sweep % 2 else before
        for column in reversed(layout.columns) if sweep % 2 else layout.columns:
            column.sort(key=_barycentre(near, _ranks(layout)))
        if (crossings := _crossings(layout, before)) < fewest:
            best, fewest = [list(column) for column in layout.columns], crossings
    layout.columns[:] = best
    while sum(_exchange(column, (before, after), _ranks(layout)) for column in layout.columns):
        pass
    for column in layout.columns:
        _put_strays(layout, column)


def _ranks(layout: Layout) -> dict[Place, int]:
    return {place: rank for column in layout.columns for rank, place in enumerate(column)}


def _barycentre(near: Near, rank: dict[Place, int]) -> Callable[[Place], float]:
    return lambda place: sum(rank[other] for other in near[place]) / len(near[place]) if near[place] else rank[place]


def _crossed(upper: Place, lower: Place, near: Near, rank: dict[Place, int]) -> int:
    """How many of their lines to one side cross."""
    return sum(rank[one] > rank[other] for one in near[upper] for other in near[lower])


def _crossings(layout: Layout, before: Near) -> int:
    rank = _ranks(layout)
    return sum(_crossed(*pair, before, rank) for column in layout.columns for pair in combinations(column, 2))


def _exchange(column: list[Place], sides: tuple[Near, Near], rank: dict[Place, int]) -> bool:
    """Exchange neighbours whose lines then cross less; whether any did."""
    helped = False
    for above in range(len(column) - 1):
        upper, lower = column[above : above + 2]
        now = sum(_crossed(upper, lower, near, rank) for near in sides)
        if sum(_crossed(lower, upper, near, rank) for near in sides) < now:
            column[above : above + 2] = [lower, upper]
            helped = True
    return helped


def _put_strays(layout: Layout, column: list[Place]) -> None:
    """A box without a line to another column stands beside the box it loops to, else below; a dashed one below all."""
    tied = {place for segment in layout.segments for place in segment}
    beside = {end: start for start, end in layout.loops if end not in tied}
    strays = [place for place in column if place not in tied]
    column[:] = [place for place in column if place in tied]
    for place in sorted(strays, key=lambda place: (layout.boxes[place].dashed, place not in beside)):
        column.insert(column.index(beside[place]) + 1 if beside.get(place) in column else len(column), place)


def _settle(layout: Layout) -> None:
    """Move every place as near to the middle of its neighbours as those above and below it allow."""
    near = defaultdict(list)
    for one, other in (*layout.segments, *layout.loops):
        near[one].append(other)
        near[other].append(one)
    for column in layout.columns:
        layout.middle |= _spread(layout, column, dict.fromkeys(column, 0.0))
    for sweep in range(40):
        for column in reversed(layout.columns) if sweep % 2 else layout.columns:
            centre = sum(layout.middle.values()) / len(layout.middle)
            wanted = {place: [*(layout.middle[other] for other in near[place]), centre] for place in column}
            layout.middle |= _spread(layout, column, {place: sum(ys) / len(ys) for place, ys in wanted.items()})
    top = min(layout.middle[place] - layout.height(place) / 2 for place in layout.middle) - TOP
    layout.middle = {place: round(middle - top, 1) for place, middle in layout.middle.items()}


def _spread(layout: Layout, column: Sequence[Place], wanted: dict[Place, float]) -> dict[Place, float]:
    """The middles nearest to the wanted ones (least squares) that keep the order and the distances of a column."""
    offsets = [0.0]
    for above, below in pairwise(column):
        offsets.append(offsets[-1] + layout.apart(above, below))
    runs: list[list[float]] = []  # [sum of wishes, number of places] of neighbours that touch
    for place, offset in zip(column, offsets, strict=False):
        runs.append([wanted[place] - offset, 1.0])
        while len(runs) > 1 and runs[-2][0] / runs[-2][1] >= runs[-1][0] / runs[-1][1]:
            total, places = runs.pop()
            runs[-1] = [runs[-1][0] + total, runs[-1][1] + places]
    starts = [total / places for total, places in runs for _ in range(int(places))]
    return {place: start + offset for place, start, offset in zip(column, starts, offsets, strict=False)}


# --- how it looks ---------------------------------------------------------------------------------------------------

STYLE = """
text { font: 11.5px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328 }
.layer { font: 600 14px system-ui, "Segoe UI", "DejaVu Sans", sans-serif }
.note { font: 10px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #59636e }
path { fill: none; stroke-width: 1.3 }
path:hover { stroke-width: 3 }
rect { fill: #fff; stroke: #d1d9e0 }
.bar, .page { stroke: none }
.dashed { stroke-dasharray: 3 2 }
"""


def draw(layout: Layout, title: str, headings: Mapping[str, str], caption: str) -> str:
    """The SVG. headings: what stands above each column, and below that in small letters."""
    width = layout.left(len(layout.columns)) - layout.gap(len(layout.columns) - 1) + MARGIN
    height = max(layout.middle[place] + layout.height(place) / 2 for place in layout.middle) + 30
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{width:.0f}" height="{height:.0f}" class="page"/>',
        *(_heading(layout.left(column), *words) for column, words in enumerate(headings.items())),
        *_paths(layout),
        *(_box(layout, place) for column in layout.columns for place in column if place in layout.boxes),
        f'<text class="note" x="{MARGIN}" y="{height - 8:.1f}">{escape(caption)}</text>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _heading(x: float, words: str, below: str) -> str:
    return (
        f'<text class="layer" x="{x:.1f}" y="22">{escape(words)}</text>'
        f'<text class="note" x="{x:.1f}" y="37">{escape(below)}</text>'
    )


def _paths(layout: Layout) -> list[str]:
    """One path per box: all lines that leave it."""
    curves: dict[str, list[str]] = {}
    ports = _ports(layout)
    for start, end in layout.segments:
        x1, x2 = layout.left(start[0]) + layout.width(start[0]), layout.left(end[0])
        y1, y2, bend = layout.middle[start], ports[start, end], (x2 - x1) / 2
        pieces = curves.setdefault(start[1], [])
        if start not in layout.boxes:  # a line that passes this column
            pieces.append(f"M{layout.left(start[0]):.1f} {y1:.1f}H{x1:.1f}")
        pieces.append(f"M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}")
    for start, end in layout.loops:
        x = layout.left(start[0]) + layout.width(start[0])
        out = 9 + 4 * _lanes(layout, start[0]).index(start)
        curves.setdefault(start[1], []).append(_loop(x, x + out, layout.middle[start], layout.middle[end]))
    colour = {box.name: box.colour for box in layout.boxes.values()}
    return [f'<path stroke="{colour[name]}" d="{"".join(dict.fromkeys(d))}"/>' for name, d in curves.items()]


def _ports(layout: Layout) -> dict[Segment, float]:
    """Where each line ends: those of a box one below the other, in the order they come from."""
    coming: dict[Place, list[Segment]] = defaultdict(list)
    for segment in layout.segments:
        coming[segment[1]].append(segment)
    ports: dict[Segment, float] = {}
    for place, segments in coming.items():
        room = layout.height(place) - 8 if place in layout.boxes else 0
        step = min(3.0, room / (len(segments) - 1)) if len(segments) > 1 else 0
        segments.sort(key=lambda segment: layout.middle[segment[0]])
        first = layout.middle[place] - step * (len(segments) - 1) / 2
        ports |= {segment: first + step * rank for rank, segment in enumerate(segments)}
    return ports


def _lanes(layout: Layout, column: int) -> list[Place]:
    """The boxes of a column that loops leave, the one that reaches farthest last: its lane is the outermost."""
    reach: dict[Place, float] = {}
    for start, end in layout.loops:
        if start[0] == column:
            reach[start] = max(reach.get(start, 0), abs(layout.middle[start] - layout.middle[end]))
    return sorted(reach, key=lambda place: (reach[place], place))


def _loop(x: float, out: float, y1: float, y2: float) -> str:
    """From the right edge of a box out, along the column, and back to another box, with an arrow's head."""
    turn = 4 if y2 > y1 else -4
    return (
        f"M{x:.1f} {y1:.1f}H{out - 4:.1f}Q{out:.1f} {y1:.1f} {out:.1f} {y1 + turn:.1f}V{y2 - turn:.1f}"
        f"Q{out:.1f} {y2:.1f} {out - 4:.1f} {y2:.1f}H{x + 1:.1f}"
        f"M{x + 5:.1f} {y2 - 3:.1f}L{x + 1:.1f} {y2:.1f}L{x + 5:.1f} {y2 + 3:.1f}"
    )


def _box(layout: Layout, place: Place) -> str:
    box, high, wide = layout.boxes[place], layout.height(place), layout.width(place[0])
    x, y = layout.left(place[0]), layout.middle[place] - high / 2
    frame = f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.0f}" rx="3"'
    bar = f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="4" height="{high:.0f}" style="fill:{box.colour}"/>'
    label = f'<text x="{x + 11:.1f}" y="{y + 15.5:.1f}">{escape(box.label)}</text>'
    note = f'<text class="note" x="{x + 11:.1f}" y="{y + 29:.1f}">{escape(box.note)}</text>' if box.note else ""
    return f'{frame} class="dashed"/>{label}{note}' if box.dashed else f"{frame}/>{bar}{label}{note}"
