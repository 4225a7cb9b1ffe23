"""Make semantics: what is up to date stays, what depends on a change is built again, and nothing else."""

from __future__ import annotations

import os

import pytest
from sqlalchemy import text

from pipeline.audit import graph
from pipeline.run import transaction


def test_a_second_run_does_nothing_and_says_so(house, capsys):
    house.rows("student_progress.csv", "student_progress", {})
    assert house.run() == 0
    before = house.builds()
    capsys.readouterr()
    assert house.run() == 0
    assert house.rebuilt_since(before) == set()
    assert capsys.readouterr().out.startswith("Nothing to do: ")


def test_every_target_is_built_even_without_any_file(house, capsys):
    assert house.run() == 0
    assert set(house.builds()) == {step.target for step in graph()}
    assert "students_enrollment" in (house.output / "run_summary.md").read_text().split("Datasets without a file")[1]
    assert house.one("select count(*) from warehouse.dim_date") == 18_629


def test_a_new_ticket_file_builds_only_what_reads_tickets(house):
    house.rows("student_progress.csv", "student_progress", {})
    house.run()
    before = house.builds()
    house.rows("support_tickets.csv", "support_tickets", {})
    house.run()
    rebuilt = house.rebuilt_since(before)
    assert {target for target in rebuilt if target.startswith(("raw.", "staging."))} == {
        "raw.support_tickets", "staging.stg_tickets",
    }  # fmt: skip
    untouched = set(house.builds()) - rebuilt
    assert {target for target in untouched if target.startswith(("warehouse.", "analytics.", "output/"))} == {
        "warehouse.dim_date", "warehouse.dim_classes", "warehouse.dim_programs", "warehouse.dim_instructors",
        "warehouse.dim_courses",
    }  # fmt: skip


def test_an_identical_daily_city_list_cleans_no_enrolment_again(house):
    house.rows("2024-02-01/city_master.csv", "city_master", {})
    house.rows("2024-02-01/students_enrollment.csv", "students_enrollment", {})
    house.run()
    before = house.builds()
    house.rows("2024-02-02/city_master.csv", "city_master", {})
    house.run()
    assert "staging.stg_cities" in house.rebuilt_since(before)
    assert "staging.stg_enrollments" not in house.rebuilt_since(before)


def test_another_city_list_cleans_all_enrolments_again(house):
    house.rows("2024-02-01/city_master.csv", "city_master", {})
    students = {"city": "Poona"}, {"student_id": "STU002", "city": "Nashik"}
    house.rows("2024-02-01/students_enrollment.csv", "students_enrollment", *students)
    house.run()
    assert house.query("select city, flags from staging.stg_enrollments order by student_id") == [
        ("Pune", []), ("Nashik", ["city_unmatched"]),
    ]  # fmt: skip
    house.rows("2024-02-02/city_master.csv", "city_master", {}, {"city_name": "Nashik", "common_misspellings": ""})
    house.run()
    assert house.query("select city, flags from staging.stg_enrollments order by student_id") == [
        ("Pune", []), ("Nashik", []),
    ]  # fmt: skip


def test_a_city_list_that_goes_back_to_its_first_content_cleans_enrolments_with_it_again(house):
    """Three drops of one day: the values of the first one win again, so enrolments are not what the second one said."""
    house.rows("2024-02-01/students_enrollment.csv", "students_enrollment", {"city": "Poona"})
    for aliases in ("Poona", "", "Poona"):
        house.rows("2024-02-01/city_master.csv", "city_master", {"common_misspellings": aliases})
        assert house.run() == 0
        assert house.one("select city from staging.stg_enrollments") == ("Pune" if aliases else "Poona")


def test_an_option_builds_what_it_matters_to(house, monkeypatch):
    house.rows("students_enrollment.csv", "students_enrollment", {})
    house.run()
    before = house.builds()
    monkeypatch.setenv("EDUFLOW_PHONE_COUNTRY_CODE", "44")
    house.run()
    assert house.one("select phone from staging.stg_enrollments") == "+44-5550100001"
    assert "staging.stg_enrollments" in house.rebuilt_since(before)
    assert "staging.stg_progress" not in house.rebuilt_since(before)


@pytest.mark.parametrize("schema", ["staging", "warehouse", "analytics"])
def test_a_dropped_schema_comes_back_identical(house, schema):
    house.rows("2024-02-01/students_enrollment.csv", "students_enrollment", {}, {"student_id": "STU002"})
    house.rows("2024-02-01/student_progress.csv", "student_progress", {}, {"event_id": "e2", "student_id": "9"})
    house.rows("2024-02-02/student_progress.csv", "student_progress", {"score": "1"})
    house.run()
    before, balance = house.contents(), house.balance()
    house.query(f"drop schema {schema} cascade")
    assert house.run() == 0
    assert house.contents() == before
    assert house.balance() == balance


