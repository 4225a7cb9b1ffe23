"""Artifacts: files people read. Written aside, synced, renamed last; an edited or deleted one is known and rebuilt."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from targets.parts import digest, file_digest

# Pieces of text, or a function that writes the bytes itself.
Content = Iterable[str] | Callable[[BinaryIO], None]


def content_digest(folder: Path, pattern: str) -> str:
    """Digest of the files that match, names included."""
    found = {str(path.relative_to(folder)): file_digest(path) for path in folder.glob(pattern) if path.is_file()}
    return digest(found)


def write_files(folder: Path, pattern: str, files: Mapping[str, Content]) -> str:
    """Write the files (name -> content), remove others that match the pattern; return the content digest."""
    folder.mkdir(parents=True, exist_ok=True)
    aside = f".writing-{digest(pattern)[:8]}-"
    # What a killed writer left. No other writer is at work: the caller holds the lock of the target that owns them.
    for left in folder.glob(str(Path(pattern).parent / f"{aside}*")):
        left.unlink(missing_ok=True)
    for name, content in files.items():
        _replace(folder / name, content, aside)
    for path in folder.glob(pattern):
        if str(path.relative_to(folder)) not in files:
            path.unlink()
    return content_digest(folder, pattern)


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
