"""A person's query: exactly one statement, under a login that can only read.

The text never becomes part of a statement of ours, where `select 1) to stdout; drop ...` would end it. The server gets
it as a value, and PL/pgSQL's `open ... for execute` takes exactly one statement that returns rows. Three walls behind
each other keep it from writing:

- the login: no superuser, SELECT on our schemas and nothing else. It logs in by itself: `set role` in the session of a
  more powerful login could be undone from within the query;
- a read-only transaction, which PostgreSQL does not let a query leave, and which always ends in a rollback;
- a timeout, set anew before each fetch, because a query may change settings.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Generator
from typing import Any

import psycopg2
from psycopg2.extensions import new_type, register_type, set_wait_callback
from psycopg2.extras import wait_select
from sqlalchemy import Connection, text

from init_db.cluster import READER
from init_db.ddl import run_as_it_is
from targets.postgres.connection import SESSION, DatabaseError

SCHEMAS = ("raw", "etl", "staging", "warehouse", "analytics")
# Roles that come with PostgreSQL and reach beyond the database: files, programs, other sessions, other servers.
BEYOND = (
    "pg_execute_server_program", "pg_read_server_files", "pg_write_server_files", "pg_signal_backend",
    "pg_signal_autovacuum_worker", "pg_create_subscription", "pg_use_reserved_connections",
)  # fmt: skip
MOST_ROWS = 100  # per fetch
MOST_CHARACTERS = 1_000_000  # per fetch, by the widest row so far
MAKE_LOGIN = f"""
do $$
declare
    lock regprocedure;
begin
    if not exists (select from pg_roles where rolname = '{READER}') then
        create role {READER} login connection limit 20;
        -- it can hold up neither a run, by the locks that runs take, nor everybody, by a full disk
        alter role {READER} set temp_file_limit = '10GB';
        for lock in
            select oid from pg_proc
            where pronamespace = 'pg_catalog'::regnamespace and proname ~ '^pg_(try_)?advisory_'
        loop
            execute 'revoke execute on function ' || lock || ' from public';
        end loop;
    end if;
exception when duplicate_object or unique_violation then null; -- another process was faster
end $$
"""
MISSING_RIGHTS = """
with schemas as (
    select oid, nspname from pg_namespace where nspname = any(:schemas) and nspowner = to_regrole(current_user)
)
select format('grant usage on schema %I to %I', nspname, cast(:role as text)) as grant_it from schemas
where not has_schema_privilege(:role, oid, 'usage')
union all
select format('grant select on %I.%I to %I', nspname, relname, cast(:role as text))
from schemas inner join pg_class as c on c.relnamespace = schemas.oid
where
    c.relkind in ('r', 'v', 'm', 'p', 'f') and c.relowner = to_regrole(current_user)
    and not has_table_privilege(:role, c.oid, 'select')
"""


class QueryError(ValueError):
    """A query that can't be run: one line that says why."""


def make_login(db: Connection) -> None:
    """Make the embedded server's reader if it is missing."""
    db.exec_driver_sql(MAKE_LOGIN)


def grant(db: Connection, role: str) -> None:
    """Let the role read our tables: those made since the last query, too. Changes nothing when it may already."""
    if not db.execute(text("select exists (select from pg_roles where rolname = :role)"), {"role": role}).scalar():
        raise DatabaseError(f"EDUFLOW_READER: the server of EDUFLOW_DATABASE has no role {role}")
    values = {"schemas": list(SCHEMAS), "role": role}
    for statement in db.execute(text(MISSING_RIGHTS), values).scalars().all():
        run_as_it_is(db, statement)