def test_all_derived_schemas_come_back_identical(house):
    house.rows("2024-02-01/students_enrollment.csv", "students_enrollment", {}, {"student_id": "STU002"})
    house.rows("2024-02-01/student_progress.csv", "student_progress", {}, {"event_id": "e2", "student_id": "9"})
    house.run()
    before = house.contents()
    house.query("drop schema staging, warehouse, analytics cascade")
    assert house.run() == 0
    assert house.contents() == before


def test_plan_names_what_differs_and_runs_nothing(house, capsys):
    house.rows("student_progress.csv", "student_progress", {})
    assert house.do("plan") == 0
    out = capsys.readouterr().out
    assert "would land student_progress.csv" in out and "never built" in out
    assert house.builds() == {}
    house.run()
    house.rows("student_progress.csv", "student_progress", {"score": "1"})
    capsys.readouterr()
    house.do("run")  # a new look at the folder
    assert house.one("select why from etl.targets where target = 'raw.student_progress'") == "drops student_progress"
    why = house.one("select why from etl.targets where target = 'staging.stg_progress'")
    assert why == "upstream raw.student_progress"


def test_forget_builds_a_target_and_what_is_made_from_it_again(house, capsys):
    house.rows("student_progress.csv", "student_progress", {})
    house.run()
    before = house.builds()
    assert house.do("forget", "warehouse.fact_student_progress") == 0
    house.run()
    others = {"analytics.ai_quality", "analytics.review_queue"}  # which read staging, and facts of other datasets
    marts = {target for target in before if target.startswith("analytics.")} - others
    assert house.rebuilt_since(before) == marts | {
        "warehouse.fact_student_progress", "warehouse.fact_course_progress", "warehouse.ai_student_risk",
        "checks/warehouse", "checks/analytics",
        "output/marts", "output/report", "output/insights", "output/run_summary", "output/metrics",
    }  # fmt: skip
    assert house.do("forget", "warehouse.nothing") == 1
    assert "No target warehouse.nothing" in capsys.readouterr().err


def test_the_metrics_alone_can_be_what_a_run_has_to_build(house):
    house.run()
    (house.output / "metrics.prom").unlink()
    assert house.run() == 0
    assert "eduflow_run_duration_seconds" in (house.output / "metrics.prom").read_text()


@pytest.mark.parametrize("name", ["run_summary.md", "run_summary.json"])
def test_a_deleted_or_edited_artifact_is_written_again(house, name):
    house.run()
    file = house.output / name
    for damage in (file.unlink, lambda: file.write_text("edited")):
        damage()
        before = house.builds()
        assert house.run() == 0
        assert house.rebuilt_since(before) == {"output/run_summary"}
        assert "edited" not in file.read_text().splitlines()[0]


def test_verify_finds_and_the_next_run_repairs(house, capsys):
    house.rows("2024-02-01/student_progress.csv", "student_progress", {}, {"event_id": "e2"})
    house.run()
    before = house.contents()
    for damage in (
        "delete from warehouse.fact_student_progress where event_id = 'e2'",
        "delete from staging.stg_progress where event_id = 'e2'",
        "delete from raw.student_progress where _line = 3",
        "delete from warehouse.dim_date where date_key = 20491231",
    ):
        house.query(damage)
        assert house.do("verify") == 1
        assert "damaged: " in capsys.readouterr().out
        assert house.run() == 0
        assert house.contents() == before
        assert house.do("verify") == 0


def test_verify_takes_a_run_that_stopped_between_two_layers_for_no_damage(house, capsys):
    house.rows("2024-02-01/student_progress.csv", "student_progress", {})
    house.run()
    house.rows("2024-02-02/student_progress.csv", "student_progress", {"event_id": "e2"})
    house.run("Clean")
    assert house.do("verify") == 0
    house.run()
    house.query("delete from warehouse.fact_student_progress where event_id = 'e2'")
    assert house.do("verify") == 1
    assert "fact_student_progress has 1 rows, staging.stg_progress 2" in capsys.readouterr().out


def test_raw_that_lost_rows_waits_when_the_file_is_gone(house, capsys):
    house.rows("student_progress_2024-02-01.csv", "student_progress", {}, {"event_id": "e2"})
    house.run()
    house.query("delete from raw.student_progress where _line = 3")
    (house.data / "student_progress_2024-02-01.csv").unlink()
    assert house.do("verify") == 1
    assert house.run() == 30
    assert "holds 1 of the 2 records" in capsys.readouterr().err
    assert house.one("select count(*) from staging.stg_progress") == 0


def test_a_forked_worker_leaves_the_connection_of_its_parent_alone(house):
    def backend() -> int:
        with transaction() as db:
            return db.execute(text("select pg_backend_pid()")).scalar_one()

    parent = backend()
    child = os.fork()
    if child == 0:
        os._exit(0 if backend() != parent else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert backend() == parent
