"""The cost curve: what a first load of 0.25, 1 and 4 million events costs, and what 1 % a day costs, sixty days on.

    make bench-scale                    (python -m bench.scale)
    python -m bench.scale --events 25000 100000 --days 5

Prints seconds, microseconds per event and peak memory of a first load (one student per ten events); then, after the
smallest, sixty days of 1 % more each: seconds up to the facts, and of everything. The picture: `docs/scale.svg`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.pictures import Panel, panels
from bench.run import House, Taken, held
from pipeline.config import PROJECT

EVENTS_PER_STUDENT = 10
PART = 10  # days that are summed up in a line


class Day(NamedTuple):
    """Seconds of a day's drop. everything: the facts included."""

    facts: float
    everything: float


def main() -> None:
    parser = argparse.ArgumentParser(description="How the cost grows with the rows and with the days.")
    parser.add_argument("--events", type=int, nargs="+", default=[250_000, 1_000_000, 4_000_000])
    parser.add_argument("--days", type=int, default=60, help="days of 1 percent after the smallest")
    parser.add_argument("--picture", type=Path, default=PROJECT / "docs" / "scale.svg")
    options = parser.parse_args()
    first: dict[int, Taken] = {}
    days: list[Day] = []
    for events in sorted(options.events):
        house = House(f"scale-{events}", events // EVENTS_PER_STUDENT, events)
        with held(house):
            first[events] = house.run("EduFlow")
            for number in range(options.days if not days else 0):
                house.generate(number + 2)
                facts = house.run("Warehouse").seconds
                days.append(Day(facts, facts + house.run("EduFlow").seconds))
    show(first, days)
    options.picture.write_text(picture(first, days))


def show(first: dict[int, Taken], days: list[Day]) -> None:
    print(f"\n{'events':>12} {'seconds':>9} {'us/event':>9} {'peak MB':>9}")
    for events, taken in first.items():
        print(f"{events:12,} {taken.seconds:9.2f} {taken.seconds / events * 1e6:9.1f} {taken.peak:9.0f}")
    print(f"\n{'days':>12} {'facts':>9} {'all':>9}   median seconds of a day, 1 % of {min(first):,} events")
    for start in range(0, len(days), PART):
        part = days[start : start + PART]
        facts, everything = (median(values) for values in zip(*part, strict=True))
        print(f"{f'{start + 1} to {start + len(part)}':>12} {facts:9.2f} {everything:9.2f}")


def picture(first: dict[int, Taken], days: list[Day]) -> str:
    smallest = min(first)
    daily = {
        "everything": [(number, day.everything) for number, day in enumerate(days, 1)],
        "up to the facts": [(number, day.facts) for number, day in enumerate(days, 1)],
    }
    contents = [
        Panel("First load, seconds", "million events", {"": [(n / 1e6, taken.seconds) for n, taken in first.items()]}),
        Panel("Its peak memory, MB", "million events", {"": [(n / 1e6, taken.peak) for n, taken in first.items()]}),
        Panel(f"Then 1 % of {smallest:,} events a day, seconds", "day", daily),
    ]
    return panels(contents, said="The cost of a first load by its size, and of 1 % more each day")


if __name__ == "__main__":
    main()
