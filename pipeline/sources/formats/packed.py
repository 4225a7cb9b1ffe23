"""The bytes of a file, unpacked if it is called .gz, never more than a sound file would hold."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.sources.errors import Origin
from pipeline.sources.formats import kinds, limits


class Unpacked:
    """A file as its reader sees it. update: is shown every byte of the file itself."""

    def __init__(self, path: Path, origin: Origin, update: Callable[[memoryview], object] | None = None) -> None:
        self.path, self.origin = path, origin
        self._raw = io.BufferedReader(_Shown(path, update), 1 << 20) if update else path.open("rb")
        self._zipped = kinds.is_gzip(path)
        self._file: Any = gzip.GzipFile(fileobj=self._raw) if self._zipped else self._raw

    def read(self, size: int) -> bytes:
        try:
            data: bytes = self._file.read(size)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise self.origin.error("not_gzip", "the gzip data is damaged or cut off; send the file again") from None
        if self._zipped and self._file.tell() > limits.most_unpacked(self.path.stat().st_size):
            times = limits.MAX_RATIO
            what = f"unpacks to more than {times} times its size; send it as it is, not compressed, if it is sound"
            raise self.origin.error("too_large_archive", what)
        return data

    def read_rest(self) -> None:
        """Show the rest of the file to `update`, also what is behind the last member of an archive."""
        while self._raw.read(1 << 20):
            pass

    def close(self) -> None:
        self._raw.close()

    def __enter__(self) -> Unpacked:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Shown(io.RawIOBase):
    """A file that shows every byte read from it to `update`."""

    def __init__(self, path: Path, update: Callable[[memoryview], object]) -> None:
        self._file, self._update = path.open("rb", buffering=0), update

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = self._file.readinto(buffer) or 0
        self._update(memoryview(buffer)[:size])
        return size

    def close(self) -> None:
        self._file.close()
        super().close()
