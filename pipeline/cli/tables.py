"""How tables and paths are printed."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO


class Printable(io.TextIOBase):
    """A stream to which no control character but the line end passes: a cell or a name can't steer the terminal."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        from pipeline.drops import shown_lines

        self.stream.write(shown_lines(text))
        return len(text)

    def flush(self) -> None:
        self.stream.flush()

    def isatty(self) -> bool:
        return self.stream.isatty()

    def fileno(self) -> int:
        return self.stream.fileno()


@contextlib.contextmanager
def printable_streams() -> Iterator[None]:
    with (
        contextlib.redirect_stdout(Printable(sys.stdout)),
        contextlib.redirect_stderr(Printable(sys.stderr)),
    ):
        yield


def terminal() -> TextIO:
    """Standard output as it is: for the line of progress, which the next one replaces."""
    out: Any = sys.stdout
    return out.stream if isinstance(out, Printable) else out


def data_stream() -> TextIO:
    """Where CSV goes: byte for byte into a file or a pipe, printable to a terminal."""
    return sys.stdout if sys.stdout.isatty() else terminal()


def nearby(path: Path) -> Path:
    """The path as seen from here, when it is below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def print_table(rows: Iterable[dict[Any, Any]], columns: Iterable[Any], names: Sequence[str] | None = None) -> None:
    """Rows as aligned text: numbers to the right, at most 60 characters a cell, nothing for null."""
    from pipeline.drops import shown

    rows, columns = list(rows), list(columns)
    if not rows:
        print("  (none)")
        return
    header = [shown(str(name)) for name in (names or columns)]
    cells = [["" if row[column] is None else shown(str(row[column])) for column in columns] for row in rows]
    cells = [[cell if len(cell) <= 60 else cell[:59] + "…" for cell in row] for row in cells]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    right = [all(_is_number(row[place]) for row in cells) for place in range(len(columns))]
    for row in [header, ["-" * width for width in widths], *cells]:
        aligned = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        print("  " + "  ".join(aligned).rstrip())


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip("-").replace(".", "", 1).isdigit()
