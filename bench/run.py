"""The benchmark: how fast, how much memory, as ratios to a bare COPY of the same files on the same server.

    make bench                          (python -m bench.run)
    python -m bench.run --students 10000 --events 100000 --no-memory

Each goal runs in a process of its own, which first imports everything and finds the server up, then takes the time of
`eduflow run GOAL` inside it, and reports its peak memory. Landing and staging are compared by the seconds
that the ledger records for their steps, from the lock to the commit, as a COPY is; all else by the clock. Generated
files and the cluster are kept in `bench/out` (the cluster, for root, beside the project's) and made anew by every run.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from bench import generate
from init_db import server
from pipeline.config import PROJECT
from pipeline.datasets import DATASETS
from targets.postgres.connection import Database

OUT = PROJECT / "bench" / "out"
# Root's server runs as another user, so elsewhere; of each checkout its own.
CLUSTER = OUT / "pg" if os.geteuid() else server.ROOT_FOLDER / "bench" / server.path_digest(PROJECT)


@dataclass(frozen=True)
class Taken:
    """What a process took: seconds in all, seconds of the steps from lock to commit, peak memory in MB."""

    seconds: float
    steps: float
    peak: float


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed and memory of EduFlow, as ratios to a bare COPY.")
    parser.add_argument("--students", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--attendance", type=int, default=2_000_000)
    parser.add_argument("--assessments", type=int, default=500_000)
    parser.add_argument("--no-memory", action="store_true", help="leave out the run on four times the events")
    parser.add_argument("--no-school", action="store_true", help="leave out roster, attendance and assessments")
    parser.add_argument("--only-enrichment", action="store_true", help="only the rules on students and tickets")
    parser.add_argument("--only-school", action="store_true", help="only roster, attendance and assessments")
    parser.add_argument("--only-drops", action="store_true", help="only thousands of small files")
    parser.add_argument("--only-workers", action="store_true", help="only one worker beside two")
    parser.add_argument("--child", nargs=2, metavar=("WORK", "ARGUMENT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(CHILDREN[options.child[0]](options.child[1])))
        return
    rows: list[Row] = []
    if options.only_enrichment:
        return print_rows(enrichment(options))
    if options.only_drops:
        return print_rows(drops())
    if options.only_workers:
        return print_rows(workers())
    if not options.only_school:
        rows += speed(House("one", options.students, options.events), options)
        if not options.no_memory:
            rows += memory(options)
        rows += enrichment(options)
        rows += workers()
    if not options.no_school:
        rows += school(options)
        if not options.no_memory:
            rows += school_memory(options)
    print_rows(rows)


@dataclass
class House:
    """A data folder and a cluster of its own, both new."""

    name: str
    students: int
    events: int
    attendance: int = 0
    assessments: int = 0

    def __post_init__(self) -> None:
        server.remove(self.cluster)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.generate(1)
        (self.folder / "sources.toml").touch()  # a home of its own: the project's knows nothing of it

    @property
    def folder(self) -> Path:
        return OUT / self.name

    @property
    def cluster(self) -> Path:
        return CLUSTER / self.name

    def generate(self, day: int) -> None:
        size = ["--students", str(self.students), "--events", str(self.events), "--day", str(day)]
        size += ["--attendance", str(self.attendance), "--assessments", str(self.assessments)]
        with contextlib.redirect_stdout(io.StringIO()):
            generate.main([*size, "--out", str(self.folder / "data")])

    def ask(self, work: str, argument: str, benchmark: str = "bench.run") -> Any:
        """What a process of its own says: a child of this benchmark."""
        print(f"{self.name}: {work} {argument}", file=sys.stderr)
        command = [sys.executable, "-m", benchmark, "--child", work, argument]
        done = subprocess.run(command, cwd=PROJECT, env=self.environment(), stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout.splitlines()[-1])

    def child(self, work: str, argument: str) -> Taken:
        return Taken(**self.ask(work, argument))

    def run(self, goal: str) -> Taken:
        return self.child("run", goal)

    def command(self, *arguments: str) -> float:
        """Seconds of the whole command, process start included."""
        started = time.perf_counter()
        command = [sys.executable, "-m", "pipeline", "run", *arguments]
        subprocess.run(command, cwd=PROJECT, env=self.environment(), stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - started

    def environment(self) -> dict[str, str]:
        own = {
            "EDUFLOW_HOME": str(self.folder),
            "EDUFLOW_DATA_DIR": str(self.folder / "data"),
            "EDUFLOW_OUTPUT_DIR": str(self.folder / "output"),
            "EDUFLOW_DATABASE_DIR": str(self.cluster),
            "EDUFLOW_DATABASE": "",
        }
        return {**os.environ, **own}


# --- what a child process does --------------------------------------------------------------------------------------


def run_goal(goal: str) -> dict[str, float]:
    import luigi.retcodes
    import pandas  # noqa: F401 (Arrow imports it at the first array: start-up, which is taken off, not a step's work)

    from pipeline.cli import main as eduflow
    from pipeline.config import settings
    from pipeline.run import run_id, this_run, transaction

    this_run().prepare()  # the server is up and the empty tables are there
    luigi.build([], local_scheduler=True, no_lock=True, logging_conf_file="", log_level="ERROR")
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        code = eduflow(["run", goal])
    taken = time.perf_counter() - started
    if code:
        sys.exit(code)
    with transaction(settings()) as db:
        query = "select coalesce(sum(seconds), 0) from etl.targets where run_id = :run"
        steps = float(db.execute(text(query), {"run": run_id()}).scalar_one())
    return {"seconds": taken, "steps": steps, "peak": peak()}


def rebuild_marts(_argument: str) -> dict[str, Any]:
    """Each mart built again in full, and its SELECT by a plain `create table as`, the best of two: seconds by mart."""
    from pipeline.cli import main as eduflow
    from pipeline.config import settings
    from pipeline.marts import MARTS
    from pipeline.run import transaction
    from targets.postgres.connection import BULK

    plain: dict[str, float] = {}
    rebuilt: dict[str, float] = {}
    for _ in range(2):
        for step in MARTS:
            select = (PROJECT / step().recipes()[0]).read_text()
            with transaction(settings()) as db:
                db.exec_driver_sql(BULK)
                started = time.perf_counter()
                values = {key: getattr(settings(), key) for key in step.options}
                db.execute(text(f"create table plain as {select}"), values)
                db.exec_driver_sql("drop table plain")
                taken = time.perf_counter() - started
            plain[step.target] = min(taken, plain.get(step.target, taken))
            with contextlib.redirect_stdout(io.StringIO()):
                eduflow(["forget", step.target])
        with contextlib.redirect_stdout(io.StringIO()):
            eduflow(["run", "EduFlow"])
        with transaction(settings()) as db:
            query = (
                "select target, seconds from etl.targets where target like 'analytics.%' or target = 'output/report'"
            )
            for target, seconds in db.execute(text(query)):
                rebuilt[target] = min(float(seconds), rebuilt.get(target, float(seconds)))
    return {"plain": plain, "rebuilt": rebuilt}


def bare_copy(name: str) -> dict[str, float]:
    """COPY of a file (or of all) into new text tables, three times; the fastest. Ragged lines are left out first."""
    folder = Path(os.environ["EDUFLOW_DATA_DIR"])
    database = Database("", Path(os.environ["EDUFLOW_DATABASE_DIR"]))
    files = [file for file in sorted(folder.rglob("*.csv")) if name in ("all", file.stem)]
    bare = [(file.stem, without_ragged(file)) for file in files]
    seconds = min(_copy_all(database, bare) for _ in range(3))
    return {"seconds": seconds, "steps": seconds, "peak": peak()}


def without_ragged(file: Path) -> Path:
    """The file as COPY can take it: a line whose commas outside quotes are too few or too many is left out."""
    columns = len(DATASETS[file.stem].columns)
    bare = file.parent.parent.parent / f"bare-{file.name}"
    with file.open(newline="", encoding="utf-8") as source, bare.open("w", newline="", encoding="utf-8") as target:
        csv.writer(target).writerows(row for row in csv.reader(source) if len(row) == columns)
    return bare


def _copy_all(database: Database, files: list[tuple[str, Path]]) -> float:
    connection: Any = database.connect()
    with connection, connection.cursor() as cursor:
        for name, _ in files:
            columns = ", ".join(f"{column} text" for column in DATASETS[name].column_names)
            cursor.execute(f"drop table if exists bare_{name}; create table bare_{name} ({columns})")
    started = time.perf_counter()
    with connection, connection.cursor() as cursor:
        for name, file in files:
            with file.open("rb") as source:
                cursor.copy_expert(f"copy bare_{name} from stdin (format csv, header)", source, size=1 << 18)
    taken = time.perf_counter() - started
    connection.close()
    return taken


def peak() -> float:
    """The most memory this process held, in MB. Not ru_maxrss: that begins with what its parent held."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


