"""Number the points at which a run can be stopped, and stop it at one of them.

A point is a call of the database driver (connect, execute, a fetch from a cursor of the server, pieces of a COPY, both
sides of a commit, rollback), an operation on a file of the run's folders, or the begin or end of a step. Each is met
before it is done; a commit once more after it. Every point is appended to one file, the trace: the place of its record
is its number, whichever process of the run met it, and the trace outlives whoever is killed.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import socket
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import extensions

RECORD = 100  # bytes in the trace
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
# event of sys.audit -> what it is called; all name a path first
FILE_EVENTS = {"os.rename": "rename", "os.remove": "unlink", "os.mkdir": "mkdir", "os.rmdir": "rmdir"}


class Stopped(RuntimeError):
    """Raised at a point of the database."""


class Points:
    """The points of one run and all its processes. at: the number of the one at which to act (0: none)."""

    def __init__(self, trace: Path, folders: list[str], at: int, how: str) -> None:
        self.path, self.data, self.at = trace, folders[0] + os.sep, at
        self.folders = tuple(folder + os.sep for folder in folders)
        self.act: Callable[[str], None] = {"kill": _kill, "raise": _raise, "cut": self._cut}[how]
        self.connections: weakref.WeakSet[CountedConnection] = weakref.WeakSet()
        self._open()
        os.register_at_fork(after_in_child=self._open)

    def _open(self) -> None:
        """Each process opens the trace itself, so that the offset after its write is that of its own record."""
        self.lock = threading.Lock()
        self.trace = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def __call__(self, kind: str, what: object = "") -> None:
        record = f"{os.getpid()} {kind}: {' '.join(str(what).split())}".encode("ascii", "replace")
        with self.lock:
            os.write(self.trace, record[: RECORD - 1].ljust(RECORD - 1) + b"\n")
            number = os.lseek(self.trace, 0, os.SEEK_CUR) // RECORD
        if number == self.at:
            self.act(kind)

    def _cut(self, kind: str) -> None:
        """Close the sockets below this process's connections: the next word to or from the server is lost."""
        for connection in list(self.connections):
            if connection.pid == os.getpid() and not connection.closed:
                with socket.socket(fileno=os.dup(connection.fileno())) as line:
                    line.shutdown(socket.SHUT_RDWR)
        if kind in ("connect", "committed"):  # there is no line yet; the server's answer was on its way
            raise psycopg2.OperationalError("the line was cut")

    def watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook: files opened for writing, data files opened at all, renamed, removed; folders made."""
        if event == "open":
            path, _, flags = arguments
            if self.has(path) and (flags & WRITING or os.fsdecode(path).startswith(self.data)):
                self("open", Path(os.fsdecode(path)).name)
        elif event in FILE_EVENTS and self.has(arguments[0]):
            self(FILE_EVENTS[event], Path(os.fsdecode(arguments[0])).name)

    def has(self, path: object) -> bool:
        """Whether a path is one of the folders or below."""
        return isinstance(path, str | bytes | os.PathLike) and (os.fsdecode(path) + os.sep).startswith(self.folders)


def _kill(_kind: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _raise(kind: str) -> None:
    if kind in (*FILE_EVENTS.values(), "open", "write", "written", "fsync"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    raise Stopped(f"stopped at {kind}")


point: Points  # of this run: the classes below are made by the driver, which passes nothing along


class CountedConnection(extensions.connection):  # type: ignore[misc] # psycopg2 has no types
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.pid, self.cursor_factory = os.getpid(), CountedCursor
        point.connections.add(self)

    def commit(self) -> None:
        point("commit")
        super().commit()
        point("committed")

    def rollback(self) -> None:
        point("rollback")
        super().rollback()


class CountedCursor(extensions.cursor):  # type: ignore[misc]
    def execute(self, query: Any, vars: Any = None) -> None:
        point("execute", query)
        super().execute(query, vars)

    def executemany(self, query: Any, vars_list: Any) -> None:
        point("executemany", query)
        super().executemany(query, vars_list)

    def fetchmany(self, *size: Any, **named: Any) -> list[Any]:
        if self.name:
            point("fetch", self.name)
        return super().fetchmany(*size, **named)

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        point("copy", sql)
        super().copy_expert(sql, _Pieces(file), size)


class _Pieces:
    """The file of a COPY. Points: before each piece of a COPY in, after the 1st, 2nd, 4th, 8th ... row of one out."""

    def __init__(self, file: Any) -> None:
        self.file, self.rows = file, 0

    def read(self, size: int = -1) -> Any:
        point("copy in")
        return self.file.read(size)

    def write(self, row: bytes) -> Any:
        written = self.file.write(row)
        self.rows += 1
        if self.rows & (self.rows - 1) == 0:
            point("copy out", self.rows)
        return written


class _Halved(io.FileIO):
    """A file that can be caught half written."""

    def write(self, data: Any) -> int:
        data = memoryview(data).cast("B")
        point("write", len(data))
        half = super().write(data[: len(data) // 2])
        point("written", half)
        return half + super().write(data[half:])


def install(trace: Path, folders: list[str], at: int, how: str) -> None:
    """Count the points of this process and its forks from now on. folders: the data folder, then others."""
    global point
    point = Points(trace, folders, at, how)
    connect, fdopen, fsync = psycopg2.connect, os.fdopen, os.fsync

    def counted_connect(*arguments: Any, **options: Any) -> Any:
        point("connect")
        return connect(*arguments, **{**options, "connection_factory": CountedConnection})

    def halved_fdopen(descriptor: int, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if mode == "wb" and point.has(_name(descriptor)):
            return io.BufferedWriter(_Halved(descriptor, "wb"))
        return fdopen(descriptor, mode, *arguments, **options)

    def counted_fsync(descriptor: int) -> None:
        if point.has(_name(descriptor)):
            point("fsync", Path(_name(descriptor)).name)
        fsync(descriptor)

    for module, name, counted in (
        (psycopg2, "connect", counted_connect),
        (os, "fdopen", halved_fdopen),
        (os, "fsync", counted_fsync),
    ):
        setattr(module, name, counted)
    sys.addaudithook(point.watch)


def _name(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def read_trace(trace: Path) -> list[tuple[int, str, str]]:
    """(pid, kind, what) of each point met, in order."""
    if not trace.exists():
        return []
    found = []
    for line in trace.read_text().splitlines():
        pid, _, rest = line.partition(" ")
        kind, _, what = rest.partition(": ")
        found.append((int(pid), kind, what.rstrip()))
    return found
