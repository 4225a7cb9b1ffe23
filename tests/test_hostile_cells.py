"""Cells made to take time: whatever stands in one, it is cleaned, masked and written in time by its length.

Each text is tried at a quarter of a megabyte and at one: the first takes less than a second even on a busy machine
when the work is linear, and the second four times as long, where work by the square of the length takes sixteen.
"""

from __future__ import annotations

import datetime as dt
import json
import time
import unicodedata
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from agents.masking import masker
from pipeline.datasets import DATASETS
from pipeline.datasets.declaration import Column
from pipeline.outputs.rejects import _csv_line
from pipeline.rules import LONGEST, RULES, apply_rule
from pipeline.rules.cities import Cities
from pipeline.rules.column import clean_column
from pipeline.rules.context import Context
from pipeline.rules.letters import normalized
from pipeline.rules.repair import rejoin
from pipeline.sources.formats import open_file
from pipeline.sources.formulas import restored

SUPPORT_TICKETS = DATASETS["support_tickets"]
MB = 1_000_000
CITIES = Cities.of([("Pune", "Maharashtra", "MH", ["Poona"]), ("Nashik", "Maharashtra", "MH", [])])
CONTEXT = Context(dt.date(2024, 3, 1), cities=CITIES)
MASK = masker(["Asha Rao", "Will Young", "Rose"])

# (start, what is repeated, end)
SHAPES: dict[str, tuple[str, str, str]] = {
    "blanks": ("1", " ", "x"),
    "no-break blanks": ("1", "\u00a0", "x"),
    "line ends": ("x", "\n", "x"),
    "separators": ("x", "\x1f", "x"),
    "invisible characters": ("x", "\u200b", "x"),
    "digits": ("", "1", "x"),
    "zeros": ("1.", "0", "x"),
    "other digits": ("", "\uff11", "x"),
    "groups of digits": ("1", ",111", "x"),
    "exponents": ("", "1e", "x"),
    "currencies": ("1", "Rs", "x"),
    "combining marks": ("a", "\u0301", ""),
    "unsorted marks": ("a", "\u0301\u0323", ""),
    "letters of many marks": ("", "a" + "\u0301\u0323" * 15, ""),
    "ligatures": ("", "\ufdfa", ""),
    "syllables": ("", "\u1100\u1161", ""),
    "letters": ("", "a", "!"),
    "capitals": ("", "A", "!"),
    "dotted capitals": ("", "\u0130", ""),
    "commas": ("", ",", "x"),
    "quotes": ("", '"', "x"),
    "apostrophes": ("", "'", "=x"),
    "backslashes": ("", "\\", "x"),
    "addresses": ("", "a@", ""),
    "domains": ("a@", "a.", ""),
    "hyphens in a domain": ("a@", "a-", "."),
    "dots before an @": ("", "a.", "@"),
    "a-a-a": ("", "a-", ""),
    "underscores": ("grade", "_", "x"),
    "classes": ("", "CLASS", ""),
    "slashes": ("", "1/", ""),
    "brackets": ("", "[", ""),
    "links": ("", "www.", ""),
    "logins": ("", "login-", ""),
    "prepositions": ("", "IN ", ""),
    "names": ("", "Rose Will ", ""),
    "names that are announced": ("", "my name is ", ""),
    "numbers": ("", "1 ", ""),
    "all of it": ("", "1 a-'\u0301,\"@.\nwww ", ""),
}


