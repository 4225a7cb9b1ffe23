"""Excel workbooks: the first sheet as rows of text, read in a process of its own that has little memory and time.

The library that reads workbooks trusts them: it makes room for the whole rectangle that the cells span (one cell in
XFD1048576 asks for 400 GB), copies a shared text into each cell that uses it, and leaves out rows behind a damaged tag
without a word. What it asks too much for ends the process, which `xlsx.py` starts with this module as its script, so
that it imports nothing of ours; and it reads an archive that was packed again from files that were looked through
before, because what one reader of archives sees in a file another one does not.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.parsers import expat

MAX_PACKED = 250_000_000  # bytes of the file
MAX_DIRECTORY = 1_000_000  # bytes of the archive's list of files: about 10,000 of them, and a workbook has ten
MAX_STORED = 64_000_000  # bytes that are packed again without compression, which is faster and takes more memory
PIECE = 1 << 20
END, END_64 = b"PK\x05\x06", b"PK\x06\x07"
NO_READER = 3  # exit code: the library is not there

Row = tuple[int, list[str]]


class UnsafeError(ValueError):
    """A workbook that is not read: `reason` as a short code, the text says what it is and what to do."""

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


def main(memory: int, seconds: int, most: int, block: int) -> int:
    """A workbook on standard input -> a JSON array of rows a line, and an object at the end: why it is refused, if."""
    try:
        import python_calamine  # noqa: F401 (before there is too little memory for it)
    except ImportError:
        return NO_READER
    _limit_process(memory, seconds)
    end = {}
    try:
        for rows in _batches(packed_again(sys.stdin.buffer.read(), most), block):
            _write(rows)
    except UnsafeError as error:
        end = {"reason": error.reason, "what": str(error)}
    except MemoryError:
        return 1
    except BaseException as error:  # a panic of the library is no Exception
        what = f"the workbook cannot be read ({type(error).__name__}); save it again as .xlsx, or export .csv"
        end = {"reason": "not_xlsx", "what": what}
    _write(end)
    return 0


def _limit_process(memory: int, seconds: int) -> None:
    import resource
    import signal

    limits = {
        resource.RLIMIT_AS: (memory, memory),
        resource.RLIMIT_CPU: (seconds, seconds + 5),
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_FSIZE: (0, 0),
    }
    for kind, wanted in limits.items():
        had = resource.getrlimit(kind)[1]
        soft, hard = (value if had == resource.RLIM_INFINITY else min(value, had) for value in wanted)
        resource.setrlimit(kind, (soft, hard))
    signal.alarm(10 * seconds)  # it may wait for a disk, or a machine that does other things; not for ever


def _write(message: object) -> None:
    import signal

    signal.alarm(0)  # whoever takes the rows may take their time
    sys.stdout.buffer.write(json.dumps(message, ensure_ascii=False).encode() + b"\n")
    sys.stdout.buffer.flush()


def _batches(content: bytes, block: int) -> Iterator[list[Row]]:
    from python_calamine import CalamineWorkbook

    rows: list[Row] = []
    size = 0
    # calamine leaves out empty columns before the first used one, but counts empty rows
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0)
    for line, row in enumerate(sheet.iter_rows(), 1):
        cells = [_cell_text(cell) for cell in row]
        if any(cells):
            rows.append((line, cells))
            size += sum(map(len, cells)) + 10 * len(cells)
        if size >= block:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _cell_text(cell: Any) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat() if cell.time() == dt.time() else cell.isoformat(sep=" ")
    return cell.isoformat() if isinstance(cell, dt.date | dt.time) else str(cell)


# --- the archive ----------------------------------------------------------------------------------------------------


def packed_again(content: bytes, most: int) -> bytes:
    """An archive of the XML files of a workbook, each of which is whole; UnsafeError unless they are, or if they are
    more than `most` bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(_with_short_directory(content))) as archive:
            entries = archive.infolist()
            _limit(sum(entry.file_size for entry in entries), most)
            _check_names([entry.filename for entry in entries])
            packed, left = io.BytesIO(), most
            large = sum(entry.file_size for entry in entries) > MAX_STORED
            packing = zipfile.ZIP_DEFLATED if large else zipfile.ZIP_STORED
            with zipfile.ZipFile(packed, "w", packing, compresslevel=1) as new:
                for entry in entries:
                    left -= _copy(archive, entry, new, left)
            return packed.getvalue()
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


def _check_names(given: list[str]) -> None:
    """A workbook of another program is not read, not even as a part of this one; nor two files of one name."""
    names = {name.lower() for name in given}
    if "xl/workbook.xml" not in names or not names.isdisjoint({"xl/workbook.bin", "content.xml"}):
        raise UnsafeError("not_xlsx", "is an archive, but no .xlsx workbook; save it again as .xlsx, or export .csv")
    if len(names) < len(given):
        raise UnsafeError("not_xlsx", "two files of the workbook have one name; save it again as .xlsx, or export .csv")


def _copy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, new: zipfile.ZipFile, most: int) -> int:
    """Copy a file of the workbook if it is XML, which must be whole; return the size of any."""
    said = entry.file_size
    entry.file_size = most + 1  # else what is packed behind `said` bytes would not be seen
    pieces = _pieces(archive, entry, said, most)
    if not entry.filename.lower().endswith((".xml", ".rels")):
        return sum(map(len, pieces))
    xml, size = Xml(), 0
    with new.open(zipfile.ZipInfo(entry.filename), "w") as copy:
        for piece in pieces:
            size += len(piece)
            xml.feed(piece)
            copy.write(piece)
    if size:
        xml.feed(b"", last=True)
    return size


def _pieces(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, said: int, most: int) -> Iterator[bytes]:
    size = 0
    with archive.open(entry) as file:
        for piece in iter(lambda: file.read(PIECE), b""):
            size += len(piece)
            _limit(size, most)
            if size > said:
                raise zipfile.BadZipFile
            yield piece


class Xml:
    """XML of a workbook: well-formed, or rows behind the fault would be lost, and without entities of its own."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self.doctype

    def feed(self, piece: bytes, *, last: bool = False) -> None:
        try:
            self.parser.Parse(piece, last)
        except expat.ExpatError:
            what = "the workbook is damaged inside; save it again as .xlsx, or export .csv"
            raise UnsafeError("not_xlsx", what) from None

    def doctype(self, *_: object) -> None:
        raise UnsafeError("not_xlsx", "the workbook declares a document type, which Excel never does; export .csv")


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
