"""A run stopped at any point loses nothing and doubles nothing: the next one makes what an undisturbed one makes."""

from __future__ import annotations

import pytest

from pipeline.audit import graph
from tests.faults.sweep import HOW, Scene, Sweep

GOALS = [step.task_family for step in graph()]
# Built in full in a forked worker on the first day, and brought up to date on the second: all but the calendar.
SWEEPS = [(1, 2, goal) for goal in GOALS] + [(2, 1, goal) for goal in GOALS if goal != "DimDate"]
IN_STEPS = {"begin", "execute", "commit", "committed", "end"}


@pytest.fixture(scope="session")
def scenes(cluster, nursery, tmp_path_factory):
    """day, goal -> a scene that has not passed the goal; each day is played once, for goals come in order."""
    playing: dict[int, Scene] = {}

    def scene(day: int, goal: str) -> Scene:
        if day not in playing or playing[day].is_past(goal):
            playing[day] = Scene(cluster, tmp_path_factory.mktemp("scene"), nursery, day)
        return playing[day]

    return scene


@pytest.mark.parametrize(
    "day, goal, kinds",
    [
        (1, "RawProgress", {"open", "copy", "copy in"}),
        (2, "StagedProgress", {"copy", "copy in", "copy out"}),
        (2, "FactCourseProgress", set()),  # only what changed since the first day
    ],
)
def test_some_steps_can_be_stopped_at_any_point(scenes, day, goal, kinds):
    sweep = Sweep(scenes(day, goal), goal, workers=1)
    for how in HOW:
        sweep.stop_at(sweep.of_steps(), how)
    assert IN_STEPS | kinds <= set(sweep.met)


@pytest.mark.faults
@pytest.mark.parametrize("day, workers, goal", SWEEPS)
def test_every_step_can_be_stopped_at_any_point(scenes, goal, day, workers):
    sweep = Sweep(scenes(day, goal), goal, workers)
    for how in HOW:
        sweep.stop_at(sweep.of_steps(), how)
    assert set(sweep.met) >= IN_STEPS


@pytest.mark.faults
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("day, goal, workers", [(0, "DimDate", 1), (1, "RawAssessments", 2), (2, "EduFlow", 1)])
def test_a_run_can_be_stopped_before_and_after_its_steps(scenes, day, goal, workers, how):
    """Day 0 makes the database; the root of the second day ends with a drop that was held and one that was refused."""
    sweep = Sweep(scenes(day, goal), goal, workers)
    sweep.stop_at(sweep.of_run(), how)
    assert set(sweep.met) >= {"connect", "execute", "commit", "committed"}