def grown(shape: str, size: int) -> str:
    """A text of that shape and so many bytes, in the longest of its normal forms."""
    start, unit, end = SHAPES[shape]
    return start + unit * (size // len(unicodedata.normalize("NFKC", unit).encode())) + end


def seconds(work: Callable[[Any], object], given: Any) -> float:
    """Of this process's own work, so that a busy machine does not count."""
    started = time.process_time()
    work(given)
    return time.process_time() - started


def assert_linear(work: Callable[[Any], object], largest: int = MB) -> None:
    """A text of any shape takes less than a second, and one of a quarter of the size at least an eighth of its time."""
    work(grown("all of it", 1_000))  # what is read or imported once
    slow = {}
    for shape in SHAPES:
        for _ in range(3):  # a machine may be busy
            small, quarter, whole = seconds(work, grown(shape, largest // 64)), 9.0, 9.0
            if small < 0.2:  # else it takes minutes to say more exactly how slow it is
                quarter = seconds(work, grown(shape, largest // 4))
            if quarter < 1:
                whole = seconds(work, grown(shape, largest))
            if fine := whole < 1 and whole < 8 * max(quarter, 0.02):
                break
        if not fine:
            slow[shape] = small, quarter, whole
    assert slow == {}


def columns() -> dict[str, Column]:
    """A column of each rule."""
    return {column.rule: column for dataset in DATASETS.values() for column in dataset.columns}


@pytest.mark.integration
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_takes_time_by_the_length_of_a_cell(rule):
    column = columns()[rule]
    assert_linear(lambda text: clean_column(pa.array([text]), column, CONTEXT))


@pytest.mark.integration
def test_the_masker_takes_time_by_the_length_of_a_text():
    assert_linear(MASK)


@pytest.mark.integration
def test_a_reject_file_and_its_reader_take_time_by_the_length_of_a_cell():
    assert_linear(lambda text: restored(_csv_line([text])))


@pytest.mark.integration
def test_a_city_list_takes_time_by_the_length_of_its_names():
    assert_linear(lambda text: Cities.of([(text, text, text, [text])]).find("Pune"), MB // 4)


@pytest.mark.integration
@pytest.mark.parametrize("ending, largest", [("csv", 50_000), ("json", MB)])
def test_a_column_name_takes_time_by_its_length(tmp_path, ending, largest):
    names = [column.name for column in SUPPORT_TICKETS.columns]

    def read(name: str) -> None:
        path = tmp_path / f"support_tickets.{ending}"
        if ending == "csv":
            quoted = name.replace('"', '""')
            path.write_text(",".join([*names, f'"{quoted}"']) + "\n" + "," * len(names) + "\n")
        else:
            path.write_text(json.dumps([{**dict.fromkeys(names, ""), name: ""}]))
        with open_file(path, SUPPORT_TICKETS) as source:
            assert sum(len(table) for table in source.tables()) == 1

    assert_linear(read, largest)


MANY = {
    "csv": lambda names, n: ",".join([*names, *["x"] * n]) + "\n" + "," * (len(names) + n - 1) + "\n",
    "jsonl": lambda names, n: "".join(
        "{" + ",".join(f'"{name}":""' for name in names) + ',"x":""' * (n // 4 + i) + "}\n" for i in range(4)
    ),
}


@pytest.mark.parametrize("ending", MANY)
def test_one_name_again_and_again_takes_time_by_how_often_it_comes(tmp_path, ending):
    path = tmp_path / f"support_tickets.{ending}"

    def read(times: int) -> None:
        path.write_text(MANY[ending]([column.name for column in SUPPORT_TICKETS.columns], times))
        with open_file(path, SUPPORT_TICKETS) as source:
            assert sum(len(table) for table in source.tables()) in (1, 4)

    read(10)
    few, many = seconds(read, 450), seconds(read, 1_800)
    assert many < 8 * max(few, 0.02)


@pytest.mark.parametrize("cell", ["1", "", "T1", "2024-01-01", "x" * 500])
def test_a_record_is_mended_in_time_by_the_number_of_its_fields(cell):
    def mended(fields: int) -> object:
        outside = (None,) * (fields - len(SUPPORT_TICKETS.columns))
        context = Context(dt.date(2024, 3, 1), fields=(*SUPPORT_TICKETS.column_names, *outside))
        return rejoin(",".join([cell] * (fields + 6)), SUPPORT_TICKETS, context, {})

    mended(10)
    few, many = seconds(mended, 450), seconds(mended, 1_800)
    assert many < 8 * max(few, 0.02)


LONG = {"gender": ("Other", ""), "attendance": (None, "attendance_unknown"), "code": (None, "code_invalid")}


@pytest.mark.parametrize("rule", sorted(LONGEST))
def test_a_cell_that_is_too_long_gets_the_ordinary_reason_of_its_rule(rule):
    text = "\u00e9" * (LONGEST[rule] + 1)
    expected = LONG.get(rule, (None, f"{rule}_invalid"))
    if rule in ("city", "state"):
        expected = text, f"{rule}_unmatched"
    assert apply_rule(f" {text}\n", Column(rule, rule), CONTEXT) == expected


def test_blanks_around_a_cell_do_not_make_it_long():
    column = Column("fee", "number")
    assert apply_rule(" " * MB + "50" + "\u00a0" * MB, column, CONTEXT) == apply_rule("50", column, CONTEXT)


@pytest.mark.parametrize("marks, same", [(30, False), (31, True)])
def test_a_letter_of_more_marks_than_unicode_allows_stays_as_it_is(marks, same):
    text = "a" + "\u0323\u0301" * 15 + "\u0301" * (marks - 30)
    assert (normalized("NFC", text) == text) == same


@pytest.mark.parametrize("rule", sorted(set(RULES) - set(LONGEST)))
def test_free_text_has_no_limit(rule):
    assert rule in ("text", "name", "aliases")
    assert apply_rule("x" * MB, Column("x", rule), CONTEXT).code == ""
