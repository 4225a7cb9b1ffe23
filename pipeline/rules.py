"""Row-level cleaning: text in, typed values, flags and reject reasons out.

`clean(frame, dataset, context)` looks at one row at a time, never at another one, so a frame cleaned whole, row by
row or in any chunks gives the same values and types. It is pure: no Luigi, no database, no configuration, no clock;
everything it may know besides the text is in `Context`.

A rule is a small function of one text (`RULES`; its docstring is its example). Running it once per row would take
seconds per 100,000 rows, so a column is read in three steps, the cheapest first:

    repeating values     encode, clean each distinct value once, spread the answers
    canonical texts      one regular expression says "this text is already clean" (`CANONICAL`): cast the column
    everything else      the rule, once per distinct text

The second step is only a short cut; a test holds it equal to the third.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from decimal import Context as Precision
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz import fuzz, process

from pipeline.datasets.declaration import Column, Dataset, RowCheck

if TYPE_CHECKING:  # 0.25 s, which a run that cleans nothing need not wait for
    import pandas as pd

FREE_TEXT = frozenset({"text", "name"})  # where a NULL word is a word: the surname Null
NULL_WORDS = frozenset({"", "null", "none", "nan", "n/a", "na", "-"})
HARD_RULES = frozenset({"student_id", "key"})  # their codes reject the row, as those of a required column do
EARLIEST = dt.date(1950, 1, 1)
FUZZY_ABOVE = 80
KEPT_ANSWERS, KEPT_LETTERS = 30_000, 30  # per column: at most 10 MB
LONGEST_CODE = 200  # characters of an id or code: what is longer is damage, and a database can't index 2,700 bytes
# Characters between the outer blanks of a cell; a longer one meets no pattern, no normalisation and no look-up, which
# could take time by the square of its length. `text`, `name` and `aliases` are free text and read in linear time.
LONGEST = {
    **dict.fromkeys(("student_id", "key", "code", "email", "city", "state"), 1_000),
    **dict.fromkeys(("number", "percent", "points"), 999),
    **dict.fromkeys(("phone", "date", "timestamp", "gender", "boolean", "class_id", "grade", "attendance"), 200),
}
MOST_MARKS = 30  # combining marks on one letter, Unicode's own limit (UAX 15): sorting more takes the square of them

# What strip() strips, and the invisible characters that spreadsheets and web pages leave at the ends of a cell.
_INVISIBLE = "\u200b\u2060\ufeff"
_BLANKS = "".join(chr(code) for code in range(0x3001) if chr(code).isspace()) + _INVISIBLE


# --- what a rule may know -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cities:
    """The city list, indexed by case-folded spelling; `Cities()` is an empty list, against which nothing is flagged.

    spellings     every name and alias -> the cities it may mean
    states        city -> the states it lies in
    state_names   every state name and code -> the state
    """

    spellings: Mapping[str, set[str]] = field(default_factory=dict)
    states: Mapping[str, set[str]] = field(default_factory=dict)
    state_names: Mapping[str, str] = field(default_factory=dict)
    _near: dict[str, str | None] = field(default_factory=dict, compare=False, repr=False)  # fuzzy answers, once each

    @staticmethod
    def of(rows: Iterable[tuple[str, str | None, str | None, Iterable[str] | None]]) -> Cities:
        """From (city_name, state_name, state_code, aliases); a name wins over the same text as another city's alias."""
        rows = [row for row in rows if row[0]]
        spellings: dict[str, set[str]] = {}
        states: dict[str, set[str]] = {}
        for city, state, _, aliases in rows:
            states.setdefault(city, set()).update([state] if state else [])
            for alias in filter(_fold, (alias for alias in aliases or () if len(alias) <= LONGEST_CODE)):
                spellings.setdefault(_fold(alias), set()).add(city)
        spellings.update({_fold(city): {city} for city, *_ in rows})
        codes = {_fold(code): state for _, state, code, _ in rows if state and code}
        names = {_fold(state): state for _, state, *_ in rows if state}
        return Cities(spellings, states, codes | names)

    def find(self, text: str) -> str | None:
        """The city that a text means: by name or alias, else the one most alike, if it is one."""
        key = _fold(text)
        exact = self.spellings.get(key)
        if exact:
            return next(iter(exact)) if len(exact) == 1 else None
        if key not in self._near:
            self._near[key] = self._most_alike(key)
        return self._near[key]

    def _most_alike(self, key: str) -> str | None:
        found = process.extract(key, list(self.spellings), scorer=fuzz.ratio, score_cutoff=FUZZY_ABOVE, limit=None)
        best = max((score for _, score, _ in found), default=0)
        if best <= FUZZY_ABOVE:
            return None
        cities = set().union(*(self.spellings[spelling] for spelling, score, _ in found if score == best))
        return next(iter(cities)) if len(cities) == 1 else None

    def contradict(self, city: str | None, state: str | None) -> bool:
        """Both are known and the city lies elsewhere."""
        known = self.states.get(city or "", set())
        return bool(known) and state is not None and _fold(state) in self.state_names and state not in known


@dataclass(frozen=True)
class Context:
    """Everything besides the text that a rule may look at.

    drop_date            the day of the drop: no date lies after it, no two-digit year means a later one
    fields, delimiter    the file's columns in order (None = outside the contract), to repair records; "" = there is
                         nothing to repair: JSON
    phone_digits         length of a phone number without its country code
    attendance_status    what a register may say
    """

    drop_date: dt.date
    fields: tuple[str | None, ...] = ()
    delimiter: str = ","
    cities: Cities = field(default_factory=Cities)
    phone_country_code: str = "91"
    phone_digits: int = 10
    attendance_status: frozenset[str] = frozenset({"PRESENT", "ABSENT", "LATE", "EXCUSED"})
    # What the rules said of a text: the next chunk asks again of most.
    _answers: dict[Column, dict[str | None, Answer]] = field(default_factory=dict, compare=False, repr=False)


