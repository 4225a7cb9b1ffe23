"""Excel workbooks (.xlsx): the first sheet -> tables of text columns, by its rows.

`workbook.py`, started as a script with an empty environment, little memory and little time, reads the file: a workbook
that asks for too much ends that process, and the file is refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from pipeline.sources import formulas
from pipeline.sources.batch import Reading, text_table
from pipeline.sources.columns import Columns
from pipeline.sources.formats import kinds, limits, workbook
from pipeline.sources.formats.workbook import NO_READER, PIECE, Row, UnsafeError

MEMORY, MEMORY_PER_BYTE, MAX_MEMORY = 500_000_000, 50, 4_000_000_000  # of the process
SECONDS, BYTES_PER_SECOND = 60, 100_000  # of work


class Sheet(Reading):
    """The rows of a workbook's first sheet. block_bytes: of a batch of rows."""

    def __init__(self, path: Path, columns: Columns, most: int, block_bytes: int) -> None:
        super().__init__(columns.origin, columns, most)
        kinds.check_workbook(path, self.origin)
        self._sha = hashlib.sha256()
        self._process = Process(
            path, self._sha.update, most=limits.MAX_WORKBOOK, ratio=limits.MAX_RATIO, block=max(block_bytes, 1)
        )
        self._batches = self._read()
        try:
            rows = next(self._batches, None)
            if not rows:
                raise self.origin.error("empty_file", "the first sheet is empty; send the file again")
            (line, names), *self._first = rows
            columns.match(names, line)
        except BaseException:
            self.close()
            raise

    @property
    def digest(self) -> str:
        return self._sha.hexdigest()

    def _read(self) -> Iterator[list[Row]]:
        try:
            yield from self._process.batches()
        except UnsafeError as error:
            raise self.origin.error(error.reason, str(error)) from None

    def close(self) -> None:
        self._process.close()

    def _tables(self) -> Iterator[pa.Table]:
        for rows in chain([self._first], self._batches):
            for line, cells in rows:
                if any("\0" in cell for cell in cells):
                    raise self.origin.error("nul_byte", "a cell holds a NUL character; remove it", line)
            if self.columns.defused:
                rows = [(line, [formulas.restored(cell) for cell in cells]) for line, cells in rows]
            if rows:
                yield self._table([(line, *cells) for line, cells in rows])

    def _table(self, rows: list[tuple[Any, ...]]) -> pa.Table:
        lines, *cells = zip(*rows, strict=True)
        columns = [None if place is None else cells[place] for place in self.columns.places()]
        keys = self.columns.keys
        outside = [(keys[name], cells[i]) for i, name in enumerate(self.columns.header) if name in keys]
        filled = ({key: values[row] for key, values in outside if values[row]} for row in range(len(lines)))
        extra = [json.dumps(cells, ensure_ascii=False) if cells else None for cells in filled] if outside else None
        return text_table(self.columns.dataset, lines, columns, extra, None)


class Process:
    """The rows of a workbook's first sheet, as another process reads them.

    update     is shown every byte of the file
    most       bytes that it may unpack to;  ratio: times its packed size, once that is a tenth of `most`
    block      characters of a batch of rows
    """

    def __init__(self, path: Path, update: Callable[[bytes], object], *, most: int, ratio: int, block: int) -> None:
        import subprocess  # most files are text

        size = path.stat().st_size
        self.memory = min(MEMORY + MEMORY_PER_BYTE * size, MAX_MEMORY)
        self.seconds = SECONDS + size // BYTES_PER_SECOND
        allowed = (self.memory, self.seconds, min(most, max(most // 10, ratio * size)), block)
        with path.open("rb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-I", workbook.__file__, *map(str, allowed)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={},  # no key, no password
                cwd="/",
                start_new_session=True,  # Ctrl-C is for who reads the file; else a file would be refused for it
            )
            try:
                self._send(file, update)
            except BaseException:
                self.close()
                raise

    def _send(self, file: IO[bytes], update: Callable[[bytes], object]) -> None:
        with contextlib.suppress(BrokenPipeError), cast(IO[bytes], self._process.stdin) as to:
            for piece in iter(lambda: file.read(PIECE), b""):
                update(piece)
                to.write(piece)
        for piece in iter(lambda: file.read(PIECE), b""):  # the process ended, and `batches` says why
            update(piece)

    def batches(self) -> Iterator[list[Row]]:
        """Rows that hold something, with their numbers; UnsafeError when they cannot be had."""
        for message in self._process.stdout or ():
            said = json.loads(message)
            if isinstance(said, dict):
                self.close()
                if said:
                    raise UnsafeError(said["reason"], said["what"])
                return
            yield said
        raise self._ended(self._process.wait())

    def _ended(self, code: int) -> Exception:
        import errno
        import signal

        if code in (NO_READER, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT):  # this says nothing of the file
            return OSError(errno.EINTR, "the reader of workbooks was stopped, or is not installed")
        if code in (-signal.SIGXCPU, -signal.SIGALRM):
            what = f"the workbook takes more than {self.seconds} seconds to read; export the sheet as .csv"
            return UnsafeError("too_large_workbook", what)
        what = f"to read the workbook takes more than {self.memory // 1_000_000} MB of memory"
        remedy = "its cells lie too far apart, or hold too much; delete what is far off, or export the sheet as .csv"
        return UnsafeError("too_large_workbook", f"{what}: {remedy}")

    def close(self) -> None:
        """End the process; harmless when it has ended."""
        self._process.kill()
        self._process.stdout.close()  # type: ignore[union-attr]
        self._process.wait()
