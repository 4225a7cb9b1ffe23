"""Structural repair: a record with too many fields, because a delimiter stood unquoted in one of them."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.datasets.declaration import Column, Dataset
from pipeline.rules import apply_rule, is_hard, stripped
from pipeline.rules.column import KEPT_LETTERS, Part
from pipeline.rules.context import Context

MOST_EXCESS_FIELDS = 6
MOST_UNPARSABLE = 4  # one cell in so many: with more of them the record is not repaired but shifted
_NEVER_JOINED = frozenset(
    {"student_id", "key", "gender", "boolean", "class_id", "grade", "attendance"}
)  # an id never holds the delimiter


def repair(records: pa.Array, dataset: Dataset, context: Context) -> dict[int, dict[str, str] | None]:
    """Row -> its cells by column name, None where the record cannot be repaired; rows with a right count are absent."""
    if records.null_count == len(records):
        return {}
    memo: dict[tuple[str, str], bool] = {}
    rows = np.flatnonzero(records.is_valid().to_numpy(zero_copy_only=False)).tolist()
    return {row: rejoin(records[row].as_py(), dataset, context, memo) for row in rows}


def rejoin(record: str, dataset: Dataset, context: Context, memo: dict[tuple[str, str], bool]) -> dict[str, str] | None:
    """'...,May 15, 1999,...' -> its cells: the one way of joining neighbours with the fewest unparsable cells."""
    tokens = _split(record, context.delimiter)
    fields = context.fields
    if not fields or not 0 < len(tokens) - len(fields) <= MOST_EXCESS_FIELDS:
        return None
    columns = {column.name: column for column in dataset.columns}

    def unparsable(start: int, end: int, place: int) -> int | None:
        """0 or 1; None = such a cell may not be: it is joined and does not parse, or it would reject the row."""
        column = columns.get(fields[place] or "")
        if column is None:
            return 0
        joined = end - start > 1
        if joined and not _joinable(column):
            return None
        cell = context.delimiter.join(tokens[start:end])
        parses = memo.get((cell, column.name))
        if parses is None:
            parses = _parses(cell, column, context)
            if len(cell) <= KEPT_LETTERS:
                memo[cell, column.name] = parses
        if parses:
            return 0
        return None if joined or is_hard(column) else 1

    bounds = _fewest(len(tokens), len(fields), unparsable, most=len(fields) // MOST_UNPARSABLE)
    if bounds is None:
        return None
    cells = [context.delimiter.join(tokens[start:end]) for start, end in itertools.pairwise(bounds)]
    return {field: cell for field, cell in zip(fields, cells, strict=True) if field is not None}


Bounds = tuple[int, "Bounds | None"]


def _fewest(tokens: int, fields: int, cost: Callable[[int, int, int], int | None], most: int) -> list[int] | None:
    """The bounds of the single cheapest way to cut tokens into that many runs; None when two are equally cheap.

    best[n] after k fields: (cost, number of ways, bounds from the last one back) of cutting the first n tokens into k.
    """
    best: dict[int, tuple[int, int, Bounds]] = {0: (0, 1, (0, None))}
    for place in range(fields):
        after: dict[int, tuple[int, int, Bounds]] = {}
        for start, (spent, ways, bounds) in best.items():
            for end in range(start + 1, tokens - (fields - place - 1) + 1):
                price = cost(start, end, place)
                if price is None:
                    continue
                total, known = spent + price, after.get(end)
                if known is None or total < known[0]:
                    after[end] = (total, ways, (end, bounds))
                elif total == known[0]:
                    after[end] = (total, 2, known[2])  # more than one way; how many does not matter
        best = after
    spent, ways, last = best.get(tokens, (0, 0, None))
    return [*_upto(last)][::-1] if ways == 1 and spent <= most else None


def _upto(bounds: Bounds | None) -> Iterator[int]:
    while bounds:
        yield bounds[0]
        bounds = bounds[1]


def _split(record: str, delimiter: str) -> list[str]:
    if not delimiter:
        return []
    try:
        rows = list(csv.reader(io.StringIO(record, newline=""), delimiter=delimiter))
    except csv.Error:
        return []
    return rows[0] if len(rows) == 1 else []


def _parses(cell: str, column: Column, context: Context) -> bool:
    known = stripped(cell, column.rule)
    if column.rule == "gender" and known is not None:
        return known.lower() in {"m", "male", "f", "female", "other"}
    code = apply_rule(cell, column, context).code
    return not code.endswith(("_invalid", "_unknown", "_unmatched")) and not (code and is_hard(column))


def _joinable(column: Column) -> bool:
    return column.rule not in _NEVER_JOINED and not (column.rule == "code" and not column.words)


def with_repairs(texts: pa.Array, repairs: Mapping[int, dict[str, str] | None], name: str) -> pa.Array:
    cells = {row: found.get(name) for row, found in repairs.items() if found is not None}
    if not cells:
        return texts
    mask = np.zeros(len(texts), bool)
    mask[list(cells)] = True
    return pc.replace_with_mask(texts, pa.array(mask), pa.array(cells.values(), pa.string()))


def record_part(repairs: Mapping[int, dict[str, str] | None], size: int, reason: str) -> Part:
    """reason: that of a record which cannot be repaired."""
    code = np.zeros(size, np.uint8)
    for row, cells in repairs.items():
        code[row] = 2 if cells is None else 1
    codes = ["", "field_rejoined", reason]
    return Part("_record", "field_count", [], code, code == 1, codes, frozenset({reason}))
