"""Catalogue: what every table and column is: its comment, type and keys, what it is made from, by and for.

Only the shape of the database is read, never a row: what is said here follows from the code alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy import Connection, text

import init_db
from pipeline import queries
from pipeline.audit import graph
from pipeline.datasets import DATASETS
from pipeline.outputs.dictionary import lineage
from pipeline.step import Step

SCHEMAS = ("raw", "etl", "staging", "warehouse", "analytics")

# --- what the database says of itself -------------------------------------------------------------------------------


@dataclass
class Field:
    """One column of a table or view. refers: the table its foreign key names."""

    name: str
    kind: str
    required: bool
    comment: str
    refers: str = ""


@dataclass
class Relation:
    """One table or view."""

    name: str
    is_view: bool
    comment: str
    fields: dict[str, Field] = field(default_factory=dict)
    key: tuple[str, ...] = ()

    @property
    def schema(self) -> str:
        return self.name.split(".")[0]


def declared() -> dict[str, str]:
    """Tables and views in the order of the DDL -> the statement that makes each."""
    return dict(re.findall(r"^create (?:table|view) (?:if not exists )?(\w+\.\w+)(.*?;)$", _ddl(), re.M | re.S))


def _ddl() -> str:
    """All of it, without comments."""
    state = "\n".join(path.read_text(encoding="utf-8") for path in sorted(init_db.FOLDER.glob("state_*.sql")))
    derived = [f"{statement};" for found in init_db.relations().values() for statement in found.statements]
    return "\n".join([re.sub("--.*", "", state), *derived])


def relations(db: Connection) -> dict[str, Relation]:
    """What the DDL declares, as the database has it."""
    found: dict[str, Relation] = {}
    for row in db.execute(text(SHAPE), {"names": list(declared())}):
        relation = found.setdefault(row.name, Relation(row.name, row.relkind == "v", row.said or ""))
        relation.fields[row.attname] = Field(row.attname, row.kind, row.attnotnull, row.column_said or "")
    for row in db.execute(text(KEYS), {"names": list(declared())}):
        kind, columns, target = re.findall(r"(\w+) KEY \((.*?)\)(?: REFERENCES ([\w.]+))?", row.definition)[0]
        names = tuple(name.strip('"') for name in columns.split(", "))
        if kind == "PRIMARY":
            found[row.name].key = names
        else:
            found[row.name].fields[names[-1]].refers = target  # of several columns the last one is its own
    return {name: found[name] for name in declared() if name in found}


SHAPE = """
    select
        format('%s.%s', n.nspname, r.relname) as name, r.relkind, obj_description(r.oid, 'pg_class') as said,
        a.attname, format_type(a.atttypid, a.atttypmod) as kind, a.attnotnull,
        col_description(r.oid, a.attnum) as column_said
    from pg_class as r
    inner join pg_namespace as n on n.oid = r.relnamespace
    inner join pg_attribute as a on a.attrelid = r.oid
    where format('%s.%s', n.nspname, r.relname) = any(:names) and a.attnum > 0 and not a.attisdropped
    order by name, a.attnum
"""
# Foreign keys of a derived table are set aside in the ledger until the table has been filled.
KEYS = """
    select format('%s.%s', n.nspname, r.relname) as name, pg_get_constraintdef(c.oid) as definition
    from pg_constraint as c
    inner join pg_class as r on r.oid = c.conrelid
    inner join pg_namespace as n on n.oid = r.relnamespace
    where c.contype in ('p', 'f') and format('%s.%s', n.nspname, r.relname) = any(:names)
    union
    select table_name, definition from etl.foreign_keys where table_name = any(:names)
