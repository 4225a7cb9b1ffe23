"""The column names that a file seems to have, whatever it is: a bounded piece is looked at, and a fault means none."""

from __future__ import annotations

import contextlib
import csv
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from pipeline.sources.formats.workbook import UnsafeError, Xml

PIECE = 64_000  # bytes looked at, unpacked
MOST_PACKED = 5_000_000  # bytes of a workbook that is looked at: its list of files is held in memory
MOST_NAMES = 500
LONGEST_NAME = 200  # characters


def names_of(path: Path, known: Callable[[list[str]], int]) -> list[str]:
    """The names; known: how many of a line's cells are names of columns, by which the header is found."""
    try:
        with path.open("rb") as file:
            head = file.read(PIECE)
        if head.startswith(b"PK\x03\x04"):
            return _of_workbook(path)
        if head.startswith(b"\x1f\x8b"):
            head = zlib.decompressobj(wbits=31).decompress(head, PIECE)
        return _of_text(head, known)
    except (
        OSError,
        EOFError,
        ValueError,
        zlib.error,
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        csv.Error,
    ):
        return []


def _of_text(head: bytes, known: Callable[[list[str]], int]) -> list[str]:
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = head.decode("utf-16" if wide else "utf-8-sig", "replace").lstrip()
    if text.startswith(("[", "{")):
        return list(dict.fromkeys(re.findall(r'"([^"\\]{1,200})"\s*:', text)))
    lines = [line for line in text.splitlines()[:20] if line.strip()]
    rows = [next(csv.reader([line], delimiter=mark), []) for line in lines for mark in ",;\t|"]
    return max(rows, key=known, default=[])


def _of_workbook(path: Path) -> list[str]:
    """The texts of a workbook's first cells; those of its shared strings stand near the front."""
    if path.stat().st_size > MOST_PACKED:
        return []
    with zipfile.ZipFile(path) as archive:
        parts = {"xl/sharedStrings.xml", "xl/worksheets/sheet1.xml"} & set(archive.namelist())
        found: list[str] = []
        for name in sorted(parts):
            with archive.open(name) as part:
                found += _texts(part.read(PIECE))[:MOST_NAMES]
    return found


def _texts(xml: bytes) -> list[str]:
    """The texts of all elements `t` that are whole in the beginning of an XML file; up to a fault, those before it."""
    found: list[str] = []
    inside: list[str] | None = None

    def start(tag: str, _: object) -> None:
        nonlocal inside
        inside = [] if tag.rpartition(":")[2] == "t" else None

    def end(_: str) -> None:
        nonlocal inside
        if inside is not None and 0 < len(text := "".join(inside)) <= LONGEST_NAME:
            found.append(text)
        inside = None

    def data(text: str) -> None:
        if inside is not None:
            inside.append(text)

    reader = Xml()
    reader.parser.StartElementHandler, reader.parser.EndElementHandler = start, end
    reader.parser.CharacterDataHandler = data
    with contextlib.suppress(UnsafeError):
        reader.feed(xml)
    return found
