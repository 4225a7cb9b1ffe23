"""The data folder: which of its files are batches of a dataset, and why the others are none. No ledger is read here."""

from __future__ import annotations

import fnmatch
import functools
import os
import re
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from pipeline.datasets import DATASETS
from pipeline.datasets.declaration import Dataset
from pipeline.home import SAMPLE
from pipeline.sources import strays as strays_of
from pipeline.sources.batch import Reading
from pipeline.sources.formats import open_file
from pipeline.sources.formats.kinds import FORMATS
from targets.parts import file_digest

SUFFIX = re.compile(rf"\.({'|'.join(FORMATS)})(\.gz)?$", re.IGNORECASE)
ISO_DATE = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)")
REJECTS = re.compile(r"\.rejects-([0-9]+)(\.new(-\d+)?)?$")  # .new: written beside one that a person edits
README = re.compile(r"README(\.\w+)*")  # and no `README students.csv`
NOT_SAMPLE = (
    "is no file of the sample, which is made up; a school's files must not be mixed with it. Make a home for the "
    "school: eduflow init FOLDER, and put the file into FOLDER/data"
)
MAX_DEPTH = 100  # folders in folders
MAX_PATH = 2_600  # bytes; the ledger finds a file by its path, and an index takes 2,700
NO_TABLE, NO_DATASET = "not a csv, xlsx or json file", "matches no dataset"
# A file changed again within one tick of the clock keeps its times: too fresh a file is hashed again next time.
FRESH_NS = 50_000_000


@dataclass(frozen=True)
class Known:
    """A row of etl.files: the last content taken from a path."""

    path: str
    stat: tuple[int, int, int, int] | None
    sha256: str
    drop_id: int


@dataclass(frozen=True)
class File:
    """A file of a dataset in the data folder: a batch. date: the one in its path. stat: size, mtime, ctime, inode."""

    path: str
    absolute: Path
    dataset: str
    date: date | None
    partial: bool
    stat: tuple[int, int, int, int]
    fresh: bool
    sha256: str

    @property
    def identity(self) -> str:
        return self.path

    @property
    def digest(self) -> str:
        return self.sha256

    def read(self, dataset: Dataset, *, encoding: str = "") -> Reading:
        return open_file(self.absolute, dataset, name=printable(self.path), encoding=encoding)


@dataclass(frozen=True)
class Scan:
    """One look at the data folder. unmatched: (path, why it is no drop); waiting: those of them that were given to be
    read, and so wait for a person. known: what the ledger knew of its files."""

    files: tuple[File, ...] = ()
    unmatched: tuple[tuple[str, str], ...] = ()
    waiting: tuple[tuple[str, str], ...] = ()
    today: date = date.min
    known: Mapping[str, Known] = field(default_factory=dict)

    def of(self, dataset: str) -> list[File]:
        return self._by_dataset.get(dataset, [])

    @functools.cached_property
    def _by_dataset(self) -> dict[str, list[File]]:
        found: dict[str, list[File]] = defaultdict(list)
        for file in self.files:
            found[file.dataset].append(file)
        return found

    @functools.cached_property
    def new(self) -> list[File]:
        """The files that the ledger did not know when they were scanned, or knew with another content."""
        return [file for file in self.files if not _is_known(file, self.known)]

    def unknown(self, known: Mapping[str, Known]) -> list[File]:
        """Those of them that it does not know yet."""
        return [file for file in self.new if not _is_known(file, known)]


