"""Work in a process of little memory and time: a fork with limits, which no library can talk its way around.

The limit is of address space, so what a library written in C or Rust asks for counts too, and of seconds of work: a
process that wants more dies, which no test takes for an answer.
"""

from __future__ import annotations

import os
import pickle
import resource
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pipeline.datasets import DATASETS
from pipeline.sources.errors import SourceError
from pipeline.sources.formats import open_file

T = TypeVar("T")
MEGABYTE = 1_000_000


def limited(work: Callable[[], T], *, memory: int, seconds: int) -> T:
    """What `work` returns, done with so many MB more than this process has, and so many seconds of work."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        code = 1
        try:
            limit(resource.RLIMIT_AS, status("VmSize") + memory * MEGABYTE)
            limit(resource.RLIMIT_CPU, seconds)
            done = pickle.dumps(work())
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(done)
            code = 0
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}"[:500].encode())
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        done = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code == 0, f"the process ended with {code}: it wanted more than {memory} MB or {seconds} s, or failed"
    result: T = pickle.loads(done)
    return result


def limit(kind: int, value: int) -> None:
    resource.setrlimit(kind, (value, value))


def status(name: str) -> int:
    """A line of /proc/self/status, in bytes."""
    return int(Path("/proc/self/status").read_text().partition(f"{name}:")[2].split()[0]) * 1024


def peak(*, reset: bool = False) -> int:
    """The most memory this process held since the last reset, in bytes."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    return status("VmHWM")


@dataclass(frozen=True)
class Outcome:
    """reason: why the file was refused, "" when it was read; rows: read, perhaps before."""

    reason: str
    message: str
    rows: int


def read_limited(dataset: str, path: Path, *, memory: int, seconds: int) -> Outcome:
    """Read every row of a file."""

    def read() -> Outcome:
        rows = 0
        try:
            with open_file(path, DATASETS[dataset]) as source:
                for table in source.tables():
                    rows += len(table)
        except SourceError as error:
            return Outcome(error.reason, str(error), rows)
        return Outcome("", "", rows)

    return limited(read, memory=memory, seconds=seconds)
