"""The guard holds a drop that looks unlike the one before it; a person approves, refuses, or takes one back."""

from __future__ import annotations

from collections import Counter

import pytest

from pipeline.config import settings
from pipeline.datasets import DATASETS
from pipeline.guard import Profile, Tally, compared, compared_keys, judged
from tests.conftest import csv_text

pytestmark = pytest.mark.usefixtures("no_earlier_clone")

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
    assert [found.what for found in compared(new, before, settings())] == said


def keys(numbers, size=1000):
    """Keys of students in classes of so many."""
    return {str(n): f"CLASS-{n // size}" for n in numbers}


@pytest.mark.parametrize(
    "new, before, said",
    [
        (range(10), range(10), []),
        (range(3, 10), range(10), []),  # 70 % of them
        (range(4, 10), range(10), ["it names 6 of the 10 keys of the snapshot before (60%)"]),
        (range(21), range(10), ["it has 21 keys, the snapshot before 10"]),
        (range(2), range(3), []),  # of a few keys, one gone is many
        (range(1), range(3), ["it names 1 of the 3 keys of the snapshot before (33%)"]),
        ([], range(1), []),
    ],
)
def test_the_keys_of_two_snapshots_are_compared(new, before, said):
    found = compared_keys(keys(new), keys(before), settings(), roster=False)
    assert [each.what for each in found] == said


@pytest.mark.parametrize(
    "new, before, settings_passed",
    [
        (range(100), range(100), []),
        (range(19, 100), range(100), []),
        (range(20, 100), range(100), ["guard_missing"]),  # a fifth
        (range(3), range(4), ["guard_missing"]),  # below ten, too
        (range(1, 6), range(6), []),
        ([], range(1), ["guard_missing"]),
        (range(50, 60), [], []),
        (range(201), range(100), ["guard_growth"]),
    ],
)
def test_the_students_of_two_rosters_are_compared(new, before, settings_passed):
    found = compared_keys(keys(new), keys(before), settings(), roster=True)
    assert [each.setting for each in found] == settings_passed


def test_a_class_that_is_gone_holds_a_roster_however_large_the_school(monkeypatch):
    before = keys(range(100), size=5)
    (found,) = compared_keys(
        {key: name for key, name in before.items() if name != "CLASS-7"}, before, settings(), roster=True
    )
    assert (found.setting, found.value, found.limit) == ("guard_class", "5 students", "2 students")
    assert found.what == "it names nobody of CLASS-7, 5 students of the snapshot before"
    promoted = {key: name.replace("7", "8") for key, name in before.items()}
    assert compared_keys(promoted, before, settings(), roster=True) == [], "they are in another class, not gone"
    alone = {**before, "x": "CLASS-X"}
    assert compared_keys(before, alone, settings(), roster=True) == [], "a class of one may leave"
    monkeypatch.setenv("EDUFLOW_GUARD_CLASS", "0")
    assert compared_keys({}, alone, settings(), roster=True)[0].setting == "guard_missing"
    assert len(compared_keys({}, alone, settings(), roster=True)) == 1


# --- by itself ------------------------------------------------------------------------------------------------------

NONE = Tally("repeated", 0, [])


