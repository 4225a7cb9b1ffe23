"""Numbers: amounts, percentages, points. All arithmetic is decimal."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from decimal import Context as Precision
from functools import cache

from pipeline.datasets.declaration import Column
from pipeline.rules.context import Cell, Context, invalid

_MINUS = "\u2212"  # what a word processor makes of -
_SIGNS = r"₹|\$|€|£|Rs\.?|INR"
_CURRENCY_BEFORE = re.compile(rf"([+-]?)\s*+(?:{_SIGNS})\s*+", re.I)
_CURRENCY_BEHIND = re.compile(rf"(?:{_SIGNS}|/-)\Z", re.I)
_DECIMAL = re.compile(
    r"[+-]?(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,2}(?:,[0-9]{2})*,[0-9]{3})(?:\.[0-9]+)?|[+-]?\.[0-9]+"
)


def number(text: str, column: Column, context: Context) -> Cell:
    """'₹50,000' -> 50000.00, -5 -> 5.00 flagged negative, 1.005 -> 1.01; 1e400, NaN, 0x10, 1_000 -> NULL, flagged."""
    value = _decimal(_without_currency(text.replace(_MINUS, "-")))
    if value is None:
        return invalid(column)
    rounded = _rounded(value.copy_abs(), column.scale)
    if rounded >= (Decimal(10) ** (14 - column.scale) if column.scale else 2**63):
        return invalid(column)
    code = f"{column.flag_prefix}_negative" if value < 0 else ""
    return Cell(rounded if column.scale else int(rounded), code)


def percent(text: str, column: Column, context: Context) -> Cell:
    """85.5 and 85.5% -> 85.50; 150 -> 100.00 and -15 -> 0.00, flagged capped; NaN, inf -> NULL, flagged invalid."""
    value = _decimal(text.replace(_MINUS, "-").removesuffix("%").rstrip()) if "," not in text else None
    if value is None:
        return invalid(column)
    kept = min(max(value, Decimal(0)), Decimal(100))
    return Cell(_rounded(kept, 2), "" if kept == value else f"{column.flag_prefix}_capped")


def points(text: str, column: Column, context: Context) -> Cell:
    """17.5 -> 17.50, '1,250' -> 1250.00; below 0: negative; NaN, 1e400, twenty: invalid; nothing is made of either."""
    value = _decimal(text.replace(_MINUS, "-"))
    if value is None or _rounded(value.copy_abs(), column.scale) >= Decimal(10) ** (14 - column.scale):
        return invalid(column)
    return Cell(_rounded(value, column.scale)) if value >= 0 else Cell(None, f"{column.flag_prefix}_negative")


def _decimal(text: str) -> Decimal | None:
    """A plain decimal: digits, perhaps grouped by thousands or the Indian way (1,50,000), a sign, a point."""
    return Decimal(text.replace(",", "")) if _DECIMAL.fullmatch(text) else None


def _without_currency(text: str) -> str:
    """-₹ 50 -> -50, 50 Rs. and 50/- -> 50."""
    if found := _CURRENCY_BEFORE.match(text):
        text = found[1] + text[found.end() :]
    found = _CURRENCY_BEHIND.search(text)
    return text[: found.start()].rstrip() if found else text


def _rounded(value: Decimal, scale: int) -> Decimal:
    """Half away from zero, exactly: 1.005 -> 1.01."""
    exact = _precision(len(value.as_tuple().digits) + abs(value.adjusted()) + scale + 2)
    return value.quantize(Decimal(1).scaleb(-scale), context=exact)


@cache  # texts are no longer than LONGEST, nor are the numbers of digits many
def _precision(digits: int) -> Precision:
    return Precision(prec=digits, rounding=ROUND_HALF_UP)


def canonical_fraction(scale: int) -> str:
    return rf"(?:\.[0-9]{{1,{scale}}})?" if scale else ""
