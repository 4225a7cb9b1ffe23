"""Views over all datasets, as the declarations make them: nobody else lists the datasets.

A view that has `dataset` and `_build` is asked for changed rows by
`_build > (cast(:since as jsonb) ->> dataset)::bigint`, of which the server makes a look-up in the index of each table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipeline.datasets import DATASETS
from pipeline.datasets.declaration import Column, Dataset
from pipeline.ddl.facts import ddl as fact_ddl
from pipeline.ddl.facts import facts
from pipeline.ddl.tables import INIT_DB, plural, quoted

KINDS = tuple(sorted({column.references for d in DATASETS.values() for column in d.columns if column.references}))


def seen(kind: str) -> str:
    """The view of the keys of a kind: students_seen, classes_seen."""
    return f"staging.{plural(kind)}_seen"


@dataclass(frozen=True)
class View:
    """selects: the SELECTs for one dataset; comments: column -> what it holds, "" -> the view."""

    selects: Callable[[Dataset], Iterator[str]]
    comments: dict[str, str]


def _select(dataset: Dataset, columns: str, *conditions: str) -> str:
    """Rows that are there, of those of a staged table for which the conditions hold."""
    held = " and ".join(filter(None, (*conditions, dataset.live())))
    where = f"\nwhere {held}" if held else ""
    return f"select '{dataset.name}' as dataset, {columns}\nfrom staging.{dataset.table}{where}"


def _accepted_keys(dataset: Dataset) -> Iterator[str]:
    columns = f"{dataset.key_text()} as key, _drop_id, _line"
    yield f"select '{dataset.name}' as dataset, {columns} from staging.{dataset.table}"


def _raw_records(dataset: Dataset) -> Iterator[str]:
    yield f"select _drop_id, _line, _extra from raw.{dataset.name}"


def _seen(kind: str) -> Callable[[Dataset], Iterator[str]]:
    def selects(dataset: Dataset) -> Iterator[str]:
        for column in dataset.columns:
            if column.references == kind:
                own = str(dataset.key == column.name).lower()
                columns = f"'{column.name}' as column_name, {column.name} as key, {own} as is_own, _build"
                yield _select(dataset, columns, "" if column.never_null else f"{column.name} is not null")

    return selects


def _names_seen(dataset: Dataset) -> Iterator[str]:
    for column in dataset.columns:
        if column.rule == "name" or column.references == "instructor":
            yield _select(dataset, f"{column.name} as name", f"{column.name} is not null")


def _flags_seen(dataset: Dataset) -> Iterator[str]:
    yield _select(dataset, f"{dataset.key_text()} as key, flags, quality_score", "flags <> '{}'")


def _unknown_words(dataset: Dataset) -> Iterator[str]:
    for column in dataset.columns:
        if flag := column.unknown_flag:
            yield _words(dataset, column, flag)


def _words(dataset: Dataset, column: Column, flag: str) -> str:
    """Unknown words where they are: in staging, else as they came: in raw, or with the rejected row."""
    name = column.name
    said = f"'{dataset.name}' as dataset, '{flag}' as flag"
    if column.required:
        return (
            f"select {said}, trim(r.original ->> '{name}') as word\nfrom etl.rejects as r"
            f" inner join etl.drops as d using (drop_id)\nwhere r.dataset = '{dataset.name}'"
            f" and r.outcome = 'rejected' and d.status = 'staged' and '{flag}' = any(r.reasons)"
        )
    live = f" and {dataset.live('s.')}" if dataset.operation else ""
    flagged = f"where s.flags <> '{{}}' and '{flag}' = any(s.flags){live}"
    if column.keeps_unknown:
        return f"select {said}, s.{name} as word\nfrom staging.{dataset.table} as s\n{flagged}"
    came = f"inner join raw.{dataset.name} as r on (s._drop_id, s._line) = (r._drop_id, r._line)"
    return f"select {said}, trim(r.{name}) as word\nfrom staging.{dataset.table} as s {came}\n{flagged}"


def _days_seen(dataset: Dataset) -> Iterator[str]:
    utc = {"date": "{}", "timestamp": "({} at time zone 'UTC')::date"}
    days = [utc[column.rule].format(column.name) for column in dataset.columns if column.rule in utc]
    if days:
        earliest, latest = (f"{which}({', '.join(days)})" if days[1:] else days[0] for which in ("least", "greatest"))
        columns = f"{dataset.key_text()} as key, {earliest} as earliest, {latest} as latest, _drop_id, _build"
        yield _select(dataset, columns)


def _out_of_range(dataset: Dataset) -> Iterator[str]:
    held = {column.name: column.range for column in dataset.columns if column.range}
    for check in dataset.checks:
        rule = f"{check.column} {check.operator} {check.other}"
        held[check.column] = f"{held[check.column]} and {rule}" if check.column in held else rule
    if held:
        broken = " or ".join(f"not ({condition})" for condition in held.values())
        columns = f"{dataset.key_text()} as key, '{', '.join(held)}' as column_names, _build"
        yield _select(dataset, columns, f"({broken})")


def _facts_counted(dataset: Dataset) -> Iterator[str]:
    if fact := facts().get(dataset.name):
        live = f" where {dataset.live()}" if dataset.operation else ""
        yield (
            f"select 'warehouse.{fact}' as fact, (select count(*) from warehouse.{fact}) as fact_rows,\n"
            f"    'staging.{dataset.table}' as source,"
            f" (select count(*) from staging.{dataset.table}{live}) as source_rows"
        )


def _facts_lacking(dataset: Dataset) -> Iterator[str]:
    """By its declaration: what no staged row lacks; and the days, of which an unknown one is 0."""
    if fact := facts().get(dataset.name):
        path = INIT_DB / "schema" / "warehouse" / f"{fact}.sql"
        ddl_of_it = fact_ddl(dataset) if dataset.fact else path.read_text(encoding="utf-8")
        has = re.findall(r"^    (\w+) ", ddl_of_it, re.MULTILINE)
        never_null = [column for column in dataset.columns if column.never_null]
        must = {*(f"{c.references}_key" for c in never_null if c.references), *(c.name for c in never_null)}
        lacking = " or ".join(f"{name} is null" for name in has if name in must or name.endswith("date_key"))
        key = " || '/' || ".join(f"{has[place]}::text" for place in range(len(dataset.keys)))
        yield f"select '{fact}' as fact, {key} as key\nfrom warehouse.{fact}\nwhere {lacking}"


KEY, DATASET = {"key": "the natural key of its row"}, {"dataset": "name of the dataset"}
VIEWS = {
    "staging.accepted_keys": View(
        _accepted_keys, {"": "the newest accepted record of every key, over all datasets", **DATASET, **KEY}
    ),
    "staging.raw_records": View(
        _raw_records,
        {
            "": "where every record of raw stands, over all datasets",
            "_extra": "its cells outside the declared columns, by their place in the header",
        },
    ),
    **{
        seen(kind): View(
            _seen(kind),
            {
                "": f"which {kind} a row names, over all datasets",
                **DATASET,
                "column_name": "the column that names it",
                "key": "what it names",
                "is_own": "whether the row describes it, and not only names it",
            },
        )
        for kind in KINDS
    },
    "staging.names_seen": View(
        _names_seen,
        {
            "": "names of people, over all datasets: none of them goes to a language model",
            **DATASET,
            "name": "as it stands in staging",
        },
    ),
    "staging.flags_seen": View(_flags_seen, {"": "rows with flags, over all datasets", **DATASET, **KEY}),
    "staging.unknown_words": View(
        _unknown_words,
        {
            "": "words that are in no vocabulary, over all datasets",
            **DATASET,
            "flag": "the flag, or reason, of the row",
            "word": "as it came, or as it stands in staging; null in a repaired record",
        },
    ),
    "staging.days_seen": View(
        _days_seen,
        {
            "": "the first and the last day that a row names, over all datasets",
            **DATASET,
            **KEY,
            "earliest": "null when it names none",
            "latest": "null when it names none",
        },
    ),
    "staging.out_of_range": View(
        _out_of_range,
        {
            "": "rows with a value where its rule, or a declared check, does not put it; there are none",
            **DATASET,
            **KEY,
            "column_names": "the columns that were looked at",
        },
    ),
    "warehouse.facts_counted": View(
        _facts_counted,
        {
            "": "per fact of one dataset its rows, and those of staging that it stands for",
            "fact": "the fact",
            "fact_rows": "its rows",
            "source": "the staged table of its dataset",
            "source_rows": "the rows of that, without those that were taken away",
        },
    ),
    "warehouse.facts_lacking": View(
        _facts_lacking,
        {
            "": "rows of facts that lack what no staged row lacks; there are none",
            "fact": "the fact",
            "key": "the key of its row",
        },
    ),
}


def ddl(name: str) -> str:
    """The DDL of a view."""
    view = VIEWS[name]
    selects = "\nunion all\n".join(select for dataset in DATASETS.values() for select in view.selects(dataset))
    said = [
        f"comment on {f'column {name}.{column}' if column else f'view {name}'} is {quoted(comment)};"
        for column, comment in view.comments.items()
    ]
    return "\n".join([f"create view {name} as", f"{selects};", *said, ""])
