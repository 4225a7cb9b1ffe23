"""What tests of the environment need: a small disk, a proxy that goes silent, another user, another clock."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parent.parent
OURS = ("pipeline", "targets", "agents", "init_db", "luigi.cfg", "eduflow.py")


@contextmanager
def disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own, in memory, of that size."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"needs mount: {error}")
    if done.returncode:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def files_of(folder: Path) -> dict[str, bytes]:
    """Every artifact but the run's own summary and metrics (they say when), and whatever else lies there."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: found[name] for name in found if name != "metrics.prom" and "run_summary." not in name}


class Proxy:
    """A TCP port in front of a server's Unix socket. `silent`: it takes every byte and hands none on."""

    def __init__(self, target: str) -> None:
        self.target, self.silent = target, False
        self.ends: list[Any] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near = self.listener.accept()[0]
                far = socket.socket(socket.AF_UNIX)
                far.connect(self.target)
                self.ends += [near, far]
                threading.Thread(target=self._forward, args=(near, far), daemon=True).start()

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        to = {near: far, far: near}
        with suppress(OSError, ValueError):
            while True:
                for end in select.select([near, far], [], [])[0]:
                    data = end.recv(1 << 16)
                    if self.silent:
                        return  # both stay open
                    if not data:
                        near.close()
                        far.close()
                        return
                    to[end].sendall(data)

    def close(self) -> None:
        for end in (self.listener, *self.ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # a forked process may hold it, too
            end.close()


FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


def clock(days: int) -> dict[str, str]:
    """The environment of a process whose clock is so many days ahead."""
    if FAKETIME is None:
        pytest.skip("no libfaketime on this machine (Debian package libfaketime)")
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"{days:+d}d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def as_nobody(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process of Python in that folder, as `nobody` when we are root: it may read every file, but write only its own
    (this Python may lie in root's home)."""
    user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    rights = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
    prefix = [] if os.geteuid() else [*user, *rights, "--"]
    return subprocess.run(
        [*prefix, sys.executable, "-B", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=180,
    )
