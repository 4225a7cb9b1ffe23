"""Tables out of the database, whole and in a fixed order: as CSV for a spreadsheet, as Parquet, as Arrow."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa
from sqlalchemy import Connection, text

from init_db.ownership import THEIRS
from targets.postgres.copy import copy_out, raw_cursor

# Rows of a Parquet row group. No setting: its bytes are the same on every machine.
GROUP_ROWS = 65_536
# A spreadsheet takes a text for a formula, which can call programs and addresses, when it starts with one of these
# signs, maybe behind blanks and quotes; one of another language also behind a ; (as in pipeline/sources/formulas.py).
SIGN = r"((?:^|[;\t\r\n])[;''\"\s\u00A0\u1680\u2000-\u200B\u202F\u205F\u3000\uFEFF]*)([=+@\uFF1D\uFF0B\uFF0D\uFF20-])"
LEADING = r"^''*[\t\r\n]"
PLAIN = r"^[0-9A-Za-z][^;\t\r\n]*$"  # nearly every text: one look instead of two and a replacement
DEFUSED = rf"""case
    when {{0}} ~ '{PLAIN}' then {{0}}
    else regexp_replace(case when {{0}} ~ '{LEADING}' then '''' else '' end || {{0}}, '{SIGN}', '\1''\2', 'g')
end"""

_TYPES = {
    "boolean": pa.bool_(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "double precision": pa.float64(),
    "date": pa.date32(),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
}


def column_types(db: Connection, table: str) -> dict[str, pa.DataType]:
    """Arrow type of each column, in order: numeric(p,s) is decimal128(p, s), what has no like of it is text.

    Columns that start with `_` are the loader's own, and stay in the database, as those do that others added.
    """
    query = f"""
        select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute
        where attrelid = to_regclass(:table) and attnum > 0 and not attisdropped
        and attname not like '\\_%' and not {THEIRS.format(table=":table", part="'column ' || quote_ident(attname)")}
        order by attnum
    """
    return {row.name: _arrow_type(row.type) for row in db.execute(text(query), {"table": table})}


def _arrow_type(name: str) -> pa.DataType:
    if found := re.fullmatch(r"numeric\((\d+),(\d+)\)", name):
        return pa.decimal128(int(found[1]), int(found[2]))
    return _TYPES.get(name, pa.string())


def select(
    types: dict[str, pa.DataType], table: str, key: Sequence[str], limit: int | None = None, *, defused: bool = False
) -> str:
    """The query for a table's rows by key, text byte by byte. defused: a text like a formula gets an apostrophe."""
    columns = ", ".join(f'{_expression(name, kind, defused)} as "{name}"' for name, kind in types.items())
    order = ", ".join(f't."{name}"' + (' collate "C"' if types[name] == pa.string() else "") for name in key)
    return f"select {columns} from {table} as t order by {order}" + (f" limit {limit:d}" if limit is not None else "")


def _expression(name: str, kind: pa.DataType, defused: bool) -> str:
    column = f't."{name}"'
    if kind == pa.bool_():
        return f"{column}::text"  # true, not t
    if kind == pa.string() and defused:
        return DEFUSED.format(column)
    return column


def read(db: Connection, table: str, key: Sequence[str], limit: int | None = None) -> Iterator[pa.Table]:
    """The rows as Arrow tables; at least one, so that a table without rows still has its columns."""
    types = column_types(db, table)
    chunks = copy_out(db, select(types, table, key, limit), {}, types, GROUP_ROWS)
    yield next(chunks, None) or pa.schema(list(types.items())).empty_table()
    yield from chunks


def write_csv(db: Connection, table: str, key: Sequence[str], file: BinaryIO) -> None:
    """Header and rows as UTF-8, no formula among them: NULL is nothing, the empty text is a pair of quotes."""
    query = select(column_types(db, table), table, key, defused=True)
    with raw_cursor(db) as cursor:
        cursor.copy_expert(f"copy ({query}) to stdout (format csv, header)", file)


def write_parquet(db: Connection, table: str, key: Sequence[str], file: BinaryIO) -> None:
    """The rows as Parquet: equal rows, equal bytes (of one version of pyarrow)."""
    from pyarrow.parquet import ParquetWriter  # here: 30 ms that a run with nothing to do saves

    chunks = read(db, table, key)
    first = next(chunks)
    with ParquetWriter(file, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for chunk in chunks:
            writer.write_table(chunk)
