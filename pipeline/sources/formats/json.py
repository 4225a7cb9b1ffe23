"""JSON (.json .jsonl .ndjson): an array of objects, or one object a line -> tables of text columns."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from pipeline.sources.batch import Reading, text_table
from pipeline.sources.columns import MAX_COLUMNS, Columns, extra_key, short, unused
from pipeline.sources.errors import SourceError, quoted
from pipeline.sources.formats import limits
from pipeline.sources.formats.json_array import elements
from pipeline.sources.formats.json_values import Pairs, compact, decoder, fault, flat, holds_too_much, storable
from pipeline.sources.formats.text import Text
from pipeline.sources.never_stored import NOT_STORED, speaks_of_secrets

REMEDY = "Fix the keys of its objects (an array of them, or one a line)"


class Json(Reading):
    """The objects of a JSON text. array: whether it may be an array, which its first sign says."""

    def __init__(self, text: Text, columns: Columns, most: int, *, array: bool) -> None:
        super().__init__(text.origin, columns, most)
        self._text, self.encoding = text, text.encoding
        self._decoder = decoder()
        self._array = array and text.begins_with(b"[")
        self._layouts = _Layouts(columns, in_array=self._array)
        self._objects = 0
        self._first_fault: tuple[int, int, str] | None = None

    @property
    def digest(self) -> str:
        return self._text.sha.hexdigest()

    def close(self) -> None:
        self._text.close()

    def _tables(self) -> Iterator[pa.Table]:
        rows: list[tuple[Any, ...]] = []
        size = 0
        blank = True
        for line, text, value in self._values():
            blank = False
            try:
                rows.append(self._row(line, text, value))
            except RecursionError:  # hundreds of objects in one another: no row of ours
                rows.append(self._row(line, text, None))
            size += len(text)
            if size >= self._text.block or len(rows) >= limits.MAX_LINES:
                yield self._table(rows)
                rows, size = [], 0
        if rows:
            yield self._table(rows)
        self._check_columns(blank)
        self._layouts.close()

    def _table(self, rows: list[tuple[Any, ...]]) -> pa.Table:
        lines, *columns, extra, record = zip(*rows, strict=True)
        return text_table(self.columns.dataset, lines, columns, extra, record)

    def _check_columns(self, blank: bool) -> None:
        if blank:
            if not self._array:
                raise self.origin.error("empty_file", "the file is empty (no JSON); send it again")
            return
        if not self._objects:
            line, column, what = self._first_fault or (1, 1, "no element is an object")
            what = f"column {column}: {what}; the file needs a JSON array of objects, or one JSON object a line"
            raise self.origin.error("not_json", what, line)
        self.columns.require(set(self._layouts.meant.values()), list(self._layouts.meant), None)

    def _values(self) -> Iterator[tuple[int, str, Any]]:
        """(place, text, value) of each element, or of each line."""
        if self._array:
            pieces = codecs.iterdecode((piece for _, piece in self._text.pieces()), "utf-8")
            return elements(pieces, self._decoder, self.origin)
        return self._lines()

    def _lines(self) -> Iterator[tuple[int, str, Any]]:
        for start, _, block in self._text.blocks():
            for line, raw in enumerate(block.splitlines(), start):
                text = raw.decode().strip(" \t")
                if text:
                    yield line, text, self._value(line, text)

    def _value(self, line: int, text: str) -> Any:
        try:
            if holds_too_much(text):
                raise json.JSONDecodeError(f"more than {limits.MAX_VALUES:,} values", text, 0)
            return self._decoder.decode(text)
        except (json.JSONDecodeError, RecursionError) as error:
            if self._first_fault is None:
                self._first_fault = (line, getattr(error, "colno", 1), fault(error))
            return None

    def _row(self, line: int, text: str, value: Any) -> tuple[Any, ...]:
        """(line, declared values..., extra, record); only its text if it is no object, or none that can be held."""
        layouts = self._layouts
        values: list[str | None] = [None] * len(layouts.places)
        extra: dict[str, str] = {}
        if not isinstance(value, Pairs):
            return (line, *values, None, self._whole(text))
        self._objects += 1
        keys, items = zip(*value, strict=True) if value else ((), ())
        layout = None if "\\u" in text or Pairs in map(type, items) else layouts.known(keys)
        if layout is None:
            keys, items = self._cells(value, line)
            if "\\u" in text and not all(map(storable, (*keys, *items))):
                layouts.note(keys)
                return (line, *values, None, self._whole(text))
            layout = layouts.of(keys, line)
        for (place, name), item in zip(layout, items, strict=True):
            if item is not None and not isinstance(item, str):
                item = compact(item, self._hidden)
            if place >= 0:
                values[place] = item
            elif item:
                extra[name] = item
        return (line, *values, json.dumps(extra, ensure_ascii=False) if extra else None, None)

    def _cells(self, value: Pairs, line: int) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
        """(keys, texts) of an object, flattened, without what is never stored."""
        pairs = list(islice(flat(value, self._hidden), MAX_COLUMNS + 1))
        if len(pairs) > MAX_COLUMNS:
            raise self._layouts.misshapen("too_many_columns", f"more than {MAX_COLUMNS} keys", line)
        keys = tuple(key for key, _ in pairs)
        texts = (item if item is None or isinstance(item, str) else compact(item, self._hidden) for _, item in pairs)
        return keys, tuple(texts)

    def _hidden(self, key: str) -> bool:
        """Whether what stands under a key is never stored; the file is known to have it then."""
        if not self.columns.is_secret(key):
            return False
        if len(self.columns.never_stored) < MAX_COLUMNS and storable(key):
            self.columns.note_secret([short(key)])
        return True

    def _whole(self, text: str) -> str:
        """A record as it is; not at all when it speaks of what is never stored."""
        return NOT_STORED if speaks_of_secrets(text, self.columns.dataset.never_store) else text


class _Layouts:
    """Where the values of objects go, by their keys: real files have a handful of such rows of keys.

    places  of the declared columns
    meant   each key seen, and the declared column it means
    """

    def __init__(self, columns: Columns, *, in_array: bool) -> None:
        self.columns, self._in_array = columns, in_array
        self.places = {column: i for i, column in enumerate(columns.dataset.column_names)}
        self.meant: dict[str, str | None] = {}
        self._names: dict[str, str] = {}  # name outside the declaration -> key in `_extra`
        self._layouts: dict[tuple[str, ...], list[tuple[int, str]]] = {}
        self._kept = 0  # characters of keys in layouts

    def known(self, keys: tuple[str, ...]) -> list[tuple[int, str]] | None:
        return self._layouts.get(keys)

    def note(self, keys: tuple[str, ...]) -> None:
        """Take the declared columns among the keys of an object that is not stored by its columns."""
        self.meant |= {key: column for key in keys if (column := self.columns.meant(key))}

    def of(self, keys: tuple[str, ...], line: int) -> list[tuple[int, str]]:
        """For each key of an object: (place of its declared column, "") or (-1, key in `_extra`)."""
        if keys in self._layouts:
            return self._layouts[keys]
        names: dict[str, str] = {}
        taken: dict[str, int] = {}
        layout: list[tuple[int, str]] = []
        for key in keys:
            column = self.meant[key] if key in self.meant else self.columns.meant(key)
            if column in names:
                what = f"keys {quoted(names[column])} and {quoted(key)} both mean '{column}'; remove or rename one"
                raise self.misshapen("repeated_column", what, line)
            if column:
                names[column] = key
                layout.append((self.places[column], ""))
            else:
                if key not in self.meant:
                    self.columns.note_extra([key])
                name = unused(key, taken)
                place = len(self.places) + len(self._names) + 1
                layout.append((-1, self._names.setdefault(name, extra_key(place, name))))
            self.meant[key] = column
        if max(len(self.meant), len(self._names)) > MAX_COLUMNS:
            what = f"here the file has more than {MAX_COLUMNS} different keys; is a key a value?"
            raise self.misshapen("too_many_columns", what, line)
        size = sum(map(len, keys))
        if len(self._layouts) < 1000 and self._kept + size < limits.MAX_HEADER:
            self._layouts[keys], self._kept = layout, self._kept + size
        return layout

    def misshapen(self, reason: str, what: str, line: int) -> SourceError:
        """An error of one object, which an array counts from 1."""
        place = f"element {line}: " if self._in_array else ""
        return self.columns.origin.error(reason, place + what, None if self._in_array else line)

    def close(self) -> None:
        """All objects were seen: their keys are the columns of the batch."""
        self.columns.header += tuple(self._names)
        given = set(self.meant.values())
        declared = (name if name in given else None for name in self.columns.dataset.column_names)
        self.columns.fields = (*declared, *(None for _ in self._names))
