"""Cost follows the change: a run reads as much with twenty thousand drops in the ledger as with ten."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from sqlalchemy import Engine, event, text

from pipeline.config import settings
from pipeline.drops import Taken, drop_digest, read_taken
from pipeline.run import begin_run, read_state, transaction

HISTORY = """
    insert into etl.drops (
        drop_id, dataset, path, sha256, size, drop_date, landed_at, status, profile, format,
        rows, read, current, superseded, duplicate, rejected
    )
    select
        last.drop_id + n, 'attendance', 'gone/' || last.drop_id + n || '/attendance.csv', md5(n::text), 100,
        date '1990-01-01' + n::integer / 10, now(), 'staged',
        '{"rows": 0, "rejected": 0, "nulls": {}, "unread": {}, "codes": {}}', '{"fields": [], "delimiter": ","}',
        0, 0, 0, 0, 0, 0
    from generate_series(1, %s) as n cross join (select coalesce(max(drop_id), 0) as drop_id from etl.drops) as last
"""
PATHS = """
    insert into etl.files (path, dataset, size, sha256, drop_id)
    select path, dataset, size, sha256, drop_id from etl.drops on conflict do nothing
"""


def remember(house, drops: int) -> None:
    """So many drops of earlier years, whose files are gone."""
    house.query(HISTORY, drops)
    house.query(PATHS)
    house.query("analyze etl.drops")


@contextlib.contextmanager
def rows_read() -> Iterator[list[int]]:
    """The rows that each statement gave."""
    read: list[int] = []

    def count(_connection, cursor, *_: object) -> None:
        if cursor.description:
            read.append(cursor.rowcount)

    event.listen(Engine, "after_cursor_execute", count)
    try:
        yield read
    finally:
        event.remove(Engine, "after_cursor_execute", count)


def read_by(house, goal: str) -> tuple[int, int]:
    """(statements, rows) that a run reads."""
    with rows_read() as read:
        assert house.do("run", goal) == 0
    return len(read), sum(read)


def test_a_run_reads_as_much_with_twenty_thousand_drops_as_with_ten(house):
    few: dict[str, tuple[int, int]] = {}
    for drops in (10, 20_000):
        remember(house, drops)
        house.rows(f"2024-02-0{1 + (drops > 10)}/attendance.csv", "attendance", {"attendance_id": f"A{drops}"})
        assert house.run() == 0
        idle = read_by(house, "EduFlow")
        house.rows(f"2024-02-1{drops > 10:d}/attendance.csv", "attendance", {"attendance_id": f"B{drops}"})
        change = read_by(house, "Clean")
        few = few or {"idle": idle, "change": change}
    assert idle[0] <= few["idle"][0] * 1.1 and idle[1] <= few["idle"][1] * 1.1
    assert change[0] <= few["change"][0] * 1.1 and change[1] <= few["change"][1] * 1.1


def test_the_state_is_asked_in_milliseconds_with_twenty_thousand_drops(house):
    """Reading them all takes half a second."""
    remember(house, 20_000)
    with transaction(settings()) as db:
        read_state(db)
        started = time.perf_counter()
        for _ in range(5):
            assert read_state(db).taken["attendance"].drops == 20_000
    assert (time.perf_counter() - started) / 5 < 0.25


def recounted(house) -> dict[str, Taken]:
    """What the drops come to, all of them read."""
    found: dict[str, Taken] = {}
    query = "select dataset, status, landed_at is not null, rows, drop_date, sha256, decision from etl.drops"
    for dataset, status, in_raw, rows, day, sha256, decision in house.query(query):
        before = found.get(dataset, Taken())
        found[dataset] = Taken(
            before.drops + (status != "retracted"),
            before.in_raw + in_raw,
            before.rows + (rows if in_raw else 0),
            before.digest + (drop_digest(day, sha256, decision) if in_raw else 0),
        )
    return found


def test_what_the_drops_come_to_is_kept_whatever_becomes_of_one(house):
    house.rows("2024-02-01/attendance.csv", "attendance", {}, {"attendance_id": "ATT002"})
    house.rows("2024-02-01/support_tickets.csv", "support_tickets", {})
    house.drop("2024-02-02/attendance.csv", "no header at all\n")
    house.run()
    drop = str(house.one("select drop_id from etl.drops where dataset = 'support_tickets'"))
    refused = str(house.one("select drop_id from etl.drops where status = 'refused'"))
    house.query("delete from raw.attendance")
    changes = (("retract", drop), ("approve", drop), ("run",), ("refuse", refused), ("verify",), ("run",))
    for change in ((), *changes):
        if change:
            house.do(*change)
        with transaction(settings()) as db:
            assert read_taken(db) == recounted(house)
    house.query("update etl.drops set dataset = 'students' where drop_id = %s", refused)
    with transaction(settings()) as db:
        assert {name: taken for name, taken in read_taken(db).items() if taken != Taken()} == recounted(house)


def test_a_database_of_an_older_version_is_counted_when_it_is_migrated(house):
    house.rows("2024-02-01/attendance.csv", "attendance", {})
    house.run()
    expected = recounted(house)
    house.query("drop table etl.datasets cascade; delete from etl.migrations where file like 'state_14%'")
    begin_run()
    assert house.run() == 0
    with transaction(settings()) as db:
        assert read_taken(db) == expected
        assert db.execute(text("select count(*) from etl.drops")).scalar() == 1


def small_files(house, first: int, last: int) -> None:
    """Files of three rows, attendance and events in turn, eight a day."""
    for number in range(first, last):
        day = date(2020, 1, 1) + timedelta(days=number // 8)
        name, key = (("attendance", "attendance_id"), ("student_progress", "event_id"))[number % 2]
        rows = [{key: f"K{number}-{row}", "student_id": f"STU{number * 3 % 500 + row:03}"} for row in range(3)]
        days = {"attendance_date": str(day)} if name == "attendance" else {}
        house.rows(f"{day}/{number % 8}/{name}.csv", name, *({**row, **days} for row in rows))


@pytest.mark.faults
def test_ten_times_as_many_small_files_take_at_most_ten_times_as_long(house):
    """Nine thousand took 45 times as long as nine hundred while each drop was compared with all others."""
    seconds = []
    for first, last in ((0, 900), (900, 9_900)):
        small_files(house, first, last)
        started = time.perf_counter()
        assert house.do("run") == 0
        seconds.append(time.perf_counter() - started)
    assert seconds[1] < 12 * seconds[0]
    assert house.query("select dataset, count(*), sum(current) from etl.drops group by 1 order by 1") == [
        ("attendance", 4_950, 14_850), ("student_progress", 4_950, 14_850),
    ]  # fmt: skip
