"""What a file holds, found the slow and simple way, to hold against `pipeline/sources/formats`."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
from xml.etree import ElementTree

from pipeline.sources.formats.kinds import FORMATS

Record = tuple[int, tuple[str, ...] | None, str | None]  # line, fields, or the text of one whose field count is wrong


def csv_records(text: str, delimiter: str = ",", width: int = 4) -> list[Record] | int:
    """The records, one character at a time, or the line of the quote that never closes."""
    found: list[Record] = []
    line, at, text = 1, 0, text if text.endswith(("\n", "\r")) else text + "\n"
    opened = 0
    while at < len(text):
        start, first, fields, field, state = at, line, [], "", "start"
        opened = 0
        while True:
            if at >= len(text):
                return opened
            char, two = text[at], text[at : at + 2]
            step = two if two in ("\r\n", '""') else char
            ends = char in "\r\n"
            at, line = at + (len(step) if ends or (state == "quoted" and step == '""') else 1), line + ends
            if state == "quoted":
                if char != '"':
                    field += step if ends else char
                elif step == '""':
                    field += '"'
                else:
                    state = "closed"
                continue
            if ends or char == delimiter:
                fields.append(field)
                field, state = "", "start"
                if ends:
                    break
            elif state == "start" and char == '"':
                state, opened = "quoted", line
            elif state == "closed" and opened < line and ("\n" in field or "\r" in field):
                return opened
            else:
                field, state = field + char, "plain" if state != "closed" else "closed"
        whole = text[start:at].rstrip("\r\n") if text[start:at].strip("\r\n") else ""
        if len(fields) == width and whole:
            found.append((first, tuple(fields), None))
        elif whole.strip(" \t"):
            found.append((first, None, whole))
    return found


def lines_of_records(name: str, content: bytes, encoding: str, delimiter: str, width: int) -> list[int]:
    """The line (of an array the place) of each record of a file that can be read, without the header.

    encoding, delimiter, width: as its reader found them
    """
    kind = FORMATS[name.removesuffix(".gz").rpartition(".")[2]]
    if kind == "xlsx":
        return _sheet_rows(content)
    text = _text(gzip.decompress(content) if name.endswith(".gz") else content, encoding)
    if kind == "csv":
        return _csv_lines(text, delimiter, width)
    if name.removesuffix(".gz").endswith(".json") and text.lstrip().startswith("["):
        return list(range(1, _elements(text) + 1))
    return [line for line, written in enumerate(re.split("\r\n|\n|\r", text), 1) if written.strip(" \t")]


def _text(content: bytes, encoding: str) -> str:
    return content.decode("utf-8-sig" if encoding == "utf-8" else encoding).removeprefix("\ufeff")


def _elements(text: str) -> int:
    """How many elements a JSON array has: one more than commas outside of them."""
    depth, found, empty = 0, 0, not text.strip()[1:-1].strip()
    for token in re.findall(r'"(?:[^"\\]|\\.)*"|[\[\]{},]', text, re.S):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token, 0)
        found += token == "," and depth == 1
    return 0 if empty else found + 1


def _csv_lines(text: str, delimiter: str, width: int) -> list[int]:
    """csv's own reader says where the header ends: after blank lines, and the one that tells Excel the delimiter."""
    lines = io.StringIO(text, newline="").readlines()
    before = next(place for place, line in enumerate(lines) if line.encode().strip())
    before += re.fullmatch('"?sep=."?\\s*', lines[before]) is not None
    reader = csv.reader(lines[before:], delimiter=delimiter, strict=True)
    next(reader)
    before += reader.line_num
    records = csv_records("".join(lines[before:]), delimiter, width) if lines[before:] else []
    assert isinstance(records, list), f"a quote that opens in line {records} is not closed"
    return [before + line for line, _, _ in records]


def _sheet_rows(content: bytes) -> list[int]:
    """Rows with a value, after the first: of a cell that says where it is, the row is the number in that."""
    sheet = zipfile.ZipFile(io.BytesIO(content)).read("xl/worksheets/sheet1.xml")
    filled, row = set(), 0
    for element in ElementTree.fromstring(sheet).iterfind(".//{*}row"):
        row = int(element.get("r", row + 1))
        for cell in element.iterfind("{*}c"):
            row = int(re.sub("[A-Za-z]", "", cell.get("r", str(row))))
            if any(text.text for part in ("{*}v", "{*}is/{*}t") for text in cell.iterfind(part)):
                filled.add(row)
    return sorted(filled)[1:]
