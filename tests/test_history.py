"""The history of students is a function of the dated drops: a roster or an enrolment that comes late cuts the spans
where they would have been cut had it come in time."""

from __future__ import annotations

import psycopg2
import pytest
from conftest import csv_text
from test_staging import emptied, load

pytestmark = pytest.mark.usefixtures("trusting")

Files = dict[str, str]


def roster(day: str, *rows: dict[str, str]) -> Files:
    return {f"{day}/students.csv": csv_text("students", *rows)}


def enrolled(day: str, *rows: dict[str, str]) -> Files:
    return {f"{day}/students_enrollment.csv": csv_text("students_enrollment", *rows)}


# 1 changes class and city, 2 vanishes and returns, 3 vanishes, 4 goes at once, 5 comes later and is suspended, 6 is in
# no roster.
R1 = roster("2024-02-01", *({"student_id": f"STU00{n}", "class_id": "CLASS-9A"} for n in (1, 2, 3, 4)))
E2 = enrolled("2024-02-02", {"student_id": "STU001"}, {"student_id": "STU003"}, {"student_id": "STU006"})
R3 = roster(
    "2024-02-03",
    {"student_id": "STU001", "class_id": "CLASS-9B"},
    {"student_id": "STU003", "class_id": "CLASS-9A"},
    {"student_id": "STU005", "class_id": "CLASS-9A"},
)
E4 = enrolled("2024-02-04", {"student_id": "STU001", "city": "Nashik"}, {"student_id": "STU006", "city": "Thane"})
R5 = roster(
    "2024-02-05",
    {"student_id": "STU001", "class_id": "CLASS-9B"},
    {"student_id": "STU002", "class_id": "CLASS-9B"},
    {"student_id": "STU005", "class_id": "CLASS-9A", "enrollment_status": "suspended"},
)
DROPS = (R1, E2, R3, E4, R5)

SPANS = """
    select s.student_id, h.valid_from::text, h.valid_to::text, h.class_id, h.city, h.is_active
    from warehouse.dim_students_history as h inner join warehouse.dim_students as s using (student_key) order by 1, 2
"""
IN_TIME = [
    ("STU001", "-infinity", "2024-02-02", "CLASS-9A", None, True),
    ("STU001", "2024-02-02", "2024-02-03", "CLASS-9A", "Pune", True),
    ("STU001", "2024-02-03", "2024-02-04", "CLASS-9B", "Pune", True),
    ("STU001", "2024-02-04", "infinity", "CLASS-9B", "Nashik", True),
    ("STU002", "-infinity", "2024-02-03", "CLASS-9A", None, True),
    ("STU002", "2024-02-03", "2024-02-05", "CLASS-9A", None, False),
    ("STU002", "2024-02-05", "infinity", "CLASS-9B", None, True),
    ("STU003", "-infinity", "2024-02-02", "CLASS-9A", None, True),
    ("STU003", "2024-02-02", "2024-02-05", "CLASS-9A", "Pune", True),
    ("STU003", "2024-02-05", "infinity", "CLASS-9A", "Pune", False),
    ("STU004", "-infinity", "2024-02-03", "CLASS-9A", None, True),
    ("STU004", "2024-02-03", "infinity", "CLASS-9A", None, False),
    ("STU005", "-infinity", "2024-02-05", "CLASS-9A", None, True),
    ("STU005", "2024-02-05", "infinity", "CLASS-9A", None, False),
    ("STU006", "-infinity", "2024-02-04", None, "Pune", True),
    ("STU006", "2024-02-04", "infinity", None, "Thane", True),
]


def merged(drops: tuple[Files, ...]) -> Files:
    return {path: content for files in drops for path, content in files.items()}


@pytest.fixture
def at_once(house) -> dict[str, list[tuple]]:
    load(house, merged(DROPS), goal="DimStudentsHistory")
    contents = house.contents()
    emptied(house)
    return contents


def test_the_history_of_five_days_is_what_a_person_would_say(house):
    load(house, merged(DROPS), goal="DimStudentsHistory")
    assert house.query(SPANS) == IN_TIME


@pytest.mark.parametrize(
    "order",
    [
        (R1, E2, R3, E4, R5),
        (R5, E4, R3, E2, R1),
        (R5, R1, R3, E4, E2),  # a class change, and who vanished, known late
        (R1, R5, E4, R3, E2),  # each enrolment after a newer one, each roster between two known ones
        (E4, R3, R1, E2, R5),
        (E2, E4, R5, R3, R1),
    ],
    ids=["in time", "backwards", "the middle last", "gaps filled", "rosters late", "enrolments first"],
)
def test_the_order_of_arrival_does_not_matter(house, at_once, order):
    load(house, *order, goal="DimStudentsHistory")
    assert house.contents() == at_once
    assert house.query(SPANS) == IN_TIME


def test_every_student_has_one_current_span_and_no_gap(house):
    """While drops come late, too."""
    for files in (R3, E4, R1, R5, E2):
        load(house, files, goal="DimStudentsHistory")
        spans = house.query(SPANS)
        for student, *_ in house.query("select student_id from warehouse.dim_students"):
            days = [row[1:3] for row in spans if row[0] == student]
            assert [days[0][0], days[-1][1]] == ["-infinity", "infinity"]
            assert [end for _, end in days[:-1]] == [start for start, _ in days[1:]]
    current = "select count(*), count(distinct student_key) from warehouse.dim_students_history where is_current"
    assert house.query(current) == [(6, 6)]


def test_a_drop_that_is_cleaned_otherwise_now_leaves_no_span_behind(house):
    """Simulated: the older record in raw becomes one that the rules have always rejected."""
    load(house, merged((E2, E4)), goal="DimStudentsHistory")
    house.query("update raw.students_enrollment set student_id = '?' where student_id = 'STU006' and city = 'Pune'")
    house.query("""
        update etl.targets
        set parts = jsonb_set(parts, '{rule:clean}', '"older"'), fingerprint = 'x'
        where target = 'staging.stg_enrollments'
    """)
    house.query("update etl.targets set fingerprint = 'x' where target like 'warehouse.%'")
    assert house.run("DimStudentsHistory") == 0
    assert [row[1:] for row in house.query(SPANS) if row[0] == "STU006"] == [
        ("-infinity", "infinity", None, "Thane", True)
    ]


# STU001 has the days -infinity .. 2 February .. 4 February .. infinity
@pytest.mark.parametrize(
    "damage",
    [
        "update warehouse.dim_students_history set valid_to = '2024-02-03' where valid_from = '-infinity'",  # overlap
        "update warehouse.dim_students_history set valid_to = '2024-02-01' where valid_from = '-infinity'",  # gap
        "delete from warehouse.dim_students_history where valid_from = '2024-02-02'",
        "delete from warehouse.dim_students_history where is_current",
        "update warehouse.dim_students_history set valid_to = 'infinity', is_current = true",  # all current
        """insert into warehouse.dim_students_history (student_key, valid_from, valid_to, is_current, is_active)
        select student_key, '2024-02-03', '2024-02-04', false, true from warehouse.dim_students_history limit 1""",
        """insert into warehouse.dim_students_history (student_key, valid_from, valid_to, is_current, is_active)
        select student_key, '2024-02-05', 'infinity', true, true from warehouse.dim_students_history limit 1""",
    ],
)
def test_the_database_refuses_versions_that_overlap_or_leave_a_gap(house, damage):
    days = ("Pune", "2024-02-01"), ("Thane", "2024-02-02"), ("Nashik", "2024-02-04")
    load(house, merged(tuple(enrolled(day, {"city": city}) for city, day in days)), goal="DimStudentsHistory")
    spans = house.query(SPANS)
    with pytest.raises(psycopg2.IntegrityError):
        house.query(damage)
    assert house.query(SPANS) == spans and len(spans) == 3