"""


def schemas(db: Connection) -> dict[str, str]:
    """Schema -> what it is for."""
    query = "select nspname, obj_description(oid, 'pg_namespace') as said from pg_namespace where nspname = any(:names)"
    return {row.nspname: row.said or "" for row in db.execute(text(query), {"names": list(SCHEMAS)})}


def functions(db: Connection) -> dict[str, str]:
    """Functions that the DDL declares, as one calls them -> what they return."""
    query = """
        select format('%s.%s', n.nspname, p.proname) as name, pg_get_function_arguments(p.oid) as arguments,
            obj_description(p.oid, 'pg_proc') as said
        from pg_proc as p inner join pg_namespace as n on n.oid = p.pronamespace
        where n.nspname = any(:schemas)
    """
    found = {row.name: row for row in db.execute(text(query), {"schemas": list(SCHEMAS)})}
    names = [name for name in re.findall(r"^create function (\w+\.\w+)", _ddl(), re.M) if name in found]
    return {f"{name}({found[name].arguments})": found[name].said or "" for name in names}


# --- what a column means --------------------------------------------------------------------------------------------

# Columns that every table of a layer has.
SHARED = {
    "raw._drop_id": "the drop it came in: `etl.drops`",
    "raw._line": "its line in the file (in a JSON array: its place); with `_drop_id` the key",
    "raw._extra": "filled cells of columns outside the declaration, by the column's place in the header that stands in "
    "`etl.drops.format`, from 1; our own `reject_...` columns by name, and all in drops whose format has no `extra`",
    "raw._record": "the whole record, where its number of fields is wrong; the columns are null then; `[never stored]` "
    "when its file has a column that is never stored",
    "staging.flags": "codes of its soft problems; `{}` when it has none",
    "staging.quality_score": "100, less 10 per flag, at least 0",
    "staging._drop_id": "the newest drop that says so: `etl.drops`",
    "staging._line": "its line in that drop",
    "staging._build": "the build of this table that last changed the row's content",
}
A_ROW = "a row of"


class Catalogue:
    """All tables, views and files, what they are made from and by, and what their columns mean."""

    def __init__(self, db: Connection) -> None:
        self.relations, self.schemas, self.functions = relations(db), schemas(db), functions(db)
        self.steps = {step.target: step for step in graph()}
        views = {name: queries.named(declared()[name]) for name, found in self.relations.items() if found.is_view}
        self.made_from = lineage.sources()
        self.reads: dict[str, list[str]] = {**self.made_from, **views}

    def in_short(self, target: str) -> str:
        return lineage.in_short(lineage.whole_layers(target, self.made_from)) if target in self.made_from else ""

    @cached_property
    def readers(self) -> dict[str, list[str]]:
        """Table -> what is made from it, but for what is made from every table."""
        found: dict[str, list[str]] = {}
        for target, above in self.reads.items():
            for name in above if self.in_short(target) != lineage.EVERYTHING else ():
                found.setdefault(name, []).append(target)
        return found

    def makers(self, name: str) -> list[Step]:
        """The steps that write a table: its own, or those of the datasets whose versions it keeps."""
        if name in self.steps:
            return [self.steps[name]]
        kept = [f"staging.{dataset.table}" for dataset in DATASETS.values() if name == f"staging.{dataset.versions}"]
        return [self.steps[target] for target in kept if target in self.steps]

    def describe(self, name: str, column: str) -> str:
        """What a column means: its comment; else what its layer or its name says; else the column it is made from."""
        relation = self.relations[name]
        shape = relation.fields[column]
        return (
            shape.comment
            or SHARED.get(f"{relation.schema}.{column}", "")
            or self._as_it_came(relation)
            or (A_ROW if shape.refers else self._surrogate(relation, column))
            or self._inherited(name, column)
        )

    def _as_it_came(self, relation: Relation) -> str:
        dataset = DATASETS.get(relation.name.removeprefix("raw."))
        return f"as it came; cleaned into `staging.{dataset.table}`" if dataset and relation.schema == "raw" else ""

    def _surrogate(self, relation: Relation, column: str) -> str:
        natural = [column.replace("_key", ending) for ending in ("_id", "_name") if column.endswith("_key")]
        known = next((name for name in natural if name in relation.fields), None)
        return f"surrogate key: `warehouse.key({known})`" if known else ""

    def _inherited(self, name: str, column: str) -> str:
        """The comment on the column of the same name that is nearest upstream."""
        seen, level = {name}, self._above(name)
        while level:
            for above in level:
                found = self.relations[above].fields.get(column) if above in self.relations else None
                if found and found.comment:
                    return found.comment
            seen.update(level)
            level = [up for above in level for up in self._above(above) if up not in seen]
        return ""

    def _above(self, name: str) -> list[str]:
        """What a table is made from; a table of versions is like those of its datasets."""
        return [*self.reads.get(name, []), *(step.target for step in self.makers(name) if step.target != name)]
