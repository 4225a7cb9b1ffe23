"""Markup: HTML and words from values. What is not `Html` already is escaped, so no name can smuggle a tag in."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

# A control character is no text in HTML; names may hold joiners, which stay.
_CONTROLS = dict.fromkeys((*range(9), *range(11, 13), *range(14, 32), 127), "�")


class Html(str):
    """Text that is HTML."""

    __slots__ = ()


def escaped(content: object) -> Html:
    """'<b>' -> '&lt;b&gt;'; Html stays as it is; None is nothing."""
    if isinstance(content, Html):
        return content
    return Html("" if content is None else html.escape(str(content).translate(_CONTROLS)))


def join(contents: object, separator: str = "") -> Html:
    """The contents one after the other."""
    return Html(escaped(separator).join(map(escaped, contents)))  # type: ignore[call-overload]


def el(name: str, /, *contents: object, **attributes: object) -> Html:
    """An element: el("td", 5, class_="n") -> <td class="n">5</td>; an attribute that is None is left out."""
    named = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in ("meta", "link", "line", "rect", "circle", "path", "polyline"):
        return Html(f"<{name}{named}{'>' if name in ('meta', 'link') else '/>'}")
    return Html(f"<{name}{named}>{join(contents)}</{name}>")


# --- tables -----------------------------------------------------------------------------------------------------------


def table(
    name: str, columns: Sequence[str], rows: Iterable[Sequence[object]], foot: Sequence[object] | None = None
) -> Html:
    """A table in a box of its own; on a phone each row is stacked, its numbers named (hence the labels and roles).

    columns  `*Name` names the row, `#Name` holds numbers, `%Name` a bar
    """
    styles = [{"#": "n", "%": "share"}.get(column[0]) for column in columns]
    titles = [spaced(column.lstrip("*#%")) for column in columns]
    head = [
        el("th", title, scope="col", role="columnheader", class_=style)
        for title, style in zip(titles, styles, strict=True)
    ]

    def row(cells: Sequence[object]) -> Html:
        made = []
        for column, title, style, cell in zip(columns, titles, styles, cells, strict=True):
            if column.startswith("*"):
                made.append(el("th", cell, scope="row", role="rowheader"))
            else:
                label = title.rstrip("\u00a0+=") if style else None
                made.append(el("td", cell, role="cell", class_=style, data_label=label))
        return el("tr", *made, role="row")

    whole = el(
        "table",
        el("thead", el("tr", *head, role="row"), role="rowgroup"),
        el("tbody", join(map(row, rows), Html("\n")), role="rowgroup"),
        el("tfoot", row(foot), role="rowgroup") if foot else None,
        role="table",
        aria_label=name,
    )
    return el("div", whole, class_="scroll", tabindex=0, role="region", aria_label=name)


def named(name: object, under: str) -> Html:
    """What a row is about, and a smaller line below it."""
    return join([name, el("span", under, class_="under")])


def person(row: Mapping[str, Any]) -> Html:
    """A student: full_name, and student_id below it."""
    return named(el("bdi", row["full_name"]) if row["full_name"] else el("i", "name unknown"), row["student_id"])


def bar(said: str, width: Any) -> Html:
    """A number and a bar as wide as so many percent of its column."""
    return join([said, el("span", class_="bar", style=f"width:{float(width):.1f}%", aria_hidden="true")])


def count(value: int | None) -> Html:
    """A count; a nought steps back."""
    return el("span", "–" if value is None else number(value), class_=None if value else "zero")


def more(shown: int, total: int, where: str, what: str = "more") -> Html | None:
    """'and 12 more: output/marts/...', when rows were left out."""
    if total <= shown:
        return None
    return el("p", f"And {number(total - shown)} {what}: ", el("code", where))


# --- words and numbers ----------------------------------------------------------------------------------------------


def words(code: str) -> str:
    """student_id_invalid -> Student id invalid; dob -> Date of birth; _record -> Whole row."""
    said = re.sub("^dob(?=_|$)", "date_of_birth", code) if code != "_record" else "whole_row"
    return said.replace("_", " ").strip().capitalize()


def number(value: Any, digits: int = 0) -> str:
    return f"{value:,.{digits}f}"


def several(count: int, what: str) -> str:
    return f"{number(count)} {what}{'' if count == 1 else 's'}"


def percent(share: Any, digits: int = 1) -> str:
    """0.8625 -> 86.3 %, with a blank that does not break."""
    return f"{_rounded(Decimal(str(share)) * 100, digits)}\u00a0%"


def under(value: Any, limit: int, digits: int = 1) -> str:
    """A percentage below a limit, which it must not read as: 39.996 under 40 -> 39.9 %."""
    return f"{min(_rounded(Decimal(str(value)), digits), limit - Decimal(1).scaleb(-digits))}\u00a0%"


def points(value: Any) -> str:
    """86.25 (percent) -> 86.3 %."""
    return f"{_rounded(Decimal(str(value)), 1)}\u00a0%"


def _rounded(value: Decimal, digits: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-digits), rounding="ROUND_HALF_UP")


def spaced(text: str) -> str:
    """'under 75 %', 'Read =' with a blank that does not break."""
    return re.sub(r"(?<=\d) ?%", "\u00a0%", re.sub(r" (?=[+=]$)", "\u00a0", text))


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts CLASS-9A before CLASS-10A."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
