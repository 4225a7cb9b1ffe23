"""Artifacts: files people read. Written aside, synced, renamed last; an edited or deleted one is known and rebuilt.

The folder itself may be a link, that is the school's choice; below it no link is followed. A folder is opened once
and the names in it are looked up there, so nobody can put a link in the way between a look and a write. Only files
that were written here are replaced or deleted: the record of the target lists them.
"""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import BinaryIO

from targets.parts import digest

# Pieces of text, or a function that writes the bytes itself.
Content = Iterable[str] | Callable[[BinaryIO], None]

# What others may put into the files and take out again: no part of what was written, so no edit.
Notes = re.Pattern[bytes]

# Whatever the umask: files may hold names of people, and are for their owner and its group.
FILE_MODE, FOLDER_MODE = 0o640, 0o750


class ArtifactError(RuntimeError):
    """A file could not be written: names it, and says why and what to do."""


@dataclass(frozen=True)
class Listed:
    """The files of an artifact as they were written: name -> SHA-256, and the mode that the file system gave them."""

    files: dict[str, str] = field(default_factory=dict)
    mode: int = FILE_MODE

    def text(self) -> str:
        return json.dumps({"files": self.files, "mode": self.mode}, sort_keys=True)

    @staticmethod
    def read(text: str | None) -> Listed | None:
        """None for what is no list: nothing, or the one digest that versions before 2027 recorded."""
        return Listed(**json.loads(text)) if text and text.startswith("{") else None


@dataclass(frozen=True)
class Written:
    """content: the list to record. kept: (edited file that was left as it is, the file that was written instead)."""

    content: str
    kept: tuple[tuple[str, str], ...] = ()


def fault(
    folder: Path, pattern: str, content: str | None, *, edits_are_kept: bool = False, notes: Notes | None = None
) -> str:
    """Why the files are not the ones that `content` lists; "" when they are."""
    listed = Listed.read(content)
    if listed is None:
        return "its files are not listed yet"
    try:
        with _opened(folder, pattern, notes=notes) as place:
            for name, written in listed.files.items():
                place.refuse_link(name)
                found = place.digest(name)
                if found is None or (found != written and not edits_are_kept):
                    return "edited or deleted by hand"
                if place.mode(name) & ~listed.mode:
                    return "its files are open to more people than they were written for"
    except FileNotFoundError:
        return "edited or deleted by hand" if listed.files else ""
    except ArtifactError as error:
        return str(error).partition(": ")[0]
    except OSError as error:
        return f"its files can't be read: {error.strerror}"
    return ""


