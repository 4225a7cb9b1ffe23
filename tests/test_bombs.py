"""Files made to exhaust: each is read or refused in a process that has little memory and little time.

The files are small where they unpack to much, and sparse where they are large; `faults` tries the sizes of attacks.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import random
import re
import signal
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from conftest import csv_text
from limited import read_limited

from pipeline.datasets import DATASETS
from pipeline.ingest import reading
from pipeline.sources.errors import SourceError
from pipeline.sources.formats import open_file, xlsx
from pipeline.sources.formats.workbook import UnsafeError, packed_again

HEADER = csv_text("support_tickets").encode()
ROW = csv_text("support_tickets", {}).splitlines()[1].encode() + b"\n"
SHEET = "xl/worksheets/sheet1.xml"
MEMORY, SECONDS = 450, 30  # MB, seconds of work

Parts = dict[str, bytes]


def workbook(change: Callable[[Parts], object] = lambda parts: None) -> bytes:
    """A workbook of one ticket, after a change of the files inside it."""
    book, file = openpyxl.Workbook(), io.BytesIO()
    for line in (HEADER, ROW):
        book.active.append(line.decode().strip().split(","))
    book.save(file)
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    return packed(parts)


def packed(parts: Parts) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return file.getvalue()


def with_a_cell(place: str) -> bytes:
    """The workbook, and a number in a cell far away."""
    row = re.sub("[A-Z]", "", place)
    cell = f'</row><row r="{row}"><c r="{place}"><v>1</v></c></row></sheetData>'.encode()
    return workbook(lambda parts: parts.update({SHEET: parts[SHEET].replace(b"</row></sheetData>", cell)}))


def with_parts(parts: Parts) -> bytes:
    """The workbook, with these files in it too, or instead."""
    return workbook(lambda own: own.update(parts))


def lying(content: bytes, size: int) -> bytes:
    """A workbook whose sheet unpacks to megabytes of rows, while the archive speaks of `size` bytes, and vouches for
    them with their checksum."""
    rows = b'<row><c t="inlineStr"><is><t>x</t></is></c></row>'
    whole = content_of(content, SHEET).replace(b"<sheetData>", b"<sheetData>" + rows * 4_000_000)
    parts = {name: content_of(content, name) for name in names_of(content)}
    honest = packed({**parts, SHEET: whole})
    sizes = len(whole).to_bytes(4, "little"), size.to_bytes(4, "little")
    sums = zlib.crc32(whole).to_bytes(4, "little"), zlib.crc32(whole[:size]).to_bytes(4, "little")
    assert honest.count(sizes[0]) == honest.count(sums[0]) == 2
    return honest.replace(*sizes).replace(*sums)


def content_of(archive: bytes, name: str) -> bytes:
    return zipfile.ZipFile(io.BytesIO(archive)).read(name)


def names_of(archive: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(archive)).namelist()


def open_document() -> Parts:
    """An OpenDocument sheet, which says of a cell that it repeats a billion times."""
    cell = '<table:table-cell office:value-type="float" office:value="1" table:number-columns-repeated="16384"/>'
    body = f'<table:table-row table:number-rows-repeated="1048576">{cell}</table:table-row>'
    names = " ".join(f'xmlns:{n}="urn:oasis:names:tc:opendocument:xmlns:{n}:1.0"' for n in ("office", "table"))
    content = (
        f"<office:document-content {names}><office:body><office:spreadsheet><table:table>{body}</table:table>"
        "</office:spreadsheet></office:body></office:document-content>"
    )
    return {"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": content.encode()}


OPEN_DOCUMENT = open_document()


def entities(parts: Parts) -> None:
    """Ten entities, each ten times the one before."""
    text = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 11))
    doctype = f'<!DOCTYPE x [<!ENTITY e0 "aaaaaaaaaa">{text}]>'.encode()
    parts[SHEET] = doctype + parts[SHEET].replace(b">TKT001<", b">&e10;<")


def zipped(piece: bytes, times: int) -> bytes:
    """A gzip file that unpacks to a piece so many times over, made without holding it."""
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=9, mtime=0) as archive:
        archive.write(HEADER)
        for _ in range(times):
            archive.write(piece)
    return file.getvalue()


def names(extra: list[bytes], rows: int) -> bytes:
    """Rows of empty fields below the declaration's columns and others."""
    columns = b"".join(b",%d%s" % pair for pair in enumerate(extra))
    return HEADER[:-1] + columns + b"\n" + (b"," * (8 + len(extra)) + b"\n") * rows


