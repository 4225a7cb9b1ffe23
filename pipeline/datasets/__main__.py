"""`python -m pipeline.datasets`: write the DDL of what is declared here, for people to read and git to keep.

Derived relations (`init_db/schema/staging`) are written anew. Raw is state and only ever migrated: a table or column
that no state file makes yet goes into a new one. A test holds the files and the declarations equal.
"""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.datasets import DATASETS
from pipeline.datasets.declaration import Column, Dataset

INIT_DB = Path(__file__).parents[2] / "init_db"
PROVENANCE = """\
    flags text [] not null,
    quality_score smallint not null generated always as (greatest(0, 100 - 10 * cardinality(flags))) stored,
    _drop_id bigint not null,
    _line bigint not null,
    _build bigint not null"""
# View of staging -> (its SELECT for one dataset, the comments on it and its columns).
VIEWS = {
    "accepted_keys": (
        "select '{d.name}' as dataset, {d.key} as key, _drop_id, _line from staging.{d.table}",
        {
            "": "the newest accepted record of every key, over all datasets",
            "dataset": "name of the dataset",
            "key": "the natural key of its row",
        },
    ),
    "raw_records": (
        "select _drop_id, _line, _extra from raw.{d.name}",
        {
            "": "where every record of raw stands, over all datasets",
            "_extra": "its cells outside the declared columns, by their place in the header",
        },
    ),
}
MADE_COLUMN = re.compile(r"create table if not exists raw\.(\w+) \((.*?)\n\);", re.DOTALL)
ADDED_COLUMN = re.compile(r"alter table raw\.(\w+) add column if not exists (\w+)")


def files() -> dict[str, str]:
    """Path below init_db -> content, of every relation of staging that is made from the declarations."""
    tables = {f"schema/staging/{dataset.table}.sql": staged(dataset) for dataset in DATASETS.values()}
    return tables | {f"schema/staging/{name}.sql": view(name) for name in VIEWS}


def staged(dataset: Dataset) -> str:
    """The DDL of a staged table."""
    table = f"staging.{dataset.table}"
    lines = [line for column in dataset.columns for line in _staged_columns(dataset, column)]
    indexes = [
        *(["(_build) where _build > 1"] if dataset.mode == "append" else []),
        *(f"({column.name})" for column in dataset.columns if column.indexed),
        f"({dataset.key}) where flags <> '{{}}'",
    ]
    comments = [pair for column in dataset.columns for pair in _comments(column)]
    return "\n".join(
        [
            f"create table {table} (",
            *(f"    {line}," for line in lines),
            PROVENANCE,
            ");",
            *(f"create index on {table} {index};" for index in indexes),
            f"comment on table {table} is {_quoted(f'{dataset.row}: the newest accepted record of {dataset.name}')};",
            *(f"comment on column {table}.{name} is {_quoted(comment)};" for name, comment in comments),
            "",
        ]
    )


def _staged_columns(dataset: Dataset, column: Column) -> list[str]:
    """Keys and ids are compared byte by byte: the same order on every server, and faster to sort."""
    key = column.name == dataset.key
    collated = ' collate "C"' if key or column.name.endswith("_id") else ""
    constraint = " primary key" if key else " not null" if column.never_null else ""
    spelled = {"timestamp with time zone": "timestamptz", "text[]": "text []"}
    (name, kind), *more = column.staged
    kind = spelled.get(kind, kind).replace(",", ", ")
    return [f"{name} {kind}{collated}{constraint}", *(f"{other} {kind}" for other, kind in more)]


def _comments(column: Column) -> list[tuple[str, str]]:
    of_parts = ("first word of {}", "the other words of {}")
    parts = zip(column.staged[1:], of_parts, strict=False)
    return [(column.name, column.comment), *((name, said.format(column.name)) for (name, _), said in parts)]


def view(name: str) -> str:
    """The DDL of a view over all datasets."""
    select, comments = VIEWS[name]
    selects = "\nunion all\n".join(select.format(d=dataset) for dataset in DATASETS.values())
    said = [
        f"comment on {f'column staging.{name}.{column}' if column else f'view staging.{name}'} is {_quoted(comment)};"
        for column, comment in comments.items()
    ]
    return "\n".join([f"create view staging.{name} as", f"{selects};", *said, ""])


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


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def main() -> None:
    """Write what differs, and say so."""
    for name, content in files().items():
        path = INIT_DB / name
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")
            print(f"written: init_db/{name}")
    if statements := migration():
        number = 1 + max(int(path.name.split("_")[1]) for path in INIT_DB.glob("state_*.sql"))
        path = INIT_DB / f"state_{number:02}_raw.sql"
        path.write_text(
            "-- What the declarations in pipeline/datasets added to raw.\n"
            f"-- State: only ever migrated forward (a later state_NN file), never dropped.\n\n{statements}",
            encoding="utf-8",
        )
        print(f"written: init_db/{path.name}")


if __name__ == "__main__":
    main()
