"""The output folder: who may read it, what is not ours in it, links in the way, and reject files a person mends."""

from __future__ import annotations

import csv
import os
import stat
from pathlib import Path

import pytest
from conftest import House

# rows that are meant to be bad: the guard would hold them
pytestmark = pytest.mark.usefixtures("trusting")

BAD = {"ticket_id": "T1", "student_id": "?"}
REJECTS = "rejects/support_tickets.rejects-1.csv"


def school(house: House) -> None:
    house.rows("2024-02-01/support_tickets.csv", "support_tickets", {}, BAD)


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def modes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): oct(stat.S_IMODE(path.stat().st_mode))
        for path in (folder, *folder.rglob("*"))
        if path.name != "metrics.prom"
    }


# --- who may read it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_files_are_for_owner_and_group_whatever_the_umask(house, umask):
    school(house)
    before = os.umask(umask)
    try:
        assert house.run() == 0
    finally:
        os.umask(before)
    found = modes(house.output)
    assert {".", "rejects", "marts", REJECTS, "report.html", "run_summary.json", "insights.md"} <= set(found)
    for name, mode in found.items():
        assert mode == ("0o750" if (house.output / name).is_dir() else "0o640"), name
    assert stat.S_IMODE((house.output / "metrics.prom").stat().st_mode) == 0o644  # the node exporter's; it names nobody


def test_what_was_readable_by_all_is_closed_and_then_there_is_nothing_to_do(house, capsys):
    school(house)
    assert house.run() == 0
    for path in house.output.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    house.query("update etl.targets set content = md5(target) where target like 'output/%'")  # as before this version
    assert house.run() == 0
    assert {mode for name, mode in modes(house.output).items() if name != "."} == {"0o640", "0o750"}
    (house.output / "report.html").chmod(0o644)
    assert house.run() == 0
    assert {mode for name, mode in modes(house.output).items() if name != "."} == {"0o640", "0o750"}
    capsys.readouterr()
    assert house.run() == 0
    assert "Nothing to do" in capsys.readouterr().out


def test_what_others_keep_in_the_folders_stays(house):
    school(house)
    house.output.mkdir()
    theirs = {name: house.output / name for name in ("notes.txt", "marts/analysis.xlsx", "rejects/mine.csv")}
    for path in theirs.values():
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    assert house.run() == 0
    house.rows("2024-02-02/support_tickets.csv", "support_tickets", {"ticket_id": "T2"})
    assert house.run() == 0
    assert [path.read_text() for path in theirs.values()] == ["mine"] * 3


# --- links ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rejects", "marts"])
def test_a_folder_that_is_a_link_is_neither_written_nor_emptied(house, capsys, tmp_path, name):
    school(house)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    for kept in ("support_tickets.rejects-1.csv", "student_360.csv", "other.csv"):
        (elsewhere / kept).write_text("kept")
    before = tree(elsewhere)
    house.output.mkdir()
    (house.output / name).symlink_to(elsewhere)
    assert house.run() == 30
    said = capsys.readouterr()
    assert f"{house.output / name} is a link: nothing is written or deleted through one." in said.err
    assert "Traceback" not in said.err
    assert tree(elsewhere) == before and stat.S_IMODE(elsewhere.stat().st_mode) == 0o755
    (house.output / name).unlink()
    assert house.run() == 0
    assert (house.output / name).is_dir() and tree(elsewhere) == before


