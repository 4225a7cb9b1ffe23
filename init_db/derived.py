"""Derived relations made one by one: each that is missing, or whose file says something else than when it was made.

Made anew with a relation are those of ours that depend on it (a view); foreign keys of our tables are set aside. What
EduFlow did not make and depends on it stops that relation, and what needs it; nothing is ever dropped by cascade.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from init_db import rights
from init_db.ddl import (
    DERIVED,
    STATE,
    Relation,
    relations,
    run_as_it_is,
    schema_comment,
    state_functions,
    state_tables,
)
from init_db.ownership import DATABASE, FOUND, PARTS, NotOursError, Present, dependents, some

# Serialises set-up between processes: any constant does, as long as nobody else takes it.
SETUP_LOCK = 0x45445546
CHANGED, COMMENTED, MISSING, NEW = "its DDL changed", "its comments changed", "it is missing", "it is new"
GONE = "EduFlow no longer has it"


@dataclass(frozen=True)
class Change:
    """What is to become of a relation, and why. stopped: why it can't be, with the way out."""

    name: str
    why: str
    stopped: str = ""

    @property
    def drops(self) -> bool:
        """Whether it is there, and goes."""
        return self.why not in (MISSING, NEW, COMMENTED)


@dataclass(frozen=True)
class Found:
    """A name of the files or the ledger, and what the database has under it."""

    name: str
    kind: str | None
    digest: str | None
    comments: str | None
    present: Present | None
    taken: bool  # by something that is not ours

    @staticmethod
    def read(row: Any) -> Found:
        ours = row.there is not None and row.there == row.oid
        present = Present(row.name, row.kind, row.oid, tuple(row.parts or ())) if ours else None
        return Found(row.name, row.kind, row.digest, row.comments, present, row.there is not None and not ours)


def _look(db: Connection) -> dict[str, Found]:
    there = FOUND.format(kind="coalesce(o.kind, n.kind)", name="name", oid="o.oid")
    query = f"""
        select name, o.kind, o.oid, o.digest, o.comments, o.parts, {there} as there
        from unnest(cast(:names as text []), cast(:kinds as text [])) as n (name, kind)
        full join etl.objects as o using (name)
        where o.kind is distinct from 'schema'
    """
    files = relations().values()
    values = {"names": [relation.name for relation in files], "kinds": [relation.kind for relation in files]}
    return {row.name: Found.read(row) for row in db.execute(text(query), values)}


def _reason(found: Found, relation: Relation | None) -> str:
    """Why a relation has to change; "" when it is as it should be."""
    if relation is None:
        return GONE
    if found.present is None:
        return NEW if found.kind is None else MISSING
    if (found.kind, found.digest) != (relation.kind, relation.digest):
        return CHANGED
    return COMMENTED if found.comments != relation.comments_digest else ""


def outdated(db: Connection) -> frozenset[str]:
    """Relations that are missing, or made from other statements than the files hold."""
    files = relations()
    reasons = {name: _reason(found, files.get(name)) for name, found in _look(db).items()}
    return frozenset(name for name, reason in reasons.items() if reason not in ("", COMMENTED, GONE))


def survey(db: Connection, refused: Iterable[NotOursError] = ()) -> list[Change]:
    """What has to change, in the order of the files, what is no longer in them last. Nothing is written.

    refused: what could not be done when it was tried.
    """
    files, there = relations(), _look(db)
    why = {name: reason for name, found in there.items() if (reason := _reason(found, files.get(name)))}
    if not why:
        return []
    present = [found.present for found in there.values() if found.present]
    depend = dependents(db, present)

    def with_it(name: str) -> set[str]:
        """The relation and all of ours that is made from it, by the database or by the files."""
        every, waiting = set(), [name]
        while waiting:
            one = waiting.pop()
            every.add(one)
            of_files = {other.name for other in files.values() if one in files and _is_made_from(other, files[one])}
            waiting += (depend.ours.get(one, set()) | of_files) - every
        return every

    groups = {name: {name} if reason == COMMENTED else with_it(name) for name, reason in why.items()}
    for name, group in groups.items():
        for other in group - why.keys():
            why[other] = f"it is made from {name}"
    stopped = {error.relation: str(error) for error in refused}
    for name, group in groups.items():
        if name not in stopped and (said := _obstacle(name, why[name], sorted(group), depend.foreign, there)):
            stopped[name] = said
    while more := {
        name: f"{name} waits for {needed[0]}, which can't be made: {stopped[needed[0]]}"
        for name, group in groups.items()
        if name not in stopped and why[name] != COMMENTED and (needed := sorted(_needed(group) & stopped.keys()))
    }:
        stopped |= more
    going = {other for name, group in groups.items() if name not in stopped for other in group}
    order = [*files, *(name for name in why if name not in files)]
    return [Change(name, why[name], stopped.get(name, "")) for name in order if name in going or name in stopped]


