"""Verbs that query: sql, show."""

from __future__ import annotations

import argparse
import csv
import io
from typing import Any

import psycopg2
from sqlalchemy import text

from pipeline.cli.tables import data_stream, print_table
from pipeline.config import Settings
from pipeline.step import UserError, ledger
from targets.database import raw_cursor


def sql(arguments: argparse.Namespace, options: Settings) -> int:
    with ledger(options) as db:
        try:
            _print_query(db, arguments.query.strip().rstrip(";"), as_csv=arguments.csv)
        except psycopg2.Error as error:
            message = str(error).strip().splitlines()
            raise UserError(
                "\n".join(line for line in message if not line.startswith("LINE") and "^" not in line)
            ) from None
    return 0


def show(arguments: argparse.Namespace, options: Settings) -> int:
    from pipeline import analytics

    with ledger(options) as db:
        _print_query(db, analytics.query(db, arguments.mart, arguments.limit), as_csv=arguments.csv)
    return 0


def _print_query(db: Any, query: str, *, as_csv: bool) -> None:
    """Run a query that only reads, and print its rows in the server's own text."""
    db.execute(text("set transaction read only"))
    result = io.StringIO()
    with raw_cursor(db) as cursor:
        cursor.copy_expert(f"copy ({query}\n) to stdout (format csv, header)", data_stream() if as_csv else result)
    if not as_csv:
        header, *rows = csv.reader(io.StringIO(result.getvalue()))
        print_table([dict(zip(range(len(header)), row, strict=True)) for row in rows], range(len(header)), header)
