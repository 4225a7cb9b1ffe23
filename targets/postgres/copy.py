"""Rows in and out by COPY: Arrow tables, made in a thread ahead of their use."""

from __future__ import annotations

import contextlib
import io
import queue
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from sqlalchemy import Connection

T = TypeVar("T")

MAX_CHUNK = 16_000_000  # bytes of a chunk of rows read: a hundred thousand of a few megabytes each are too many


def copy_in(db: Connection, table: str, tables: Iterable[pa.Table]) -> None:
    """COPY Arrow tables into the columns of the same names. Text is sent as it is; null is NULL, '' stays ''."""
    tables = iter(tables)
    first = next(tables, None)
    if first is None:
        return

    def encoded() -> Iterator[pa.Buffer]:
        yield _encode(first)
        yield from map(_encode, tables)

    columns = ", ".join(f'"{name}"' for name in first.column_names)
    chunks = ahead(encoded())
    source = _Chunks(chunks)
    try:
        with raw_cursor(db) as cursor:
            cursor.copy_expert(f"copy {table} ({columns}) from stdin", source, size=1 << 18)
    except psycopg2.Error:
        if source.error is not None:
            raise source.error from None
        raise
    finally:
        chunks.close()  # type: ignore[attr-defined]


# Backslash first; a quote only because Arrow writes none without quoting, too, which COPY's text format does not know.
ESCAPES = {"\\": r"\\", '"': r"\x22", "\t": r"\t", "\n": r"\n", "\r": r"\r"}


def _encode(table: pa.Table) -> pa.Buffer:
    """Rows in COPY's text format: a million events load in 1.45 s, in 1.6 as CSV, where each text is in quotes."""
    sink = pa.BufferOutputStream()
    options = pa.csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none", batch_size=10_000)
    pa.csv.write_csv(pa.table(list(map(_as_copied, table.columns)), table.column_names), sink, options)
    return sink.getvalue()


def _as_copied(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column with special characters escaped and \\N for nothing; what Arrow writes as COPY reads it, as it is."""
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        # The session's time zone is UTC; writing a zone takes forty times as long (95 ms against 2.5 for 100,000).
        column = column.cast(pa.timestamp("us"))
    elif not (pa.types.is_primitive(kind) or pa.types.is_decimal(kind)):
        column = column.cast(pa.string())
        held = [_bytes(chunk) for chunk in column.chunks if len(chunk)]
        for special, escaped in ESCAPES.items():
            if any(special.encode() in text for text in held):  # most columns have none, and this is seen quickly
                column = pc.replace_substring(column, special, escaped)
    return column.cast(pa.string()).fill_null(r"\N") if column.null_count else column


def _bytes(texts: pa.StringArray) -> bytes:
    """All texts of an array, one after the other."""
    _, offsets, data = texts.buffers()
    places = memoryview(offsets).cast("i")
    start, end = places[texts.offset], places[texts.offset + len(texts)]
    return data[start:end].to_pybytes() if data else b""


class _Chunks(io.RawIOBase):
    """A file to read from, made of byte chunks."""

    def __init__(self, chunks: Iterator[pa.Buffer]) -> None:
        self._chunks, self._rest = chunks, memoryview(b"")
        self.error: BaseException | None = None  # of whoever makes the chunks: the driver makes another one of it

    def read(self, size: int = -1) -> bytes:
        while not self._rest:
            try:
                chunk = next(self._chunks, None)
            except BaseException as error:
                self.error = error
                raise
            if chunk is None:
                return b""
            self._rest = memoryview(chunk)
        if size < 0:
            size = len(self._rest)
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)


class Spool:
    """Rows set aside while another COPY runs on the connection: in memory while they are few, else on disk."""

    def __init__(self, db: Connection, table: str, columns: Sequence[str]) -> None:
        self._db, self._table, self._columns = db, table, list(columns)
        self._file: Any = tempfile.SpooledTemporaryFile(max_size=16_000_000)  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def add(self, rows: pa.Table) -> None:
        if len(rows):
            self._file.write(_encode(rows.select(self._columns)))

    def copy_in(self) -> None:
        """Send what was set aside."""
        self._file.seek(0)
        names = ", ".join(f'"{name}"' for name in self._columns)
        with raw_cursor(self._db) as cursor:
            cursor.copy_expert(f"copy {self._table} ({names}) from stdin", self._file, size=1 << 18)


def copy_out(
    db: Connection, query: str, parameters: dict[str, Any], types: dict[str, pa.DataType], chunk_rows: int
) -> Iterator[pa.Table]:
    """The rows of a query by COPY, as Arrow tables of the given column types and up to `chunk_rows` rows, or 16 MB."""

    def produce(put: Callable[[pa.Table], None]) -> None:
        sink = _Sink(chunk_rows, lambda rows: put(_decode(rows, types)))
        with raw_cursor(db) as cursor:
            cursor.copy_expert(cursor.mogrify(f"copy ({query}) to stdout (format csv)", parameters).decode(), sink)
        sink.flush()

    return pushed(produce)


class _Sink:
    """A file that COPY writes to, one row at a time; hands them on in chunks."""

    def __init__(self, chunk_rows: int, full: Callable[[bytes], None]) -> None:
        self._rows: list[bytes] = []
        self._chunk_rows, self._full, self._size = chunk_rows, full, 0

    def write(self, row: bytes) -> None:
        rows = self._rows
        rows.append(row)
        self._size += len(row)
        if len(rows) >= self._chunk_rows or self._size >= MAX_CHUNK:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            rows = b"".join(self._rows)
            self._rows.clear()
            self._size = 0
            self._full(rows)


def _decode(rows: bytes, types: dict[str, pa.DataType]) -> pa.Table:
    return pa.csv.read_csv(
        pa.BufferReader(rows),
        # one thread: others are busy with the chunks before and after
        read_options=pa.csv.ReadOptions(column_names=list(types), use_threads=False, block_size=len(rows) + 1),
        # an empty line is a row whose one column is NULL
        parse_options=pa.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pa.csv.ConvertOptions(
            column_types=types, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""]
        ),
    )


@contextlib.contextmanager
def raw_cursor(db: Connection) -> Iterator[Any]:
    """psycopg2's own cursor, inside the connection's transaction."""
    driver: Any = db.connection.driver_connection
    with driver.cursor() as cursor:
        yield cursor


def ahead(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """The same items, made in a thread `depth` ahead of their use: reading, cleaning and writing overlap."""

    def produce(put: Callable[[T], None]) -> None:
        try:
            for item in items:
                put(item)
        finally:
            if isinstance(items, Generator):
                items.close()

    return pushed(produce, depth)


class _Stopped(Exception):
    """Nobody wants more items."""


def pushed(produce: Callable[[Callable[[T], None]], None], depth: int = 2) -> Iterator[T]:
    """The items that `produce` puts, in a thread of its own, `depth` ahead of their use."""
    slots: queue.Queue[tuple[str, Any]] = queue.Queue(depth)
    stop = threading.Event()

    def put(item: T, kind: str = "item") -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                return slots.put((kind, item), timeout=0.1)
        raise _Stopped

    def work() -> None:
        end: tuple[str, Any] = ("end", None)
        try:
            produce(put)
        except BaseException as error:
            end = ("error", error)
        with contextlib.suppress(_Stopped):
            put(end[1], end[0])

    # COPY takes the interpreter's lock once per row: waiting 5 ms for it each time costs a sixth of a load.
    sys.setswitchinterval(0.0001)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            kind, value = slots.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        stop.set()
        thread.join()
