"""Columns outside a declaration: kept by their place in the header, and back in reject files under their names."""

from __future__ import annotations

import csv

import pytest
from conftest import ROWS, House, json_text

# rows that are meant to be bad: the guard would hold them
pytestmark = pytest.mark.usefixtures("trusting")


def rejected(house: House) -> dict[str, str]:
    """The one rejected row, as its file shows it."""
    (file,) = (house.output / "rejects").glob("*.csv")
    (row,) = csv.DictReader(file.open(newline="", encoding="utf-8"))
    return row


def as_before(house: House) -> None:
    """What the ledger held when `_extra` had names for keys."""
    house.query("""
        update etl.rejects as r set original = jsonb_set(r.original, '{_extra}', (
            select jsonb_object_agg(d.format -> 'header' ->> (key::integer - 1), value)
            from jsonb_each(r.original -> '_extra')
        )) from etl.drops as d where d.drop_id = r.drop_id
    """)
    house.query("update etl.drops set format = format - 'extra'")
    for file in (house.output / "rejects").glob("*.csv"):
        file.unlink()


@pytest.mark.parametrize("before", [False, True], ids=["today", "landed before"])
def test_a_reject_file_shows_them_under_their_names(house, before):
    columns = [*ROWS["support_tickets"], "mood", "empty", "7"]
    cells = [*{**ROWS["support_tickets"], "ticket_id": ""}.values(), "glad", "", "seven"]
    house.drop("support_tickets.csv", f"{','.join(columns)}\n{','.join(cells)}\n")
    assert house.run() == 0
    if before:
        as_before(house)
        assert house.run() == 0
    row = rejected(house)
    assert (row["mood"], row["empty"], row["7"]) == ("glad", "", "seven")


def test_those_of_json_come_back_too(house):
    house.drop("attendance.json", json_text("attendance", {"attendance_id": "", "by": {"name": "Desk"}}, {"note": "x"}))
    assert house.run() == 0
    assert rejected(house)["by_name"] == "Desk" and rejected(house)["note"] == ""
    assert house.extras("attendance") == [{"by_name": "Desk"}, {"note": "x"}]
