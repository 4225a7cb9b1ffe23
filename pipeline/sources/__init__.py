"""A file as schools send it -> batches of text columns with the physical line each record came from.

Nothing is interpreted here: an empty field stays '', `NULL`, `007` and blanks stay as they are, and a record whose
field count is wrong is kept whole in `_record`. Only what `is_secret` knows, passwords and the like, is left out. What
cannot be told apart safely (undecodable bytes, a quote that never closes, a missing column) refuses the file with a
SourceError that says where and what to do.

A text file is read twice in blocks. The first pass only decides the encoding, so that one file never mixes two;
the second hashes, cuts at line ends and parses. pyarrow parses each block as a whole (both passes: 300 MB/s). It
knows records, not lines: a record takes one line plus the line ends inside its values, so line numbers are a running
sum, and there is no second, slower parser to disagree with. A line ends with \\n, \\r\\n or \\r.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import gzip
import hashlib
import io
import json
import re
import zlib
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from pipeline.datasets.declaration import Dataset
from pipeline.sources import formulas
from pipeline.sources.formats import workbook as workbooks
from pipeline.sources.never_stored import NOT_STORED, is_secret, speaks_of_secrets

MAX_RECORD = 16_000_000  # bytes; a longer record is a damaged file, and memory is bounded by it
MAX_LINES = 100_000  # parsed at once: a record of two bytes takes as much memory as one of two hundred
MAX_VALUES = 200_000  # of one JSON element: sixteen million bytes of tiny numbers would take gigabytes
MAX_COLUMNS = 2_000
MAX_NAME = 200  # characters of a column outside the contract
MOST_LISTED = 20  # columns named in an error
MAX_HEADER = 1_000_000  # bytes
MAX_DEPTH = 50  # JSON in JSON; far below where Python gives up, so that no record depends on how deep its caller stands
MAX_WORKBOOK = 1_000_000_000  # bytes unpacked; a workbook is held in memory
MAX_RATIO = 200  # real files unpack 5 to 30 times; more is looked at above MIN_BOMB
MIN_BOMB = 100_000_000  # bytes unpacked, or of rows
OWN = ("reject_line", "reject_reasons", "reject_record")  # columns of our reject files
DELIMITERS = ",;\t|"
FORMATS = {"csv": "csv", "tsv": "csv", "txt": "csv", "xlsx": "xlsx", "json": "json", "jsonl": "json", "ndjson": "json"}
FOREIGN = {
    b"\xd0\xcf\x11\xe0": "an old (.xls) or password-protected Excel workbook",
    b"%PDF": "a PDF",
    b"\x89PNG": "an image",
}


class SourceError(ValueError):
    """A file that cannot be read: `path` as named to people, `line` or None, `reason` as a short code.

    The message is one sentence with file, line, what and what to do; it never holds a cell's value.
    """

    def __init__(self, message: str, *, path: str, line: int | None, reason: str) -> None:
        super().__init__(message)
        self.path, self.line, self.reason = path, line, reason


class Source:
    """An opened file of one dataset; iterate `batches()` once. `open_source` says which errors to expect.

    header     names in the file's order; an empty one is 'column 13', a repeated extra one gets ' (2)'
    fields     the declared column each header means, None for an extra column or a key that no object has
    extra      header names outside the contract, without our own `reject_...` columns and those never stored
    never_stored  names of columns that hold passwords or tokens, or that the contract declares so
    rows       records delivered so far;  sha256: of the file's bytes, once `batches()` is exhausted
    delimiter  between fields; "" where records have none (JSON, Excel)
    For JSON header and fields begin with the contract's columns; they, `extra` and `never_stored` are complete once
    `batches()` is exhausted. `_extra` is a JSON object of the filled cells outside the contract; its keys are places in
    the header, from 1, so that a name is kept once per file and not in each row.
    """

    remedy = "Fix the header"

    def __init__(self, path: Path, dataset: Dataset, name: str) -> None:
        self.path, self.dataset, self.name = path, dataset, name
        self.header: tuple[str, ...] = dataset.column_names
        self.fields: tuple[str | None, ...] = dataset.column_names
        self.extra: tuple[str, ...] = ()
        self.never_stored: tuple[str, ...] = ()
        self.delimiter, self.encoding, self.rows = "", "utf-8", 0
        self._sha = hashlib.sha256()
        self._defused = (
            False  # one of our own reject files, where an apostrophe stands before what looks like a formula
        )
        self._meaning = {alias: c.name for c in dataset.columns for alias in (c.name, *c.aliases)}

    @property
    def sha256(self) -> str:
        return self._sha.hexdigest()

    def batches(self) -> Iterator[pa.Table]:
        """Tables of `_line` int64, the contract's columns, `_extra` and `_record`, all string; at most a block each.

        All of them together are at most MAX_RATIO times as large as the file, or MIN_BOMB.
        """
        size, most = 0, max(MIN_BOMB, MAX_RATIO * self.path.stat().st_size)
        for table in self._tables():
            size += table.nbytes
            if size > most:
                what = f"its rows take more than {most // 1_000_000} MB, far more than the file; send it as plain .csv"
                raise self._error("too_large_rows", what)
            self.rows += len(table)
            yield table
        self.close()

    def _tables(self) -> Iterator[pa.Table]:
        raise NotImplementedError

    def close(self) -> None:
        """Release the file; harmless when it is closed."""

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _error(self, reason: str, what: str, line: int | None = None) -> SourceError:
        place = f", line {line}" if line else ""
        return SourceError(f"{self.name}{place}: {what}", path=self.name, line=line, reason=reason)

    def _column(self, header: str) -> str | None:
        """The contract column that a header names: 'Max Score', MAX-SCORE and maxScore all mean max_score."""
        spellings = (header, re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", header))
        names = (re.sub("[^a-z0-9]+", "_", spelling.lower()).strip("_") for spelling in spellings)
        return next((self._meaning[name] for name in names if name in self._meaning), None)

    def _match(self, names: Sequence[str], line: int) -> None:
        """Set header, fields and extra from the names in the file; refuse missing and repeated contract columns."""
        self._defused = any(re.match(r"\W*reject_(line|reasons|record)\W*$", name.lower()) for name in names)
        if len(names) > MAX_COLUMNS + len(OWN) * self._defused:
            raise self._error("too_many_columns", f"{len(names)} columns; at most {MAX_COLUMNS} are read", line)
        if self._defused:
            names = [formulas.restored(name) for name in names]
        header: list[str] = []
        taken: dict[str, int] = {}
        found: dict[str, str] = {}
        for position, name in enumerate((name.strip().lstrip("\ufeff") for name in names), 1):
            column = self._column(name)
            if column and column in found:
                raise self._repeated(found[column], name, column, line)
            if column:
                found[column] = name
            header.append(name if column else _unused(_short(name) or f"column {position}", taken))
            taken.setdefault(header[-1], 1)
        self.header = tuple(header)
        self.fields = tuple(self._column(name) for name in names)
        outside = {header[i]: (i + 1, name) for i, name in enumerate(names) if self.fields[i] is None}
        self._note_secret(unique for unique, (_, name) in outside.items() if self._is_secret(name))
        kept = {unique: place for unique, (place, _) in outside.items() if unique not in self.never_stored}
        self._keys = {unique: _key(place, unique) for unique, place in kept.items()}
        self._note_extra(self._keys)
        self._require(found, names, line)

    def _note_extra(self, names: Iterable[str]) -> None:
        self.extra += tuple(name for name in names if not re.match(r"\W*reject_", name.lower()))

    def _note_secret(self, names: Iterable[str]) -> None:
        self.never_stored += tuple(name for name in names if name not in self.never_stored)

    def _is_secret(self, name: str) -> bool:
        return is_secret(name, self.dataset.never_store)

    @property
    def absent(self) -> tuple[str, ...]:
        """The optional columns that the file lacks."""
        return self.dataset.absent(self.fields)

    def _declared_at(self) -> list[int | None]:
        """Where the declared columns stand in a record; None: the file lacks it."""
        return [self.fields.index(name) if name in self.fields else None for name in self.dataset.column_names]

    def _require(self, found: Container[str | None], names: Sequence[str], line: int | None) -> None:
        """Refuse a file without a column that is not optional. line: where its names stand; None = they are keys."""
        missing = [c.name for c in self.dataset.columns if c.name not in found and not c.optional]
        if not missing:
            return
        said = f"missing column{'s' * (len(missing) > 1)} {', '.join(map(repr, missing))}; "
        read = f"line {line} was read as the header" if line else "the keys are"
        if not any(self._column(name) in self.dataset.column_names for name in names):
            # a first row of data, perhaps: its cells are not shown
            said += f"{read}, and " * bool(line) + f"none of its {len(names)} names is known. "
        else:
            said += f"{read}: {listed(names)}{self._nearest(missing, names)}. "
        what = f"{said}{self.remedy} or add an alias in pipeline/datasets/{self.dataset.name}.py"
        raise self._error("missing_columns", what)

    def _nearest(self, missing: Sequence[str], names: Sequence[str]) -> str:
        """The unknown names of a header that look like the missing ones."""
        unknown = {name.strip().lower(): name for name in names if not self._column(name)}
        near = {column: difflib.get_close_matches(column, unknown, n=1) for column in missing}
        pairs = [f"{_shown(unknown[found[0]])} for {column!r}" for column, found in near.items() if found]
        return f"; nearest: {', '.join(pairs)}" if pairs else ""

    def _repeated(self, first: str, second: str, column: str, line: int) -> SourceError:
        what = f"columns {_shown(first)} and {_shown(second)} both mean '{column}'; remove or rename one"
        return self._error("repeated_column", what, line)


class _Text(Source):
    """What csv and json share: bytes -> valid UTF-8 without NUL, counted in lines."""

    def __init__(self, path: Path, dataset: Dataset, name: str, fallback: str, block_bytes: int) -> None:
        super().__init__(path, dataset, name)
        self._block = max(block_bytes, 4)
        self._zipped = path.name.lower().endswith(".gz")
        self._check_magic()
        self.encoding = self._decide_encoding(fallback)
        self._raw = io.BufferedReader(_Hashing(path, self._sha.update), 1 << 20)

    def close(self) -> None:
        self._raw.close()

    def _check_magic(self) -> None:
        with self.path.open("rb") as file:
            head = file.read(4)
        if not head:
            raise self._error("empty_file", "the file is empty (0 bytes); send it again")
        zipped = head.startswith(b"\x1f\x8b")
        if zipped and not self._zipped:
            raise self._error("not_gzip", f"is gzip-compressed; rename it to {_shown(self.path.name + '.gz')}")
        if self._zipped and not zipped:
            raise self._error("not_gzip", f"is not gzip-compressed; rename it to {_shown(self.path.name[:-3])}")
        kind = FORMATS[_suffix(self.path)]
        if head.startswith(b"PK\x03\x04"):
            excel = workbooks.is_workbook(self.path)
            what, remedy = (
                ("is an Excel workbook", "rename it to .xlsx") if excel else ("is a zip archive", "unpack it")
            )
            raise self._error(f"not_{kind}", f"{what} named {self.path.suffix}; {remedy}")
        if head in FOREIGN:
            raise self._error(f"not_{kind}", f"is {FOREIGN[head]} named {self.path.suffix}; save it as .xlsx or .csv")

    def _decide_encoding(self, fallback: str) -> str:
        """The one encoding of the whole file: by BOM, else UTF-8 if all of it is, else the fallback."""
        with self.path.open("rb") as raw:
            head = self._read(self._unpacked(raw), 4)
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            return "utf-16"
        if head.startswith(codecs.BOM_UTF8):  # it says what it is: one bad byte is damage, not another encoding
            fallback = ""
        return fallback if fallback and not self._is_utf8() else "utf-8"

    def _is_utf8(self) -> bool:
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            with self.path.open("rb") as raw:
                file = self._unpacked(raw)
                while piece := self._read(file, self._block):
                    if decoder.getstate()[0] or not piece.isascii():
                        decoder.decode(piece)
            decoder.decode(b"", True)
        except UnicodeDecodeError:
            return False
        return True

    def _unpacked(self, raw: BinaryIO | io.BufferedReader) -> Any:
        return gzip.GzipFile(fileobj=raw) if self._zipped else raw

    def _read(self, file: Any, size: int) -> bytes:
        try:
            data: bytes = file.read(size)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise self._error("not_gzip", "the gzip data is damaged or cut off; send the file again") from None
        if self._zipped and file.tell() > max(MIN_BOMB, MAX_RATIO * self.path.stat().st_size):
            what = f"unpacks to more than {MAX_RATIO} times its size; send it as it is, not compressed, if it is sound"
            raise self._error("too_large_archive", what)
        return data

    def _decoded(self, file: Any, encoding: str) -> Iterator[tuple[int, bytes]]:
        """(line number after the piece, UTF-8 piece); a piece never ends between \\r and \\n."""
        decoder = codecs.getincrementaldecoder(encoding)()
        line, fed, held, raw = 1, 0, b"", b"-"
        while raw:
            raw = self._read(file, self._block)
            first, fed = not fed, fed + len(raw)
            try:
                text = decoder.decode(raw, not raw)
            except UnicodeDecodeError as error:
                if not encoding.startswith("utf-16") and (nul := raw.find(b"\0")) >= 0:  # the more telling fault
                    raise self._nul(line + _newlines(held + raw[:nul])) from None
                line += _newlines(held + error.object[: error.start].decode(error.encoding, "replace").encode())
                raise self._undecodable(encoding, line, fed - len(error.object) + error.start) from None
            data = held + (raw if encoding == "utf-8" else text.encode())
            if first:
                data = data.removeprefix(codecs.BOM_UTF8)
            held = b"\r" if raw and data.endswith(b"\r") else b""
            data = data[: len(data) - len(held)]
            if (nul := data.find(b"\0")) >= 0:
                raise self._nul(line + _newlines(data[:nul]))
            line += _newlines(data)
            yield line, data

    def _undecodable(self, encoding: str, line: int, offset: int) -> SourceError:
        remedy = f"save the file as UTF-8, or declare its encoding in pipeline/datasets/{self.dataset.name}.py"
        return self._error("undecodable", f"byte {offset + 1} of the file is not valid {encoding}; {remedy}", line)

    def _nul(self, line: int) -> SourceError:
        what = "holds a NUL byte: the file is damaged, binary, or UTF-16 without a byte order mark; save it as UTF-8"
        return self._error("nul_byte", what, line)

    def _pieces(self) -> Iterator[tuple[int, bytes]]:
        yield from self._decoded(self._unpacked(self._raw), self.encoding)
        while self._raw.read(1 << 20):  # every byte is hashed, also those behind the last gzip member
            pass

    def _blocks(self) -> Iterator[tuple[int, int, bytes]]:
        """(first line, number of lines, block of whole lines); at most MAX_LINES of them."""
        line, rest = 1, b""
        for after, piece in self._pieces():
            cut = max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1
            if cut:
                yield from self._parts(line, after - line, rest + piece[:cut])
                line, rest = after, piece[cut:]
            else:
                rest += piece
            if len(rest) > MAX_RECORD:
                raise self._too_large(line)
        if rest:
            yield line, 1, rest + b"\n"

    def _parts(self, line: int, count: int, block: bytes) -> Iterator[tuple[int, int, bytes]]:
        if count <= MAX_LINES:
            yield line, count, block
            return
        starts, first = _line_starts(block), 0
        while first < count:
            last = min(first + MAX_LINES, count)
            yield line + first, last - first, block[starts[first] : starts[last]]
            first = last

    def _too_large(self, line: int) -> SourceError:
        what = f"a record of more than {MAX_RECORD // 1_000_000} MB; the line ends are missing or the file is damaged"
        return self._error("too_large_record", what, line)


class _Csv(_Text):
    """Delimited text. See the module's docstring for how lines are found."""

    def __init__(self, path: Path, dataset: Dataset, name: str, fallback: str, block_bytes: int) -> None:
        super().__init__(path, dataset, name, fallback, block_bytes)
        self._rest = self._blocks()
        try:
            self._line, head = self._head()
            self._first = head[self._read_header(head) :]
        except BaseException:
            self.close()
            raise
        delimiter = self.delimiter.encode()
        # A last row of our own, told by the NUL that no file may hold: swallowed when a quote before it is open.
        self._sentinel = b"\0" + delimiter * (len(self.header) - 1) + b"\n"
        self._sound_fields, self._sound = _sound_patterns(delimiter)

    def _head(self) -> tuple[int, bytes]:
        """(line, text) from the first line that is not blank; enough text to hold any header."""
        line, head = 1, b""
        for start, _, block in self._rest:
            if not head:
                line = start
            head += block
            if not head.strip():
                head = b""
            elif len(head) > MAX_HEADER:
                break
        if not head:
            raise self._error("empty_file", "the file is empty (no header line); send it again")
        lines = head.splitlines(keepends=True)
        skip = next(i for i, text in enumerate(lines) if text.strip())
        skip += re.fullmatch(rb'"?sep=."?\s*', lines[skip]) is not None  # Excel's own hint about the delimiter
        return line + skip, b"".join(lines[skip:])

    def _read_header(self, head: bytes) -> int:
        """Choose the delimiter that gives the most contract columns; the number of bytes the header takes."""
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
            matched = len({self._column(name) for name in names} - {None})
            if best is None or (matched, len(names)) > best[:2]:
                best = matched, len(names), delimiter, names, reader.line_num
        if wide and (best is None or not best[0]):
            raise self._too_wide()
        if best is None or (unclosed and not best[0]):
            raise self._error("unclosed_quote", "a quote in the header is not closed; close or remove it", self._line)
        _, _, self.delimiter, names, taken = best
        self._match(names, self._line)
        self._line += taken
        return sum(map(len, lines[:taken]))

    def _too_wide(self) -> SourceError:
        what = f"a column name of more than {csv.field_size_limit() // 1000} kB: the file is damaged, or no table"
        return self._error("too_large_record", what, self._line)

    def _tables(self) -> Iterator[pa.Table]:
        line, carry = self._line, b""
        first = self._parts(line, _newlines(self._first), self._first) if self._first else ()
        expected = line
        for start, count, block in chain(first, self._rest):
            if start != expected:
                raise AssertionError("the reader lost lines")
            expected = start + count
            if carry:
                block, count = carry + block, count + start - line
            else:
                line = start
            table, used, line = self._parse(block, line, count)
            carry = block[used:]
            if len(carry) > MAX_RECORD:
                raise self._unclosed(carry, line, f"within {MAX_RECORD // 1_000_000} MB")
            if len(table):
                yield table
        if carry:
            raise self._unclosed(carry, line, "up to the end of the file")

    def _parse(self, block: bytes, line: int, count: int) -> tuple[pa.Table, int, int]:
        """(table, bytes used, next line) of `count` whole lines; a last record with an open quote is left unused."""
        quoted = b'"' in block
        good, bad = self._records(block + self._sentinel if quoted else block, len(self.header))
        closed = not quoted or (len(good) > 0 and good[0][-1].as_py() == "\0")
        if quoted and closed:
            good = good.slice(0, len(good) - 1)
        is_bad = np.zeros(len(good) + len(bad), bool)
        is_bad[[row.number - 1 for row in bad]] = True
        heights = np.ones(len(is_bad), np.int64)
        if not closed or len(heights) != count:
            heights[~is_bad] += _newlines_inside(good)
            heights[is_bad] += np.array([_newlines(row.text.encode()) for row in bad], np.int64)
        starts = line + np.cumsum(heights) - heights
        used, after = len(block), line + count
        if not closed:
            after = int(starts[-1])
            used = int(_line_starts(block)[after - line])
            good, bad = (good, bad[:-1]) if is_bad[-1] else (good.slice(0, len(good) - 1), bad)
            is_bad, starts, heights = is_bad[:-1], starts[:-1], heights[:-1]
        if len(heights) and heights.max() > 1:
            self._check_sound(block[:used], line)
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

    def _check_sound(self, block: bytes, line: int) -> None:
        """Refuse a quoted field that runs over line ends and closes amid text: an earlier quote was never closed."""
        position = 0
        while position < len(block):
            match = self._sound.match(block, position)
            if match is None:
                raise self._unclosed(block[position:], line + _newlines(block[:position]), "before the next one")
            position = match.end()

    def _unclosed(self, text: bytes, line: int, until: str) -> SourceError:
        match = self._sound_fields.match(text)
        opened = line + _newlines(match.group()) if match else line
        what = f"a quote that opens a field is not closed {until}; close it, or double the quotes inside the field"
        return self._error("unclosed_quote", what, opened)

    def _assemble(
        self, good: pa.Table, bad: list[Any], starts: np.ndarray, is_bad: np.ndarray, block: bytes, line: int
    ) -> pa.Table:
        """Columns in the contract's order, blank lines left out, records of wrong width put in their places."""
        if self._defused:
            restored = [
                pa.chunked_array([pa.array(map(formulas.restored, column.to_pylist()), pa.string())])
                for column in good.columns
            ]
            good = pa.Table.from_arrays(restored, good.column_names)
        columns = [None if place is None else good.column(place) for place in self._declared_at()]
        table = _table(self.dataset, starts[~is_bad], columns, self._extra_json(good), None)
        empty = _all_empty([column for column in columns if column is not None])
        if empty.any():  # ",,," is a record, a blank line is none
            lead = np.frombuffer(block, np.uint8)[_line_starts(block)[starts[~is_bad] - line]]
            table = table.filter(pa.array(~empty | (lead != 10) & (lead != 13)))
        kept = [(start, row.text) for start, row in zip(starts[is_bad], bad, strict=True) if row.text.strip(" \t")]
        if not kept:
            return table
        lines, records = zip(*kept, strict=True)
        if self.never_stored:  # which of its fields is the password, nobody knows
            records = (NOT_STORED,) * len(lines)
        nothing = [pa.nulls(len(lines), pa.string())] * len(columns)
        return _merged(table, _table(self.dataset, lines, nothing, None, list(records)))

    def _extra_json(self, good: pa.Table) -> pa.Array | None:
        parts: list[pa.Array] = []
        for name, column in zip(self.header, good.columns, strict=True):
            if name in self._keys and pc.max(pc.binary_length(column)).as_py():
                key = f',"{self._keys[name]}":'
                cells = [key + _quoted(cell) if cell else "" for cell in column.to_pylist()]
                parts.append(pa.array(cells, pa.string()))
        if not parts:
            return None
        joined = pc.binary_join_element_wise(*parts, "")
        whole = pc.binary_join_element_wise("{", pc.utf8_slice_codeunits(joined, 1), "}", "")
        return pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), whole)


