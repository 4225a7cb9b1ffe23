"""Change sets: a reader of a table follows it by the keys that each build changed, or is told to read everything."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import pytest
from sqlalchemy import Connection, text

from targets import changes
from targets.changes import changed_since, forget_changes
from targets.table import apply_difference

TABLE, KEY = "t.mark", ("student", "day")
Rows = dict[tuple[str, str], int]


@pytest.fixture
def db(house):
    with house.database.transaction() as connection:
        connection.exec_driver_sql("create schema t")
        connection.exec_driver_sql("create table t.mark (student text, day date, mark int, primary key (student, day))")
        yield connection


def build(db: Connection, rows: Rows, number: int, *, only: Rows | None = None, within: Sequence[str] = ()) -> None:
    """Build `number` of the table: all rows, or `only` these (with `within`, whole groups of them)."""
    db.exec_driver_sql("create temp table offered on commit drop as table t.mark with no data")
    given = rows if only is None else only
    if given:
        values = [{"student": s, "day": d, "mark": m} for (s, d), m in given.items()]
        db.execute(text("insert into offered values (:student, :day, :mark)"), values)
    whole = "offered" if only is None else ""
    apply_difference(db, TABLE, "offered", key=KEY, content=["mark"], build=number, whole=whole, within=within)
    db.exec_driver_sql("drop table offered")
    record(db, TABLE, number, len(rows))


def record(
    db: Connection, target: str, number: int, rows: int = 0, *, forgotten: bool = False, read: int | None = None
) -> None:
    """The ledger's row of a target. read: the build of the table that it has consumed."""
    values = {
        "target": target,
        "build": number,
        "rows": rows,
        "print": None if forgotten else "f",
        "consumed": json.dumps({TABLE: read} if read else {}),
    }
    db.execute(
        text("""
            insert into etl.targets (target, build, rows, fingerprint, consumed)
            values (:target, :build, :rows, :print, :consumed)
            on conflict (target) do update set
                build = excluded.build, rows = excluded.rows, fingerprint = excluded.fingerprint,
                consumed = excluded.consumed
        """),
        values,
    )


def reader_at(db: Connection, number: int, name: str = "reader", *, forgotten: bool = False) -> None:
    record(db, name, 1, read=number, forgotten=forgotten)


def now(db: Connection) -> Rows:
    return {(row[0], str(row[1])): row[2] for row in db.exec_driver_sql("select student, day, mark from t.mark")}


def follow(db: Connection, copy: Rows, since: int) -> Rows | None:
    """The copy after the change sets since a build; None when the reader is told to read everything."""
    if not changed_since(db, TABLE, since, KEY):
        return None
    table, copy = now(db), dict(copy)
    for student, day, is_deleted in db.exec_driver_sql("select student, day, is_deleted from changed").all():
        key = (student, str(day))
        assert is_deleted == (key not in table)
        copy.pop(key, None)
        if not is_deleted:
            copy[key] = table[key]
    db.exec_driver_sql("drop table changed")
    return copy


def kept(db: Connection) -> list[int]:
    query = "select build from etl.changes where target = 't.mark' order by build"
    return list(db.exec_driver_sql(query).scalars())


def school(*marks: int) -> Rows:
    return {(f"STU{number:03}", "2024-02-01"): mark for number, mark in enumerate(marks)}


@pytest.mark.parametrize("seed", range(5))
def test_a_copy_of_any_build_and_the_change_sets_since_are_the_table(db, seed):
    chance = random.Random(seed)
    copies = {1: school(*range(20))}
    build(db, copies[1], 1)
    reader_at(db, 1)
    for number in range(2, 9):
        rows = {key: mark for key, mark in copies[number - 1].items() if chance.random() > 0.2}
        rows |= {(f"STU{chance.randrange(30):03}", "2024-02-01"): chance.randrange(5) for _ in range(6)}
        copies[number] = rows
        build(db, rows, number)
    for number, copy in copies.items():
        assert follow(db, copy, number) == now(db) == copies[8]
        assert follow(db, now(db), number) == now(db), "a second time changes nothing"