def printable(path: str) -> str:
    """A path as it may be printed: control characters escaped, so that a file name can't forge a log line."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in path)


def printable_lines(text: str) -> str:
    """The same for a text of several lines."""
    return text if text.replace("\n", "").isprintable() else "\n".join(map(printable, text.split("\n")))


def _is_known(file: File, known: Mapping[str, Known]) -> bool:
    seen = known.get(file.path)
    return seen is not None and seen.sha256 == file.sha256


def nothing_known(_paths: list[str]) -> dict[str, Known]:
    return {}


def scan(
    folder: Path, known_of: Callable[[list[str]], Mapping[str, Known]] = nothing_known, ignore: Sequence[str] = ()
) -> Scan:
    """Look at every file below the folder, in path order; hash those whose size or times differ from the ledger's.

    known_of: what the ledger knows of these paths; ignore: patterns of paths or names that are not looked at
    """
    files, unmatched = [], []
    of_sample = sample_files(folder)
    there = [
        (absolute, path, fault or _meaning(folder, absolute, path))
        for absolute, path, fault in sorted(_walk(folder), key=lambda found: found[1])
        if not _ignored(path, ignore)
    ]
    known = known_of([path for _, path, meaning in there if not isinstance(meaning, str)])
    for absolute, path, meaning in there:
        if of_sample and path not in of_sample and not isinstance(meaning, str) and not meaning[2]:
            unmatched.append((path, NOT_SAMPLE))
            continue
        if isinstance(meaning, str):
            unmatched.append((path, meaning))
            continue
        dataset, day, partial = meaning
        try:
            status = absolute.stat()
            identity = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
            fresh = max(status.st_mtime_ns, status.st_ctime_ns) > datetime.now(UTC).timestamp() * 1e9 - FRESH_NS
            seen = known.get(path)
            sha256 = seen.sha256 if seen and seen.stat == identity and not fresh else file_digest(absolute)
        except OSError as error:
            unmatched.append((path, f"can't be read: {error.strerror}"))
            continue
        files.append(File(path, absolute, dataset, day, partial, identity, fresh, sha256))
    taken = {file.path for file in files}
    strays = [
        _stray(folder, path, why, taken, look=place < strays_of.LOOKED_AT)
        for place, (path, why) in enumerate(unmatched)
    ]
    waiting = tuple((path, why) for path, why, waits in strays if waits)
    return Scan(tuple(files), tuple((path, why) for path, why, _ in strays), waiting, datetime.now(UTC).date(), known)


def sample_files(folder: Path) -> frozenset[str]:
    """The files of the sample, when this is its data folder; others must not be mixed with it."""
    listed = folder / SAMPLE
    return frozenset(listed.read_text(encoding="utf-8").splitlines()) if listed.is_file() else frozenset()


def _ignored(path: str, patterns: Sequence[str]) -> bool:
    name = path.rpartition("/")[2]
    return any(fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _stray(folder: Path, path: str, why: str, taken: set[str], *, look: bool) -> tuple[str, str, bool]:
    """(path, why it is no drop and what would load it, whether it waits for a person)."""
    if why not in (NO_DATASET, NO_TABLE):
        return path, why, True
    if not strays_of.is_given(path):
        return path, why, False
    said = strays_of.advice(folder / path, path, taken) if look else ""
    taken |= {said.rpartition(" ")[2]} if said else set()
    return path, f"{why}; {printable(said)}" if said else why, True


def _walk(folder: Path) -> Iterable[tuple[Path, str, str]]:
    """(absolute, relative path, why it is no drop) of every file, of links to folders (not followed) and of folders
    that can't be read. By hand: os.walk calls itself for every level."""
    waiting = [(folder, 0)]
    while waiting:
        parent, depth = waiting.pop()
        try:
            with os.scandir(parent) as found:
                entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
        except OSError as error:
            yield parent, str(parent.relative_to(folder)), f"can't be read: {error.strerror}"
            continue
        for name, is_folder in entries:
            absolute = parent / name
            if name.startswith("." if is_folder else (".", "~$")) or README.fullmatch(name):
                continue
            path = str(absolute.relative_to(folder))
            if is_folder and depth < MAX_DEPTH:
                waiting.append((absolute, depth + 1))
            elif is_folder:
                yield absolute, path, f"more than {MAX_DEPTH} folders in each other; what is in it is not read"
            elif len(os.fsencode(path)) > MAX_PATH:
                yield absolute, path, f"its path has more than {MAX_PATH:,} bytes; shorten it"
            else:
                yield absolute, path, ""


def _meaning(folder: Path, absolute: Path, path: str) -> tuple[str, date | None, bool] | str:
    """(dataset, date in the path, is a reject file sent back), or why the file is no drop."""
    try:
        if not stat.S_ISREG(absolute.stat().st_mode):
            return "not a regular file"
        path.encode()
    except OSError as error:
        return f"can't be read: {error.strerror}"
    except UnicodeEncodeError:
        return "its name is not UTF-8; rename it"
    if absolute.is_symlink() and not absolute.resolve().is_relative_to(folder.resolve()):
        return "a link that leads out of the data folder"
    suffix = SUFFIX.search(absolute.name)
    if suffix is None:
        return NO_TABLE
    stem = absolute.name[: suffix.start()].lower()
    partial = REJECTS.search(stem) is not None
    name = re.sub(r"[^a-z0-9]+", "_", ISO_DATE.sub("", REJECTS.sub("", stem))).strip("_")
    dataset = next((d.name for d in DATASETS.values() if name in (d.name, *d.aliases)), None)
    if dataset is None:
        return NO_DATASET
    if not os.access(absolute, os.R_OK):
        return "can't be read: permission denied"
    dates = ISO_DATE.findall(path)
    try:
        return dataset, date.fromisoformat(dates[-1]) if dates else None, partial
    except ValueError:
        return f"{dates[-1]} in its path is no date"
