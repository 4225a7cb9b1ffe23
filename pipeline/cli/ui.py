"""ui: a central scheduler on a socket for the runs of this home, and its page for this user's browser.

The page is on loopback, which every user of the machine and every page open in a browser can reach. So it answers only
to a request that brings the secret of this start, under a name of this machine, from a page of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hmac
import os
import secrets
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from pipeline.config import Settings
from pipeline.scheduler import short, socket_of
from targets.errors import UserError

NAMES = ("127.0.0.1", "localhost", "[::1]")
PAGE = "/static/visualiser/index.html"


def ui(arguments: argparse.Namespace, options: Settings) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    from luigi.scheduler import Scheduler
    from luigi.server import app
    from tornado.httpserver import HTTPServer
    from tornado.ioloop import IOLoop, PeriodicCallback
    from tornado.netutil import bind_sockets, bind_unix_socket

    path = arguments.socket.absolute() if arguments.socket else socket_of(options)
    with _private(path.parent):
        scheduler = Scheduler(state_path=str(path.with_name("state.pickle")))
        scheduler.load()
        pages = app(scheduler)
        front = Front(pages)
        try:
            listening = bind_sockets(arguments.port, address=arguments.listen)
        except OSError as error:
            raise UserError(f"Port {arguments.port} can't be used ({error.strerror}); take another: --port") from None
        with short(path) as name:
            HTTPServer(pages).add_socket(bind_unix_socket(name, mode=0o600))
        HTTPServer(front, max_body_size=1 << 20).add_sockets(listening)
        port = listening[0].getsockname()[1]
        loop = IOLoop.current()
        PeriodicCallback(scheduler.prune, 60_000).start()
        for sent in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sent, lambda *_: loop.add_callback_from_signal(loop.stop))
        print(f"Open   http://127.0.0.1:{port}/?token={front.token}", flush=True)
        print(f"Run    eduflow run --scheduler {path if arguments.socket else 'ui'}", flush=True)
        loop.start()
        scheduler.dump()
        path.unlink(missing_ok=True)
    return 0


@contextlib.contextmanager
def _private(folder: Path) -> Iterator[None]:
    """The folder, ours alone (Luigi keeps a pickle in it) and held by one process."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise UserError(f"{folder} must be a folder of yours that nobody else may enter (mode 0700)")
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError("The scheduler of this home runs already: stop it first, or use its page") from None
        yield


class Front:
    """What stands before the page. Called with a request, as a tornado HTTPServer does."""

    def __init__(self, pages: Any) -> None:
        self.pages, self.token, self._session = pages, secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self._cookie = f"eduflow_{secrets.token_hex(4)}"  # cookies are shared by all ports of a host

    def __call__(self, request: Any) -> None:
        fault = self._fault(request)
        if fault:
            return _answer(request, 403, "Forbidden", {"Content-Type": "text/plain"}, f"{fault}\n")
        if self._brings_token(request):
            cookie = f"{self._cookie}={self._session}; HttpOnly; SameSite=Strict; Path=/"
            return _answer(request, 303, "See Other", {"Location": PAGE, "Set-Cookie": cookie})
        if not self._brings_cookie(request):
            text = "Open the address that `eduflow ui` printed.\n"
            return _answer(request, 403, "Forbidden", {"Content-Type": "text/plain"}, text)
        self.pages(request)

    @staticmethod
    def _fault(request: Any) -> str:
        """Why a request can't be from this user's own page, whatever secret it brings; "" when it can."""
        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        if host.rpartition(":")[0] not in NAMES and host not in NAMES:  # a foreign name that leads here
            return "This page is reached as http://127.0.0.1."
        if origin is not None and origin != f"http://{host}":
            return "Another page may not ask."
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return "Another page may not lead here: type the address that `eduflow ui` printed."
        return ""

    def _brings_token(self, request: Any) -> bool:
        given = parse_qs(request.query).get("token", [""])[0]
        return request.method == "GET" and request.path == "/" and _same(given, self.token)

    def _brings_cookie(self, request: Any) -> bool:
        given = request.cookies.get(self._cookie)
        return given is not None and _same(given.value, self._session)


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(), secret.encode())


def _answer(request: Any, code: int, reason: str, headers: dict[str, str], text: str = "") -> None:
    from tornado.httputil import HTTPHeaders, ResponseStartLine

    always = {"Content-Length": str(len(text)), "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    request.connection.write_headers(
        ResponseStartLine("HTTP/1.1", code, reason), HTTPHeaders({**always, **headers}), text.encode()
    )
    request.connection.finish()