class Cell(NamedTuple):
    """What a rule says of one text: its value (None = NULL) and "" or the code of what is wrong with it."""

    value: Any
    code: str = ""


Answer = tuple[Cell, bool]  # the cell, and whether it differs from the text


class Cleaned(NamedTuple):
    """One row per input row, in order, and the counts per (column, rule) that add up over chunks."""

    rows: pd.DataFrame
    stats: pd.DataFrame


# --- the rules: one text, neither NULL nor blank, to a Cell ---------------------------------------------------------


def student_id(text: str, column: Column, context: Context) -> Cell:
    """stu-002 -> STU002, s-0871 -> S0871, 7 and 7.0 -> STU007; letters then digits, ASCII, or the row is rejected."""
    text = _whole(text)
    if not text.isascii() and any(map(_is_foreign, text)):
        return _invalid(column)
    if "." in text and re.fullmatch(r"[0-9]+\.[0-9]+", text):  # 7.5 is no id, and not student 75
        return _invalid(column)
    parts = re.fullmatch("([A-Z]*)([0-9]+)", re.sub("[^A-Z0-9]", "", text.upper()))
    if not parts or len(parts[0]) > LONGEST_CODE:
        return _invalid(column)
    return Cell((parts[1] or "STU") + parts[2].rjust(3, "0"))


def key(text: str, column: Column, context: Context) -> Cell:
    """' crs001 ' -> CRS001 (case upper); an id must be printable ASCII, a proper name printable; else rejected."""
    text = _cased(text if column.ascii else _squeezed(text), column.case)
    if not text.isprintable() or (column.ascii and not text.isascii()) or len(text) > LONGEST_CODE:
        return _invalid(column)
    return Cell(text)


def name(text: str, column: Column, context: Context) -> Cell:
    """'  bob  O'BRIEN 2 ' -> (Bob O'Brien, Bob, O'Brien); McDonald stays."""
    full = _title(_normalized("NFC", _squeezed(re.sub(r"\d", "", text))))
    first, _, last = full.partition(" ")
    return Cell((full or None, first or None, last or None))


def email(text: str, column: Column, context: Context) -> Cell:
    """Jane@Example.ORG -> jane@example.org; jane@example (no dotted domain) -> NULL, flagged."""
    text = _lower(text)
    ok = len(text) <= 254 and text.isprintable() and _EMAIL.fullmatch(text)
    return Cell(text) if ok else _invalid(column)


def phone(text: str, column: Column, context: Context) -> Cell:
    """'98765 43210' and +91-9876543210 -> +91-9876543210; any other number of digits -> NULL, flagged."""
    digits = re.sub(r"\D", "", text)
    digits = digits if digits.isascii() else "".join(str(int(digit)) for digit in digits)
    code, length = context.phone_country_code, context.phone_digits
    if len(digits) == len(code) + length and digits.startswith(code):
        digits = digits[len(code) :]
    if len(digits) != length or _SCIENTIFIC.search(text):
        return _invalid(column)
    return Cell(f"+{code}-{digits}")


def date(text: str, column: Column, context: Context) -> Cell:
    """15/05/1999, 15-May-99 and 'May 15, 1999' -> 1999-05-15, day first; no date, or before 1950 or after the drop
    -> NULL, flagged."""
    value = _date(text, context.drop_date)
    if value is None:
        return _invalid(column)
    if not EARLIEST <= value <= context.drop_date:
        return Cell(None, f"{column.flag_prefix}_out_of_range")
    return Cell(value)


def timestamp(text: str, column: Column, context: Context) -> Cell:
    """2024-02-01T10:30:00+05:30 -> 2024-02-01T05:00:00Z; without an offset it is UTC; same range as a date."""
    value = _timestamp(text)
    if value is None:
        return _invalid(column)
    if not EARLIEST <= value.date() <= context.drop_date:
        return Cell(None, f"{column.flag_prefix}_out_of_range")
    return Cell(value)


def gender(text: str, column: Column, context: Context) -> Cell:
    """m, MALE -> Male; f, Female -> Female; anything else, blank too -> Other."""
    return Cell({"m": "Male", "male": "Male", "f": "Female", "female": "Female"}.get(text.lower(), "Other"))


def city(text: str, column: Column, context: Context) -> Cell:
    """bombay, 'MUMBAI ', Mumbay -> Mumbai by the city list; else the text in title case, flagged."""
    found = context.cities.find(text)
    if found is None and context.cities.spellings:
        return Cell(_cased(text, "title"), f"{column.flag_prefix}_unmatched")
    return Cell(found or _cased(text, "title"))


def state(text: str, column: Column, context: Context) -> Cell:
    """MH, maharashtra -> Maharashtra by the city list; else the text in title case, flagged."""
    found = context.cities.state_names.get(_fold(text))
    if found is None and context.cities.state_names:
        return Cell(_cased(text, "title"), f"{column.flag_prefix}_unmatched")
    return Cell(found or _cased(text, "title"))


def number(text: str, column: Column, context: Context) -> Cell:
    """'₹50,000' -> 50000.00, -5 -> 5.00 flagged negative, 1.005 -> 1.01; 1e400, NaN, 0x10, 1_000 -> NULL, flagged."""
    value = _decimal(_without_currency(text.replace(_MINUS, "-")))
    if value is None:
        return _invalid(column)
    rounded = _rounded(value.copy_abs(), column.scale)
    if rounded >= (Decimal(10) ** (14 - column.scale) if column.scale else 2**63):
        return _invalid(column)
    code = f"{column.flag_prefix}_negative" if value < 0 else ""
    return Cell(rounded if column.scale else int(rounded), code)