def test_a_row_that_goes_and_comes_again_is_there_and_one_that_comes_and_goes_is_not(db):
    build(db, school(1, 2), 1)
    reader_at(db, 1)
    build(db, school(1), 2)
    build(db, school(1, 3), 3)
    build(db, school(1, 3, 4), 4)
    build(db, school(1, 3), 5)
    assert follow(db, school(1, 2), 1) == school(1, 3)
    assert follow(db, school(1), 2) == school(1, 3)


def test_an_incremental_build_keeps_what_a_full_one_keeps(db):
    build(db, school(1, 2, 3), 1)
    reader_at(db, 1)
    build(db, school(1, 5, 3), 2, only={("STU001", "2024-02-01"): 5, ("STU002", "2024-02-01"): 3})
    build(db, school(1, 6, 3), 3)
    query = "select keys, written, deleted from etl.changes order by build"
    incremental, full = db.exec_driver_sql(query).all()
    assert incremental == full == (1, [{"student": "STU001", "day": "2024-02-01"}], [])


def test_rows_that_leave_their_group_are_on_record(db):
    both = {("a", "2024-02-01"): 1, ("a", "2024-02-02"): 2, ("b", "2024-02-01"): 3}
    build(db, both, 1)
    reader_at(db, 1)
    build(db, {}, 2, only={("a", "2024-02-02"): 5}, within=("student",))
    assert follow(db, both, 1) == {("a", "2024-02-02"): 5, ("b", "2024-02-01"): 3}


def test_a_build_that_changes_nothing_keeps_nobody_from_following(db):
    build(db, school(1), 1)
    reader_at(db, 1)
    build(db, school(1), 2)
    build(db, school(2), 3)
    assert follow(db, school(1), 1) == school(2)


def test_a_table_filled_from_nothing_is_read_whole(db):
    build(db, school(1, 2), 1)
    reader_at(db, 1)
    db.exec_driver_sql("delete from t.mark")  # by hand, or made anew: no build says which rows went
    build(db, school(1), 2)
    build(db, school(5), 3)
    assert follow(db, school(1, 2), 1) is None
    assert follow(db, school(1), 2) == school(5)


def test_a_target_that_was_forgotten_is_read_whole(db):
    build(db, school(1, 2), 1)
    reader_at(db, 1)
    record(db, TABLE, 1, 2, forgotten=True)
    assert not changed_since(db, TABLE, 1, KEY)
    build(db, school(2, 2), 2)
    forget_changes(db, TABLE)
    assert follow(db, school(1, 2), 1) is None


def test_a_reader_of_a_build_that_is_not_there_yet_is_told_to_read_everything(db):
    build(db, school(1), 1)
    assert follow(db, school(1), 2) is None


def test_what_a_stopped_build_changed_is_not_on_record(db):
    build(db, school(1), 1)
    reader_at(db, 1)
    with pytest.raises(KeyboardInterrupt), db.begin_nested():
        build(db, school(2), 2)
        raise KeyboardInterrupt
    assert kept(db) == []
    assert follow(db, school(1), 1) == school(1)


def test_what_every_reader_has_consumed_goes_and_without_a_reader_nothing_is_kept(db):
    build(db, school(1), 1)
    build(db, school(2), 2)
    assert kept(db) == []
    reader_at(db, 2)
    reader_at(db, 1, "slow")
    build(db, school(3), 3)
    build(db, school(4), 4)
    assert kept(db) == [3, 4]
    assert follow(db, school(1), 1) is None
    reader_at(db, 3, "slow")
    reader_at(db, 4)
    build(db, school(5), 5)
    assert kept(db) == [4, 5]
    reader_at(db, 3, "slow", forgotten=True)  # forgotten: it will read everything
    build(db, school(6), 6)
    assert kept(db) == [5, 6]


def test_keys_on_record_are_few_beside_the_rows(db, monkeypatch):
    monkeypatch.setattr(changes, "FEW", 4)
    build(db, school(*range(40)), 1)
    reader_at(db, 1)
    build(db, school(7, *range(1, 40)), 2)
    build(db, school(*range(7, 47)), 3)  # 40 rows differ, and 10 keys may be kept
    assert kept(db) == [2]
    assert follow(db, school(*range(40)), 1) is None
    for number in range(4, 10):
        build(db, school(*(number * 100 + place for place in range(3)), *range(10, 47)), number)
    assert kept(db) == [7, 8, 9]  # three keys each
    assert follow(db, {}, 6) is not None
