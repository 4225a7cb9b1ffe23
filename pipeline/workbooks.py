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
from pathlib import Path
from xml.parsers import expat

MAX_PACKED = 250_000_000  # bytes of the file
MAX_DIRECTORY = 1_000_000  # bytes of the archive's list of files: about 10,000 of them, and a workbook has ten
MAX_CELLS = 16_000_000  # with room for each: every row that Excel has, 15 columns wide
PIECE = 1 << 20
END, END_64 = b"PK\x05\x06", b"PK\x06\x07"
CELL = re.compile("([A-Za-z]{1,9})([0-9]{1,18})")


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
    said, size = entry.file_size, 0
    entry.file_size = most + 1  # else what is packed behind `said` bytes would not be seen
    is_xml = entry.filename.lower().endswith((".xml", ".rels"))
    parser = _Reach() if is_xml else None
    with archive.open(entry) as file:
        for piece in iter(lambda: file.read(PIECE), b""):
            size += len(piece)
            _limit(size, most)
            if size > said:
                raise zipfile.BadZipFile
            if parser:
                parser.feed(piece)
    if parser and size:
        parser.feed(b"", last=True)
    return size


class _Reach:
    """Reads the XML of a sheet (or any other): how far filled cells reach, and that it is well-formed."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.row, self.column, self.cells = 0, 0, 0
        self.rows, self.columns = (1 << 62, 0), (1 << 62, 0)

    def feed(self, piece: bytes, *, last: bool = False) -> None:
        try:
            self.parser.Parse(piece, last)
        except expat.ExpatError:
            what = "the workbook is damaged inside; save it again as .xlsx, or export .csv"
            raise UnsafeError("not_xlsx", what) from None

    def doctype(self, *_: object) -> None:
        raise UnsafeError("not_xlsx", "the workbook declares a document type, which Excel never does; export .csv")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if name == "v" or name == "is":
            self.fill()
        elif name == "c":
            self.at(attributes.get("r"))
        elif name == "row":
            given = attributes.get("r", "")
            self.row, self.column = int(given) if given.isdecimal() and len(given) < 19 else self.row + 1, 0
        elif name == "Relationship" and attributes.get("Type", "").endswith("sheet"):
            self.refer(attributes.get("Target", ""))

    def refer(self, part: str) -> None:
        if not part.lower().endswith(".xml"):  # then it was not looked through
            raise UnsafeError("not_xlsx", "a sheet of the workbook is no .xml; save it again as .xlsx, or export .csv")

    def at(self, place: str | None) -> None:
        """The cell that begins: where it says, else beside the last one."""
        if place is None:
            self.column += 1
        elif found := CELL.fullmatch(place):
            self.row, self.column = int(found[2]), _number(found[1])
        else:
            raise UnsafeError("not_xlsx", "a cell of the workbook is nowhere; save it again as .xlsx, or export .csv")

    def fill(self) -> None:
        self.cells += 1
        self.rows = min(self.rows[0], self.row), max(self.rows[1], self.row)
        self.columns = min(self.columns[0], self.column), max(self.columns[1], self.column)
        room = (self.rows[1] - self.rows[0] + 1) * (self.columns[1] - self.columns[0] + 1)
        if max(self.cells, room) > MAX_CELLS:
            what = "its cells lie too far apart, or are too many; delete what is far off, or export the sheet as .csv"
            raise UnsafeError("too_large_workbook", what)


def _number(letters: str) -> int:
    """A -> 1, Z -> 26, AA -> 27."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number