def percent(text: str, column: Column, context: Context) -> Cell:
    """85.5 and 85.5% -> 85.50; 150 -> 100.00 and -15 -> 0.00, flagged capped; NaN, inf -> NULL, flagged invalid."""
    value = _decimal(text.replace(_MINUS, "-").removesuffix("%").rstrip()) if "," not in text else None
    if value is None:
        return _invalid(column)
    kept = min(max(value, Decimal(0)), Decimal(100))
    return Cell(_rounded(kept, 2), "" if kept == value else f"{column.flag_prefix}_capped")


def boolean(text: str, column: Column, context: Context) -> Cell:
    """TRUE, yes, y, t, 1 -> true; False, no, n, f, 0 -> false; else NULL, flagged."""
    word = text.lower()
    if word in {"true", "yes", "y", "t", "1"}:
        return Cell(True)
    return Cell(False) if word in {"false", "no", "n", "f", "0"} else _invalid(column)


def code(text: str, column: Column, context: Context) -> Cell:
    """prog001 -> PROG001 (case upper); paid -> COMPLETED, in-progress -> In Progress (words); unknown word: flagged."""
    text = _cased(_squeezed(text), column.case)
    if len(text) > LONGEST_CODE:
        return Cell(column.default, f"{column.flag_prefix}_invalid")
    known = _vocabulary(column.words)
    if not known or _word(text) in known:
        return Cell(known.get(_word(text), text))
    return Cell(text if column.default is None else column.default, f"{column.flag_prefix}_unknown")


def class_id(text: str, column: Column, context: Context) -> Cell:
    """'class 10a', 10-A -> CLASS-10A; up to 6 letters and digits after the word, ASCII; else NULL, flagged."""
    found = _CLASS.fullmatch(re.sub(r"[\s_.-]+", "", _whole(text).upper()))
    return Cell(f"CLASS-{found[1]}") if found and text.isascii() else _invalid(column)


def grade(text: str, column: Column, context: Context) -> Cell:
    """10, 'Grade 10', grade-10, 10th, 10.0 -> 10; 0, -3, 5.5 -> NULL, flagged."""
    found = _GRADE.fullmatch(_whole(text))
    return Cell(int(found[1])) if found else _invalid(column)


def attendance(text: str, column: Column, context: Context) -> Cell:
    """present, P -> PRESENT; late -> LATE; what the configuration does not accept is unknown."""
    status = _vocabulary(column.words).get(_word(text))
    return Cell(status) if status in context.attendance_status else Cell(None, f"{column.flag_prefix}_unknown")


def points(text: str, column: Column, context: Context) -> Cell:
    """17.5 -> 17.50, '1,250' -> 1250.00; below 0: negative; NaN, 1e400, twenty: invalid; nothing is made of either."""
    value = _decimal(text.replace(_MINUS, "-"))
    if value is None or _rounded(value.copy_abs(), column.scale) >= Decimal(10) ** (14 - column.scale):
        return _invalid(column)
    return Cell(_rounded(value, column.scale)) if value >= 0 else Cell(None, f"{column.flag_prefix}_negative")


def text(text: str, column: Column, context: Context) -> Cell:
    """'  Great course ' -> 'Great course'; inner blanks and the word Null stay."""
    return Cell(text)


def aliases(text: str, column: Column, context: Context) -> Cell:
    """'New Delhi, delhi,,delhi' -> {"New Delhi",delhi}."""
    words = (part.strip(_BLANKS) for part in text.split(","))
    return Cell(_array(dict.fromkeys(word for word in words if word)))


Rule = Callable[[str, Column, Context], Cell]
RULES: dict[str, Rule] = {
    "student_id": student_id,
    "key": key,
    "name": name,
    "email": email,
    "phone": phone,
    "date": date,
    "timestamp": timestamp,
    "gender": gender,
    "city": city,
    "state": state,
    "number": number,
    "percent": percent,
    "boolean": boolean,
    "code": code,
    "text": text,
    "aliases": aliases,
    "class_id": class_id,
    "grade": grade,
    "attendance": attendance,
    "points": points,
}


def _is_hard(column: Column) -> bool:
    """Whether what is wrong with the column rejects the row."""
    return column.required or column.rule in HARD_RULES


def _invalid(column: Column) -> Cell:
    return Cell(None, f"{column.flag_prefix}_invalid")


def _too_long(text: str, column: Column) -> Cell:
    """What the rule says of a text that it cannot make anything of, without reading it."""
    if column.rule in ("city", "state"):
        return Cell(text, f"{column.flag_prefix}_unmatched")
    if column.rule == "attendance":
        return Cell(None, f"{column.flag_prefix}_unknown")
    if column.rule == "gender":
        return Cell("Other")
    return Cell(column.default if column.rule == "code" else None, f"{column.flag_prefix}_invalid")


def judge(raw: str | None, column: Column, context: Context) -> Cell:
    """A raw text through its rule: what a blank or a NULL word means comes first."""
    known = _known(raw, column.rule)
    if known is None:
        return _blank(column, context)
    if len(known) > LONGEST.get(column.rule, len(known)):
        return _too_long(known, column)
    return RULES[column.rule](known, column, context)


def _known(raw: str | None, rule: str) -> str | None:
    """The text without outer blanks, NFKC but in free text or when it is too long; None when it says nothing: ' n/a '
    -> None."""
    trimmed = "" if raw is None else raw.strip(_BLANKS)
    if rule in FREE_TEXT or len(trimmed) > LONGEST.get(rule, len(trimmed)):
        return trimmed or None
    trimmed = trimmed if trimmed.isascii() else _normalized("NFKC", trimmed).strip(_BLANKS)
    return None if trimmed.lower() in NULL_WORDS else trimmed


