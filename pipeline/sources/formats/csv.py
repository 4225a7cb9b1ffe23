"""Delimited text (.csv .tsv .txt) -> tables with the physical line that each record began on.

pyarrow parses each block as a whole (with the pass that decides the encoding: 300 MB/s). It knows records, not lines:
a record takes one line plus the line ends inside its values, so line numbers are a running sum, and there is no second,
slower parser to disagree with. A record whose field count is wrong is kept whole in `_record`; what cannot be told
apart safely, as a quote that never closes, refuses the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from pipeline.sources import formulas
from pipeline.sources.batch import Reading, text_table
from pipeline.sources.columns import Columns
from pipeline.sources.formats import limits, lines
from pipeline.sources.formats.header import read_header
from pipeline.sources.formats.quotes import Quotes
from pipeline.sources.formats.text import Text
from pipeline.sources.never_stored import NOT_STORED

_quoted = json.JSONEncoder(ensure_ascii=False).encode


class Csv(Reading):
    """The records of delimited text."""

    def __init__(self, text: Text, columns: Columns, most: int) -> None:
        super().__init__(text.origin, columns, most)
        self._text, self.encoding = text, text.encoding
        self._blocks = text.blocks()
        try:
            header = read_header(self._blocks, columns.meant, self.origin)
            columns.match(header.names, header.line)
        except BaseException:
            self.close()
            raise
        self.delimiter, self._line, self._first = header.delimiter, header.after, header.rest
        delimiter = self.delimiter.encode()
        # A last row of our own, told by the NUL that no file may hold: swallowed when a quote before it is open.
        self._sentinel = b"\0" + delimiter * (len(columns.header) - 1) + b"\n"
        self._quotes = Quotes(delimiter, self.origin)

    @property
    def digest(self) -> str:
        return self._text.sha.hexdigest()

    def close(self) -> None:
        self._text.close()

    def _tables(self) -> Iterator[pa.Table]:
        line, carry = self._line, b""
        first = lines.parts(line, lines.newlines(self._first), self._first) if self._first else ()
        expected = line
        for start, count, block in chain(first, self._blocks):
            if start != expected:
                raise AssertionError("the reader lost lines")
            expected = start + count
            if carry:
                block, count = carry + block, count + start - line
            else:
                line = start
            table, used, line = self._parse(block, line, count)
            carry = block[used:]
            if len(carry) > limits.MAX_RECORD:
                raise self._quotes.unclosed(carry, line, f"within {limits.MAX_RECORD // 1_000_000} MB")
            if len(table):
                yield table
        if carry:
            raise self._quotes.unclosed(carry, line, "up to the end of the file")

    def _parse(self, block: bytes, line: int, count: int) -> tuple[pa.Table, int, int]:
        """(table, bytes used, next line) of `count` whole lines; a last record with an open quote is left unused."""
        quoted = b'"' in block
        good, bad = self._records(block + self._sentinel if quoted else block, len(self.columns.header))
        closed = not quoted or (len(good) > 0 and good[0][-1].as_py() == "\0")
        if quoted and closed:
            good = good.slice(0, len(good) - 1)
        is_bad = np.zeros(len(good) + len(bad), bool)
        is_bad[[row.number - 1 for row in bad]] = True
        heights = np.ones(len(is_bad), np.int64)
        if not closed or len(heights) != count:
            heights[~is_bad] += lines.newlines_inside(good)
            heights[is_bad] += np.array([lines.newlines(row.text.encode()) for row in bad], np.int64)
        starts = line + np.cumsum(heights) - heights
        used, after = len(block), line + count
        if not closed:
            after = int(starts[-1])
            used = int(lines.starts(block)[after - line])
            good, bad = (good, bad[:-1]) if is_bad[-1] else (good.slice(0, len(good) - 1), bad)
            is_bad, starts, heights = is_bad[:-1], starts[:-1], heights[:-1]
        if len(heights) and heights.max() > 1:
            self._quotes.check(block[:used], line)
        return self._assemble(good, bad, starts, is_bad, block, line), used, after

    def _records(self, block: bytes, width: int) -> tuple[pa.Table, list[Any]]:
        """(records of the right width, the others); pyarrow numbers the others from 1 among all."""
        bad: list[Any] = []

        def keep(row: Any) -> str:
            bad.append(row)
            return "skip"

        names = [str(i) for i in range(width)]
        table = pyarrow.csv.read_csv(
            pa.BufferReader(block),
            # One thread and one chunk: row numbers exist only so, and for blocks this small it is as fast.
            read_options=pyarrow.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 1),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=self.delimiter, newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=keep
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False
            ),
        )
        return table, bad

    def _assemble(
        self, good: pa.Table, bad: list[Any], starts: np.ndarray, is_bad: np.ndarray, block: bytes, line: int
    ) -> pa.Table:
        """Columns in the declared order, blank lines left out, records of wrong width put in their places."""
        dataset = self.columns.dataset
        if self.columns.defused:
            restored = [
                pa.chunked_array([pa.array(map(formulas.restored, column.to_pylist()), pa.string())])
                for column in good.columns
            ]
            good = pa.Table.from_arrays(restored, good.column_names)
        columns = [None if place is None else good.column(place) for place in self.columns.places()]
        table = text_table(dataset, starts[~is_bad], columns, self._extra(good), None)
        empty = _all_empty([column for column in columns if column is not None])
        if empty.any():  # ",,," is a record, a blank line is none
            lead = np.frombuffer(block, np.uint8)[lines.starts(block)[starts[~is_bad] - line]]
            table = table.filter(pa.array(~empty | (lead != 10) & (lead != 13)))
        kept = [(start, row.text) for start, row in zip(starts[is_bad], bad, strict=True) if row.text.strip(" \t")]
        if not kept:
            return table
        places, records = zip(*kept, strict=True)
        if self.columns.never_stored:  # which of its fields is the password, nobody knows
            records = (NOT_STORED,) * len(places)
        nothing = [pa.nulls(len(places), pa.string())] * len(columns)
        return _merged(table, text_table(dataset, places, nothing, None, list(records)))

    def _extra(self, good: pa.Table) -> pa.Array | None:
        parts: list[pa.Array] = []
        for name, column in zip(self.columns.header, good.columns, strict=True):
            if name in self.columns.keys and pc.max(pc.binary_length(column)).as_py():
                key = f',"{self.columns.keys[name]}":'
                cells = [key + _quoted(cell) if cell else "" for cell in column.to_pylist()]
                parts.append(pa.array(cells, pa.string()))
        if not parts:
            return None
        joined = pc.binary_join_element_wise(*parts, "")
        whole = pc.binary_join_element_wise("{", pc.utf8_slice_codeunits(joined, 1), "}", "")
        return pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), whole)


def _all_empty(columns: Sequence[pa.ChunkedArray]) -> np.ndarray:
    """Which rows hold nothing at all; columns after the first few are not looked at in most blocks."""
    empty = np.ones(len(columns[0]), bool)
    for column in columns:
        if not empty.any():
            break
        empty &= pc.equal(column, "").to_numpy()
    return empty


def _merged(table: pa.Table, few: pa.Table) -> pa.Table:
    """Both tables' rows by `_line`; cut and joined, which copies whole runs of `table` and not row by row."""
    cuts = np.searchsorted(table["_line"].to_numpy(), few["_line"].to_numpy())
    starts = np.flatnonzero(np.diff(cuts, prepend=-1))  # rows of `few` that stand at one place stay together
    pieces, done = [], 0
    for start, end in zip(starts, [*starts[1:], len(few)], strict=True):
        cut = cuts[start]
        pieces += [table.slice(done, cut - done), few.slice(start, end - start)]
        done = cut
    return pa.concat_tables([*pieces, table.slice(done)]).combine_chunks()
