"""The lines of a run: how far it is, or one per target; Luigi's own when something is wrong."""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
from collections.abc import Callable, Iterator

from pipeline.cli.tables import terminal
from pipeline.sources.folder import printable
from targets.run import log


class _Line(logging.Handler):
    """The last message, in one line of the terminal that the next one replaces."""

    def emit(self, record: logging.LogRecord) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._write(printable(" ".join(record.getMessage().split()))[:width])

    def close(self) -> None:
        self._write("")
        super().close()

    @staticmethod
    def _write(line: str) -> None:
        """To the terminal itself, past the stream that lets no control character through."""
        out = terminal()
        out.write(f"\r\x1b[K{line}")
        out.flush()


def _once() -> Callable[[logging.LogRecord], bool]:
    """A filter: what stops several tasks is said once. A traceback is never the same."""
    said: set[str] = set()

    def first(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        repeated = message in said and not record.exc_info
        said.add(message)
        return not repeated

    return first


@contextlib.contextmanager
def lines_shown(*, verbose: bool) -> Iterator[None]:
    """Our own lines to standard output, Luigi's only when something is wrong."""
    live = sys.stdout.isatty() and not verbose
    handler: logging.Handler = _Line() if live else logging.StreamHandler(sys.stdout)
    log.handlers, log.propagate = ([handler] if live or verbose else [logging.NullHandler()]), False
    log.setLevel(logging.INFO)
    errors = logging.StreamHandler(sys.stderr)
    errors.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    if not verbose:  # the ending says what waits
        errors.addFilter(lambda record: not getattr(record, "waits", False))
        errors.addFilter(_once())
    luigi_log = logging.getLogger("luigi-interface")
    luigi_log.handlers, luigi_log.propagate = [errors], False
    luigi_log.setLevel(logging.WARNING)
    logging.getLogger("luigi").setLevel(logging.ERROR)
    try:
        yield
    finally:
        handler.close() if live else None
