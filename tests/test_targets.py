"""targets/: digests, the one writing primitive, COPY both ways, threads, locks, messages and files."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import signal
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from targets import parts
from targets.artifact import Written, fault, write_files
from targets.parts import digest
from targets.postgres.connection import Database, DatabaseError
from targets.postgres.copy import Spool, ahead, copy_in, copy_out
from targets.postgres.errors import complaint, is_retryable, retrying
from targets.postgres.locks import lock, lock_key
from targets.table import (
    MANY,
    Difference,
    add_foreign_keys,
    apply_difference,
    columns_of,
    count_rows,
    fill,
    without_indexes,
)
from tests.waiting import until

# --- parts ----------------------------------------------------------------------------------------------------------

SOURCE = '''
"""What this module does."""
LIMIT = 80  # per cent


def rule(text):
    """stu-1 -> STU001"""
    return text.upper() + "x"
'''


def recipe_digest(folder: Path, source: str, name: str = "rules.py") -> str:
    file = folder / name
    file.write_text(source)
    os.utime(file, ns=(time.time_ns(), time.time_ns()))  # as a person's edit would: never the same instant twice
    return parts.source_digest(file)


@pytest.mark.parametrize(
    "given, instead",
    [
        ("  # per cent", ""),
        ("LIMIT = 80", "LIMIT    =   80"),
        ("\n\ndef rule", "\n\n\n# the one rule\ndef rule"),
        ("What this module does.", "What it does."),
        ("stu-1 -> STU001", "STU-1 -> STU001"),
        ('    """stu-1 -> STU001"""\n', ""),
        ("text.upper()", "(text.upper())"),
    ],
)
def test_comments_layout_and_docstrings_of_a_python_recipe_rebuild_nothing(tmp_path, given, instead):
    assert given in SOURCE
    assert recipe_digest(tmp_path, SOURCE.replace(given, instead)) == recipe_digest(tmp_path, SOURCE)


@pytest.mark.parametrize(
    "given, instead",
    [
        ("80", "81"),
        ("upper", "lower"),
        ('"x"', '"X"'),
        ("def rule(text)", "def rule(text, more=1)"),
        ("return text", "return 'stu-1' + text"),
    ],
)
def test_code_of_a_python_recipe_counts(tmp_path, given, instead):
    assert recipe_digest(tmp_path, SOURCE.replace(given, instead)) != recipe_digest(tmp_path, SOURCE)


WORDS = "[tags]  # of words\nlong = 'week, year'\nsoon = 'today'\n"


@pytest.mark.parametrize("given, instead", [("  # of words", ""), (" = ", "  =  "), ("\nsoon", "\n\n# how soon\nsoon")])
def test_comments_and_layout_of_a_table_of_words_rebuild_nothing(tmp_path, given, instead):
    assert given in WORDS
    assert recipe_digest(tmp_path, WORDS.replace(given, instead), "a.toml") == recipe_digest(tmp_path, WORDS, "a.toml")


@pytest.mark.parametrize("given, instead", [("week", "weeks"), ("long", "lengthy"), ("[tags]", "[topics]")])
def test_words_and_where_they_stand_count(tmp_path, given, instead):
    assert recipe_digest(tmp_path, WORDS.replace(given, instead), "a.toml") != recipe_digest(tmp_path, WORDS, "a.toml")


QUERY = "-- one row. key: a\nselect\n    a, -- why\n    '-- said' as b\nfrom t\n"


@pytest.mark.parametrize(
    "given, instead",
    [(" -- why", ""), ("one row", "a row"), ("select\n    a", "select a"), ("\nfrom t", "\n/* of all */\nfrom  t")],
)
def test_comments_and_layout_of_a_query_rebuild_nothing(tmp_path, given, instead):
    assert given in QUERY
    assert recipe_digest(tmp_path, QUERY.replace(given, instead), "a.sql") == recipe_digest(tmp_path, QUERY, "a.sql")


@pytest.mark.parametrize(("given", "instead"), [("-- said", "--said"), ("from t", "from u"), ("    a,", "    a + 1,")])
def test_code_and_texts_of_a_query_count(tmp_path, given, instead):
    assert given in QUERY
    assert recipe_digest(tmp_path, QUERY.replace(given, instead), "a.sql") != recipe_digest(tmp_path, QUERY, "a.sql")


def test_what_a_check_says_on_top_counts(tmp_path):
    digests = {
        recipe_digest(tmp_path, f"-- {header}\nselect 1 {comment}\n", "a.sql")
        for header in ("error: all is well", "warning: all is well", "error: it is well")
        for comment in ("", "-- why")
    }
    assert len(digests) == 3


def test_of_any_other_recipe_every_byte_counts(tmp_path):
    assert recipe_digest(tmp_path, "Say a.", "a.md") != recipe_digest(tmp_path, "Say  a.", "a.md")


MODULE = '''
"""Rules."""
import re
from decimal import ROUND_UP, Decimal

DIGITS, SIGN = "[0-9]+", "-"
GRADE = re.compile(DIGITS)
MONTHS = {"may": 5}
MONTHS |= {"june": 6}


def trim(text):
    """' 7 ' -> 7"""
    return text.strip()


def grade(text):
    return GRADE.fullmatch(trim(text))


@staticmethod
def month(trim, grade="x"):
    return MONTHS.get(trim)


def fee(text, scale=SIGN):
    def half(digits):
        return Decimal(trim(digits))

    return half(text)


RULES = {"grade": grade, "month": month, "fee": lambda text: fee(text)}


def clean(rule, text):
    return RULES[rule](text)
'''


@pytest.mark.parametrize(
    "given, instead, changed",
    [
        ("' 7 ' -> 7", "' 8 ' -> 8", ""),
        ("\n\n\ndef grade", "\n# grades\ndef grade", ""),
        ("GRADE.fullmatch(trim(text))", "(\n        GRADE.fullmatch(trim(text))\n    )", ""),
        ("\n\ndef trim", "\nUNUSED = 1\n\ndef trim", ""),
        ("import ROUND_UP, Decimal", "import Decimal", ""),
        ("GRADE.fullmatch", "GRADE.match", "grade"),
        ("text.strip()", "text.strip('-')", "grade fee"),  # month only has a parameter of that name
        ("[0-9]+", r"\\d+", "grade fee"),  # through a pattern; fee, as one statement makes both texts
        ("import re\n", "import regex as re\n", "grade"),
        ("from decimal import", "from numbers import", "fee"),
        ("@staticmethod", "@classmethod", "month"),
        ('{"june": 6}', '{"june": 7}', "month"),
        ('"month": month', '"month": grade', "month"),
        ("lambda text: fee(text)", "fee", "fee"),
        ("RULES[rule](text)", "RULES[rule](text + '')", "clean"),
        ("\n\nRULES = ", "\n\nprint()\nRULES = ", "grade month fee clean"),  # what defines nothing is used by all
    ],
)
def test_a_definition_counts_where_it_is_used_directly_or_not(tmp_path, given, instead, changed):
    def digests(source: str) -> dict[str, str]:
        recipe_digest(tmp_path, source)
        of = {rule: (f"RULES[{rule}]",) for rule in ("grade", "month", "fee")} | {"clean": ("clean",)}
        return {name: parts.definitions_digest(tmp_path / "rules.py", names, {"RULES"}) for name, names in of.items()}

    assert MODULE.count(given) == 1
    before, after = digests(MODULE), digests(MODULE.replace(given, instead))
    assert {name for name in before if before[name] != after[name]} == set(changed.split())


PACKAGE = {
    "__init__": """