def with_texts(text: bytes, rows: int) -> bytes:
    """A workbook in which one text, kept once, stands in so many rows."""

    cell = b'<row><c t="s"><v>0</v></c></row>'

    def change(parts: Parts) -> None:
        name_space = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        parts["xl/sharedStrings.xml"] = b'<sst xmlns="%s"><si><t>%s</t></si></sst>' % (name_space, text)
        parts[SHEET] = parts[SHEET].replace(b"</sheetData>", cell * rows + b"</sheetData>")

    return workbook(change)


def nested(leaves: int, key: int, objects: int) -> bytes:
    """JSON objects with one long key over many leaves."""
    inner = ",".join(f'"{n}":1' for n in range(leaves))
    return ("[" + ",".join(f'{{"{"k" * key}":{{{inner}}}}}' for _ in range(objects)) + "]").encode()


def wide(cell: bytes, columns: int, rows: int) -> bytes:
    """A gzip file of rows with that in each of many columns outside the declaration."""
    names = b"".join(b",column_%d" % n for n in range(columns))
    row = b"," * (HEADER.count(b",") + 1) + cell + (b"," + cell) * (columns - 1) + b"\n"
    return gzip.compress(HEADER[:-1] + names + b"\n" + row * rows, 9, mtime=0)


MB = 1_000_000
Bomb = tuple[str, Callable[[], bytes], str, int]  # ending, content, reason it is refused for ("": it is read), rows

BOMBS: dict[str, Bomb] = {
    "gzip of a row again and again": ("csv.gz", lambda: zipped(ROW * 10_000, 200), "too_large_archive", 0),
    "gzip of one line": ("csv.gz", lambda: zipped(b"x" * MB, 150), "too_large_archive", 0),
    "gzip of blank lines": ("csv.gz", lambda: zipped(b"\n" * MB, 150), "too_large_archive", 0),
    "gzip of blanks in JSON": ("json.gz", lambda: gzip.compress(b" " * 150 * MB, 1), "too_large_archive", 0),
    "a cell in the last row and column": ("xlsx", lambda: with_a_cell("XFD1048576"), "too_large_workbook", 0),
    "a cell in no column of Excel": ("xlsx", lambda: with_a_cell("ZZZZZZZ9"), "too_large_workbook", 0),
    "a cell in no row of Excel": ("xlsx", lambda: with_a_cell("A" + "9" * 20), "too_large_workbook", 0),
    "a text in 18,000 cells": ("xlsx", lambda: with_texts(b"x" * 32_000, 18_000), "too_large_workbook", 0),
    "a long text in 4,000 cells": ("xlsx", lambda: with_texts(b"x" * 32_000, 4_000), "too_large_rows", 3_001),
    "one long key over nested leaves": ("json", lambda: nested(1_900, 7 * MB, 1), "missing_columns", 1),
    "another long key in each object": ("json", lambda: nested(1_900, 50_000, 100), "missing_columns", 100),
    "a gzip file of empty cells": ("csv.gz", lambda: wide(b"", 1_900, 40_000), "", 40_000),
    "a gzip file of filled cells": ("csv.gz", lambda: wide(b"x", 1_900, 20_000), "too_large_rows", 4_194),
    "a sheet of zeros": ("xlsx", lambda: with_parts({SHEET: bytes(150 * MB)}), "too_large_workbook", 0),
    "a sheet larger than it says": ("xlsx", lambda: lying(workbook(), 2_000), "not_xlsx", 0),
    "a sheet of entities in entities": ("xlsx", lambda: workbook(entities), "not_xlsx", 0),
    "many files": ("xlsx", lambda: with_parts({f"{n:9}": b"" for n in range(20_000)}), "too_large_workbook", 0),
    "OpenDocument": ("xlsx", lambda: packed(OPEN_DOCUMENT), "not_xlsx", 0),
    "OpenDocument in Excel's clothes": ("xlsx", lambda: with_parts(OPEN_DOCUMENT), "not_xlsx", 0),
    "records of one letter": ("csv", lambda: HEADER + b"a\n" * MB, "", MB),
    "records of empty fields": ("csv", lambda: HEADER + b",,,,,,,,\n" * 2 * MB, "", 2 * MB),
    "many long names": ("csv", lambda: names([b"n" * 500 for _ in range(1_900)], 2_000), "", 2_000),
    "one name of 100 kB, many rows": ("csv", lambda: names([b"n" * 100_000], 200_000), "", 200_000),
    "five thousand columns": ("csv", lambda: names([b""] * 5_000, 1), "too_many_columns", 0),
    "a header without end": ("csv", lambda: b"x" * 200_000, "too_large_record", 0),
    "a string of 50 MB": ("json", lambda: b'["' + b"x" * 50 * MB + b'"]', "not_json", 0),
    "blanks before an array": ("json", lambda: b" " * 20 * MB + b"[]", "", 0),
    "a nest": ("json", lambda: b"[" * MB, "not_json", 0),
    "tiny numbers in one element": ("json", lambda: b'[{"x":[' + b"1," * 7 * MB + b"1]}]", "not_json", 0),
    "tiny objects in one line": ("jsonl", lambda: b'{"x":[' + b"{}," * 5 * MB + b"1]}", "not_json", 1),
    "a key again and again": ("json", lambda: b'[{"x":1' + b',"x":1' * 2 * MB + b"}]", "not_json", 0),
}  # fmt: skip
SLOW: dict[str, Bomb] = {
    "a cell in the last row": ("xlsx", lambda: with_a_cell("A1048576"), "", 2),
    "numbers, one a record": ("json", lambda: b"[" + b"1," * MB + b"1]", "not_json", MB + 1),
    "objects without a key": ("json", lambda: b"[" + b"{}," * MB + b"{}]", "missing_columns", MB + 1),
    "lines of one letter": ("jsonl", lambda: b"1\n" * MB, "not_json", MB),
    "records of nothing": ("csv", lambda: HEADER + b"\n" * 20 * MB, "", 0),
    "quotes that open and close": ("csv", lambda: HEADER + b'"\n",' * 5 * MB, "unclosed_quote", 0),
    "a nest of 10 MB": ("json", lambda: b"[" * 10 * MB, "not_json", 0),
    "gzip of 10 GB": ("csv.gz", lambda: zipped(ROW * 100_000, 1_200), "too_large_archive", 0),
    "one line of 1 GB": ("csv", lambda: HEADER + b"x" * 1_000 * MB, "too_large_record", 0),
    "one line of 1 GB in JSON": ("jsonl", lambda: b"{" + b" " * 1_000 * MB, "too_large_record", 0),
}