def says_something(texts: pa.Array, rule: str) -> pa.Array:
    """Which texts are neither NULL nor blank nor a word for nothing."""
    saying = [text for text in texts.unique().to_pylist() if _known(text, rule) is not None]
    return pc.is_in(texts, pa.array(saying, pa.string()))


def _blank(column: Column, context: Context) -> Cell:
    """The cell of a text that says nothing."""
    if _is_hard(column):
        return Cell(None, f"{column.flag_prefix}_missing")
    if column.rule == "number" and column.blank_value is not None:
        return Cell(RULES[column.rule](column.blank_value, column, context).value, column.missing)
    said = {"name": (None,) * 3, "aliases": "{}", "code": column.default, "gender": "Other"}
    return Cell(said.get(column.rule), column.missing)


# --- words and letters ----------------------------------------------------------------------------------------------

_LETTERS = re.compile("(?:[^\\W\\d_]|[\u0300-\u036f])+")  # a run of letters, combining accents included
_RUN = re.compile(rf"[^\w\s!-~]{{{MOST_MARKS + 1}}}")  # no letter, and not ASCII: perhaps combining marks
_EMAIL = re.compile(
    r'[^\s@"(),:;<>\[\]\\.]+(?:\.[^\s@"(),:;<>\[\]\\.]+)*'
    r"@(?:[^\W_](?:[\w-]*[^\W_])?\.)+(?:[^\W\d_]{2,}|xn--[a-z0-9-]*[a-z0-9])"
)
_CLASS = re.compile(
    "(?:CLASS(?!CLASS$)(?=.)|(?=[0-9]|[IVX]+[A-H]?$))([A-Z0-9]{1,6})"
)  # CLASS-BLUE, 10A, XII-B; not "TBD"
_GRADE = re.compile(r"(?:(?:grade|class)[\s_.-]*)?0*([1-9][0-9]{0,2})(?:st|nd|rd|th)?", re.I | re.A)
_WHOLE = re.compile(r"([0-9]+)\.0+")
_SCIENTIFIC = re.compile(r"\d[eE][+-]?\d")  # 9.87654E+09: a spreadsheet has lost the digits


def _is_foreign(char: str) -> bool:
    """A letter, digit or accent that is not ASCII."""
    return not char.isascii() and (char.isalnum() or unicodedata.category(char)[0] == "M")


def _normalized(form: Literal["NFC", "NFKC"], text: str) -> str:
    """The text in a normal form; as it is when a letter of it bears more marks than MOST_MARKS."""
    if _RUN.search(text):
        marked = itertools.groupby(text, lambda char: unicodedata.combining(char) > 0)
        if any(marks and sum(1 for _ in run) > MOST_MARKS for marks, run in marked):
            return text
    return unicodedata.normalize(form, text)


def _squeezed(text: str) -> str:
    return " ".join(text.split()).strip(_BLANKS)


def _whole(text: str) -> str:
    """7.0 -> 7: what a data frame with gaps makes of a whole number."""
    found = _WHOLE.fullmatch(text) if "." in text else None
    return found[1] if found else text


def _lower(text: str) -> str:
    return text.replace("İ", "i").lower()  # Python's own answer is i plus a combining dot


def _fold(text: str) -> str:
    """The spelling that two texts share when only case and blanks differ."""
    return _squeezed(_normalized("NFKC", text)).casefold()


def _cased(text: str, case: str) -> str:
    if case not in ("upper", "lower", "title"):
        return text
    text = {"upper": str.upper, "lower": _lower, "title": _title}[case](text)
    return text if text.isascii() else _normalized("NFKC", text)


def _title(text: str) -> str:
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
    return part if mixed else first + _lower(part[1:])


