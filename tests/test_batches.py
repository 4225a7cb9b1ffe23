"""A drop is a batch, not a file: without a path and a size it is accounted for, shown and undone like any other."""

from __future__ import annotations

import json

import pytest

from pipeline.datasets import DATASETS

COLUMNS = DATASETS["attendance"].column_names
FIRST = ("ATT001", "STU001", "2024-02-01", "Present", "2024-02-01 10:00:00")


def came(house, drop_id: int, *rows: tuple[str, ...]) -> None:
    """A batch of attendance in raw and the ledger, as a source that has no files leaves it."""
    house.query(
        """
        insert into etl.drops (drop_id, dataset, sha256, drop_date, status, landed_at, rows, format)
        values (%s, 'attendance', md5(%s::text), '2024-02-01', 'landed', now(), %s, %s)
        """,
        drop_id, drop_id, len(rows), json.dumps({"header": COLUMNS, "fields": COLUMNS, "delimiter": ""}),
    )  # fmt: skip
    names = ", ".join(COLUMNS)
    for line, row in enumerate(rows, 1):
        marks = ", ".join(["%s"] * len(row))
        house.query(
            f"insert into raw.attendance (_drop_id, _line, {names}) values (%s, %s, {marks})", drop_id, line, *row
        )


@pytest.mark.usefixtures("trusting")
def test_a_drop_without_a_path_is_built_shown_traced_and_retracted(house, capsys):
    house.rows("2024-02-01/students.csv", "students", {})
    house.rows("2024-02-01/attendance.csv", "attendance", {"attendance_id": "ATT009"})
    assert house.run() == 0
    bad = dict(zip(COLUMNS, FIRST, strict=True)) | {"attendance_id": "ATT002", "attendance_date": "no day"}
    came(house, 101, FIRST, tuple(bad.values()))
    assert house.run() == 0
    query = "select status, read, current, rejected from etl.drops where drop_id = 101"
    assert house.query(query) == [("staged", 2, 1, 1)]
    assert house.one("select count(*) from warehouse.fact_attendance") == 2
    capsys.readouterr()
    for verb in (("account",), ("account", "101"), ("status",), ("verify",)):
        assert house.do(*verb) == 0
    assert house.do("trace", "student", "STU001") == 0
    assert "attendance line 1 (drop 101, attendance)" in capsys.readouterr().out
    assert "attendance" in (house.output / "run_summary.md").read_text()
    house.query("delete from raw.attendance where _drop_id = 101 and _line = 2")
    assert house.do("verify") == 1
    assert "drop 101 (attendance)" in capsys.readouterr().out


def test_a_drop_without_a_path_is_held_and_decided(house, capsys):
    house.rows("2024-02-01/students.csv", "students", {})
    assert house.run() == 0
    rows = [tuple("no day" if name == "attendance_date" else cell for name, cell in zip(COLUMNS, FIRST, strict=True))]
    came(house, 101, *(rows * 40))
    assert house.run() == 30
    capsys.readouterr()
    assert house.do("account", "101") == 0
    assert "Why it is held" in capsys.readouterr().out
    assert house.do("approve", "101") == 0 and "Drop 101 (attendance)" in capsys.readouterr().out
    assert house.run() == 0
    assert house.one("select rejected from etl.drops where drop_id = 101") == 40
    assert house.do("retract", "101") == 0
    assert house.run() == 0
    assert house.one("select status from etl.drops where drop_id = 101") == "retracted"
