"""Strays: files in the data folder that are no drop. Which of them wait for a person, and what would load them.

A file with the ending of a table was given to be read, so it waits; the dataset that its header fits is named.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath

from pipeline.datasets import DATASETS
from pipeline.datasets.declaration import Dataset
from pipeline.sources.formats.kinds import FORMATS
from pipeline.sources.head import MOST_NAMES, names_of

LOADABLE = "|".join(FORMATS)
OTHERS = (
    "tab|psv|xls|xlsm|xlsb|xltx|xlt|ods|fods|numbers|parquet|feather|avro|orc|xml|html?|dat|dbf|db|sqlite3?|mdb|accdb|"
    "sav|dta"
)
TABLE = re.compile(rf"\.({LOADABLE}|{OTHERS})(\.(gz|zip|bz2|xz|zst))?$|\.(zip|gz|7z|rar|tar|tgz)$", re.IGNORECASE)
COMING = re.compile(r"\.(part|partial|filepart|crdownload|download|tmp|temp)$", re.IGNORECASE)  # not whole yet
LOADED = re.compile(rf"\.({LOADABLE})(\.gz)?$", re.IGNORECASE)
DAY = re.compile(r"(?<!\d)(\d{4})[-_. ]?(\d{2})[-_. ]?(\d{2})(?!\d)")
LOOKED_AT = 100  # strays of one scan; of more, the first ones
PACKED = {"zip", "gz", "7z", "rar", "tar", "tgz", "bz2", "xz", "zst"}


@dataclass(frozen=True)
class Fit:
    """A dataset that a header fits: so many of its columns are there, the others are missing."""

    dataset: Dataset
    there: int
    missing: tuple[str, ...]


def is_given(path: str) -> bool:
    """Whether a file's name says that it was given to be read: it holds a table or something packed, or it is called
    like a dataset: students, attendance.pdf, students.csv.old."""
    return not COMING.search(path) and (TABLE.search(path) is not None or _is_called_like_one(path))


def _is_called_like_one(path: str) -> bool:
    stem = re.sub(r"[\d_]+$", "", _plain(PurePosixPath(path).name.partition(".")[0]))
    return any(stem in (dataset.name, *dataset.aliases) for dataset in DATASETS.values())


def advice(absolute: Path, path: str, taken: Container[str]) -> str:
    """What the file is likely to be and what would load it; "" when nothing is known. taken: paths of other files."""
    found = fitting(names_of(absolute, _known))
    dataset = found.dataset if found else _by_name(PurePosixPath(path).name)
    if dataset is None:
        return ""
    if found and not found.missing:
        said = f"its header fits {dataset.name}"
    elif found:
        columns = ", ".join(found.missing[:3]) + (", ..." if len(found.missing) > 3 else "")
        said = f"its header comes nearest to {dataset.name}, without {columns}"
    else:
        said = f"its name is like {dataset.name}"
    more = "add what is missing and " if found and found.missing else ""
    return f"{said}: {more}{_remedy(path, dataset, taken)}"


def _remedy(path: str, dataset: Dataset, taken: Container[str]) -> str:
    """Under which name it would be loaded."""
    name = PurePosixPath(path).name
    ending = LOADED.search(name)
    suffix = ending.group().lower() if ending else ".xlsx"
    day = _day(name)
    wanted = PurePosixPath(path).with_name(dataset.name + (f"_{day}" if day else "") + suffix)
    if str(wanted) in taken:  # in a folder of its own: its name counts, not where it is
        folder = re.sub(r"[^\w-]+", "_", name[: -len(suffix)] if ending else name).strip("_")
        wanted = wanted.parent / (folder or "other") / wanted.name
    if ending:
        return f"name it {wanted}"
    packed = name.lower().rpartition(".")[2] in PACKED
    return f"unpack it, and name what is in it like {wanted}" if packed else f"save it as {wanted}"


def _day(name: str) -> date | None:
    """A day in the name, with or without dashes."""
    for found in DAY.finditer(name):
        try:
            return date(*map(int, found.groups()))
        except ValueError:
            continue
    return None


def _by_name(name: str) -> Dataset | None:
    """The dataset whose name is in the file's; the longest, so that student_progress is not students."""
    plain = _plain(name)
    names = {alias: dataset for dataset in DATASETS.values() for alias in (dataset.name, *dataset.aliases)}
    return next((names[alias] for alias in sorted(names, key=len, reverse=True) if alias in plain), None)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def fitting(names: list[str]) -> Fit | None:
    """The dataset that most of these column names belong to; at least half of its columns must be there."""
    given = {_plain(name) for name in names[:MOST_NAMES]}
    fits = []
    for dataset in DATASETS.values():
        missing = tuple(column.name for column in dataset.columns if given.isdisjoint((column.name, *column.aliases)))
        fits.append(Fit(dataset, len(dataset.columns) - len(missing), missing))
    best = max(fits, key=lambda fit: (not fit.missing, fit.there / len(fit.dataset.columns)))
    return best if best.there >= max(2, len(best.dataset.columns) / 2) else None


def _known(names: list[str]) -> int:
    """How many columns of one dataset they name."""
    fit = fitting(names)
    return fit.there if fit else 0