@pytest.mark.integration
@pytest.mark.parametrize("name", [*BOMBS, *(pytest.param(name, marks=pytest.mark.faults) for name in SLOW)])
def test_a_bomb_is_read_or_refused_within_bounds(tmp_path, name):
    ending, content, reason, rows = {**BOMBS, **SLOW}[name]
    path = tmp_path / f"support_tickets.{ending}"
    path.write_bytes(content())
    outcome = read_limited("support_tickets", path, memory=MEMORY, seconds=SECONDS)
    assert (outcome.reason, outcome.rows) == (reason, rows), outcome
    assert len(outcome.message) < 400 and outcome.message.isprintable()


# (ending, bytes at the start, reason): the rest of the file is zeros that take no room on the disk
SPARSE = [("csv", HEADER, "nul_byte"), ("json", b"[", "nul_byte"), ("xlsx", b"PK\x03\x04", "too_large_workbook")]


@pytest.mark.integration
@pytest.mark.parametrize("ending, start, reason", SPARSE)
@pytest.mark.parametrize("size", [400 * MB, pytest.param(10_000 * MB, marks=pytest.mark.faults)])
def test_a_file_of_nothing_but_its_size_is_refused(tmp_path, ending, start, reason, size):
    path = tmp_path / f"support_tickets.{ending}"
    path.write_bytes(start)
    os.truncate(path, size)
    assert read_limited("support_tickets", path, memory=200, seconds=40).reason == reason


# --- what makes it harmless must not make sound workbooks unreadable --------------------------------------------------

