"""The elements of a JSON array, one after the other, as the pieces of its text come."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pipeline.sources.errors import Origin, SourceError
from pipeline.sources.formats import limits
from pipeline.sources.formats.json_values import fault, holds_too_much
from pipeline.sources.formats.lines import newlines

_BLANKS = re.compile("[ \t\r\n]*+")
_NESTING = re.compile(r'"(?:[^"\\]++|\\.|\\\Z)*+(?:"|\Z)|[\[\]{}]', re.S)


def elements(pieces: Iterator[str], decoder: json.JSONDecoder, origin: Origin) -> Iterator[tuple[int, str, Any]]:
    """(index from 1, text, value) of each element; SourceError where the array is none."""
    window = _Window(pieces, origin)
    window.take("[")
    if window.peek() == "]":
        window.take("]")
        return window.finish()
    index = 0
    while True:
        index += 1
        yield (index, *window.value(decoder))
        if window.take(",]") == "]":
            return window.finish()


class _Window:
    """The unread part of a JSON text; grows only while a value is incomplete."""

    def __init__(self, pieces: Iterator[str], origin: Origin) -> None:
        self.pieces, self.origin = pieces, origin
        self.text, self.at, self.line, self.column = "", 0, 1, 1

    def more(self) -> bool:
        for piece in self.pieces:
            if piece:
                self.line, self.column = self.place(self.at)
                self.text, self.at = self.text[self.at :] + piece, 0
                return True
        return False

    def place(self, at: int) -> tuple[int, int]:
        before = self.text[:at].encode(errors="replace")
        lines = newlines(before)
        last = max(before.rfind(b"\n"), before.rfind(b"\r")) + 1
        column = len(before[last:].decode()) + 1
        return self.line + lines, column if lines else self.column + column - 1

    def fail(self, at: int, what: str) -> SourceError:
        line, column = self.place(at)
        return self.origin.error("not_json", f"column {column}: {what}; repair the JSON or send the file again", line)

    def peek(self) -> str:
        while True:
            self.at = _BLANKS.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text) or not self.more():
                return self.text[self.at : self.at + 1]

    def take(self, expected: str) -> str:
        found = self.peek()
        if not found or found not in expected:
            raise self.fail(self.at, f"expected {' or '.join(map(repr, expected))}")
        self.at += 1
        return found

    def value(self, decoder: json.JSONDecoder) -> tuple[str, Any]:
        self.peek()
        while True:
            found: tuple[int, str] | None = None
            try:
                value, end = decoder.raw_decode(self.text, self.at)
                if end < len(self.text):
                    text, self.at = self.text[self.at : end], end
                    return text, value
            except RecursionError as error:
                end = _end_of_nesting(self.text, self.at)
                if end:
                    text, self.at = self.text[self.at : end], end
                    return text, None
                found = self.at, fault(error)
            except json.JSONDecodeError as error:
                found = error.pos, fault(error)
            if holds_too_much(self.text, self.at):  # what is left of the text belongs to this element
                if found is None or found[0] > len(self.text) - 100:  # else it is wrong before it is too long
                    found = self.at, f"an element of more than {limits.MAX_VALUES:,} values"
                raise self.fail(*found)
            too_long = len(self.text) - self.at > limits.MAX_RECORD
            if too_long or not self.more():
                at, what = found or (len(self.text), "the array is not closed")
                raise self.fail(at, what + " (or an element of more than 16 MB)" * too_long)

    def finish(self) -> None:
        if self.peek():
            raise self.fail(self.at, "text after the end of the array")


def _end_of_nesting(text: str, start: int) -> int:
    """Where the array or object that starts there ends, told by its brackets alone; 0 = not in this text."""
    depth = 0
    for token in _NESTING.finditer(text, start):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if not depth:
            return token.end() if token.end() < len(text) else 0
    return 0
