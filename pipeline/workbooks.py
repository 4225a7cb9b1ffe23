"""Whether an Excel workbook may be opened: what it unpacks to, and how far its cells reach.

The library that reads workbooks trusts them. It unpacks what is there and not what the archive says is there, it makes
room for the whole rectangle that the cells span (one cell in XFD1048576 asks for 400 GB and ends the process), and rows
behind a damaged tag are gone without a word (2026-11-26). So a workbook is looked through before it gets it.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from xml.parsers import expat

MAX_PACKED = 250_000_000  # bytes of the file
MAX_DIRECTORY = 1_000_000  # bytes of the archive's list of files: about 10,000 of them, and a workbook has ten
MAX_CELLS = 16_000_000  # with room for each: every row that Excel has, 15 columns wide
PIECE = 1 << 20
END, END_64 = b"PK\x05\x06", b"PK\x06\x07"


class UnsafeError(ValueError):
    """A workbook that is not opened: `reason` as a short code, the text says what it is and what to do."""

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(what)
        self.reason = reason


def is_workbook(path: Path) -> bool:
    """Whether a file is a workbook, whatever its name says."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_PACKED)
        with zipfile.ZipFile(io.BytesIO(_with_short_directory(content))) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, UnsafeError):  # NotImplementedError: a version nobody knows
        return False


