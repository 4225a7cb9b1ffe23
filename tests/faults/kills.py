"""Kills at random moments of a whole run: its parent, a worker, the server below it; the signals of a person."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from init_db import server
from pipeline.audit import graph
from tests.faults import state
from tests.faults.runs import Nursery, Run
from tests.faults.sweep import QUIET, House, different

SENT = {"parent": signal.SIGKILL, "term": signal.SIGTERM, "interrupt": signal.SIGINT}
SCHEMAS = "raw, etl, staging, warehouse, analytics"


class EmbeddedHouse(House):
    """A house with the embedded server of its own, which runs only while somebody uses it."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.directory, self.data, self.output = folder / "pg", data, folder / "output"
        self.environment = {
            "EDUFLOW_DATABASE": "",
            "EDUFLOW_DATABASE_DIR": str(self.directory),
            "EDUFLOW_DATA_DIR": str(data),
            "EDUFLOW_OUTPUT_DIR": str(self.output),
            "EDUFLOW_LLM": "off",
        }

    @contextmanager
    def connected(self, database: str = "") -> Iterator[Any]:
        connection = psycopg2.connect(**server.start(self.directory))
        connection.autocommit = True
        try:
            yield connection.cursor()
        finally:
            connection.close()
            server.stop_if_last(self.directory)

    def postmaster(self) -> int:
        return int((self.directory / "postmaster.pid").read_text().split()[0])

    def close(self) -> None:
        server.remove(self.directory)


def land(house: House, nursery: Nursery, who: str, workers: int, points: int, dice: random.Random) -> Run | None:
    """Start a whole run and strike at a random point of it; None when the run was over before it was hit."""
    run = nursery.start(house.environment, "run", "EduFlow", "--workers", str(workers))
    if not run.wait_for(dice.randint(points // 20, points)):
        return None
    time.sleep(dice.random() * 0.01)
    victim = _victim(house, run, who, dice)
    if victim is None or run.has_ended():
        run.wait()
        return None
    os.kill(victim, SENT.get(who, signal.SIGKILL))
    run.wait()
    return run


def _victim(house: House, run: Run, who: str, dice: random.Random) -> int | None:
    if isinstance(house, EmbeddedHouse):
        return house.postmaster()
    if who != "child":
        return run.pid
    alive = set(state.processes(run.pid)) & {pid for pid, _, _ in run.points()[-50:]} - {run.pid}
    return dice.choice(sorted(alive)) if alive else None


def was_under_way(house: House, run: Run) -> bool:
    """Whether the run had begun, and was hit before it had built everything."""
    begun = any(kind == "begin" for _, kind, _ in run.points())
    with house.connected() as cursor:
        cursor.execute("select count(*) from etl.targets where run_id is not null and fingerprint is not null")
        return begun and cursor.fetchone()[0] < len(graph())


def judge(house: House, nursery: Nursery, run: Run, expected: dict[str, Any], code: int) -> None:
    """Nothing of the run is left, nothing is torn, and the next run makes what an undisturbed one makes."""
    with house.connected() as cursor:
        left = state.left_after(QUIET, cursor, run.pid)
        assert not left, f"still there after {QUIET} s: {left}"
        assert state.torn_drops(cursor) == []
    for arguments, expected_code in ((["verify"], 0), (["run", "EduFlow"], code)):
        done = nursery.start(house.environment, *arguments)
        assert done.wait() == expected_code, f"{run.said()}\n{arguments}: {done.said()}"
    assert different(house.outcome(), expected) == [], run.said()
    before = house.builds()
    assert nursery.start(house.environment, "run", "EduFlow").wait() == code
    assert house.builds() == before