class _Number(str):
    """A JSON number's source text."""


class _Json(_Text):
    """An array of objects, or one object a line."""

    remedy = "Fix the keys of its objects (an array of them, or one a line)"

    def __init__(self, path: Path, dataset: Dataset, name: str, fallback: str, block_bytes: int) -> None:
        super().__init__(path, dataset, name, fallback, block_bytes)
        self._decoder = json.JSONDecoder(
            parse_float=_Number, parse_int=_Number, parse_constant=_Number, strict=False, object_pairs_hook=_Pairs
        )
        self._places = {column: i for i, column in enumerate(dataset.column_names)}
        self._meant: dict[str, str | None] = {}  # flattened key -> contract column
        self._names: dict[str, str] = {}  # name outside the contract -> key in `_extra`
        self._layouts: dict[tuple[str, ...], list[tuple[int, str]]] = {}
        self._kept = 0  # characters of keys in layouts
        self._objects = 0
        self._first_fault: tuple[int, int, str] | None = None
        self._array = _suffix(path) == "json" and self._starts_array()

    def _starts_array(self) -> bool:
        with self.path.open("rb") as raw:
            for _, piece in self._decoded(self._unpacked(raw), self.encoding):
                if piece.strip():
                    return piece.lstrip().startswith(b"[")
        return False

    def _tables(self) -> Iterator[pa.Table]:
        rows: list[tuple[Any, ...]] = []
        size = 0
        blank = True
        for line, text, value in self._elements() if self._array else self._lines():
            blank = False
            try:
                rows.append(self._row(line, text, value))
            except RecursionError:  # hundreds of objects in one another: no row of ours
                rows.append(self._row(line, text, None))
            size += len(text)
            if size >= self._block or len(rows) >= MAX_LINES:
                yield self._rows_table(rows)
                rows, size = [], 0
        if rows:
            yield self._rows_table(rows)
        self._check_columns(blank)
        self.header += tuple(self._names)
        given = set(self._meant.values())
        fields = (name if name in given else None for name in self.dataset.column_names)
        self.fields = (*fields, *(None for _ in self._names))

    def _rows_table(self, rows: list[tuple[Any, ...]]) -> pa.Table:
        lines, *columns, extra, record = zip(*rows, strict=True)
        return _table(self.dataset, lines, columns, extra, record)

    def _check_columns(self, blank: bool) -> None:
        if blank:
            if not self._array:
                raise self._error("empty_file", "the file is empty (no JSON); send it again")
            return
        if not self._objects:
            line, column, fault = self._first_fault or (1, 1, "no element is an object")
            what = f"column {column}: {fault}; the file needs a JSON array of objects, or one JSON object a line"
            raise self._error("not_json", what, line)
        self._require(set(self._meant.values()), list(self._meant), None)

    def _row(self, line: int, text: str, value: Any) -> tuple[Any, ...]:
        """(line, contract values..., extra, record); only its text if it is no object, or none that can be held."""
        values: list[str | None] = [None] * len(self._places)
        extra: dict[str, str] = {}
        if not isinstance(value, _Pairs):
            return (line, *values, None, self._whole(text))
        self._objects += 1
        keys, items = zip(*value, strict=True) if value else ((), ())
        layout = None if "\\u" in text or _Pairs in map(type, items) else self._layouts.get(keys)
        if layout is None:
            keys, items = self._cells(value, line)
            if "\\u" in text and not all(map(_storable, (*keys, *items))):
                self._meant |= {key: column for key in keys if (column := self._column(key))}
                return (line, *values, None, self._whole(text))
            layout = self._layout(keys, line)
        for (place, name), item in zip(layout, items, strict=True):
            if item is not None and not isinstance(item, str):
                item = _compact(item, self._hidden)
            if place >= 0:
                values[place] = item
            elif item:
                extra[name] = item
        return (line, *values, json.dumps(extra, ensure_ascii=False) if extra else None, None)

    def _cells(self, value: _Pairs, line: int) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
        """(keys, texts) of an object, flattened, without what is never stored."""
        pairs = list(islice(_flat(value, self._hidden), MAX_COLUMNS + 1))
        if len(pairs) > MAX_COLUMNS:
            raise self._misshapen("too_many_columns", f"more than {MAX_COLUMNS} keys", line)
        keys = tuple(key for key, _ in pairs)
        texts = (item if item is None or isinstance(item, str) else _compact(item, self._hidden) for _, item in pairs)
        return keys, tuple(texts)

    def _hidden(self, key: str) -> bool:
        """Whether what stands under a key is never stored; the file is known to have it then."""
        if not self._is_secret(key):
            return False
        if len(self.never_stored) < MAX_COLUMNS and _storable(key):
            self._note_secret([_short(key)])
        return True

    def _whole(self, text: str) -> str:
        """A record as it is; not at all when it speaks of what is never stored."""
        return NOT_STORED if speaks_of_secrets(text, self.dataset.never_store) else text

    def _layout(self, keys: tuple[str, ...], line: int) -> list[tuple[int, str]]:
        """For each key of an object: (place of its contract column, "") or (-1, key in `_extra`)."""
        if keys in self._layouts:
            return self._layouts[keys]
        names: dict[str, str] = {}
        taken: dict[str, int] = {}
        layout: list[tuple[int, str]] = []
        for key in keys:
            column = self._meant[key] if key in self._meant else self._column(key)
            if column in names:
                what = f"keys {_shown(names[column])} and {_shown(key)} both mean '{column}'; remove or rename one"
                raise self._misshapen("repeated_column", what, line)
            if column:
                names[column] = key
                layout.append((self._places[column], ""))
            else:
                if key not in self._meant:
                    self._note_extra([key])
                name = _unused(key, taken)
                layout.append((-1, self._names.setdefault(name, _key(len(self._places) + len(self._names) + 1, name))))
            self._meant[key] = column
        if max(len(self._meant), len(self._names)) > MAX_COLUMNS:
            what = f"here the file has more than {MAX_COLUMNS} different keys; is a key a value?"
            raise self._misshapen("too_many_columns", what, line)
        size = sum(map(len, keys))
        if len(self._layouts) < 1000 and self._kept + size < MAX_HEADER:  # real files have a handful
            self._layouts[keys], self._kept = layout, self._kept + size
        return layout

    def _misshapen(self, reason: str, what: str, line: int) -> SourceError:
        """An error of one object, which an array counts from 1."""
        place = f"element {line}: " if self._array else ""
        return self._error(reason, place + what, None if self._array else line)

    def _lines(self) -> Iterator[tuple[int, str, Any]]:
        for start, _, block in self._blocks():
            for line, raw in enumerate(block.splitlines(), start):
                text = raw.decode().strip(" \t")
                if text:
                    yield line, text, self._value(line, text)

    def _value(self, line: int, text: str) -> Any:
        try:
            if _holds_too_much(text):
                raise json.JSONDecodeError(f"more than {MAX_VALUES:,} values", text, 0)
            return self._decoder.decode(text)
        except (json.JSONDecodeError, RecursionError) as error:
            if self._first_fault is None:
                self._first_fault = (line, getattr(error, "colno", 1), _fault(error))
            return None

    def _elements(self) -> Iterator[tuple[int, str, Any]]:
        """(index from 1, text, value) of each element of the array, parsed as the pieces come."""
        window = _Window(self, codecs.iterdecode((piece for _, piece in self._pieces()), "utf-8"))
        window.take("[")
        if window.peek() == "]":
            window.take("]")
            return window.finish()
        index = 0
        while True:
            index += 1
            yield (index, *window.value(self._decoder))
            if window.take(",]") == "]":
                return window.finish()


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as (key, value) pairs, so that a repeated key is seen."""


class _Window:
    """The unread part of a JSON text; grows only while a value is incomplete."""

    def __init__(self, source: _Text, pieces: Iterator[str]) -> None:
        self.source, self.pieces = source, pieces
        self.text, self.at, self.line, self.column = "", 0, 1, 1

    def more(self) -> bool:
        for piece in self.pieces:
            if piece:
                self.line, self.column = self.place(self.at)
                self.text, self.at = self.text[self.at :] + piece, 0
                return True
        return False

    def place(self, at: int) -> tuple[int, int]:
        before = self.text[:at].encode(errors="replace")
        lines = _newlines(before)
        last = max(before.rfind(b"\n"), before.rfind(b"\r")) + 1
        column = len(before[last:].decode()) + 1
        return self.line + lines, column if lines else self.column + column - 1

    def fail(self, at: int, fault: str) -> SourceError:
        line, column = self.place(at)
        return self.source._error("not_json", f"column {column}: {fault}; repair the JSON or send the file again", line)

    def peek(self) -> str:
        while True:
            self.at = _BLANKS.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text) or not self.more():
                return self.text[self.at : self.at + 1]

    def take(self, expected: str) -> str:
        found = self.peek()
        if not found or found not in expected:
            raise self.fail(self.at, f"expected {' or '.join(map(repr, expected))}")
        self.at += 1
        return found

    def value(self, decoder: json.JSONDecoder) -> tuple[str, Any]:
        self.peek()
        while True:
            fault: tuple[int, str] | None = None
            try:
                value, end = decoder.raw_decode(self.text, self.at)
                if end < len(self.text):
                    text, self.at = self.text[self.at : end], end
                    return text, value
            except RecursionError as error:
                end = _end_of_nesting(self.text, self.at)
                if end:
                    text, self.at = self.text[self.at : end], end
                    return text, None
                fault = self.at, _fault(error)
            except json.JSONDecodeError as error:
                fault = error.pos, _fault(error)
            if _holds_too_much(self.text, self.at):  # what is left of the text belongs to this element
                if fault is None or fault[0] > len(self.text) - 100:  # else it is wrong before it is too long
                    fault = self.at, f"an element of more than {MAX_VALUES:,} values"
                raise self.fail(*fault)
            too_long = len(self.text) - self.at > MAX_RECORD
            if too_long or not self.more():
                at, what = fault or (len(self.text), "the array is not closed")
                raise self.fail(at, what + " (or an element of more than 16 MB)" * too_long)

    def finish(self) -> None:
        if self.peek():
            raise self.fail(self.at, "text after the end of the array")


class _Sheet(Source):
    """The first sheet of an Excel workbook, as text."""

    def __init__(self, path: Path, dataset: Dataset, name: str, block_bytes: int) -> None:
        super().__init__(path, dataset, name)
        self._check_kind()
        self._reader = workbooks.Reader(
            path, self._sha.update, most=MAX_WORKBOOK, ratio=MAX_RATIO, block=max(block_bytes, 1)
        )
        self._rows = self._batches()
        try:
            rows = next(self._rows, None)
            if not rows:
                raise self._error("empty_file", "the first sheet is empty; send the file again")
            (line, names), *self._first = rows
            self._match(names, line)
        except BaseException:
            self.close()
            raise

    def _check_kind(self) -> None:
        size = self.path.stat().st_size
        if not size:
            raise self._error("empty_file", "the file is empty (0 bytes); send it again")
        if size > workbooks.MAX_PACKED:
            what = f"a workbook of {size // 1_000_000} MB is not read; export the sheet as .csv"
            raise self._error("too_large_workbook", what)
        with self.path.open("rb") as file:
            head = file.read(4)
        if head in FOREIGN:
            remedy = "save it as .xlsx, or if it is text rename it to .csv"
            raise self._error("not_xlsx", f"is {FOREIGN[head]}; {remedy}")

    def _batches(self) -> Iterator[list[workbooks.Row]]:
        try:
            yield from self._reader.batches()
        except workbooks.UnsafeError as error:
            raise self._error(error.reason, str(error)) from None

    def close(self) -> None:
        self._reader.close()

    def _tables(self) -> Iterator[pa.Table]:
        for rows in chain([self._first], self._rows):
            for line, cells in rows:
                if any("\0" in cell for cell in cells):
                    raise self._error("nul_byte", "a cell holds a NUL character; remove it", line)
            if self._defused:
                rows = [(line, [formulas.restored(cell) for cell in cells]) for line, cells in rows]
            if rows:
                yield self._rows_table([(line, *cells) for line, cells in rows])

    def _rows_table(self, rows: list[tuple[Any, ...]]) -> pa.Table:
        lines, *cells = zip(*rows, strict=True)
        columns = [None if place is None else cells[place] for place in self._declared_at()]
        outside = [(self._keys[name], cells[i]) for i, name in enumerate(self.header) if name in self._keys]
        filled = ({key: values[row] for key, values in outside if values[row]} for row in range(len(lines)))
        extra = [json.dumps(cells, ensure_ascii=False) if cells else None for cells in filled] if outside else None
        return _table(self.dataset, lines, columns, extra, None)


class _Hashing(io.RawIOBase):
    """A file that shows every byte read from it to `update`."""

    def __init__(self, path: Path, update: Callable[[memoryview], None]) -> None:
        self._file, self._update = path.open("rb", buffering=0), update

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = self._file.readinto(buffer) or 0
        self._update(memoryview(buffer)[:size])
        return size

    def close(self) -> None:
        self._file.close()
        super().close()


def open_source(
    path: Path, dataset: Dataset, *, name: str | None = None, encoding: str = "", block_bytes: int = 4_000_000
) -> Source:
    """Open a .csv .tsv .txt .json .jsonl .ndjson (each also .gz) or .xlsx file as batches of text columns.

    name         how errors call the file (default: its name)
    encoding     what text that is not UTF-8 is read as, instead of the contract's; "" keeps the contract's
    block_bytes  bytes of text parsed at once; memory is about ten times that, or a whole sheet for .xlsx
    Raises SourceError for a file that is not what its name says or lacks a column; `batches()` raises it for the rest.
    """
    name = name or path.name
    kind = FORMATS.get(_suffix(path))
    fallback = encoding or dataset.encoding
    if kind is None or (kind == "xlsx" and path.suffix.lower() == ".gz"):
        what = f"{_shown(path.suffix)} files are not read; send .csv, .tsv, .txt, .json, .jsonl, .ndjson or .xlsx"
        raise SourceError(f"{name}: {what}", path=name, line=None, reason="unknown_format")
    try:
        if path.exists() and not path.is_file():  # to open a pipe is to wait for who writes to it
            raise SourceError(f"{name}: is not a regular file", path=name, line=None, reason="unreadable")
        codecs.lookup(fallback or "utf-8")
        if kind == "xlsx":
            return _Sheet(path, dataset, name, block_bytes)
        return (_Csv if kind == "csv" else _Json)(path, dataset, name, fallback, block_bytes)
    except LookupError:
        what, reason = f"there is no encoding {_shown(fallback)}; correct it in the configuration", "unknown_encoding"
    except OSError as error:
        what, reason = f"cannot be opened ({error.strerror}); check that it exists and may be read", "unreadable"
    raise SourceError(f"{name}: {what}", path=name, line=None, reason=reason)


def _suffix(path: Path) -> str:
    return path.name.lower().removesuffix(".gz").rpartition(".")[2]


def _shown(name: str) -> str:
    return listed([name])


def listed(names: Sequence[str], written: Callable[[str], str] = repr) -> str:
    """Names from a file, as they may be printed: not thousands of them, and none of thousands of letters."""
    said = [written(name if len(name) <= 60 else name[:60] + "...") for name in names[:MOST_LISTED]]
    return ", ".join(said) + (f" and {len(names) - len(said):,} more" if len(names) > len(said) else "")


def _key(place: int, name: str) -> str:
    """Of a column in `_extra`: its place in the header; our own columns keep their names, by which SQL finds them."""
    return name if name in OWN else str(place)


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME else name[:MAX_NAME] + "..."


def _unused(name: str, taken: dict[str, int]) -> str:
    """The name, or with ' (2)' and so on behind it; taken: each name that was given, and the last number tried."""
    unused, number = name, taken.get(name, 0)
    while unused in taken:
        number += 1
        unused = f"{name} ({number})"
    taken[name] = max(number, 1)
    taken.setdefault(unused, 1)
    return unused


def _fault(error: Exception) -> str:
    # only the fixed part of the message: the rest could quote the file
    fault = error.msg.partition(":")[0] if isinstance(error, json.JSONDecodeError) else "nested too deeply"
    return fault.removesuffix(" starting at")


def _newlines(data: bytes) -> int:
    count = data.count(b"\n")
    return count + data.count(b"\r") - data.count(b"\r\n") if b"\r" in data else count


def _newlines_inside(table: pa.Table) -> np.ndarray:
    """Line ends inside the values of each row."""
    total = np.zeros(len(table), np.int64)
    for column in table.columns:
        text = b"".join(chunk.buffers()[2] or b"" for chunk in column.chunks)
        for pattern, sign in (("\n", 1), ("\r", 1), ("\r\n", -1)):
            if pattern.encode() in text:  # most columns hold none, and counting costs 30 ns a value
                total += sign * pc.count_substring(column, pattern).to_numpy()
    return total


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


def _line_starts(block: bytes) -> np.ndarray:
    """The offset at which each line of a block starts, and the block's length."""
    data = np.frombuffer(block, np.uint8)
    ends = (data == 10) | (data == 13)
    ends[:-1] &= ~((data[:-1] == 13) & (data[1:] == 10))
    return np.concatenate(([0], np.flatnonzero(ends) + 1))


