"""Text files: bytes -> valid UTF-8 without NUL, counted in lines.

A text file is read twice in blocks. The first pass only decides the encoding, so that one file never mixes two; the
second hashes, decodes and cuts at line ends.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.declaration import Dataset
from pipeline.sources.errors import Origin, SourceError
from pipeline.sources.formats import kinds, limits
from pipeline.sources.formats.lines import newlines, parts
from pipeline.sources.formats.packed import Unpacked


class Text:
    """The text of a file.

    dataset      whose declaration an error about the encoding names
    fallback     what text that is not UTF-8 is read as; "" = nothing
    block_bytes  read at once
    """

    def __init__(self, path: Path, dataset: Dataset, origin: Origin, fallback: str, block_bytes: int) -> None:
        self._path, self._dataset, self.origin = path, dataset, origin
        self.block = max(block_bytes, 4)
        kinds.check_text(path, origin)
        self.encoding = self._decide_encoding(fallback)
        self.sha = hashlib.sha256()
        self._file = Unpacked(path, origin, self.sha.update)

    def close(self) -> None:
        self._file.close()

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """(line number after the piece, UTF-8 piece) once; a piece never ends between \\r and \\n."""
        yield from self._decoded(self._file)
        self._file.read_rest()

    def blocks(self) -> Iterator[tuple[int, int, bytes]]:
        """(first line, number of lines, block of whole lines) once; at most MAX_LINES of them."""
        line, rest = 1, b""
        for after, piece in self.pieces():
            cut = max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1
            if cut:
                yield from parts(line, after - line, rest + piece[:cut])
                line, rest = after, piece[cut:]
            else:
                rest += piece
            if len(rest) > limits.MAX_RECORD:
                megabytes = limits.MAX_RECORD // 1_000_000
                what = f"a record of more than {megabytes} MB; the line ends are missing or the file is damaged"
                raise self.origin.error("too_large_record", what, line)
        if rest:
            yield line, 1, rest + b"\n"

    def begins_with(self, sign: bytes) -> bool:
        """Whether the first character that is not blank is this one."""
        with Unpacked(self._path, self.origin) as file:
            for _, piece in self._decoded(file):
                if piece.strip():
                    return piece.lstrip().startswith(sign)
        return False

    def _decide_encoding(self, fallback: str) -> str:
        """The one encoding of the whole file: by BOM, else UTF-8 if all of it is, else the fallback."""
        with Unpacked(self._path, self.origin) as file:
            head = file.read(4)
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            return "utf-16"
        if head.startswith(codecs.BOM_UTF8):  # it says what it is: one bad byte is damage, not another encoding
            fallback = ""
        return fallback if fallback and not self._is_utf8() else "utf-8"

    def _is_utf8(self) -> bool:
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            with Unpacked(self._path, self.origin) as file:
                while piece := file.read(self.block):
                    if decoder.getstate()[0] or not piece.isascii():
                        decoder.decode(piece)
            decoder.decode(b"", True)
        except UnicodeDecodeError:
            return False
        return True

    def _decoded(self, file: Unpacked) -> Iterator[tuple[int, bytes]]:
        encoding = self.encoding
        decoder = codecs.getincrementaldecoder(encoding)()
        line, fed, held, raw = 1, 0, b"", b"-"
        while raw:
            raw = file.read(self.block)
            first, fed = not fed, fed + len(raw)
            try:
                text = decoder.decode(raw, not raw)
            except UnicodeDecodeError as error:
                if not encoding.startswith("utf-16") and (nul := raw.find(b"\0")) >= 0:  # the more telling fault
                    raise self._nul(line + newlines(held + raw[:nul])) from None
                line += newlines(held + error.object[: error.start].decode(error.encoding, "replace").encode())
                raise self._undecodable(line, fed - len(error.object) + error.start) from None
            data = held + (raw if encoding == "utf-8" else text.encode())
            if first:
                data = data.removeprefix(codecs.BOM_UTF8)
            held = b"\r" if raw and data.endswith(b"\r") else b""
            data = data[: len(data) - len(held)]
            if (nul := data.find(b"\0")) >= 0:
                raise self._nul(line + newlines(data[:nul]))
            line += newlines(data)
            yield line, data

    def _undecodable(self, line: int, offset: int) -> SourceError:
        remedy = f"save the file as UTF-8, or declare its encoding in pipeline/datasets/{self._dataset.name}.py"
        what = f"byte {offset + 1} of the file is not valid {self.encoding}; {remedy}"
        return self.origin.error("undecodable", what, line)

    def _nul(self, line: int) -> SourceError:
        what = "holds a NUL byte: the file is damaged, binary, or UTF-16 without a byte order mark; save it as UTF-8"
        return self.origin.error("nul_byte", what, line)