def _word(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", text).strip().casefold()


@cache
def _vocabulary(words: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return {_word(canonical): canonical for _, canonical in words} | {_word(word): value for word, value in words}


def _array(words: Iterable[str]) -> str:
    """A PostgreSQL text[] literal: {"New Delhi",Bombay}."""
    return "{" + ",".join(map(_array_item, words)) + "}"


def _array_item(word: str) -> str:
    if re.fullmatch("[A-Za-z0-9_]+", word) and word.upper() != "NULL":
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


# --- numbers and dates ----------------------------------------------------------------------------------------------

_MINUS = "\u2212"  # what a word processor makes of -
_SIGNS = r"₹|\$|€|£|Rs\.?|INR"
_CURRENCY_BEFORE = re.compile(rf"([+-]?)\s*+(?:{_SIGNS})\s*+", re.I)
_CURRENCY_BEHIND = re.compile(rf"(?:{_SIGNS}|/-)\Z", re.I)
_DECIMAL = re.compile(
    r"[+-]?(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,2}(?:,[0-9]{2})*,[0-9]{3})(?:\.[0-9]+)?|[+-]?\.[0-9]+"
)
_NAMES = "january february march april may june july august september october november december"
_MONTHS = {"sept": 9}
_MONTHS |= {word: place for place, name in enumerate(_NAMES.split(), 1) for word in (name, name[:3])}
_D, _M, _Y = "(?P<day>[0-9]{1,2})", "(?P<month>[0-9]{1,2})", "(?P<year>[0-9]{4})"
_WORD = "(?P<month>[a-z]{3,9})"
_CLOCK = (
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?)?"
    r" ?(?P<zone>Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_ISO = re.compile(f"{_Y}-{_M}-{_D}(?:[T ]{_CLOCK})?", re.I)
_DATES = (
    re.compile(f"{_Y}/{_M}/{_D}"),
    re.compile(f"{_D}(?P<mark>[/-]){_M}(?P=mark){_Y}"),
    re.compile(f"{_WORD} {_D} ?, ?{_Y}", re.I),
    re.compile(f"{_D}-{_WORD}-(?P<year>[0-9]{{4}}|[0-9]{{2}})", re.I),
)


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


def _date(text: str, latest: dt.date) -> dt.date | None:
    """The day a text names, None if it names none; the time of an ISO timestamp must be one, and is left out."""
    iso = _ISO.fullmatch(text)
    if iso and iso["hour"]:
        return _day(iso, latest) if _timestamp(text) else None
    words = _squeezed(text)
    found = iso or next(filter(None, (shape.fullmatch(words) for shape in _DATES)), None)
    return _day(found, latest) if found else None


def _day(found: re.Match[str], latest: dt.date) -> dt.date | None:
    month = int(found["month"]) if found["month"].isdecimal() else _MONTHS.get(found["month"].lower(), 0)
    if len(found["year"]) == 4:
        return _real(int(found["year"]), month, int(found["day"]))
    century = latest.year // 100 * 100
    days = (_real(century - back + int(found["year"]), month, int(found["day"])) for back in (0, 100))
    return next((day for day in days if day and day <= latest), None)


def _real(year: int, month: int, day: int) -> dt.date | None:
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None


def _timestamp(text: str) -> dt.datetime | None:
    """The instant an ISO 8601 text names, in UTC; digits below a microsecond are cut."""
    iso = _ISO.fullmatch(text)
    if not iso or len(text) < 10 or iso.end("day") != 10:
        return None
    clock = iso.groupdict(default="0")
    fraction = int(clock["fraction"].ljust(6, "0")[:6])
    try:
        day = dt.datetime(int(clock["year"]), int(clock["month"]), int(clock["day"]), tzinfo=dt.UTC)
        moment = day.replace(hour=int(clock["hour"]), minute=int(clock["minute"]), second=int(clock["second"]))
        return moment.replace(microsecond=fraction) - _offset(iso["zone"])
    except (ValueError, OverflowError):
        return None


def _offset(zone: str | None) -> dt.timedelta:
    if not zone or zone in "Zz":
        return dt.timedelta()
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    if hours > 15 or minutes > 59:
        raise ValueError("no such offset")
    return dt.timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)


# --- a column: the rule over its texts ------------------------------------------------------------------------------

_ISO_DAY = (  # every real day from 1950 to 2099
    r"(?:(?:19[5-9][0-9]|20[0-9]{2})-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"|(?:19(?:5[26]|[68][048]|[79][26])|20(?:[02468][048]|[13579][26]))-02-29)"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_ZONE = "(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])?"
_KEYS = {"": "[!-~]{0,99}[0-9]", "upper": "[!-`{-~]{0,99}[0-9]", "lower": r"[!-@\[-~]{0,99}[0-9]"}
_PLAIN_EMAIL = r"[a-z0-9_+-]{1,40}(?:\.[a-z0-9_+-]{1,20}){0,4}@(?:[a-z0-9]{1,20}\.){1,3}[a-z]{2,9}"
# rule -> the texts (RE2, whole text) for which a cast is enough: they are their own clean value, or (timestamps) a
# cast knows the instant they name. None: there are none.
CANONICAL: dict[str, Callable[[Column, Context], str | None]] = {
    "student_id": lambda column, context: "[A-Z]{1,50}[0-9]{3,50}",
    "key": lambda column, context: _KEYS.get(column.case),
    "name": lambda column, context: "[A-Z][a-z]+(?: [A-Z][a-z]+)*",
    "email": lambda column, context: _PLAIN_EMAIL,
    "phone": lambda column, context: rf"\+{context.phone_country_code}-[0-9]{{{context.phone_digits}}}",
    "date": lambda column, context: _ISO_DAY,
    "timestamp": lambda column, context: f"{_ISO_DAY}[T ]{_TIME}{_ZONE}",
    "number": lambda column, context: rf"[0-9]{{1,{14 - column.scale}}}" + _fraction(column.scale),
    "percent": lambda column, context: r"(?:100(?:\.0{1,2})?|[0-9]{1,2}(?:\.[0-9]{1,2})?)",
    "text": lambda column, context: "(?s:[!-~]|[!-~].*[!-~])",
    "class_id": lambda column, context: "CLASS-[A-BD-Z0-9][A-Z0-9]{0,5}",
    "points": lambda column, context: rf"[0-9]{{1,{14 - column.scale}}}" + _fraction(column.scale),
}


def _fraction(scale: int) -> str:
    return rf"(?:\.[0-9]{{1,{scale}}})?" if scale else ""


@dataclass(frozen=True)
class _Part:
    """A cleaned column: its staged arrays and, per row, the place of its code in `codes` and whether it changed."""

    name: str
    rule: str
    arrays: list[pa.Array]
    code: np.ndarray
    changed: np.ndarray
    codes: list[str]  # codes[0] is ""
    hard: frozenset[str]


def _nothing(column: Column, size: int) -> _Part:
    """A column that the file lacks and may lack: NULL, and nothing wrong with it."""
    arrays = [pa.nulls(size, _arrow_type(kind)) for _, kind in column.staged]
    return _Part(column.name, column.rule, arrays, np.zeros(size, np.uint8), np.zeros(size, bool), [""], frozenset())


def _clean_column(texts: pa.Array, column: Column, context: Context) -> _Part:
    """The rule over a column: over its distinct values when its first rows repeat themselves."""
    head = texts.slice(0, 2000)
    if len(texts) < 1000 or pc.count_distinct(head, mode="all").as_py() * 2 > len(head):
        return _clean_texts(texts, column, context)
    encoded = texts.dictionary_encode(null_encoding="encode")
    part, where = _clean_texts(encoded.dictionary, column, context), encoded.indices.to_numpy()
    arrays = [array.take(encoded.indices) for array in part.arrays]
    return replace(part, arrays=arrays, code=part.code[where], changed=part.changed[where])


