"""The ways people run it: plain Luigi, single targets by name, worker processes, a central luigid."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from pipeline.audit import graph
from pipeline.outputs.intake import EduFlow
from pipeline.step import Goal
from tests.waiting import until

PROJECT = Path(__file__).parent.parent
PLAIN = ("-m", "luigi", "--module", "pipeline")


@pytest.fixture
def small(house):
    house.rows("2024-02-01/students_enrollment.csv", "students_enrollment", {}, {"student_id": "2"})
    house.rows("2024-02-01/student_progress.csv", "student_progress", {}, {"event_id": "e2", "student_id": "STU002"})
    house.rows("2024-02-02/student_progress.csv", "student_progress", {"score": "90"})
    return house


def test_plain_luigi_runs_the_whole_graph(small):
    done = small.command(*PLAIN, "EduFlow", "--local-scheduler")
    assert done.returncode == 0, done.stderr
    assert "This progress looks :)" in done.stderr
    assert small.query("select score from warehouse.fact_student_progress order by event_id") == [(80,), (90,)]
    assert small.one("select status from etl.runs") == "ok"


@pytest.mark.parametrize("goal", ["Ingest", "Clean", "Warehouse"])
def test_a_goal_builds_its_layer_and_what_is_below(small, goal):
    done = small.command(*PLAIN, goal, "--local-scheduler")
    assert done.returncode == 0, done.stderr
    staged = {"raw", "staging", "checks/staging"}
    layers = {"Ingest": {"raw"}, "Clean": staged, "Warehouse": staged | {"warehouse", "checks/warehouse"}}
    assert {target.split(".")[0] for target in small.builds()} == layers[goal]


def test_a_single_target_by_name_builds_only_what_it_needs(small):
    done = small.command(*PLAIN, "FactEnrollments", "--local-scheduler")
    assert done.returncode == 0, done.stderr
    assert "warehouse.fact_enrollments" in small.builds()
    assert "warehouse.fact_student_progress" not in small.builds()


def test_two_workers_give_the_same_tables(small):
    assert small.command("-m", "pipeline", "run").returncode == 0
    alone = small.contents()
    small.query("drop schema staging, warehouse, analytics cascade")
    done = small.command(*PLAIN, "EduFlow", "--local-scheduler", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert small.contents() == alone


def test_run_after_run_in_one_program_no_process_gathers(small):
    """Luigi starts a manager per run, which ends when the collector takes the run's worker."""
    for _ in range(3):
        small.query("delete from etl.targets where target like '%.ai_%'")
        assert small.run() == 0
        gc.collect()
    assert gc.isenabled()
    assert len(multiprocessing.active_children()) <= 1  # of the last run, whose worker Luigi still holds


def test_a_central_luigid_schedules_the_graph(small, luigid):
    done = small.command("-m", "pipeline", "run", "--scheduler", luigid)
    assert done.returncode == 0, done.stderr
    assert set(small.builds()) == {step.target for step in graph()}
    page = (
        urllib.request.urlopen(f"{luigid}/api/task_list?data=%7B%22status%22%3A%22DONE%22%7D", timeout=5)
        .read()
        .decode()
    )
    for family in ("RawProgress", "StagedProgress", "FactStudentProgress", "EduFlow"):
        assert family in page
    small.rows("2024-02-03/student_progress.csv", "student_progress", {"score": "10"})
    again = small.command(*PLAIN, "EduFlow", "--scheduler-url", luigid, "--workers", "2")
    assert again.returncode == 0, again.stderr  # luigid refuses no rerun
    assert small.one("select score from warehouse.fact_student_progress where event_id = 'evt-001'") == 10


def test_under_luigid_a_corrected_file_is_enough_to_go_on(small, luigid):
    """luigid remembers what failed; it must not refuse it to the run that would mend it."""
    small.drop("2024-02-03/attendance.csv", "no such column\n1\n")
    failed = small.command("-m", "pipeline", "run", "--scheduler", luigid)
    assert failed.returncode == 30, failed.stdout
    small.rows("2024-02-03/attendance.csv", "attendance", {})
    done = small.command("-m", "pipeline", "run", "--scheduler", luigid)
    assert done.returncode == 0, done.stdout
    assert small.one("select count(*) from warehouse.fact_attendance") == 1


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_killed_leaves_nothing_half_done(small, sent):
    lines = "".join(f"k{n},STU{n % 50:03},CRS001,login,2024-02-01T10:00:00Z,1,1,M1,1\n" for n in range(60_000))
    header = (small.data / "2024-02-01/student_progress.csv").read_text().splitlines()[0]
    small.drop("2024-02-05/student_progress.csv", header + "\n" + lines)
    run = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "run", "--workers", "2"],
        cwd=PROJECT,
        env={**os.environ, **small.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until(lambda: small.one("select count(*) from etl.drops"))
    os.kill(run.pid, sent)
    run.wait(30)
    name = small.one("select current_database()")
    others = "select count(*) from pg_stat_activity where datname = %s and pid <> pg_backend_pid() and state <> 'idle'"
    until(lambda: small.one(others, name) == 0, seconds=5)  # no orphan goes on writing
    until(lambda: processes_of_session(run.pid) == [], seconds=5)
    done = small.command("-m", "pipeline", "run")
    assert done.returncode == 0, done.stderr
    assert small.one("select count(*) from warehouse.fact_student_progress") == 60_002
    assert small.do("verify") == 0


def processes_of_session(session: int) -> list[int]:
    """Living processes of a session, from /proc: the sixth field of stat, after a name that may hold anything."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z" and int(fields[3]) == session:
            found.append(int(stat.parent.name))
    return found


def test_a_missing_data_folder_ends_with_20(small):
    done = small.command(*PLAIN, "EduFlow", "--local-scheduler", EDUFLOW_DATA_DIR="/nowhere/at/all")
    assert done.returncode == 20
    done = small.command("-m", "pipeline", "run", EDUFLOW_DATA_DIR="/nowhere/at/all")
    assert done.returncode == 20
    assert "no data folder" in done.stderr


def test_the_root_depends_on_goals_and_each_goal_names_all_its_steps(house):
    """Luigi never looks beneath a complete task: one stale step anywhere makes the root incomplete."""
    house.rows("student_progress.csv", "student_progress", {})
    assert house.run() == 0
    goals = [task for task in EduFlow().requires() if isinstance(task, Goal)]
    assert len(EduFlow().requires()) == len(goals) + 1 <= 8
    named = {step.target for goal in goals for step in goal.requires()}
    assert named == {step.target for step in graph()}
    for step in graph():
        house.query("update etl.targets set fingerprint = 'other' || fingerprint where target = %s", step.target)
        assert not EduFlow().complete(), step.target
        house.query("update etl.targets set fingerprint = substr(fingerprint, 6) where target = %s", step.target)
    assert EduFlow().complete()


def test_each_step_says_on_the_schedulers_page_what_it_does(small, luigid):
    for workers in ("1", "2"):
        small.query("delete from etl.targets")
        done = small.command("-m", "pipeline", "run", "--scheduler", luigid, "--workers", workers)
        assert done.returncode == 0, done.stderr
        tasks = json.load(urllib.request.urlopen(f"{luigid}/api/task_list?data=%7B%22status%22%3A%22DONE%22%7D"))
        said = {task["name"]: task["status_message"] for task in tasks["response"].values()}
        silent = {step.task_family for step in graph() if not said[step.task_family]}
        assert silent == set()
        assert re.fullmatch(r"2 rows, \d changed in \d+\.\d\d s \(never built.*\)", said["FactStudentProgress"])
