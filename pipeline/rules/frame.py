"""A table of one dataset: its columns through their rules, checks between columns, flags, reasons and counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.datasets.declaration import Dataset, RowCheck
from pipeline.rules.cities import Cities
from pipeline.rules.column import Part, absent_part, boolean_mask, clean_column, keep_where
from pipeline.rules.context import Context
from pipeline.rules.repair import record_part, repair, with_repairs
from pipeline.rules.text import array_literal

if TYPE_CHECKING:  # 0.25 s, which a run that cleans nothing need not wait for
    import pandas as pd


class Cleaned(NamedTuple):
    """One row per input row, in order, and the counts per (column, rule) that add up over chunks."""

    rows: pd.DataFrame
    stats: pd.DataFrame


COMPARE = {"<": pc.less, "<=": pc.less_equal, ">": pc.greater, ">=": pc.greater_equal, "=": pc.equal}


def clean(frame: pd.DataFrame, dataset: Dataset, context: Context) -> Cleaned:
    """Clean rows of one dataset.

    frame    `_line` int64, each declaration column as text, `_record` text (a whole record with a wrong field count)
    rows     `_line`, the dataset's staged columns, `flags` and `reasons` (NULL = accepted) as text[] literals
    stats    column, rule, changed, flagged, rejected: how many rows
    """
    import pandas as pd

    texts = {name: _texts(frame, name) for name in dataset.column_names}
    repairs = repair(_texts(frame, "_record"), dataset, context)
    for name in dataset.column_names:
        texts[name] = with_repairs(texts[name], repairs, name)
    absent = dataset.absent(context.fields)
    parts = [
        absent_part(column, len(frame)) if column.name in absent else clean_column(texts[column.name], column, context)
        for column in dataset.columns
    ]
    parts = _mark_broken_checks(_mark_contradictions(parts, context.cities), dataset.checks)
    record = record_part(repairs, len(frame), "field_count" if context.delimiter else "record_unreadable")
    refused = record.code == 2
    if refused.any():
        parts = [_silenced(part, refused) for part in parts]
    arrays = [array for part in parts for array in part.arrays]
    flags, reasons = _labels([record, *parts], len(frame))
    names = ["_line", *dataset.staged_names, "flags", "reasons"]
    table = pa.Table.from_arrays([_array_of(frame["_line"], pa.int64()), *arrays, flags, reasons], names=names)
    return Cleaned(table.to_pandas(types_mapper=pd.ArrowDtype), _stats([*parts, record]))


def _array_of(series: pd.Series, kind: pa.DataType) -> pa.Array:
    array = pa.array(series, from_pandas=True)
    whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return whole.cast(kind)


def _texts(frame: pd.DataFrame, name: str) -> pa.Array:
    return _array_of(frame[name], pa.string()) if name in frame else pa.nulls(len(frame), pa.string())


def _silenced(part: Part, rows: np.ndarray) -> Part:
    """A record that could not be read says nothing about its columns."""
    arrays = [keep_where(pa.array(~rows), array) for array in part.arrays]
    return replace(part, arrays=arrays, code=part.code * ~rows, changed=part.changed & ~rows)


def _mark_contradictions(parts: list[Part], cities: Cities) -> list[Part]:
    """state_mismatch: the state and the city of a row."""
    by_rule = {part.rule: part for part in parts}
    if not {"city", "state"} <= by_rule.keys() or not cities.states:
        return parts
    state = by_rule["state"]
    towns, lands = by_rule["city"].arrays[0].dictionary_encode(), state.arrays[0].dictionary_encode()
    pairs = pc.fill_null(towns.indices, -1).to_numpy() * np.int64(len(lands.dictionary) + 1)
    pairs = pairs + pc.fill_null(lands.indices, -1).to_numpy()
    rows_of, which = np.unique(pairs, return_index=True, return_inverse=True)[1:]
    town, land = (side.arrays[0].take(pa.array(rows_of)).to_pylist() for side in (by_rule["city"], state))
    wrong = np.array([cities.contradict(*pair) for pair in zip(town, land, strict=True)], bool)[which]
    code = np.where(wrong, len(state.codes), state.code).astype(np.uint8)
    codes = [*state.codes, "state_mismatch"]
    marked = replace(state, code=code, codes=codes)
    return [marked if part is state else part for part in parts]


def _mark_broken_checks(parts: list[Part], checks: Sequence[RowCheck]) -> list[Part]:
    """Each row gets the code of the first check that it breaks. All of them reject."""
    by_name = {part.name: part for part in parts}
    values = {part.name: part.arrays[0] for part in parts}
    sound: Any = True
    for check in checks:
        left = values[check.column]
        right = values[check.other] if isinstance(check.other, str) else pa.scalar(check.other, left.type)
        broken = boolean_mask(pc.invert(COMPARE[check.operator](left, right))) & sound
        by_name[check.column] = _marked(by_name[check.column], broken, check.code)
        sound = sound & ~broken
    return [by_name[part.name] for part in parts]


def _marked(part: Part, rows: np.ndarray, code: str) -> Part:
    """The part with a hard code at these rows."""
    codes = np.where(rows, len(part.codes), part.code).astype(np.uint8)
    return replace(part, code=codes, codes=[*part.codes, code], hard=part.hard | {code})


def _labels(parts: Sequence[Part], size: int) -> tuple[pa.Array, pa.Array]:
    """flags and reasons of every row, each distinct combination of codes written once."""
    parts = [part for part in parts if part.code.any()]
    if not parts:
        return pa.repeat("{}", size).cast(pa.string()), pa.nulls(size, pa.string())
    codes = np.column_stack([part.code for part in parts])
    rows = pa.FixedSizeBinaryArray.from_buffers(pa.binary(len(parts)), size, [None, pa.py_buffer(codes.tobytes())])
    distinct = rows.dictionary_encode()
    flags, reasons = [], []
    for row in distinct.dictionary.to_pylist():
        said = [
            (part.codes[code], part.codes[code] in part.hard) for part, code in zip(parts, row, strict=True) if code
        ]
        hard = [code for code, rejects in said if rejects]
        flags.append(array_literal(code for code, rejects in said if not rejects))
        reasons.append(array_literal(hard) if hard else None)
    return tuple(pa.array(words, pa.string()).take(distinct.indices) for words in (flags, reasons))


def _stats(parts: Sequence[Part]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for part in parts:
        hard = np.array([code in part.hard for code in part.codes])[part.code] & (part.code > 0)
        counts = (part.changed.sum(), ((part.code > 0) & ~hard).sum(), hard.sum())
        rows.append((part.name, part.rule, *map(int, counts)))
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    table = pa.table(columns, names=["column", "rule", "changed", "flagged", "rejected"])
    return table.to_pandas(types_mapper=pd.ArrowDtype)
