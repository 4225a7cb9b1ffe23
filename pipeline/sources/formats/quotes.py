"""Quotes of delimited text: one that was never closed swallows the rows behind it, so it is found and refused."""

from __future__ import annotations

import re

from pipeline.sources.errors import Origin, SourceError
from pipeline.sources.formats.lines import newlines


class Quotes:
    """Looks for quoted fields that run over line ends and close amid text: an earlier quote was never closed."""

    def __init__(self, delimiter: bytes, origin: Origin) -> None:
        self.origin = origin
        self._fields, self._records = _sound_patterns(delimiter)

    def check(self, block: bytes, line: int) -> None:
        """SourceError unless all quotes of these whole records are closed. line: of the first."""
        position = 0
        while position < len(block):
            match = self._records.match(block, position)
            if match is None:
                raise self.unclosed(block[position:], line + newlines(block[:position]), "before the next one")
            position = match.end()

    def unclosed(self, text: bytes, line: int, until: str) -> SourceError:
        """The error for a text, from that line on, that holds an open quote."""
        match = self._fields.match(text)
        opened = line + newlines(match.group()) if match else line
        what = f"a quote that opens a field is not closed {until}; close it, or double the quotes inside the field"
        return self.origin.error("unclosed_quote", what, opened)


def _sound_patterns(delimiter: bytes) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Fields, and up to a thousand whole records, in which no quoted field that spans lines is followed by text."""
    stop = rb"\r\n" + re.escape(delimiter)
    clean = rb'"(?:[^"]++|"")*+"(?=[%s])' % stop
    one_line = rb'"(?:[^"\r\n]++|"")*+"[^%s]*+' % stop
    plain = rb'(?!")[^%s]*+' % stop
    field = rb"(?:%s|%s|%s)" % (clean, one_line, plain)
    fields = rb"(?:%s%s)*+" % (field, re.escape(delimiter))
    return re.compile(fields), re.compile(rb"(?:%s%s(?:\r\n?|\n)){1,1000}+" % (fields, field))
