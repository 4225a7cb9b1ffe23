"""The sweep: stop the run of one step at point after point; after each stop look at what is left, and run again.

A rerun is a function of what it finds. So when a stop left exactly what an earlier one left (every table, index and
sequence, every file), the rerun that was already tried is not tried again: this is what makes it possible to stop at
every point of every step.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg2
from conftest import url

from pipeline.audit import graph
from tests.faults import school, state
from tests.faults.runs import Nursery, Run

HOW = ("kill", "raise", "cut")
QUIET = 2.0  # seconds in which nothing of a stopped run may be left
NUMBERS = count(1)


class House:
    """A database and an output folder, copied from another house or from a template; a data folder not its own."""

    def __init__(self, cluster: dict[str, str], folder: Path, data: Path, template: str, output: Path | None) -> None:
        self.cluster, self.data = cluster, data
        self.name = f"fault_{os.getpid()}_{next(NUMBERS)}"
        self.output = folder / self.name
        self._do(f"create database {self.name} template {template} strategy file_copy")
        if output and output.exists():
            shutil.copytree(output, self.output)
        self.environment = {
            "EDUFLOW_DATABASE": url(cluster, self.name),
            "EDUFLOW_DATA_DIR": str(data),
            "EDUFLOW_OUTPUT_DIR": str(self.output),
            "EDUFLOW_LLM": "off",
        }

    @contextmanager
    def connected(self, database: str = "") -> Iterator[Any]:
        connection = psycopg2.connect(**{**self.cluster, "dbname": database or self.name})
        connection.autocommit = True
        try:
            yield connection.cursor()
        finally:
            connection.close()

    def _do(self, statement: str) -> None:
        with self.connected("postgres") as cursor:
            cursor.execute(statement)

    def everything(self) -> str:
        with self.connected() as cursor:
            return state.everything(cursor, self.output)

    def outcome(self) -> dict[str, Any]:
        with self.connected() as cursor:
            return state.outcome(cursor, self.output)

    def builds(self) -> dict[str, int]:
        with self.connected() as cursor:
            cursor.execute("select target, build from etl.targets")
            return dict(cursor.fetchall())

    def close(self) -> None:
        self._do(f"drop database {self.name} with (force)")
        shutil.rmtree(self.output, ignore_errors=True)


class Scene:
    """The school on its first or second day, as far as it is built: advanced step by step, never back.

    Day 0 is before: no file has come, and the database is empty.
    """

    def __init__(self, cluster: dict[str, str], folder: Path, nursery: Nursery, day: int) -> None:
        self.cluster, self.folder, self.nursery = cluster, folder, nursery
        self.data = folder / f"data-{day}"
        self.data.mkdir()
        self.house = House(cluster, folder, self.data, "template_eduflow" if day else "template0", None)
        if day:
            school.write_first_day(self.data)
        if day == 2:
            assert self._run("EduFlow") == 0
            school.write_second_day(self.data)
        self.ahead = [step.task_family for step in graph()]

    def _run(self, goal: str) -> int:
        return self.nursery.start(self.house.environment, "run", goal).wait()

    def advance(self, goal: str) -> None:
        """Build every step before `goal`, in the order of the graph; the root comes after all."""
        while self.data.name != "data-0" and self.ahead and self.ahead[0] != goal:
            step = self.ahead.pop(0)
            assert self._run(step) == 0, step

    def is_past(self, goal: str) -> bool:
        return goal != "EduFlow" and goal not in self.ahead

    def copy(self) -> House:
        return House(self.cluster, self.folder, self.data, self.house.name, self.house.output)


class Sweep:
    """The points of one goal in one scene: of its steps alone, or of its whole run."""

    def __init__(self, scene: Scene, goal: str, workers: int) -> None:
        self.scene, self.arguments = scene, ("run", goal, "--workers", str(workers))
        self.around = 3 if workers > 1 else 0
        scene.advance(goal)
        self.before = scene.house.everything()
        self.seen: set[str] = set()
        self.met: Counter[str] = Counter()  # points by kind
        house = scene.copy()
        undisturbed = self._run(house)
        self.code = undisturbed.wait()
        assert self.code == 0 or goal == "EduFlow", undisturbed.said()
        self.kinds = [kind for _, kind, _ in undisturbed.points()]
        self.expected = house.outcome()
        self.code_again = self._runs_again(house)
        house.close()

    def of_steps(self) -> range:
        """The points from the first beginning of a step to the last end of one.

        And some around them where two processes meet points: the same one has another number in another run.
        """
        first, last = self.kinds.index("begin") + 1, len(self.kinds) - self.kinds[::-1].index("end")
        return range(max(first - self.around, 1), min(last + self.around, len(self.kinds)) + 1)

    def of_run(self) -> range:
        return range(1, len(self.kinds) + 1)

    def _run(self, house: House, at: int = 0, how: str = "kill") -> Run:
        return self.scene.nursery.start(house.environment, *self.arguments, at=at, how=how)

    def stop_at(self, points: range, how: str) -> None:
        """Stop at each of these points, in one way."""
        house = self.scene.copy()
        for at in points:
            run = self._run(house, at, how)
            code, met = run.wait(), run.points()
            if len(met) < at:  # with two workers the number of points may vary
                assert at > 0.9 * points.stop, f"only {at} of {points.stop} points"
                break
            self.met[met[at - 1][1]] += 1
            where = f"{how} at point {at} of {' '.join(self.arguments)} ({': '.join(met[at - 1][1:])})"
            if how == "kill" and met[at - 1][0] == run.pid:
                assert code == -9, f"{where}: exit code {code}\n{run.said()}"
            if how == "cut":
                assert "Traceback" not in run.said(), f"{where}: not said in words\n{run.said()}"
            if not self._same_as_before(house, run, where):
                house.close()
                house = self.scene.copy()
        house.close()

    def _same_as_before(self, house: House, run: Run, where: str) -> bool:
        """Judge what a stop left, unless it was judged; whether it is as if the run had never begun."""
        with house.connected() as cursor:
            left = state.left_after(QUIET, cursor, run.pid)
            assert not left, f"{where}: still there after {QUIET} s: {left}"
            found = state.everything(cursor, house.output)
        if found not in self.seen:
            self.seen.add(found)
            self._judge(house, f"{where}\n{run.said()}\n")
            return False
        return found == self.before

    def _judge(self, house: House, where: str) -> None:
        with house.connected() as cursor:
            torn = state.torn_drops(cursor)
        assert torn == [], f"{where}: drops neither in nor out: {torn}"
        verify = self.scene.nursery.start(house.environment, "verify")
        assert verify.wait() == 0, f"{where}: verify: {verify.said()}"
        rerun = self._run(house)
        assert rerun.wait() == self.code, f"{where}: rerun: {rerun.said()}"
        differs = different(house.outcome(), self.expected)
        assert differs == [], f"{where}: not what an undisturbed run makes: {differs}\nrerun: {rerun.said()}"
        assert self._runs_again(house) == self.code_again, where

    def _runs_again(self, house: House) -> int:
        """Run once more, with nothing to do; return the exit code."""
        before = house.builds()
        again = self._run(house)
        code = again.wait()
        assert house.builds() == before, again.said()
        assert code or "Nothing to do" in again.said(), again.said()
        return code


def different(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Names of what is not the same, or missing on one side."""
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
