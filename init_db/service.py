"""Whom the embedded server runs as, and what it must own: PostgreSQL refuses to run as root."""

import os
import pwd
import shutil
import stat
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

SERVICE = "eduflow-pg"  # whom a server that root starts runs as
USERADD = "useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin"
EARLIER = ("postgres", "nobody")  # whom it ran as until 2026-11; their clusters are taken over
ELSEWHERE = "set EDUFLOW_DATABASE_DIR to another folder, or EDUFLOW_DATABASE to the URL of your own server"


class ServerError(RuntimeError):
    """The embedded server cannot be used: what failed, where the log is, what to do."""


def service(directory: Path) -> dict[str, Any]:
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


def give(path: Path, run: dict[str, Any]) -> None:
    if "user" in run:
        os.chown(path, run["user"], run["group"], follow_symlinks=False)


def give_plain(path: str | Path, where: int | None, earlier: int, run: dict[str, Any]) -> None:
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


def make_private(folder: Path, run: dict[str, Any]) -> None:
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