@pytest.mark.parametrize(
    "profile, refused, repeated, said",
    [
        (Profile(10, 5), [], NONE, []),
        (
            Profile(1, 1),
            [Tally("score_invalid", 1, [2])],
            NONE,
            ["100% of its rows are rejected, 1 of 1: score_invalid 1 (line 2)"],
        ),
        (
            Profile(10, 4),
            [Tally("score_invalid", 4, [2, 3, 4, 5])],
            Tally("repeated", 2, [6, 7]),  # each under its limit, together most of it
            ["60% of its rows would not count, 6 of 10: score_invalid 4 (lines 2, 3, 4, ...); repeated 2 (lines 6, 7)"],
        ),
        (Profile(10, 3), [Tally("score_invalid", 3, [2, 3, 4])], Tally("repeated", 2, [6, 7]), []),
        (
            Profile(4, 3),
            [Tally("score_invalid", 2, [2, 3]), Tally("score_above_maximum", 1, [5])],
            NONE,
            ["75% of its rows are rejected, 3 of 4: score_invalid 2 (lines 2, 3); score_above_maximum 1 (line 5)"],
        ),
        (Profile(10), [], Tally("repeated", 3, [2, 3, 4]), []),
        (
            Profile(10),
            [],
            Tally("repeated", 4, [2, 3, 4]),
            ["4 of 10 rows repeat a key of the file with other values: lines 2, 3, 4, ..."],
        ),
        (Profile(10, 0, Counter(score=10), unread=Counter(score=1)), [], NONE, []),
        (Profile(10, 0, Counter(score=8), unread=Counter(score=8), unread_at={"score": [2]}), [], NONE, []),
        (
            Profile(10, 0, Counter(score=10), unread=Counter(score=7), unread_at={"score": [2, 3, 5]}),
            [],
            NONE,
            ["score came with 7 values, and 7 of them were not understood: lines 2, 3, 5, ..."],
        ),
    ],
)
def test_a_drop_is_judged_by_itself(profile, refused, repeated, said):
    assert [found.what for found in judged(profile, refused, repeated, settings())] == said


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
    assert "eduflow account DROP" in said and "approve DROP" in said and "refuse DROP" in said
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
    monkeypatch.setenv("EDUFLOW_GUARD_MISSING", "0.6")
    house.rows(f"{DAY1}/students.csv", "students", *roster(range(1, 31)))
    house.rows(f"{DAY2}/students.csv", "students", *roster(range(1, 16)))
    assert house.run() == 0


# --- the first drop, and what is no limit ---------------------------------------------------------------------------


def reason(house):
    return house.one("select reason from etl.drops where status = 'held'")


@pytest.mark.parametrize(
    "dataset, rows, said",
    [
        (
            "attendance",
            [{"attendance_id": "2.02402E+11", "student_id": f"STU{n:03}"} for n in range(12)],
            "lines 2, 3, 4",
        ),
        (
            "assessments",
            [{"assessment_id": "T1", "student_id": f"STU{n:03}"} for n in range(40)],
            "39 of 40 rows repeat",
        ),
        (
            "student_progress",
            [{"event_id": f"e{n}", "student_id": "?"} for n in range(3)],
            "student_id_invalid 3 (lines",
        ),
        (
            "course_catalog",
            [{"course_id": f"C{n}", "is_active": ("ja", "nein")[n % 2]} for n in range(4)],
            "is_active came with 4 values, and 4 of them were not understood: lines 2, 3, 4, ...",
        ),
    ],
)
def test_the_first_drop_of_an_empty_table_is_judged(house, dataset, rows, said):
    house.rows(f"{DAY1}/{dataset}.csv", dataset, *rows)
    assert house.run() == 30
    assert said in reason(house)
    table = DATASETS[dataset].table
    assert house.one(f"select count(*) from staging.{table}") == 0
    assert house.one(f"select count(*) from raw.{dataset}") == len(rows)
    assert house.one("select count(*) from etl.rejects") == 0
    assert house.do("verify") == 0
    assert house.do("approve", "1") == 0
    assert house.run() == 0, "what a person approved is not judged again"
    assert house.query("select status, read from etl.drops") == [("staged", len(rows))]


def test_many_files_of_one_bad_row_each_are_held(house):
    for number in range(12):
        house.rows(f"{number}/{DAY1}/attendance.csv", "attendance", {"attendance_id": f"A{number}", "status": "?"})
    assert house.run() == 30
    assert Counter(status for _, status, _ in statuses(house)) == {"held": 12}


@pytest.mark.parametrize("together", [True, False])
def test_ids_that_begin_anew_in_each_file_are_no_corrections(house, together):
    """Each file alone is sound; together, each row would take the place of another student's."""
    days = [(DAY1, range(1, 5)), (DAY2, range(11, 15)), (DAY3, [1, 2, 13, 14])]
    for day, numbers in days:
        rows = [{"attendance_id": f"A{place}", "student_id": f"STU{n}"} for place, n in enumerate(numbers)]
        house.rows(f"{day}/attendance.csv", "attendance", *rows)
        if not together:
            house.run()
    assert house.run() == 30
    assert [status for _, status, _ in statuses(house)] == ["staged", "held", "held"]
    said = "4 of 4 rows have the attendance_id of an earlier row of another student: lines 2, 3, 4, ..."
    assert said in reason(house)
    assert house.balance() == [(4, 4, 0, 0, 0)]
    house.rows("2024-02-20/attendance.csv", "attendance", *rows[:2], {"attendance_id": "A2", "student_id": "STU3"})
    house.do("refuse", "2")
    house.do("refuse", "3")
    assert house.run() == 0, "the same students again are corrections"


