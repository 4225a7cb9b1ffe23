"""Facts: which dataset a fact stands for; table and query of the facts that are declared."""

from __future__ import annotations

import functools
from pathlib import Path

from pipeline import queries
from pipeline.datasets import DATASETS
from pipeline.datasets.declaration import Column, Dataset
from pipeline.ddl.tables import plural, quoted, spelled

SQL = Path(__file__).parents[1] / "sql"


def name_of(dataset: Dataset) -> str:
    """The name of its fact, if it declares one."""
    return f"fact_{dataset.table.removeprefix('stg_')}"


@functools.cache
def facts() -> dict[str, str]:
    """Dataset -> its fact: a query `fact_*.sql` that reads its staged table and nothing else, or a declared one."""
    tables = {f"staging.{dataset.table}": dataset.name for dataset in DATASETS.values()}
    reads = {path.stem: queries.reads(path.read_text(encoding="utf-8")) for path in sorted(SQL.glob("fact_*.sql"))}
    by_hand = {tables[names[0]]: fact for fact, names in reads.items() if len(names) == 1 and names[0] in tables}
    return by_hand | {dataset.name: name_of(dataset) for dataset in DATASETS.values() if dataset.fact}


def _columns(dataset: Dataset) -> list[tuple[Column, str, str, str]]:
    """(column, name, type and constraints, expression) of each column of a fact."""
    found = []
    own = [column for column in dataset.columns if column.name in dataset.keys and not column.references]
    for column in own:
        constraint = " primary key" if len(dataset.keys) == 1 else " not null"
        found.append((column, column.name, f'{spelled(column.staged[0][1])} collate "C"{constraint}', column.name))
    for column in (column for column in dataset.columns if column.references):
        key = " primary key" if dataset.key == column.name else " not null" if column.never_null else ""
        dim = f"warehouse.dim_{plural(column.references)}"
        kind = f"bigint{key} references {dim} on delete cascade"
        found.append((column, f"{column.references}_key", kind, f"warehouse.key({column.name})"))
    kept = [dataset.column(name) for name in dataset.fact]
    for column in [column for column in kept if column.rule in ("date", "timestamp")][:1]:
        day = column.name if column.rule == "date" else f"({column.name} at time zone 'UTC')::date"
        kind = "integer not null references warehouse.dim_date"
        found.append((column, "date_key", kind, f"warehouse.date_key({day})"))
    for column in kept:
        must = " not null" if column.never_null else f" check ({column.range})" if column.range else ""
        found.append((column, column.name, f"{spelled(column.staged[0][1])}{must}", column.name))
    return found


def _grain(dataset: Dataset) -> str:
    return f"one row per {dataset.row.removeprefix('one ')}"


def ddl(dataset: Dataset) -> str:
    """The DDL of the fact that a dataset declares."""
    fact, columns = f"warehouse.{name_of(dataset)}", _columns(dataset)
    keys = [name for column, name, *_ in columns if column.name in dataset.keys]
    lines = [f"{name} {kind}" for _, name, kind, _ in columns]
    lines += [f"primary key ({', '.join(keys)})"] if len(keys) > 1 else []
    indexed = [name for column, name, *_ in columns if column.references and keys != [name]]
    return "\n".join(
        [
            f"create table {fact} (",
            ",\n".join(f"    {line}" for line in lines),
            ");",
            *(f"create index on {fact} ({name});" for name in indexed),
            f"comment on table {fact} is {quoted(_grain(dataset))};",
            *(
                f"comment on column {fact}.{name} is {quoted(column.comment)};"
                for column, name, *_ in columns
                if column.comment and name == column.name
            ),
            "",
        ]
    )


def query(dataset: Dataset) -> str:
    """The SELECT of the fact that a dataset declares."""
    columns = _columns(dataset)
    keys = ", ".join(name for column, name, *_ in columns if column.name in dataset.keys)
    since = f"{dataset.table}_since"
    shown = [source if source == name else f"{source} as {name}" for _, name, _, source in columns]
    live = f" and {dataset.live()}" if dataset.operation else ""
    return (
        f"-- {_grain(dataset)}. key: {keys}. reads: staging.{dataset.table}\n"
        f"-- :{since} = the build consumed last time; 0 = everything\n"
        "select\n" + ",\n".join(f"    {line}" for line in shown) + "\n"
        f"from staging.{dataset.table}\n"
        f"where _build > :{since}{live}\n"
    )
