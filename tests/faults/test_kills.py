"""A run that is killed at a random moment leaves nothing running, nothing locked and nothing half done."""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.faults import kills, school
from tests.faults.sweep import House

WHO = ("parent", "child", "server", "term", "interrupt")
KILLS = [pytest.param(who, 0, id=f"{who}-0") for who in ("child", "server")]
KILLS += [
    pytest.param(who, seed, id=f"{who}-{seed}", marks=pytest.mark.faults)
    for who in WHO
    for seed in range(10)
    if (who, seed) not in (("child", 0), ("server", 0))
]


@pytest.fixture(scope="session")
def folder():
    """In /tmp and open to all: the service user that a root's server runs as must pass."""
    folder = Path(tempfile.mkdtemp(prefix="eduflow-kills-"))
    folder.chmod(0o711)
    school.write_first_day(folder / "data")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def undisturbed(cluster, nursery, folder):
    """workers -> (what a run makes, the number of its points)."""
    found = {}

    def runs(workers: int):
        if workers not in found:
            house = House(cluster, folder, folder / "data", "template_eduflow", None)
            run = nursery.start(house.environment, "run", "EduFlow", "--workers", str(workers))
            assert run.wait() == 0, run.said()
            found[workers] = house.outcome(), len(run.points())
            house.close()
        return found[workers]

    return runs


@pytest.mark.parametrize("who, seed", KILLS)
def test_a_run_that_is_hit_anywhere_is_mended_by_the_next(cluster, nursery, folder, undisturbed, who, seed):
    dice = random.Random(f"{who} {seed}")
    workers = 2 if who == "child" else 1 + seed % 2
    expected, points = undisturbed(workers)
    for _ in range(10):
        if who == "server":
            house: Any = kills.EmbeddedHouse(Path(tempfile.mkdtemp(dir=folder)), folder / "data")
            house.directory.parent.chmod(0o711)
        else:
            house = House(cluster, folder, folder / "data", "template_eduflow", None)
        run = kills.land(house, nursery, who, workers, points, dice)
        landed = run is not None and kills.was_under_way(house, run)
        if run and landed:
            assert run.code != 0 or who == "server", run.said()
            kills.judge(house, nursery, run, expected, code=0)
        house.close()
        if landed:
            return
    pytest.fail("no kill landed in the middle of a run")