CHILDREN: dict[str, Any] = {"run": run_goal, "copy": bare_copy, "marts": rebuild_marts}


# --- the table ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A line of the result. ratio: of what `to` says; limit: the most it may be."""

    what: str
    value: str
    ratio: float
    to: str
    limit: float


def speed(house: House, options: argparse.Namespace) -> list[Row]:
    with held(house):
        file = house.child("copy", "student_progress").seconds
        files = house.child("copy", "all").seconds
        loads = [(house.run("RawProgress"), house.run("StagedProgress"))]
        warehouse = sum(part.seconds for part in loads[0]) + house.run("Warehouse").seconds
        first = warehouse + house.run("EduFlow").seconds
        idle = min(house.run("EduFlow").seconds for _ in range(3))
        days = []
        for day in (2, 3, 4):  # the best of three days, as of the loads below
            house.generate(day)
            days.append((house.run("Warehouse").seconds, house.run("EduFlow").seconds))
        second_warehouse = min(up_to_facts for up_to_facts, _ in days)
        second = min(up_to_facts + rest for up_to_facts, rest in days)
        command = min(house.command() for _ in range(3))
    for again in (2, 3):  # the best of three, as of the bare COPY
        other = House(f"again-{again}", options.students, options.events)
        with held(other):
            loads.append((other.run("RawProgress"), other.run("StagedProgress")))
    land = min(raw.steps for raw, _ in loads)
    staged = min(raw.steps + staged.steps for raw, staged in loads)
    return [
        Row(f"bare COPY of {options.events:,} events", f"{file:.2f} s", 1, "itself", 1),
        Row("landing", f"{land:.2f} s", land / file, "bare COPY", 1.8),
        Row("file to staged", f"{staged:.2f} s", staged / file, "bare COPY", 9),
        Row("bare COPY of all files", f"{files:.2f} s", 1, "itself", 1),
        Row("goal Warehouse", f"{warehouse:.2f} s", warehouse / files, "bare COPY", 25),
        Row("whole run", f"{first:.2f} s", first / files, "bare COPY", float("nan")),
        Row(
            "1 % drop, Warehouse",
            f"{second_warehouse:.2f} s",
            (second_warehouse - idle) / (warehouse - idle),
            "the first",
            0.05,
        ),
        Row("1 % drop, whole run", f"{second:.2f} s", (second - 2 * idle) / (first - idle), "the first", float("nan")),
        Row("nothing to do, command", f"{command:.2f} s", command, "1 s", 3),
    ]


