"""Staging is a function of the dated drops: not of their order, not of how many came in one run, not of how often a
recipe changed. Every row is accounted for, and what is built on staging follows it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise, permutations

import psycopg2
import pytest
from conftest import csv_text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config import PROJECT
from pipeline.datasets import DATASETS
from pipeline.ingest import RAW
from pipeline.staging import STAGED

pytestmark = pytest.mark.usefixtures("trusting")

Files = dict[str, str]


def progress(*rows: dict[str, str]) -> str:
    return csv_text("student_progress", *rows)


def emptied(house) -> None:
    """The house as it was on its first day: no file, no schema."""
    house.start_anew()
    shutil.rmtree(house.data)
    house.data.mkdir()


def load(house, *runs: Files, goal: str = "EduFlow") -> None:
    """Drop the files of each run, and run."""
    for files in runs:
        for path, content in files.items():
            house.drop(path, content)
        assert house.run(goal) == 0


def account(house) -> list[tuple]:
    return house.query("""
        select dataset, drop_date, path, read, current, superseded, duplicate, rejected from etl.drops order by 1, 2, 3
    """)


def ledger(house) -> dict[str, list[tuple]]:
    """What the ledger keeps of rows: without drop ids, which say when a file came."""
    return {
        "rejects": house.query("""
            select d.path, r.line, r.dataset, r.outcome, r.reasons, r.key, r.original::text
            from etl.rejects as r inner join etl.drops as d using (drop_id) order by 1, 2
        """),
        "stats": house.query("""
            select d.path, s."column", s.rule, s.changed, s.flagged, s.rejected
            from etl.rule_stats as s inner join etl.drops as d using (drop_id) order by 1, 2, 3
        """),
        "open": house.query("""
            select d.path, o.line, o.key from staging.open_rejects as o inner join etl.drops as d using (drop_id)
            order by 1, 2
        """),
    }


def provenance(house) -> list[tuple]:
    """Where each staged row came from."""
    query = " union all ".join(
        f"select '{dataset.table}', s.{dataset.key}, d.path, s._line from staging.{dataset.table} as s "
        "inner join etl.drops as d on s._drop_id = d.drop_id"
        for dataset in DATASETS.values()
    )
    return sorted(house.query(query))


def everything(house) -> tuple:
    return house.contents(), account(house), ledger(house), provenance(house)


# --- three days of every kind of trouble ----------------------------------------------------------------------------

MONDAY: Files = {
    "2024-02-05/student_progress.csv": progress(
        {"event_id": "same"},
        {"event_id": "corrected", "score": "10"},
        {"event_id": "moved", "student_id": "STU007", "course_id": "CRS007"},
        {"event_id": "twice", "score": "1"},
        {"event_id": "twice", "score": "2"},
        {"event_id": "bad then good", "student_id": "?"},
        {"event_id": "", "student_id": "STU001"},
    ),
    "2024-02-05/students_enrollment.csv": csv_text(
        "students_enrollment", {}, {"student_id": "STU002", "program_id": "PROG009", "email": "nobody"}
    ),
    "2024-02-05/course_catalog.csv": csv_text(
        "course_catalog", {}, {"course_id": "CRS002", "instructor_name": "Dr. Gone"}
    ),
    "2024-02-05/support_tickets.csv": csv_text("support_tickets", {"student_id": "STU008"}, {"ticket_id": "TKT002"}),
}
TUESDAY: Files = {
    "2024-02-06/student_progress.csv": progress(
        {"event_id": "same"},
        {"event_id": "corrected", "score": "20"},
        {"event_id": "moved", "student_id": "STU001", "course_id": "CRS001"},
        {"event_id": "good then bad", "score": "50"},
        {"event_id": "late", "event_timestamp": "2024-02-05T23:59:59Z", "student_id": "STU002"},
    ),
    "2024-02-06/students_enrollment.csv": csv_text(
        "students_enrollment", {"student_id": "STU002", "program_id": "PROG002"}
    ),
    "2024-02-06/course_catalog.csv": csv_text("course_catalog", {}),
    "2024-02-06/support_tickets.csv": csv_text("support_tickets", {"student_id": "STU001"}),
}
WEDNESDAY: Files = {
    "2024-02-07/student_progress.csv": progress(
        {"event_id": "same"},
        {"event_id": "corrected", "score": "10"},
        {"event_id": "good then bad", "student_id": "?"},
        {"event_id": "bad then good"},
        {"event_id": "twice", "score": "2"},
    ),
    "2024-02-07/course_catalog.csv": csv_text("course_catalog", {}, {"course_id": "CRS003"}),
    "2024-02-07/city_master.csv": csv_text("city_master", {}),
}
DAYS = (MONDAY, TUESDAY, WEDNESDAY)


def test_loading_day_by_day_equals_loading_all_at_once(house):
    load(house, MONDAY | TUESDAY | WEDNESDAY)
    at_once = everything(house)
    emptied(house)
    load(house, *DAYS)
    assert everything(house) == at_once
    assert house.do("verify") == 0


def test_the_order_of_arrival_does_not_matter(house):
    """Each of the six orders: corrections, rejects, duplicates, moved students, identical rows sent again."""
    load(house, *DAYS)
    in_order = everything(house)
    for order in list(permutations(DAYS))[1:]:
        emptied(house)
        load(house, *order)
        assert everything(house) == in_order


def test_the_days_of_trouble_come_out_as_a_person_would_say(house):
    load(house, WEDNESDAY, MONDAY, TUESDAY)
    assert house.query("select event_id, student_id, course_id, score::int from staging.stg_progress order by 1") == [
        ("bad then good", "STU001", "CRS001", 80),
        ("corrected", "STU001", "CRS001", 10),
        ("good then bad", "STU001", "CRS001", 50),
        ("late", "STU002", "CRS001", 80),
        ("moved", "STU001", "CRS001", 80),
        ("same", "STU001", "CRS001", 80),
        ("twice", "STU001", "CRS001", 2),
    ]
    read_to_rejected = [row[1:2] + row[3:] for row in account(house) if row[0] == "student_progress"]
    assert [row[1:] for row in read_to_rejected] == [(7, 0, 4, 1, 2), (5, 3, 2, 0, 0), (5, 4, 0, 0, 1)]
    assert house.query("select student_id from warehouse.dim_students where is_inferred") == []
    assert house.query("select course_id, vanished_on::text from warehouse.dim_courses order by 1") == [
        ("CRS001", None), ("CRS002", "2024-02-06"), ("CRS003", None),
    ]  # fmt: skip


# --- what moves, what stays -----------------------------------------------------------------------------------------


def test_a_row_that_moves_leaves_no_group_no_student_no_course_behind(house):
    load(
        house,
        {"2024-02-01/student_progress.csv": progress({}, {"event_id": "e2", "student_id": "9", "course_id": "X"})},
    )
    assert house.one("select count(*) from warehouse.fact_course_progress") == 2
    load(house, {"2024-02-02/student_progress.csv": progress({"event_id": "e2"})})
    assert house.query("select events from warehouse.fact_course_progress") == [(2,)]
    assert house.query("select student_id from warehouse.dim_students") == [("STU001",)]
    assert house.query("select course_id from warehouse.dim_courses") == [("CRS001",)]
    assert house.query("select item from analytics.review_queue where kind = 'orphan' order by 1") == [
        ("CRS001",),
        ("STU001",),
    ]


def test_a_student_whose_last_ticket_moves_away_is_gone(house):
    load(house, {"2024-02-01/support_tickets.csv": csv_text("support_tickets", {"student_id": "STU009"})})
    load(house, {"2024-02-02/support_tickets.csv": csv_text("support_tickets", {})})
    assert house.query("select student_id from warehouse.dim_students") == [("STU001",)]
    assert house.one("select count(*) from warehouse.fact_support_tickets") == 1


def test_the_last_student_of_a_program_moves_and_keeps_the_enrolment(house):
    """The program is deleted, and with it, by cascade, the fact: which must come back with the new program."""
    load(house, {"2024-02-01/students_enrollment.csv": csv_text("students_enrollment", {})})
    load(house, {"2024-02-02/students_enrollment.csv": csv_text("students_enrollment", {"program_id": "PROG002"})})
    assert house.query("select program_id from warehouse.dim_programs") == [("PROG002",)]
    assert (
        house.one(
            "select count(*) from warehouse.fact_enrollments inner join warehouse.dim_programs using (program_key)"
        )
        == 1
    )


def test_the_last_course_of_an_instructor_changes_hands(house):
    load(house, {"2024-02-01/course_catalog.csv": csv_text("course_catalog", {})})
    load(house, {"2024-02-02/course_catalog.csv": csv_text("course_catalog", {"instructor_name": "Dr. New"})})
    joined = (
        "select instructor_name from warehouse.dim_courses left join warehouse.dim_instructors using (instructor_key)"
    )
    assert house.query(joined) == [("Dr. New",)]


def test_a_late_older_drop_adds_what_is_new_and_changes_nothing_newer(house):
    load(house, {"2024-02-03/student_progress.csv": progress({"score": "30"})})
    load(house, {"2024-02-01/student_progress.csv": progress({"score": "10"}, {"event_id": "e2", "score": "11"})})
    assert house.query("select event_id, score::int from staging.stg_progress order by 1") == [
        ("e2", 11),
        ("evt-001", 30),
    ]
    assert house.balance() == [(2, 1, 1, 0, 0), (1, 1, 0, 0, 0)]
    load(house, {"2024-02-02/student_progress.csv": progress({"score": "20"}, {"event_id": "e2", "score": "22"})})
    assert house.query("select event_id, score::int from staging.stg_progress order by 1") == [
        ("e2", 22),
        ("evt-001", 30),
    ]
    assert house.balance() == [(2, 0, 2, 0, 0), (2, 1, 1, 0, 0), (1, 1, 0, 0, 0)]


def test_dates_count_not_paths_when_files_of_one_run_are_in_another_order(house):
    newer, older = progress({"score": "30"}), progress({"score": "10"})
    load(house, {"a/2024-02-03/student_progress.csv": newer, "b/2024-02-01/student_progress.csv": older})
    assert house.one("select score::int from staging.stg_progress") == 30
    assert house.balance() == [(1, 0, 1, 0, 0), (1, 1, 0, 0, 0)]


def test_an_identical_newer_row_refreshes_only_where_it_came_from(house):
    load(house, {"2024-02-01/student_progress.csv": progress({"event_id": "other"}, {})})
    load(house, {"2024-02-02/student_progress.csv": progress({}, {"event_id": "new"})})
    assert house.query("""
        select s.event_id, d.drop_date::text, s._line, s._build
        from staging.stg_progress as s inner join etl.drops as d on s._drop_id = d.drop_id order by 1
    """) == [("evt-001", "2024-02-02", 2, 1), ("new", "2024-02-02", 3, 2), ("other", "2024-02-01", 2, 1)]
    assert house.one("select changed from etl.targets where target = 'staging.stg_progress'") == 1
    assert house.balance() == [(2, 1, 1, 0, 0), (2, 2, 0, 0, 0)]


def test_an_identical_row_of_a_late_older_drop_refreshes_nothing(house):
    load(
        house,
        {"2024-02-02/student_progress.csv": progress({})},
        {"2024-02-01/student_progress.csv": progress({"event_id": "e2"}, {})},
    )
    assert house.query("""
        select d.drop_date::text, s._line from staging.stg_progress as s
        inner join etl.drops as d on s._drop_id = d.drop_id where s.event_id = 'evt-001'
    """) == [("2024-02-02", 2)]


def test_a_file_that_goes_back_to_its_first_content_wins_again(house):
    first, second = progress({"score": "1"}), progress({"score": "2"})
    for content in (first, second, first):
        load(house, {"2024-02-01/student_progress.csv": content})
    assert house.one("select score::int from staging.stg_progress") == 1
    assert house.balance() == [(1, 0, 1, 0, 0), (1, 0, 1, 0, 0), (1, 1, 0, 0, 0)]


# --- cleaning again -------------------------------------------------------------------------------------------------

AGE_A_RECIPE = """
    update etl.targets
    set parts = jsonb_set(parts, '{rule:clean}', '"older"'), fingerprint = 'x' where target = %s
