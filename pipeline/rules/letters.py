"""Letters: what is done to a text before a rule asks what it means: blanks, normal forms, case, vocabularies."""

from __future__ import annotations

import itertools
import re
import unicodedata
from functools import cache
from typing import Literal

MOST_MARKS = 30  # combining marks on one letter, Unicode's own limit (UAX 15): sorting more takes the square of them
# What strip() strips, and the invisible characters that spreadsheets and web pages leave at the ends of a cell.
_INVISIBLE = "\u200b\u2060\ufeff"
BLANKS = "".join(chr(code) for code in range(0x3001) if chr(code).isspace()) + _INVISIBLE
LONGEST_CODE = 200  # characters of an id or code: what is longer is damage, and a database can't index 2,700 bytes
_LETTERS = re.compile("(?:[^\\W\\d_]|[\u0300-\u036f])+")  # a run of letters, combining accents included
_RUN = re.compile(rf"[^\w\s!-~]{{{MOST_MARKS + 1}}}")  # no letter, and not ASCII: perhaps combining marks
_WHOLE = re.compile(r"([0-9]+)\.0+")


def normalized(form: Literal["NFC", "NFKC"], text: str) -> str:
    """The text in a normal form; as it is when a letter of it bears more marks than MOST_MARKS."""
    if _RUN.search(text):
        marked = itertools.groupby(text, lambda char: unicodedata.combining(char) > 0)
        if any(marks and sum(1 for _ in run) > MOST_MARKS for marks, run in marked):
            return text
    return unicodedata.normalize(form, text)


def squeezed(text: str) -> str:
    return " ".join(text.split()).strip(BLANKS)


def whole_number(text: str) -> str:
    """7.0 -> 7: what a data frame with gaps makes of a whole number."""
    found = _WHOLE.fullmatch(text) if "." in text else None
    return found[1] if found else text


def lower_case(text: str) -> str:
    return text.replace("İ", "i").lower()  # Python's own answer is i plus a combining dot


def fold(text: str) -> str:
    """The spelling that two texts share when only case and blanks differ."""
    return squeezed(normalized("NFKC", text)).casefold()


def cased(text: str, case: str) -> str:
    if case not in ("upper", "lower", "title"):
        return text
    text = {"upper": str.upper, "lower": lower_case, "title": title_case}[case](text)
    return text if text.isascii() else normalized("NFKC", text)


def title_case(text: str) -> str:
    """o'BRIEN -> O'Brien, JEAN-luc -> Jean-Luc, McDonald and non-Latin letters as they are, women's -> Women's."""
    if text.isascii() and (text.isupper() or text.islower()) and text.replace(" ", "").isalpha():
        return text.title()
    return _LETTERS.sub(_title_part, text)


def _title_part(run: re.Match[str]) -> str:
    part, before = run[0], run.string[max(run.start() - 1, 0) : run.start()]
    if part in ("s", "S") and before in ("'", "’") and run.start() > 1:
        return "s"
    first = part[0].title() if len(part[0].title()) == 1 else part[0]
    mixed = part[0] == first and part != part.upper()
    return part if mixed else first + lower_case(part[1:])


def folded_word(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", text).strip().casefold()


@cache
def vocabulary(words: tuple[tuple[str, str], ...]) -> dict[str, str]:
    canonical = {folded_word(value): value for _, value in words}
    return canonical | {folded_word(word): value for word, value in words}
