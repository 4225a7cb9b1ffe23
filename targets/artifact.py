"""Artifacts: files people read. Written aside, synced, renamed last; an edited or deleted one is known and rebuilt."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from targets.parts import digest, file_digest

# Pieces of text, or a function that writes the bytes itself.
Content = Iterable[str] | Callable[[BinaryIO], None]


class ArtifactError(RuntimeError):
    """A file could not be written: names it, and says why and what to do."""


def content_digest(folder: Path, pattern: str) -> str:
    """Digest of the files that match, names included."""
    found = {str(path.relative_to(folder)): file_digest(path) for path in folder.glob(pattern) if path.is_file()}
    return digest(found)


def write_files(folder: Path, pattern: str, files: Mapping[str, Content]) -> str:
    """Write the files (name -> content), remove others that match the pattern; return the content digest."""
    aside = f".writing-{digest(pattern)[:8]}-"
    # What a killed writer left. No other writer is at work: the caller holds the lock of the target that owns them.
    for left in folder.glob(str(Path(pattern).parent / f"{aside}*")):
        with _writing(left):
            left.unlink(missing_ok=True)
    for name, content in files.items():
        with _writing(folder / name):
            _replace(folder / name, content, aside)
    for path in folder.glob(pattern):
        if str(path.relative_to(folder)) not in files:
            with _writing(path):
                path.unlink()
    return content_digest(folder, pattern)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """A full disk, a folder that may not be written to: a person's to mend, so no traceback."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or "the disk may be full"
        raise ArtifactError(
            f"{path} could not be written: {reason}. The file that was there is as it was. Make room, or the folder "
            "writable, or set EDUFLOW_OUTPUT_DIR to another one, and run again."
        ) from error


def _replace(path: Path, content: Content, prefix: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(prefix=prefix, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            content(file) if callable(content) else file.writelines(piece.encode() for piece in content)
            file.flush()
            os.fsync(file.fileno())
        Path(aside).chmod(0o644)
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
