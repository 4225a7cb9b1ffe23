"""Ids: of students and classes, and keys of any record."""

from __future__ import annotations

import re
import unicodedata

from pipeline.datasets.declaration import Column
from pipeline.rules.context import Cell, Context, invalid
from pipeline.rules.letters import LONGEST_CODE, cased, squeezed, whole_number

_CLASS = re.compile(
    "(?:CLASS(?!CLASS$)(?=.)|(?=[0-9]|[IVX]+[A-H]?$))([A-Z0-9]{1,6})"
)  # CLASS-BLUE, 10A, XII-B; not "TBD"
CANONICAL_KEYS = {"": "[!-~]{0,99}[0-9]", "upper": "[!-`{-~]{0,99}[0-9]", "lower": r"[!-@\[-~]{0,99}[0-9]"}


def student_id(text: str, column: Column, context: Context) -> Cell:
    """stu-002 -> STU002, s-0871 -> S0871, 7 and 7.0 -> STU007; letters then digits, ASCII, or the row is rejected."""
    text = whole_number(text)
    if not text.isascii() and any(map(_is_foreign, text)):
        return invalid(column)
    if "." in text and re.fullmatch(r"[0-9]+\.[0-9]+", text):  # 7.5 is no id, and not student 75
        return invalid(column)
    parts = re.fullmatch("([A-Z]*)([0-9]+)", re.sub("[^A-Z0-9]", "", text.upper()))
    if not parts or len(parts[0]) > LONGEST_CODE:
        return invalid(column)
    return Cell((parts[1] or "STU") + parts[2].rjust(3, "0"))


def key(text: str, column: Column, context: Context) -> Cell:
    """' crs001 ' -> CRS001 (case upper); an id must be printable ASCII, a proper name printable; else rejected."""
    text = cased(text if column.ascii else squeezed(text), column.case)
    if not text.isprintable() or (column.ascii and not text.isascii()) or len(text) > LONGEST_CODE:
        return invalid(column)
    return Cell(text)


def class_id(text: str, column: Column, context: Context) -> Cell:
    """'class 10a', 10-A -> CLASS-10A; up to 6 letters and digits after the word, ASCII; else NULL, flagged."""
    found = _CLASS.fullmatch(re.sub(r"[\s_.-]+", "", whole_number(text).upper()))
    return Cell(f"CLASS-{found[1]}") if found and text.isascii() else invalid(column)


def _is_foreign(char: str) -> bool:
    """A letter, digit or accent that is not ASCII."""
    return not char.isascii() and (char.isalnum() or unicodedata.category(char)[0] == "M")
