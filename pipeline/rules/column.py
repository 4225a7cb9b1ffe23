"""A column: a rule over many texts.

Running a rule once per row would take seconds per 100,000 rows, so a column is read in three steps, the cheapest first:

    repeating values     encode, clean each distinct value once, spread the answers
    canonical texts      one regular expression says "this text is already clean" (`CANONICAL`): cast the column
    everything else      the rule, once per distinct text

The second step is only a short cut; a test holds it equal to the third.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.datasets.declaration import Column
from pipeline.rules import CANONICAL, apply_rule, is_hard, stripped
from pipeline.rules.context import Cell, Context
from pipeline.rules.text import array_literal

KEPT_ANSWERS, KEPT_LETTERS = 30_000, 30  # per column: at most 10 MB


@dataclass(frozen=True)
class Part:
    """A cleaned column: its staged arrays and, per row, the place of its code in `codes` and whether it changed."""

    name: str
    rule: str
    arrays: list[pa.Array]
    code: np.ndarray
    changed: np.ndarray
    codes: list[str]  # codes[0] is ""
    hard: frozenset[str]


def absent_part(column: Column, size: int) -> Part:
    """A column that the file lacks and may lack: NULL, and nothing wrong with it."""
    arrays = [pa.nulls(size, _arrow_type(kind)) for _, kind in column.staged]
    return Part(column.name, column.rule, arrays, np.zeros(size, np.uint8), np.zeros(size, bool), [""], frozenset())


def clean_column(texts: pa.Array, column: Column, context: Context) -> Part:
    """The rule over a column: over its distinct values when its first rows repeat themselves."""
    head = texts.slice(0, 2000)
    if len(texts) < 1000 or pc.count_distinct(head, mode="all").as_py() * 2 > len(head):
        return _clean_texts(texts, column, context)
    encoded = texts.dictionary_encode(null_encoding="encode")
    part, where = _clean_texts(encoded.dictionary, column, context), encoded.indices.to_numpy()
    arrays = [array.take(encoded.indices) for array in part.arrays]
    return replace(part, arrays=arrays, code=part.code[where], changed=part.changed[where])


def _clean_texts(texts: pa.Array, column: Column, context: Context) -> Part:
    """Canonical texts by a cast, the others by the rule, once per distinct text."""
    arrays = _canonical(texts, column, context)
    dirty = arrays[0].is_null()
    raws = texts.filter(dirty).to_pylist()
    places = {raw: place for place, raw in enumerate(dict.fromkeys(raws))}
    which = np.fromiter(map(places.__getitem__, raws), np.int64, len(raws))
    cells, differ = _answers(places, column, context)
    codes = ["", *dict.fromkeys(cell.code for cell in cells if cell.code)]
    code, changed, rows = np.zeros(len(texts), np.uint8), np.zeros(len(texts), bool), np.flatnonzero(dirty)
    if column.rule == "timestamp":  # any other way of naming an instant says it in UTC now
        changed |= ~boolean_mask(pc.ends_with(texts, "Z")) | boolean_mask(pc.match_substring(texts, " "))
    code[rows] = np.array([codes.index(cell.code) for cell in cells], np.uint8)[which]
    changed[rows] = np.array(differ, bool)[which]
    for place, array in enumerate(arrays):
        values = [cell.value[place] if column.rule == "name" else cell.value for cell in cells]
        arrays[place] = pc.replace_with_mask(array, dirty, pa.array(values, array.type).take(pa.array(which)))
    hard = frozenset(codes) if is_hard(column) else frozenset()
    return Part(column.name, column.rule, arrays, code, changed, codes, hard)


def _answers(texts: Iterable[str | None], column: Column, context: Context) -> tuple[list[Cell], list[bool]]:
    """What the rule says of each text, and whether that differs from the text."""
    known = context._answers.setdefault(column, {})
    cells, differ = [], []
    for text in texts:
        answer = known.get(text)
        if answer is None:
            cell = apply_rule(text, column, context)
            answer = cell, differs(text, cell, column)
            if len(known) < KEPT_ANSWERS and len(text or "") <= KEPT_LETTERS:
                known[text] = answer
        cells.append(answer[0])
        differ.append(answer[1])
    return cells, differ


def _canonical(texts: pa.Array, column: Column, context: Context) -> list[pa.Array]:
    """The staged arrays of the canonical texts; NULL where a text is not canonical."""
    kinds = [_arrow_type(kind) for _, kind in column.staged]
    shape = CANONICAL[column.rule](column, context) if column.rule in CANONICAL else None
    if shape is None:
        return [pa.nulls(len(texts), kind) for kind in kinds]
    values = keep_where(pc.match_substring_regex(texts, rf"\A(?:{shape})\z"), texts)
    if column.rule == "timestamp":
        values = _zoned(values)
    values = values.cast(kinds[0])
    if column.rule in ("date", "timestamp"):
        if context.drop_date < dt.date.max:  # else no date lies after it, and there is no day after
            end = dt.datetime.combine(context.drop_date + dt.timedelta(days=1), dt.time())
            values = keep_where(pc.less(values, pa.scalar(end).cast(kinds[0])), values)
        first = dt.datetime.combine(context.earliest, dt.time())
        values = keep_where(pc.greater_equal(values, pa.scalar(first).cast(kinds[0])), values)
    if column.rule != "name":
        return [values]
    first, rest = (pc.replace_substring_regex(values, cut, "") for cut in (" .*", "^[^ ]* ?"))
    return [values, first, keep_where(pc.not_equal(rest, ""), rest)]


def _zoned(instants: pa.Array) -> pa.Array:
    """Canonical timestamps, each with a zone: naive = UTC. Most end with Z, and a regular expression costs."""
    other = pc.fill_null(pc.invert(pc.ends_with(instants, "Z")), False)
    texts = instants.filter(other)
    naive = pc.invert(pc.match_substring_regex(texts, "[+-][0-9:]{5}\\z"))
    return pc.replace_with_mask(instants, other, pc.if_else(naive, _suffixed(texts, "Z"), texts))


def _suffixed(texts: pa.Array, suffix: str) -> pa.Array:
    return pc.binary_join_element_wise(texts, suffix, "")


def boolean_mask(mask: pa.Array) -> np.ndarray:
    return np.asarray(mask.fill_null(False).to_numpy(zero_copy_only=False))


def keep_where(mask: pa.Array, values: pa.Array) -> pa.Array:
    return pc.if_else(mask, values, pa.scalar(None, values.type))


def _arrow_type(kind: str) -> pa.DataType:
    """Of a PostgreSQL type; an array travels as its literal."""
    if kind.startswith("numeric"):
        return pa.decimal128(*map(int, re.findall("[0-9]+", kind)))
    return {
        "bigint": pa.int64(),
        "integer": pa.int32(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamp with time zone": pa.timestamp("us", tz="UTC"),
    }.get(kind, pa.string())


def differs(raw: str | None, cell: Cell, column: Column) -> bool:
    """Whether the value says something else than the text: 50,000 does, 50000 for 50000.00 does not."""
    value = cell.value[0] if column.rule == "name" else cell.value
    if value is None or raw is None:
        return not (value in (None, "{}") and stripped(raw, column.rule) is None)
    if column.rule == "aliases":
        blank = stripped(raw, column.rule) is None
        return bool(value != ("{}" if blank else array_literal(raw.split(","))))
    match value:
        case bool():
            return raw.lower() != str(value).lower()
        case int() | Decimal():
            return not re.fullmatch(r"[0-9]+(\.[0-9]+)?", raw) or Decimal(raw) != value
        case dt.datetime():
            return raw[:19] != value.isoformat()[:19] or raw[-1] != "Z"
        case dt.date():  # a date cell of a spreadsheet says midnight
            return raw[:10] != value.isoformat() or not set(raw[10:]) <= set("T :0.Z")
    return bool(raw != value)
