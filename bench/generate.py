"""Writes a messy drop of any size, the same one every time.

    python bench/generate.py --students 100000 --events 1000000
    python bench/generate.py --students 100000 --events 1000000 --day 2 --share 0.01

makes `bench/out/drop/2024-03-01/` with the five course-provider datasets, then `.../2024-03-02/` with 1 % as many rows:
new ones, and corrections of day 1's (15 % of the events, most of the enrolments). About 2 % of the cells carry each
kind of dirt that the rules know, 0.2 % of the rows repeat the row before them (half of them with other values) and
0.2 % must be rejected.

With `--attendance 2000000 --assessments 500000` the same students are at school, too: a roster (`students.csv`, always
complete: nothing in it is repeated or rejected), a register of one row per student and school day, and what they wrote
(`assessments.jsonl`, 5 % of the lines with nested or unknown fields).

Every cell is a function of (seed, number of the row's key, column) and of nothing else. So memory is bounded by one
block whatever the size, and a later day can write day 1's rows again, changed or not, without having kept them.
Repeated and rejected rows are counted while writing: a benchmark can hold the counts against the ledger's balance.

People, places, mail addresses and phone numbers are made up (no Indian mobile number starts with 55).
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz import fuzz

OUT = Path(__file__).parent / "out" / "drop"
BLOCK = 250_000  # rows in memory at once; a multiple of REPEAT
REPEAT = 500  # every 500th row repeats the one before it
DIRT = 0.02
REJECTS = 0.002
ORPHANS = 0.001
CITIES = COURSES = 200
DAYS = 60  # day 1's events happened within so many days
CLASS_SIZE = 30
SCHOOL_DAYS = 100  # in the register, per student; more if there are not enough students
RESULTS = 20  # assessments per student

# fmt: off
STATES = (
    ("Andhra Pradesh", "AP"), ("Assam", "AS"), ("Gujarat", "GJ"), ("Karnataka", "KA"), ("Kerala", "KL"),
    ("Maharashtra", "MH"), ("Odisha", "OD"), ("Punjab", "PB"), ("Rajasthan", "RJ"), ("Tamil Nadu", "TN"),
)
FIRST_NAMES = (
    "Aditi", "Bharat", "Chitra", "Dhruv", "Esha", "Firoz", "Gauri", "Hemant", "Indira", "Jatin", "Kavya", "Lalit",
    "Mira", "Naveen", "Ojas", "Pooja", "Rahim", "Sarita", "Tanvi", "Uday", "Varsha", "Yusuf", "Zara", "Mary-Ann",
)
LAST_NAMES = (
    "Agarwal", "Bose", "Chandra", "Das", "Fernandes", "Ghosh", "Iyengar", "Jadhav", "Kapadia", "Lal",
    "Mathew", "Nambiar", "O'Brien", "Pandit", "Qadri", "Rane", "Sethi", "Thakur", "Varma", "Wagle",
)
SYLLABLES = (
    ("Ar", "Bel", "Chor", "Dum", "Fir", "Gol", "Hin", "Jav", "Kesh", "Lun", "Mav", "Nil", "Osh", "Pav", "Riv", "Sut"),
    ("ado", "eki", "umba", "ira", "onda", "asti", "uge", "ilvo"),
    ("pur", "nagar", "wadi", "gaon", "kot", "halli", "garh", "tal"),
)
# fmt: on
MOODS = (
    "The videos stop after a minute and nobody answers. Please help.",
    "Not bad at all, I never had a problem.",
    "Worst course ever, I want my money back!",
    "Could you send me a receipt for ₹45,000, please?",
    "The lectures are excellent, but the app is terrible.",
    'It says ""file too large"", although it is small.',
    "First line,\nsecond line: the quiz, the upload and the timer all fail.",
    "Thank you, the instructor is wonderful.",
)


TICKET_STATUSES = ("Open", "In Progress", "Resolved", "Closed", "waiting")
ATTENDANCE = ("PRESENT", "ABSENT", "LATE", "EXCUSED")
SUBJECTS = ("Mathematics", "Science", "English", "History", "Geography", "Hindi")
MAXIMA = (20, 50, 100)


@dataclass(frozen=True)
class Plan:
    """What to write: a first drop (`day` 1), or a later, small one that adds to it and corrects it."""

    students: int = 100_000
    events: int = 1_000_000
    seed: int = 1
    day: int = 1
    share: float = 0.01
    first_date: date = date(2024, 3, 1)
    first_event: int = 1
    attendance: int = 0
    assessments: int = 0

    @property
    def date(self) -> date:
        return self.first_date + timedelta(days=self.day - 1)

    @property
    def datasets(self) -> tuple[str, ...]:
        """What there is to write; the school's files only if they were asked for."""
        school = {"attendance": self.attendance, "assessments": self.assessments}
        school["students"] = sum(school.values())
        return tuple(dataset for dataset in ROWS if school.get(dataset, 1))

    @property
    def pupils(self) -> int:
        """How many of the students are at school: the first ones."""
        return min(_keys(self.students), max(1, self.attendance // SCHOOL_DAYS, self.assessments // RESULTS))

    @property
    def width(self) -> int:
        """Digits of a student's number; orphans are numbered from ten times the students."""
        return max(6, len(str(11 * self.students)))


@dataclass
class Written:
    """One file. rows: records below the header; duplicate: accepted, and so was the row before it of the same key."""

    dataset: str
    path: Path
    rows: int = 0
    duplicate: int = 0
    rejected: int = 0
    size: int = 0
    seconds: float = 0.0


@dataclass
class Block:
    """Rows to write. `version` 0 is what day 1 said first; any other value of it makes other cells of the same key."""

    numbers: np.ndarray
    versions: np.ndarray
    repeats: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))  # positions that repeat the one before


