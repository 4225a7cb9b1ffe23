"""Texts about persons and in their own words: names, e-mail addresses, phone numbers, free text."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pipeline.datasets.declaration import Column
from pipeline.rules.context import Cell, Context, invalid
from pipeline.rules.letters import BLANKS, lower_case, normalized, squeezed, title_case

_EMAIL = re.compile(
    r'[^\s@"(),:;<>\[\]\\.]+(?:\.[^\s@"(),:;<>\[\]\\.]+)*'
    r"@(?:[^\W_](?:[\w-]*[^\W_])?\.)+(?:[^\W\d_]{2,}|xn--[a-z0-9-]*[a-z0-9])"
)
_SCIENTIFIC = re.compile(r"\d[eE][+-]?\d")  # 9.87654E+09: a spreadsheet has lost the digits
CANONICAL_EMAIL = r"[a-z0-9_+-]{1,40}(?:\.[a-z0-9_+-]{1,20}){0,4}@(?:[a-z0-9]{1,20}\.){1,3}[a-z]{2,9}"


def name(text: str, column: Column, context: Context) -> Cell:
    """'  bob  O'BRIEN 2 ' -> (Bob O'Brien, Bob, O'Brien); McDonald stays."""
    full = title_case(normalized("NFC", squeezed(re.sub(r"\d", "", text))))
    first, _, last = full.partition(" ")
    return Cell((full or None, first or None, last or None))


def email(text: str, column: Column, context: Context) -> Cell:
    """Jane@Example.ORG -> jane@example.org; jane@example (no dotted domain) -> NULL, flagged."""
    text = lower_case(text)
    ok = len(text) <= 254 and text.isprintable() and _EMAIL.fullmatch(text)
    return Cell(text) if ok else invalid(column)


def phone(text: str, column: Column, context: Context) -> Cell:
    """'98765 43210' and +91-9876543210 -> +91-9876543210; any other number of digits -> NULL, flagged."""
    digits = re.sub(r"\D", "", text)
    digits = digits if digits.isascii() else "".join(str(int(digit)) for digit in digits)
    code, length = context.phone_country_code, context.phone_digits
    if len(digits) == len(code) + length and digits.startswith(code):
        digits = digits[len(code) :]
    if len(digits) != length or _SCIENTIFIC.search(text):
        return invalid(column)
    return Cell(f"+{code}-{digits}")


def text(text: str, column: Column, context: Context) -> Cell:
    """'  Great course ' -> 'Great course'; inner blanks and the word Null stay."""
    return Cell(text)


def aliases(text: str, column: Column, context: Context) -> Cell:
    """'New Delhi, delhi,,delhi' -> {"New Delhi",delhi}."""
    words = (part.strip(BLANKS) for part in text.split(","))
    return Cell(array_literal(dict.fromkeys(word for word in words if word)))


def array_literal(words: Iterable[str]) -> str:
    """A PostgreSQL text[] literal: {"New Delhi",Bombay}."""
    return "{" + ",".join(map(_literal_item, words)) + "}"


def _literal_item(word: str) -> str:
    if re.fullmatch("[A-Za-z0-9_]+", word) and word.upper() != "NULL":
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