"""


def test_cleaning_again_from_raw_gives_the_same_tables_and_the_same_account(house):
    load(house, WEDNESDAY, MONDAY, TUESDAY)
    before, builds = everything(house), house.builds()
    content = "select event_id, _build from staging.stg_progress order by 1"
    stamps = house.query(content)
    house.query(AGE_A_RECIPE, "staging.stg_progress")
    assert house.run() == 0
    assert everything(house) == before
    assert house.query(content) == stamps, "no row changed, so none has a new build"
    assert house.rebuilt_since(builds) == {"staging.stg_progress"}
    assert house.one("select why from etl.targets where target = 'staging.stg_progress'") == "rule clean"
    assert house.do("verify") == 0


def test_cleaning_everything_again_rewrites_rejects_and_counts_once(house):
    load(house, WEDNESDAY, MONDAY, TUESDAY)
    before = everything(house)
    house.query("update etl.rejects set reasons = '{older_reason}' where outcome = 'rejected'")
    house.query("update etl.rule_stats set changed = changed + 100")
    for dataset in DATASETS.values():
        house.query(AGE_A_RECIPE, f"staging.{dataset.table}")
    assert house.run() == 0
    assert everything(house) == before


def test_a_recipe_that_now_rejects_a_row_takes_it_out_of_everything(house):
    """Simulated from the other end: the record in raw becomes one that the rules have always rejected."""
    good, bad = {"event_id": "e2", "student_id": "STU009", "course_id": "CRS009"}, {"event_id": "e2", "student_id": "?"}
    load(house, {"2024-02-01/student_progress.csv": progress({}, {**good, **bad})})
    rejected, balance = house.contents(), house.balance()
    emptied(house)
    load(house, {"2024-02-01/student_progress.csv": progress({}, good)})
    house.query("update raw.student_progress set student_id = '?' where event_id = 'e2'")
    house.query(AGE_A_RECIPE, "staging.stg_progress")
    # What reads it is out of date too, but its own recipe is not: it would look at changed rows only.
    house.query("update etl.targets set fingerprint = 'x' where target like 'warehouse.%' or target like 'analytics.%'")
    assert house.run() == 0
    assert (house.contents(), house.balance()) == (rejected, balance)


# --- the account ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cooked",
    [
        "current = current + 1",
        "rejected = rejected - 1",
        "read = read + 1, current = current + 1",  # balances, but raw holds fewer
        "rows = rows + 1",
        "current = current + 1, duplicate = -1",
        "rejected = null",
        "status = 'refused'",
        "read = null, current = null, superseded = null, duplicate = null, rejected = null",
    ],
)
def test_the_database_refuses_a_cooked_account(house, cooked):
    load(house, {"2024-02-01/student_progress.csv": progress({}, {"event_id": "e2", "student_id": "?"})}, goal="Clean")
    with pytest.raises(psycopg2.errors.CheckViolation):
        house.query(f"update etl.drops set {cooked}")
    assert house.balance() == [(2, 1, 0, 0, 1)]


def test_every_staged_row_has_its_quality_score_and_its_raw_record(house):
    load(house, MONDAY)
    for dataset in DATASETS.values():
        table = f"staging.{dataset.table}"
        assert house.query(f"select * from {table} where quality_score <> 100 - 10 * cardinality(flags)") == []
        records = f"select s._line from {table} as s left join raw.{dataset.name} as r using (_drop_id, _line)"
        assert house.query(f"{records} where r._line is null") == []
    flagged = "select quality_score from staging.stg_enrollments where flags = '{email_invalid}'"
    assert house.query(flagged) == [(90,)]


@pytest.mark.parametrize(
    "flags, score", [("{}", 100), ("{a}", 90), ("{a,b,c}", 70), ("{1,2,3,4,5,6,7,8,9,10,11,12}", 0)]
)
def test_quality_falls_by_ten_per_flag_and_never_below_zero(house, flags, score):
    house.query(
        "insert into staging.stg_tickets (ticket_id, student_id, flags, _drop_id, _line, _build) "
        "values ('T', 'S', %s, 1, 1, 1)",
        flags,
    )
    assert house.one("select quality_score from staging.stg_tickets") == score


# --- keys and indexes -----------------------------------------------------------------------------------------------

FOREIGN_KEYS = """
    select conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid), convalidated
    from pg_constraint where contype = 'f' and connamespace = 'warehouse'::regnamespace order by 1, 2
