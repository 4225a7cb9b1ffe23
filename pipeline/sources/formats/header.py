"""The header of delimited text: where it stands, what parts its fields, what follows it."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pipeline.sources.errors import Origin
from pipeline.sources.formats import limits

DELIMITERS = ",;\t|"


class Header(NamedTuple):
    """line: of its names; after: the line behind it; rest: text read already that stands there."""

    line: int
    names: list[str]
    delimiter: str
    after: int
    rest: bytes


def read_header(blocks: Iterator[tuple[int, int, bytes]], meant: Callable[[str], str | None], origin: Origin) -> Header:
    """Take the header from the first blocks: with the delimiter that gives the most declared columns.

    meant: the declared column that a name means
    """
    line, head = _first_lines(blocks, origin)
    lines = head.splitlines(keepends=True)
    best: tuple[int, int, str, list[str], int] | None = None
    unclosed = wide = False
    for delimiter in DELIMITERS:
        reader = csv.reader((text.decode() for text in lines), delimiter=delimiter, strict=True)
        try:
            names = next(reader, [])
        except csv.Error as error:
            unclosed, wide = unclosed or "limit" not in str(error), wide or "limit" in str(error)
            continue
        matched = len({meant(name) for name in names} - {None})
        if best is None or (matched, len(names)) > best[:2]:
            best = matched, len(names), delimiter, names, reader.line_num
    if wide and (best is None or not best[0]):
        kilobytes = csv.field_size_limit() // 1000
        what = f"a column name of more than {kilobytes} kB: the file is damaged, or no table"
        raise origin.error("too_large_record", what, line)
    if best is None or (unclosed and not best[0]):
        raise origin.error("unclosed_quote", "a quote in the header is not closed; close or remove it", line)
    _, _, delimiter, names, taken = best
    return Header(line, names, delimiter, line + taken, head[sum(map(len, lines[:taken])) :])


def _first_lines(blocks: Iterator[tuple[int, int, bytes]], origin: Origin) -> tuple[int, bytes]:
    """(line, text) from the first line that is not blank; enough text to hold any header."""
    line, head = 1, b""
    for start, _, block in blocks:
        if not head:
            line = start
        head += block
        if not head.strip():
            head = b""
        elif len(head) > limits.MAX_HEADER:
            break
    if not head:
        raise origin.error("empty_file", "the file is empty (no header line); send it again")
    lines = head.splitlines(keepends=True)
    skip = next(i for i, text in enumerate(lines) if text.strip())
    skip += re.fullmatch(rb'"?sep=."?\s*', lines[skip]) is not None  # Excel's own hint about the delimiter
    return line + skip, b"".join(lines[skip:])
