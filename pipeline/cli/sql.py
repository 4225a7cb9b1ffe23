"""Verbs that query: sql, show."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
from collections.abc import Iterator
from typing import Any

from init_db.server import READER
from pipeline.cli.tables import data_stream, print_table
from pipeline.config import Settings
from pipeline.step import UserError, ledger
from targets import reader

MOST_ROWS = 1000  # of a table on the screen; CSV has no end
MOST_CHARACTERS = 100  # of a cell that is kept for it


def sql(arguments: argparse.Namespace, options: Settings) -> int:
    query = sys.stdin.read() if arguments.query == "-" else arguments.query
    if not query.strip():
        raise UserError('sql needs a query, like: eduflow sql "select * from analytics.student_360"')
    with _session(options) as connection:
        _print_rows(connection, query, options, as_csv=arguments.csv)
    return 0


def show(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline import analytics

    with ledger(options) as db:
        query = analytics.query(db, arguments.mart, arguments.limit)
    with contextlib.closing(options.database.connect()) as connection:
        options.database.watch(connection)
        most = max(MOST_ROWS, arguments.limit or 0)
        _print_rows(connection, query, options, as_csv=arguments.csv, most=most)
    return 0


@contextlib.contextmanager
def _session(options: Settings) -> Iterator[Any]:
    """A connection that can only read: as our login on the embedded server, else as EDUFLOW_READER's, else the owner's.

    The owner's is refused when it can do more than what a read-only transaction prevents.
    """
    if not options.database_url:
        with ledger(options) as db:
            reader.make_login(db)
            reader.grant(db, READER)
    with contextlib.closing(options.reader.connect()) as connection:
        options.reader.watch(connection)
        reader.refuse_power(connection)
        if options.reader_url:
            with ledger(options) as db:
                reader.refuse_other_database(db, connection)
                reader.grant(db, connection.info.user)
        yield connection


def _print_rows(connection: Any, query: str, options: Settings, *, as_csv: bool, most: int = MOST_ROWS) -> None:
    """Print the rows of a query, as CSV while they come, or the first of them as a table."""
    try:
        with contextlib.closing(reader.rows(connection, query, options.sql_timeout)) as rows:
            if as_csv:
                out = data_stream()
                for row in rows:
                    out.write(",".join(map(_csv_cell, row)) + "\n")
                return
            header = next(rows)
            kept = [
                {place: cell and cell[:MOST_CHARACTERS] for place, cell in enumerate(row)}
                for row in itertools.islice(rows, most)
            ]
            print_table(kept, range(len(header)), [str(name) for name in header])
            if next(rows, None) is not None:
                print(f"  the first {most:,} rows; all of them: --csv")
    except reader.QueryError as error:
        raise UserError(str(error)) from None


def _csv_cell(cell: str | None) -> str:
    """As COPY writes it: an empty text is quoted, NULL is nothing."""
    if cell is None:
        return ""
    if not cell or any(special in cell for special in ',"\r\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell
