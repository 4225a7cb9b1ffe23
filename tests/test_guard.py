"""The guard holds a drop that looks unlike the one before it; a person approves, refuses, or takes one back."""

from __future__ import annotations

from collections import Counter

import pytest

from pipeline.config import settings
from pipeline.guard import Profile, compared, compared_keys

DAY1, DAY2, DAY3 = "2024-02-08", "2024-02-09", "2024-02-12"


def roster(numbers, class_id="CLASS-9A"):
    return [{"student_id": f"STU{n:03}", "student_name": "Asha Rao", "class_id": class_id} for n in numbers]


def events(count, first=1, **different):
    return [{"event_id": f"evt-{n:05}", **different} for n in range(first, first + count)]


def statuses(house):
    return house.query("select drop_id, status, decision from etl.drops order by drop_id")


def artifacts(house):
    """Every file of the output folder but those about the run itself, by name."""
    of_the_run = ("run_summary", "metrics")
    files = (path for path in house.output.rglob("*") if path.is_file() and not path.name.startswith(of_the_run))
    return {str(path.relative_to(house.output)): path.read_bytes() for path in files}


# --- what is compared -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "new, before, said",
    [
        (Profile(1000, 10), Profile(1000, 10), []),
        (Profile(1000, 350), Profile(1000, 10), ["35% of its rows are rejected, 1% of the drop before"]),
        (Profile(99, 99), Profile(1000, 10), []),  # too few rows to say anything
        (
            Profile(100, 0, Counter(score=60)),
            Profile(100, 0, Counter(score=20)),
            ["score is empty in 60% of the rows, 20% before"],
        ),
        (Profile(100, 0, Counter(score=45)), Profile(100, 0, Counter(score=20)), []),
        (
            Profile(100, 0, Counter(), {"status": Counter(Ouvert=90, Open=10)}),
            Profile(100, 0, Counter(), {"status": Counter(Open=100)}),
            ["90% of its status are codes that the drop before did not have"],
        ),
    ],
)
def test_two_profiles_are_compared(new, before, said):
    assert compared(new, before, settings()) == said


@pytest.mark.parametrize(
    "new, before, said",
    [
        (range(10), range(10), []),
        (range(3, 10), range(10), []),  # 70 % of them
        (range(4, 10), range(10), ["it names 6 of the 10 keys of the snapshot before (60%)"]),
        (range(21), range(10), ["it has 21 keys, the snapshot before 10"]),
        ([], range(9), []),  # of a few keys, one or two gone are many
    ],
)
def test_the_keys_of_two_snapshots_are_compared(new, before, said):
    assert compared_keys(set(map(str, new)), set(map(str, before)), settings()) == said


# --- held -----------------------------------------------------------------------------------------------------------


def test_a_roster_with_half_its_students_gone_is_held_and_all_else_is_built(house, capsys):
    house.rows(f"{DAY1}/students.csv", "students", *roster(range(1, 31)))
    assert house.run() == 0
    before = house.contents()
    house.rows(f"{DAY2}/students.csv", "students", *roster(range(1, 16)))
    house.rows(f"{DAY2}/student_progress.csv", "student_progress", {})
    assert house.run() == 30
    said = "".join(capsys.readouterr())
    assert "drop 2 held" in said or "drop 3 held" in said
    assert "15 of the 30 keys of the snapshot before (50%)" in said
    assert "python -m pipeline account DROP" in said and "approve DROP" in said and "refuse DROP" in said
    assert house.one("select count(*) from raw.students") == 45, "raw keeps it"
    assert house.one("select count(*) from warehouse.dim_students where is_active") == 30
    assert house.one("select count(*) from warehouse.fact_student_progress") == 1
    after = house.contents()
    assert after["staging.stg_students"] == before["staging.stg_students"]
    assert house.run() == 30, "until a person decides"


def test_an_approved_drop_is_staged_by_the_next_run(house):
    house.rows(f"{DAY1}/students.csv", "students", *roster(range(1, 31)))
    house.rows(f"{DAY2}/students.csv", "students", *roster(range(1, 16)))
    assert house.run() == 30
    assert house.do("approve", "2") == 0
    assert house.run() == 0
    assert statuses(house) == [(1, "staged", None), (2, "staged", "approve")]
    gone = "select count(*), min(vanished_on)::text from warehouse.dim_students where not is_active"
    assert house.query(gone) == [(15, DAY2)]
    assert house.run() == 0 and house.builds() == house.builds()