def refuse_power(connection: Any) -> None:
    """DatabaseError if the login, or a role that it could change to, reaches beyond the rows it may read."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            """
            select string_agg(rolname, ', ' order by rolname) from pg_roles
            where (rolsuper or rolreplication or rolname = any(%s)) and pg_has_role(session_user, oid, 'member')
            """,
            (list(BEYOND),),
        )
        powers = cursor.fetchone()[0]
    if powers:
        info = connection.info
        raise DatabaseError(
            f"sql runs nothing as {info.user}, which can do more than read ({powers}). Make a login that can't:\n"
            f"  create role {READER} login password 'PASSWORD';\n"
            f"and put it into .env; the rights on its tables EduFlow gives it:\n"
            f"  EDUFLOW_READER=postgresql://{READER}:PASSWORD@{info.host}:{info.port}/{info.dbname}"
        )


Row = tuple[str | None, ...]


class Name(str):
    """A column's name, and the type of what is in it as PostgreSQL's number for it."""

    kind: int

    def __new__(cls, name: str, kind: int) -> Name:
        made = super().__new__(cls, name)
        made.kind = kind
        return made


def refuse_other_database(db: Connection, connection: Any) -> None:
    """DatabaseError if the reader is connected to another database than ours: a copy that follows it is the same."""
    which = "select system_identifier::text || ' ' || current_database() from pg_control_system()"
    with connection, connection.cursor() as cursor:
        cursor.execute(which)
        theirs = cursor.fetchone()[0]
    if theirs != db.exec_driver_sql(which).scalar():
        raise DatabaseError("EDUFLOW_READER is a login on another database than EDUFLOW_DATABASE: name one on this")


def rows(connection: Any, query: str, seconds: float) -> Generator[Row, None, None]:
    """The columns' names (Name), then each row in the server's own text. QueryError when there is something wrong.

    seconds: that the whole may take, the reader of the rows included. At most MOST_ROWS rows are held at a time.
    """
    connection.rollback()
    with connection.cursor() as cursor:
        cursor.execute(SESSION)
    connection.commit()
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    set_wait_callback(wait_select)  # else Ctrl-C would be heard when the query is over
    deadline = time.monotonic() + seconds
    try:
        yield from _rows(connection, query, deadline)
    except psycopg2.Error as error:
        if error.pgcode is None:
            raise
        if error.pgcode == "57014" and time.monotonic() < deadline:
            raise KeyboardInterrupt from None
        raise QueryError(_explained(error, seconds)) from None
    except ValueError:  # psycopg2: a text with a NUL, or bytes that standard input could not read as UTF-8
        raise QueryError("the query holds a character that PostgreSQL does not know (NUL, or not UTF-8)") from None
    finally:
        set_wait_callback(None)
        with contextlib.suppress(psycopg2.Error):
            connection.rollback()


def _rows(connection: Any, query: str, deadline: float) -> Generator[Row, None, None]:
    def execute(statement: str) -> None:
        left = max(1, math.ceil((deadline - time.monotonic()) * 1000))
        cursor.execute(f"set local statement_timeout = {min(left, 2_000_000_000)}; {statement}")

    with connection.cursor() as cursor:
        cursor.execute("select set_config('eduflow.query', %s, true)", (query,))
        execute("""
            do $$ declare query refcursor := 'eduflow_query';
            begin open query for execute current_setting('eduflow.query'); end $$
        """)
        execute("fetch forward 0 from eduflow_query")
        yield tuple(Name(column.name, column.type_code) for column in cursor.description)
        for kind in {column.type_code for column in cursor.description}:
            register_type(new_type((kind,), "as the server wrote it", lambda value, _cursor: value), cursor)
        count, widest = 1, 1
        while True:
            execute(f"fetch forward {count} from eduflow_query")
            if not (fetched := cursor.fetchall()):
                return
            widest = max(widest, *(sum(len(cell or "") for cell in row) for row in fetched))
            yield from fetched
            count = max(1, min(2 * count, MOST_ROWS, MOST_CHARACTERS // widest))


def _explained(error: psycopg2.Error, seconds: float) -> str:
    said = (error.diag.message_primary or str(error)).strip()
    if error.pgcode == "42P11" and "multi" in said:
        return "sql takes exactly one statement: send them one by one"
    if error.pgcode in ("42P11", "25006"):
        return f"sql only reads (select, with, values, table, explain, show): {said}"
    if error.pgcode == "57014":
        return f"the query took longer than {seconds:g} s and was ended (setting sql_timeout)"
    return f"{said} ({error.diag.message_hint})" if error.diag.message_hint else said