def memory(options: argparse.Namespace) -> list[Row]:
    small, large = (
        House("small", options.students, options.events),
        House("large", options.students, 4 * options.events),
    )
    peaks = []
    for which in (small, large):
        with held(which):
            peaks.append(which.run("EduFlow").peak)
    return [
        Row(f"peak memory, {options.events:,} events", f"{peaks[0]:.0f} MB", peaks[0] / 700, "700 MB", 1),
        Row(
            f"peak memory, {4 * options.events:,} events",
            f"{peaks[1]:.0f} MB",
            peaks[1] / peaks[0],
            "the smaller",
            1.15,
        ),
    ]


def enrichment(options: argparse.Namespace) -> list[Row]:
    """The rules on every student and on half as many tickets: the labelled ones, over and over, each a little new."""
    from bench.tickets import labelled

    house = House("enrichment", options.students, options.events)
    texts, tickets = [item.ticket for item in labelled()], options.students // 2
    with next(house.folder.rglob("support_tickets.csv")).open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(DATASETS["support_tickets"].column_names)
        for n in range(tickets):
            said = texts[n % len(texts)]
            subject, description = said.subject, f"{said.description} ({n})"
            rows.writerow([f"TKT-{n}", f"STU{n % options.students:06}", subject, description, *("Low", "Open"), *ABOUT])
    with held(house):
        house.run("Warehouse")
        taken = house.child("run", "StudentRisk")
    what = f"risk of {options.students:,}, {tickets:,} tickets"
    return [
        Row(what, f"{taken.seconds:.2f} s", taken.seconds / 20, "20 s", 1),
        Row("  its peak memory", f"{taken.peak:.0f} MB", taken.peak / 500, "500 MB", 1),
    ]


ABOUT = ("Technical", "2024-02-20", "")  # category, created_date, resolved_date


