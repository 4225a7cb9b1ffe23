"""Drops: what a path means, which files are arrivals, what waits for a person. No database."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from pipeline.drops import Drop, arrivals, unsettled
from pipeline.sources.folder import File, Known, Scan, printable, scan

TODAY = date(2024, 3, 1)
DAY = date(2024, 2, 8)


def tree(folder: Path, *paths: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    return folder


def look(folder: Path, *paths: str) -> Scan:
    return scan(tree(folder, *paths))


def file(path: str, content: str, day: date | None = None) -> File:
    return File(path, Path(path), "support_tickets", day, False, (1, 2, 3, 4), False, content)


def drop(drop_id: int, path: str | None, content: str, **different) -> Drop:
    values = {
        "dataset": "support_tickets", "drop_date": DAY, "status": "staged", "reason": None, "decision": None,
        "judged_by": "judge", "partial": False, "in_raw": True, "landed_on": DAY, "size": 1, "rows": 1,
        "fields": (), "delimiter": ",",
    }  # fmt: skip
    return Drop(drop_id=drop_id, path=path, sha256=content, **{**values, **different})


def known(*drops: Drop) -> dict[str, Known]:
    """As if each drop was the last content taken from its path."""
    return {drop.path: Known(drop.path, None, drop.sha256, drop.drop_id) for drop in drops if drop.path is not None}


def landed(files, drops=(), seen=None, judge="judge"):
    """(path, drop date, retried drop) of each arrival."""
    found = arrivals(files, drops, known(*drops) if seen is None else seen, judge, TODAY)
    return [(arrival.file.path, arrival.drop_date, arrival.retry) for arrival in found.new]


# --- what a path means ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "support_tickets.csv",
        "Support_Tickets.CSV",
        "SUPPORT TICKETS.xlsx",
        "support-tickets.tsv",
        "tickets.jsonl",
        "support_tickets.csv.gz",
        "2024-02-08/support_tickets.csv",
        "support_tickets_2024-02-08.csv",
        "2024-02-08 support_tickets.json",
        "schools/north/deep/er/support_tickets.txt",
        "support_tickets.rejects-12.csv",
        "folder.csv/support_tickets.csv",
    ],
)
def test_a_file_belongs_to_the_dataset_of_its_name(tmp_path, path):
    assert [(f.path, f.dataset) for f in look(tmp_path, path).files] == [(path, "support_tickets")]


@pytest.mark.parametrize(
    "path, why",
    [
        (
            "support_tickets",
            "not a csv, xlsx or json file; its name is like support_tickets: save it as support_tickets.xlsx",
        ),
        (
            "support_tickets.pdf",
            "not a csv, xlsx or json file; its name is like support_tickets: save it as support_tickets.xlsx",
        ),
        (
            "support_tickets.csv.zip",
            "not a csv, xlsx or json file; its name is like support_tickets: "
            "unpack it, and name what is in it like support_tickets.xlsx",
        ),
        ("support_tickets.csv.part", "not a csv, xlsx or json file"),
        (
            "support_tickets (1).csv",
            "matches no dataset; its name is like support_tickets: name it support_tickets.csv",
        ),
        (
            "x/my_support_tickets 20240301.csv",
            "matches no dataset; its name is like support_tickets: name it x/support_tickets_2024-03-01.csv",
        ),
        ("support_tickets/other.csv", "matches no dataset"),
        ("2024-02-08.csv", "matches no dataset"),
        ("2024-02-30/support_tickets.csv", "2024-02-30 in its path is no date"),
        ("0000-01-01/support_tickets.csv", "0000-01-01 in its path is no date"),
    ],
)
def test_a_file_that_is_no_drop_is_named_with_the_reason(tmp_path, path, why):
    found = look(tmp_path, path)
    assert (found.files, found.unmatched) == ((), ((path, why),))


@pytest.mark.parametrize(
    "path", [".support_tickets.csv", ".git/support_tickets.csv", "~$support_tickets.xlsx", "README.csv"]
)
def test_hidden_files_locks_and_readmes_are_not_looked_at(tmp_path, path):
    assert look(tmp_path, path) == replace(Scan(), today=look(tmp_path).today)


@pytest.mark.parametrize(
    "path, day",
    [
        ("support_tickets.csv", None),
        ("2024-02-08/support_tickets.csv", date(2024, 2, 8)),
        ("support_tickets_2024-02-08.csv", date(2024, 2, 8)),
        ("2024-02-08/2024-02-09/support_tickets.csv", date(2024, 2, 9)),  # the innermost
        ("2024-02-08/support_tickets_2024-01-01.csv", date(2024, 1, 1)),
        ("12024-02-08/support_tickets.csv", None),
        ("2024-02-081/support_tickets.csv", None),
        ("20240208/support_tickets.csv", None),
        ("2024-2-8/support_tickets.csv", None),
        ("9999-12-31/support_tickets.csv", date(9999, 12, 31)),
    ],
)
def test_the_last_iso_date_in_the_path_is_the_date(tmp_path, path, day):
    assert [f.date for f in look(tmp_path, path).files] == [day]


@pytest.mark.parametrize(
    "path, partial", [("tickets.csv", False), ("tickets.rejects-3.csv", True), ("tickets.REJECTS-3.csv.gz", True)]
)
def test_a_reject_file_sent_back_is_partial(tmp_path, path, partial):
    assert [f.partial for f in look(tmp_path, path).files] == [partial]


@pytest.mark.parametrize("name", ["tickets.rejects-.csv", "tickets.rejects-x.csv", "tickets.rejects.csv"])
def test_only_a_drop_number_makes_a_reject_file(tmp_path, name):
    assert look(tmp_path, name).files == ()


# --- the look at the folder -----------------------------------------------------------------------------------------


def test_files_come_in_path_order(tmp_path):
    paths = ["b/tickets.csv", "a/tickets.csv", "tickets.csv", "B/tickets.csv"]
    assert [f.path for f in look(tmp_path, *paths).files] == sorted(paths)


def test_links_lead_to_files_inside_the_folder_only(tmp_path):
    folder, outside = tree(tmp_path / "data", "a/tickets.csv"), tree(tmp_path, "secret.csv") / "secret.csv"
    (folder / "in").mkdir()
    (folder / "in/tickets.csv").symlink_to(folder / "a/tickets.csv")
    (folder / "out").mkdir()
    (folder / "out/tickets.csv").symlink_to(outside)
    (folder / "relative").mkdir()
    (folder / "relative/tickets.csv").symlink_to("../../secret.csv")
    (folder / "dangling").mkdir()
    (folder / "dangling/tickets.csv").symlink_to("nothing.csv")
    (folder / "loop").mkdir()
    (folder / "loop/tickets.csv").symlink_to("tickets.csv")
    found = scan(folder)
    assert [f.path for f in found.files] == ["a/tickets.csv", "in/tickets.csv"]
    assert {path: why.partition(":")[0] for path, why in found.unmatched} == {
        "out/tickets.csv": "a link that leads out of the data folder",
        "relative/tickets.csv": "a link that leads out of the data folder",
        "dangling/tickets.csv": "can't be read",
        "loop/tickets.csv": "can't be read",
    }


def test_a_linked_folder_is_named_but_not_walked(tmp_path):
    folder = tree(tmp_path / "data", "a/tickets.csv")
    (folder / "round").symlink_to(folder)
    found = scan(folder)
    assert [f.path for f in found.files] == ["a/tickets.csv"]
    assert [why for _, why in found.unmatched] == ["not a regular file"]


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "tickets.csv")
    assert scan(tmp_path).unmatched == (("tickets.csv", "not a regular file"),)


def test_a_name_that_is_not_utf8_is_no_drop(tmp_path):
    (tmp_path / os.fsdecode(b"tickets\xff.csv")).write_text("x")
    found = scan(tmp_path)
    assert (found.files, [why for _, why in found.unmatched]) == ((), ["its name is not UTF-8; rename it"])


def test_a_file_without_permission_is_named_not_opened():
    folder = Path(tempfile.mkdtemp(prefix="eduflow-drops-"))
    try:
        tree(folder, "tickets.csv").chmod(0o755)
        (folder / "tickets.csv").chmod(0)
        root = os.geteuid() == 0
        if root:  # root may read everything
            os.setresgid(65534, 65534, 0)
            os.setresuid(65534, 65534, 0)
        try:
            found = scan(folder)
        finally:
            if root:
                os.setresuid(0, 0, 0)
                os.setresgid(0, 0, 0)
        assert found.unmatched == (("tickets.csv", "can't be read: permission denied"),)
    finally:
        shutil.rmtree(folder)


def knowing(stat: tuple[int, int, int, int]) -> Callable[[list[str]], dict[str, Known]]:
    return lambda _: {"tickets.csv": Known("tickets.csv", stat, "as recorded", 1)}


def test_a_file_with_the_times_of_the_ledger_is_not_hashed(tmp_path):
    path = tree(tmp_path, "tickets.csv") / "tickets.csv"
    os.utime(path, (1, 1))
    status = path.stat()
    stat = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    (first,) = scan(tmp_path, knowing(stat)).files
    if first.fresh:  # its ctime is of this very moment
        assert first.sha256 != "as recorded"
        while first.fresh:
            (first,) = scan(tmp_path, knowing(stat)).files
    assert first.sha256 == "as recorded"
    for place in range(4):
        other: Any = tuple(value + (index == place) for index, value in enumerate(stat))
        (again,) = scan(tmp_path, knowing(other)).files
        assert again.sha256 != "as recorded"


@pytest.mark.parametrize(
    "path, said",
    [
        ("a b/x.csv", "a b/x.csv"),
        ("a\nb.csv", r"a\nb.csv"),
        ("\x1b[2J.csv", r"\x1b[2J.csv"),
        ("Zoë.csv", "Zoë.csv"),
        ("\udcff", r"\udcff"),
    ],
)
def test_a_path_is_printed_without_control_characters(path, said):
    assert printable(path) == said


# --- arrivals -------------------------------------------------------------------------------------------------------


def test_a_new_file_is_an_arrival_of_the_day_in_its_path_or_of_today():
    assert landed([file("a", "A"), file("b", "B", DAY)]) == [("a", TODAY, None), ("b", DAY, None)]


def test_the_same_content_at_the_same_path_is_no_arrival():
    assert landed([file("a", "A")], [drop(1, "a", "A")]) == []


def test_a_path_that_goes_from_a_to_b_and_back_arrives_three_times():
    first, second = drop(1, "a", "A"), drop(2, "a", "B")
    assert landed([file("a", "B")], [first]) == [("a", TODAY, None)]
    assert landed([file("a", "A")], [first, second], known(second)) == [("a", TODAY, None)]
    assert landed([file("a", "A")], [first, second, drop(3, "a", "A")]) == []


def test_a_file_without_a_date_never_arrives_before_its_predecessor():
    tomorrow = date(2024, 3, 2)  # the clock was set back
    assert landed([file("a", "B")], [drop(1, "a", "A", drop_date=tomorrow)]) == [("a", tomorrow, None)]


@pytest.mark.parametrize("was, now", [(None, None), (DAY, None), (DAY, DAY)])
def test_a_moved_or_copied_file_is_the_drop_it_was(was, now):
    earlier = drop(7, "a", "A", drop_date=was or TODAY)
    found = arrivals([file("elsewhere", "A", now)], [earlier], known(earlier), "judge", TODAY)
    assert (found.new, found.same) == ([], [(file("elsewhere", "A", now), 7)])


def test_a_copy_under_another_date_is_a_drop_of_its_own():
    other = date(2024, 2, 9)
    assert landed([file("elsewhere", "A", other)], [drop(1, "a", "A")]) == [("elsewhere", other, None)]


def test_two_copies_in_one_look_arrive_once():
    assert landed([file("a", "A"), file("b", "A")]) == [("a", TODAY, None)]
    assert landed([file("a", "A", DAY), file("b", "A", DAY)]) == [("a", DAY, None)]
    assert landed([file("a", "A", DAY), file("b", "A", TODAY)]) == [("a", DAY, None), ("b", TODAY, None)]


def test_a_file_that_disappeared_is_nothing():
    assert landed([], [drop(1, "a", "A")]) == []


def test_a_copy_of_a_superseded_content_at_a_new_path_brings_nothing_back():
    first, second = drop(1, "a", "A"), drop(2, "a", "B")
    assert landed([file("b", "A")], [first, second], known(second)) == []


# --- refused drops --------------------------------------------------------------------------------------------------


def test_a_refused_file_is_tried_again_under_another_judge_only():
    refused = drop(4, "a", "A", status="refused", in_raw=False)
    assert landed([file("a", "A")], [refused]) == []
    assert landed([file("a", "A")], [refused], judge="another") == [("a", DAY, 4)]


def test_a_refused_file_and_its_copy_are_tried_once():
    refused = drop(4, "a", "A", status="refused", in_raw=False)
    seen = {path: Known(path, None, "A", 4) for path in ("a", "b")}
    assert landed([file("a", "A"), file("b", "A")], [refused], seen, "another") == [("a", DAY, 4)]


def test_a_refused_file_under_another_suffix_is_read_another_way():
    refused = drop(4, "a.csv", "A", status="refused", in_raw=False)
    assert landed([file("a.xlsx", "A")], [refused]) == [("a.xlsx", TODAY, None)]
    assert landed([file("b.CSV", "A")], [refused]) == []
    assert landed([file("a.txt", "A")], [drop(4, "a.csv", "A")]) == []
    assert landed([file("a.csv", "A"), file("a.xlsx", "A"), file("b.csv", "A")]) == [
        ("a.csv", TODAY, None),
        ("a.xlsx", TODAY, None),
    ]


@pytest.mark.parametrize("settled", [{"decision": "refuse"}, {"status": "staged"}, {"status": "held"}])
def test_what_is_settled_staged_or_held_is_not_tried_again(settled):
    assert landed([file("a", "A")], [drop(4, "a", "A", **{"status": "refused", **settled})], judge="another") == []


def test_what_came_without_a_path_is_no_file_that_was_moved():
    assert landed([file("a", "A")], [drop(4, None, "A")], seen={}) == [("a", TODAY, None)]


def test_a_refused_file_that_is_gone_or_replaced_is_not_tried_again():
    refused, newer = drop(4, "a", "A", status="refused", in_raw=False), drop(5, "a", "B")
    assert landed([], [refused], judge="another") == []
    assert landed([file("a", "B")], [refused, newer], known(newer), "another") == []


@pytest.mark.parametrize(
    "drops, waiting",
    [
        ([drop(1, "a", "A")], []),
        ([drop(1, "a", "A", status="refused")], [1]),
        ([drop(1, "a", "A", status="held")], [1]),
        ([drop(1, "a", "A", status="refused", decision="refuse")], []),
        ([drop(1, "a", "A", status="refused"), drop(2, "a", "B")], []),
        ([drop(1, "a", "A", status="refused"), drop(2, "a", "B", status="landed")], []),
        ([drop(1, "a", "A", status="refused"), drop(2, "a", "B", status="refused")], [1, 2]),
        ([drop(1, "a", "A", status="refused"), drop(2, "b", "B")], [1]),
        ([drop(1, "a.csv", "A", status="refused"), drop(2, "a.xlsx", "A")], []),
        ([drop(1, "a", "A"), drop(2, "b", "A", status="refused")], [2]),
        (
            [drop(2, "a", "A", status="refused", drop_date=DAY), drop(3, "a", "B"), drop(1, "a", "C", drop_date=TODAY)],
            [],
        ),
        ([drop(1, "a", "A"), drop(2, "a", "B", status="refused")], [2]),
        ([drop(1, "a", "A", status="refused"), drop(2, "a", "B", status="retracted")], [1]),
        ([drop(1, None, "A", status="refused"), drop(2, None, "B"), drop(3, "a", "C")], [1]),
    ],
)
def test_a_refused_drop_waits_until_its_path_brings_a_good_one_or_a_person_decides(drops, waiting):
    assert [found.drop_id for found in unsettled(drops)] == waiting


# --- what waits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path, waits",
    [
        ("notes.csv", True),
        ("list.txt", True),
        ("old.xls", True),
        ("report.ods", True),
        ("export.zip", True),
        ("export.csv.gz", True),
        ("2024-02-30/support_tickets.csv", True),
        ("letter.pdf", False),
        ("photo.PNG", False),
        ("support_tickets.csv.part", False),
        ("support_tickets.csv", False),
        ("README.csv", False),
        ("README students.csv", True),
        ("students", True),
        ("2024-02-08/attendance (1).pdf", True),
        ("students.csv.old", True),
        ("students picnic.jpg", False),
        ("export.html", True),
        (".hidden/notes.csv", False),
    ],
)
def test_a_file_that_was_given_to_be_read_and_is_not_waits(tmp_path, path, waits):
    assert [name for name, _ in look(tmp_path, path).waiting] == [path] * waits


def test_what_the_ignore_patterns_name_is_not_looked_at(tmp_path):
    tree(tmp_path, "notes.csv", "old/tickets.csv", "x/copy.bak.csv", "tickets.csv", "more.csv")
    found = scan(tmp_path, ignore=("notes.csv", "old/*", "*.bak.csv"))
    assert [file.path for file in found.files] == ["tickets.csv"]
    assert [path for path, _ in found.waiting] == ["more.csv"]


ATTENDANCE = "attendance_id,student_id,attendance_date,status,created_at"


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("register.csv", ATTENDANCE, "its header fits attendance: name it attendance.csv"),
        ("register.csv", ATTENDANCE.replace(",", ";"), "its header fits attendance: name it attendance.csv"),
        ("register_2024-02-08.tsv", ATTENDANCE.replace(",", "\t"), "name it attendance_2024-02-08.tsv"),
        ("register 08 20240208.csv", ATTENDANCE, "name it attendance_2024-02-08.csv"),
        ("register.csv", "School of the Hill\n\n" + ATTENDANCE, "its header fits attendance"),
        ("register.csv", "Attendance ID,Student-ID,status", "comes nearest to attendance, without attendance_date"),
        ("register.csv", ATTENDANCE.encode("utf-16"), "its header fits attendance"),
        ("register.csv.gz", gzip.compress(ATTENDANCE.encode()), "name it attendance.csv.gz"),
        (
            "register.json",
            '[{"attendance_id": "1", "student_id": "2", "attendance_date": "", "status": ""}]',
            "nearest",
        ),
        ("x/register.csv", ATTENDANCE, "name it x/attendance.csv"),
        ("letter.csv", "Dear parents,\nhello", "matches no dataset"),
        ("broken.xlsx", b"PK\x03\x04 no archive", "matches no dataset"),
        ("broken.csv.gz", b"\x1f\x8b\x08broken", "matches no dataset"),
        ("empty.csv", "", "matches no dataset"),
    ],
)
def test_a_file_that_matches_no_dataset_is_told_what_would_load_it(tmp_path, name, content, said):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    ((path, why),) = scan(tmp_path).waiting
    assert path == name
    assert why.endswith(said) if said == "matches no dataset" else said in why


def test_two_files_that_match_nothing_are_not_told_the_same_name(tmp_path):
    for name in ("attendance (1).csv", "attendance (2).csv", "attendance.csv"):
        (tmp_path / name).write_text(ATTENDANCE)
    said = [why.rpartition(" ")[2] for _, why in scan(tmp_path).waiting]
    assert said == ["attendance_1/attendance.csv", "attendance_2/attendance.csv"]


def test_a_workbook_that_matches_no_dataset_is_told_by_its_header(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(ATTENDANCE.split(","))
    book.save(tmp_path / "register.xlsx")
    ((_, why),) = scan(tmp_path).waiting
    assert "its header fits attendance: name it attendance.xlsx" in why


def sheet(cells: str, before: str = "") -> str:
    return f"<?xml version='1.0'?>{before}<sst>{cells}</sst>"


CELLS = "".join(f"<si><t xml:space='preserve'>{name}</t></si>" for name in ATTENDANCE.split(","))
ENTITIES = "<!DOCTYPE x [<!ENTITY a 'lol'>" + "".join(
    f"<!ENTITY {name} '{f'&{of};' * 10}'>" for of, name in pairwise("abcdefghi")
)


@pytest.mark.parametrize(
    "xml, told",
    [
        (sheet(CELLS), True),
        (sheet(CELLS.replace("_", "&#95;")), True),
        (sheet(CELLS.replace("<", "<x:").replace("<x:/", "</x:")).replace("<sst>", "<sst xmlns:x='x'>"), True),
        (sheet(CELLS.replace("_", "<![CDATA[_]]>")), True),
        (sheet(CELLS)[:-3], True),  # a piece of a longer file
        (sheet(CELLS + "<si><t>&amp</t></si>"), True),  # damaged behind what is looked for
        (sheet("<!--" + CELLS + "-->"), False),
        (sheet(CELLS, "<!DOCTYPE sst>"), False),
        (sheet(CELLS + "<si><t>&i;</t></si>", f"{ENTITIES}]>"), False),
    ],
)
def test_the_header_of_a_workbook_is_read_as_xml_without_entities_of_its_own(tmp_path, xml, told):
    with zipfile.ZipFile(tmp_path / "register.xlsx", "w") as archive:
        archive.writestr("xl/sharedStrings.xml", xml)
    ((_, why),) = scan(tmp_path).waiting
    assert ("its header fits attendance" in why) == told


def test_a_large_file_that_matches_nothing_is_not_read(tmp_path):
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"x," * 50_000_000, 1))
    started = time.monotonic()
    assert len(scan(tmp_path).waiting) == 1
    assert time.monotonic() - started < 1
