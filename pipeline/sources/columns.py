"""Columns: which column of a dataset each name in a batch means, which are outside it, and which are never stored."""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Iterable, Sequence

from pipeline.datasets.declaration import Dataset
from pipeline.sources import formulas
from pipeline.sources.errors import Origin, SourceError, listed, quoted
from pipeline.sources.never_stored import is_secret

MAX_COLUMNS = 2_000
MAX_NAME = 200  # characters of a column outside the declaration
OWN = ("reject_line", "reject_reasons", "reject_record")  # columns of our reject files


class Columns:
    """The columns of one batch.

    header        names in the batch's order; an empty one is 'column 13', a repeated extra one gets ' (2)'
    fields        the declared column each header means, None for an extra column or a key that no object has
    extra         header names outside the declaration, without our own `reject_...` columns and those never stored
    never_stored  names of columns that hold passwords or tokens, or that the dataset declares so
    keys          what the extra columns are called in `_extra`
    defused       whether this is one of our own reject files, in which an apostrophe stands before a formula
    remedy        what to do about a header in which a column is missing

    Where each record names its columns (JSON), header and fields begin with the declared ones.
    """

    def __init__(self, dataset: Dataset, origin: Origin, remedy: str = "Fix the header") -> None:
        self.dataset, self.origin, self.remedy = dataset, origin, remedy
        self.header: tuple[str, ...] = dataset.column_names
        self.fields: tuple[str | None, ...] = dataset.column_names
        self.extra: tuple[str, ...] = ()
        self.never_stored: tuple[str, ...] = ()
        self.keys: dict[str, str] = {}
        self.defused = False
        self._meaning = {alias: c.name for c in dataset.columns for alias in (c.name, *c.aliases)}

    def meant(self, name: str) -> str | None:
        """The declared column that a name means: 'Max Score', MAX-SCORE and maxScore all mean max_score."""
        spellings = (name, re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", name))
        names = (re.sub("[^a-z0-9]+", "_", spelling.lower()).strip("_") for spelling in spellings)
        return next((self._meaning[name] for name in names if name in self._meaning), None)

    def match(self, names: Sequence[str], line: int) -> None:
        """Take the names of a header at this line; SourceError for missing and repeated columns."""
        self.defused = any(re.match(r"\W*reject_(line|reasons|record)\W*$", name.lower()) for name in names)
        if len(names) > MAX_COLUMNS + len(OWN) * self.defused:
            raise self.origin.error("too_many_columns", f"{len(names)} columns; at most {MAX_COLUMNS} are read", line)
        if self.defused:
            names = [formulas.restored(name) for name in names]
        header: list[str] = []
        taken: dict[str, int] = {}
        found: dict[str, str] = {}
        for position, name in enumerate((name.strip().lstrip("\ufeff") for name in names), 1):
            column = self.meant(name)
            if column and column in found:
                raise self._repeated(found[column], name, column, line)
            if column:
                found[column] = name
            header.append(name if column else unused(short(name) or f"column {position}", taken))
            taken.setdefault(header[-1], 1)
        self.header = tuple(header)
        self.fields = tuple(self.meant(name) for name in names)
        outside = {header[i]: (i + 1, name) for i, name in enumerate(names) if self.fields[i] is None}
        self.note_secret(unique for unique, (_, name) in outside.items() if self.is_secret(name))
        kept = {unique: place for unique, (place, _) in outside.items() if unique not in self.never_stored}
        self.keys = {unique: extra_key(place, unique) for unique, place in kept.items()}
        self.note_extra(self.keys)
        self.require(found, names, line)

    def note_extra(self, names: Iterable[str]) -> None:
        self.extra += tuple(name for name in names if not re.match(r"\W*reject_", name.lower()))

    def note_secret(self, names: Iterable[str]) -> None:
        self.never_stored += tuple(name for name in names if name not in self.never_stored)

    def is_secret(self, name: str) -> bool:
        return is_secret(name, self.dataset.never_store)

    @property
    def absent(self) -> tuple[str, ...]:
        """The optional columns that the batch lacks."""
        return self.dataset.absent(self.fields)

    def places(self) -> list[int | None]:
        """Where the declared columns stand in a record; None: the batch lacks it."""
        return [self.fields.index(name) if name in self.fields else None for name in self.dataset.column_names]

    def require(self, found: Container[str | None], names: Sequence[str], line: int | None) -> None:
        """Refuse a batch without a column that is not optional. line: where its names stand; None = they are keys."""
        missing = [c.name for c in self.dataset.columns if c.name not in found and not c.optional]
        if not missing:
            return
        said = f"missing column{'s' * (len(missing) > 1)} {', '.join(map(repr, missing))}; "
        read = f"line {line} was read as the header" if line else "the keys are"
        if not any(self.meant(name) in self.dataset.column_names for name in names):
            # a first row of data, perhaps: its cells are not shown
            said += f"{read}, and " * bool(line) + f"none of its {len(names)} names is known. "
        else:
            said += f"{read}: {listed(names)}{self._nearest(missing, names)}. "
        what = f"{said}{self.remedy} or add an alias in pipeline/datasets/{self.dataset.name}.py"
        raise self.origin.error("missing_columns", what)

    def _nearest(self, missing: Sequence[str], names: Sequence[str]) -> str:
        """The unknown names of a header that look like the missing ones."""
        unknown = {name.strip().lower(): name for name in names if not self.meant(name)}
        near = {column: difflib.get_close_matches(column, unknown, n=1) for column in missing}
        pairs = [f"{quoted(unknown[found[0]])} for {column!r}" for column, found in near.items() if found]
        return f"; nearest: {', '.join(pairs)}" if pairs else ""

    def _repeated(self, first: str, second: str, column: str, line: int) -> SourceError:
        what = f"columns {quoted(first)} and {quoted(second)} both mean '{column}'; remove or rename one"
        return self.origin.error("repeated_column", what, line)


def extra_key(place: int, name: str) -> str:
    """Of a column in `_extra`: its place in the header; our own columns keep their names, by which SQL finds them."""
    return name if name in OWN else str(place)


def short(name: str) -> str:
    return name if len(name) <= MAX_NAME else name[:MAX_NAME] + "..."


def unused(name: str, taken: dict[str, int]) -> str:
    """The name, or with ' (2)' and so on behind it; taken: each name that was given, and the last number tried."""
    unused, number = name, taken.get(name, 0)
    while unused in taken:
        number += 1
        unused = f"{name} ({number})"
    taken[name] = max(number, 1)
    taken.setdefault(unused, 1)
    return unused
