"""How tables, JSON and paths are printed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

MOST_CHARACTERS = 60  # of a cell in a pipe, where each row is a line
MOST_WRAPPED = 300  # of a cell in a terminal, where it is wrapped
LEAST_WIDTH = 12  # of a column of text in a terminal, if its texts are that long


class Printable(io.TextIOBase):
    """A stream to which no control character but the line end passes: a cell or a name can't steer the terminal."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        from pipeline.sources.folder import printable_lines

        with _unread(self.stream):
            self.stream.write(printable_lines(text))
        return len(text)

    def flush(self) -> None:
        with _unread(self.stream):
            self.stream.flush()

    def isatty(self) -> bool:
        return self.stream.isatty()

    def fileno(self) -> int:
        return self.stream.fileno()


@contextlib.contextmanager
def _unread(stream: TextIO) -> Iterator[None]:
    """When nobody reads any more (`| head -1`), the verb goes on and ends as it would: with its own exit code."""
    try:
        yield
    except BrokenPipeError:
        discard(stream)


def discard(stream: TextIO) -> None:
    """Throw away what the stream still holds, and all that will be written to it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


@contextlib.contextmanager
def printable_streams() -> Iterator[None]:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the locale can't write is no reason to stop
            stream.reconfigure(errors="backslashreplace")
    with (
        contextlib.ExitStack() as opened,
        contextlib.redirect_stdout(Printable(_open(sys.stdout, opened))),
        contextlib.redirect_stderr(Printable(_open(sys.stderr, opened))),
    ):
        yield


def _open(stream: TextIO | None, opened: contextlib.ExitStack) -> TextIO:
    """The stream, or nowhere when it was closed before we began (`>&-`)."""
    return stream or opened.enter_context(Path(os.devnull).open("w"))


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


def print_json(value: Any) -> None:
    """One document, its keys in the order given."""
    data_stream().write(as_json(value, indent=2) + "\n")


def as_json(value: Any, indent: int | None = None) -> str:
    """ASCII without control characters, so that any locale and any terminal takes it."""
    return json.dumps(value, indent=indent, default=_plain).replace("\x7f", "\\u007f")


def _plain(value: object) -> object:
    """What JSON has for it: numbers as numbers, days and times in ISO form, anything else as text."""
    if isinstance(value, Decimal) and value.is_finite():
        return int(value) if value == value.to_integral_value() else float(value)
    return value.isoformat() if isinstance(value, date) else str(value)


def print_table(rows: Iterable[dict[Any, Any]], columns: Iterable[Any], names: Sequence[str] | None = None) -> None:
    """Rows as aligned text, numbers to the right, nothing for null: a line each, or wrapped to fit the terminal."""
    from pipeline.sources.folder import printable

    rows, columns = list(rows), list(columns)
    if not rows:
        print("  (none)")
        return
    fitted = sys.stdout.isatty()
    header = [printable(str(name)) for name in (names or columns)]
    cells = [["" if row[column] is None else printable(str(row[column])) for column in columns] for row in rows]
    most = MOST_WRAPPED if fitted else MOST_CHARACTERS
    cells = [[cell if len(cell) <= most else cell[: most - 1] + "…" for cell in row] for row in cells]
    right = [all(_is_number(row[place]) for row in cells) for place in range(len(columns))]
    (_print_fitted if fitted else _print_lines)(header, cells, right)


def _print_lines(header: list[str], cells: list[list[str]], right: list[bool]) -> None:
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    for row in [header, ["-" * width for width in widths], *cells]:
        aligned = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        print("  " + "  ".join(aligned).rstrip())


def _print_fitted(header: list[str], cells: list[list[str]], right: list[bool]) -> None:
    """As many columns as fit, texts wrapped, numbers never."""
    from rich.box import SIMPLE_HEAD
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = shutil.get_terminal_size().columns
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    left = width
    for place, name in enumerate(header):
        longest = max(cell_len(row[place]) for row in cells)
        least = longest if right[place] else min(max(longest, cell_len(name)), LEAST_WIDTH)
        left -= least + 3  # a blank before, a blank after
        if left < -3 and place:
            break
        table.add_column(Text(name), overflow="fold", min_width=least, no_wrap=right[place])
        table.columns[-1].justify = "right" if right[place] else "left"
    for row in cells:
        table.add_row(*map(Text, row[: len(table.columns)]))
    drawn = io.StringIO()
    console = Console(file=drawn, width=width, color_system=None)
    console.print(table)
    if more := len(header) - len(table.columns):
        console.print(Text(f"{more} more columns do not fit: --csv or --json has all"))
    print("\n".join(line.rstrip() for line in drawn.getvalue().splitlines()))


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip("-").replace(",", "").replace(".", "", 1).isdigit()