SOUND: dict[str, Callable[[Parts], object]] = {
    "as it is": lambda parts: None,
    "cells without a place": lambda parts: parts.update({SHEET: re.sub(rb' r="[A-Z]+\d+"', b"", parts[SHEET])}),
    "rows without a place": lambda parts: parts.update({SHEET: re.sub(rb' r="[A-Z]*\d+"', b"", parts[SHEET])}),
    "a name space of its own": lambda parts: parts.update({SHEET: re.sub(rb"<(/?)(\w)", rb"<\1x:\2", parts[SHEET])}),
    "a colour far away": lambda parts: parts.update(
        {SHEET: parts[SHEET].replace(b"</row></sheetData>", b'<c r="XFD2" s="0"/></row></sheetData>')}
    ),
    "a drawing that is no XML": lambda parts: parts.update({"xl/drawings/vmlDrawing1.vml": b"<xml><br></xml>"}),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_workbook_is_read(tmp_path, name):
    path = tmp_path / "support_tickets.xlsx"
    path.write_bytes(workbook(SOUND[name]))
    assert read_limited("support_tickets", path, memory=MEMORY, seconds=SECONDS).rows == 1


BROKEN: dict[str, Callable[[Parts], object]] = {
    "cut off": lambda parts: parts.update({SHEET: parts[SHEET][:-200]}),
    "ends early": lambda parts: parts.update({SHEET: parts[SHEET].replace(b"</row>", b"</row></sheetData>", 1)}),
    "a tag that closes another": lambda parts: parts.update({SHEET: parts[SHEET].replace(b"</row>", b"</rw>", 1)}),
    "a byte of another file": lambda parts: parts.update({SHEET: parts[SHEET].replace(b"<row", b"\0<row", 1)}),
    "a sheet that is no XML": lambda parts: parts.update(
        {name: parts[name].replace(b"sheet1.xml", b"sheet1.dat") for name in list(parts) if name.endswith(".rels")}
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_workbook_that_is_damaged_inside_is_refused_not_read_in_part(tmp_path, name):
    path = tmp_path / "support_tickets.xlsx"
    path.write_bytes(workbook(BROKEN[name]))
    assert read_limited("support_tickets", path, memory=MEMORY, seconds=SECONDS).reason == "not_xlsx"


# --- what one reader of archives sees in a file, and another one does not --------------------------------------------


def of_ticket(name: bytes) -> bytes:
    """A workbook of one ticket of that id."""
    return workbook(lambda parts: parts.update({SHEET: parts[SHEET].replace(b">TKT001<", b">%s<" % name)}))


def damaged_ticket() -> bytes:
    """A workbook whose first row hides the second one, if nobody looks."""
    return workbook(lambda parts: parts.update({SHEET: parts[SHEET].replace(b"</row>", b"</row></sheetData>", 1)}))


def in_the_comment(outer: bytes, inner: bytes) -> bytes:
    """An archive with another one in the comment at its end."""
    return outer[:-2] + len(inner).to_bytes(2, "little") + inner


def named_twice() -> bytes:
    """An archive whose damaged file has a second name, in a field that only some readers read."""
    name, content = SHEET.encode(), content_of(damaged_ticket(), SHEET)
    given = b"sheet.dat"
    field = b"\x01" + zlib.crc32(given).to_bytes(4, "little") + name
    entry = zipfile.ZipInfo(given.decode())
    entry.extra = b"\x75\x70" + len(field).to_bytes(2, "little") + field
    sound, file = workbook(), io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in names_of(sound):
            archive.writestr(part, content_of(sound, part))
        archive.writestr(entry, content)
    return file.getvalue()


def of_two_sheets() -> bytes:
    """An archive with two files of one name."""
    file = io.BytesIO(workbook())
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(SHEET, content_of(damaged_ticket(), SHEET))
    return file.getvalue()


TWO_FACED: dict[str, Callable[[], bytes]] = {
    "a sound one behind a damaged one": lambda: damaged_ticket() + of_ticket(b"TKT002"),
    "a damaged one behind a sound one": lambda: of_ticket(b"TKT002") + damaged_ticket(),
    "a damaged one in the comment": lambda: in_the_comment(of_ticket(b"TKT002"), damaged_ticket()),
    "a sound one in the comment": lambda: in_the_comment(damaged_ticket(), of_ticket(b"TKT002")),
    "one more byte": lambda: of_ticket(b"TKT002") + b"\0",
    "a sheet with a second name": named_twice,
    "two sheets of one name": of_two_sheets,
}


@pytest.mark.parametrize("name", TWO_FACED)
def test_of_two_archives_in_a_file_the_one_that_was_looked_through_is_read(tmp_path, name):
    """Or the file is refused; its second row is never lost."""
    path = tmp_path / "support_tickets.xlsx"
    path.write_bytes(TWO_FACED[name]())
    outcome = read_limited("support_tickets", path, memory=MEMORY, seconds=SECONDS)
    assert (outcome.reason, outcome.rows) in [("", 1), ("not_xlsx", 0)]


# --- the process that reads a workbook --------------------------------------------------------------------------------


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def test_the_process_that_reads_a_workbook_knows_no_secret_and_ends_with_its_source(tmp_path, monkeypatch):
    monkeypatch.setenv("GROQ_API_KEY", "gsk_planted")
    path = tmp_path / "support_tickets.xlsx"
    path.write_bytes(with_texts(b"x" * 1_000, 5_000))
    with open_file(path, DATASETS["support_tickets"], block_bytes=1_000) as source:
        (pid,) = children()
        assert b"gsk_planted" not in environment_of(pid)
        assert len(next(source.tables())) < 5
    assert children() == []


def children() -> list[int]:
    """Of this process, those that read a workbook; a server of other tests may be one too."""
    pids = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in pids if b"workbook.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]


KILLED = {
    signal.SIGKILL: "too_large_workbook",
    signal.SIGXCPU: "too_large_workbook",
    signal.SIGABRT: "too_large_workbook",
    signal.SIGTERM: "unreadable",
}


@pytest.mark.parametrize("number", KILLED)
def test_a_workbook_whose_reader_was_killed_is_refused_but_not_when_the_machine_goes_down(tmp_path, number):
    path = tmp_path / "support_tickets.xlsx"
    path.write_bytes(with_texts(b"x" * 1_000, 5_000))

    def read() -> None:
        with open_file(path, DATASETS["support_tickets"], block_bytes=1_000) as source:
            os.kill(children()[0], number)
            assert sum(map(len, source.tables())) < 5_000

    with pytest.raises(SourceError) as caught, reading(path.name):
        read()
    assert caught.value.reason == KILLED[number] and str(caught.value).startswith("support_tickets.xlsx: ")


def test_a_workbook_that_takes_too_long_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(xlsx, "SECONDS", 1)
    path = tmp_path / "support_tickets.xlsx"
    path.write_bytes(with_texts(b"", 3_000_000))
    outcome = read_limited("support_tickets", path, memory=2_000, seconds=SECONDS)
    assert outcome.reason == "too_large_workbook" and "takes more than" in outcome.message


def spoilt(content: bytes, seed: int) -> bytes:
    """The file with a few bytes of another kind."""
    chance = random.Random(seed)
    spoilt = bytearray(content)
    for _ in range(chance.randrange(1, 6)):
        place = chance.choice([chance.randrange(len(spoilt)), chance.randrange(len(spoilt) - 900, len(spoilt))])
        spoilt[place] = chance.randrange(256)
    return bytes(spoilt)


def test_a_spoilt_workbook_is_refused_alone_and_stops_nothing(house):
    """Each of a few dozen: the run goes on, and says of each in a sentence what to do."""
    content = workbook()
    house.rows("support_tickets.csv", "support_tickets")
    for seed in range(40):
        file = house.drop(f"{seed:02}/support_tickets.xlsx", "")
        file.write_bytes(spoilt(content, seed))
    assert house.run("Ingest") == 0
    said = dict(house.query("select path, coalesce(reason, '') from etl.drops"))
    assert len(said) == 41 and said["support_tickets.csv"] == ""
    refused = [reason for reason in said.values() if reason]
    assert len(refused) > 20 and all(": " in reason and ";" in reason for reason in refused)


@pytest.mark.parametrize("seeds", [range(300), pytest.param(range(300, 6_000), marks=pytest.mark.faults)])
def test_whatever_a_library_says_of_a_spoilt_archive_is_one_error(seeds):
    content = workbook()
    found = set()
    for seed in seeds:
        try:
            with reading("support_tickets.xlsx"), contextlib.suppress(UnsafeError):
                packed_again(spoilt(content, seed), 10 * MB)
                found.add("")
        except SourceError as error:
            found.add(error.reason)
    assert "" in found and found <= {"", "failed"}


class Panic(BaseException):
    pass


@pytest.mark.parametrize("kind", [ZeroDivisionError, Panic, MemoryError, UnicodeError])
def test_an_error_that_nobody_foresaw_refuses_the_file_and_quotes_nothing_of_it(kind):
    with pytest.raises(SourceError) as caught, reading("students.csv"):
        raise kind("Asha Rao")
    assert str(caught.value).startswith(f"students.csv: could not be read: {kind.__name__};")
    assert caught.value.reason == "failed" and "Asha" not in str(caught.value)


def test_trouble_of_the_moment_says_nothing_of_the_file():
    with pytest.raises(SourceError) as caught, reading("students.csv"):
        raise OSError(5, "Input/output error")
    assert caught.value.reason == "unreadable"
    with pytest.raises(KeyboardInterrupt), reading("students.csv"):
        raise KeyboardInterrupt
