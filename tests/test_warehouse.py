"""Small files in, one table out, as CSV files that a teacher could check by hand.

    cases/<table>/<case>/in/<date>/<dataset>.csv   what arrives (assessments: .json or .jsonl)
    cases/<table>/<case>/expected.csv              of every row that should come out the columns that matter
    cases/<table>/<case>/settings.csv              key,value: environment of the run, if it needs one

Tables are read through `view_of`, where natural keys stand for surrogate ones. An empty cell is NULL.
"""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import pytest

import init_db
from pipeline.enrich import ENRICHMENT
from pipeline.marts import MARTS
from pipeline.warehouse import WAREHOUSE

# trusting: rows that are meant to be bad, and rosters that lost most of their students: the guard would hold them
pytestmark = [pytest.mark.smoke, pytest.mark.usefixtures("trusting")]

CASES = Path(__file__).parent / "cases"
# table -> the task that makes it
GOALS = {step.target.split(".")[1]: step.__name__ for step in (*WAREHOUSE, *ENRICHMENT, *MARTS)}

# table -> a query that says the same without surrogate keys: ids for keys, the day for a date key (none for day 0),
# instants in UTC. The joins are inner where the key is mandatory, so a dangling one would lose the row.
VIEWS = {
    "dim_students_history": """
        select s.student_id, h.*
        from warehouse.dim_students_history as h
        inner join warehouse.dim_students as s using (student_key)
    """,
    "dim_courses": """
        select c.*, i.instructor_name from warehouse.dim_courses as c
        left join warehouse.dim_instructors as i using (instructor_key)
    """,
    "fact_student_progress": """
        select
            f.event_id, s.student_id, c.course_id, d.date, f.event_type,
            f.event_timestamp at time zone 'UTC' as event_timestamp,
            f.duration_seconds, f.score, f.module_id, f.completion_percentage
        from warehouse.fact_student_progress as f
        inner join warehouse.dim_students as s using (student_key)
        left join warehouse.dim_courses as c using (course_key)
        inner join warehouse.dim_date as d using (date_key)
    """,
    "fact_course_progress": """
        select
            s.student_id, c.course_id, f.events, f.minutes, f.modules_completed, f.avg_score, f.completion_percentage,
            f.first_activity at time zone 'UTC' as first_activity, f.last_activity at time zone 'UTC' as last_activity
        from warehouse.fact_course_progress as f
        inner join warehouse.dim_students as s using (student_key)
        inner join warehouse.dim_courses as c using (course_key)
    """,
    "fact_enrollments": """
        select s.student_id, p.program_id, d.date, f.enrollment_date, f.fee_paid, f.payment_status
        from warehouse.fact_enrollments as f
        inner join warehouse.dim_students as s using (student_key)
        left join warehouse.dim_programs as p using (program_key)
        inner join warehouse.dim_date as d using (date_key)
    """,
    "fact_support_tickets": """
        select
            f.ticket_id, s.student_id, created.date as created_date, resolved.date as resolved_date,
            f.resolution_hours, f.priority, f.status, f.category
        from warehouse.fact_support_tickets as f
        inner join warehouse.dim_students as s using (student_key)
        inner join warehouse.dim_date as created on f.created_date_key = created.date_key
        inner join warehouse.dim_date as resolved on f.resolved_date_key = resolved.date_key
    """,
    "fact_attendance": """
        select f.attendance_id, s.student_id, d.date, f.attendance_date, f.status, f.is_present
        from warehouse.fact_attendance as f
        inner join warehouse.dim_students as s using (student_key)
        inner join warehouse.dim_date as d using (date_key)
    """,
    "fact_assessments": """
        select
            f.assessment_id, s.student_id, d.date, f.assessment_date, f.subject,
            f.score, f.max_score, f.score_percentage
        from warehouse.fact_assessments as f
        inner join warehouse.dim_students as s using (student_key)
        inner join warehouse.dim_date as d using (date_key)
    """,
    "ai_ticket_analysis": """
        select s.student_id, a.*
        from warehouse.ai_ticket_analysis as a inner join warehouse.dim_students as s using (student_key)
    """,
    "ai_student_risk": """
        select s.student_id, r.*
        from warehouse.ai_student_risk as r inner join warehouse.dim_students as s using (student_key)
    """,
    "ai_insights": "select * from analytics.ai_insights where kind = 'metric'",
}


