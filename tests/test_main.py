"""The operator's verbs, as a person types them."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from pipeline.datasets import DATASETS


@pytest.fixture
def filled(house):
    house.rows(
        "2024-02-08/students_enrollment.csv",
        "students_enrollment",
        {"student_id": "stu-3", "full_name": "  bob  WILSON ", "fee_paid": "-50,000"},
        {"student_id": "no digits", "email": "someone.private@example.org"},
    )
    house.rows("2024-02-08/student_progress.csv", "student_progress", {"student_id": "3"}, {"event_id": "e9"})
    house.rows("2024-02-09/student_progress.csv", "student_progress", {"student_id": "STU003", "score": "81"})
    assert house.run() == 0
    return house


@pytest.mark.smoke
def test_a_verbose_run_ends_with_the_balance_and_the_rows_per_layer(house, capsys):
    house.rows("student_progress.csv", "student_progress", {})
    assert house.run() == 0
    out = capsys.readouterr().out
    assert "landed student_progress.csv: 1 records" in out
    assert "Balance per drop" in out and "Rows per layer" in out and "fact_student_progress 1" in out
    others = ", ".join(sorted(set(DATASETS) - {"student_progress"}))
    assert f"No file yet for: {others}" in out
    assert re.match(r"All good: \d+ targets built in ", out.rstrip().splitlines()[-1])


def test_account_prints_every_drop_and_one_drop_with_its_rejects(filled, capsys):
    assert filled.do("account") == 0
    assert "2024-02-08/students_enrollment.csv" in capsys.readouterr().out
    drop = filled.one("select drop_id from etl.drops where dataset = 'students_enrollment'")
    assert filled.do("account", str(drop)) == 0
    out = capsys.readouterr().out
    assert "student_id_invalid" in out and "fee_paid" in out and "open_rejects  1" in out
    assert "someone.private" not in out
    assert filled.do("account", "999") == 1


def test_trace_shows_a_students_way_from_line_to_facts(filled, capsys):
    assert filled.do("trace", "student", "STU003") == 0
    out = capsys.readouterr().out
    assert "2024-02-08/students_enrollment.csv line 2 (drop" in out
    assert "'stu-3' -> 'STU003'" in out and "'  bob  WILSON ' -> 'Bob Wilson'" in out
    assert "'-50,000' -> '50000.00'" in out and "fee_paid_negative" in out
    assert "2024-02-08/student_progress.csv line 2" in out and ": superseded" in out
    assert "2024-02-09/student_progress.csv line 2" in out and ": current" in out
    for table in ("staging.stg_enrollments", "warehouse.dim_students", "warehouse.fact_student_progress"):
        assert f"{table}: 1 row\n" in out


def test_trace_of_nobody_says_so(filled, capsys):
    assert filled.do("trace", "student", "STU404") == 1
    assert "No record of student 'STU404'" in capsys.readouterr().err


def test_sql_prints_a_table_or_csv_with_the_servers_own_text(filled, capfd):
    query = "select event_id, score, event_timestamp, null as nothing from warehouse.fact_student_progress order by 1;"
    assert filled.do("sql", query, "--csv") == 0
    rows = list(csv.reader(io.StringIO(capfd.readouterr().out)))
    assert rows == [
        ["event_id", "score", "event_timestamp", "nothing"],
        ["e9", "80.00", "2024-02-01 10:00:00+00", ""],
        ["evt-001", "81.00", "2024-02-01 10:00:00+00", ""],
    ]
    assert filled.do("sql", query) == 0
    assert "evt-001   81.00  2024-02-01 10:00:00+00" in capfd.readouterr().out


@pytest.mark.parametrize(
    "query, said",
    [
        ("select * from nowhere", 'relation "nowhere" does not exist'),
        ("delete from etl.drops returning 1", "read-only"),
        ("drop schema etl", "sql only reads"),
    ],
)
def test_sql_changes_nothing_and_explains_a_mistake(filled, capsys, query, said):
    drops = filled.one("select count(*) from etl.drops")
    assert filled.do("sql", query) == 1
    assert said in capsys.readouterr().err
    assert filled.one("select count(*) from etl.drops") == drops


def test_a_rejected_row_is_open_until_a_person_refuses_it(filled, capsys):
    drop = filled.one("select drop_id from etl.drops where rejected > 0")
    assert filled.one("select count(*) from staging.open_rejects") == 1
    assert filled.do("refuse", str(drop), "--line", "3") == 0
    assert filled.one("select count(*) from staging.open_rejects") == 0
    assert filled.do("refuse", str(drop), "--line", "2") == 1
    assert "no rejected row at line 2" in capsys.readouterr().err


def test_only_a_refused_drop_can_be_refused(filled, capsys):
    drop = filled.one("select min(drop_id) from etl.drops")
    assert filled.do("refuse", str(drop)) == 1
    assert "is staged" in capsys.readouterr().err
    assert filled.do("refuse", "999") == 1


def test_the_summary_says_what_was_built_and_why(filled):
    facts = json.loads((filled.output / "run_summary.json").read_text())
    assert facts["as_of"] is None or facts["as_of"].startswith("2024")
    assert {"target", "why", "rows", "changed", "seconds"} == set(facts["rebuilt"][0])
    assert facts["tables"]["staging.stg_enrollments"] == 1
    assert [drop["rejected"] for drop in facts["drops"]] == [0, 1, 0]
    text = (filled.output / "run_summary.md").read_text()
    assert "never built" in text and "someone.private" not in text


def test_help_names_every_verb(house, capsys):
    with pytest.raises(SystemExit) as left:
        house.do("--help")
    assert left.value.code == 0
    out = capsys.readouterr().out
    for verb in ("run", "plan", "account", "trace", "sql", "verify", "forget", "refuse"):
        assert f"\n    {verb} " in out