def _is_made_from(one: Relation, other: Relation) -> bool:
    """Whether one goes with the other; between two tables there are foreign keys only, which are set aside."""
    return other.name in one.needs and "table" not in {one.kind} & {other.kind}


def _needed(group: Iterable[str]) -> set[str]:
    return {needed for name in group if name in relations() for needed in relations()[name].needs}


def _obstacle(name: str, why: str, group: list[str], foreign: dict[str, list[str]], there: dict[str, Found]) -> str:
    """What is not ours and in the way of a relation, with the way out; "" if nothing is."""
    if there[name].taken and name in relations():
        return (
            f"{name} can't be made: something of that name is there, and EduFlow did not make it. "
            f"Rename it or move it into another schema, and run again."
        )
    if why == COMMENTED or not (found := sorted({one for other in group for one in foreign.get(other, ())})):
        return ""
    on = "" if group == [name] else f" or on what is made from it ({', '.join(one for one in group if one != name)})"
    them = "it" if len(found) == 1 else "them"
    return (
        f"{name} has to be made anew ({why}), but {some(found, 10)} depend{'s' if len(found) == 1 else ''} on it{on}, "
        f"and EduFlow did not make {them}. Drop or move {them}, run again, and make {them} again."
    )


# --- doing it -------------------------------------------------------------------------------------------------------


def create_derived(db: Connection, readers: Sequence[str] = ()) -> list[Change]:
    """Make what has to change; return it, with what was stopped and is as it was.

    A table made anew is empty, so its targets are forgotten in the same transaction. readers: roles that may read.
    """
    if not survey(db):
        return []
    db.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": SETUP_LOCK})
    run_as_it_is(db, "set local search_path = pg_catalog")  # so that definitions are read with their schemas
    refused: list[NotOursError] = []
    while True:
        changes = survey(db, refused)
        try:
            with db.begin_nested():
                _change(db, [change for change in changes if not change.stopped])
                rights.grant_readers(db, readers)
            break
        except NotOursError as error:
            if not error.relation:
                raise
            refused.append(error)
    run_as_it_is(db, "set local search_path to default")
    return changes


def _change(db: Connection, changes: list[Change]) -> None:
    names = [change.name for change in changes if change.why != COMMENTED]
    before = {name: found.present for name, found in _look(db).items() if found.present and name in names}
    kept = {name: rights.read(db, name, one.kind, one.oid) for name, one in before.items()}
    _drop_foreign_keys_on(db, names)
    _drop(db, list(before.values()))
    db.execute(text("delete from etl.objects where name = any(:names)"), {"names": names})
    db.execute(text("delete from etl.foreign_keys where table_name = any(:names)"), {"names": names})
    _make_schemas(db)
    for change in changes:
        if relation := relations().get(change.name):
            _comment(db, relation) if change.why == COMMENTED else _make(db, relation)
    now = {name: found.present for name, found in _look(db).items() if found.present}
    for name, had in kept.items():
        if one := now.get(name):
            rights.restore(db, name, one.kind, one.oid, had)
    _forget(db, changes)


def _drop_foreign_keys_on(db: Connection, tables: list[str]) -> None:
    """Those of our tables; the ledger keeps them, and each is added again when both its tables are filled."""
    query = """
        select k.table_name, k.name from etl.foreign_keys as k
        where to_regclass(k.table_name) is not null and exists (
            select from unnest(cast(:tables as text [])) as t (name)
            where position(' REFERENCES ' || t.name || '(' in k.definition) > 0
        )
    """
    for key in db.execute(text(query), {"tables": tables}).all():
        run_as_it_is(db, f"alter table {key.table_name} drop constraint if exists {key.name}")


def _drop(db: Connection, present: list[Present]) -> None:
    """Drop these, and never anything with them: what came to depend on one since we looked stops it all."""
    for kind in ("view", "table", "function"):
        names = [f"{one.name}" for one in present if one.kind == kind]
        if not names:
            continue
        try:
            run_as_it_is(db, f"drop {kind} {', '.join(names)} restrict")
        except DBAPIError as error:
            cause: Any = error.orig
            if getattr(cause, "pgcode", None) != "2BP01":  # dependent objects still exist
                raise
            said = "; ".join((cause.diag.message_detail or "").splitlines())
            raise NotOursError(
                f"Relations of EduFlow have to be made anew, but others depend on them, which it did not make: {said}. "
                "Drop or move them, and run again; `eduflow plan` lists them."
            ) from None


