"""What a data folder may hold besides files: names at the limits, folders named like files, pipes, devices, bombs.

The rest of it is in test_bad_input.py (links, loops, names with control characters) and test_drops.py.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PROJECT, House, csv_text
from test_bad_input import TICKETS, assert_balanced, statuses, tickets
from test_bombs import HEADER, MB, ROW, names, with_a_cell, zipped

from pipeline.ingest import RAW
from pipeline.run import begin_run, read_state, transaction
from targets.errors import UserError

LONG = "f" * 255  # as long as a name may be
NAMES = ("a\\..\\..\\etc", "%2e%2e%2f", "a ... ", "C:\\x", "~root", "-rf", "$HOME", "a&b;c|d", "é" * 127, LONG)


@pytest.fixture
def no_hang() -> Iterator[None]:
    """A test that waits for ever fails after two minutes."""

    def fail(*_: object) -> None:
        raise SystemExit("it hangs")  # no error that anybody catches

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_names_at_the_limits_and_names_that_want_to_leave_the_folder_are_names(house, capsys):
    around = set(house.data.parent.iterdir())
    for number, name in enumerate(NAMES):
        house.rows(f"{name}/support_tickets.csv", "support_tickets", {"ticket_id": f"T{number}"})
    deep = "/".join([LONG[:200]] * 12)  # 2,400 characters: not far from what the ledger takes
    house.rows(f"{deep}/support_tickets.csv", "support_tickets", {"ticket_id": "deep"}, {"ticket_id": ""})
    house.drop(f"{LONG[:251]}.csv", TICKETS)
    assert house.run() == 30
    assert len(tickets(house)) == len(NAMES) + 1
    assert set(statuses(house)) == {f"{folder}/support_tickets.csv" for folder in (*NAMES, deep)}
    assert f"Waits for you: {LONG[:251]}.csv: matches no dataset" in capsys.readouterr().out
    assert set(house.data.parent.iterdir()) == around | {house.output, house.data.parent / ".eduflow"}
    rejected = house.one("select drop_id from etl.drops where rejected > 0")
    assert [path.name for path in house.output.glob("rejects/*")] == [f"support_tickets.rejects-{rejected}.csv"]
    before = house.builds()
    assert house.run() == 30
    assert house.rebuilt_since(before) == set()


def test_a_folder_named_like_a_file_is_a_folder(house):
    house.drop("support_tickets.csv/support_tickets.csv", TICKETS)
    (house.data / "students.csv").mkdir()
    house.drop("student_progress.json.gz/2024-02-08/notes.md", "x")
    assert house.run() == 0
    assert statuses(house) == {"support_tickets.csv/support_tickets.csv": "staged"}


@pytest.mark.usefixtures("no_hang")
@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_takes_the_place_of_a_file_after_the_look_at_it_is_not_waited_for(house, kind):
    file = house.drop("support_tickets.csv", TICKETS)
    begin_run()
    with transaction() as db:
        read_state(db)
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        file.symlink_to("/dev/zero")
    with pytest.raises(UserError, match="changed while it was read"):
        list(RAW["support_tickets"]().run())
    assert house.query("select count(*) from etl.drops") == [(0,)]
    assert house.run() == (0 if kind == "folder" else 30), "what is no file can't be understood"


def files_that_exhaust(house: House, factor: int) -> None:
    """Files each of which would take gigabytes, were it read as a whole, or believed."""
    house.drop("gzip/support_tickets.csv.gz", zipped(ROW * 10_000, 200 * factor))
    house.drop("far/support_tickets.xlsx", with_a_cell("XFD1048576"))
    for ending, start in (("csv", HEADER), ("xlsx", b"PK\x03\x04")):
        os.truncate(house.drop(f"sparse/support_tickets.{ending}", start), 400 * MB * factor)
    house.drop("names/support_tickets.csv", names([b"n" * 500 for _ in range(1_900)], 100 * factor))
    house.drop("line/support_tickets.csv", HEADER + b"x" * 50 * MB * factor)
    house.drop("letters/support_tickets.csv", HEADER + b"a\n" * 100_000 * factor)
    with house.drop("wide/support_tickets.csv", HEADER).open("ab") as file:
        for number in range(30 * factor):
            row = csv_text("support_tickets", {"ticket_id": f"wide {number}", "subject": "w" * 3 * MB})
            file.write(row.encode()[len(HEADER) :])


# Not the peak that wait4() tells: that one begins with what the process held from which this one was forked.
RUN = """
import sys
from pipeline.cli import main
from tests.limited import peak
code = main(["run", "Clean"])
print(peak())
sys.exit(code)
"""


@pytest.mark.faults
@pytest.mark.parametrize("factor", [1, 8])
def test_a_run_over_bombs_loads_what_can_be_read_and_stays_small(house, factor):
    files_that_exhaust(house, factor)
    environment = {**os.environ, **house.environment}
    done = subprocess.run([sys.executable, "-c", RUN], cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert int(done.stdout.splitlines()[-1]) < 800_000_000  # bytes, whatever the factor; 250 MB are the imports
    places = {
        **dict.fromkeys(("gzip", "far", "sparse", "line"), "refused"),
        **dict.fromkeys(("names", "letters", "wide"), "staged"),
    }
    assert {path.split("/")[0]: status for path, status in statuses(house).items()} == places
    assert len(tickets(house, "ticket_id")) == 30 * factor
    assert_balanced(house)


# --- odd trees ------------------------------------------------------------------------------------------------------


def nested(folder: Path, levels: int) -> None:
    """Folders in each other, deeper than a path can name."""
    handle = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=handle)
        inner = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(os.open("students.csv", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=handle))
    os.close(handle)


def test_a_run_goes_on_beside_thousands_of_nested_folders_loops_and_names_that_are_too_long(house, capsys):
    house.rows("2024-02-01/students.csv", "students", {})
    (house.data / "deep").mkdir()
    nested(house.data / "deep", 1_900)
    (house.data / "deeper").mkdir()
    nested(house.data / "deeper", 3_000)
    (house.data / "loop").symlink_to(house.data)
    (house.data / "self.csv").symlink_to(house.data / "self.csv")
    chance = random.Random(3)
    long = "/".join("".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=250)) for _ in range(12))
    house.rows(f"{long}/students.csv", "students", {"student_id": "STU002"})
    house.drop("a\n\x1b[2Jb.csv", "x")
    try:
        assert house.run() == 30
        said = capsys.readouterr()
        assert "Traceback" not in said.err and "\x1b" not in said.out + said.err
        lines = [line.strip() for line in said.err.splitlines()]
        for start, why in {
            "deep/d/d": "folders in each other",
            "deeper/d/d": "folders in each other",
            "loop:": "not a regular file",
            "self.csv:": "can't be read",
            long[:100]: "shorten it",
            "a\\n\\x1b[2Jb.csv:": "matches no dataset",
        }.items():
            assert [why in line for line in lines if line.startswith(start)] == [True], start
        assert house.query("select student_id from staging.stg_students") == [("STU001",)]
        before = house.builds()
        assert house.run() == 30
        assert house.rebuilt_since(before) == set()
    finally:
        subprocess.run(["rm", "-rf", str(house.data / "deep"), str(house.data / "deeper")], check=True)