def _sound_patterns(delimiter: bytes) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Fields, and up to a thousand whole records, in which no quoted field that spans lines is followed by text."""
    stop = rb"\r\n" + re.escape(delimiter)
    clean = rb'"(?:[^"]++|"")*+"(?=[%s])' % stop
    one_line = rb'"(?:[^"\r\n]++|"")*+"[^%s]*+' % stop
    plain = rb'(?!")[^%s]*+' % stop
    field = rb"(?:%s|%s|%s)" % (clean, one_line, plain)
    fields = rb"(?:%s%s)*+" % (field, re.escape(delimiter))
    return re.compile(fields), re.compile(rb"(?:%s%s(?:\r\n?|\n)){1,1000}+" % (fields, field))


def _table(dataset: Dataset, lines: Any, columns: Sequence[Any], extra: Any, record: Any) -> pa.Table:
    size = len(lines)
    texts = [
        pa.nulls(size, pa.string())
        if values is None
        else values
        if isinstance(values, pa.Array | pa.ChunkedArray)
        else pa.array(values, pa.string())
        for values in (*columns, extra, record)
    ]
    names = ["_line", *dataset.column_names, "_extra", "_record"]
    return pa.Table.from_arrays([pa.array(lines, pa.int64()), *texts], names)


def _flat(
    pairs: Iterable[tuple[str, Any]], hidden: Callable[[str], bool], parent: str = "", depth: int = 1
) -> Iterator[tuple[str, Any]]:
    """The leaves of nested objects, each under the keys that lead to it; none of what is never stored."""
    if depth > MAX_DEPTH:
        raise RecursionError
    for key, value in pairs:
        name = parent + key
        if hidden(key) or (parent and hidden(name)):
            continue
        name = _short(name)
        if isinstance(value, _Pairs) and value:
            yield from _flat(value, hidden, f"{name}_", depth + 1)
        else:
            yield name, value


def _compact(value: Any, hidden: Callable[[str], bool], depth: int = 1) -> str:
    """JSON without blanks; a number is its source text, and what is never stored null."""
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, _Pairs):
        pairs = ((key, None if hidden(key) else item) for key, item in value)
        return "{" + ",".join(f"{_quoted(key)}:{_compact(item, hidden, depth + 1)}" for key, item in pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_compact(item, hidden, depth + 1) for item in value) + "]"
    return value if isinstance(value, _Number) else _quoted(value)


_quoted = json.JSONEncoder(ensure_ascii=False).encode
_BLANKS = re.compile("[ \t\r\n]*+")
_NESTING = re.compile(r'"(?:[^"\\]++|\\.|\\\Z)*+(?:"|\Z)|[\[\]{}]', re.S)


def _end_of_nesting(text: str, start: int) -> int:
    """Where the array or object that starts there ends, told by its brackets alone; 0 = not in this text."""
    depth = 0
    for token in _NESTING.finditer(text, start):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if not depth:
            return token.end() if token.end() < len(text) else 0
    return 0


def _holds_too_much(text: str, start: int = 0) -> bool:
    """Whether a JSON text has more values than is read: told by its commas, before it is built."""
    return len(text) - start > MAX_VALUES and text.count(",", start) > MAX_VALUES


def _storable(text: str | None) -> bool:
    """No NUL and no lone surrogate, which JSON can write as \\u escapes and PostgreSQL cannot hold."""
    return text is None or ("\0" not in text and text.isascii()) or not re.search("[\0\ud800-\udfff]", text)
