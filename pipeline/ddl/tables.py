"""The tables of raw and staging, as the declarations make them."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.datasets import DATASETS
from pipeline.datasets.declaration import DELETE, Column, Dataset

INIT_DB = Path(__file__).parents[2] / "init_db"
PROVENANCE = """\
    flags text [] not null,
    quality_score smallint not null generated always as (greatest(0, 100 - 10 * cardinality(flags))) stored,
    _drop_id bigint not null,
    _line bigint not null,
    _build bigint not null"""
MADE_COLUMN = re.compile(r"create table if not exists raw\.(\w+) \((.*?)\n\);", re.DOTALL)
ADDED_COLUMN = re.compile(r"alter table raw\.(\w+) add column if not exists (\w+)")


def staged(dataset: Dataset) -> str:
    """The DDL of a staged table."""
    table = f"staging.{dataset.table}"
    lines = [line for column in dataset.columns for line in _staged_columns(dataset, column)]
    together = [f"primary key ({dataset.key})"] if len(dataset.keys) > 1 else []
    indexes = [
        *(["(_build) where _build > 1"] if dataset.mode != "snapshot" else []),
        *(f"({column.name})" for column in dataset.columns if column.indexed),
        f"({dataset.key}) where flags <> '{{}}'",
    ]
    comments = [pair for column in dataset.columns for pair in _comments(column)]
    return "\n".join(
        [
            f"create table {table} (",
            *(f"    {line}," for line in lines),
            ",\n".join([PROVENANCE, *(f"    {line}" for line in together)]),
            ");",
            *(f"create index on {table} {index};" for index in indexes),
            f"comment on table {table} is {quoted(f'{dataset.row}: the newest accepted record of {dataset.name}')};",
            *(f"comment on column {table}.{name} is {quoted(comment)};" for name, comment in comments),
            "",
        ]
    )


def _staged_columns(dataset: Dataset, column: Column) -> list[str]:
    """Keys and ids are compared byte by byte: the same order on every server, and faster to sort."""
    key = column.name in dataset.keys
    collated = ' collate "C"' if key or column.name.endswith("_id") else ""
    never_null = " not null"
    if dataset.operation and not key and column.name != dataset.operation:  # of a deletion the key alone is known
        never_null = f" check ({column.name} is not null or {dataset.operation} = '{DELETE}')"
    constraint = " primary key" if key and len(dataset.keys) == 1 else never_null if column.never_null or key else ""
    (name, kind), *more = column.staged
    kind = spelled(kind)
    return [f"{name} {kind}{collated}{constraint}", *(f"{other} {kind}" for other, kind in more)]


def spelled(kind: str) -> str:
    """A type as the files write it."""
    return {"timestamp with time zone": "timestamptz", "text[]": "text []"}.get(kind, kind).replace(",", ", ")


def _comments(column: Column) -> list[tuple[str, str]]:
    of_parts = ("first word of {}", "the other words of {}")
    parts = zip(column.staged[1:], of_parts, strict=False)
    return [(column.name, column.comment), *((name, said.format(column.name)) for (name, _), said in parts)]


# --- raw ------------------------------------------------------------------------------------------------------------


def migration() -> str:
    """The statements that raw lacks; "" when the state files make every table and column."""
    made = _made()
    statements = [
        _raw(dataset)
        if dataset.name not in made
        else "".join(
            f"alter table raw.{dataset.name} add column if not exists {name} text;\n"
            for name in dataset.column_names
            if name not in made[dataset.name]
        )
        for dataset in DATASETS.values()
    ]
    return "\n".join(statement for statement in statements if statement)


def _made() -> dict[str, set[str]]:
    """Dataset -> the columns of its raw table, by the state files."""
    made: dict[str, set[str]] = {}
    for path in sorted(INIT_DB.glob("state_*.sql")):
        source = path.read_text(encoding="utf-8")
        for name, columns in MADE_COLUMN.findall(source):
            made.setdefault(name, set()).update(re.findall(r"^ +(\w+) ", columns, re.MULTILINE))
        for name, column in ADDED_COLUMN.findall(source):
            made.setdefault(name, set()).add(column)
    return made


def _raw(dataset: Dataset) -> str:
    """See state_02_raw.sql for why there is no primary key."""
    name = dataset.name
    columns = "".join(f"    {column} text,\n" for column in dataset.column_names)
    return f"""\
create table if not exists raw.{name} (
    _drop_id bigint not null,
    _line bigint not null,
{columns}    _extra jsonb,
    _record text
);
create index if not exists {name}_lines on raw.{name} using brin (_drop_id, _line) with (pages_per_range = 32);
comment on table raw.{name} is 'records of {name} files, as text';
"""


def plural(kind: str) -> str:
    """What a reference refers to, as dimensions and views are called by it: students, classes."""
    return f"{kind}{'es' if kind.endswith('s') else 's'}"


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
