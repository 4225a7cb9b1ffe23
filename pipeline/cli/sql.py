"""Verbs that query: sql, show."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

from init_db.cluster import READER
from pipeline.cli.tables import as_json, data_stream, print_table
from pipeline.config import Settings
from pipeline.run import transaction
from targets import reader
from targets.errors import UserError

MOST_ROWS = 1000  # of a table on the screen; CSV and JSON have no end
MOST_CHARACTERS = 300  # of a cell that is kept for it
# PostgreSQL's numbers for its types
NUMBERS = {20, 21, 23, 26, 700, 701, 1700}  # bigint, smallint, integer, oid, real, double precision, numeric
BOOLEAN = 16
JSON = {114, 3802}


def sql(arguments: argparse.Namespace, options: Settings) -> int:
    query = arguments.query
    if query == "-":
        query = sys.stdin.read() if sys.stdin else ""  # None when it was closed before we began
    if not query.strip():
        raise UserError('sql needs a query, like: eduflow sql "select * from analytics.student_360"')
    with _session(options) as connection:
        _print_rows(connection, query, options, arguments)
    return 0


def show(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline import analytics

    with transaction(options) as db:
        query = analytics.query(db, arguments.mart, arguments.limit)
    with contextlib.closing(options.database.connect()) as connection:
        options.database.watch(connection)
        most = max(MOST_ROWS, arguments.limit or 0)
        _print_rows(connection, query, options, arguments, most)
    return 0


@contextlib.contextmanager
def _session(options: Settings) -> Iterator[Any]:
    """A connection that can only read: as our login on the embedded server, else as EDUFLOW_READER's, else the owner's.

    The owner's is refused when it can do more than what a read-only transaction prevents.
    """
    if not options.database_url:
        with transaction(options) as db:
            reader.make_login(db)
            reader.grant(db, READER)
    with contextlib.closing(options.reader.connect()) as connection:
        options.reader.watch(connection)
        reader.refuse_power(connection)
        if options.reader_url:
            with transaction(options) as db:
                reader.refuse_other_database(db, connection)
                reader.grant(db, connection.info.user)
        yield connection


def _print_rows(
    connection: Any, query: str, options: Settings, arguments: argparse.Namespace, most: int = MOST_ROWS
) -> None:
    """Print the rows of a query, as CSV or JSON while they come, or the first of them as a table."""
    try:
        with contextlib.closing(reader.rows(connection, query, options.sql_timeout)) as rows:
            if arguments.csv:
                out = data_stream()
                for row in rows:
                    out.write(",".join(map(_csv_cell, row)) + "\n")
            elif arguments.json:
                _write_json(rows)
            else:
                _print_first(rows, most)
    except reader.QueryError as error:
        raise UserError(str(error)) from None


def _print_first(rows: Iterator[reader.Row], most: int) -> None:
    header = next(rows)
    kept = [
        {place: cell and cell[:MOST_CHARACTERS] for place, cell in enumerate(row)}
        for row in itertools.islice(rows, most)
    ]
    print_table(kept, range(len(header)), [str(name) for name in header])
    if next(rows, None) is not None:
        print(f"  the first {most:,} rows; all of them: --csv or --json")


def _write_json(rows: Iterator[reader.Row]) -> None:
    """An array with an object per row. Numbers, truth and JSON as such; other types as PostgreSQL writes them."""
    header: Any = next(rows)
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise UserError(f"Two columns are called {twice[0]!r}: --json needs a name for each (as ...)")
    out = data_stream()
    out.write("[")
    separator = "\n"
    for row in rows:
        pairs = [f"{as_json(name)}: {_json_cell(cell, name.kind)}" for name, cell in zip(header, row, strict=True)]
        out.write(f"{separator}{{{', '.join(pairs)}}}")
        separator = ",\n"
    out.write("\n]\n" if separator == ",\n" else "]\n")


def _json_cell(cell: str | None, kind: int) -> str:
    if cell is None:
        return "null"
    if kind in NUMBERS and re.fullmatch(r"-?[0-9.]+(e[+-]?[0-9]+)?", cell):  # not NaN, not Infinity
        return cell
    if kind == BOOLEAN:
        return "true" if cell == "t" else "false"
    if kind in JSON:
        with contextlib.suppress(ValueError, RecursionError):
            return as_json(json.loads(cell))
    return as_json(cell)


def _csv_cell(cell: str | None) -> str:
    """As COPY writes it: an empty text is quoted, NULL is nothing."""
    if cell is None:
        return ""
    if not cell or any(special in cell for special in ',"\r\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell
