"""A central scheduler that only its owner reaches: through a socket (0600) in a folder of the home (0700).

luigid itself asks nobody who they are: over TCP every user of the machine, and every page open in a browser on it,
could steer the runs. Luigi's own client speaks to a socket only with a further package; this one needs nothing.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import luigi.rpc

from pipeline.config import Settings
from targets.errors import UserError

SCHEME = "http+unix://"
OURS = "ui"  # the scheduler that `eduflow ui` starts for this home


def socket_of(options: Settings) -> Path:
    return options.home.folder / ".eduflow" / "scheduler" / "socket"


def address(given: str, options: Settings) -> str:
    """What Luigi takes for `--scheduler`: `ui`, the path of a socket, or a URL, which is left as it is."""
    if given.startswith(("http://", "https://", SCHEME)) or not (given == OURS or "/" in given):
        return given
    path = socket_of(options) if given == OURS else Path(given).absolute()
    if not path.is_socket():
        raise UserError(f"No scheduler listens at {path}. Start one in another terminal: eduflow ui")
    return SCHEME + quote(str(path), safe="")


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """A name of the path that fits a socket's address, which holds 107 bytes."""
    if len(os.fsencode(path)) < 100:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("scheduler", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with short(self._path) as name:
            self.sock.connect(name)


class SocketFetcher:
    """What Luigi's client asks for an answer: a connection per question, so that none crosses a fork."""

    raises = (OSError, http.client.HTTPException)

    def __init__(self, path: Path) -> None:
        self._path = path

    def fetch(self, full_url: str, body: dict[str, str], timeout: float) -> str:
        with contextlib.closing(_Connection(self._path, timeout)) as connection:
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", urlsplit(full_url).path, urlencode(body), form)
            answer = connection.getresponse()
            if answer.status != 200:
                raise http.client.HTTPException(f"the scheduler answers {answer.status}")
            return answer.read().decode()

    def close(self) -> None:
        """Nothing stays open."""


class RemoteScheduler(luigi.rpc.RemoteScheduler):
    """In place of Luigi's: it also reaches a socket, and no build waits because it can't say how far it is."""

    def __init__(self, url: str, connect_timeout: float | None = None) -> None:
        over_socket = url.startswith(SCHEME)
        super().__init__("http://scheduler" if over_socket else url, connect_timeout)
        if over_socket:
            path = Path(unquote(url.removeprefix(SCHEME).rstrip("/")))
            self._fetcher: Any = SocketFetcher(path)
        self._messages = True

    def set_task_status_message(self, task_id: str, status_message: str) -> None:
        """Tried once, for a second; after a failure no more is said."""
        said = {"task_id": task_id, "status_message": status_message}
        if self._messages:
            try:
                url = f"{self._url}/api/set_task_status_message"
                self._fetcher.fetch(url, {"data": json.dumps(said)}, 1)
            except self._fetcher.raises:
                self._messages = False


luigi.rpc.RemoteScheduler = RemoteScheduler  # type: ignore[misc, assignment] # Luigi has no setting for it
