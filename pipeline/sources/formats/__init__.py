"""Formats: what a file of each kind holds, as text. No Luigi, no database, no configuration.

Nothing is interpreted here. Only what is never stored, passwords and the like, is left out. What cannot be told apart
safely (undecodable bytes, a quote that never closes, a missing column) refuses the file with a SourceError that says
where and what to do.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from pipeline.datasets.declaration import Dataset
from pipeline.sources.batch import Reading
from pipeline.sources.columns import Columns
from pipeline.sources.errors import Origin, quoted
from pipeline.sources.formats import kinds, limits
from pipeline.sources.formats.csv import Csv
from pipeline.sources.formats.json import REMEDY, Json
from pipeline.sources.formats.text import Text
from pipeline.sources.formats.xlsx import Sheet


def open_file(
    path: Path, dataset: Dataset, *, name: str | None = None, encoding: str = "", block_bytes: int = 4_000_000
) -> Reading:
    """Open a .csv .tsv .txt .json .jsonl .ndjson (each also .gz) or .xlsx file as tables of text columns.

    name         how errors call the file (default: its name)
    encoding     what text that is not UTF-8 is read as, instead of the dataset's own; "" keeps that
    block_bytes  bytes of text parsed at once; memory is about ten times that, or a whole sheet for .xlsx
    Raises SourceError for a file that is not what its name says or lacks a column; `tables()` raises it for the rest.
    """
    origin = Origin(name or path.name)
    kind = kinds.FORMATS.get(kinds.ending(path))
    fallback = encoding or dataset.encoding
    if kind is None or (kind == "xlsx" and kinds.is_gzip(path)):
        what = f"{quoted(path.suffix)} files are not read; send .csv, .tsv, .txt, .json, .jsonl, .ndjson or .xlsx"
        raise origin.error("unknown_format", what)
    try:
        if path.exists() and not path.is_file():  # to open a pipe is to wait for who writes to it
            raise origin.error("unreadable", "is not a regular file")
        codecs.lookup(fallback or "utf-8")
        most = limits.most_unpacked(path.stat().st_size)
        if kind == "xlsx":
            return Sheet(path, Columns(dataset, origin), most, block_bytes)
        text = Text(path, dataset, origin, fallback, block_bytes)
        if kind == "csv":
            return Csv(text, Columns(dataset, origin), most)
        return Json(text, Columns(dataset, origin, REMEDY), most, array=kinds.ending(path) == "json")
    except LookupError:
        what, reason = (
            f"there is no encoding {quoted(fallback)}; correct it in the configuration",
            "unknown_encoding",
        )
    except OSError as error:
        what, reason = f"cannot be opened ({error.strerror}); check that it exists and may be read", "unreadable"
    raise origin.error(reason, what)
