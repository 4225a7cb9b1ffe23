"""A PostgreSQL database: where it is, and connections to it.

Connections are never pooled (NullPool): a pooled connection that crosses a fork answers to the wrong process.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
from sqlalchemy import URL, Connection, Engine, create_engine, exc, make_url
from sqlalchemy.pool import NullPool

from init_db import server
from init_db.service import ELSEWHERE, ServerError
from targets.postgres import lifeline

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
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
VERIFIED = ("require", "verify-ca", "verify-full")  # sslmodes that send nothing in the clear


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
            except ServerError as error:
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
        return f"{cause}Mend that and run again, or {ELSEWHERE}."

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
