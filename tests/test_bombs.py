"""Files made to exhaust: each is read or refused in a process that has little memory and little time.

The files are small where they unpack to much, and sparse where they are large; `faults` tries the sizes of attacks.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import zipfile
import zlib
from collections.abc import Callable

import openpyxl
import pytest
from conftest import csv_text
from limited import read_limited

from pipeline.workbooks import MAX_CELLS

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
    """Rows of empty fields below the contract's columns and others."""
    columns = b"".join(b",%d%s" % pair for pair in enumerate(extra))
    return HEADER[:-1] + columns + b"\n" + (b"," * (8 + len(extra)) + b"\n") * rows


MB = 1_000_000
Bomb = tuple[str, Callable[[], bytes], str, int]  # ending, content, reason it is refused for ("": it is read), rows

BOMBS: dict[str, Bomb] = {
    "gzip of a row again and again": ("csv.gz", lambda: zipped(ROW * 10_000, 200), "too_large_archive", 0),
    "gzip of one line": ("csv.gz", lambda: zipped(b"x" * MB, 150), "too_large_archive", 0),
    "gzip of blank lines": ("csv.gz", lambda: zipped(b"\n" * MB, 150), "too_large_archive", 0),
    "gzip of blanks in JSON": ("json.gz", lambda: gzip.compress(b" " * 150 * MB, 1), "too_large_archive", 0),
    "a cell in the last row and column": ("xlsx", lambda: with_a_cell("XFD1048576"), "too_large_workbook", 0),
    "a cell in no column of Excel": ("xlsx", lambda: with_a_cell("ZZZZZZZ9"), "too_large_workbook", 0),
    "a cell in no row of Excel": ("xlsx", lambda: with_a_cell("A" + "9" * 20), "not_xlsx", 0),
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


@pytest.mark.parametrize("ending, start, reason", SPARSE)
@pytest.mark.parametrize("size", [400 * MB, pytest.param(10_000 * MB, marks=pytest.mark.faults)])
def test_a_file_of_nothing_but_its_size_is_refused(tmp_path, ending, start, reason, size):
    path = tmp_path / f"support_tickets.{ending}"
    path.write_bytes(start)
    os.truncate(path, size)
    assert read_limited("support_tickets", path, memory=200, seconds=40).reason == reason


def test_a_workbook_as_large_as_excel_makes_them_is_no_bomb():
    """Rows in columns A to O down to the last one."""
    assert MAX_CELLS >= 1_048_576 * 15


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
