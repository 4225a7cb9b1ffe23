import pytest
from conftest import csv_text, ROWS
import os


def show(house, capsys):
    c = capsys.readouterr()
    print("OUT", c.out)
    print("ERR", c.err)
    print(house.query("select drop_id, path, drop_date, status, reason from etl.drops order by 1"))
    print(house.query("select drop_id, line, outcome, reasons, key from etl.rejects"))


def test_a(house, capsys):
    t = csv_text("support_tickets", *[{"ticket_id": f"T{i}"} for i in range(5)]) + 'T9,STU1,"never closed\n' * 3
    house.drop("support_tickets.csv", t)
    code = house.run()
    print(code)
    show(house, capsys)
    assert 0


def test_b(house, capsys):
    house.rows("9999-12-31/support_tickets.csv", "support_tickets", {})
    code = house.run()
    print(code)
    show(house, capsys)
    assert 0


def test_c(house, capsys):
    import random

    r = random.Random(1)
    house.rows(
        "support_tickets.csv",
        "support_tickets",
        {"ticket_id": "".join(r.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=8000))},
    )
    code = house.run()
    print(code)
    show(house, capsys)
    assert 0


def test_d(house, capsys):
    import random

    r = random.Random(1)
    house.rows(
        "support_tickets.csv",
        "support_tickets",
        {"status": "".join(r.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=8000))},
    )
    code = house.run()
    print(code)
    show(house, capsys)
    assert 0


def test_e(house, capsys):
    (house.data / os.fsdecode(b"support_tickets\xff.csv")).write_text(csv_text("support_tickets", {}))
    code = house.run()
    print(code)
    show(house, capsys)
    assert 0
