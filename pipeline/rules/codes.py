"""Codes: words of a small vocabulary, and grades."""

from __future__ import annotations

import re

from pipeline.datasets.declaration import Column
from pipeline.rules.context import Cell, Context, invalid
from pipeline.rules.letters import LONGEST_CODE, cased, folded_word, squeezed, vocabulary, whole_number

_GRADE = re.compile(r"(?:(?:grade|class)[\s_.-]*)?0*([1-9][0-9]{0,2})(?:st|nd|rd|th)?", re.I | re.A)


def gender(text: str, column: Column, context: Context) -> Cell:
    """m, MALE -> Male; f, Female -> Female; anything else, blank too -> Other."""
    return Cell({"m": "Male", "male": "Male", "f": "Female", "female": "Female"}.get(text.lower(), "Other"))


def boolean(text: str, column: Column, context: Context) -> Cell:
    """TRUE, yes, y, t, 1 -> true; False, no, n, f, 0 -> false; else NULL, flagged."""
    word = text.lower()
    if word in {"true", "yes", "y", "t", "1"}:
        return Cell(True)
    return Cell(False) if word in {"false", "no", "n", "f", "0"} else invalid(column)


def code(text: str, column: Column, context: Context) -> Cell:
    """prog001 -> PROG001 (case upper); paid -> COMPLETED, in-progress -> In Progress (words); unknown word: flagged."""
    text = cased(squeezed(text), column.case)
    if len(text) > LONGEST_CODE:
        return Cell(column.default, f"{column.flag_prefix}_invalid")
    known = vocabulary(column.words)
    if not known or folded_word(text) in known:
        return Cell(known.get(folded_word(text), text))
    return Cell(text if column.default is None else column.default, f"{column.flag_prefix}_unknown")


def grade(text: str, column: Column, context: Context) -> Cell:
    """10, 'Grade 10', grade-10, 10th, 10.0 -> 10; 0, -3, 5.5 -> NULL, flagged."""
    found = _GRADE.fullmatch(whole_number(text))
    return Cell(int(found[1])) if found else invalid(column)


def attendance(text: str, column: Column, context: Context) -> Cell:
    """present, P -> PRESENT; late -> LATE; what the configuration does not accept is unknown."""
    status = vocabulary(column.words).get(folded_word(text))
    return Cell(status) if status in context.attendance_status else Cell(None, f"{column.flag_prefix}_unknown")
