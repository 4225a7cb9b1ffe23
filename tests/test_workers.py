"""Luigi's worker as ours: it refuses what it did not schedule, and forks only for long tasks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parent.parent
PLAIN = ("-m", "luigi", "--module", "pipeline", "EduFlow")


class Hostile(BaseHTTPRequestHandler):
    """A scheduler that answers every request for work with a task of a module of its choice."""

    work: dict[str, Any]
    asked: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        method = self.path.rpartition("/")[2]
        self.asked.append(method)
        counts = {"n_pending_tasks": 1, "n_unique_pending": 1, "n_pending_last_scheduled": 1, "running_tasks": []}
        answer = {**self.work, **counts, "worker_state": "active"} if method == "get_work" else {}
        body = json.dumps({"response": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Not to standard error."""


@pytest.fixture
def hostile() -> Iterator[ThreadingHTTPServer]:
    Hostile.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("entry", ["luigi", "pipeline"])
@pytest.mark.parametrize("named", ["task", "batch"])
def test_a_scheduler_cannot_make_the_worker_import_a_module(house, hostile, tmp_path, entry, named, workers):
    """`data/` is below the working directory, which `python -m` imports from: a dropped file would be code."""
    written = tmp_path / "written"
    house.drop("evil.py", f"open({str(written)!r}, 'w').close()\nimport luigi\nclass Evil(luigi.Task):\n    pass\n")
    Hostile.work = {"task_module": "data.evil", "task_family": "Evil", "task_params": {}}
    Hostile.work |= {"task_id": "Evil_1"} if named == "task" else {"batch_id": "b", "batch_task_ids": ["Evil_1"]}
    address = f"http://127.0.0.1:{hostile.server_port}"
    command = {
        "luigi": (*PLAIN, "--scheduler-url", address, "--workers", workers),
        "pipeline": ("-m", "pipeline", "run", "--scheduler", address, "--workers", workers),
    }
    done = subprocess.run(
        [sys.executable, *command[entry]],
        cwd=house.data.parent,
        env={**os.environ, **house.environment, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0
    assert "get_work" in Hostile.asked
    assert not written.exists()
    assert "names a task that this run did not ask for: refused" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def processes(log: str) -> dict[str, str]:
    """Task -> the process that ran it, from Luigi's log."""
    return {task: pid for pid, task in re.findall(r"\[pid (\d+)\] Worker .* done +(\w+)\(", log)}


def test_short_tasks_share_one_process_and_long_ones_get_their_own(house):
    lines = "".join(f"k{n},STU{n % 50:03},CRS001,login,2024-02-01T10:00:00Z,1,1,M1,1\n" for n in range(100_000))
    house.rows("2024-02-01/student_progress.csv", "student_progress", {})
    header = (house.data / "2024-02-01/student_progress.csv").read_text().splitlines()[0]
    house.drop("2024-02-05/student_progress.csv", header + "\n" + lines)
    done = house.command(*PLAIN, "--local-scheduler", "--workers", "2")
    assert done.returncode == 0, done.stderr
    ran = processes(done.stderr)
    long = {"RawProgress", "StagedProgress", "FactStudentProgress", "FactCourseProgress"}
    short = {"RawCities", "StagedCities", "DimDate", "FactAttendance", "ClassStatistics", "Warehouse", "EduFlow"}
    assert {ran[task] for task in short} == {ran["EduFlow"]}
    assert len({ran[task] for task in long}) == len(long)
    assert ran["EduFlow"] not in {ran[task] for task in long}


def test_a_small_school_is_built_by_one_process_however_many_workers(house):
    house.rows("2024-02-01/student_progress.csv", "student_progress", {})
    done = house.command(*PLAIN, "--local-scheduler", "--workers", "4")
    assert done.returncode == 0, done.stderr
    ran = processes(done.stderr)
    assert {task for task, pid in ran.items() if pid != ran["EduFlow"]} == set()


def test_a_scheduler_that_gives_no_work_does_not_make_a_run_good(house, hostile):
    """Luigi ends with 0 when it was given nothing to do; "nothing to do" is for what is up to date."""
    house.rows("2024-02-01/student_progress.csv", "student_progress", {})
    Hostile.work = {"task_id": None}
    address = f"http://127.0.0.1:{hostile.server_port}"
    done = house.command("-m", "pipeline", "run", "--scheduler", address)
    assert done.returncode == 25, done.stdout
    assert "everything is up to date" not in done.stdout