def test_a_cell_is_never_a_part_of_the_reason(house):
    house.rows(f"{DAY1}/students.csv", "students", *({"student_id": "Secret Name"} for _ in range(4)))
    assert house.run() == 30
    assert "Secret" not in house.one("select reason || findings::text from etl.drops")


def test_a_held_drop_takes_no_row_from_the_others(house):
    """Its rows would be the newest of their keys; and what it repeats is counted in it alone."""
    house.rows(f"{DAY1}/attendance.csv", "attendance", *({"attendance_id": f"A{n}"} for n in range(4)))
    house.rows(
        f"{DAY2}/attendance.csv",
        "attendance",
        *({"attendance_id": f"A{n // 2}", "student_id": f"S{n}"} for n in range(4)),
    )
    assert house.run() == 30
    assert house.balance() == [(4, 4, 0, 0, 0)]
    assert house.do("verify") == 0


def test_a_drop_dated_after_the_day_it_came_waits_and_moves_no_as_of(house):
    def attended(day):
        return [{"attendance_id": f"{day} {n}", "student_id": f"STU{n}", "attendance_date": day} for n in range(2)]

    house.rows(f"{DAY1}/attendance.csv", "attendance", *attended(DAY1))
    house.rows("9999-01-01/attendance.csv", "attendance", *attended("2049-01-01"))
    assert house.run() == 30
    assert "it is dated 9999-01-01, after the day it came" in reason(house)
    assert house.one("select as_of::text from analytics.as_of") == DAY1
    assert house.do("approve", "2") == 0
    assert house.run() == 0
    assert house.one("select as_of::text from analytics.as_of") == DAY1, "no day that has not come"


@pytest.mark.parametrize(
    "name, rows, said",
    [
        ("students.rejects-77.csv", 1, "drop 77, which does not exist"),
        ("students.rejects-99999999999999999999.csv", 1, "which does not exist"),
        ("students.rejects-1.csv", 1, "drop 1, which is one of attendance"),
        ("students.rejects-3.csv", 2, "drop 3, which has 1 rejected rows; the file has 2"),
        ("students.rejects-2.csv", 1, "drop 2, which has no open rejects"),
    ],
)
def test_a_reject_file_that_mends_no_open_reject_waits(house, name, rows, said):
    house.rows("a/2024-02-01/attendance.csv", "attendance", {})
    house.rows("b/2024-02-01/students.csv", "students", *roster(range(1, 8)))
    house.rows("c/2024-02-01/students.csv", "students", *roster(range(8, 15)), {"student_id": "?"})
    assert house.run() == 0
    house.rows(f"d/{name}", "students", *roster(range(20, 20 + rows)))
    assert house.run() == 30
    assert said in reason(house)
    assert house.one("select count(*) from staging.stg_students") == 14


def test_a_reject_file_may_name_rejected_lines_only(house):
    house.rows("2024-02-01/students.csv", "students", *roster(range(1, 8)), {"student_id": "?"}, {"student_id": "??"})
    assert house.run() == 0
    sent = (house.output / "rejects/students.rejects-1.csv").read_text()
    house.drop("students.rejects-1.csv", sent.replace("??", "STU021").replace("?", "STU020").replace(",10,", ",3,"))
    assert house.run() == 30
    assert "1 of its rows name a line that was not rejected" in reason(house)
    house.rows("x/students.rejects-1.csv", "students", {"student_id": "STU001", "student_name": "Somebody Else"})
    assert house.run() == 30
    assert house.one("select count(*) from etl.drops where reason like '%not rejected, or none: line 2'") == 1
    assert house.one("select first_name from staging.stg_students where student_id = 'STU001'") == "Asha"
    assert house.do("refuse", "3") == 0
    house.drop("students.rejects-1.csv", sent.replace("??", "STU021").replace("?", "STU020"))
    assert house.run() == 0
    assert house.one("select count(*) from staging.stg_students") == 9


def test_a_reject_file_is_taken_on_a_new_install_too(house):
    """Where the drop that it mends is cleaned in the same run."""
    house.rows("2024-02-01/students.csv", "students", *roster(range(1, 8)), {"student_id": "?"})
    line = csv_text("students", *roster([8])).replace("\n", ",9\n").replace(",9", ",reject_line", 1)
    house.drop("2024-02-02/students.rejects-1.csv", line)
    assert house.run() == 0
    assert house.one("select count(*) from staging.stg_students") == 8


