"""The cost curve: what a first load of 0.25, 1 and 4 million events costs, and what a day's 1 % costs, sixty days on.

    make bench-scale                    (python -m bench.scale)
    python -m bench.scale --events 25000 100000 --days 5

Prints seconds, microseconds per event and peak memory of a whole run (one student per ten events), then the days: after
a first load of the middle size, a drop of 1 % each day, each with a whole run. The picture: `docs/scale.svg`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.pictures import Curve, curves
from bench.run import House, Taken, held
from pipeline.config import PROJECT

STUDENT_SHARE = 10  # events per student
EDGE = 10  # days at either end of the sixty that are compared


def main() -> None:
    parser = argparse.ArgumentParser(description="How the cost grows with the rows and with the days.")
    parser.add_argument("--events", type=int, nargs="+", default=[250_000, 1_000_000, 4_000_000])
    parser.add_argument("--days", type=int, default=60, help="daily drops of 1 percent after the middle size")
    parser.add_argument("--picture", type=Path, default=PROJECT / "docs" / "scale.svg")
    options = parser.parse_args()
    sizes = sorted(options.events)
    middle = sizes[len(sizes) // 2]
    first: dict[int, Taken] = {}
    daily: list[Taken] = []
    for events in sizes:
        house = House(f"scale-{events}", events // STUDENT_SHARE, events)
        with held(house):
            first[events] = house.run("EduFlow")
            if events == middle:
                for day in range(2, options.days + 2):
                    house.generate(day)
                    daily.append(house.run("EduFlow"))
    show(first, daily)
    options.picture.write_text(picture(first, daily, middle))


def show(first: dict[int, Taken], daily: list[Taken]) -> None:
    print(f"\n{'events':>12} {'seconds':>9} {'us/event':>9} {'peak MB':>9}")
    for events, taken in first.items():
        print(f"{events:12,} {taken.seconds:9.2f} {taken.seconds / events * 1e6:9.1f} {taken.peak:9.0f}")
    print(f"\n{'days':>12} {'median s':>9} {'peak MB':>9}")
    for start in range(0, len(daily), EDGE):
        part = daily[start : start + EDGE]
        days = f"{start + 1} to {start + len(part)}"
        print(f"{days:>12} {_median(part):9.2f} {max(each.peak for each in part):9.0f}")
    print(f"the last {EDGE} days cost {_growth(daily):.2f} of the first {EDGE}")


def picture(first: dict[int, Taken], daily: list[Taken], middle: int) -> str:
    seconds = [(events / 1e6, taken.seconds) for events, taken in first.items()]
    memory = [(events / 1e6, taken.peak) for events, taken in first.items()]
    days = [(number, taken.seconds) for number, taken in enumerate(daily, 1)]
    panels = [
        Curve("First load, everything built: seconds", "million events", seconds),
        Curve("First load: peak memory of the process, MB", "million events", memory),
        Curve(f"Then 1 % a day after {middle / 1e6:g} million: seconds of the day's run", "day", days),
    ]
    return curves(panels, said=f"the last {EDGE} of {len(daily)} days cost {_growth(daily):.2f} of the first {EDGE}")


def _median(part: list[Taken]) -> float:
    ordered = sorted(each.seconds for each in part)
    return ordered[len(ordered) // 2]


def _growth(daily: list[Taken]) -> float:
    return _median(daily[-EDGE:]) / _median(daily[:EDGE])


if __name__ == "__main__":
    main()
