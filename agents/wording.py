"""What a sentence by a model must be before anybody reads it: plain text, short, and without a thing that is not ours.

A model may word what the rules found; it may not add to it. Every number in its text, in digits or in words, has to be
one of the numbers it was given. It sends nobody anywhere (no postal, e-mail or web address, no domain, no phone
number), accuses nobody, and says nothing of anybody's health, safety or faith: of that it was told nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from agents.protocol import Unusable
from agents.sensitive import ACCUSING, PRIVATE, topics

Number = Decimal | int | float

NUMBER = re.compile(r"(?<![\w.,])[-−]?(?:\d{1,3}(?:,\d{2,3})+|\d+)(?:\.\d+)?(?![\w]|[.,]\d)")
_DIGIT = re.compile(r"\d")
_DATE = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)")
_OTHER_DATE = re.compile(r"(?<!\d)\d{1,2}/\d{1,2}/\d{4}(?!\d)")  # an example in our own advice
_MARKUP = re.compile(r"[<>`|\[\]{}#*]|https?:|www\.|_{2,}|&\w+;", re.IGNORECASE)
_FILES = "csv|xlsx|xls|json|jsonl|gz|txt|md|html|pdf"  # what stands behind the dot of a file, not of a domain
_TOP = "com|org|net|edu|gov|info|biz|io|xyz|app|dev|online|site|shop|club|top|live|link|click|tk|ru|cn"
_ADDRESS = re.compile(
    rf"""
    @ | (?i:\(at\) | :// | \b(?:mailto|tel|hxxps?|ftp)\b)
    # evil.example; not `end.Next sentence`
    | (?<![\w.])[^\W_][\w-]*(?:\.[\w-]+)*\.(?!(?i:{_FILES})\b)(?:[a-z\u0080-\uffff]{{2,}}|[A-Z]{{2,}}|(?i:{_TOP}))\b
    | \w\.\s(?:{_TOP})\b | (?i:\w\s+\.\s?(?:{_TOP})\b | \bdot\W{{1,3}}(?:{_TOP})\b | \bdot\b.{{1,20}}\bdot\b)
    | \b(?:\d{{1,3}}\.){{3}}\d{{1,3}}\b | (?i:\b(?:localhost|whatsapp|telegram|instagram|facebook|linkedin|twitter)\b)
    """,
    re.VERBOSE,
)
_WAYS = "street|road|avenue|lane|nagar|marg|chowk|colony|boulevard|layout|crescent|terrace|highway|vihar|enclave"
_POSTAL = re.compile(
    rf"""
    \b(?:[A-Z]\w+|\d+\w*)\s+(?:{_WAYS.title()}|St|Rd|Ave|Blvd|Sector)\b  # Lotus Street
    | \b\d+\w?,?\s+(?:\w+\s+){{0,3}}(?:{_WAYS})\b                       # 12, lotus street
    | \w(?:stra(?:ß|ss)e|platz|weg|gasse)\s+\d | \b(?:rue|calle|avenida|via|piazza)\s+(?:\w+\s+){{0,2}}[A-Z]
    | \b[Pp]\.?\s?[Oo]\.?\s[Bb]ox\b | \b(?:[Ff]lat|[Hh]ouse|[Pp]lot)\s(?:[Nn]o\b|[Nn]umber\b|\d)
    | \b(?:[Pp]in|[Zz]ip|[Pp]ostal)\s?code\s(?:is\s|of\s)?\d
    """,
    re.VERBOSE,
)
_PHONE = re.compile(r"(?<!\w)\+\s?\d{2,}|(?<![\w.,])\(?\d(?:[\s().\-/]{0,2}\d){6,}(?!\w)")
_DIALLED = re.compile(
    r"\b(?:call|dial|phone|ring|text|sms|fax)\s(?:(?:us|me|on|at|the|number|helpline|toll|free|now)\s){0,4}\d{3,}"
    r"(?=\s*(?:[.,;:!?]|$|(?:now|for|or|at|any|to)\b))",
    re.IGNORECASE,
)
_DIGITS_IN_WORDS = re.compile(
    r"\b(?:(?:zero|oh|nought|one|two|three|four|five|six|seven|eight|nine|double|triple)\b[\s,-]*){5,}", re.IGNORECASE
)
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
    """The text, blanks squeezed. Raises Unusable: text_missing, text_too_long, markup, address, phone_number,
    accusation, sensitive_words, number_not_in_facts."""
    if not isinstance(text, str) or not text.strip():
        raise Unusable("text_missing")
    plain = " ".join(text.split())
    if len(plain) > longest:
        raise Unusable("text_too_long")
    if _MARKUP.search(plain) or not plain.isprintable():
        raise Unusable("markup")
    known = list(allowed)
    if reason := _misleads(unicodedata.normalize("NFKC", plain).replace("。", "."), known):
        raise Unusable(reason)
    if not _is_covered(plain, known, set(dates)):
        raise Unusable("number_not_in_facts")
    return plain


def _misleads(text: str, allowed: list[Number]) -> str:
    """Why a text must not be shown: it sends people somewhere, or says of them what it can't know."""
    if _ADDRESS.search(text) or _POSTAL.search(text):
        return "address"
    undated = _OTHER_DATE.sub(" ", _DATE.sub(" ", text))
    ours = {str(value) for value in allowed}
    phones = [found[0] for found in _PHONE.finditer(undated) if found[0] not in ours]
    if phones or _DIALLED.search(undated) or _DIGITS_IN_WORDS.search(undated):
        return "phone_number"
    touched = topics(text) - PRIVATE
    return "accusation" if touched & ACCUSING else "sensitive_words" if touched else ""


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
