"""What a run left behind: digests of it, and whether every drop is wholly in or wholly out."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path
from typing import Any

from pipeline.datasets import DATASETS

DERIVED = ("staging", "warehouse", "analytics")
ALL = ("raw", "etl", *DERIVED)
# What differs between two runs that did the same (and etl.runs, which no run but its own reads).
VOLATILE = ("seconds", "run_id", "mtime_ns", "ctime_ns", "inode")
ABOUT_THE_RUN = ("run_summary", "metrics")

COLUMNS = """
    select c.oid::regclass::text as name, n.nspname as schema, a.attname as column,
        a.atttypid = 'timestamptz'::regtype as is_time, a.atttypid = 'json'::regtype as is_json
    from pg_class as c
    inner join pg_namespace as n on c.relnamespace = n.oid and n.nspname = any(%s)
    inner join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relkind = 'r' order by 1, a.attnum
"""
SHAPE = """
    select pg_get_indexdef(i.indexrelid) from pg_index as i inner join pg_class as c on i.indrelid = c.oid
    where c.relnamespace::regnamespace::text = any(%(schemas)s) and i.indisvalid
    union all
    select format('%%s %%s %%s', conrelid::regclass, conname, pg_get_constraintdef(oid)) from pg_constraint
    where connamespace::regnamespace::text = any(%(schemas)s) and conrelid <> 0
    union all
    select format('%%s.%%s is %%s', schemaname, sequencename, last_value) from pg_sequences
    where schemaname = any(%(schemas)s)
    order by 1
"""
# A row of raw without its drop, a drop without some of its rows; one query per dataset.
TORN = """
    select d.drop_id, d.path, d.status, d.rows, count(r._drop_id), r._drop_id
    from (select * from etl.drops where dataset = %s) as d
    full join raw.{dataset} as r on r._drop_id = d.drop_id
    group by 1, 2, 3, 4, 6, d.landed_at
    having d.drop_id is null or count(r._drop_id) <> case when d.landed_at is null then 0 else coalesce(d.rows, -1) end
"""
UNBALANCED = """
    select drop_id, path from etl.drops as d
    where (status = 'staged') is distinct from (
        read = rows and read = current + superseded + duplicate + rejected and (rejected, duplicate) = (
            select count(*) filter (where outcome = 'rejected'), count(*) filter (where outcome = 'duplicate')
            from etl.rejects as r where r.drop_id = d.drop_id
        )
    )
    and (status = 'staged' or exists (select from etl.rejects as r where r.drop_id = d.drop_id))
"""
BALANCE = """
    select drop_id, dataset, path, drop_date::text, status, decision, reason,
        rows, read, current, superseded, duplicate, rejected
    from etl.drops order by drop_date, path, drop_id
"""


def _exists(cursor: Any, relation: str) -> bool:
    cursor.execute("select to_regclass(%s) is not null", [relation])
    return bool(cursor.fetchone()[0])


def _columns(cursor: Any, schemas: tuple[str, ...]) -> dict[str, list[str]]:
    """table -> its columns; of times in the ledger only whether there is one."""
    cursor.execute(COLUMNS, [list(schemas)])
    tables: dict[str, list[str]] = {}
    for table, schema, column, is_time, is_json in cursor.fetchall():
        if table != "etl.runs" and column not in VOLATILE:
            kept = f'"{column}"::text' if is_json else f'"{column}"'  # no json has a hash
            kept = f'"{column}" is not null as "{column}"' if schema == "etl" and is_time else kept
            tables.setdefault(table, []).append(kept)
    return tables


def _digests(cursor: Any, tables: dict[str, list[str]], row: str) -> dict[str, str]:
    """table -> digest of its rows. row: what is hashed of a row t."""
    if not tables:
        return {}
    cursor.execute(
        " union all ".join(
            f"select '{table}', count(*) || ':' || coalesce(sum({row}), 0)"
            f" from (select {', '.join(columns)} from {table}) as t"
            for table, columns in tables.items()
        )
    )
    return dict(cursor.fetchall())


def outcome(cursor: Any, output: Path) -> dict[str, Any]:
    """What must be identical after a disturbed and an undisturbed run: tables, their shape, the balance, artifacts."""
    cursor.execute(BALANCE)
    found: dict[str, Any] = {f"drop {drop_id}": row for drop_id, *row in cursor.fetchall()}
    content = {
        table: [column for column in columns if not column.startswith('"_')]
        for table, columns in _columns(cursor, DERIVED).items()
    }
    found |= _digests(cursor, content, "hashtextextended(t::text, 0)")
    cursor.execute(SHAPE, {"schemas": list(DERIVED)})
    found |= {row[0]: "" for row in cursor.fetchall()}
    return found | {f"output/{name}": digest for name, digest in files(output).items()}


def files(output: Path) -> dict[str, str]:
    """name -> digest of each file of the output folder but those about the run itself; hidden ones, too."""
    return {
        str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(output.rglob("*"))
        if path.is_file() and not path.name.startswith(ABOUT_THE_RUN)
    }


def everything(cursor: Any, output: Path) -> str:
    """Digest of all that the next run can see: equal, and the next run does the same."""
    tables = _columns(cursor, ALL)
    if columns := tables.get("etl.targets"):
        about = "|".join(ABOUT_THE_RUN)
        columns[columns.index('"content"')] = f"case when target !~ '^output/({about})' then content end"
    found: list[Any] = sorted(_digests(cursor, tables, "hash_record_extended(t, 0)").items())
    cursor.execute(SHAPE, {"schemas": list(ALL)})
    found += cursor.fetchall()
    left = sorted((re.sub(r"\.writing-.*", ".writing", name), digest) for name, digest in files(output).items())
    about_the_run = sorted(path.name for path in output.glob("*") if path.name.startswith(ABOUT_THE_RUN))
    return hashlib.sha256(repr((found, left, about_the_run, output.exists())).encode()).hexdigest()


def torn_drops(cursor: Any) -> list[Any]:
    """Drops that are neither wholly in nor wholly out, or do not balance; rows of raw that no drop knows."""
    found: list[Any] = []
    for dataset in DATASETS:
        if _exists(cursor, f"raw.{dataset}") and _exists(cursor, "etl.drops"):
            cursor.execute(TORN.format(dataset=dataset), [dataset])
            found += cursor.fetchall()
    if _exists(cursor, "etl.rejects"):
        cursor.execute(UNBALANCED)
        found += cursor.fetchall()
    return found


def busy(cursor: Any) -> list[Any]:
    """Other backends on the database, and how many locks they hold."""
    cursor.execute(
        """
        select a.pid, a.state, a.query, (select count(*) from pg_locks as l where l.pid = a.pid)
        from pg_stat_activity as a
        where a.datname = current_database() and a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
        """
    )
    return list(cursor.fetchall())


def left_after(seconds: float, cursor: Any, session: int) -> list[Any]:
    """Processes and backends of a run that are still there after so many seconds; returns as soon as none is."""
    deadline = time.monotonic() + seconds
    while True:
        left = [*processes(session), *busy(cursor)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.005)


def processes(session: int) -> list[int]:
    """Living processes of a session, from /proc: the sixth field of stat, after a name that may hold anything."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z" and int(fields[3]) == session:
            found.append(int(stat.parent.name))
    return found
