"""Lines of UTF-8 text. A line ends with \\n, \\r\\n or \\r, which no other character of UTF-8 contains."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.sources.formats import limits


def newlines(data: bytes) -> int:
    """How many line ends it holds."""
    count = data.count(b"\n")
    return count + data.count(b"\r") - data.count(b"\r\n") if b"\r" in data else count


def newlines_inside(table: pa.Table) -> np.ndarray:
    """Line ends inside the values of each row."""
    total = np.zeros(len(table), np.int64)
    for column in table.columns:
        text = b"".join(chunk.buffers()[2] or b"" for chunk in column.chunks)
        for pattern, sign in (("\n", 1), ("\r", 1), ("\r\n", -1)):
            if pattern.encode() in text:  # most columns hold none, and counting costs 30 ns a value
                total += sign * pc.count_substring(column, pattern).to_numpy()
    return total


def starts(block: bytes) -> np.ndarray:
    """The offset at which each line of a block starts, and the block's length."""
    data = np.frombuffer(block, np.uint8)
    ends = (data == 10) | (data == 13)
    ends[:-1] &= ~((data[:-1] == 13) & (data[1:] == 10))
    return np.concatenate(([0], np.flatnonzero(ends) + 1))


def parts(line: int, count: int, block: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(first line, number of lines, part) of a block of `count` lines; at most MAX_LINES a part."""
    if count <= limits.MAX_LINES:
        yield line, count, block
        return
    offsets, first = starts(block), 0
    while first < count:
        last = min(first + limits.MAX_LINES, count)
        yield line + first, last - first, block[offsets[first] : offsets[last]]
        first = last
