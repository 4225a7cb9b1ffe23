"""Thousands of files that went wrong: each is read, or refused with a reason; every record of it is accounted for.

`python -m pytest tests/test_fuzz.py -m faults` tries many more. A seed that fails says what was done to its file; what
was found once is kept below cases/hostile, as <what is odd>/<the file>.
"""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import pandas as pd
import pytest
from conftest import TRUSTING, House
from limited import peak
from mutations import Damaged, damaged
from plain_readers import lines_of_records

from pipeline.datasets import DATASETS
from pipeline.rules.cities import Cities
from pipeline.rules.context import Context
from pipeline.rules.frame import clean
from pipeline.sources.batch import Reading
from pipeline.sources.errors import SourceError
from pipeline.sources.formats import open_file

KEPT = Path(__file__).parent / "cases/hostile"
SECONDS = 3  # of this process, for a file of at most 2 MB
MEMORY = 300_000_000  # bytes above what the process had
CITIES = Cities.of([("Pune", "Maharashtra", "MH", ["Poona"]), ("Nashik", "Maharashtra", "MH", [])])


def cleaned_rows(source: Reading) -> list[int]:
    """The line of each record read, cleaned as staging does."""
    context = Context(
        drop_date=dt.date(2024, 3, 1),
        fields=source.columns.fields,
        delimiter=source.delimiter,
        cities=CITIES,
        phone_country_code="91",
        phone_digits=10,
        attendance_status=frozenset(("PRESENT", "ABSENT")),
    )
    lines: list[int] = []
    for table in source.tables():
        assert table.column_names == ["_line", *source.columns.dataset.column_names, "_extra", "_record"]
        frame = table.drop_columns("_extra").to_pandas(types_mapper=pd.ArrowDtype)
        rows, counts = clean(frame, source.columns.dataset, context)
        assert rows["_line"].to_list() == frame["_line"].to_list()
        assert (counts[["changed", "flagged", "rejected"]].to_numpy() <= len(rows)).all()
        lines += frame["_line"].to_list()
    return lines


def tried(folder: Path, file: Damaged) -> SourceError | None:
    """Read the file and hold it against a plain reader; the refusal, if it is one."""
    path = folder / file.name
    path.write_bytes(file.content)
    started, before = time.process_time(), peak(reset=True)
    try:
        with open_file(path, DATASETS[file.dataset]) as source:
            lines = cleaned_rows(source)
    except SourceError as error:
        said = str(error)
        assert said.startswith(file.name) and said.isprintable() and len(said) < 900, said
        return error
    finally:
        assert time.process_time() - started < SECONDS
        assert peak() - before < MEMORY
    width, delimiter = len(source.columns.header), source.delimiter
    assert lines == lines_of_records(file.name, file.content, source.encoding, delimiter, width)
    assert source.rows == len(lines)
    return None


def try_all(folder: Path, seeds: range) -> list[SourceError | None]:
    found = []
    for seed in seeds:
        file = damaged(seed)
        try:
            found.append(tried(folder, file))
        except Exception as error:
            error.add_note(f"seed {seed}: {file.name}, {file.story}")
            raise
    return found


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_a_damaged_file_is_refused_with_a_reason_or_every_record_of_it_is_read(tmp_path, first):
    found = try_all(tmp_path, range(first, first + 100))
    assert 20 < found.count(None) < 80  # neither too sound nor too broken to tell anything
    assert len({error.reason for error in found if error}) > 5


@pytest.mark.faults
@pytest.mark.parametrize("first", range(1_000, 31_000, 1_000))
def test_thousands_of_damaged_files_are_refused_with_a_reason_or_read(tmp_path, first):
    try_all(tmp_path, range(first, first + 1_000))


# --- through a whole run --------------------------------------------------------------------------------------------

# Nothing is held for looking unlike the file before it, so that every readable file is staged and must balance.
UNGUARDED = {"GROWTH": "9999", "NULLS": "1", "REJECTS": "1", "CODES": "1"}


