"""Audit: recount the data against the ledger, follow one record through every layer, settle what waits for a person."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import luigi
import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection, text

import init_db
from pipeline.checks import Check
from pipeline.datasets import DATASETS, KINDS
from pipeline.datasets.declaration import Dataset
from pipeline.drops import read_drops
from pipeline.outputs.artifact import Artifact
from pipeline.outputs.intake import EduFlow
from pipeline.rules import apply_rule
from pipeline.rules.context import Context
from pipeline.rules.frame import clean
from pipeline.run import State
from pipeline.sources.folder import printable
from pipeline.staging.reading import contexts
from pipeline.step import Step
from targets.errors import UserError
from targets.record import forget


def graph() -> list[Step]:
    """Every step below the root, each after the steps it reads."""
    found: dict[str, Step] = {}

    def visit(task: luigi.Task) -> None:
        if isinstance(task, Step) and task.target in found:  # the paths to a step double with every layer
            return
        for upstream in luigi.task.flatten(task.requires()):
            visit(upstream)
        if isinstance(task, Step):
            found.setdefault(task.target, task)

    visit(EduFlow())
    return list(found.values())


def downstream(targets: set[str]) -> list[str]:
    """These targets and all that is made from them."""
    hit = set(targets)
    for step in graph():
        if any(above.target in hit and not above.gates for above in step.steps()):
            hit.add(step.target)
    return [step.target for step in graph() if step.target in hit]


def forget_target(db: Connection, target: str) -> list[str]:
    """Forget a target and what is made from it; return the names. UserError for a name that is no target."""
    names = [step.target for step in graph()]
    if target not in names:
        raise UserError(f"No target {printable(target)}. Targets: {', '.join(names)}")
    gone = downstream({target})
    forget(db, gone, "forgotten by hand")
    return gone


# --- verify ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Damage:
    """A difference between data and ledger. drop: set when raw lost records of that drop."""

    target: str
    what: str
    drop: int | None = None


def verify(db: Connection, state: State) -> list[Damage]:
    """Recount everything; forget the record of each damaged target (and what is made from it); return the damage."""
    damage = [
        *_raw_damage(db),
        *_staged_damage(db),
        *_version_damage(db),
        *_table_damage(db, state),
        *_artifact_damage(state),
    ]
    for found in damage:
        if found.drop is not None:
            _unland(db, found)
    forget(db, downstream({found.target for found in damage}), "damaged: " + "; ".join(found.what for found in damage))
    return damage


def _raw_damage(db: Connection) -> Iterator[Damage]:
    for name in DATASETS:
        query = f"""
            select d.drop_id, coalesce(d.path, d.dataset) as name, d.rows, coalesce(r.rows, 0) as found
            from etl.drops as d
            left join (select _drop_id, count(*) as rows from raw.{name} group by 1) as r on d.drop_id = r._drop_id
            where d.dataset = :dataset and d.landed_at is not null and d.rows <> coalesce(r.rows, 0)
        """
        for row in db.execute(text(query), {"dataset": name}):
            of_drop = f"drop {row.drop_id} ({printable(row.name)})"
            what = f"raw.{name} holds {row.found:,} of the {row.rows:,} records of {of_drop}"
            yield Damage(f"raw.{name}", what, row.drop_id)


def _staged_damage(db: Connection) -> Iterator[Damage]:
    for dataset in DATASETS.values():
        table = f"staging.{dataset.table}"
        if db.execute(text("select to_regclass(:table)"), {"table": table}).scalar() is None:
            continue
        query = f"""
            select d.drop_id, d.current, coalesce(s.rows, 0) as found, d.rejected + d.duplicate as kept,
                (select count(*) from etl.rejects as r where r.drop_id = d.drop_id) as rejects
            from etl.drops as d
            left join (select _drop_id, count(*) as rows from {table} group by _drop_id) as s on d.drop_id = s._drop_id
            where d.dataset = :dataset and d.status = 'staged'
        """
        for row in db.execute(text(query), {"dataset": dataset.name}):
            if row.found != row.current:
                yield Damage(
                    table, f"{table} shows {row.found:,} rows of drop {row.drop_id}, the ledger {row.current:,}"
                )
            if row.rejects != row.kept:
                yield Damage(
                    table, f"etl.rejects keeps {row.rejects:,} rows of drop {row.drop_id}, the ledger {row.kept:,}"
                )


def _version_damage(db: Connection) -> Iterator[Damage]:
    """Each current row must be a version too: the newest drop that says so is the last of its day."""
    for dataset in DATASETS.values():
        table, versions = f"staging.{dataset.table}", f"staging.{dataset.versions}"
        exists = "select to_regclass(:table) is not null and to_regclass(:versions) is not null"
        if not dataset.versions or not db.execute(text(exists), {"table": table, "versions": versions}).scalar():
            continue
        query = f"""
            select count(*) from {table} as s where not exists (
                select from {versions} as v where v.{dataset.key} = s.{dataset.key} and v.dataset = :dataset
                    and (v._drop_id, v._line) = (s._drop_id, s._line)
            )
        """
        missing = db.execute(text(query), {"dataset": dataset.name}).scalar_one()
        if missing:
            yield Damage(table, f"{versions} lacks {missing:,} current rows of {table}")


def _table_damage(db: Connection, state: State) -> Iterator[Damage]:
    counted: dict[str, int] = {}
    for step in graph():
        record = state.record(step.target)
        if record.fingerprint is None or isinstance(step, Artifact | Check):
            continue
        if not record.present:
            yield Damage(step.target, f"{step.target} is gone")
            continue
        rows = int(db.execute(text(f"select count(*) from {step.target}")).scalar_one())
        counted[step.target] = rows
        if rows != record.rows:
            yield Damage(step.target, f"{step.target} has {rows:,} rows, the ledger {record.rows or 0:,}")
    if db.execute(text("select to_regclass('warehouse.facts_counted')")).scalar() is None:
        return
    for fact, rows, source, source_rows in db.execute(text("select * from warehouse.facts_counted")):
        # a run that was stopped in between leaves a fact made of what staging held before
        made_of_this = state.record(fact).consumed.get(source) == state.record(source).build
        if made_of_this and fact in counted and source in counted and rows != source_rows:
            yield Damage(fact, f"{fact} has {rows:,} rows, {source} {source_rows:,}")


def _artifact_damage(state: State) -> Iterator[Damage]:
    for step in graph():
        if isinstance(step, Artifact) and state.record(step.target).fingerprint and (fault := step.fault(state)):
            yield Damage(step.target, f"{step.target}: {fault}")


def _unland(db: Connection, damage: Damage) -> None:
    """Take a damaged drop out of raw, as a refused one that is tried again when its file is still there."""
    values = {"drop": damage.drop, "reason": f"{damage.what}; it is loaded again when the file is in place"}
    for statement in (
        f"delete from {damage.target} where _drop_id = :drop",
        "delete from etl.rejects where drop_id = :drop",
        "delete from etl.rule_stats where drop_id = :drop",
        """
        update etl.drops set status = 'refused', reason = :reason, judged_by = null, landed_at = null, rows = null,
            read = null, current = null, superseded = null, duplicate = null, rejected = null
        where drop_id = :drop
        """,
    ):
        db.execute(text(statement), values)


# --- decisions ------------------------------------------------------------------------------------------------------


def refuse_drop(db: Connection, drop_id: int) -> str:
    """A person settles a refused or held drop: the run no longer waits for it."""
    drop = _decided(
        db, drop_id, ("refused", "held"), "only a refused or held drop can be refused; retract takes it back"
    )
    _decide(db, drop_id, "refused", "refuse")
    return f"Drop {drop_id} ({drop}) is refused for good; the run no longer waits for it."


def approve_drop(db: Connection, drop_id: int) -> str:
    """A person accepts a held drop, or takes back having refused or retracted one: the next run stages it."""
    drop = _decided(db, drop_id, ("held", "refused", "retracted"), "there is nothing to approve")
    landed = db.execute(text("select landed_at is not null from etl.drops where drop_id = :drop"), {"drop": drop_id})
    if not landed.scalar():
        raise UserError(
            f"Drop {drop_id} ({drop}) could not be read: put a corrected file at the same path and run again."
        )
    _decide(db, drop_id, "landed", "approve")
    return f"Drop {drop_id} ({drop}) is approved; the next run stages it."


def retract_drop(db: Connection, drop_id: int) -> str:
    """A person takes an accepted drop back: after the next run all is as if it had never come, but raw and ledger."""
    drop = _decided(db, drop_id, ("landed", "staged"), "only an accepted drop can be retracted")
    dataset = db.execute(text("select dataset from etl.drops where drop_id = :drop"), {"drop": drop_id}).scalar_one()
    _decide(db, drop_id, "retracted", "retract")
    forget(db, [f"staging.{DATASETS[dataset].table}"], f"drop {drop_id} was retracted")
    return f"Drop {drop_id} ({drop}) is retracted; the next run builds everything without it. approve undoes it."


def _decided(db: Connection, drop_id: int, statuses: tuple[str, ...], otherwise: str) -> str:
    """The name of a drop that can be decided on, locked until the transaction ends; UserError for any other one."""
    query = text("select status, coalesce(path, dataset) as name from etl.drops where drop_id = :drop for update")
    drop = db.execute(query, {"drop": drop_id}).one_or_none()
    if drop is None:
        raise UserError(f"There is no drop {drop_id}. eduflow account lists them.")
    if drop.status not in statuses:
        raise UserError(f"Drop {drop_id} ({printable(drop.name)}) is {drop.status}: {otherwise}.")
    return printable(drop.name)


def _decide(db: Connection, drop_id: int, status: str, decision: str) -> None:
    db.execute(
        text("""
            update etl.drops set status = :status, decision = :decision, decided_at = now(),
                reason = case when :status = 'landed' then null else reason end,
                read = null, current = null, superseded = null, duplicate = null, rejected = null
            where drop_id = :drop
        """),
        {"drop": drop_id, "status": status, "decision": decision},
    )


def refuse_row(db: Connection, drop_id: int, line: int) -> str:
    """A person settles one rejected row: it no longer counts as open."""
    done = db.execute(
        text("""
            insert into etl.settled (drop_id, line)
            select drop_id, line from etl.rejects where (drop_id, line) = (:drop, :line) and outcome = 'rejected'
            on conflict do nothing
        """),
        {"drop": drop_id, "line": line},
    )
    known = text("select exists (select from etl.settled where (drop_id, line) = (:drop, :line))")
    if not done.rowcount and not db.execute(known, {"drop": drop_id, "line": line}).scalar():
        raise UserError(f"Drop {drop_id} has no rejected row at line {line}. eduflow account {drop_id} lists them.")
    return f"Line {line} of drop {drop_id} is refused for good; --undo takes that back."


def unrefuse_row(db: Connection, drop_id: int, line: int) -> str:
    """A person takes back having refused a rejected row: it is open again."""
    done = db.execute(
        text("delete from etl.settled where (drop_id, line) = (:drop, :line)"), {"drop": drop_id, "line": line}
    )
    if not done.rowcount:
        raise UserError(f"Line {line} of drop {drop_id} was not refused, so there is nothing to undo.")
    return f"Line {line} of drop {drop_id} is no longer refused; the next run puts it into its reject file again."


# --- trace ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Traced:
    """One raw record and what cleaning makes of it. cells: (column, as it came, as it is now, flags or reasons)."""

    dataset: str
    drop_id: int
    path: str
    line: int
    outcome: str
    cells: list[tuple[str, str | None, str | None]]
    notes: str


def naming(kind: str) -> list[tuple[Dataset, str]]:
    """The datasets of which a column names a record of this kind, with the column; those with it as their key first."""
    key = KINDS[kind]
    found = [
        (dataset, column.name)
        for dataset in DATASETS.values()
        for column in dataset.columns
        if column.references == kind or column.name == dataset.key == key
    ]
    return sorted(found, key=lambda pair: pair[0].key != key)


def key_of(kind: str, text: str) -> str:
    """The key in the form that the rules give it: 3, stu-3 and STU_003 are STU003. UserError when it can be none."""
    column = KINDS[kind]
    dataset = naming(kind)[0][0]
    value = apply_rule(text, dataset.column(column), Context(drop_date=date.max)).value
    if value is None:
        raise UserError(f"{text!r} is no {column}.")
    return str(value)


def unknown(db: Connection, kind: str, key: str) -> str:
    """That there is no such record; and the one that is spelt alike, if any."""
    said = f"No record of {kind} {key!r} in any drop."
    column = KINDS[kind]
    tables = [f"staging.{dataset.table}" for dataset, _ in naming(kind) if dataset.key == column]
    if db.execute(text("select to_regclass(:table)"), {"table": tables[0]}).scalar() is None:
        return f"{said} Nothing is loaded yet: eduflow run"
    alike = " union all ".join(f"select {column} from {table} where lower({column}) = lower(:key)" for table in tables)
    near = db.execute(text(f"{alike} limit 1"), {"key": key}).scalar()
    return f"{said} Did you mean {near}?" if near else said


def trace_records(db: Connection, state: State, kind: str, key: str) -> Iterator[Traced]:
    """Every raw record whose cleaned key is `key`, in the order in which rows count, cleaned again on the spot."""
    for dataset, column in sorted(naming(kind), key=lambda pair: pair[0].name):
        drops = [drop for drop in read_drops(db, dataset.name) if drop.in_raw]
        rules = contexts(db, dataset, state.settings, drops)
        for drop in drops:
            frame = _candidates(db, dataset, drop.drop_id, column, key)
            rows = clean(frame, dataset, rules[drop.drop_id]).rows
            for before, after in zip(frame.to_dict("records"), rows.to_dict("records"), strict=True):
                if after[column] == key:
                    yield _traced(db, dataset, drop.drop_id, drop.name, before, after)


def _candidates(db: Connection, dataset: Dataset, drop_id: int, column: str, key: str) -> pd.DataFrame:
    """Raw records of a drop that may carry the key, in whatever form: by its last digits or letters."""
    tail = "".join(char for char in key if char.isascii() and char.isalnum())[-3:].lstrip("0").lower() or "0"
    names = [*dataset.column_names, "_record"]
    query = text(f"""
        select _line, {", ".join(names)} from raw.{dataset.name}
        where _drop_id = :drop and (
            _record is not null
            or regexp_replace(lower(normalize({column}, nfkc)), '[^a-z0-9]', '', 'g') like '%' || :tail
            or normalize({column}, nfkc) ~ '[0-9][.]0+[^0-9]*$' -- 7.0 is student 7
        )
        order by _line
    """)
    rows = [tuple(row) for row in db.execute(query, {"drop": drop_id, "tail": tail})]
    types = {"_line": pa.int64(), **dict.fromkeys(names, pa.string())}
    columns = [pa.array([row[place] for row in rows], kind) for place, kind in enumerate(types.values())]
    return pa.table(columns, names=list(types)).to_pandas(types_mapper=pd.ArrowDtype)


def _traced(
    db: Connection, dataset: Dataset, drop_id: int, path: str, before: dict[Hashable, Any], after: dict[Hashable, Any]
) -> Traced:
    line = int(before["_line"])
    reject = db.execute(
        text("select outcome, reasons from etl.rejects where (drop_id, line) = (:drop, :line)"),
        {"drop": drop_id, "line": line},
    ).one_or_none()
    current = db.execute(
        text(f"select exists (select from staging.{dataset.table} where (_drop_id, _line) = (:drop, :line))"),
        {"drop": drop_id, "line": line},
    ).scalar()
    outcome = f"{reject.outcome} ({', '.join(reject.reasons)})" if reject else "current" if current else "superseded"
    cells = [(name, _text(before.get(name)), _text(after.get(name))) for name in dataset.staged_names]
    if not pd.isna(before["_record"]):
        cells.insert(0, ("(whole record)", None, _text(before["_record"])))
    return Traced(dataset.name, drop_id, path, line, outcome, cells, str(after["flags"]).strip("{}"))


def _text(value: Any) -> str | None:
    return None if value is None or value is pd.NA else str(value)


def trace_layers(db: Connection, kind: str, key: str) -> Iterator[tuple[str, list[dict[str, Any]], int]]:
    """(table, up to 20 rows, number of rows) of each table from staging up that names the key."""
    staged = {f"staging.{dataset.table}": column for dataset, column in naming(kind)}
    versions = {f"staging.{dataset.versions}": column for dataset, column in naming(kind) if dataset.versions}
    for table, column in {**staged, **versions, **_above_staging(db, kind)}.items():
        if db.execute(text("select to_regclass(:table)"), {"table": table}).scalar() is None:
            continue
        where = f"{column} = {'warehouse.key(:key)' if column == f'{kind}_key' else ':key'}"
        count = int(db.execute(text(f"select count(*) from {table} where {where}"), {"key": key}).scalar_one())
        rows = db.execute(text(f"select * from {table} where {where} order by 1 limit 20"), {"key": key})
        yield table, [dict(row._mapping) for row in rows], count


def _above_staging(db: Connection, kind: str) -> dict[str, str]:
    """Table of warehouse and analytics -> its column that names a record of this kind: its own key, or a hash of it."""
    query = text("""
        select c.attrelid::regclass::text as name, array_agg(c.attname::text) as columns
        from pg_attribute as c inner join pg_class as r on c.attrelid = r.oid
        where r.relkind = 'r' and c.attnum > 0 and c.attname in (:key, :surrogate)
        and r.relnamespace in (to_regnamespace('warehouse'), to_regnamespace('analytics'))
        group by 1
    """)
    key, surrogate = KINDS[kind], f"{kind}_key"
    found = {row.name: row.columns for row in db.execute(query, {"key": key, "surrogate": surrogate})}
    return {name: key if key in found[name] else surrogate for name in init_db.relations() if name in found}