def school(options: argparse.Namespace) -> list[Row]:
    house = House("school", options.students, options.events, options.attendance, options.assessments)
    with held(house):
        first = house.run("EduFlow")
        marts = house.ask("marts", "")
    plain, rebuilt, page = marts["plain"], marts["rebuilt"], marts["rebuilt"]["output/report"]
    rows = [
        Row(f"school, {options.attendance:,} records", f"{first.seconds:.2f} s", first.seconds, "1 s", float("nan")),
        Row("school, peak memory", f"{first.peak:.0f} MB", first.peak / 700, "700 MB", 1),
        Row(
            "all marts rebuilt",
            f"{sum(rebuilt[m] for m in plain):.2f} s",
            sum(rebuilt[m] for m in plain) / sum(plain.values()),
            "create table as",
            3,
        ),
    ]
    rows += [
        Row(
            f"  {target.split('.')[1]}",
            f"{rebuilt[target]:.2f} s",
            rebuilt[target] / plain[target],
            "create table as",
            3,
        )
        for target in plain
        if plain[target] > 0.05
    ]
    return [*rows, Row("report.html", f"{page:.2f} s", page / 5, "5 s", 1)]


def school_memory(options: argparse.Namespace) -> list[Row]:
    """The same students (so the same roster and marts) with four times the records."""
    students, peaks = options.attendance // 100, []
    for name, times in (("school-small", 1), ("school-large", 4)):
        house = House(name, students, options.events, times * options.attendance, times * options.assessments)
        with held(house):
            peaks.append(house.run("EduFlow").peak)
    what = f"peak memory, {4 * options.attendance:,} records"
    return [Row(what, f"{peaks[1]:.0f} MB", peaks[1] / peaks[0], f"{peaks[0]:.0f} MB of a quarter", 1.15)]


def workers() -> list[Row]:
    """A first run with one worker and with two, in turn on a new server each time; medians, for single runs differ."""
    sample, large = House("sample", 10, 10), House("workers", 20_000, 250_000, 300_000, 150_000)
    shutil.rmtree(sample.folder / "data")
    shutil.copytree(PROJECT / "data", sample.folder / "data")
    rows = []
    for house, what, rounds, limit in ((sample, "the sample", 9, 1.0), (large, "750,000 rows", 5, 0.75)):
        seconds: dict[int, list[float]] = {1: [], 2: []}
        for turn in range(rounds):
            for number in (1, 2) if turn % 2 else (2, 1):
                server.remove(house.cluster)
                with held(house):
                    seconds[number].append(house.command("--new", "--workers", str(number)))
        one, two = map(statistics.median, seconds.values())
        rows.append(Row(f"{what}, two workers", f"{two:.2f} s", two / one, f"{one:.2f} s of one", limit))
    return rows


def drops(count: int = 9_000) -> list[Row]:
    """Small files, all at once; then runs with nothing to do, with the files there and with all but ten taken away."""
    few, many = House("few-drops", 10, 10), House("drops", 10, 10)
    idle = []
    for house, files in ((few, 10), (many, count)):
        shutil.rmtree(house.folder / "data")
        for number in range(files):
            day = date(2020, 1, 1) + timedelta(days=number // 4)
            file = house.folder / "data" / str(day) / str(number % 4) / "attendance.csv"
            file.parent.mkdir(parents=True)
            rows = [f"A{number}-{row},STU{(number * 3 + row) % 500:03},{day},PRESENT,\n" for row in range(3)]
            file.write_text("".join([",".join(DATASETS["attendance"].column_names) + "\n", *rows]))
        with held(house):
            caught_up = house.run("EduFlow").seconds
            there = min(house.command() for _ in range(3))
            for file in sorted((house.folder / "data").rglob("*.csv"))[10:]:
                file.unlink()
            idle.append(min(house.command() for _ in range(3)))
    return [
        Row(f"{count:,} small files", f"{caught_up:.2f} s", caught_up / 60, "60 s", 1),
        Row("  nothing to do, files there", f"{there:.2f} s", there / idle[0], f"{idle[0]:.2f} s of ten", float("nan")),
        Row("  nothing to do, files gone", f"{idle[1]:.2f} s", idle[1] / idle[0], f"{idle[0]:.2f} s of ten", 1.1),
    ]


@contextlib.contextmanager
def held(house: House) -> Any:
    """Keep the server up between the child processes, and take it away at the end."""
    server.start(house.cluster)
    yield
    server.remove(house.cluster)


def print_rows(rows: list[Row]) -> None:
    print(f"\n{'':34} {'measured':>10} {'ratio':>8} {'limit':>7}")
    for row in rows:
        within = "" if not row.ratio > row.limit else "  over"
        print(f"{row.what:34} {row.value:>10} {row.ratio:>8.3f} {row.limit:>7.2f}  of {row.to}{within}")


if __name__ == "__main__":
    main()
