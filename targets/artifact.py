"""Artifacts: files people read. Written aside, synced, renamed last; an edited or deleted one is known and rebuilt."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from targets.parts import digest, file_digest


def content_digest(folder: Path, pattern: str) -> str:
    """Digest of the files that match, names included."""
    found = {str(path.relative_to(folder)): file_digest(path) for path in folder.glob(pattern) if path.is_file()}
    return digest(found)


def write_files(folder: Path, pattern: str, files: Mapping[str, Iterable[str]]) -> str:
    """Write the files (name -> pieces of text), remove others that match the pattern; return the content digest."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, pieces in files.items():
        _replace(folder / name, pieces)
    for path in folder.glob(pattern):
        if str(path.relative_to(folder)) not in files:
            path.unlink()
    return content_digest(folder, pattern)


def _replace(path: Path, pieces: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        Path(aside).chmod(0o644)
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