def _make_schemas(db: Connection) -> None:
    for schema in DERIVED:
        make_schema(db, schema)
        db.execute(
            text(f"""
                insert into etl.objects (name, kind, oid, database)
                values (:name, 'schema', cast(to_regnamespace(:name) as oid), {DATABASE})
                on conflict (name) do update set
                    oid = excluded.oid, database = excluded.database, made_at = excluded.made_at
                where etl.objects.oid <> excluded.oid
            """),
            {"name": schema},
        )


def make_schema(db: Connection, schema: str) -> None:
    """Make a schema that is missing. (`if not exists` asks for rights even where it exists.)"""
    if db.execute(text("select to_regnamespace(:name)"), {"name": schema}).scalar() is None:
        run_as_it_is(db, f"create schema {schema}")
    owned = "select pg_has_role(nspowner, 'usage') from pg_namespace where nspname = :name"
    if db.execute(text(owned), {"name": schema}).scalar():
        run_as_it_is(db, schema_comment(schema))


def _make(db: Connection, relation: Relation) -> None:
    run_as_it_is(db, ";\n".join((*relation.statements, *relation.comments)))
    there = FOUND.format(kind="cast(:kind as text)", name="cast(:name as text)", oid="0")
    parts = PARTS.format(oid="f.oid")
    db.execute(
        text(f"""
            insert into etl.objects (name, kind, oid, database, digest, comments, parts)
            select :name, :kind, f.oid, {DATABASE}, :digest, :comments, array({parts}) from (select {there} as oid) as f
        """),
        {
            "name": relation.name,
            "kind": relation.kind,
            "digest": relation.digest,
            "comments": relation.comments_digest,
        },
    )
    if relation.kind == "table":
        _set_foreign_keys_aside(db, relation.name)


def _comment(db: Connection, relation: Relation) -> None:
    run_as_it_is(db, ";\n".join(relation.comments))
    values = {"name": relation.name, "comments": relation.comments_digest}
    db.execute(text("update etl.objects set comments = :comments where name = :name"), values)


def _set_foreign_keys_aside(db: Connection, table: str) -> None:
    """Keep a new table's foreign keys in the ledger: each is added when the table has been filled.

    Checking a million new rows one by one against three dimensions takes four times as long as loading them.
    """
    keys = db.execute(
        text("""
            insert into etl.foreign_keys (table_name, name, definition)
            select :table, quote_ident(conname), pg_get_constraintdef(oid)
            from pg_constraint where contype = 'f' and conrelid = to_regclass(:table)
            returning name
        """),
        {"table": table},
    ).scalars()
    for name in keys.all():
        run_as_it_is(db, f"alter table {table} drop constraint {name}")


def _forget(db: Connection, changes: list[Change]) -> None:
    """Forget the targets that are, or write, a table made anew (two datasets write staging.student_versions)."""
    made = {change.name: change.why for change in changes if change.why != COMMENTED}
    tables = [name for name in made if name in relations() and relations()[name].kind == "table"]
    db.execute(
        text("""
            update etl.targets set fingerprint = null, why = 'made anew'
            where target = any(:tables) or jsonb_exists_any(parts, cast(:parts as text []))
        """),
        {"tables": tables, "parts": [f"ddl:{name}" for name in tables]},
    )


def remove_all(db: Connection) -> list[str]:
    """Drop everything that EduFlow made; return the schemas that stay because others keep something in them.

    NotOursError, and nothing is dropped, when something of others depends on it.
    """
    present = [found.present for found in _look(db).values() if found.present]
    foreign = {name: others for name, others in dependents(db, present).foreign.items() if others}
    if foreign:
        name, others = next(iter(foreign.items()))
        raise NotOursError(
            f"{some(others)} depends on {name} and is not EduFlow's; nothing was removed. Drop or move it first"
        )
    schemas = {*db.execute(text("select name from etl.objects where kind = 'schema'")).scalars(), *STATE}
    _drop(db, present)
    there = "select schemaname || '.' || tablename from pg_tables where schemaname = any(:schemas)"
    state = state_tables() & set(db.execute(text(there), {"schemas": list(STATE)}).scalars())
    run_as_it_is(db, f"drop table {', '.join(sorted(state))} restrict")
    if functions := ", ".join(sorted(state_functions())):
        run_as_it_is(db, f"drop function if exists {functions} restrict")
    kept = db.execute(
        text("""
            select n.nspname from pg_namespace as n where n.nspname = any(:schemas) and exists (
                select from pg_depend as d where d.refclassid = 'pg_namespace'::regclass and d.refobjid = n.oid
            )
        """),
        {"schemas": sorted(schemas)},
    ).scalars()
    staying = sorted(kept)
    for schema in sorted(schemas - set(staying)):
        run_as_it_is(db, f"drop schema if exists {schema} restrict")
    return staying
