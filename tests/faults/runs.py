"""Runs in processes of their own, started by the process that has imported everything (child.py)."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.hook import RECORD, read_trace

PROJECT = Path(__file__).parent.parent.parent


@dataclass
class Run:
    """A run under way. pid: of its first process, which is the session of all of them."""

    nursery: Nursery
    pid: int
    trace: Path
    log: Path
    code: int | None = None

    def wait(self) -> int:
        """The exit code; minus the signal that ended it."""
        if self.code is None:
            self.code = int(self.nursery.answer())
        return self.code

    def has_ended(self) -> bool:
        return self.code is not None or (self.nursery.has_answer(0) and self.wait() is not None)

    def wait_for(self, points: int) -> bool:
        """Wait until so many points were met; False when the run ends before."""
        while not self.trace.exists() or self.trace.stat().st_size < points * RECORD:
            if self.has_ended():
                return False
            time.sleep(0.001)
        return not self.has_ended()

    def points(self) -> list[tuple[int, str, str]]:
        return read_trace(self.trace)

    def said(self) -> str:
        return self.log.read_text(errors="replace")


class Nursery:
    """Starts runs, one at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.child"],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # what waits in a buffer is nothing that select() sees
        )
        assert self.answer() == "ready"

    def answer(self, seconds: float = 120) -> str:
        """The next line; TimeoutError when a run hangs."""
        assert self.process.stdout
        if not self.has_answer(seconds):
            raise TimeoutError(f"no answer in {seconds} s")
        return self.process.stdout.readline().decode().strip()

    def has_answer(self, seconds: float) -> bool:
        assert self.process.stdout
        return bool(select.select([self.process.stdout], [], [], seconds)[0])

    def start(self, environment: dict[str, str], *arguments: str, at: int = 0, how: str = "kill") -> Run:
        assert self.process.stdin
        self.number += 1
        trace, log = self.folder / f"{self.number}.trace", self.folder / f"{self.number}.log"
        request: dict[str, Any] = {"environment": environment, "arguments": arguments, "at": at, "how": how}
        self.process.stdin.write(json.dumps({**request, "trace": str(trace), "log": str(log)}).encode() + b"\n")
        return Run(self, int(self.answer()), trace, log)

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:  # a run hangs; it dies with its parent
            self.process.kill()
            self.process.wait()
