"""What is said of a batch that cannot be read: where, what, and what to do; never a value of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

MOST_LISTED = 20  # names in an error


class SourceError(ValueError):
    """A batch that cannot be read: `path` as named to people, `line` or None, `reason` as a short code.

    The message is one sentence with file, line, what and what to do; it never holds a cell's value.
    """

    def __init__(self, message: str, *, path: str, line: int | None, reason: str) -> None:
        super().__init__(message)
        self.path, self.line, self.reason = path, line, reason


@dataclass(frozen=True)
class Origin:
    """How errors call a batch."""

    name: str

    def error(self, reason: str, what: str, line: int | None = None) -> SourceError:
        place = f", line {line}" if line else ""
        return SourceError(f"{self.name}{place}: {what}", path=self.name, line=line, reason=reason)


def quoted(name: str) -> str:
    """A name from a source, as it may be printed."""
    return listed([name])


def listed(names: Sequence[str], written: Callable[[str], str] = repr) -> str:
    """Names from a source, as they may be printed: not thousands of them, and none of thousands of letters."""
    said = [written(name if len(name) <= 60 else name[:60] + "...") for name in names[:MOST_LISTED]]
    return ", ".join(said) + (f" and {len(names) - len(said):,} more" if len(names) > len(said) else "")