def test_a_refused_held_drop_stays_out_and_the_run_no_longer_waits(house):
    house.rows(f"{DAY1}/students.csv", "students", *roster(range(1, 31)))
    house.rows(f"{DAY2}/students.csv", "students", *roster(range(1, 16)))
    assert house.run() == 30
    assert house.do("refuse", "2") == 0
    assert house.run() == 0
    assert house.one("select count(*) from warehouse.dim_students where is_active") == 30
    assert house.do("approve", "2") == 0, "a person may change their mind"
    assert house.run() == 0
    assert house.one("select count(*) from warehouse.dim_students where is_active") == 15


def test_a_corrected_file_at_the_same_path_settles_a_held_drop(house):
    house.rows(f"{DAY1}/students.csv", "students", *roster(range(1, 31)))
    house.rows(f"{DAY2}/students.csv", "students", *roster(range(1, 16)))
    assert house.run() == 30
    house.rows(f"{DAY2}/students.csv", "students", *roster(range(1, 30)))
    assert house.run() == 0
    assert statuses(house) == [(1, "staged", None), (2, "held", None), (3, "staged", None)]
    assert house.one("select count(*) from warehouse.dim_students where is_active") == 29


def test_a_roster_in_a_file_per_class_is_compared_as_a_whole(house):
    for day in (DAY1, DAY2):
        house.rows(f"{day}/a/students.csv", "students", *roster(range(1, 16)))
        house.rows(f"{day}/b/students.csv", "students", *roster(range(16, 31), "CLASS-9B"))
    assert house.run() == 0
    assert {status for _, status, _ in statuses(house)} == {"staged"}


def test_an_empty_catalogue_is_held(house):
    courses = [{"course_id": f"CRS{n:03}"} for n in range(12)]
    house.rows(f"{DAY1}/course_catalog.csv", "course_catalog", *courses)
    house.rows(f"{DAY2}/course_catalog.csv", "course_catalog")
    assert house.run() == 30
    assert house.one("select count(*) from warehouse.dim_courses where is_active") == 12


@pytest.mark.parametrize(
    "different, reason",
    [
        ({"score": "n/a"}, "score is empty in 100% of the rows"),
        ({"student_id": "nobody"}, "100% of its rows are rejected"),
        ({"event_type": "vidéo_vue"}, "100% of its event_type are codes"),
    ],
)
def test_events_that_came_out_wrong_are_held(house, different, reason):
    house.rows(f"{DAY1}/student_progress.csv", "student_progress", *events(100))
    house.rows(f"{DAY2}/student_progress.csv", "student_progress", *events(100, 101, **different))
    assert house.run() == 30
    assert reason in house.one("select reason from etl.drops where status = 'held'")
    assert house.one("select count(*) from warehouse.fact_student_progress") == 100


def test_a_drop_is_judged_once_not_again_when_a_rule_changes(house, monkeypatch):
    house.rows(f"{DAY1}/student_progress.csv", "student_progress", *events(100))
    house.rows(f"{DAY2}/student_progress.csv", "student_progress", *events(100, 101))
    assert house.run() == 0
    assert house.do("forget", "staging.stg_progress") == 0
    monkeypatch.setenv("EDUFLOW_GUARD_CODES", "0")
    monkeypatch.setenv("EDUFLOW_GUARD_NULLS", "0")
    assert house.run() == 0
    assert {status for _, status, _ in statuses(house)} == {"staged"}


def test_the_thresholds_are_configuration(house, monkeypatch):
    monkeypatch.setenv("EDUFLOW_GUARD_OVERLAP", "0.4")
    house.rows(f"{DAY1}/students.csv", "students", *roster(range(1, 31)))
    house.rows(f"{DAY2}/students.csv", "students", *roster(range(1, 16)))
    assert house.run() == 0


# --- retract --------------------------------------------------------------------------------------------------------