def _clean_texts(texts: pa.Array, column: Column, context: Context) -> _Part:
    """Canonical texts by a cast, the others by the rule, once per distinct text."""
    arrays = _canonical(texts, column, context)
    dirty = arrays[0].is_null()
    raws = texts.filter(dirty).to_pylist()
    places = {raw: place for place, raw in enumerate(dict.fromkeys(raws))}
    which = np.fromiter(map(places.__getitem__, raws), np.int64, len(raws))
    cells, differ = _answers(places, column, context)
    codes = ["", *dict.fromkeys(cell.code for cell in cells if cell.code)]
    code, changed, rows = np.zeros(len(texts), np.uint8), np.zeros(len(texts), bool), np.flatnonzero(dirty)
    if column.rule == "timestamp":  # any other way of naming an instant says it in UTC now
        changed |= ~_array_mask(pc.ends_with(texts, "Z")) | _array_mask(pc.match_substring(texts, " "))
    code[rows] = np.array([codes.index(cell.code) for cell in cells], np.uint8)[which]
    changed[rows] = np.array(differ, bool)[which]
    for place, array in enumerate(arrays):
        values = [cell.value[place] if column.rule == "name" else cell.value for cell in cells]
        arrays[place] = pc.replace_with_mask(array, dirty, pa.array(values, array.type).take(pa.array(which)))
    hard = frozenset(codes) if _is_hard(column) else frozenset()
    return _Part(column.name, column.rule, arrays, code, changed, codes, hard)


def _answers(texts: Iterable[str | None], column: Column, context: Context) -> tuple[list[Cell], list[bool]]:
    """What the rule says of each text, and whether that differs from the text."""
    known = context._answers.setdefault(column, {})
    cells, differ = [], []
    for text in texts:
        answer = known.get(text)
        if answer is None:
            cell = judge(text, column, context)
            answer = cell, differs(text, cell, column)
            if len(known) < KEPT_ANSWERS and len(text or "") <= KEPT_LETTERS:
                known[text] = answer
        cells.append(answer[0])
        differ.append(answer[1])
    return cells, differ


def _canonical(texts: pa.Array, column: Column, context: Context) -> list[pa.Array]:
    """The staged arrays of the canonical texts; NULL where a text is not canonical."""
    kinds = [_arrow_type(kind) for _, kind in column.staged]
    shape = CANONICAL[column.rule](column, context) if column.rule in CANONICAL else None
    if shape is None:
        return [pa.nulls(len(texts), kind) for kind in kinds]
    values = _where(pc.match_substring_regex(texts, rf"\A(?:{shape})\z"), texts)
    if column.rule == "timestamp":
        values = _zoned(values)
    values = values.cast(kinds[0])
    if column.rule in ("date", "timestamp"):
        if context.drop_date < dt.date.max:  # else no date lies after it, and there is no day after
            end = dt.datetime.combine(context.drop_date + dt.timedelta(days=1), dt.time())
            values = _where(pc.less(values, pa.scalar(end).cast(kinds[0])), values)
        first = dt.datetime(1950, 1, 1)  # noqa: DTZ001 # cast to the zone of the column, or to a date
        values = _where(pc.greater_equal(values, pa.scalar(first).cast(kinds[0])), values)
    if column.rule != "name":
        return [values]
    first, rest = (pc.replace_substring_regex(values, cut, "") for cut in (" .*", "^[^ ]* ?"))
    return [values, first, _where(pc.not_equal(rest, ""), rest)]


def _zoned(instants: pa.Array) -> pa.Array:
    """Canonical timestamps, each with a zone: naive = UTC. Most end with Z, and a regular expression costs."""
    other = pc.fill_null(pc.invert(pc.ends_with(instants, "Z")), False)
    texts = instants.filter(other)
    naive = pc.invert(pc.match_substring_regex(texts, "[+-][0-9:]{5}\\z"))
    return pc.replace_with_mask(instants, other, pc.if_else(naive, _suffixed(texts, "Z"), texts))


def _suffixed(texts: pa.Array, suffix: str) -> pa.Array:
    return pc.binary_join_element_wise(texts, suffix, "")


def _array_mask(mask: pa.Array) -> np.ndarray:
    return np.asarray(mask.fill_null(False).to_numpy(zero_copy_only=False))


def _where(mask: pa.Array, values: pa.Array) -> pa.Array:
    return pc.if_else(mask, values, pa.scalar(None, values.type))


