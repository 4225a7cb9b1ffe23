"""The marts as pandas DataFrames, for notebooks, from any folder:

    from pipeline.analytics import student_360
    student_360(limit=5, home="~/hill-school")

Without `home` it is that of EDUFLOW_HOME, or the one that the working directory is in. Importing reads no data.
One function per mart (its docstring names every column), the rows ordered by its key, `limit` the first so many. Whole
numbers come as Int64, numeric ones as float64 (the exact decimals are in output/marts/*.parquet), dates as datetime64,
truth as boolean, text as str; NULL is NA, NaN among floats and texts, NaT among dates. A rate is 0 to 1; a score, a
completion and an average of these are percent; money is rupees; and every number that is relative to a day refers to
`as_of`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection, text

import init_db
from pipeline import home as homes
from pipeline.config import settings
from pipeline.marts import MARTS
from pipeline.run import transaction
from targets import export
from targets.errors import UserError

KEYS: dict[str, tuple[str, ...]] = {step.target.removeprefix("analytics."): step.key for step in MARTS}
COMMENT = re.compile(r"comment on (?:table|column) [a-z]+\.\w+(?:\.(\w+))? is '(.*)'", re.DOTALL)
COLUMN = re.compile(r"^    (?!primary key|check|constraint|_)\"?(\w+)\"? ", re.MULTILINE)


def _function(mart: str) -> Callable[..., pd.DataFrame]:
    """A function that reads a mart; its docstring is what the DDL says of the table."""

    def read(limit: int | None = None, *, home: str | Path | None = None) -> pd.DataFrame:
        return _frame(mart, limit, home)

    relation = init_db.relations()[f"analytics.{mart}"]
    comments = [found for comment in relation.comments if (found := COMMENT.match(comment))]
    said = {found[1] or "": found[2].replace("''", "'") for found in comments}
    columns = [
        f"    {name}: {said[name]}" if name in said else f"    {name}"
        for name in COLUMN.findall(relation.statements[0])
    ]
    read.__name__ = read.__qualname__ = mart
    read.__doc__ = "\n".join([f"{said['']}. Key: {', '.join(KEYS[mart])}.", "", *columns])
    return read


FUNCTIONS: dict[str, Callable[..., pd.DataFrame]] = {mart: _function(mart) for mart in sorted(KEYS)}


def __getattr__(name: str) -> Callable[..., pd.DataFrame]:
    """`from pipeline.analytics import student_360`: a function for each mart there is."""
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    raise AttributeError(f"there is no mart {name!r}. Marts: {', '.join(FUNCTIONS)}")


def query(db: Connection, mart: str, limit: int | None = None) -> str:
    """The query for a mart's rows by key, each value as PostgreSQL writes it."""
    table, key = _built(db, mart, limit)
    order = ", ".join(f'"{name}"' for name in key)
    columns = ", ".join(f'"{name}"' for name in export.column_types(db, table))
    return f"select {columns} from {table} order by {order}" + (f" limit {limit:d}" if limit is not None else "")


def _built(db: Connection, mart: str, limit: int | None) -> tuple[str, Sequence[str]]:
    """Table and key of a mart. UserError for what is none, and for one that no run has built yet."""
    if mart not in FUNCTIONS:
        raise UserError(f"There is no mart {mart!r}. Marts: {', '.join(FUNCTIONS)}")
    if limit is not None and limit < 0:
        raise UserError(f"limit is a number of rows, not {limit}")
    table = f"analytics.{mart}"
    built = text("""
        select to_regclass(:table) is not null and exists (
            select from etl.targets where target = :table and fingerprint is not null
        )
    """)
    if not db.execute(built, {"table": table}).scalar():
        raise UserError(f"{table} is not built yet: eduflow run")
    return table, KEYS[mart]


def _frame(mart: str, limit: int | None, home: str | Path | None) -> pd.DataFrame:
    which = homes.at(home) if home else homes.current()
    with transaction(settings(which)) as db:
        table, key = _built(db, mart, limit)
        rows = pa.concat_tables(export.read(db, table, key, limit))
    rows = rows.cast(pa.schema([(field.name, _plain(field.type)) for field in rows.schema]))
    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    return rows.to_pandas(types_mapper=nullable.get)


def _plain(kind: pa.DataType) -> pa.DataType:
    """What pandas has for it: of whole numbers, decimals and days, one type each."""
    if pa.types.is_integer(kind):
        return pa.int64()
    if pa.types.is_decimal(kind):
        return pa.float64()
    return pa.timestamp("us") if pa.types.is_date(kind) else kind