# --- something to decide by -----------------------------------------------------------------------------------------


def test_account_shows_what_to_decide_a_held_drop_by(house, capsys):
    rows = [*roster(range(1, 7)), *roster(range(7, 10), "CLASS-9B")]
    house.rows(f"{DAY1}/students.csv", "students", *rows)
    house.rows(f"{DAY2}/students.csv", "students", *roster([1, 2, 3, 4]), *roster([50], "CLASS-9C"))
    assert house.run() == 30
    before = house.contents()
    capsys.readouterr()
    assert house.do("account", "2") == 0
    said = capsys.readouterr().out
    assert "it names 4 of the 9 keys of the snapshot before (44%)" in said
    assert "guard_missing 20%, here 56%" in said and "guard_class 2 students, here 3 students" in said
    assert "Missing in CLASS-9A: STU005, STU006\n" in said and "Missing in CLASS-9B: STU007, STU008, STU009\n" in said
    assert "New in CLASS-9C: STU050" in said and "Asha" not in said
    classes = [line.split() for line in said.splitlines() if line.strip().startswith("CLASS-")]
    assert classes == [
        ["CLASS-9A", "6", "4", "2", "0"],
        ["CLASS-9B", "3", "0", "3", "0"],
        ["CLASS-9C", "0", "1", "0", "1"],
    ]
    effects = [" ".join(line.split()) for line in said.split("if it were approved")[1].split("\n\n")[0].splitlines()]
    assert effects[3:] == ["new 1", "as they are 4", "inactive from that day, because it does not name them 5"]
    assert "Decided before, of students\n  (none)" in said
    assert house.contents() == before, "looking changes nothing"
    page = (house.output / "report.html").read_text()
    assert "1 new, 4 as they are, 5 inactive from that day" in page
    assert "Missing and new, by class" in page and "STU007" not in page.split('id="waiting"')[1].split("</div>")[0]
    assert "not taken: 1 drop" in (house.output / "insights.md").read_text().lower()


def test_account_shows_what_was_decided_before(house, capsys):
    house.rows(f"{DAY1}/students.csv", "students", *roster(range(1, 10)))
    house.rows(f"{DAY2}/students.csv", "students", *roster([1]))
    assert house.run() == 30
    assert house.do("refuse", "2") == 0
    house.rows(f"{DAY3}/students.csv", "students", *roster([1, 2]))
    assert house.run() == 30
    capsys.readouterr()
    assert house.do("account", "3") == 0
    before = capsys.readouterr().out.split("Decided before")[1]
    assert f"{DAY2}/students.csv" in before and "refuse" in before


# --- what is not understood waits -----------------------------------------------------------------------------------


def test_a_file_that_matches_no_dataset_waits_until_it_is_named_or_ignored(house, capsys, monkeypatch):
    house.rows("attendance (1).csv", "attendance", {})
    house.drop("letter.pdf", "%PDF")
    assert house.run() == 30
    said = "".join(capsys.readouterr())
    assert "All good" not in said and "its header fits attendance: name it attendance.csv" in said
    assert "Everything good is built; 1 file not:" in said and "`ignore`" in said
    assert "nothing needs action" not in (house.output / "insights.md").read_text()
    assert "1 file" in (house.output / "insights.md").read_text()
    assert (
        "attendance (1).csv" in (house.output / "report.html").read_text().split('id="waiting"')[1].split("</div>")[0]
    )
    assert house.run() == 30, "until a person settles it"
    capsys.readouterr()
    assert house.do("plan") == 0
    assert "waiting: attendance (1).csv" in capsys.readouterr().out
    with monkeypatch.context() as patch:
        patch.setenv("EDUFLOW_IGNORE", "*.pdf, attendance (?).csv")
        assert house.run() == 0
        assert "attendance (1)" not in capsys.readouterr().out
    (house.data / "attendance (1).csv").rename(house.data / "attendance.csv")
    assert house.run() == 0
    assert house.one("select count(*) from staging.stg_attendance") == 1


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
def test_a_retracted_drop_is_as_if_it_had_never_come_and_approve_undoes_it(house, dataset, monkeypatch):
    monkeypatch.setenv("EDUFLOW_GUARD_MISSING", "2")  # two of five students
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
