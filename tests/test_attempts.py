"""Every attempt leaves its trace: also one that failed, did nothing, was interrupted or reached no database."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

from pipeline.attempts import GOING_ON
from pipeline.config import PROJECT


def prometheus(house) -> dict[str, float]:
    lines = (house.output / "metrics.prom").read_text().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


def last(house) -> tuple:
    return house.query("select status, exit_code, built, landed, goal from etl.runs order by started_at desc limit 1")[
        0
    ]


def summaries(house) -> tuple[str, dict]:
    text = (house.output / "run_summary.md").read_text()
    return text, json.loads((house.output / "run_summary.json").read_text())["last_attempt"]


def page(house) -> str:
    return (house.output / "report.html").read_text()


@pytest.fixture
def filled(house):
    house.rows("students.csv", "students", {})
    assert house.run() == 0
    return house


def test_a_good_run_a_quiet_day_and_a_failing_run_are_three_pictures(filled, capsys):
    assert last(filled)[:2] == ("ok", 0) and last(filled)[3] == 1
    good = prometheus(filled)
    assert good["eduflow_last_attempt_exit_code"] == 0
    assert good["eduflow_last_success_timestamp_seconds"] == good["eduflow_last_attempt_timestamp_seconds"]
    assert filled.do("status") == 0

    assert filled.run() == 0
    assert last(filled) == ("nothing", 0, 0, 0, "EduFlow")
    quiet = prometheus(filled)
    assert quiet["eduflow_last_new_data_timestamp_seconds"] == good["eduflow_last_new_data_timestamp_seconds"]
    assert "everything was up to date" in summaries(filled)[0]

    filled.drop("attendance.csv", "nonsense\n1\n")
    assert filled.run() == 30
    assert last(filled)[:2] == ("unsettled", 30)
    failing = prometheus(filled)
    assert failing["eduflow_last_attempt_exit_code"] == 30
    assert failing['eduflow_waiting{kind="refused"}'] == 1
    assert failing["eduflow_last_success_timestamp_seconds"] <= failing["eduflow_last_attempt_timestamp_seconds"]
    assert "something waits for a person" in summaries(filled)[0] and summaries(filled)[1]["exit_code"] == 30
    capsys.readouterr()
    assert filled.do("status", "--json") == 30
    facts = json.loads(capsys.readouterr().out)
    assert facts["waiting"]["refused"] == 1 and facts["last_attempt"]["exit_code"] == 30


def test_an_attempt_changes_no_target(filled):
    before = filled.builds()
    for _ in range(2):
        assert filled.run() == 0
    assert filled.rebuilt_since(before) == set()


def test_what_a_person_edited_is_still_seen_as_an_edit(filled):
    summary = filled.output / "run_summary.md"
    summary.write_text(summary.read_text() + "edited\n")
    filled.do("status")
    before = filled.builds()
    assert filled.run() == 0
    assert "output/run_summary" in filled.rebuilt_since(before)
    assert "edited" not in summary.read_text()


def test_a_page_that_could_not_be_brought_up_to_date_says_so(filled):
    assert 'role="alert" class="older"' not in page(filled)
    # an error of a check stops what waits for it
    filled.query("update etl.drops set rows = 2, read = 2, current = 2 where dataset = 'students'")
    filled.rows("attendance.csv", "attendance", {})
    assert filled.run() == 30
    assert last(filled)[0] == "failed"
    assert 'role="alert" class="older"' in page(filled) and "it failed" in page(filled)
    filled.query("update etl.drops set rows = 1, read = 1, current = 1 where dataset = 'students'")
    assert filled.run() == 0
    assert 'role="alert" class="older"' not in page(filled)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"eduflow_rows{ what?\nhello\nup 1\n", b"up one\r\n", b"[]"])
def test_the_metrics_stay_valid_whatever_stood_in_the_file_when_a_run_failed(filled, monkeypatch, content):
    from prometheus_client.parser import text_string_to_metric_families as parsed

    for name in ("metrics.prom", "run_summary.md", "run_summary.json", "report.html"):
        (filled.output / name).write_bytes(content)
    monkeypatch.setenv("EDUFLOW_DATA_DIR", str(filled.data / "nowhere"))
    assert filled.do("run") == 20
    assert "eduflow_last_attempt_exit_code" in {
        family.name for family in parsed((filled.output / "metrics.prom").read_text())
    }
    assert "exit code 20" in summaries(filled)[0]
    monkeypatch.setenv("EDUFLOW_DATA_DIR", str(filled.data))
    assert filled.run() == 0
    assert "eduflow_target_rows" in {family.name for family in parsed((filled.output / "metrics.prom").read_text())}


def test_without_a_database_the_files_say_that_it_failed(filled, monkeypatch):
    good = prometheus(filled)
    url = os.environ["EDUFLOW_DATABASE"]
    monkeypatch.setenv("EDUFLOW_DATABASE", "postgresql+psycopg2://nobody@127.0.0.1:1/nothing")
    assert filled.do("run") == 1
    after = prometheus(filled)
    assert after["eduflow_last_attempt_exit_code"] == 1
    assert after["eduflow_last_success_timestamp_seconds"] == good["eduflow_last_success_timestamp_seconds"]
    assert 'role="alert" class="older"' in page(filled)
    assert "it failed" in summaries(filled)[0]
    monkeypatch.setenv("EDUFLOW_DATABASE", url)
    assert filled.run() == 0
    assert (
        'role="alert" class="older"' not in page(filled) and prometheus(filled)["eduflow_last_attempt_exit_code"] == 0
    )
    assert filled.run() == 0 and last(filled)[0] == "nothing"


def test_a_missing_data_folder_is_an_attempt_too(filled, monkeypatch):
    monkeypatch.setenv("EDUFLOW_DATA_DIR", str(filled.data / "nowhere"))
    assert filled.do("run") == 20
    assert last(filled)[:2] == ("failed", 20) and prometheus(filled)["eduflow_last_attempt_exit_code"] == 20


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_says_what_is_kept_and_leaves_its_trace(house, number, code):
    house.rows("students.csv", "students", {})
    lock = house.database.connect()
    try:
        # somebody holds the lock of a target half-way: the run waits there
        assert house.run("Warehouse") == 0
        house.rows("attendance.csv", "attendance", {})
        with lock.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(%s)", (_key("warehouse.fact_attendance"),))
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "run"],
            cwd=PROJECT,
            env={**os.environ, **house.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        while not house.one(waiting):
            assert process.poll() is None, process.communicate()
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    finally:
        lock.close()
    assert process.returncode == code, said
    assert re.fullmatch(r"Interrupted after [0-9.]+ s; \d+ targets are built and kept. Run again.\n", said)
    assert last(house)[:2] == ("interrupted", code)
    assert prometheus(house)["eduflow_last_attempt_exit_code"] == code
    assert house.run() == 0


def _key(target: str) -> int:
    from targets.postgres.locks import lock_key

    return lock_key(target)


def test_status_before_the_first_run_and_after_a_long_silence(house, capsys):
    assert house.do("status") == 25
    assert "none yet: eduflow run" in capsys.readouterr().out
    house.rows("students.csv", "students", {})
    assert house.run() == 0
    house.query(
        "update etl.runs set started_at = started_at - interval '3 days', ended_at = ended_at - interval '3 days'"
    )
    assert house.do("status") == 25
    assert "LATE" in capsys.readouterr().out
    assert house.do("status", "--max-age", "100") == 0


def test_a_run_without_a_terminal_prints_its_ending_alone(house, capsys):
    house.rows("students.csv", "students", {})
    assert house.do("run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "What this run changed" and lines[-1].startswith("All good: ") and len(lines) <= 40
    house.drop("tickets.csv", "nonsense\n1\n")
    assert house.do("run") == 30
    out, err = capsys.readouterr()
    assert err == ""
    assert "Waits for you: drop 2 refused: tickets.csv" in out and "eduflow account DROP" in out
    assert "All good" not in out
    house.rows("attendance.csv", "attendance", {})
    assert house.do("run", "Warehouse") == 0
    out = capsys.readouterr().out
    assert "All good" not in out and "Warehouse is built, but not all that was given is in" in out
    assert house.do("run", "Warehouse") == 0
    assert "Nothing to do: Warehouse is up to date, but not all" in capsys.readouterr().out


def test_the_ending_fits_forty_lines_with_twenty_thousand_drops(house, capsys):
    house.rows("students.csv", "students", {})
    assert house.run() == 0
    house.query("""
        insert into etl.drops (
            drop_id, dataset, path, sha256, size, drop_date, status, reason, judged_by, landed_at, rows,
            read, current, superseded, duplicate, rejected
        )
        select n + 100, 'attendance', 'old/' || n || '.csv', md5(n::text), 10, date '2020-01-01' + n / 20,
            case when n % 50 = 0 then 'refused' else 'staged' end, case when n % 50 = 0 then 'line 1: no header' end,
            null, case when n % 50 > 0 then now() - interval '2 days' end, case when n % 50 > 0 then 1 end,
            case when n % 50 > 0 then 1 end, case when n % 50 > 0 then 0 end, case when n % 50 > 0 then 1 end,
            case when n % 50 > 0 then 0 end, case when n % 50 > 0 then 0 end
        from generate_series(1, 20000) as n
    """)
    house.query("update etl.drops set arrived_at = now() - interval '2 days' where path like 'old/%'")
    house.rows("attendance_2024-03-01.csv", "attendance", {})
    capsys.readouterr()
    assert house.do("run") == 30
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 320
    assert any("more (eduflow status)" in line for line in lines)
    assert house.do("status") == 30
    assert len(capsys.readouterr().out.splitlines()) <= 14


def test_a_killed_run_is_said_by_status_and_one_that_goes_on_is_not(house, capsys):
    house.rows("students.csv", "students", {})
    assert house.run("Warehouse") == 0
    house.rows("attendance.csv", "attendance", {})
    lock = house.database.connect()
    try:
        with lock.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(%s)", (_key("warehouse.fact_attendance"),))
        environment = {**os.environ, **house.environment}
        process = subprocess.Popen([sys.executable, "-m", "pipeline", "run"], cwd=PROJECT, env=environment)
        while not house.one("select count(*) from pg_locks where locktype = 'advisory' and not granted"):
            assert process.poll() is None
        capsys.readouterr()
        assert house.do("status") == 0
        assert "running, has not ended" in capsys.readouterr().out
        process.kill()
        process.wait()
        while house.one("select count(*) from pg_locks where classid::bigint = %s", GOING_ON):
            pass
        assert house.do("status") == 30
        assert "killed, has not ended" in capsys.readouterr().out
    finally:
        lock.close()


def test_an_attempt_of_a_clock_that_was_ahead_is_not_the_last_one(filled):
    filled.query("update etl.runs set started_at = '2149-01-01', ended_at = '2149-01-01'")
    assert filled.do("status") == 25
    assert filled.run() == 0
    assert filled.do("status") == 0
    assert prometheus(filled)["eduflow_last_success_timestamp_seconds"] < 5e9


def test_plain_luigi_leaves_the_same_trace(filled):
    luigi = ("-m", "luigi", "--module", "pipeline", "EduFlow", "--local-scheduler")
    assert filled.command(*luigi).returncode == 0
    assert last(filled)[:2] == ("nothing", 0) and filled.do("status") == 0
    filled.drop("attendance.csv", "nonsense\n1\n")
    assert filled.command(*luigi).returncode == 30
    assert last(filled)[1] == 30 and last(filled)[4] == "EduFlow"
    assert prometheus(filled)["eduflow_last_attempt_exit_code"] == 30
    assert filled.do("status") == 30


def test_an_output_that_can_not_be_written_is_an_attempt_too(filled):
    for path in filled.output.iterdir():
        path.unlink() if path.is_file() else shutil.rmtree(path)
    filled.output.rmdir()
    filled.output.write_text("a file")
    assert filled.run() == 30
    assert last(filled)[:2] == ("failed", 30)
