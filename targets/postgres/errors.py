"""What an error of the database says, and whether the same transaction may succeed when tried again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import psycopg2

T = TypeVar("T")

RETRIED = {"40001", "40P01", "57P01"}  # serialization failure, deadlock, the server was stopped


def is_retryable(error: BaseException) -> bool:
    """Whether the same transaction may well succeed when tried again: a deadlock, or a connection that broke."""
    cause = getattr(error, "orig", error)
    code = getattr(cause, "pgcode", None)
    if code is None:  # no word from the server: it is gone
        return isinstance(cause, psycopg2.OperationalError | psycopg2.InterfaceError)
    return code in RETRIED or code.startswith("08")


def complaint(error: BaseException) -> str:
    """What the database objects to, without any value of a row (its own text quotes the failing row)."""
    cause: Any = getattr(error, "orig", error)
    diag, code = getattr(cause, "diag", None), getattr(cause, "pgcode", None)
    if diag is None or code is None:
        return f"{type(cause).__name__}: the connection to the database broke"
    said = type(cause).__name__
    if not code.startswith(("22", "23", "38", "39", "44", "P0")):  # bad data, broken constraints, triggers quote values
        said = f"{said}: {diag.message_primary}"
    place = {"table": diag.table_name, "column": diag.column_name, "constraint": diag.constraint_name}
    where = ", ".join(f"{kind} {name}" for kind, name in place.items() if name)
    remedy = "; make room where the database keeps its files, and run again" if code == "53100" else ""
    return f"{said} (SQLSTATE {code}{', ' + where if where else ''}){remedy}"


def retrying(work: Callable[[], T], attempts: int = 3) -> T:
    for _ in range(attempts - 1):
        try:
            return work()
        except Exception as error:
            if not is_retryable(error):
                raise
    return work()
