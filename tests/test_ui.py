"""The scheduler of a home: reached by its owner through a socket, its page by whoever has the token; by nobody else."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.scheduler import SCHEME, RemoteScheduler

PROJECT = Path(__file__).parent.parent


@dataclass
class Page:
    """A running `eduflow ui`."""

    process: subprocess.Popen[str]
    port: int
    token: str
    path: Path

    def get(self, path: str, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path, headers={"Host": f"127.0.0.1:{self.port}", **headers})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer

    def cookie(self) -> str:
        return self.get(f"/?token={self.token}").headers["Set-Cookie"].partition(";")[0]


@pytest.fixture
def page(house, tmp_path: Path) -> Iterator[Page]:
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "ui", "--port", "0"],
        cwd=PROJECT,
        env={**os.environ, **house.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    address = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)", process.stdout.readline())
    assert address
    port, token = address.groups()
    yield Page(process, int(port), token, Path(house.environment["EDUFLOW_HOME"]) / ".eduflow/scheduler/socket")
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    assert "Traceback" not in process.stdout.read()


ASKED = "/api/task_list?data=%7B%7D"


def test_the_token_is_changed_for_a_cookie_that_only_this_page_gets(page):
    first = page.get(f"/?token={page.token}")
    assert (first.status, first.headers["Location"]) == (303, "/static/visualiser/index.html")
    assert "HttpOnly" in first.headers["Set-Cookie"] and "SameSite=Strict" in first.headers["Set-Cookie"]
    assert page.token not in first.headers["Set-Cookie"]
    assert page.get(ASKED, Cookie=page.cookie()).status == 200
    assert page.get("/static/visualiser/index.html", Cookie=page.cookie()).status == 200


@pytest.mark.parametrize("path", ["/", ASKED, "/static/visualiser/index.html", "/metrics", "/?token=guess"])
def test_nothing_is_answered_without_the_token(page, path):
    assert page.get(path).status == 403
    assert page.get(path, Cookie="eduflow_00000000=guess").status == 403


FOREIGN = [
    {"Host": "evil.example"},
    {"Host": "127.0.0.1.evil.example:80"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1:1"},  # another port: another program, maybe another user's
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("foreign", FOREIGN, ids=str)
def test_a_request_under_a_foreign_name_or_from_a_foreign_page_is_refused_even_with_the_secret(page, foreign):
    cookie = page.cookie()
    assert page.get(ASKED, Cookie=cookie, **foreign).status == 403
    assert page.get(f"/?token={page.token}", **foreign).status == 403
    assert page.get(ASKED, Cookie=cookie, Origin=f"http://127.0.0.1:{page.port}").status == 200


def test_the_socket_is_its_owners_alone(page):
    assert stat.S_IMODE(page.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(page.path.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_local_user_reaches_neither_the_socket_nor_the_page(page, tmp_path):
    for folder in (page.path.parent.parent, *page.path.parents):
        if folder not in (page.path.parent, Path("/")):
            folder.chmod(folder.stat().st_mode | 0o011)  # whatever is above lets everyone through
    code = f"""
import encodings.idna, os, socket, http.client  # before the folder of Python's library may be out of reach
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    socket.socket(socket.AF_UNIX).connect({str(page.path)!r})
except PermissionError:
    print("refused")
c = http.client.HTTPConnection("127.0.0.1", {page.port}); c.request("GET", {ASKED!r}); print(c.getresponse().status)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout.split() == ["refused", "403"], done.stderr


def test_runs_are_scheduled_through_the_socket_by_name_by_path_and_by_plain_luigi(house, page):
    house.rows("2024-02-01/student_progress.csv", "student_progress", {})
    ways = [
        ("-m", "pipeline", "run", "--scheduler", "ui", "--workers", "2"),
        ("-m", "pipeline", "run", "--scheduler", str(page.path)),
        (
            *("-m", "luigi", "--module", "pipeline", "EduFlow", "--workers", "2"),
            *("--scheduler-url", SCHEME + str(page.path).replace("/", "%2F")),
        ),
    ]
    for way in ways:
        house.query("delete from etl.targets")
        done = house.command(*way)
        assert done.returncode == 0, done.stderr
        asked = page.get("/api/task_list?data=%7B%22status%22%3A%22DONE%22%7D", Cookie=page.cookie())
        assert asked.status == 200
        tasks = RemoteScheduler(SCHEME + str(page.path).replace("/", "%2F")).task_list("DONE", "")  # type: ignore[attr-defined] # Luigi adds it
        assert {"RawProgress", "EduFlow"} <= {task["name"] for task in tasks.values()}


def test_a_second_one_of_the_same_home_says_so(house, page):
    done = house.command("-m", "pipeline", "ui", "--port", "0")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "runs already" in done.stderr


def test_a_run_whose_scheduler_is_not_there_says_how_to_start_it(house):
    done = house.command("-m", "pipeline", "run", "--scheduler", "ui")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "eduflow ui" in done.stderr


def test_a_home_with_a_long_name_has_a_scheduler_too(house, tmp_path):
    """The address of a socket holds 107 bytes."""
    folder = tmp_path / ("long" * 30)
    assert house.command("-m", "pipeline", "init", str(folder)).returncode == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "-C", str(folder), "ui", "--port", "0"],
        cwd=PROJECT,
        env={**os.environ, **house.environment, "EDUFLOW_HOME": ""},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and "token=" in process.stdout.readline()
    path = folder / ".eduflow/scheduler/socket"
    assert RemoteScheduler(SCHEME + str(path).replace("/", "%2F")).task_list("DONE", "") == {}  # type: ignore[attr-defined] # Luigi adds it
    process.terminate()
    assert process.wait(10) == 0
    assert not path.exists()


def test_a_scheduler_that_is_gone_costs_a_build_no_more_than_one_try(tmp_path):
    """set_status_message inside a transaction must not wait for three attempts."""
    path = tmp_path / "socket"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.close()
    scheduler = RemoteScheduler(SCHEME + str(path).replace("/", "%2F"))
    for number in range(1000):
        scheduler.set_task_status_message("task", json.dumps(number))


def test_a_folder_that_others_may_enter_is_refused_and_left_as_it_is(house, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    done = house.command("-m", "pipeline", "ui", "--port", "0", "--socket", str(shared / "socket"))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o777