class Dice:
    """Random numbers that depend on the seed, the row and the column only (splitmix64)."""

    def __init__(self, seed: int, *keys: np.ndarray) -> None:
        self.state = np.full(len(keys[0]), seed, np.uint64)
        for key in keys:
            self.state = _mixed(key.astype(np.uint64) + self.state * np.uint64(0x9E3779B97F4A7C15))

    def roll(self, column: str, sides: int) -> np.ndarray:
        """A number in [0, sides) per row."""
        salt = np.uint64(zlib.crc32(column.encode()) * 0x9E3779B97F4A7C15 % 2**64)
        return ((_mixed(self.state ^ salt) >> np.uint64(11)) % np.uint64(sides)).astype(np.int64)

    def hit(self, column: str, share: float) -> np.ndarray:
        return self.roll(column, 1_000_000) < share * 1_000_000

    def form(self, column: str, forms: int, share: float = DIRT) -> np.ndarray:
        """0 (clean) for most rows, else 1 .. forms - 1, each with the given share."""
        lot = self.roll(column, 1_000_000) / (1_000_000 * share)
        return np.where(lot < forms - 1, lot.astype(np.int64) + 1, 0)


def _mixed(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


# --- text columns


def _text(words: Iterable[str]) -> pa.Array:
    return pa.array(list(words), pa.string())


def _pick(pool: Sequence[str] | pa.Array, index: np.ndarray) -> pa.Array:
    pool = pool if isinstance(pool, pa.Array) else _text(pool)
    return pool.take(pa.array(index))


def _join(*parts: pa.Array | str, sep: str = "") -> pa.Array:
    return pc.binary_join_element_wise(*parts, sep)


def _digits(numbers: np.ndarray, width: int) -> pa.Array:
    return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")


def _student_ids(plan: Plan, numbers: np.ndarray, dice: Dice, no_digits: np.ndarray) -> pa.Array:
    prefix = _pick(("STU", "stu-", "STU_", " stu", ""), dice.form("student_id", 5, DIRT / 4))
    return pc.if_else(no_digits, "STUDENT", _join(prefix, _digits(numbers, plan.width)))


# Ten ways to write a day: ISO first; the last three are no day at all, future, and one with an unquoted comma.
DATE_FORMS = (
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%Y/%m/%d",
    "%d-%m-%Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    '"%B %d, %Y"',
    "%Y-02-30",
    "21%y-01-15",
    "%b %d, %Y",
)


@lru_cache
def _date_pool(first: date, days: int) -> pa.Array:
    """The ten ways to write each of `days` days from `first` on, form by form."""
    dates = [first + timedelta(days=n) for n in range(days)]
    return _text(day.strftime(form) for form in DATE_FORMS for day in dates)


def _dates(column: str, dice: Dice, first: date, days: int, forms: int = 9) -> pa.Array:
    """Days from `first` on. With 10 forms some have an unquoted comma: one field too many in their record."""
    return _pick(_date_pool(first, days), dice.form(column, forms) * days + dice.roll(column + " day", days))


@lru_cache
def _school_days(drop: date, days: int) -> pa.Array:
    """The ten ways to write each of the `days` school days before a drop, the last day first, form by form."""
    dates = np.busday_offset(np.datetime64(drop), -1 - np.arange(days), roll="forward").tolist()
    return _text(day.strftime(form) for form in DATE_FORMS for day in dates)


# --- which rows


def _fresh(first: int, rows: int) -> Iterator[Block]:
    """`rows` rows of new keys from `first` on, without gaps; every second repeat says something else."""
    for start in range(0, rows, BLOCK):
        position = np.arange(start, min(start + BLOCK, rows), dtype=np.int64)
        number = first + position - (position + REPEAT // 2) // REPEAT
        version = (position % (2 * REPEAT) == REPEAT // 2).astype(np.int64)
        yield Block(number, version, np.flatnonzero(position % REPEAT == REPEAT // 2))


def _keys(rows: int) -> int:
    """How many keys `_fresh` writes in that many rows."""
    return rows - (rows - 1 + REPEAT // 2) // REPEAT


def _corrected(first: int, keys: int, share: float, day: int) -> Iterator[Block]:
    """A share of the keys of day 1, evenly spread, with what a later day says of them."""
    count = round(keys * share)
    for start in range(0, count, BLOCK):
        position = np.arange(start, min(start + BLOCK, count), dtype=np.int64)
        yield Block(first + (position * keys // count + day) % keys, np.full(len(position), day))


def _blocks(plan: Plan, rows: int, first: int, corrections: float) -> Iterator[Block]:
    """Day 1: all rows. Later: a share of as many, some of them corrections, the others keys of the day's own range."""
    if plan.day == 1:
        yield from _fresh(first, rows)
        return
    yield from _corrected(first, _keys(rows), plan.share * corrections, plan.day)
    yield from _fresh(first + (plan.day - 1) * _keys(rows), round(rows * plan.share * (1 - corrections)))


# --- datasets: each turns a block into columns (text as it stands in the file) and the kind of reject per row, 0 = none

KEYLESS, CUT = 1, 2
Columns = tuple[list[pa.Array], np.ndarray]


def student_rows(plan: Plan, block: Block) -> Columns:
    person = Dice(plan.seed, block.numbers)
    cell = Dice(plan.seed, block.numbers, block.versions)
    reject = cell.form("reject", 3, REJECTS / 2)
    city, state = _places(cell)
    programs = [f"{word}{n:03}" for word in ("PROG", "prog") for n in range(1, 13)]
    paid = ("Paid", "Paid", "paid", "PAID", "paid", "Pending", "pending", "Partial", "Refunded", "Failed", "", "Waived")
    payment = cell.form("payment form", 3)
    return [
        _student_ids(plan, block.numbers, cell, reject == KEYLESS),
        _names(person, cell),
        _emails(plan, block.numbers, cell),
        _phones(plan, block.numbers, cell),
        _dates("dob", person, date(1985, 1, 1), 7300, forms=10),
        _pick(("Male", "Female", "M", "f", "FEMALE", "m", "other", ""), person.roll("gender", 8)),
        city,
        state,
        _dates("enrollment_date", person, plan.first_date - timedelta(days=365), 365),
        _pick(programs, person.roll("program", 12) + 12 * cell.form("program", 2)),
        _fees(30_000 + 500 * cell.roll("fee", 60), cell),
        _pick(paid, np.where(payment > 0, 9 + payment, cell.roll("payment", 10))),
    ], reject


def _names(person: Dice, cell: Dice) -> pa.Array:
    form = cell.form("name", 5)

    def part(column: str, names: Sequence[str]) -> pa.Array:
        forms = (str, str.upper, str.lower, " {} ".format, "{}7".format)
        return _pick(
            [write(name) for write in forms for name in names], form * len(names) + person.roll(column, len(names))
        )

    return _join(part("first", FIRST_NAMES), part("last", LAST_NAMES), sep=" ")


def _emails(plan: Plan, numbers: np.ndarray, cell: Dice) -> pa.Array:
    """Unique, but for 0.2 % that a student shares with the one numbered below."""
    owner = np.where(cell.hit("shared", 0.002), np.maximum(numbers - 1, 1), numbers)
    domains = ("@example.com", "@example.org", "@Example.COM", "@example", ".example.com")
    form = cell.form("email", 6)
    domain = np.where(form < 2, owner % 2, form)
    return pc.if_else(form == 5, "", _join("learner.", _digits(owner, plan.width), _pick((*domains, ""), domain)))


def _phones(plan: Plan, numbers: np.ndarray, cell: Dice) -> pa.Array:
    form = cell.form("phone", 8)
    digits = _digits(numbers, 8)
    head, tail = pc.utf8_slice_codeunits(digits, 0, 3), pc.utf8_slice_codeunits(digits, 3)
    phone = _join(
        _pick(("", "+91-", "+91", "+91 ", "", "", "0", ""), form), "55", head,
        _pick(("", "", "", " ", "-", " ", "", ""), form), tail,
    )  # fmt: skip
    return pc.if_else(form == 7, "", phone)


def _fees(fee: np.ndarray, cell: Dice) -> pa.Array:
    plain, form = pa.array(fee).cast(pa.string()), cell.form("fee form", 7)
    thousands = pc.utf8_slice_codeunits(plain, 0, 2)
    before = _pick(("", "₹", "-", '"', "", "about ", ""), form)
    after = _pick(("", "", "", ',000"', ".00", "", ""), form)
    return pc.if_else(form == 6, "", _join(before, pc.if_else(form == 3, thousands, plain), after))


@lru_cache
def cities() -> list[tuple[str, str, str, str]]:
    """(name, alias, state, code): invented names, each too far from all the others to be mistaken for them."""
    names: list[str] = []
    candidates = sorted(("".join(parts) for parts in product(*SYLLABLES)), key=lambda name: zlib.crc32(name.encode()))
    for name in candidates:
        if len(names) < CITIES and all(fuzz.ratio(name, other) <= 74 for other in names):
            names.append(name)
    assert len(names) == CITIES, len(names)
    return [(name, f"{name[:3]} Town {n:03}", *STATES[n % len(STATES)]) for n, name in enumerate(names)]


@lru_cache
def _city_pools() -> tuple[pa.Array, pa.Array]:
    """Each city (as is, lower case, alias, two letters swapped, unknown) and its state (name, code, wrong, unknown)."""
    names, aliases, states, codes = zip(*cities(), strict=True)
    lower = [f" {name.lower()}" for name in names]
    swapped = [name[:4] + name[5] + name[4] + name[6:] for name in names]
    unknown = [f"Xqz {n % 40}" for n in range(CITIES)]
    wrong = [*states[1:], states[0]]
    return _text([*names, *lower, *aliases, *swapped, *unknown]), _text(
        [*states, *codes, *wrong, *["Nowhere"] * CITIES]
    )


def _places(cell: Dice) -> tuple[pa.Array, pa.Array]:
    spelt, states = _city_pools()
    city = cell.roll("city", CITIES)
    return (
        _pick(spelt, cell.form("city form", 5) * CITIES + city),
        _pick(states, cell.form("state form", 4) * CITIES + city),
    )


def event_rows(plan: Plan, block: Block) -> Columns:
    """The student, course, type and time of an event stay; what was measured may be corrected."""
    event = Dice(plan.seed, block.numbers)
    cell = Dice(plan.seed, block.numbers, block.versions)
    reject = cell.form("reject", 4, REJECTS / 3)
    student = 1 + event.roll("student", _keys(plan.students))
    course = Dice(plan.seed, student, event.roll("course", 3)).roll("course of student", COURSES)
    student = np.where(event.hit("orphan", ORPHANS), 10 * plan.students + student % 1000, student)
    kinds = ("video_watched",) * 5 + ("quiz_completed",) * 3 + ("assignment_submitted", "login")
    kind = event.roll("type", 10)
    dirty_kinds = ("Video_Watched", "forum_post")
    modules = [f"{word}{n:03}" for word in ("MOD", "mod") for n in range(1, 13)]
    return [
        pc.if_else(reject == KEYLESS, "", _join("evt-", _digits(block.numbers, 7))),
        _student_ids(plan, student, cell, reject == 3),
        _pick(_course_pool(), course + COURSES * event.form("course form", 4, DIRT / 10)),
        _pick(kinds + dirty_kinds, np.where(event.hit("type form", DIRT), 10 + kind % 2, kind)),
        _timestamps(plan, block, event),
        _pick(_duration_pool(), cell.roll("duration", 7200) + 7200 * cell.form("duration form", 5)),
        _pick(_score_pool(), np.where(kind < 5, 3001, cell.roll("score", 1000) + 1000 * cell.form("score form", 3))),
        _pick(modules, event.roll("module", 12) + 12 * cell.form("module form", 2)),
        _pick(_score_pool(), cell.roll("completion", 1000) + 1000 * cell.form("completion form", 3)),
    ], reject


@lru_cache
def _course_pool() -> pa.Array:
    ids = [f"CRS{n:03}" for n in range(1, COURSES + 1)]
    return _text([*ids, *map(str.lower, ids), *(f"CRS9{n % 50:02}" for n in range(COURSES)), *("" for _ in ids)])


@lru_cache
def _duration_pool() -> pa.Array:
    """Seconds: plain, negative, blank, quoted with a thousands separator, no number."""
    seconds = range(7200)
    forms: tuple[Callable[[int], str], ...] = (str, lambda n: str(-1 - n), lambda n: "", '"{:,}"'.format, "{} s".format)
    return _text(write(n) for write in forms for n in seconds)


@lru_cache
def _score_pool() -> pa.Array:
    """Percents: in range, above 100, below 0, then NULL."""
    tenths = range(1000)
    forms = (lambda n: f"{n / 10}", lambda n: f"{100.5 + n / 10}", lambda n: f"{-0.5 - n / 10}")
    return _text([*(write(n) for write in forms for n in tenths), "", "NULL"])


def _timestamps(plan: Plan, block: Block, event: Dice) -> pa.Array:
    """Day 1's events fall within two months, a later day's on that day or the one before; 2 % of those come late."""
    new = (block.versions < 2) & (plan.day > 1)  # a correction has its day as version
    back = event.roll("day", DAYS)
    back = np.where(new & ~event.hit("late", DIRT), back % 2, back) - np.where(new, plan.day - 1, 0)
    ago = [(plan.first_date - timedelta(days=n)).isoformat() for n in range(1 - plan.day, DAYS)]
    index = np.where(event.hit("bad day", DIRT / 2), len(ago) + back % 2, back + plan.day - 1)
    return _at_some_time(_pick([*ago, "2024-02-30", "2099-12-31"], index), event)


def _at_some_time(days: pa.Array, dice: Dice) -> pa.Array:
    zone = _pick(("Z", "", "+05:30", ".250Z"), dice.form("zone", 4))
    return _join(days, _pick(_clock(), dice.roll("time", 86_400)), zone)


@lru_cache
def _clock() -> pa.Array:
    return _text(f"T{h:02}:{m:02}:{s:02}" for h in range(24) for m in range(60) for s in range(60))


def ticket_rows(plan: Plan, block: Block) -> Columns:
    ticket = Dice(plan.seed, block.numbers)
    cell = Dice(plan.seed, block.numbers, block.versions)
    reject = cell.form("reject", 4, REJECTS / 3)
    mood = ticket.roll("mood", len(MOODS))
    status = np.where(block.versions > 1, 2, ticket.roll("status", 4))
    opened = plan.first_date - timedelta(days=DAYS)
    priority = np.where(cell.hit("priority form", DIRT), 4, mood % 4)
    category = np.where(cell.hit("category form", DIRT), 4, mood % 4)
    return [
        pc.if_else(reject == KEYLESS, "", _join("TKT-", _digits(block.numbers, 6))),
        _student_ids(plan, 1 + ticket.roll("student", _keys(plan.students)), cell, reject == 3),
        _pick(("Videos stop", '"Payment, receipt"', "Question"), mood % 3),
        _join('"', _pick(MOODS, mood), '"'),
        _pick(("Low", "Medium", "High", "Critical", "URGENT"), priority),
        _pick(TICKET_STATUSES, np.where(cell.hit("status form", DIRT), 4, status)),
        _pick(("Technical", "payment", "Content", "Feedback", "Refunds"), category),
        _dates("created_date", ticket, opened, DAYS - 1),
        _pick(("", plan.date.isoformat()), ((status == 2) | (status == 3)).astype(int)),
    ], reject


def course_rows(plan: Plan, block: Block) -> Columns:
    course = Dice(plan.seed, block.numbers)
    cell = Dice(plan.seed, block.numbers, block.versions)
    quoted = course.form("quoted", 2)
    teachers = [f"{word} {name}" for word in ("Dr.", "Prof.") for name in LAST_NAMES]
    return [
        _join(_pick(("CRS", "crs"), course.form("id form", 2)), _digits(block.numbers, 3)),
        _join(_pick(("Course ", '"Course, part '), quoted), _digits(block.numbers, 1), _pick(("", '"'), quoted)),
        _pick(("Technology", "Business", "Design", "technology", "Data"), course.roll("category", 5)),
        _pick(("Beginner", "Intermediate", "Advanced", "EXPERT"), course.roll("difficulty", 4)),
        _pick([str(n) for n in range(-5, 120)], course.roll("hours", 125)),
        _fees(20_000 + 500 * cell.roll("price", 80), cell),
        _pick(teachers, course.roll("instructor", len(teachers))),
        _pick(("TRUE", "true", "FALSE"), course.roll("active", 3)),
    ], np.zeros(COURSES, np.int64)


def city_rows(plan: Plan, block: Block) -> Columns:
    names, aliases, states, codes = map(_text, zip(*cities(), strict=True))
    spelt = _join('"', aliases, ",", pc.utf8_upper(names), '"')
    return [names, states, codes, spelt], np.zeros(CITIES, np.int64)


# --- the school's datasets


def roster_rows(plan: Plan, block: Block) -> Columns:
    """The first students, thirty to a class; later some of them move to another class of their grade."""
    person = Dice(plan.seed, block.numbers)
    cell = Dice(plan.seed, block.numbers, block.versions)
    classes = -(-plan.pupils // CLASS_SIZE)
    home = ((block.numbers - 1) // CLASS_SIZE + 12 * (block.versions > 0) * cell.roll("moved", 2)) % classes
    others = ("INACTIVE", "suspended", "Transferred", "GRADUATED")
    statuses = [*("ACTIVE",) * 60, *others, *("active",) * 60, *("expelled",) * 4]
    grades = [write(n) for write in (str, "Grade {}".format, "0{}".format, "-{}".format) for n in range(1, 13)]
    ago = [(plan.first_date - timedelta(days=n)).isoformat() for n in range(365)]
    updated = pc.if_else(block.versions > 0, plan.date.isoformat(), _pick(ago, person.roll("updated", 365)))
    return [
        _student_ids(plan, block.numbers, cell, np.zeros(len(block.numbers), bool)),
        _names(person, cell),
        _pick(_class_pool(classes), home + classes * cell.form("class form", 6, DIRT / 2)),
        _pick(grades, home % 12 + 12 * cell.form("grade form", 4, DIRT / 2)),
        _pick(statuses, person.roll("status", 64) + 64 * cell.form("status form", 2)),
        _at_some_time(updated, cell),
    ], np.zeros(len(block.numbers), np.int64)


@lru_cache
def _class_pool(classes: int) -> pa.Array:
    """CLASS-1A to CLASS-12A, CLASS-1B ...: as is, lower case, without the word, with a blank, unreadable, missing."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    sections = ["".join(word) for length in (1, 2, 3) for word in product(letters, repeat=length)]
    names = [f"{1 + n % 12}{sections[n // 12]}" for n in range(classes)]
    forms = ("CLASS-{}".format, lambda name: f"class-{name.lower()}", str, " Class {} ".format, "not yet {}?".format)
    return _text([*(write(name) for write in forms for name in names), *("" for _ in names)])


def attendance_rows(plan: Plan, block: Block) -> Columns:
    """Student after student, day after day backwards. Who misses how much is the student's; a correction excuses."""
    record = Dice(plan.seed, block.numbers)
    cell = Dice(plan.seed, block.numbers, block.versions)
    reject = cell.form("reject", 6, REJECTS / 5)
    keys = _keys(plan.attendance)
    place = (block.numbers - 1) % keys  # a later day counts its own records
    student, back = 1 + place % plan.pupils, place // plan.pupils + _days_since(plan, block.numbers <= keys)
    back += record.hit("wrong day", REJECTS)  # a second record of the day before
    person = Dice(plan.seed, student)
    missed = 2 + person.roll("missed", 10) + 30 * person.hit("truant", 0.05)  # percent
    lot = cell.roll("status", 100)
    status = np.select([block.versions > 1, lot < missed * 2 // 3, lot < missed, lot > 96], [3, 1, 3, 2])
    student = np.where(record.hit("orphan", ORPHANS), 10 * plan.students + student % 1000, student)
    status = np.where(reject == 4, 20, status + 4 * cell.form("status form", 5))
    days = int(back.max()) + 1
    date_form = np.where(reject == 5, DATE_FORMS.index("%Y-02-30"), record.form("date", 7))
    return [
        pc.if_else(reject == KEYLESS, "", _join("ATT-", _digits(block.numbers, 8))),
        _student_ids(plan, student, cell, reject == 3),
        _pick(_school_days(plan.date, days), date_form * days + back),
        _pick(_status_pool(), status),
        _written_at(plan, block, back, cell),
    ], reject


@lru_cache
def _status_pool() -> pa.Array:
    forms: tuple[Callable[[str], str], ...] = (str, str.lower, str.title, lambda word: word[0], " {} ".format)
    return _text([*(write(word) for write in forms for word in ATTENDANCE), "HOLIDAY"])


def _days_since(plan: Plan, first: np.ndarray) -> np.ndarray:
    """School days between day 1 and this drop, for what day 1 has said first."""
    return np.where(first, np.busday_count(plan.first_date, plan.date), 0)


def _written_at(plan: Plan, block: Block, back: np.ndarray, dice: Dice) -> pa.Array:
    """So many school days before the drop; a correction on the day of the drop."""
    days = _pick(_school_days(plan.date, int(back.max()) + 1), back)
    days = pc.if_else(block.versions > 1, plan.date.isoformat(), days)
    return _at_some_time(pc.if_else(dice.hit("bad day", DIRT / 2), "2024-02-30", days), dice)


def assessment_rows(plan: Plan, block: Block) -> Columns:
    """Each column a member of a JSON object. A student is as able in all subjects; a correction finds other points."""
    test = Dice(plan.seed, block.numbers)
    cell = Dice(plan.seed, block.numbers, block.versions)
    reject = cell.form("reject", 8, REJECTS / 7)
    student = 1 + test.roll("student", plan.pupils)
    percent = 25 + Dice(plan.seed, student).roll("able", 66) + cell.roll("luck", 31) - 15
    most = test.roll("most", 3)
    halves = np.array(MAXIMA)[most] * np.clip(percent, 0, 100) // 50  # half points
    score = np.where(reject < 4, halves + 201 * cell.form("score form", 2), 402 + reject - 4)
    first = block.numbers <= _keys(plan.assessments)
    back = np.where(first, test.roll("day", DAYS), 0) + _days_since(plan, first)
    days = int(back.max()) + 1
    dates = pc.replace_substring(_school_days(plan.date, days), '"', "")
    subjects = [write(subject) for write in (str, str.lower, " {}".format) for subject in SUBJECTS]
    student = np.where(test.hit("orphan", ORPHANS), 10 * plan.students + student % 1000, student)
    return [
        _member("assessment_id", pc.if_else(reject == KEYLESS, "", _join("ASM-", _digits(block.numbers, 7)))),
        _member("student_id", _student_ids(plan, student, cell, reject == 3)),
        _member("subject", _pick(subjects, test.roll("subject", 6) + 6 * cell.form("subject form", 3))),
        _pick(_points_pool(), score),
        _pick(_maximum_pool(), np.where(reject == 7, 6, most + 3 * test.form("most form", 2))),
        _member("assessment_date", _pick(dates, test.form("date", 9) * days + back)),
        _join(_member("created_at", _written_at(plan, block, back, cell)), _others(cell)),
    ], reject


def _member(name: str, texts: pa.Array) -> pa.Array:
    return _join(f'"{name}": "', texts, '"')


@lru_cache
def _points_pool() -> pa.Array:
    """Half points, as a number and as text; then what rejects the row (the last one by its maximum)."""
    scores = [f"{half / 2:g}" for half in range(201)]
    texts = [f'"{score}"' for score in scores]
    return _text(f'"score": {score}' for score in (*scores, *texts, "100.5", "null", '"absent"', "0"))


@lru_cache
def _maximum_pool() -> pa.Array:
    """The points there were to get: plain, nested (the reader joins the names), and none, which rejects the row."""
    plain, nested = '"max_score": {}'.format, '"max": {{"score": {}}}'.format
    return _text([*map(plain, MAXIMA), *map(nested, MAXIMA), plain(0)])


def _others(cell: Dice) -> pa.Array:
    """Members that no declaration knows, one of them an object."""
    graders = [f', "grader": {{"name": "Grader {n}", "room": "R{n:02}"}}' for n in range(20)]
    form, who = cell.form("others", 3), cell.roll("grader", 20)
    return _pick(
        ["", *graders, ', "remark": "late"'], np.choose(form, [np.zeros_like(who), 1 + who, np.full_like(who, 21)])
    )


# --- files

# The columns of the CSV files; the other datasets are JSON lines.
HEADERS = {
    "city_master": "city_name,state_name,state_code,common_misspellings",
    "course_catalog": "course_id,course_name,category,difficulty,duration_hours,price,instructor_name,is_active",
    "students_enrollment": "student_id,full_name,email,phone,dob,gender,city,state,enrollment_date,program_id,fee_paid,"
    "payment_status",
    "student_progress": "event_id,student_id,course_id,event_type,event_timestamp,duration_seconds,score,module_id,"
    "completion_percentage",
    "support_tickets": "ticket_id,student_id,subject,description,priority,status,category,created_date,resolved_date",
    "students": "student_id,student_name,class_id,grade_level,enrollment_status,updated_at",
    "attendance": "attendance_id,student_id,attendance_date,status,created_at",
}
ROWS: dict[str, Callable[[Plan, Block], Columns]] = {
    "city_master": city_rows,
    "course_catalog": course_rows,
    "students_enrollment": student_rows,
    "student_progress": event_rows,
    "support_tickets": ticket_rows,
    "students": roster_rows,
    "attendance": attendance_rows,
    "assessments": assessment_rows,
}


def _dataset_blocks(plan: Plan, dataset: str) -> Iterator[Block]:
    if dataset == "students_enrollment":
        return _blocks(plan, plan.students, 1, corrections=0.9)
    if dataset == "student_progress":
        return _blocks(plan, plan.events, plan.first_event, corrections=0.15)
    if dataset == "support_tickets":
        return _blocks(plan, max(1, plan.students // 20), 1, corrections=0.5)
    if dataset == "attendance":
        return _blocks(plan, plan.attendance, 1, corrections=0.15)
    if dataset == "assessments":
        return _blocks(plan, plan.assessments, 1, corrections=0.15)
    if dataset == "students":
        return _roster(plan)
    # snapshots: whole every day; of the catalogue's prices a share is new, the city list stays byte for byte
    number = np.arange(1, COURSES + 1, dtype=np.int64)
    changed = (plan.day > 1) & (number % max(1, round(1 / max(plan.share, 1 / COURSES))) == 0)
    return iter([Block(number, np.where(changed, plan.day, 0))])


def _roster(plan: Plan) -> Iterator[Block]:
    """A snapshot as well: every later day one student in 500 leaves, and a share of the others has changed."""
    for start in range(1, plan.pupils + 1, BLOCK):
        number = np.arange(start, min(start + BLOCK, plan.pupils + 1), dtype=np.int64)
        number = number[(number % 500 < 2) | (number % 500 > plan.day)]
        changed = (plan.day > 1) & (number % max(1, round(1 / plan.share)) == 0)
        yield Block(number, np.where(changed, plan.day, 0))


def _lines(dataset: str, columns: list[pa.Array], reject: np.ndarray) -> pa.Array:
    """The lines of a file, those to be cut without their end."""
    if dataset in HEADERS:
        whole = _join(*columns[:-1], _join(columns[-1], "\n"), sep=",")
        short = _join(*columns[:3], _join(columns[3], "\n"), sep=",")
    else:
        whole = _join("{", _join(*columns, sep=", "), "}\n")
        short = _join("{", _join(*columns[:3], sep=", "), "\n")
    return pc.if_else(reject == CUT, short, whole)


def write_file(plan: Plan, dataset: str, folder: Path) -> Written:
    """Write one dataset's file of the drop into `folder`."""
    started = time.perf_counter()
    written = Written(dataset, folder / f"{dataset}.{'csv' if dataset in HEADERS else 'jsonl'}")
    with written.path.open("wb") as file:
        if dataset in HEADERS:
            file.write(HEADERS[dataset].encode() + b"\n")
        for block in _dataset_blocks(plan, dataset):
            columns, reject = ROWS[dataset](plan, block)
            lines = _lines(dataset, columns, reject)
            end = np.frombuffer(lines.buffers()[1], np.int32)[len(lines)]
            file.write(memoryview(lines.buffers()[2])[:end])
            written.rows += len(lines)
            written.rejected += int((reject > 0).sum())
            written.duplicate += int(((reject[block.repeats] == 0) & (reject[block.repeats - 1] == 0)).sum())
        written.size = file.tell()
    written.seconds = time.perf_counter() - started
    return written


def write_drop(plan: Plan, out: Path, datasets: Iterable[str] = ()) -> list[Written]:
    """Write the drop (or some of its datasets) into `out/<date>/` and say what was written."""
    folder = out / plan.date.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    return [write_file(plan, dataset, folder) for dataset in datasets or plan.datasets]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=100_000, help="enrolment rows of day 1 (default 100000)")
    parser.add_argument("--events", type=int, default=1_000_000, help="progress rows of day 1 (default 1000000)")
    parser.add_argument("--attendance", type=int, default=0, help="attendance rows of day 1 (default 0: no file)")
    parser.add_argument("--assessments", type=int, default=0, help="assessments of day 1 (default 0: no file)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other data (default 1)")
    parser.add_argument("--date", type=date.fromisoformat, default=date(2024, 3, 1), help="day 1 (default 2024-03-01)")
    parser.add_argument("--day", type=int, default=1, help="2, 3, ...: a later drop; give day 1's other options again")
    parser.add_argument("--share", type=float, default=0.01, help="size of a later drop (default 0.01 of day 1's)")
    parser.add_argument("--first-event", type=int, default=1, help="number of day 1's first event (default 1)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the dated folders (default bench/out/drop)")
    parser.add_argument("--only", nargs="+", choices=tuple(ROWS), default=(), help="not all datasets")
    given = parser.parse_args(arguments)
    if min(given.students, given.events, given.day) < 1 or not 0 < given.share <= 1:
        parser.error("--students, --events and --day must be 1 or more, --share above 0 and at most 1")
    if min(given.attendance, given.assessments) < 0 or given.attendance > 5_000 * given.students:
        parser.error("--attendance and --assessments must be 0 or more, --attendance at most 5,000 for each student")
    plan = Plan(
        *(given.students, given.events, given.seed, given.day, given.share, given.date, given.first_event),
        *(given.attendance, given.assessments),
    )
    if not set(given.only) <= set(plan.datasets):
        parser.error("--only: there are no school files without --attendance or --assessments")
    print(f"{'dataset':<22}{'rows':>10}{'duplicate':>11}{'rejected':>10}{'MB':>9}{'seconds':>9}")
    for file in write_drop(plan, given.out, given.only):
        counts = f"{file.rows:>10}{file.duplicate:>11}{file.rejected:>10}"
        print(f"{file.dataset:<22}{counts}{file.size / 1e6:>9.2f}{file.seconds:>9.2f}")
    print(f"in {given.out / plan.date.isoformat()}")


if __name__ == "__main__":
    main()