def load(house: House, monkeypatch: pytest.MonkeyPatch, files: dict[str, Damaged]) -> None:
    """Run with these files, by folder; then again, to see that nothing is left to do."""
    for key, value in TRUSTING.items() | {(f"EDUFLOW_GUARD_{key}", value) for key, value in UNGUARDED.items()}:
        monkeypatch.setenv(key, value)
    for folder, file in files.items():
        house.drop(f"{folder}/{file.name}", file.content)
    code = house.run()
    assert code == (30 if "refused" in dict(house.query("select status, 1 from etl.drops")) else 0)
    before = house.builds()
    assert house.run() == code
    assert house.rebuilt_since(before) == set()
    assert house.do("verify") == 0


def assert_accounted_for(house: House, folder: str, file: Damaged) -> None:
    """The file is refused with a reason and nothing of it is kept, or each of its records is in exactly one place."""
    drop, status, why, rows, shape = house.query(
        "select drop_id, status, reason, rows, format from etl.drops where path like %s", f"{folder}/%"
    )[0]
    dataset = DATASETS[file.dataset]
    in_raw = [line for (line,) in house.query(f"select _line from raw.{dataset.name} where _drop_id = %s", drop)]
    if status == "refused":
        assert why.startswith(f"{folder}/{file.name}") and not in_raw
        return
    width, encoding, delimiter = len(shape["header"]), shape["encoding"], shape["delimiter"]
    lines = lines_of_records(file.name, file.content, encoding, delimiter, width)
    assert status == "staged" and sorted(in_raw) == lines and rows == len(lines)
    shown = house.query(f"select _line from staging.{dataset.table} where _drop_id = %s", drop)
    kept = house.query("select outcome, line, original from etl.rejects where drop_id = %s", drop)
    places = [line for (line,) in shown] + [line for _, line, _ in kept]
    assert len(set(places)) == len(places) and set(places) <= set(lines)
    read, current, superseded, duplicate, rejected = house.query(
        "select read, current, superseded, duplicate, rejected from etl.drops where drop_id = %s", drop
    )[0]
    outcomes = [outcome for outcome, _, _ in kept]
    assert (read, current) == (len(lines), len(shown))
    assert (duplicate, rejected) == (outcomes.count("duplicate"), outcomes.count("rejected"))
    assert superseded == len(lines) - len(places)


@pytest.mark.parametrize(
    "first, count", [(0, 120), *(pytest.param(n, 400, marks=pytest.mark.faults) for n in range(100_000, 110_000, 400))]
)
def test_damaged_files_are_loaded_and_every_record_is_accounted_for(house, monkeypatch, capsys, first, count):
    files = {f"2024-02-{seed % 28 + 1:02}/{seed}": damaged(seed) for seed in range(first, first + count)}
    load(house, monkeypatch, files)
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err and "\x1b" not in said.out + said.err
    came = {path.rpartition("/")[0] for (path,) in house.query("select path from etl.drops")}
    content = {folder: (file.dataset, file.content) for folder, file in files.items()}
    for folder, file in files.items():
        if folder in came:
            assert_accounted_for(house, folder, file)
        else:  # the same bytes again: no second drop
            assert list(content.values()).count(content[folder]) > 1


def kept_files() -> dict[str, Damaged]:
    return {
        path.parent.name: Damaged(0, path.name.partition(".")[0], path.name, path.read_bytes(), path.parent.name)
        for path in sorted(KEPT.glob("*/*"))
    }


@pytest.mark.parametrize("name", kept_files())
def test_what_was_found_once_is_refused_with_a_reason_or_read(tmp_path, name):
    tried(tmp_path, kept_files()[name])


def test_what_was_found_once_is_loaded_and_accounted_for(house, monkeypatch):
    load(house, monkeypatch, kept_files())
    for folder, file in kept_files().items():
        assert_accounted_for(house, folder, file)