"""
INDEXES = "select tablename, indexdef from pg_indexes where schemaname = any(%s) order by 1, 2"
CONSTRAINTS = """
    select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
    where contype in ('p', 'u', 'c', 'x')
    and connamespace in ('staging'::regnamespace, 'warehouse'::regnamespace, 'analytics'::regnamespace) order by 1, 2
"""


def structure(house) -> tuple:
    return house.query(INDEXES, ["staging", "warehouse", "analytics"]), house.query(CONSTRAINTS)


def declared(house) -> list[tuple]:
    keys = "select table_name, name, definition, true from etl.foreign_keys where table_name like 'warehouse.%'"
    return house.query(f"{keys} order by 1, 2")


def test_every_declared_foreign_key_and_index_is_there_after_any_run(house):
    as_declared = structure(house)
    files = (PROJECT / "init_db/schema/warehouse").glob("*.sql")
    references = sum(path.read_text().count(" references warehouse.") for path in files)
    load(house, MONDAY)
    assert len(declared(house)) == references
    assert (house.query(FOREIGN_KEYS), structure(house)) == (declared(house), as_declared)
    load(house, TUESDAY)
    assert (house.query(FOREIGN_KEYS), structure(house)) == (declared(house), as_declared)
    house.query("drop schema warehouse cascade")
    load(house, WEDNESDAY)
    assert len(declared(house)) == references
    assert (house.query(FOREIGN_KEYS), structure(house)) == (declared(house), as_declared)


def test_a_table_emptied_by_hand_keeps_its_keys_when_it_is_filled_again(house):
    load(house, MONDAY)
    before, keys = (house.contents(), structure(house)), house.query(FOREIGN_KEYS)
    house.query("delete from warehouse.dim_students")
    house.query("delete from staging.stg_progress")
    assert house.do("verify") == 1
    assert house.run() == 0
    assert ((house.contents(), structure(house)), house.query(FOREIGN_KEYS)) == (before, keys)


# --- raw ------------------------------------------------------------------------------------------------------------


def test_raw_keeps_every_byte_of_a_cell(house):
    cells = {
        "event_id": "0007", "student_id": "", "course_id": "NULL", "event_type": "\\N", "event_timestamp": "NA",
        "duration_seconds": "007.50", "score": 'say "90"', "module_id": " MOD 1 ", "completion_percentage": "a\nb,c",
    }  # fmt: skip
    tabs = {
        **dict.fromkeys(cells, ""),
        "event_id": "\t8",
        "student_id": "\\.",
        "course_id": "é李\u200b",
        "module_id": "null",
    }
    load(house, {"2024-02-01/student_progress.csv": progress(cells, tabs)}, goal="Ingest")
    names = DATASETS["student_progress"].column_names
    assert house.query(
        f"select _line, {', '.join(names)}, _extra, _record from raw.student_progress order by _line"
    ) == [
        (2, *(cells[name] for name in names), None, None),
        (4, *(tabs[name] for name in names), None, None),
    ]


def test_raw_tells_quoted_words_from_nothing_and_keeps_what_the_declaration_does_not_know(house):
    header = (
        "EVENT ID;student_id;course_id;event_type;event_timestamp;duration;score;module_id;completion;Remark;Remark"
    )
    row = '"NA";"";;"NULL";x;;;;100 ;" said ""no"" ";'
    short, long = "e2;STU001", row + ";one more"
    load(house, {"2024-02-01/student_progress.csv": f"{header}\r\n{row}\r\n{short}\r\n{long}"}, goal="Ingest")
    assert house.query("""
        select event_id, student_id, course_id, event_type, completion_percentage, _extra, _record
        from raw.student_progress order by _line
    """) == [
        ("NA", "", "", "NULL", "100 ", {"10": ' said "no" '}, None),
        (*[None] * 6, short),
        (*[None] * 6, long),
    ]


# --- any order, any split -------------------------------------------------------------------------------------------

EVENTS = st.fixed_dictionaries(
    {
        "event_id": st.sampled_from(["e1", "e2", "e3", ""]),
        "student_id": st.sampled_from(["STU001", "stu-2", "?"]),
        "course_id": st.sampled_from(["CRS001", "crs002", ""]),
        "score": st.sampled_from(["50", "150", "", "abc"]),
        "event_timestamp": st.sampled_from(["2024-02-01T10:00:00Z", "2024-02-02T10:00:00Z", "2024-02-03T10:00:00Z"]),
    }
)
DROPS = st.lists(st.lists(EVENTS, max_size=4), min_size=2, max_size=3)


@settings(
    max_examples=8,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), drops=DROPS)
def test_any_order_and_any_split_into_runs_gives_the_same(house, data, drops):
    files = [{f"2024-02-0{day}/student_progress.csv": progress(*rows)} for day, rows in enumerate(drops, 1)]
    emptied(house)
    load(house, {path: content for file in files for path, content in file.items()}, goal="Warehouse")
    at_once = everything(house)
    shuffled = data.draw(st.permutations(files), label="order of arrival")
    cuts = data.draw(st.sets(st.integers(1, len(files) - 1)), label="cuts between runs")
    bounds = [0, *sorted(cuts), len(files)]
    emptied(house)
    for start, end in pairwise(bounds):
        run = {path: content for file in shuffled[start:end] for path, content in file.items()}
        load(house, run, goal="Warehouse")
    assert everything(house) == at_once


# --- columns that a file may lack -----------------------------------------------------------------------------------


def test_an_optional_column_that_a_file_lacks_is_null_in_its_rows_and_said_once(house, monkeypatch, capsys):
    tickets = DATASETS["support_tickets"]
    columns = (replace(c, optional=True, missing="gone") if c.name == "category" else c for c in tickets.columns)
    changed = replace(tickets, columns=tuple(columns))
    for step in (RAW["support_tickets"], STAGED["support_tickets"]):
        monkeypatch.setattr(step, "dataset", changed)
    monkeypatch.setitem(DATASETS, "support_tickets", changed)
    names = [name for name in changed.column_names if name != "category"]
    rows = [{"ticket_id": f"T{number}", "category": ""} for number in range(100)]
    before = [{"ticket_id": f"B{number}"} for number in range(100)]  # enough for the guard to compare the two
    house.drop("2024-02-08/support_tickets.csv", csv_text("support_tickets", *before))
    house.drop("2024-02-09/support_tickets.csv", csv_text("support_tickets", *rows, columns=names))
    house.drop("2024-02-10/support_tickets.csv", csv_text("support_tickets", {"ticket_id": "C1", "category": ""}))
    assert house.run("StagedTickets") == 0
    found = house.query("""
        select left(ticket_id, 1), category is null, flags::text, count(*) from staging.stg_tickets
        group by 1, 2, 3 order by 1
    """)
    assert found == [("B", False, "{}", 100), ("C", True, "{gone}", 1), ("T", True, "{}", 100)]
    capsys.readouterr()
    assert house.do("account", "2") == 0
    assert capsys.readouterr().out.count("column 'category' is not in the file") == 1
    assert house.do("account", "1") == 0
    assert "not in the file" not in capsys.readouterr().out
