"""Kinds of files: what a file is called, and whether it is that."""

from __future__ import annotations

from pathlib import Path

from pipeline.sources.errors import Origin, quoted
from pipeline.sources.formats import workbook

# ending -> what reads it; the text formats also with .gz
FORMATS = {"csv": "csv", "tsv": "csv", "txt": "csv", "xlsx": "xlsx", "json": "json", "jsonl": "json", "ndjson": "json"}
FOREIGN = {
    b"\xd0\xcf\x11\xe0": "an old (.xls) or password-protected Excel workbook",
    b"%PDF": "a PDF",
    b"\x89PNG": "an image",
}


def is_gzip(path: Path) -> bool:
    """Whether a file is called a compressed one."""
    return path.name.lower().endswith(".gz")


def is_packed(path: str) -> bool:
    """Whether nobody knows by the size of the file how much is in it."""
    return path.lower().endswith((".gz", ".xlsx"))


def ending(path: Path) -> str:
    return path.name.lower().removesuffix(".gz").rpartition(".")[2]


def _head(path: Path, origin: Origin) -> bytes:
    with path.open("rb") as file:
        head = file.read(4)
    if not head:
        raise origin.error("empty_file", "the file is empty (0 bytes); send it again")
    return head


def check_text(path: Path, origin: Origin) -> None:
    """SourceError for a file that is called a text file and shows at its first bytes that it is none."""
    head = _head(path, origin)
    zipped = head.startswith(b"\x1f\x8b")
    if zipped and not is_gzip(path):
        raise origin.error("not_gzip", f"is gzip-compressed; rename it to {quoted(path.name + '.gz')}")
    if is_gzip(path) and not zipped:
        raise origin.error("not_gzip", f"is not gzip-compressed; rename it to {quoted(path.name[:-3])}")
    kind = FORMATS[ending(path)]
    if head.startswith(b"PK\x03\x04"):
        excel = workbook.is_workbook(path)
        what, remedy = ("is an Excel workbook", "rename it to .xlsx") if excel else ("is a zip archive", "unpack it")
        raise origin.error(f"not_{kind}", f"{what} named {path.suffix}; {remedy}")
    if head in FOREIGN:
        raise origin.error(f"not_{kind}", f"is {FOREIGN[head]} named {path.suffix}; save it as .xlsx or .csv")


def check_workbook(path: Path, origin: Origin) -> None:
    """SourceError for a file that is called a workbook and is none at its first bytes, or too large to be read."""
    head, size = _head(path, origin), path.stat().st_size
    if size > workbook.MAX_PACKED:
        what = f"a workbook of {size // 1_000_000} MB is not read; export the sheet as .csv"
        raise origin.error("too_large_workbook", what)
    if head in FOREIGN:
        remedy = "save it as .xlsx, or if it is text rename it to .csv"
        raise origin.error("not_xlsx", f"is {FOREIGN[head]}; {remedy}")
