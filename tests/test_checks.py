"""Checks find what should not be there; an error keeps the marts as they were, a warning is only written down."""

from __future__ import annotations

import pytest

from pipeline.config import PROJECT
from pipeline.outputs.pages import ReportPage

DAY1, DAY2 = "2024-02-08", "2024-02-09"


def school(house):
    house.rows(f"{DAY1}/students.csv", "students", {}, {"student_id": "STU002"})
    house.rows(f"{DAY1}/students_enrollment.csv", "students_enrollment", {}, {"student_id": "STU002"})
    house.rows(f"{DAY1}/student_progress.csv", "student_progress", {}, {"event_id": "evt-002", "student_id": "STU002"})
    house.rows(f"{DAY1}/course_catalog.csv", "course_catalog", {})
    house.rows(f"{DAY1}/support_tickets.csv", "support_tickets", {})
    house.rows(f"{DAY1}/attendance.csv", "attendance", {})
    house.rows(f"{DAY1}/assessments.csv", "assessments", {})


def found(house):
    """Offending rows by check, of those that found any."""
    return dict(house.query("select name, offending from etl.checks where offending > 0"))


def test_every_check_runs_and_finds_nothing_in_good_data(house):
    school(house)
    assert house.run() == 0
    names = {name for (name,) in house.query("select name from etl.checks")}
    assert names == {path.stem for path in (PROJECT / "pipeline/sql").glob("check_*.sql")}
    assert found(house) == {}
    assert house.do("check") == 0


# What a person with psql, or a bug, may do; and the check that sees it when its layer is looked at again.
DAMAGE = [
    ("staging", "check_staging_balance", "update etl.targets set rows = 7 where target = 'staging.stg_progress'"),
    ("staging", "check_staging_dates", "update staging.stg_attendance set attendance_date = '2024-02-10'"),
    ("staging", "check_staging_ranges", "update staging.stg_assessments set score = max_score + 1"),
    ("staging", "check_staging_versions", "delete from staging.student_versions where dataset = 'students'"),
    (
        "warehouse",
        "check_warehouse_constraints",
        "alter table warehouse.fact_attendance drop constraint fact_attendance_student_key_fkey",
    ),
    (
        "warehouse",
        "check_warehouse_constraints",
        "alter table warehouse.fact_assessments drop constraint fact_assessments_pkey",
    ),
    (
        "warehouse",
        "check_warehouse_counts",
        "delete from warehouse.fact_attendance where ctid = (select min(ctid) from warehouse.fact_attendance)",
    ),
    (
        "warehouse",
        "check_warehouse_not_null",
        """
        alter table warehouse.fact_attendance alter status drop not null;
        update warehouse.fact_attendance set status = null
        """,
    ),
    ("warehouse", "check_warehouse_totals", "update warehouse.fact_course_progress set events = events + 1"),
    ("warehouse", "check_warehouse_history", "update warehouse.dim_students_history set is_active = false"),
    ("warehouse", "check_warehouse_history", "delete from warehouse.dim_students_history"),
    (
        "warehouse",
        "check_warehouse_history",
        "update warehouse.dim_students_history set valid_from = '2024-01-01'",
    ),
    ("analytics", "check_analytics_students", "delete from analytics.student_360 where student_id = 'STU002'"),
    (
        "analytics",
        "check_analytics_students",
        "delete from analytics.student_performance_summary where student_id = 'STU002'",
    ),
    (
        "analytics",
        "check_analytics_not_empty",
        "delete from analytics.course_performance",
    ),
    (
        "analytics",
        "check_analytics_attendance",
        "update analytics.daily_dashboard set students_with_attendance = 0, present_count = 0",
    ),
    (
        "analytics",
        "check_analytics_rates",
        """
        alter table analytics.class_statistics drop constraint class_statistics_attendance_rate_check;
        update analytics.class_statistics set attendance_rate = 1.5
        """,
    ),
]


@pytest.mark.parametrize("layer, check, damage", DAMAGE, ids=[f"{check}-{n}" for n, (_, check, _) in enumerate(DAMAGE)])
def test_a_check_sees_the_damage_it_is_there_for(house, capsys, layer, check, damage):
    school(house)
    assert house.run() == 0
    house.query(damage)
    house.query("update etl.targets set fingerprint = null where target = %s", f"checks/{layer}")
    capsys.readouterr()
    assert house.run() == 30
    assert f"{check}: " in capsys.readouterr().err
    assert found(house).keys() == {check}
    assert house.do("check") == 1
    assert check in capsys.readouterr().out


def test_an_error_keeps_the_marts_as_they_were_and_all_is_well_after_the_repair(house):
    school(house)
    assert house.run() == 0
    marts = {table: rows for table, rows in house.contents().items() if table.startswith("analytics.")}
    page = (house.output / "report.html").read_bytes()
    house.query("update warehouse.fact_course_progress set events = events + 1")
    house.rows(f"{DAY2}/student_progress.csv", "student_progress", {"event_id": "evt-003"})
    assert house.run() == 30
    assert house.one("select count(*) from warehouse.fact_student_progress") == 3
    assert {table: rows for table, rows in house.contents().items() if table.startswith("analytics.")} == marts
    after = (house.output / "report.html").read_bytes().decode()
    assert ReportPage.notes.sub(b"", after.encode()) == page and 'class="older"' in after  # below a banner that says so
    assert house.run() == 30, "it stays an error until it is repaired"
    assert house.do("forget", "warehouse.fact_course_progress") == 0
    assert house.run() == 0
    assert found(house) == {}
    assert house.one("select sum(active_days_7) from analytics.student_360") > 0


def test_a_warning_stops_nothing(house, capsys):
    school(house)
    house.rows(f"{DAY1}/more/student_progress.csv", "student_progress", {"event_id": "evt-9", "student_id": "STU909"})
    house.rows(
        f"{DAY1}/more/support_tickets.csv",
        "support_tickets",
        {"ticket_id": "TKT9", "created_date": "2024-02-05", "resolved_date": "2024-02-01"},
    )
    assert house.run() == 0
    assert found(house) == {"check_warehouse_orphans": 1, "check_warehouse_tickets": 1}
    assert house.do("check") == 0, "warnings only"
    assert "STU909" in capsys.readouterr().out


def test_many_rejected_rows_and_a_stale_day_are_warnings(house):
    rows = [{"event_id": f"evt-{n}", "student_id": "?" if n < 3 else f"STU00{n % 2}"} for n in range(12)]
    house.rows("2024-06-01/student_progress.csv", "student_progress", *rows)
    assert house.run() == 0
    assert found(house).keys() >= {"check_staging_rejects", "check_analytics_stale"}


def test_a_check_that_ran_again_makes_nothing_anew(house):
    school(house)
    assert house.run() == 0
    before = house.builds()
    assert house.do("forget", "checks/warehouse") == 0
    assert house.run() == 0
    assert house.rebuilt_since(before) == {"checks/warehouse"}