from pack import marks
from pack.signs import SIGN as minus
import decimal

RULES = {"mark": marks.mark, "fee": lambda text: text.strip(minus), "year": lambda text: year(text)}


def year(text):
    from pack import years

    return years.read(text)
""",
    "marks": """
from pack.signs import trim


def mark(text):
    return trim(text)


def other(text):
    return text
""",
    "signs": """
SIGN = "-"


def trim(text):
    return text.strip()
""",
    "years": """
def read(text):
    return int(text)
""",
}


@pytest.mark.parametrize(
    ("module", "given", "instead", "changed"),
    [
        ("marks", "return trim(text)", "return trim(text) or None", "mark"),
        ("signs", "text.strip()", "text.lstrip()", "mark"),  # two modules away
        ("signs", 'SIGN = "-"', 'SIGN = "+"', "fee"),  # by another name
        ("years", "int(text)", "float(text)", "year"),  # imported where it is used
        ("marks", "return text\n", "return None\n", ""),
        ("__init__", "import decimal", "import fractions", ""),
        ("signs", 'SIGN = "-"', '# a sign\nSIGN = "-"', ""),
        ("signs", 'SIGN = "-"', 'print()\nSIGN = "-"', "mark fee"),  # what defines nothing is used by all
    ],
)
def test_a_definition_counts_in_every_module_of_the_package_that_uses_it(tmp_path, module, given, instead, changed):
    def digests() -> dict[str, str]:
        path = tmp_path / "pack/__init__.py"
        return {rule: parts.definitions_digest(path, [f"RULES[{rule}]"], {"RULES"}) for rule in ("mark", "fee", "year")}

    (tmp_path / "pack").mkdir()
    for name, source in PACKAGE.items():
        (tmp_path / f"pack/{name}.py").write_text(source)
    before = digests()
    assert PACKAGE[module].count(given) == 1
    (tmp_path / f"pack/{module}.py").write_text(PACKAGE[module].replace(given, instead))
    after = digests()
    assert {name for name in before if before[name] != after[name]} == set(changed.split())


def test_a_name_that_a_module_does_not_define_is_no_part_of_it(tmp_path):
    (tmp_path / "rules.py").write_text(MODULE)
    with pytest.raises(KeyError, match="marks"):
        parts.definitions_digest(tmp_path / "rules.py", ["marks"])


def test_equal_values_have_equal_digests_whatever_their_order():
    assert parts.digest({"a": 1, "b": [dt.date(2024, 2, 8)]}) == parts.digest({"b": [dt.date(2024, 2, 8)], "a": 1})
    assert parts.digest([("a", 1)]) == parts.digest((["a", 1],))
    values: tuple[Any, ...] = ("", None, 0, "0", False, [], {}, [[]], ["", ""])
    assert len({parts.digest(value) for value in values}) == 9


def test_differences_are_the_parts_that_differ_are_new_or_are_gone():
    recorded = {"recipe:a.py": "1", "upstream:raw.x": "2", "option:old": "3", "same": "4"}
    current = {"recipe:a.py": "9", "upstream:raw.x": "9", "option:new": "3", "same": "4"}
    assert parts.differences(recorded, current) == [
        "recipe:a.py", "upstream:raw.x", "option:new", "option:old (no longer a part)",
    ]  # fmt: skip
    assert parts.differences(recorded, recorded) == []


@pytest.mark.parametrize(
    "differing, said",
    [
        ([], ""),
        (["upstream:raw.x"], "upstream raw.x"),
        (["recipe:a.py", "upstream:raw.x"], "recipe a.py"),  # what changed upstream is said there
        (["recipe:a.py", "recipe:b.py", "option:as_of"], "recipe a.py, b.py; option as_of"),
        ([f"upstream:{name}" for name in "abcde"], "upstream a, b, c and 2 more"),
    ],
)
def test_the_differing_parts_are_named_as_a_person_reads_them(differing, said):
    assert parts.named(differing) == said


def test_a_fingerprint_depends_on_names_and_digests_not_on_their_order():
    assert parts.fingerprint({"a": "1", "b": "2"}) == parts.fingerprint({"b": "2", "a": "1"})
    assert parts.fingerprint({"a": "1", "b": "2"}) != parts.fingerprint({"a": "2", "b": "1"})


# --- the difference -------------------------------------------------------------------------------------------------

TABLE = """
create schema t;
create table t.pupil (
    id text primary key, name text, marks numeric(5, 2), _line bigint, _build bigint,
    double numeric generated always as (marks * 2) stored
);
create index by_name on t.pupil (name) where name is not null;
"""
OLD = [("a", "Ada", 1, 1), ("b", "Bob", 2, 2), ("c", None, None, 3), ("d", "Dan", 4, 4)]


@pytest.fixture
def db(house):
    with house.database.transaction() as connection:
        connection.exec_driver_sql(TABLE)
        yield connection


def offer(db, rows) -> None:
    """Make `offered` hold these (id, name, marks, _line)."""
    db.exec_driver_sql("drop table if exists offered")
    db.exec_driver_sql("create temp table offered (id text, name text, marks numeric(5, 2), _line bigint)")
    for row in rows:
        db.exec_driver_sql("insert into offered values (%s, %s, %s, %s)", row)


def apply(db, rows, *, build: int, prune: bool = True) -> Difference:
    offer(db, rows)
    return apply_difference(
        db, "t.pupil", "offered",
        key=["id"], content=["name", "marks"], provenance=["_line"], stamp=build, whole="offered" if prune else "",
    )  # fmt: skip


def pupils(db) -> list[tuple]:
    return [tuple(row) for row in db.exec_driver_sql("select id, name, marks, _line, _build from t.pupil order by id")]


def test_an_empty_table_is_filled(db):
    assert apply(db, OLD, build=1) == Difference(inserted=4)
    assert pupils(db)[2] == ("c", None, None, 3, 1)


def test_only_what_differs_is_written_and_counted(db):
    apply(db, OLD, build=1)
    new = [("a", "Ada", 1, 1), ("b", "Bob", 2, 20), ("c", None, 3, 30), ("e", "Eva", 5, 5)]
    assert apply(db, new, build=2) == Difference(inserted=1, updated=1, refreshed=1, deleted=1)
    assert pupils(db) == [
        ("a", "Ada", Decimal(1), 1, 1),  # untouched
        ("b", "Bob", Decimal(2), 20, 1),  # provenance alone: no new build
        ("c", None, Decimal(3), 30, 2),  # NULL -> 3 is a change
        ("e", "Eva", Decimal(5), 5, 2),
    ]
    assert db.exec_driver_sql("select double from t.pupil where id = 'c'").scalar() == 6


def test_equal_rows_cost_no_write(db):
    apply(db, OLD, build=1)
    before = db.exec_driver_sql("select xmin, ctid from t.pupil order by id").all()
    assert apply(db, OLD, build=2) == Difference()
    assert db.exec_driver_sql("select xmin, ctid from t.pupil order by id").all() == before


def test_without_prune_the_source_holds_changed_keys_only(db):
    apply(db, OLD, build=1)
    assert apply(db, [("b", "Rob", 2, 9)], build=2, prune=False) == Difference(updated=1)
    assert [row[0] for row in pupils(db)] == ["a", "b", "c", "d"]


def test_an_empty_source_empties_the_table_only_when_it_prunes(db):
    apply(db, OLD, build=1)
    assert apply(db, [], build=2, prune=False) == Difference()
    assert apply(db, [], build=3) == Difference(deleted=4)
    assert apply(db, OLD, build=4) == Difference(inserted=4)


def test_a_table_of_keys_alone_can_be_written(db):
    db.exec_driver_sql("create table t.pair (a int, b int, primary key (a, b))")
    how: dict[str, Any] = {"key": ["a", "b"], "content": [], "whole": "pairs"}
    for pairs, expected in [
        ("(1, 1), (1, 2)", Difference(inserted=2)),
        ("(1, 2), (2, 1)", Difference(inserted=1, deleted=1)),
    ]:
        db.exec_driver_sql(f"create temp table pairs as select * from (values {pairs}) as v (a, b)")
        assert apply_difference(db, "t.pair", "pairs", **how) == expected
        db.exec_driver_sql("drop table pairs")


def test_changed_counts_content_not_provenance():
    assert Difference(inserted=1, updated=2, refreshed=4, deleted=8).changed == 11


def test_rows_are_counted_or_reckoned_from_the_rows_before(db):
    apply(db, OLD, build=1)
    assert count_rows(db, "t.pupil", Difference(), None) == 4
    assert count_rows(db, "t.pupil", Difference(inserted=3, updated=5, deleted=1), 10) == 12


def test_columns_of_a_table_leave_generated_ones_out(db):
    assert columns_of(db, "t.pupil") == ["id", "name", "marks", "_line", "_build"]


def structure(db, table: str) -> tuple[list, list]:
    """The indexes and the constraints of a table, as PostgreSQL writes them down."""
    indexes = "select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index where indrelid"
    keys = "select conname, contype, pg_get_constraintdef(oid) from pg_constraint where conrelid"
    both = (f"{query} = '{table}'::regclass order by 1" for query in (indexes, keys))
    return tuple(db.exec_driver_sql(query).all() for query in both)


def test_filling_without_indexes_leaves_every_index_and_key_as_it_was(db):
    db.exec_driver_sql("""
        create table t.rich (
            id int constraint "Odd Name" primary key, a text unique, b int check (b > 0), c int references t.rich,
            d int4range, exclude using gist (d with &&)
        );
        create index "Odd Index" on t.rich (b desc nulls last, lower(a)) include (c) where b <> 3;
        create unique index on t.rich (c, b);
        create table t.refers (id int references t.rich)
    """)
    before = structure(db, "t.rich")
    assert (
        fill(db, "t.rich", "insert into t.rich select n, 'x' || n, n from generate_series(1, :many) as n", {"many": 5})
        == 5
    )
    assert structure(db, "t.rich") == before
    with pytest.raises(DBAPIError), db.begin_nested():
        db.exec_driver_sql("insert into t.rich (id, a) values (1, 'y')")


def test_rows_that_break_a_key_are_found_when_the_key_comes_back(db):
    with pytest.raises(DBAPIError) as caught, without_indexes(db, "t.pupil"):
        db.exec_driver_sql("insert into t.pupil (id) values ('Asha Rao'), ('Asha Rao')")
    assert "Asha" not in complaint(caught.value)


@pytest.mark.parametrize("few", [True, False])
def test_foreign_keys_of_few_and_of_many_new_rows_are_checked(db, few):
    db.exec_driver_sql("create table t.mark (id int primary key, pupil text references t.pupil, day int)")
    apply(db, OLD, build=1)
    db.exec_driver_sql("insert into t.mark values (0, 'a', 0)")
    how: dict[str, Any] = {"key": ["id"], "content": ["pupil", "day"]}
    rows = MANY // 2 if few else MANY * 2

    def add(pupils: str) -> Difference:
        db.exec_driver_sql("drop table if exists marks")
        numbers = f"generate_series(1, {rows}) as n"
        db.execute(text(f"create temp table marks as select n as id, ({pupils}) as pupil, n as day from {numbers}"))
        return apply_difference(db, "t.mark", "marks", **how)

    with pytest.raises(IntegrityError) as caught, db.begin_nested():
        add(f"case when n = {rows} then 'Nobody' else 'a' end")
    assert "23503" in complaint(caught.value) and "Nobody" not in complaint(caught.value)
    assert add("case when n % 2 = 0 then 'a' end") == Difference(inserted=rows)
    with pytest.raises(IntegrityError), db.begin_nested():
        db.exec_driver_sql("insert into t.mark values (-1, 'nobody', 1)")


def test_a_check_that_comes_later_is_made_for_many_new_rows_too(db):
    db.exec_driver_sql("""
        create table t.span (id int primary key, until int, pupil text references t.pupil,
            unique (until) deferrable initially deferred)
    """)
    db.exec_driver_sql("insert into t.span values (0, 0)")
    db.exec_driver_sql(
        f"create temp table spans as select n as id, 1 as until from generate_series(1, {2 * MANY}) as n"
    )
    apply_difference(db, "t.span", "spans", key=["id"], content=["until"])
    with pytest.raises(IntegrityError), db.begin_nested():
        db.exec_driver_sql("set constraints all immediate")
    db.exec_driver_sql("delete from t.span")


def test_a_foreign_key_set_aside_is_added_once_and_checks_what_is_there(db):
    db.exec_driver_sql("create table t.marks (pupil text)")
    db.exec_driver_sql(
        "insert into etl.foreign_keys values ('t.marks', 'marks_pupil', 'FOREIGN KEY (pupil) REFERENCES t.pupil(id)')"
    )
    apply(db, OLD, build=1)
    db.exec_driver_sql("insert into t.marks values ('a')")
    add_foreign_keys(db, "t.marks")
    add_foreign_keys(db, "t.marks")
    assert [(name, kind) for name, kind, _ in structure(db, "t.marks")[1]] == [("marks_pupil", "f")]
    db.exec_driver_sql("alter table t.marks drop constraint marks_pupil")
    db.exec_driver_sql("insert into t.marks values ('nobody')")
    with pytest.raises(DBAPIError):
        add_foreign_keys(db, "t.marks")


# --- COPY -----------------------------------------------------------------------------------------------------------

AWKWARD = [
    None, "", " ", "NULL", "\\N", "\\.", "\\", "a\\nb", "\n", "a\nb", "\r\n", "\r", "\t", '"', '""', 'say "hi"', ",",
    "a,b;c|d", "007", " 7 ", "NA", "ⅷ ≠ 8", "Zoë", "e\u0301", "李雷", "\U0001f469\u200d\U0001f3eb", "\u200b", "\ufeff",
    "\x01", "\x7f", "'", "--", "%s", ":id", "{}", "\\x22", "x" * 100_000,
]  # fmt: skip


def test_text_comes_back_as_it_went_in(db):
    db.exec_driver_sql("create table t.words (n bigint, word text)")
    rows = pa.table({"n": range(len(AWKWARD)), "word": pa.array(AWKWARD, pa.string())})
    copy_in(db, "t.words", [rows.slice(0, 5), rows.slice(5, 0), rows.slice(5)])
    assert [row.word for row in db.exec_driver_sql("select word from t.words order by n")] == AWKWARD
    types = {"n": pa.int64(), "word": pa.string()}
    back = pa.concat_tables(copy_out(db, "select n, word from t.words order by n", {}, types, 7))
    assert back["word"].to_pylist() == AWKWARD
    assert back["n"].to_pylist() == list(range(len(AWKWARD)))


def test_a_column_of_nothing_but_nulls_or_blanks_survives(db):
    db.exec_driver_sql("create table t.words (word text)")
    for words in ([None, None], ["", ""], [None], [""]):
        copy_in(db, "t.words", [pa.table({"word": pa.array(words, pa.string())})])
        (back,) = copy_out(db, "select word from t.words", {}, {"word": pa.string()}, 100)
        assert (back["word"].to_pylist(), db.exec_driver_sql("delete from t.words").rowcount) == (words, len(words))


def test_typed_columns_arrive_as_they_are(db):
    db.exec_driver_sql("create table t.typed (i bigint, n numeric(14, 2), d date, t timestamptz, b boolean, a text[])")
    instant = dt.datetime(2024, 2, 8, 23, 59, 59, 999999, tzinfo=dt.UTC)
    row = {
        "i": pa.array([-(2**63), None]),
        "n": pa.array([Decimal("-999999999999.99"), None], pa.decimal128(14, 2)),
        "d": pa.array([dt.date(1950, 1, 1), None]),
        "t": pa.array([instant, None], pa.timestamp("us", tz="UTC")),
        "b": pa.array([True, None]),
        "a": pa.array(['{"New Delhi","a\\"b","NULL"}', "{}"]),
    }
    copy_in(db, "t.typed", [pa.table(row)])
    assert [tuple(found) for found in db.exec_driver_sql("select * from t.typed order by i")] == [
        (-(2**63), Decimal("-999999999999.99"), dt.date(1950, 1, 1), instant, True, ["New Delhi", 'a"b', "NULL"]),
        (None, None, None, None, None, []),
    ]


def test_rows_come_in_chunks_of_the_size_asked_for(db):
    db.exec_driver_sql("create table t.words (word text)")
    copy_in(db, "t.words", [pa.table({"word": pa.array(["it's"] * 25)})])
    query = "select word from t.words where word = %(word)s"
    chunks = copy_out(db, query, {"word": "it's"}, {"word": pa.string()}, 10)
    assert [len(chunk) for chunk in chunks] == [10, 10, 5]
    assert list(copy_out(db, query, {"word": "none"}, {"word": pa.string()}, 10)) == []


def test_a_chunk_of_wide_rows_is_bounded_in_bytes_too(db):
    wide = "select repeat('x', 10000000) as word from generate_series(1, 20)"
    chunks = [chunk.nbytes for chunk in copy_out(db, wide, {}, {"word": pa.string()}, 100_000)]
    assert sum(chunks) > 200_000_000 and max(chunks) < 80_000_000


def test_nothing_to_copy_is_no_copy(db):
    copy_in(db, "t.no_such_table", [])


def test_an_error_while_rows_are_made_stops_the_copy(db):
    def rows():
        yield pa.table({"id": ["a"]})
        raise ValueError("the reader stopped")

    with pytest.raises(Exception, match="the reader stopped"), db.begin_nested():
        copy_in(db, "t.pupil", rows())
    assert pupils(db) == []


@pytest.mark.parametrize("many", [10, 400_000])
def test_rows_set_aside_arrive_from_memory_and_from_disk(db, many):
    db.exec_driver_sql("create table t.aside (n bigint, word text)")
    rows = pa.table({"n": range(many), "unused": ["x"] * many, "word": pa.array([None, ""] * (many // 2), pa.string())})
    with Spool(db, "t.aside", ["n", "word"]) as spool:
        for start in range(0, many, 100_000):
            spool.add(rows.slice(start, 100_000))
            spool.add(rows.slice(0, 0))
        spool.add(
            pa.table({"n": [many], "unused": ["x"], "word": ["y" * 20_000_000]}) if many > 10 else rows.slice(0, 0)
        )
        assert spool._file._rolled == (many > 10)
        spool.copy_in()
    counts = "select count(*), count(word), count(distinct n) from t.aside"
    extra = many > 10
    assert db.exec_driver_sql(counts).one() == (many + extra, many // 2 + extra, many + extra)


def test_a_spool_without_rows_copies_nothing(db):
    with Spool(db, "t.pupil", ["id"]) as spool:
        spool.copy_in()
    assert pupils(db) == []


# --- ahead ----------------------------------------------------------------------------------------------------------


def test_items_made_ahead_keep_their_order():
    assert list(ahead(iter(range(1000)))) == list(range(1000))
    assert list(ahead([])) == []


def test_items_are_made_at_most_depth_ahead_of_their_use():
    made = []

    def items():
        for number in range(100):
            made.append(number)
            yield number

    def are_made(number: int) -> None:
        until(lambda: len(made) >= min(number, 100))

    for used, _ in enumerate(ahead(items(), depth=2)):
        most = used + 1 + 2 + 1  # used, queued, and the one in hand
        are_made(most)
        assert len(made) <= min(most, 100)
    assert len(made) == 100


def test_an_error_of_the_producer_reaches_the_consumer_after_the_items_before_it():
    def items():
        yield 1
        yield 2
        raise KeyError("three")

    seen = []
    with pytest.raises(KeyError, match="three"):
        for item in ahead(items()):
            seen.append(item)
    assert seen == [1, 2]


@pytest.mark.parametrize("endless", [True, False])
def test_a_consumer_that_leaves_early_stops_the_thread_and_closes_the_producer(endless):
    closed, before = threading.Event(), set(threading.enumerate())

    def items():
        try:
            yield 1
            while endless:
                yield 2
        finally:
            closed.set()

    started: Any = ahead(items())
    assert next(started) == 1
    started.close()
    assert closed.is_set()
    assert set(threading.enumerate()) <= before


def test_a_consumer_that_fails_stops_the_thread_too():
    before = set(threading.enumerate())
    with pytest.raises(ZeroDivisionError):
        for _ in ahead(iter(int, 1)):
            _ = 1 / 0
    assert set(threading.enumerate()) <= before


# --- locks and retries ----------------------------------------------------------------------------------------------


def test_locks_are_taken_in_one_order_whatever_the_target(house):
    asked = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        if "pg_advisory" in statement:
            asked.append(parameters["keys"])

    held = "select mode from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
    for target, inputs in [("b", ["c", "a"]), ("a", ["c", "b"]), ("c", ["c", "a", "a"])]:
        asked.clear()
        with house.database.transaction() as db:
            event.listen(db, "before_cursor_execute", note)
            lock(db, target, inputs)
            modes = sorted(db.exec_driver_sql(held).scalars())
        names = sorted({target, *inputs})
        assert asked == [[lock_key(name) for name in names]]
        assert modes == ["ExclusiveLock"] + ["ShareLock"] * (len(names) - 1)


def test_readers_share_a_target_and_its_builder_has_it_alone(house):
    def can(kind: str, name: str) -> bool:
        with house.database.transaction() as other:
            return other.execute(
                text(f"select pg_try_advisory_xact_lock{kind}(:key)"), {"key": lock_key(name)}
            ).scalar()

    with house.database.transaction() as db:
        lock(db, "warehouse.fact", ["staging.input"])
        assert not can("", "warehouse.fact") and not can("_shared", "warehouse.fact")
        assert not can("", "staging.input") and can("_shared", "staging.input")
    assert can("", "warehouse.fact") and can("", "staging.input")


def test_lock_keys_of_all_targets_differ():
    names = [f"{schema}.{table}" for schema in ("raw", "staging") for table in "abcdefgh"]
    assert len({lock_key(name) for name in names}) == len(names)
    assert all(-(2**63) <= lock_key(name) < 2**63 for name in names)


class Deadlock(Exception):
    pgcode = "40P01"


class Violation(Exception):
    pgcode = "23505"


@pytest.mark.parametrize("error, tries", [(Deadlock, 3), (Violation, 1), (ValueError, 1)])
def test_only_what_a_retry_can_mend_is_tried_again(error, tries):
    calls = []

    def work():
        calls.append(1)
        raise error

    with pytest.raises(error):
        retrying(work, attempts=3)
    assert len(calls) == tries


def test_work_that_succeeds_the_second_time_is_done():
    outcomes = iter([Deadlock(), None])

    def work():
        outcome = next(outcomes)
        if outcome:
            raise outcome
        return "done"

    assert retrying(work) == "done"
    assert is_retryable(Deadlock()) and not is_retryable(Violation())


# --- messages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement, says",
    [
        ("insert into t.pupil (id) values ('asha@example.org'), ('asha@example.org')", "pupil_pkey"),
        ("insert into t.pupil (id, marks) values ('asha@example.org', 99999)", "NumericValueOutOfRange"),
        ("select 'asha@example.org'::date", "InvalidDatetimeFormat"),
        ("select 'asha@example.org'::bigint", "22P02"),
        ("alter table t.pupil add check (id > 'b'); insert into t.pupil (id) values ('asha')", "pupil_id_check"),
        ("insert into t.pupil (name) values ('asha@example.org')", "column id"),
    ],
)  # fmt: skip
def test_a_complaint_names_the_place_and_never_a_value(db, statement, says):
    with pytest.raises(DBAPIError) as caught, db.begin_nested():
        db.exec_driver_sql(statement)
    assert "asha" not in complaint(caught.value)
    assert says in complaint(caught.value)


def test_a_complaint_about_the_query_itself_is_quoted(db):
    with pytest.raises(DBAPIError) as caught, db.begin_nested():
        db.exec_driver_sql("select * from t.nothing")
    assert complaint(caught.value) == 'UndefinedTable: relation "t.nothing" does not exist (SQLSTATE 42P01)'


def test_a_complaint_about_a_broken_connection_says_so(house):
    with pytest.raises(DBAPIError) as caught, house.database.transaction() as db:
        own = db.exec_driver_sql("select pg_backend_pid()").scalar()
        house.query("select pg_terminate_backend(%s)", own)
        db.exec_driver_sql("select 1")
    assert "connection" in complaint(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg2://teacher:s3cret@localhost:1/school",
        "postgresql+psycopg2://teacher@localhost:1/school?password=s3cret",
        "postgresql+psycopg2://teacher:s3cret@localhost:1/school?no_such_option=1",
        "postgresql+psycopg2://teacher:s3cret@localhost:1/school?sslmode=bogus",
        "postgresql://teacher:s3cret@localhost:port/school",
        "mysql://teacher:s3cret@localhost/school",
        "s3cret",
    ],
)
def test_a_database_that_cannot_be_used_is_named_without_its_password(url, tmp_path):
    with pytest.raises(DatabaseError) as caught:
        Database(url, tmp_path).connect()
    assert "s3cret" not in str(caught.value)
    assert "EDUFLOW_DATABASE" in str(caught.value)
    assert "s3cret" not in repr(Database(url, tmp_path))


def test_the_embedded_database_is_named_by_its_folder(tmp_path):
    assert str(Database("", tmp_path)) == f"embedded PostgreSQL in {tmp_path}"


def test_a_transaction_is_rolled_back_when_its_block_raises(house):
    with pytest.raises(ValueError), house.database.transaction() as db:
        db.exec_driver_sql("create table public.half_done ()")
        raise ValueError
    assert house.one("select to_regclass('public.half_done')") is None


def test_a_session_speaks_utc_and_iso(house):
    with house.database.transaction() as db:
        assert (
            db.exec_driver_sql("select timestamptz '2024-02-08 01:00+05:30' :: text").scalar()
            == "2024-02-07 19:30:00+00"
        )
        assert db.exec_driver_sql("show idle_in_transaction_session_timeout").scalar() == "15min"


def test_connections_are_new_ones_so_that_none_crosses_a_fork(house):
    pids = set()
    for _ in range(2):
        with house.database.transaction() as db:
            pids.add(db.exec_driver_sql("select pg_backend_pid()").scalar())
    assert len(pids) == 2


# --- files ----------------------------------------------------------------------------------------------------------


def test_files_are_written_and_those_written_before_and_no_others_removed(tmp_path):
    before = write_files(tmp_path, "rejects/*.csv", {"rejects/old.csv": ["stale"]})
    (tmp_path / "rejects/mine.csv").write_text("a person's")
    files = {"rejects/a.csv": ["x\r\n", "é\n"], "rejects/b.csv": []}
    after = write_files(tmp_path, "rejects/*.csv", files, recorded=before.content)
    assert {path.name: path.read_bytes() for path in (tmp_path / "rejects").iterdir()} == {
        "a.csv": b"x\r\n\xc3\xa9\n",
        "b.csv": b"",
        "mine.csv": b"a person's",
    }
    assert not after.kept


def test_files_of_a_version_that_recorded_one_digest_of_all_are_known_as_ours(tmp_path):
    old = {"rejects/a.csv": "1", "rejects/b.csv": "2"}
    (tmp_path / "rejects").mkdir()
    for name, content in old.items():
        (tmp_path / name).write_text(content)
    recorded = digest({name: hashlib.sha256(content.encode()).hexdigest() for name, content in old.items()})
    assert fault(tmp_path, "rejects/*.csv", recorded)  # so that they get their mode and their list
    write_files(tmp_path, "rejects/*.csv", {"rejects/a.csv": ["new"]}, recorded=recorded, expendable=())
    assert {path.name: path.read_text() for path in (tmp_path / "rejects").iterdir()} == {"a.csv": "new"}


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    write_files(tmp_path, "*.md", {"a.md": ["old"]})

    def half():
        yield "new, "
        raise psycopg2.OperationalError

    with pytest.raises(psycopg2.OperationalError):
        write_files(tmp_path, "*.md", {"a.md": half()})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.md": "old"}


@pytest.mark.parametrize("pattern, name", [("rejects/*.csv", "rejects/a.csv"), ("report.html", "report.html")])
def test_the_next_writer_removes_what_a_killed_one_left(tmp_path, pattern, name):
    def killed(file):
        file.write(b"half")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    writer = os.fork()
    if not writer:
        write_files(tmp_path, pattern, {name: killed})
    assert os.waitpid(writer, 0)[1] == signal.SIGKILL
    left = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert len(left) == 1 and tmp_path / name not in left
    write_files(tmp_path, "other.*", {"other.md": ["somebody else's"]})
    assert left < set(tmp_path.rglob("*"))
    write_files(tmp_path, pattern, {name: ["new"]})
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {tmp_path / name, tmp_path / "other.md"}


def test_a_reader_who_has_the_file_open_keeps_the_old_content_whole(tmp_path):
    write_files(tmp_path, "*.md", {"a.md": ["old " * 10_000]})
    with (tmp_path / "a.md").open() as reader:
        assert reader.read(4) == "old "
        write_files(tmp_path, "*.md", {"a.md": ["new"]})
        assert reader.read() == "old " * 9_999


def test_edited_lost_and_opened_files_are_known(tmp_path):
    files = {"a.md": ["one"], "b.md": ["two"]}
    written = write_files(tmp_path, "*.md", files).content
    assert fault(tmp_path, "*.md", written) == ""
    (tmp_path / "c.md").write_text("a person's")
    assert fault(tmp_path, "*.md", written) == ""
    (tmp_path / "a.md").write_text("One")
    assert fault(tmp_path, "*.md", written) == "edited or deleted by hand"
    assert fault(tmp_path, "*.md", written, edits_are_kept=True) == ""
    (tmp_path / "a.md").unlink()
    assert fault(tmp_path, "*.md", written) == "edited or deleted by hand"
    assert fault(tmp_path, "*.md", written, edits_are_kept=True) == "edited or deleted by hand"
    assert write_files(tmp_path, "*.md", files, recorded=written).content == written
    (tmp_path / "a.md").chmod(0o644)
    assert "open to more people" in fault(tmp_path, "*.md", written)
    assert fault(tmp_path / "nowhere", "*.md", written) == "edited or deleted by hand"
    assert fault(tmp_path / "nowhere", "*.md", write_files(tmp_path / "nowhere", "*.md", {}).content) == ""
    assert not (tmp_path / "nowhere").exists()


def test_an_edited_file_is_kept_and_the_new_one_written_beside_it_until_the_edits_are_safe(tmp_path):
    name, beside, again = (f"r/a{more}.csv" for more in ("", ".new", ".new-2"))

    def write(content: str, recorded: Written, expendable: tuple[str, ...] = ()) -> Written:
        return write_files(tmp_path, "r/*.csv", {name: [content]}, recorded=recorded.content, expendable=expendable)

    def there() -> dict[str, str]:
        return {f"r/{path.name}": path.read_text() for path in (tmp_path / "r").iterdir()}

    written = write("1", Written(""))
    (tmp_path / name).write_text("mended")
    written = write("2", written)
    assert (written.kept, there()) == (((name, beside),), {name: "mended", beside: "2"})
    written = write("3", written)
    assert (written.kept, there()) == (((name, beside),), {name: "mended", beside: "3"})
    (tmp_path / beside).write_text("mended, too")
    written = write("4", written)
    assert there() == {name: "mended", beside: "mended, too", again: "4"}
    safe = tuple(hashlib.sha256(text.encode()).hexdigest() for text in ("mended", "mended, too"))
    written = write("5", written, safe)
    assert there() == {name: "5", beside: "mended, too"}
    (tmp_path / name).write_text("mended again")
    written = write_files(tmp_path, "r/*.csv", {}, recorded=written.content, expendable=())
    assert (written.kept, there()) == (((name, ""),), {name: "mended again", beside: "mended, too"})
