"""A PostgreSQL database: transactions, locks, and rows in and out by COPY.

Connections are never pooled (NullPool): a pooled connection that crosses a fork answers to the wrong process.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import os
import queue
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psycopg2
import psycopg2.extensions
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from sqlalchemy import URL, Connection, Engine, create_engine, exc, make_url, text
from sqlalchemy.pool import NullPool

from init_db import server
from targets import lifeline

T = TypeVar("T")

# A dead client is noticed in half a second, not when its query ends; a hung one loses its transaction, so its locks.
# Nor does a line that went dead hold our locks for two hours, as it would by the system's own settings of TCP.
# Servers on systems that can't watch a socket refuse the last setting: then it stays off.
SESSION = """
set timezone = 'UTC';
set datestyle = 'ISO';
set tcp_keepalives_idle = 10;
set tcp_keepalives_interval = 5;
set tcp_keepalives_count = 3;
set tcp_user_timeout = 30000;
set idle_in_transaction_session_timeout = '15min';
do $$ begin
    perform set_config('client_connection_check_interval', '500ms', false);
exception when others then null;
end $$
"""
# Losing the last commits in a power cut is safe here: the data and the record that it is done are lost together.
# What a build reads was written shortly before and is in memory: pages cost little beside rows, and a few thousand
# changed rows are looked up by index, not by reading the table (25 ms against 90 in a million rows).
# Rows that a policy of others hides from us are an error, not rows that are missing.
BULK = """
set local synchronous_commit = off;
set local work_mem = '96MB';
set local maintenance_work_mem = '256MB';
set local default_statistics_target = 10;
set local seq_page_cost = 0.1;
set local random_page_cost = 0.1;
set local row_security = off
"""
TIMEOUT = 10  # seconds for a connection
SILENCE = 30.0  # seconds in which a server that did not answer is not asked again: a run has fifty steps
MAX_CHUNK = 16_000_000  # bytes of a chunk of rows read: a hundred thousand of a few megabytes each are too many
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
VERIFIED = ("require", "verify-ca", "verify-full")  # sslmodes that send nothing in the clear
RETRIED = {"40001", "40P01", "57P01"}  # serialization failure, deadlock, the server was stopped


class DatabaseError(RuntimeError):
    """The database can't be used; says where it was looked for and what to do, never a password."""


# Of a URL's query, what names no secret and may be shown.
SHOWN = {"host", "port", "user", "dbname", "sslmode"}
ESCAPE = (
    "Write each of : / ? # [ ] @ % in its user or password as %3A %2F %3F %23 %5B %5D %40 %25, or leave the password "
    "out and give it by PGPASSWORD or PGPASSFILE"
)
# user:password@ in front of the host: an @ / ? more and it can be split in several ways.
_URL = re.compile(
    r"postgresql(\+psycopg2)?://"
    r"(?P<user>[^@/?]*@)?"
    r"(?P<host>[\w.-]*|\[[0-9A-Fa-f:.]+\])(:\d*)?"
    r"(?P<database>/[^/?#@:]*)?"
    r"(?P<query>\?[^?@]*)?"
)


def _is_secret(option: str) -> bool:
    return "passw" in option or "secret" in option


def _split(text: str) -> URL | None:
    """The URL when it can be split in one way only, and names no option that libpq does not know; else None."""
    found = _URL.fullmatch(text)
    if not found:
        return None
    try:
        url = make_url(text)
        psycopg2.extensions.make_dsn(**dict.fromkeys(url.query, ""))
    except (exc.ArgumentError, ValueError, psycopg2.Error):
        return None
    # One host alone; if the password holds the only @, what comes after it is taken for a host.
    return None if url.host and "host" in url.query else url


def holds_secret(text: str) -> bool:
    """Whether a database URL holds a password, or may hold one because it can be split in several ways."""
    url = _split(text)
    if url is None:
        return "@" in text or _is_secret(text.lower())
    return url.password is not None or any(map(_is_secret, url.query))


