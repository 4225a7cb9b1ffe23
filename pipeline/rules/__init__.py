"""Row-level rules: one text in, a typed value or the code of what is wrong with it out.

A rule is a small function of one text; its docstring is its example. `RULES` names them; each concern has its module:
ids, text, numbers, dates, places, codes. `frame.clean` applies them to a whole table: it looks at one row at a time,
never at another one, so a table cleaned whole, row by row or in any chunks gives the same values and types.

All of it is pure: no Luigi, no database, no configuration, no clock; everything a rule may know besides the text is in
`Context`.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.datasets.declaration import Column
from pipeline.rules import codes, dates, ids, numbers, places, text
from pipeline.rules.context import Cell, Context
from pipeline.rules.letters import BLANKS, normalized

FREE_TEXT = frozenset({"text", "name"})  # where a NULL word is a word: the surname Null
NULL_WORDS = frozenset({"", "null", "none", "nan", "n/a", "na", "-"})
HARD_RULES = frozenset({"student_id", "key"})  # their codes reject the row, as those of a required column do
# Characters between the outer blanks of a cell; a longer one meets no pattern, no normalisation and no look-up, which
# could take time by the square of its length. `text`, `name` and `aliases` are free text and read in linear time.
LONGEST = {
    **dict.fromkeys(("student_id", "key", "code", "email", "city", "state"), 1_000),
    **dict.fromkeys(("number", "percent", "points"), 999),
    **dict.fromkeys(("phone", "date", "timestamp", "gender", "boolean", "class_id", "grade", "attendance"), 200),
}
Rule = Callable[[str, Column, Context], Cell]
RULES: dict[str, Rule] = {
    "student_id": ids.student_id,
    "key": ids.key,
    "name": text.name,
    "email": text.email,
    "phone": text.phone,
    "date": dates.date,
    "timestamp": dates.timestamp,
    "gender": codes.gender,
    "city": places.city,
    "state": places.state,
    "number": numbers.number,
    "percent": numbers.percent,
    "boolean": codes.boolean,
    "code": codes.code,
    "text": text.text,
    "aliases": text.aliases,
    "class_id": ids.class_id,
    "grade": codes.grade,
    "attendance": codes.attendance,
    "points": numbers.points,
}
# rule -> the texts (RE2, whole text) for which a cast is enough: they are their own clean value, or (timestamps) a
# cast knows the instant they name. None: there are none.
CANONICAL: dict[str, Callable[[Column, Context], str | None]] = {
    "student_id": lambda column, context: "[A-Z]{1,50}[0-9]{3,50}",
    "key": lambda column, context: ids.CANONICAL_KEYS.get(column.case),
    "name": lambda column, context: "[A-Z][a-z]+(?: [A-Z][a-z]+)*",
    "email": lambda column, context: text.CANONICAL_EMAIL,
    "phone": lambda column, context: rf"\+{context.phone_country_code}-[0-9]{{{context.phone_digits}}}",
    "date": lambda column, context: dates.CANONICAL_DAY,
    "timestamp": lambda column, context: f"{dates.CANONICAL_DAY}[T ]{dates.CANONICAL_TIME}{dates.CANONICAL_ZONE}",
    "number": lambda column, context: rf"[0-9]{{1,{14 - column.scale}}}" + numbers.canonical_fraction(column.scale),
    "percent": lambda column, context: r"(?:100(?:\.0{1,2})?|[0-9]{1,2}(?:\.[0-9]{1,2})?)",
    "text": lambda column, context: "(?s:[!-~]|[!-~].*[!-~])",
    "class_id": lambda column, context: "CLASS-[A-BD-Z0-9][A-Z0-9]{0,5}",
    "points": lambda column, context: rf"[0-9]{{1,{14 - column.scale}}}" + numbers.canonical_fraction(column.scale),
}


def apply_rule(raw: str | None, column: Column, context: Context) -> Cell:
    """A raw text through its rule: what a blank or a NULL word means comes first."""
    known = stripped(raw, column.rule)
    if known is None:
        return _blank(column, context)
    if len(known) > LONGEST.get(column.rule, len(known)):
        return _too_long(known, column)
    return RULES[column.rule](known, column, context)


def stripped(raw: str | None, rule: str) -> str | None:
    """The text without outer blanks, NFKC but in free text or when it is too long; None when it says nothing: ' n/a '
    -> None."""
    trimmed = "" if raw is None else raw.strip(BLANKS)
    if rule in FREE_TEXT or len(trimmed) > LONGEST.get(rule, len(trimmed)):
        return trimmed or None
    trimmed = trimmed if trimmed.isascii() else normalized("NFKC", trimmed).strip(BLANKS)
    return None if trimmed.lower() in NULL_WORDS else trimmed


def says_something(texts: pa.Array, rule: str) -> pa.Array:
    """Which texts are neither NULL nor blank nor a word for nothing."""
    saying = [text for text in texts.unique().to_pylist() if stripped(text, rule) is not None]
    return pc.is_in(texts, pa.array(saying, pa.string()))


def _blank(column: Column, context: Context) -> Cell:
    """The cell of a text that says nothing."""
    if is_hard(column):
        return Cell(None, f"{column.flag_prefix}_missing")
    if column.rule == "number" and column.blank_value is not None:
        return Cell(RULES[column.rule](column.blank_value, column, context).value, column.missing)
    said = {"name": (None,) * 3, "aliases": "{}", "code": column.default, "gender": "Other"}
    return Cell(said.get(column.rule), column.missing)


def _too_long(text: str, column: Column) -> Cell:
    """What the rule says of a text that it cannot make anything of, without reading it."""
    if column.rule in ("city", "state"):
        return Cell(text, f"{column.flag_prefix}_unmatched")
    if column.rule == "attendance":
        return Cell(None, f"{column.flag_prefix}_unknown")
    if column.rule == "gender":
        return Cell("Other")
    return Cell(column.default if column.rule == "code" else None, f"{column.flag_prefix}_invalid")


def is_hard(column: Column) -> bool:
    """Whether what is wrong with the column rejects the row."""
    return column.required or column.rule in HARD_RULES
