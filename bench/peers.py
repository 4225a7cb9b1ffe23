"""Peers: the same drop, the same rules, the same server, the same run; what differs is how the rows are moved.

    make bench-peers                    (python -m bench.peers)
    python -m bench.peers --events 100000 --rounds 1

EduFlow      lands the file in raw, cleans it, settles keys, accounts for every row
dlt          a raw table, and a table merged by key, cleaned in pandas (by our rules, in frames of 100,000 rows)
row by row   what the system before did: all rows in memory, each cell through its rule, `execute_values`; no raw
bare COPY    the file as it is into text columns: what moving the bytes alone costs

Each works in a process of its own that first imports what it needs and connects; then its seconds count. The faster
of two rounds is shown. All must end with the same rows, else nothing is printed. The picture: `docs/peers.svg`.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench.pictures import bars
from bench.run import OUT, House, bare_copy, held, peak, run_goal, without_ragged
from pipeline.config import PROJECT
from pipeline.datasets import DATASETS
from pipeline.rules import apply_rule
from pipeline.rules.context import Context
from pipeline.rules.frame import clean
from targets.postgres.connection import Database

STUDENT_PROGRESS = DATASETS["student_progress"]
NAMES = {"copy": "bare COPY", "eduflow": "EduFlow", "dlt": "dlt", "rows": "row by row"}
CHUNK = 100_000
RESULT = """
    select count(*), count(distinct student_id), sum(duration_seconds), round(sum(score), 2),
        round(sum(completion_percentage), 2), max(event_timestamp)::timestamptz::text
    from {table}
