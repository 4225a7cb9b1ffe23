"""What a sentence by a model must be before anybody reads it: plain text, short, and without a number that is not ours.

A model may word what the rules found; it may not add to it. Every number in its text, in digits or in words, has to be
one of the numbers it was given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from agents.protocol import Unusable

Number = Decimal | int | float

NUMBER = re.compile(r"(?<![\w.,])[-−]?(?:\d{1,3}(?:,\d{2,3})+|\d+)(?:\.\d+)?(?![\w]|[.,]\d)")
_DIGIT = re.compile(r"\d")
_DATE = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)")
_MARKUP = re.compile(r"[<>`|\[\]{}#*]|https?:|www\.|_{2,}|&\w+;", re.IGNORECASE)
# "one" is mostly no number ("the one that"), "a couple" never exact.
_IN_WORDS = {
    word: value
    for value, word in enumerate(
        """
        two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
        nineteen twenty
        """.split(),  # noqa: SIM905 (a list of twenty quoted words says no more)
        2,
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_UNCOUNTED = re.compile(
    r"\b(?:hundreds?|thousands?|lakhs?|crores?|millions?|dozens?|half|twice|thrice)\b", re.IGNORECASE
)


def exact(value: Number) -> Decimal:
    """The value as it is written: 38.1 is 38.1, not what a float makes of it."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


def numbers_in(text: str) -> list[Decimal]:
    """Every number in digits or words, dates left out: '3 of twenty, 1,250.50' -> 3, 20, 1250.50."""
    text = _DATE.sub(" ", text)
    digits = [Decimal(found[0].replace(",", "").replace("−", "-")) for found in NUMBER.finditer(text)]
    return digits + [Decimal(_IN_WORDS[word]) for word in re.findall(r"[a-z]+", text.lower()) if word in _IN_WORDS]


def checked(text: Any, longest: int, allowed: Iterable[Number], dates: Iterable[str] = ()) -> str:
    """The text, blanks squeezed. Raises Unusable: text_missing, text_too_long, markup, number_not_in_facts."""
    if not isinstance(text, str) or not text.strip():
        raise Unusable("text_missing")
    plain = " ".join(text.split())
    if len(plain) > longest:
        raise Unusable("text_too_long")
    if _MARKUP.search(plain) or not plain.isprintable():
        raise Unusable("markup")
    if not _is_covered(plain, allowed, set(dates)):
        raise Unusable("number_not_in_facts")
    return plain


def _is_covered(text: str, allowed: Iterable[Number], dates: set[str]) -> bool:
    if _UNCOUNTED.search(text) or not set(_DATE.findall(text)) <= dates:
        return False
    rest = NUMBER.sub(" ", _DATE.sub(" ", text))
    if _DIGIT.search(rest):  # a digit that is no number of its own: Q3, 2nd, 1.2.3
        return False
    try:
        known = {abs(exact(value)) for value in allowed}
    except InvalidOperation:
        return False
    return all(abs(number) in known for number in numbers_in(text))