def check(content: bytes, most: int, ratio: int) -> None:
    """Raise UnsafeError unless the workbook is whole, unpacks to at most `most` bytes and holds its cells closely.

    ratio: so many times its packed size it may unpack to, once that is a tenth of `most`
    """
    most = min(most, max(most // 10, ratio * len(content)))
    try:
        with zipfile.ZipFile(io.BytesIO(_with_short_directory(content))) as archive:
            entries = archive.infolist()
            _limit(sum(entry.file_size for entry in entries), most)
            _check_kind({entry.filename for entry in entries})
            unpacked = 0
            for entry in entries:
                unpacked += _check_file(archive, entry, most - unpacked)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError):
        # NotImplementedError: a version or packing nobody knows; RuntimeError: a password
        raise UnsafeError("not_xlsx", "is not an Excel workbook, or damaged; save it as .xlsx, or if it is text "
                          "rename it to .csv") from None  # fmt: skip


def _with_short_directory(content: bytes) -> bytes:
    end = content.rfind(END)
    size = int.from_bytes(content[end + 12 : end + 16], "little") if end >= 0 else 0
    if size > MAX_DIRECTORY or content.find(END_64, max(end - 20, 0), max(end, 0)) >= 0:
        raise UnsafeError("too_large_workbook", "the workbook holds too many files; export the sheet as .csv")
    return content


def _limit(size: int, most: int) -> None:
    if size > most:
        what = f"the workbook unpacks to more than {most // 1_000_000} MB; export the sheet as .csv"
        raise UnsafeError("too_large_workbook", what)


def _check_kind(names: set[str]) -> None:
    """A workbook of another program is not read, not even as a part of this one."""
    names = {name.lower() for name in names}
    if "xl/workbook.xml" not in names or not names.isdisjoint({"xl/workbook.bin", "content.xml"}):
        raise UnsafeError("not_xlsx", "is an archive, but no .xlsx workbook; save it again as .xlsx, or export .csv")


def _check_file(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> int:
    """Unpack one file of the workbook without keeping it; return its size. XML must be whole."""
    said = entry.file_size
    entry.file_size = most + 1  # else what is packed behind `said` bytes would not be seen
    if not entry.filename.lower().endswith((".xml", ".rels")):
        return sum(map(len, _pieces(archive, entry, said, most)))
    try:
        return _read_xml(_Skimmer(), _pieces(archive, entry, said, most))
    except _OddCellError:
        return _read_xml(_Reader(), _pieces(archive, entry, said, most))


def _pieces(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, said: int, most: int) -> Iterator[bytes]:
    size = 0
    with archive.open(entry) as file:
        for piece in iter(lambda: file.read(PIECE), b""):
            size += len(piece)
            _limit(size, most)
            if size > said:
                raise zipfile.BadZipFile
            yield piece


def _read_xml(reader: _Xml, pieces: Iterator[bytes]) -> int:
    size = 0
    for piece in pieces:
        size += len(piece)
        reader.feed(piece)
    if size:
        reader.feed(b"", last=True)
    return size


class _Xml:
    """XML of a workbook: well-formed, without entities of its own, its filled cells close together."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.cells = 0
        self.rows, self.columns = (1 << 62, 0), (1 << 62, 0)

    def feed(self, piece: bytes, *, last: bool = False) -> None:
        try:
            self.parser.Parse(piece, last)
        except expat.ExpatError:
            what = "the workbook is damaged inside; save it again as .xlsx, or export .csv"
            raise UnsafeError("not_xlsx", what) from None

    def doctype(self, *_: object) -> None:
        raise UnsafeError("not_xlsx", "the workbook declares a document type, which Excel never does; export .csv")

    def refer(self, part: str) -> None:
        """A sheet is said to be this file of the archive."""
        if not part.lower().endswith(".xml"):  # then it was not looked through
            raise UnsafeError("not_xlsx", "a sheet of the workbook is no .xml; save it again as .xlsx, or export .csv")

    def fill(self, cells: int, rows: Collection[int], columns: Collection[int]) -> None:
        """So many more filled cells, in these rows and columns."""
        self.cells += cells
        self.rows = min(self.rows[0], min(rows)), max(self.rows[1], max(rows))
        self.columns = min(self.columns[0], min(columns)), max(self.columns[1], max(columns))
        room = (self.rows[1] - self.rows[0] + 1) * (self.columns[1] - self.columns[0] + 1)
        if max(self.cells, room) > MAX_CELLS:
            what = "its cells lie too far apart, or are too many; delete what is far off, or export the sheet as .csv"
            raise UnsafeError("too_large_workbook", what)


class _OddCellError(Exception):
    """A cell, or a reference to a sheet, that is not written as programs write it."""


class _Skimmer(_Xml):
    """Sees cells by their text, a million in two seconds; raises _OddCellError when there may be others."""

    cell = re.compile(rb'<c r="([A-Z]{1,3})([0-9]{1,7})"(?: [A-Za-z:]+="[^"<>]*+")*+ ?(/?)>')
    started = re.compile(rb"<c[\s/>]")
    prefixed = re.compile(rb":c[\s/>]")

    def __init__(self) -> None:
        super().__init__()
        self.rest = b""

    def feed(self, piece: bytes, *, last: bool = False) -> None:
        super().feed(piece, last=last)
        text = self.rest + piece
        cut = len(text) if last else max(text.rfind(b"<"), 0)
        text, self.rest = text[:cut], text[cut:]
        found = self.cell.findall(text)
        odd = b"\0" in text or b"Relationship" in text or self.prefixed.search(text) or text[:1] not in (b"<", b"")
        if odd or len(found) != len(self.started.findall(text)) or len(self.rest) > PIECE:
            raise _OddCellError
        filled = [cell for cell in found if not cell[2]]
        if filled:
            columns, rows = {cell[0] for cell in filled}, {cell[1] for cell in filled}
            self.fill(len(filled), [int(row) for row in rows], [_number(column.decode()) for column in columns])


class _Reader(_Xml):
    """Sees cells as a parser does, wherever they are and however they are written; five times slower."""

    place = re.compile("([A-Za-z]{1,9})([0-9]{1,18})")

    def __init__(self) -> None:
        super().__init__()
        self.parser.StartElementHandler = self.start
        self.row, self.column = 0, 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if name == "v" or name == "is":
            self.fill(1, (self.row,), (self.column,))
        elif name == "c":
            self.at(attributes.get("r"))
        elif name == "row":
            given = attributes.get("r", "")
            self.row, self.column = int(given) if given.isdecimal() and len(given) < 19 else self.row + 1, 0
        elif name == "Relationship" and attributes.get("Type", "").endswith("sheet"):
            self.refer(attributes.get("Target", ""))

    def at(self, place: str | None) -> None:
        """The cell that begins: where it says, else beside the last one."""
        if place is None:
            self.column += 1
        elif found := self.place.fullmatch(place):
            self.row, self.column = int(found[2]), _number(found[1])
        else:
            raise UnsafeError("not_xlsx", "a cell of the workbook is nowhere; save it again as .xlsx, or export .csv")


def _number(letters: str) -> int:
    """A -> 1, Z -> 26, AA -> 27."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number