"""
TABLES = {"eduflow": "staging.stg_progress", "dlt": "peer_dlt.progress", "rows": "peer_rows.progress"}


def main() -> None:
    parser = argparse.ArgumentParser(description="EduFlow beside a peer loader and the row-wise way.")
    parser.add_argument("--students", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--picture", type=Path, default=PROJECT / "docs" / "peers.svg")
    parser.add_argument("--child", nargs=2, metavar=("WORK", "ROUND"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(WORK[options.child[0]]()))
        return
    best: dict[str, dict[str, Any]] = {}
    for number in range(1, options.rounds + 1):
        house = House("peers", options.students, options.events)
        file = next(house.folder.rglob("student_progress.csv"))
        shutil.move(without_ragged(file), file)  # pandas would read a broken row as a short one
        with held(house):
            taken = {name: house.ask(name, f"round {number}", "bench.peers") for name in WORK}
        results = {name: taken[name]["result"] for name in TABLES}
        if len(set(map(str, results.values()))) > 1:
            sys.exit(f"the peers do not agree on the rows: {results}")
        for name, values in taken.items():
            best[name] = min(values, best.get(name, values), key=lambda one: one["seconds"])
    show(best, options.events)
    options.picture.write_text(picture(best, options.events))


# --- what the processes do ------------------------------------------------------------------------------------------


def _file() -> Path:
    return next(Path(os.environ["EDUFLOW_DATA_DIR"]).rglob("student_progress.csv"))


def _connect() -> Any:
    return Database("", Path(os.environ["EDUFLOW_DATABASE_DIR"])).connect()


def _taken(seconds: float, table: str = "") -> dict[str, Any]:
    result = None
    if table:
        with _connect() as connection, connection.cursor() as cursor:
            cursor.execute("set timezone = 'UTC'; " + RESULT.format(table=table))
            result = [str(value) for value in cursor.fetchone()]
    return {"seconds": seconds, "peak": peak(), "result": result}


def _context() -> Context:
    return Context(date.fromisoformat(_file().parent.name), STUDENT_PROGRESS.column_names)


def by_copy() -> dict[str, Any]:
    return _taken(bare_copy("student_progress")["seconds"])


def by_eduflow() -> dict[str, Any]:
    """Landing and staging, as the clock of two runs has it: Luigi and the looks before and after are in it."""
    landed, staged = run_goal("RawProgress"), run_goal("StagedProgress")
    return _taken(landed["seconds"] + staged["seconds"], TABLES["eduflow"])


def by_rows() -> dict[str, Any]:
    from psycopg2.extras import execute_values

    columns = ", ".join(f"{name} {kind}" for name, kind in STUDENT_PROGRESS.staged)
    names = STUDENT_PROGRESS.staged_names
    updates = ", ".join(f"{name} = excluded.{name}" for name in names)
    insert = f"""
        insert into {TABLES["rows"]} ({", ".join(names)}) values %s
        on conflict ({STUDENT_PROGRESS.key}) do update set {updates}
    """
    with _connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"create schema peer_rows; create table {TABLES['rows']} ({columns}, primary key (event_id))")
        connection.commit()
        started = time.perf_counter()
        with _file().open(newline="", encoding="utf-8") as file:
            records = list(csv.reader(file))[1:]
        rows = dict(_cleaned_rows(records))  # the last one of a key counts
        execute_values(cursor, insert, list(rows.values()), page_size=1000)
        connection.commit()
        return _taken(time.perf_counter() - started, TABLES["rows"])


def _cleaned_rows(records: list[list[str]]) -> Iterator[tuple[str, list[Any]]]:
    """(key, values) of the accepted rows: every cell through its rule, one after the other."""
    context, columns = _context(), STUDENT_PROGRESS.columns
    for record in records:
        cells = [apply_rule(text, column, context) for text, column in zip(record, columns, strict=True)]
        if cells[0].value is not None and cells[1].value is not None:  # event and student
            yield cells[0].value, [cell.value for cell in cells]


def by_dlt() -> dict[str, Any]:
    os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="ERROR")
    import dlt
    from dlt.destinations import postgres

    with _connect() as connection:
        at = connection.get_dsn_parameters()
    # a socket's folder as libpq takes it in a URL; dlt asks for a password, the server for none
    address = f"postgresql://{at['user']}:none@{quote(at['host'], safe='')}:{at['port']}/{at['dbname']}"
    folder = str(OUT / "dlt")
    pipeline = dlt.pipeline("peers", destination=postgres(address), dataset_name="peer_dlt", pipelines_dir=folder)
    pipeline.drop()
    raw = dlt.resource(_raw_frames, name="raw", write_disposition="append")
    kinds: Any = {name: {"data_type": DLT_TYPES[kind.partition("(")[0]]} for name, kind in STUDENT_PROGRESS.staged}
    kinds["_line"] = {"data_type": "bigint", "dedup_sort": "desc"}
    merged = dlt.resource(
        _clean_frames, name="progress", write_disposition="merge", primary_key="event_id", columns=kinds
    )
    with contextlib.redirect_stdout(io.StringIO()):
        started = time.perf_counter()
        pipeline.run([raw, merged], loader_file_format="csv")  # COPY: the fastest it has here
        taken = time.perf_counter() - started
    return _taken(taken, TABLES["dlt"])


DLT_TYPES = {"text": "text", "bigint": "bigint", "numeric": "decimal", "timestamp with time zone": "timestamp"}


def _raw_frames() -> Iterator[Any]:
    import pandas as pd

    yield from pd.read_csv(_file(), dtype=str, keep_default_na=False, chunksize=CHUNK)


def _clean_frames() -> Iterator[Any]:
    """The accepted rows of each frame, as Arrow: dlt's fastest way in."""
    import pyarrow as pa

    context, line = _context(), 0
    for frame in _raw_frames():
        frame["_line"] = range(line, line + len(frame))
        line += len(frame)
        rows = clean(frame, STUDENT_PROGRESS, context).rows
        rows = rows[rows["reasons"].isna()].drop(columns=["reasons", "flags"])
        yield pa.Table.from_pandas(rows, preserve_index=False)


WORK: dict[str, Callable[[], dict[str, Any]]] = {
    "copy": by_copy,
    "eduflow": by_eduflow,
    "dlt": by_dlt,
    "rows": by_rows,
}


# --- what is shown --------------------------------------------------------------------------------------------------


def show(best: dict[str, dict[str, Any]], events: int) -> None:
    ours, floor = best["eduflow"]["seconds"], best["copy"]["seconds"]
    print(f"\n{events:,} events{'':18} {'seconds':>8} {'of COPY':>8} {'of ours':>8} {'peak MB':>8}")
    for name, taken in best.items():
        seconds = taken["seconds"]
        print(f"{NAMES[name]:30} {seconds:8.2f} {seconds / floor:8.1f} {seconds / ours:8.1f} {taken['peak']:8.0f}")


def picture(best: dict[str, dict[str, Any]], events: int) -> str:
    seconds = {NAMES[name]: (taken["seconds"], f"{taken['seconds']:.1f} s") for name, taken in best.items()}
    memory = {NAMES[name]: (taken["peak"], f"{taken['peak']:,.0f} MB") for name, taken in best.items()}
    groups = {f"{events:,} events, file to table: seconds": seconds, "peak memory of the process": memory}
    times = best["dlt"]["seconds"] / best["eduflow"]["seconds"]
    return bars(groups, ours=NAMES["eduflow"], said=f"EduFlow is {times:.1f} times as fast as dlt")


if __name__ == "__main__":
    main()