NATURAL = {
    "student_key": ("dim_students", "student_id"), "course_key": ("dim_courses", "course_id"),
    "program_key": ("dim_programs", "program_id"), "date_key": ("dim_date", "date"),
}  # fmt: skip


def view_of(table: str) -> str:
    """How a case sees a table: as VIEWS says, else its columns with the natural keys of its surrogate ones."""
    relation = next(r for r in init_db.relations().values() if r.name.split(".") == [r.schema, table])
    if table in VIEWS:
        return VIEWS[table]
    foreign = [key for key, (dim, _) in NATURAL.items() if dim != table]
    surrogate = [key for key in foreign if re.search(rf"^ +{key} ", relation.statements[0], re.MULTILINE)]
    names = "".join(f", {dim}.{name}" for dim, name in (NATURAL[key] for key in surrogate))
    joins = "".join(f" left join warehouse.{NATURAL[key][0]} using ({key})" for key in surrogate)
    return f"select t.*{names} from {relation.name} as t{joins}"


def read_csv(path: Path) -> tuple[list[str], list[tuple[str, ...]]]:
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert all(len(row) == len(header) for row in rows), path
    return header, sorted(tuple(row) for row in rows)


def found_cases() -> list[str]:
    return sorted(str(path.parent.relative_to(CASES)) for path in CASES.glob("*/*/expected.csv"))


@pytest.mark.parametrize("case", found_cases())
def test_the_rows_that_go_in_make_the_rows_that_come_out(house, monkeypatch, case):
    folder, table = CASES / case, case.split("/")[0]
    if (folder / "settings.csv").exists():
        for key, value in read_csv(folder / "settings.csv")[1]:
            monkeypatch.setenv(key, value)
    shutil.copytree(folder / "in", house.data, dirs_exist_ok=True)
    assert house.run(GOALS[table]) == 0
    columns, expected = read_csv(folder / "expected.csv")
    texts = ", ".join(f"coalesce({name}::text, '')" for name in columns)
    assert sorted(house.query(f"select {texts} from ({view_of(table)}) as q")) == expected


def test_every_table_that_a_query_makes_has_a_case():
    """All but the calendar, which nothing goes into."""
    tables = {step.target.split(".")[1] for step in (*WAREHOUSE, *ENRICHMENT, *MARTS)} - {"dim_date"}
    assert tables == {case.split("/")[0] for case in found_cases()}


def test_every_file_below_cases_is_a_part_of_a_case():
    known = {CASES / case / name for case in found_cases() for name in ("expected.csv", "settings.csv")}
    inputs = {path for case in found_cases() for path in (CASES / case / "in").rglob("*")}
    # for tests/test_tickets.py and test_sensitive.py
    labelled = {path for name in ("tickets", "sensitive") for path in (CASES / name).iterdir()}
    hostile = set((CASES / "hostile").glob("*/*"))  # for tests/test_fuzz.py, which takes every one
    assert {path for path in CASES.rglob("*") if path.is_file()} - known - inputs - labelled - hostile == set()


@pytest.mark.parametrize("key", ["min", "max"])
def test_the_calendar_has_every_day_from_2000_to_2050_and_the_unknown_one(house, key):
    assert house.run("DimDate") == 0
    days = {"min": (20000101, "2000-01-01", 6, True, 52), "max": (20501231, "2050-12-31", 6, True, 52)}
    row = f"""
        select date_key, date::text, day_of_week, is_weekend, iso_week from warehouse.dim_date
        where date = (select {key}(date) from warehouse.dim_date)
    """
    assert house.query(row) == [days[key]]
    assert house.query("select * from warehouse.dim_date where date_key = 0") == [(0, *[None] * 10)]
    assert house.one("select count(*) from warehouse.dim_date") == 51 * 365 + 13 + 1
