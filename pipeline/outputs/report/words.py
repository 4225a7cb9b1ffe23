"""Words: values as people read them, in plain text. Where a blank must not break, it is \\u00a0."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

PROBLEMS = {
    "field_count": "Too few or too many fields",
    "field_rejoined": "Re-joined from too many fields",
    "record_unreadable": "Can't be read",
    "score_above_maximum": "Score above the maximum",
    "max_score_not_positive": "Maximum score is not above 0",
}


def words(code: str) -> str:
    """student_id_invalid -> Student id invalid; dob -> Date of birth; _record -> Whole row."""
    said = re.sub("^dob(?=_|$)", "date_of_birth", code) if code != "_record" else "whole_row"
    return said.replace("_", " ").strip().capitalize()


def problem(code: str) -> str:
    """A reason or flag in words."""
    return PROBLEMS.get(code, words(code))


def number(value: Any, digits: int = 0) -> str:
    return f"{value:,.{digits}f}"


def several(count: int, what: str) -> str:
    return f"{number(count)} {what}{'' if count == 1 else 's'}"


def percent(share: Any, digits: int = 1) -> str:
    """0.8625 -> 86.3 %."""
    return f"{_rounded(Decimal(str(share)) * 100, digits)}\u00a0%"


def under(value: Any, limit: int, digits: int = 1) -> str:
    """A percentage below a limit, which it must not read as: 39.996 under 40 -> 39.9 %."""
    return f"{min(_rounded(Decimal(str(value)), digits), limit - Decimal(1).scaleb(-digits))}\u00a0%"


def points(value: Any) -> str:
    """86.25 (percent) -> 86.3 %."""
    return f"{_rounded(Decimal(str(value)), 1)}\u00a0%"


def _rounded(value: Decimal, digits: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-digits), rounding="ROUND_HALF_UP")


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts CLASS-9A before CLASS-10A."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


@dataclass(frozen=True)
class Column:
    """A column of a table. style: the class of its cells; label: its name in a cell of its own, on a phone."""

    title: str
    names_row: bool
    style: str | None

    @property
    def label(self) -> str | None:
        return self.title.rstrip("\u00a0+=") if self.style else None


def column(title: str) -> Column:
    """`*Name` names the row, `#Name` holds numbers, `%Name` a bar."""
    spaced = re.sub(r"(?<=\d) ?%", "\u00a0%", re.sub(r" (?=[+=]$)", "\u00a0", title))
    return Column(spaced.lstrip("*#%"), title.startswith("*"), {"#": "n", "%": "share"}.get(title[0]))
