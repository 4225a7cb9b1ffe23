"""Data and the record that it is done are one: no failure, no second process and no odd moment parts them.

Each of the ten ways to lose data that tests/mutants brings back is caught by a test here or one that is named there.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import House, csv_text
from test_bad_input import held, somebody_waits, tickets

from init_db import DERIVED
from pipeline.config import PROJECT, settings
from pipeline.datasets import DATASETS
from pipeline.run import transaction
from tests.waiting import until

TICKETS = csv_text("support_tickets", {})
SCHEMAS = ["etl", "raw", *DERIVED]


@contextlib.contextmanager
def running(house: House, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own: of EduFlow, or by another command line of Python."""
    command = [sys.executable, *(arguments or ("-m", "pipeline", "run"))]
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(command, cwd=PROJECT, env={**os.environ, **house.environment}, text=True, **streams)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(process: subprocess.Popen[str], met) -> None:
    until(lambda: process.poll() is not None or met())
    assert process.poll() is None, process.communicate()[0]


def test_a_target_whose_record_cannot_be_written_is_not_written_either(house):
    house.drop("support_tickets.csv", TICKETS)
    assert house.run("Ingest") == 0
    unwritable = "alter table etl.targets add constraint no_record check (target <> 'staging.stg_tickets') not valid"
    house.query(unwritable)
    assert house.run("Clean") == 30
    assert tickets(house) == []
    assert house.query("select status, read from etl.drops") == [("landed", None)]
    house.query("alter table etl.targets drop constraint no_record")
    assert house.run("Clean") == 0
    assert tickets(house) == [("TKT001", "Help")]


def test_a_target_that_cannot_be_written_is_not_on_record(house):
    house.drop("support_tickets.csv", TICKETS)
    house.query("alter table staging.stg_tickets add constraint no_ticket check (false)")
    assert house.run("Clean") == 30
    assert house.query("select fingerprint from etl.targets where target = 'staging.stg_tickets'") in ([], [(None,)])
    house.query("alter table staging.stg_tickets drop constraint no_ticket")
    assert house.run("Clean") == 0
    assert tickets(house) == [("TKT001", "Help")]


def test_a_file_that_cannot_be_kept_in_the_ledger_is_not_kept_in_raw(house):
    house.drop("support_tickets.csv", TICKETS)
    house.query("alter table etl.files add constraint no_file check (false)")
    assert house.run("Ingest") == 30
    assert house.query("select count(*) from raw.support_tickets") == [(0,)]
    assert house.query("select count(*) from etl.drops") == [(0,)]
    house.query("alter table etl.files drop constraint no_file")
    assert house.run("Ingest") == 0
    assert house.query("select count(*) from raw.support_tickets") == [(1,)]


def test_no_table_is_emptied_by_a_crash_of_the_server(house):
    assert house.run() == 0
    unlogged = """
        select c.oid::regclass::text from pg_class as c
        where relnamespace::regnamespace::text = any(%s) and relkind in ('r', 'm', 'S') and relpersistence <> 'p'
    """
    assert house.query(unlogged, SCHEMAS) == []


def test_a_file_that_was_another_one_while_it_was_read_is_not_landed_though_it_is_itself_again(house):
    file = house.drop("support_tickets.csv", TICKETS)
    itself = house.drop("kept aside.csv", TICKETS)
    writing = house.database.connect()
    with running(house) as process, contextlib.closing(writing), writing.cursor() as cursor:
        with held(house, "raw.support_tickets"):
            wait_until(process, lambda: somebody_waits(house))
            file.write_text(TICKETS.replace("TKT001", "TKT666"))  # after the look
            cursor.execute("lock table raw.support_tickets in exclusive mode")
        blocked = "select count(*) from pg_locks where locktype = 'relation' and not granted"
        wait_until(process, lambda: house.one(blocked))  # it has read its first rows, and can't write them
        itself.replace(file)
        writing.rollback()
        said = process.communicate(timeout=60)[0]
    assert process.returncode == 30
    assert "support_tickets.csv changed while it was read; nothing of it was kept" in said
    assert house.query("select count(*) from raw.support_tickets") == [(0,)]
    assert house.query("select count(*) from etl.drops") == [(0,)]


def test_a_file_that_comes_while_a_run_is_under_way_waits_for_the_next_one(house):
    house.drop("support_tickets.csv", TICKETS)
    with running(house) as process:
        with held(house, "warehouse.fact_support_tickets"):
            wait_until(process, lambda: somebody_waits(house))
            house.rows("late/support_tickets.csv", "support_tickets", {"ticket_id": "TKT002"})
            house.rows("late/student_progress.csv", "student_progress", {})
            house.query("select pg_current_xact_id()")  # somebody commits, so that the run looks at the ledger anew
        said = process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    assert tickets(house) == [("TKT001", "Help")] and len(house.balance()) == 1
    assert house.run() == 0
    assert [row[0] for row in tickets(house)] == ["TKT001", "TKT002"]
    assert house.balance() == [(1, 1, 0, 0, 0)] * 3


@pytest.mark.parametrize(
    "path", ["tickets.csv", "2024-02-08/Support Tickets.csv", "a/b/support_tickets_2024-02-08.csv"]
)
def test_a_goal_lands_and_stages_a_file_whatever_it_is_called_and_though_it_is_gone_by_now(house, path):
    file = house.drop(path, TICKETS)
    assert house.run("Ingest") == 0
    assert house.query("select count(*) from raw.support_tickets") == [(1,)]
    file.unlink()
    assert house.run("Clean") == 0
    assert tickets(house) == [("TKT001", "Help")]


@pytest.mark.parametrize(
    "key, value, dataset, expected",
    [
        ("PHONE_DIGITS", "7", "students_enrollment", "+91-5550100"),
        ("PHONE_COUNTRY_CODE", "44", "students_enrollment", "+44-5550100001"),
        ("ATTENDANCE_STATUS", "PRESENT,ABSENT", "attendance", None),
    ],
)
def test_a_setting_that_cleans_cleans_again_when_it_changes(house, monkeypatch, key, value, dataset, expected):
    odd = {"status": "EXCUSED"} if dataset == "attendance" else {"phone": "5550100"} if key == "PHONE_DIGITS" else {}
    house.rows(f"{dataset}.csv", dataset, odd)
    assert house.run("Clean") == 0
    monkeypatch.setenv(f"EDUFLOW_{key}", value)
    assert house.run("Clean") == 0
    column = "status" if dataset == "attendance" else "phone"
    found = house.query(f"select {column} from staging.{DATASETS[dataset].table}")
    assert found == [(expected,)] * (expected is not None)


def test_a_forked_process_has_a_connection_of_its_own(house):
    def server_process() -> int:
        with transaction(settings()) as db:
            return int(db.exec_driver_sql("select pg_backend_pid()").scalar_one())

    mine, (reading, writing) = server_process(), os.pipe()
    assert server_process() == mine  # one is enough for a process
    pid = os.fork()
    if not pid:
        try:
            os.write(writing, str(server_process()).encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    assert said and int(said) != mine
