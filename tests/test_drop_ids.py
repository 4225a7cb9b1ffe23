"""Drop ids are the same on every install: those of one scan go by path, whichever dataset lands first."""

from __future__ import annotations

import threading

import pytest

from pipeline import ingest
from pipeline.config import settings
from pipeline.run import begin_run

PATHS = ["2024-02-01/attendance.csv", "2024-02-01/students.csv", "2024-02-02/attendance.csv", "b/tickets.csv"]
DATASETS = {"attendance": "attendance", "students": "students", "tickets": "support_tickets"}


def put(house, *paths):
    for path in paths:
        house.rows(path, DATASETS[path.rpartition("/")[2].removesuffix(".csv")], {})


def ids(house):
    return house.query("select drop_id, path from etl.drops order by drop_id")


def test_ids_go_by_path_over_all_datasets(house):
    put(house, *PATHS)
    house.drop("2024-02-01/city_master.csv", "no,such,header\n1,2,3\n")  # refused: it has its place, too
    assert house.run() == 30
    assert ids(house) == list(enumerate(sorted([*PATHS, "2024-02-01/city_master.csv"]), 1))
    house.rows("a/attendance.csv", "attendance", {"attendance_id": "A9"})
    assert house.run() == 30
    assert ids(house)[-1] == (6, "a/attendance.csv"), "known drops keep theirs"
    assert house.query("select * from etl.coming") == []


@pytest.mark.parametrize("first", ["RawTickets", "RawStudents", "StagedAttendance"])
def test_whichever_dataset_lands_first(house, first):
    put(house, *PATHS)
    assert house.run(first) == 0
    assert len(ids(house)) < len(PATHS)
    assert house.run() == 0
    assert ids(house) == list(enumerate(PATHS, 1))


def test_a_run_that_failed_after_giving_ids_changes_none(house, monkeypatch):
    put(house, *PATHS)
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "copy_in", lambda *_: 1 / 0)
        assert house.run() == 30
    assert (len(ids(house)), house.one("select count(*) from etl.coming")) == (0, len(PATHS))
    assert house.run() == 0
    assert ids(house) == list(enumerate(PATHS, 1))


def test_what_left_before_it_was_landed_does_not_come_back_under_an_early_id(house):
    """Of two contents of one day the later one counts, and the id says which that is."""
    put(house, *PATHS)
    ingest.number_arrivals(settings())
    content = (house.data / PATHS[3]).read_bytes()
    house.rows(PATHS[3], "support_tickets", {"status": "Closed"})
    assert house.run() == 0
    house.drop(PATHS[3], content)
    assert house.run() == 0
    assert house.one("select max(drop_id) from etl.drops where path = %s", PATHS[3]) == 5
    assert house.one("select status from staging.stg_tickets") == "Open"


def test_a_file_whose_id_another_process_took_away_gets_the_next_one(house, monkeypatch):
    put(house, *PATHS)
    ingest.number_arrivals(settings())
    monkeypatch.setattr(ingest, "number_arrivals", lambda _: None)
    house.query("delete from etl.coming where path = %s", PATHS[0])
    assert house.run() == 0
    assert sorted(ids(house)) == [(2, PATHS[1]), (3, PATHS[2]), (4, PATHS[3]), (5, PATHS[0])]


def test_two_processes_give_the_same_ids(house):
    put(house, *PATHS)
    runs = [threading.Thread(target=house.command, args=("-m", "pipeline", "run")) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    begin_run()
    assert house.run() == 0
    assert ids(house) == list(enumerate(PATHS, 1))