def write_files(
    folder: Path,
    pattern: str,
    files: Mapping[str, Content],
    *,
    recorded: str | None = None,
    mode: int = FILE_MODE,
    expendable: Collection[str] | None = None,
    notes: Notes | None = None,
) -> Written:
    """Write the files (name -> content), delete those that `recorded` lists and that are no longer among them.

    recorded     the list that the last write returned
    expendable   None: what is there is overwritten. Else a file that somebody edited is kept, unless its SHA-256 is
                 one of these, and ours is written beside it: `a.csv` is kept, `a.new.csv` is ours
    Raises ArtifactError when a name is a link, or the file system refuses.
    """
    with _writing(folder / Path(pattern).parent):
        if not files and not Path(folder, pattern).parent.is_dir():
            return Written(Listed(mode=mode).text())
        with _opened(folder, pattern, make=True, notes=notes) as place:
            return place.replace_files(files, recorded, mode, expendable)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """A full disk, a folder that may not be written to: a person's to mend, so no traceback."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or "the disk may be full"
        raise ArtifactError(
            f"{path} could not be written: {reason}. What was there is as it was. Make room, or the folder "
            "writable, or set EDUFLOW_OUTPUT_DIR to another one, and run again."
        ) from error


@contextlib.contextmanager
def _opened(folder: Path, pattern: str, *, make: bool = False, notes: Notes | None = None) -> Iterator[_Place]:
    """The folder of the files that the pattern names, below `folder` or `folder` itself."""
    below = str(Path(pattern).parent)
    if make and not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(FOLDER_MODE)
        folder.chmod(FOLDER_MODE)
    opened = [os.open(folder, os.O_RDONLY | os.O_DIRECTORY)]
    try:
        if below != ".":
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(below, FOLDER_MODE, dir_fd=opened[0])
            _refuse_link(below, opened[0], folder / below)
            opened.append(os.open(below, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=opened[0]))
            # Made here, also by an earlier version; somebody else's is left as its owner wants it.
            if make and stat.S_IMODE(os.fstat(opened[1]).st_mode) != FOLDER_MODE:
                with contextlib.suppress(PermissionError):
                    os.fchmod(opened[1], FOLDER_MODE)
        yield _Place(folder, pattern, opened[-1], notes)
    finally:
        for handle in opened:
            os.close(handle)


def _refuse_link(name: str, folder: int, shown: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise ArtifactError(
                f"{shown} is a link: nothing is written or deleted through one. Remove the link, or set "
                "EDUFLOW_OUTPUT_DIR to the folder where the files shall be, and run again."
            )


class _Place:
    """An opened folder, and the files of one artifact in it."""

    def __init__(self, folder: Path, pattern: str, handle: int, notes: Notes | None) -> None:
        self._folder, self._handle, self._notes = folder, handle, notes
        self._parent, self._glob = Path(pattern).parent, Path(pattern).name
        self._aside = f".writing-{digest(pattern)[:8]}-"

    def _open(self, name: str, flags: int = os.O_RDONLY) -> int:
        return os.open(
            Path(name).name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600, dir_fd=self._handle
        )

    def _names(self) -> list[str]:
        with os.scandir(self._handle) as entries:
            return [entry.name for entry in entries]

    def refuse_link(self, name: str) -> None:
        _refuse_link(Path(name).name, self._handle, self._folder / name)

    def digest(self, name: str) -> str | None:
        """SHA-256 of the file without its notes; None when there is none, or a link."""
        try:
            handle = self._open(name)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP):
                return None
            raise
        with os.fdopen(handle, "rb") as file:
            regular = stat.S_ISREG(os.fstat(handle).st_mode)
            return self._sha256(file) if regular else None

    def _sha256(self, file: BufferedReader | BufferedRandom) -> str:
        if self._notes is None:
            return hashlib.file_digest(file, "sha256").hexdigest()
        return hashlib.sha256(self._notes.sub(b"", file.read())).hexdigest()

    def mode(self, name: str) -> int:
        return stat.S_IMODE(os.stat(Path(name).name, dir_fd=self._handle, follow_symlinks=False).st_mode)

    def replace_files(
        self, files: Mapping[str, Content], recorded: str | None, mode: int, expendable: Collection[str] | None
    ) -> Written:
        # What a killed writer left. No other writer is at work: the caller holds the lock of the target that owns them.
        for left in self._names():
            if left.startswith(self._aside):
                os.unlink(left, dir_fd=self._handle)
        listed = Listed.read(recorded)
        ours = listed.files if listed else self._of_an_earlier_version(recorded)
        for name in (*files, *ours):
            self.refuse_link(name)

        def edited(name: str, new: str | None) -> bool:
            found = self.digest(name) if expendable is not None else None
            return found not in (None, new, ours.get(name)) and found not in (expendable or ())

        kept, written, moves = [], {}, []
        try:
            for name, content in files.items():
                with _writing(self._folder / name):
                    aside, sha256 = self._write_aside(content, mode)
                moves.append((aside, name))
                to = name
                for beside in _beside(name):
                    if not edited(to, sha256):
                        break
                    kept.append((to, beside))
                    to = beside
                    self.refuse_link(to)
                moves[-1] = (aside, to)
                written[to] = sha256
            gone = [name for name in ours if name not in written and self.digest(name) is not None]
            kept += [(name, "") for name in gone if edited(name, None) and name not in dict(kept)]
            given = mode if not moves else self.mode(moves[0][0])
            for aside, to in moves:
                with _writing(self._folder / to):
                    os.rename(aside, Path(to).name, src_dir_fd=self._handle, dst_dir_fd=self._handle)
            for name in gone:
                if name not in dict(kept):
                    os.unlink(Path(name).name, dir_fd=self._handle)
            os.fsync(self._handle)
        finally:
            for aside, _ in moves:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(aside, dir_fd=self._handle)
        return Written(Listed(written, given).text(), tuple(kept))

    def _of_an_earlier_version(self, recorded: str | None) -> dict[str, str]:
        """The files of the pattern, when one digest was recorded of them all and they are unchanged since."""
        names = [str(self._parent / name) for name in self._names() if fnmatch.fnmatch(name, self._glob)]
        found = {name: sha256 for name in names if (sha256 := self.digest(name))}
        return found if digest(found) == recorded else {}

    def _write_aside(self, content: Content, mode: int) -> tuple[str, str]:
        """Write a file under a name of its own; return the name and the SHA-256."""
        aside = self._aside + secrets.token_hex(8)
        handle = self._open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            with os.fdopen(handle, "w+b") as file:
                content(file) if callable(content) else file.writelines(piece.encode() for piece in content)
                file.flush()
                os.fchmod(handle, mode)
                os.fsync(handle)
                file.seek(0)
                return aside, self._sha256(file)
        except BaseException:
            os.unlink(aside, dir_fd=self._handle)
            raise


def _beside(name: str) -> Iterator[str]:
    """a.csv -> a.new.csv, a.new-2.csv, ..."""
    path, number = Path(name), 1
    while True:
        yield str(path.with_name(f"{path.stem}.new{f'-{number}' if number > 1 else ''}{path.suffix}"))
        number += 1
