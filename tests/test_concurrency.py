"""Many runs at once: one writes a target, the others wait and skip; the result is that of a single run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest
from oracle import CORRECTED, Oracle, first_days
from test_bad_input import held, somebody_waits
from test_durability import running, wait_until
from test_staging import emptied, everything

from pipeline.config import PROJECT
from pipeline.datasets import DATASETS

EIGHT: list[tuple[str, ...]] = [()] * 8


def at_once(house, runs: list[tuple[str, ...]]) -> None:
    """`eduflow run` so many times at once, each with its arguments; all end well."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "pipeline", "run", *arguments],
            cwd=PROJECT,
            env={**os.environ, **house.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for arguments in runs
    ]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(runs), "\n".join(outputs)


def arrivals(house, number: int) -> list[str]:
    """The files of one round: three datasets, late and newer days in turn; returns what they change."""
    names = [list(DATASETS)[(number * 3 + place) % len(DATASETS)] for place in range(3)]
    day = f"2024-{'03' if number % 2 else '01'}-{28 - number:02}"
    newest = max(path.parent.name for path in house.data.rglob("city_master.csv"))
    for name in names:
        key = DATASETS[name].key
        new = {key: f"{'STU' if key == 'student_id' else 'new '}{100 + number}"}
        house.rows(f"{day}/{name}.csv", name, CORRECTED[name] if number % 3 else {}, new, {key: ""})
    cities = ["reference:city_master"] if "city_master" in names and day > newest else []
    return [f"drops:{name}" for name in names] + cities


def rounds_at_once(house, runs: list[tuple[str, ...]], rounds: int) -> None:
    """Each round builds what its files reach, each target once; in the end all is as after one run of one process."""
    oracle = Oracle()
    builds: dict[str, int] = {}
    for number in range(rounds):
        if number == 0:
            first_days(house)
            expected = set(oracle.steps)
        else:
            expected = oracle.rebuilt(*arrivals(house, number))
        at_once(house, runs)
        after = house.builds()
        risen = {target: build - builds.get(target, 0) for target, build in after.items()}
        assert {target: rise for target, rise in risen.items() if rise} == dict.fromkeys(expected, 1)
        builds = after
    assert house.do("verify") == 0
    together = everything(house)
    files = {str(path.relative_to(house.data)): path.read_bytes() for path in house.data.rglob("*.csv")}
    emptied(house)
    for path, content in files.items():
        house.drop(path, content)
    assert house.run() == 0
    assert everything(house) == together


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.faults)])
def test_eight_runs_at_once_write_each_target_once_and_give_one_result(house, trusting, rounds):
    rounds_at_once(house, EIGHT, rounds)


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.faults)])
def test_two_runs_under_one_luigid_share_the_work_and_both_end_well(house, trusting, luigid, rounds):
    rounds_at_once(house, [("--scheduler", luigid)] * 2, rounds)


def test_a_file_that_takes_long_to_land_keeps_no_other_dataset_waiting(house):
    assert house.run("Ingest") == 0  # the tables
    house.rows("students.csv", "students", {})
    house.rows("attendance.csv", "attendance", {})
    landing = "select count(*) from pg_locks where relation = 'raw.students'::regclass and not granted"
    with running(house, "-m", "pipeline", "run", "RawStudents") as slow:
        with contextlib.closing(house.database.connect()) as holder:
            holder.cursor().execute("lock table raw.students in access exclusive mode")
            wait_until(slow, lambda: house.one(landing))
            other = house.command("-m", "pipeline", "run", "RawAttendance")  # its time limit is the test
            assert other.returncode == 0, other.stdout + other.stderr
        assert slow.wait(timeout=60) == 0
    assert house.query("select dataset from etl.drops order by dataset") == [("attendance",), ("students",)]


def test_what_moves_on_while_a_target_waits_is_made_first_by_luigi(house):
    """A file lands in another process while what is made from it is on its way: it waits, and nothing fails."""
    house.rows("2024-02-08/support_tickets.csv", "support_tickets", {})
    assert house.run("Warehouse") == 0
    before = house.builds()
    house.query("update etl.targets set fingerprint = null where target = 'warehouse.fact_support_tickets'")
    with held(house, "warehouse.fact_support_tickets"):
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "run", "Warehouse", "--verbose"],
            cwd=PROJECT,
            env={**os.environ, **house.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        wait_until(process, lambda: somebody_waits(house))
        house.rows("2024-02-09/support_tickets.csv", "support_tickets", {"ticket_id": "TKT002"})
        other = house.command("-m", "pipeline", "run", "Ingest")
        assert other.returncode == 0, other.stdout + other.stderr
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Unfulfilled" not in said
    assert house.builds()["staging.stg_tickets"] == before["staging.stg_tickets"] + 1
    assert house.one("select count(*) from warehouse.fact_support_tickets") == 2
    assert house.do("verify") == 0