def _arrow_type(kind: str) -> pa.DataType:
    """Of a PostgreSQL type; an array travels as its literal."""
    if kind.startswith("numeric"):
        return pa.decimal128(*map(int, re.findall("[0-9]+", kind)))
    return {
        "bigint": pa.int64(),
        "integer": pa.int32(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamp with time zone": pa.timestamp("us", tz="UTC"),
    }.get(kind, pa.string())


def differs(raw: str | None, cell: Cell, column: Column) -> bool:
    """Whether the value says something else than the text: 50,000 does, 50000 for 50000.00 does not."""
    value = cell.value[0] if column.rule == "name" else cell.value
    if value is None or raw is None:
        return not (value in (None, "{}") and _known(raw, column.rule) is None)
    if column.rule == "aliases":
        blank = _known(raw, column.rule) is None
        return bool(value != ("{}" if blank else _array(raw.split(","))))
    match value:
        case bool():
            return raw.lower() != str(value).lower()
        case int() | Decimal():
            return not re.fullmatch(r"[0-9]+(\.[0-9]+)?", raw) or Decimal(raw) != value
        case dt.datetime():
            return raw[:19] != value.isoformat()[:19] or raw[-1] != "Z"
        case dt.date():  # a date cell of a spreadsheet says midnight
            return raw[:10] != value.isoformat() or not set(raw[10:]) <= set("T :0.Z")
    return bool(raw != value)


# --- a frame --------------------------------------------------------------------------------------------------------


def clean(frame: pd.DataFrame, dataset: Dataset, context: Context) -> Cleaned:
    """Clean rows of one dataset.

    frame    `_line` int64, each contract column as text, `_record` text (a whole record with a wrong field count)
    rows     `_line`, the dataset's staged columns, `flags` and `reasons` (NULL = accepted) as text[] literals
    stats    column, rule, changed, flagged, rejected: how many rows
    """
    import pandas as pd

    texts = {name: _texts(frame, name) for name in dataset.column_names}
    repairs = _repair(_texts(frame, "_record"), dataset, context)
    for name in dataset.column_names:
        texts[name] = _with_repairs(texts[name], repairs, name)
    absent = dataset.absent(context.fields)
    parts = [
        _nothing(column, len(frame)) if column.name in absent else _clean_column(texts[column.name], column, context)
        for column in dataset.columns
    ]
    parts = _mark_broken_checks(_mark_contradictions(parts, context.cities), dataset.checks)
    record = _record_part(repairs, len(frame), "field_count" if context.delimiter else "record_unreadable")
    refused = record.code == 2
    if refused.any():
        parts = [_silenced(part, refused) for part in parts]
    arrays = [array for part in parts for array in part.arrays]
    flags, reasons = _labels([record, *parts], len(frame))
    names = ["_line", *dataset.staged_names, "flags", "reasons"]
    table = pa.Table.from_arrays([_array_of(frame["_line"], pa.int64()), *arrays, flags, reasons], names=names)
    return Cleaned(table.to_pandas(types_mapper=pd.ArrowDtype), _stats([*parts, record]))


def _array_of(series: pd.Series, kind: pa.DataType) -> pa.Array:
    array = pa.array(series, from_pandas=True)
    whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return whole.cast(kind)


def _texts(frame: pd.DataFrame, name: str) -> pa.Array:
    return _array_of(frame[name], pa.string()) if name in frame else pa.nulls(len(frame), pa.string())


def _silenced(part: _Part, rows: np.ndarray) -> _Part:
    """A record that could not be read says nothing about its columns."""
    arrays = [_where(pa.array(~rows), array) for array in part.arrays]
    return replace(part, arrays=arrays, code=part.code * ~rows, changed=part.changed & ~rows)


def _mark_contradictions(parts: list[_Part], cities: Cities) -> list[_Part]:
    """state_mismatch: the state and the city of a row."""
    by_rule = {part.rule: part for part in parts}
    if not {"city", "state"} <= by_rule.keys() or not cities.states:
        return parts
    state = by_rule["state"]
    towns, lands = by_rule["city"].arrays[0].dictionary_encode(), state.arrays[0].dictionary_encode()
    pairs = pc.fill_null(towns.indices, -1).to_numpy() * np.int64(len(lands.dictionary) + 1)
    pairs = pairs + pc.fill_null(lands.indices, -1).to_numpy()
    rows_of, which = np.unique(pairs, return_index=True, return_inverse=True)[1:]
    town, land = (side.arrays[0].take(pa.array(rows_of)).to_pylist() for side in (by_rule["city"], state))
    wrong = np.array([cities.contradict(*pair) for pair in zip(town, land, strict=True)], bool)[which]
    code = np.where(wrong, len(state.codes), state.code).astype(np.uint8)
    codes = [*state.codes, "state_mismatch"]
    marked = replace(state, code=code, codes=codes)
    return [marked if part is state else part for part in parts]


COMPARE = {"<": pc.less, "<=": pc.less_equal, ">": pc.greater, ">=": pc.greater_equal, "=": pc.equal}


def _mark_broken_checks(parts: list[_Part], checks: Sequence[RowCheck]) -> list[_Part]:
    """Each row gets the code of the first check that it breaks. All of them reject."""
    by_name = {part.name: part for part in parts}
    values = {part.name: part.arrays[0] for part in parts}
    sound: Any = True
    for check in checks:
        left = values[check.column]
        right = values[check.other] if isinstance(check.other, str) else pa.scalar(check.other, left.type)
        broken = _array_mask(pc.invert(COMPARE[check.operator](left, right))) & sound
        by_name[check.column] = _marked(by_name[check.column], broken, check.code)
        sound = sound & ~broken
    return [by_name[part.name] for part in parts]


def _marked(part: _Part, rows: np.ndarray, code: str) -> _Part:
    """The part with a hard code at these rows."""
    codes = np.where(rows, len(part.codes), part.code).astype(np.uint8)
    return replace(part, code=codes, codes=[*part.codes, code], hard=part.hard | {code})


def _labels(parts: Sequence[_Part], size: int) -> tuple[pa.Array, pa.Array]:
    """flags and reasons of every row, each distinct combination of codes written once."""
    parts = [part for part in parts if part.code.any()]
    if not parts:
        return pa.repeat("{}", size).cast(pa.string()), pa.nulls(size, pa.string())
    codes = np.column_stack([part.code for part in parts])
    rows = pa.FixedSizeBinaryArray.from_buffers(pa.binary(len(parts)), size, [None, pa.py_buffer(codes.tobytes())])
    distinct = rows.dictionary_encode()
    flags, reasons = [], []
    for row in distinct.dictionary.to_pylist():
        said = [
            (part.codes[code], part.codes[code] in part.hard) for part, code in zip(parts, row, strict=True) if code
        ]
        hard = [code for code, rejects in said if rejects]
        flags.append(_array(code for code, rejects in said if not rejects))
        reasons.append(_array(hard) if hard else None)
    return tuple(pa.array(words, pa.string()).take(distinct.indices) for words in (flags, reasons))


def _stats(parts: Sequence[_Part]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for part in parts:
        hard = np.array([code in part.hard for code in part.codes])[part.code] & (part.code > 0)
        counts = (part.changed.sum(), ((part.code > 0) & ~hard).sum(), hard.sum())
        rows.append((part.name, part.rule, *map(int, counts)))
    text, count = pd.ArrowDtype(pa.string()), pd.ArrowDtype(pa.int64())
    kinds = {"column": text, "rule": text, "changed": count, "flagged": count, "rejected": count}
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)


# --- structural repair ----------------------------------------------------------------------------------------------

MOST_EXCESS_FIELDS = 6
MOST_UNPARSABLE = 4  # one cell in so many: with more of them the record is not repaired but shifted
_NEVER_JOINED = frozenset(
    {"student_id", "key", "gender", "boolean", "class_id", "grade", "attendance"}
)  # an id never holds the delimiter


def _repair(records: pa.Array, dataset: Dataset, context: Context) -> dict[int, dict[str, str] | None]:
    """Row -> its cells by column name, None where the record cannot be repaired; rows with a right count are absent."""
    if records.null_count == len(records):
        return {}
    memo: dict[tuple[str, str], bool] = {}
    rows = np.flatnonzero(records.is_valid().to_numpy(zero_copy_only=False)).tolist()
    return {row: rejoin(records[row].as_py(), dataset, context, memo) for row in rows}


def rejoin(record: str, dataset: Dataset, context: Context, memo: dict[tuple[str, str], bool]) -> dict[str, str] | None:
    """'...,May 15, 1999,...' -> its cells: the one way of joining neighbours with the fewest unparsable cells."""
    tokens = _split(record, context.delimiter)
    fields = context.fields
    if not fields or not 0 < len(tokens) - len(fields) <= MOST_EXCESS_FIELDS:
        return None
    columns = {column.name: column for column in dataset.columns}

    def unparsable(start: int, end: int, place: int) -> int | None:
        """0 or 1; None = such a cell may not be: it is joined and does not parse, or it would reject the row."""
        column = columns.get(fields[place] or "")
        if column is None:
            return 0
        joined = end - start > 1
        if joined and not _joinable(column):
            return None
        cell = context.delimiter.join(tokens[start:end])
        parses = memo.get((cell, column.name))
        if parses is None:
            parses = _parses(cell, column, context)
            if len(cell) <= KEPT_LETTERS:
                memo[cell, column.name] = parses
        if parses:
            return 0
        return None if joined or _is_hard(column) else 1

    bounds = _fewest(len(tokens), len(fields), unparsable, most=len(fields) // MOST_UNPARSABLE)
    if bounds is None:
        return None
    cells = [context.delimiter.join(tokens[start:end]) for start, end in itertools.pairwise(bounds)]
    return {field: cell for field, cell in zip(fields, cells, strict=True) if field is not None}


Bounds = tuple[int, "Bounds | None"]


def _fewest(tokens: int, fields: int, cost: Callable[[int, int, int], int | None], most: int) -> list[int] | None:
    """The bounds of the single cheapest way to cut tokens into that many runs; None when two are equally cheap.

    best[n] after k fields: (cost, number of ways, bounds from the last one back) of cutting the first n tokens into k.
    """
    best: dict[int, tuple[int, int, Bounds]] = {0: (0, 1, (0, None))}
    for place in range(fields):
        after: dict[int, tuple[int, int, Bounds]] = {}
        for start, (spent, ways, bounds) in best.items():
            for end in range(start + 1, tokens - (fields - place - 1) + 1):
                price = cost(start, end, place)
                if price is None:
                    continue
                total, known = spent + price, after.get(end)
                if known is None or total < known[0]:
                    after[end] = (total, ways, (end, bounds))
                elif total == known[0]:
                    after[end] = (total, 2, known[2])  # more than one way; how many does not matter
        best = after
    spent, ways, last = best.get(tokens, (0, 0, None))
    return [*_upto(last)][::-1] if ways == 1 and spent <= most else None


def _upto(bounds: Bounds | None) -> Iterator[int]:
    while bounds:
        yield bounds[0]
        bounds = bounds[1]


def _split(record: str, delimiter: str) -> list[str]:
    if not delimiter:
        return []
    try:
        rows = list(csv.reader(io.StringIO(record, newline=""), delimiter=delimiter))
    except csv.Error:
        return []
    return rows[0] if len(rows) == 1 else []


def _parses(cell: str, column: Column, context: Context) -> bool:
    known = _known(cell, column.rule)
    if column.rule == "gender" and known is not None:
        return known.lower() in {"m", "male", "f", "female", "other"}
    code = judge(cell, column, context).code
    return not code.endswith(("_invalid", "_unknown", "_unmatched")) and not (code and _is_hard(column))


def _joinable(column: Column) -> bool:
    return column.rule not in _NEVER_JOINED and not (column.rule == "code" and not column.words)


def _with_repairs(texts: pa.Array, repairs: Mapping[int, dict[str, str] | None], name: str) -> pa.Array:
    cells = {row: found.get(name) for row, found in repairs.items() if found is not None}
    if not cells:
        return texts
    mask = np.zeros(len(texts), bool)
    mask[list(cells)] = True
    return pc.replace_with_mask(texts, pa.array(mask), pa.array(cells.values(), pa.string()))


def _record_part(repairs: Mapping[int, dict[str, str] | None], size: int, reason: str) -> _Part:
    """reason: that of a record which cannot be repaired."""
    code = np.zeros(size, np.uint8)
    for row, cells in repairs.items():
        code[row] = 2 if cells is None else 1
    codes = ["", "field_rejoined", reason]
    return _Part("_record", "field_count", [], code, code == 1, codes, frozenset({reason}))