def everything(house):
    """Three days of everything; the middle one is drop by drop what is taken back below."""
    house.rows(f"{DAY1}/students.csv", "students", *roster(range(1, 6)))
    house.rows(f"{DAY1}/students_enrollment.csv", "students_enrollment", {}, {"student_id": "STU002"})
    house.rows(f"{DAY1}/student_progress.csv", "student_progress", *events(3))
    house.rows(f"{DAY1}/course_catalog.csv", "course_catalog", {}, {"course_id": "CRS002"})
    house.rows(f"{DAY1}/support_tickets.csv", "support_tickets", {})
    house.rows(f"{DAY1}/attendance.csv", "attendance", {})
    house.rows(f"{DAY1}/assessments.csv", "assessments", {})
    house.rows(f"{DAY3}/students.csv", "students", *roster(range(1, 6), "CLASS-9B"))
    house.rows(f"{DAY3}/student_progress.csv", "student_progress", *events(1, score="55"))


MIDDLE = {
    "students": [*roster(range(2, 5)), {"student_id": "?"}],
    "students_enrollment": [{"city": "Mumbai"}, {"student_id": "STU003"}, {"student_id": "STU003", "gender": "M"}],
    "student_progress": [*events(1, score="10"), *events(2, 50, student_id="STU909"), {"event_id": ""}],
    "course_catalog": [{"course_id": "CRS002", "instructor_name": "Dr. New"}],
    "support_tickets": [{"status": "Resolved", "resolved_date": "2024-02-05"}],
    "attendance": [{"status": "ABSENT"}, {"attendance_id": "att-002", "student_id": "STU002"}],
    "city_master": [{"city_name": "Mumbai", "state_name": "Maharashtra", "common_misspellings": "Bombay"}],
    "assessments": [{"score": "1"}, {"assessment_id": "asm-002", "subject": "History"}],
}


@pytest.mark.parametrize("dataset", MIDDLE)
def test_a_retracted_drop_is_as_if_it_had_never_come_and_approve_undoes_it(house, dataset):
    everything(house)
    assert house.run() == 0
    without, files_without = house.contents(), artifacts(house)
    house.rows(f"{DAY2}/{dataset}.csv", dataset, *MIDDLE[dataset])
    assert house.run() == 0
    with_it, files_with_it = house.contents(), artifacts(house)
    assert with_it != without
    drop = str(house.one("select max(drop_id) from etl.drops"))
    assert house.do("retract", drop) == 0
    assert house.run() == 0
    assert house.contents() == without
    assert artifacts(house) == files_without
    assert house.one(f"select count(*) from raw.{dataset} where _drop_id = %s", int(drop)) == len(MIDDLE[dataset])
    assert house.query("select status, decision from etl.drops where drop_id = %s", int(drop)) == [
        ("retracted", "retract")
    ]
    assert house.do("verify") == 0
    assert house.do("approve", drop) == 0
    assert house.run() == 0
    assert house.contents() == with_it
    assert artifacts(house) == files_with_it


def test_only_what_can_be_decided_is_decided(house, capsys):
    house.rows(f"{DAY1}/students.csv", "students", *roster(range(1, 6)))
    house.drop(f"{DAY1}/attendance.csv", "no,such,header\n1,2,3\n")
    assert house.run() == 30
    refused = house.one("select drop_id from etl.drops where status = 'refused'")
    staged = house.one("select drop_id from etl.drops where status = 'staged'")
    capsys.readouterr()
    for verb, drop, said in (
        ("approve", 99, "There is no drop 99"),
        ("retract", 99, "There is no drop 99"),
        ("approve", staged, "there is nothing to approve"),
        ("refuse", staged, "only a refused or held drop can be refused"),
        ("retract", refused, "only an accepted drop can be retracted"),
        ("approve", refused, "could not be read"),
    ):
        assert house.do(verb, str(drop)) == 1
        assert said in capsys.readouterr().err


def test_retracting_the_only_drop_leaves_nothing(house):
    house.rows(f"{DAY1}/attendance.csv", "attendance", {})
    assert house.run() == 0
    assert house.do("retract", "1") == 0
    assert house.run() == 0
    assert house.one("select count(*) from warehouse.fact_attendance") == 0
    assert house.one("select count(*) from warehouse.dim_students") == 0