class Database:
    """One database: a server's URL, or a folder for the embedded server when the URL is empty."""

    def __init__(
        self,
        url: str,
        directory: Path,
        *,
        user: str = "",
        setting: str = "EDUFLOW_DATABASE",
        require_ssl: bool = False,
    ) -> None:
        """user: another login on the embedded server. setting: where the URL was read."""
        self._url, self._directory, self._user = url, directory, user
        self._setting, self._require_ssl = setting, require_ssl

    def __str__(self) -> str:
        if not self._url:
            return f"embedded PostgreSQL in {self._directory}"
        url = self._parsed()
        if any(map(_is_secret, url.query)):  # a raw & in it makes options of its pieces
            url = url.set(query={})
        url = url.set(query={key: value for key, value in url.query.items() if key in SHOWN})
        return url.render_as_string(hide_password=True)

    @property
    def key(self) -> str:
        """What tells this database from others; it shows nothing of the URL."""
        return hashlib.sha256(f"{self._url}\0{self._directory}".encode()).hexdigest()

    def _parsed(self) -> URL:
        """The URL. DatabaseError, which quotes nothing of it, when it is none, or one that can be split in two ways."""
        if (url := _split(self._url)) is not None:
            return url
        if not self._url.startswith(("postgresql://", "postgresql+psycopg2://")):
            raise DatabaseError(
                f"{self._setting} is not a PostgreSQL URL (postgresql+psycopg2://user:password@host:5432/name)"
            )
        raise DatabaseError(
            f"{self._setting} is not a postgresql:// URL that can be read in one way only: nothing of it is shown or "
            f"tried. {ESCAPE}. Its form: postgresql+psycopg2://user:password@host:5432/name?sslmode=require"
        )

    def keywords(self) -> dict[str, Any]:
        """psycopg2 keywords of the embedded server (started if need be) or of the URL."""
        if not self._url:
            try:
                own = server.start(self._directory)
                return {**own, "user": self._user or own["user"]}
            except server.ServerError as error:
                raise DatabaseError(str(error)) from None
        url = self._parsed()
        keywords: dict[str, Any] = {
            **url.translate_connect_args(username="user", database="dbname"),
            **url.query,
        }
        if self._require_ssl and not _is_loopback(keywords):
            mode = keywords.get("sslmode") or os.environ.get("PGSSLMODE", "")
            keywords["sslmode"] = mode if mode in VERIFIED else "require"
        return keywords

    def connect(self) -> Any:
        """A new psycopg2 connection; DatabaseError in 10 s when there is no server."""
        when, said = _silent.get(self._url, (-SILENCE, ""))
        if time.monotonic() - when < SILENCE:
            raise DatabaseError(said)
        keywords = self.keywords()
        try:
            return _connected(keywords)
        except (psycopg2.OperationalError, psycopg2.ProgrammingError) as error:  # also: an option libpq does not know
            reason = self._reason(error)
            message = f"Can't use the database {self}: {reason}. {self._remedy(reason)}"
            if "timeout expired" in reason:
                _silent[self._url] = time.monotonic(), message
            raise DatabaseError(message) from None

    def watch(self, connection: Any) -> None:
        """End the statements of a connection over TCP when its server no longer answers."""
        host = connection.info.host
        if self._url and host and not host.startswith("/"):
            keywords = self.keywords()
            lifeline.watch(connection, lambda seconds: _connected({**keywords, "connect_timeout": seconds}))

    def _reason(self, error: psycopg2.Error) -> str:
        """What libpq says, without the values that it quotes when some may be pieces of a password."""
        reason = str(error).strip().splitlines()[0]
        if self._url and any(map(_is_secret, self._parsed().query)):
            reason = re.sub(r'"[^"]*"|\([^)]*\)', "***", reason)
        return reason

    def _remedy(self, reason: str) -> str:
        if self._url and "authentication failed" in reason:
            return f"Check {self._setting} (or .env). {ESCAPE}."
        if self._url:
            return f"Check {self._setting} (or .env)."
        said = server.last_words(self._directory)
        cause = f"Its log says: {said}. " if said else f"See {self._directory}.log. "
        return f"{cause}Mend that and run again, or {server.ELSEWHERE}."

    def engine(self) -> Engine:
        return _engine(self._url, self._directory, self._require_ssl)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction, READ COMMITTED: committed when the block ends, rolled back when it raises."""
        with self.engine().begin() as db:
            yield db


_silent: dict[str, tuple[float, str]] = {}  # URL -> when its server did not answer, and the error that said so


def _is_loopback(keywords: dict[str, Any]) -> bool:
    """Whether every host that libpq would try is this machine. It ignores sslmode on a socket by itself."""
    given = keywords.get("hostaddr") or keywords.get("host") or os.environ.get("PGHOSTADDR") or os.environ.get("PGHOST")
    service = keywords.get("service") or os.environ.get("PGSERVICE")  # may name any host
    return not service and all(host in LOOPBACK for host in str(given or "localhost").split(","))


def _connected(keywords: dict[str, Any]) -> Any:
    own = {
        "connect_timeout": TIMEOUT,
        "application_name": "eduflow",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    return psycopg2.connect(**{**own, **keywords, "client_encoding": "UTF8"})  # whatever PGCLIENTENCODING says


@functools.lru_cache(maxsize=8)
def _engine(url: str, directory: Path, require_ssl: bool) -> Engine:
    """One engine per database: it holds no connection, so forks may share it, and is not free to make."""
    database = Database(url, directory, require_ssl=require_ssl)

    def connect() -> Any:
        connection = database.connect()
        database.watch(connection)
        with connection.cursor() as cursor:
            cursor.execute(SESSION)
        connection.commit()
        return connection

    # hide_parameters: an error must not carry the values of the row that failed
    return create_engine("postgresql+psycopg2://", creator=connect, poolclass=NullPool, hide_parameters=True)


def lock_key(target: str) -> int:
    return int.from_bytes(hashlib.sha256(target.encode()).digest()[:8], signed=True)


def lock(db: Connection, target: str, inputs: Sequence[str]) -> None:
    """Take the target's lock exclusively and its inputs' shared, until the transaction ends.

    Always in one order over all names, so that two builders never wait for each other.
    """
    names = sorted({target, *inputs})
    db.execute(
        text("""
            select case
                when exclusive then pg_advisory_xact_lock(key)::text else pg_advisory_xact_lock_shared(key)::text
            end
            from (
                select key, exclusive
                from unnest(cast(:keys as bigint []), cast(:exclusive as boolean []))
                    with ordinality as l (key, exclusive, place)
                order by place
            ) as in_order
        """),
        {"keys": [lock_key(name) for name in names], "exclusive": [name == target for name in names]},
    )


def is_retryable(error: BaseException) -> bool:
    """Whether the same transaction may well succeed when tried again: a deadlock, or a connection that broke."""
    cause = getattr(error, "orig", error)
    code = getattr(cause, "pgcode", None)
    if code is None:  # no word from the server: it is gone
        return isinstance(cause, psycopg2.OperationalError | psycopg2.InterfaceError)
    return code in RETRIED or code.startswith("08")


def complaint(error: BaseException) -> str:
    """What the database objects to, without any value of a row (its own text quotes the failing row)."""
    cause: Any = getattr(error, "orig", error)
    diag, code = getattr(cause, "diag", None), getattr(cause, "pgcode", None)
    if diag is None or code is None:
        return f"{type(cause).__name__}: the connection to the database broke"
    said = type(cause).__name__
    if not code.startswith(("22", "23", "38", "39", "44", "P0")):  # bad data, broken constraints, triggers quote values
        said = f"{said}: {diag.message_primary}"
    place = {"table": diag.table_name, "column": diag.column_name, "constraint": diag.constraint_name}
    where = ", ".join(f"{kind} {name}" for kind, name in place.items() if name)
    remedy = "; make room where the database keeps its files, and run again" if code == "53100" else ""
    return f"{said} (SQLSTATE {code}{', ' + where if where else ''}){remedy}"


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


def retrying(work: Callable[[], T], attempts: int = 3) -> T:
    for _ in range(attempts - 1):
        try:
            return work()
        except Exception as error:
            if not is_retryable(error):
                raise
    return work()