FILES = [REJECTS, "marts/student_360.csv", "report.html", "run_summary.json", "metrics.prom"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("built", [False, True], ids=["before the first run", "after it"])
def test_a_file_that_is_a_link_is_neither_written_through_nor_replaced(house, capsys, tmp_path, name, built):
    school(house)
    assert not built or house.run() == 0
    link, elsewhere = house.output / name, tmp_path / "passwd"
    elsewhere.write_text("kept")
    elsewhere.chmod(0o644)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(elsewhere)
    capsys.readouterr()
    assert house.run() == 30
    said = capsys.readouterr()
    assert f"{link} is a link" in said.err and "Remove the link" in said.err and "Traceback" not in said.err
    assert link.is_symlink() and elsewhere.read_text() == "kept" and stat.S_IMODE(elsewhere.stat().st_mode) == 0o644
    link.unlink()
    assert house.run() == 0
    assert not link.is_symlink() and link.is_file()


def test_a_link_to_a_copy_of_our_file_is_noticed_and_a_dangling_one_makes_no_file(house, tmp_path):
    school(house)
    assert house.run() == 0
    report, copy = house.output / "report.html", tmp_path / "copy.html"
    report.rename(copy)
    report.symlink_to(copy)
    assert house.run() == 30
    copy.unlink()
    assert house.run() == 30
    assert not copy.exists()


def test_the_output_folder_itself_may_be_a_link(house, tmp_path):
    school(house)
    chosen = tmp_path / "share"
    chosen.mkdir()
    house.output.symlink_to(chosen)
    assert house.run() == 0
    assert (chosen / "report.html").is_file() and (chosen / REJECTS).is_file()


# --- reject files that a person mends -------------------------------------------------------------------------------


def mend(file: Path) -> None:
    """In place, as a person does with a spreadsheet."""
    with file.open(newline="") as given:
        lines = [["STU001" if cell == "?" else cell for cell in line] for line in csv.reader(given)]
    with file.open("w", newline="") as out:
        csv.writer(out).writerows(lines)


def test_a_reject_file_mended_in_place_survives_the_next_runs(house, capsys):
    school(house)
    assert house.run() == 0
    file, beside = house.output / REJECTS, house.output / REJECTS.replace(".csv", ".new.csv")
    original = file.read_text()
    mend(file)
    mended = file.read_bytes()
    capsys.readouterr()
    assert house.run() == 0
    assert "Nothing to do" in capsys.readouterr().out
    house.rows("2024-02-02/support_tickets.csv", "support_tickets", {"ticket_id": "T2"})
    assert house.run() == 0
    said = capsys.readouterr()
    assert f"{REJECTS} was edited and is kept as it is" in said.out + said.err
    assert file.read_bytes() == mended and beside.read_text() == original
    assert house.run() == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert file.read_bytes() == mended and beside.read_text() == original


def test_a_reject_file_that_was_deleted_is_written_again(house):
    school(house)
    assert house.run() == 0
    original = (house.output / REJECTS).read_text()
    (house.output / REJECTS).unlink()
    assert house.run() == 0
    assert (house.output / REJECTS).read_text() == original


# --- reject files follow the state ----------------------------------------------------------------------------------


def rejected_lines(house: House, drop: int = 1) -> list[str]:
    """The lines that the drop's reject file names; [] when there is none."""
    file = house.output / f"rejects/support_tickets.rejects-{drop}.csv"
    if not file.exists():
        return []
    with file.open(newline="") as given:
        return [row["reject_line"] for row in csv.DictReader(given)]


def open_lines(house: House) -> list[tuple[int, int]]:
    return house.query("select drop_id, line from staging.open_rejects order by 1, 2")


def three_bad(house: House) -> None:
    """Lines 2 to 4: no student, no key, no student."""
    bad = ({"ticket_id": "T1", "student_id": "?"}, {"ticket_id": ""}, {"ticket_id": "T3", "student_id": "?"})
    house.rows("2024-02-01/support_tickets.csv", "support_tickets", *bad, {"ticket_id": "T4"})
    assert house.run() == 0
    assert rejected_lines(house) == ["2", "3", "4"]


def send_back(house: House, path: str, changes: dict[str, dict[str, str]], drop: int = 1) -> None:
    """The rows of a reject file that stand at these lines, mended so."""
    with (house.output / f"rejects/support_tickets.rejects-{drop}.csv").open(newline="") as given:
        rows = list(csv.DictReader(given))
    with house.drop(path, "").open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | changes[row["reject_line"]] for row in rows if row["reject_line"] in changes)


def test_a_mended_row_leaves_the_file_and_a_file_without_rows_goes(house):
    three_bad(house)
    send_back(house, "2024-02-02/support_tickets.rejects-1.csv", {"2": {"student_id": "STU001"}})
    assert house.run() == 0
    assert rejected_lines(house) == ["3", "4"]
    house.rows("2024-02-03/support_tickets.csv", "support_tickets", {"ticket_id": "T3"})  # by its key
    assert house.run() == 0
    assert rejected_lines(house) == ["3"]
    assert house.do("refuse", "1", "--line", "3") == 0
    assert house.run() == 0
    assert not list(house.output.glob("rejects/*"))


def test_a_row_refused_by_a_person_leaves_the_file_until_that_is_undone(house, capsys):
    three_bad(house)
    before = house.builds()
    assert house.do("refuse", "1", "--line", "3") == 0
    assert house.run() == 0
    assert rejected_lines(house) == ["2", "4"]
    assert house.rebuilt_since(before) == {"output/rejects", "output/report", "output/run_summary", "output/metrics"}
    assert house.do("refuse", "1", "--line", "3", "--undo") == 0
    assert house.run() == 0
    assert rejected_lines(house) == ["2", "3", "4"]
    capsys.readouterr()
    assert house.run() == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert house.do("refuse", "1", "--line", "3", "--undo") == 1
    assert "was not refused" in capsys.readouterr().err
    assert house.do("refuse", "1", "--undo") == 1
    assert "approve 1" in capsys.readouterr().err


def test_a_retracted_drop_has_no_reject_file_and_one_that_mended_it_opens_its_rows_again(house):
    three_bad(house)
    send_back(house, "2024-02-02/support_tickets.rejects-1.csv", {"3": {"ticket_id": "T2"}})
    assert house.run() == 0
    assert rejected_lines(house) == ["2", "4"]
    assert house.do("retract", "2") == 0 and house.run() == 0
    assert rejected_lines(house) == ["2", "3", "4"]
    assert house.do("retract", "1") == 0 and house.run() == 0
    assert rejected_lines(house) == []
    assert house.do("approve", "1") == 0 and house.run() == 0
    assert rejected_lines(house) == ["2", "3", "4"]


def test_a_mended_row_whose_key_was_missing_closes_by_its_line(house):
    three_bad(house)
    send_back(house, "2024-02-02/support_tickets.rejects-1.csv", {"3": {"ticket_id": "T2"}})
    assert house.run() == 0
    assert open_lines(house) == [(1, 2), (1, 4)]
    assert house.one("select count(*) from staging.stg_tickets where ticket_id = 'T2'") == 1


def test_a_row_that_is_still_wrong_closes_nothing_and_its_own_mending_closes_both(house):
    three_bad(house)
    send_back(house, "2024-02-02/support_tickets.rejects-1.csv", {"3": {"ticket_id": "T2", "student_id": "?"}})
    assert house.run() == 0
    assert open_lines(house) == [(1, 2), (1, 3), (1, 4), (2, 2)]
    with (house.output / "rejects/support_tickets.rejects-2.csv").open(newline="") as given:
        assert [name for name in next(csv.reader(given)) if name.startswith("reject")] == [
            *("reject_line", "reject_reasons", "reject_record")
        ]
    send_back(house, "2024-02-03/support_tickets.rejects-2.csv", {"2": {"student_id": "STU001"}}, drop=2)
    assert house.run() == 0
    assert open_lines(house) == [(1, 2), (1, 4)]


@pytest.mark.parametrize("line", ["x", "", "99999999999999999999", "-3", "3 or 1=1", "5"])
def test_a_line_that_is_none_closes_nothing(house, line):
    three_bad(house)
    send_back(house, "2024-02-02/support_tickets.rejects-1.csv", {"3": {"ticket_id": "T2", "reject_line": line}})
    assert house.run() == 30  # the guard holds it
    assert open_lines(house) == [(1, 2), (1, 3), (1, 4)]
