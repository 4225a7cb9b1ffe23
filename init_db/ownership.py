"""What is EduFlow's in a database and what is not. Only catalogues are read; what is not ours is never touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from init_db.ddl import DERIVED, STATE

SCHEMAS = (*STATE, *DERIVED)
# A copy of a database has the same relations under the same numbers, a restored one under others.
DATABASE = """(
    select s.system_identifier || '/' || d.oid from pg_control_system() as s cross join pg_database as d
    where d.datname = current_database()
)"""
# What goes with a relation without being asked for: its columns, indexes, constraints, triggers, rules, statistics,
# publications, sequences. NOT NULL is a constraint of its own since PostgreSQL 18. Policies are kept (rights.py).
PARTS = """
    select 'column ' || quote_ident(attname) from pg_attribute as a
    inner join pg_class as r on r.oid = a.attrelid and r.relkind = 'r'
    where a.attrelid = {oid} and attnum > 0 and not attisdropped
    union all
    select i.type || ' ' || i.identity from pg_depend as d
    cross join lateral pg_identify_object(d.classid, d.objid, d.objsubid) as i
    where d.refclassid = 'pg_class'::regclass and d.refobjid = {oid} and d.deptype = 'a'
    and d.classid <> 'pg_policy'::regclass
    and not exists (
        select from pg_constraint as c
        where d.classid = 'pg_constraint'::regclass and c.oid = d.objid and c.contype = 'n'
    )
    and not exists (
        select from pg_trigger as t where d.classid = 'pg_trigger'::regclass and t.oid = d.objid and t.tgisinternal
    )
"""
# Whether a part of the relation called {table} was added by others: such a column, index or key is left as it is.
THEIRS = """exists (
    select from etl.objects as o where o.name = cast({table} as text) and o.parts is not null and {part} <> all(o.parts)
)"""
# The number that a name of etl.objects has now.
FOUND = """
    case {kind}
        when 'schema' then to_regnamespace({name})::oid
        when 'function' then (
            select p.oid from pg_proc as p where p.pronamespace = to_regnamespace(split_part({name}, '.', 1))
            and p.proname = split_part({name}, '.', 2) order by p.oid = {oid} desc limit 1
        )
        else to_regclass({name})::oid
    end
"""


class NotOursError(RuntimeError):
    """Something that EduFlow did not make is in its way: names it and the way out. relation: which of ours it stops."""

    def __init__(self, message: str, relation: str = "") -> None:
        super().__init__(message)
        self.relation = relation


@dataclass(frozen=True)
class Present:
    """A relation that we made and that is there. parts: what it consists of, as we made it."""

    name: str
    kind: str
    oid: int
    parts: tuple[str, ...]


def check_schemas(db: Connection) -> None:
    """NotOursError when a schema called like one of ours holds what we did not make, or can't be made or used by us."""
    # The catalogue first, the ledger after it: what another run commits in between is then in both, or only in this.
    schemas = db.execute(
        text("""
            select n.nspname as name, n.oid,
                has_schema_privilege(n.oid, 'usage') and has_schema_privilege(n.oid, 'create') as usable,
                array(
                    select i.identity from pg_depend as d
                    cross join lateral pg_identify_object(d.classid, d.objid, d.objsubid) as i
                    where d.refclassid = 'pg_namespace'::regclass and d.refobjid = n.oid and d.deptype = 'n'
                    order by d.classid <> 'pg_class'::regclass, 1 limit 1000
                ) as contents
            from pg_namespace as n where n.nspname = any(:schemas)
        """),
        {"schemas": list(SCHEMAS)},
    ).all()
    ours = _our_schemas(db)
    for schema in schemas:
        if schema.contents and ours.get(schema.name, schema.oid + 1) not in (schema.oid, 0):
            raise NotOursError(_foreign_schema(db, schema.name, schema.contents))
        if not schema.usable:
            user, _ = _whoami(db)
            raise NotOursError(
                f"The role {user} can't use the schema {schema.name}, which is there. "
                f"Its owner can allow it: grant usage, create on schema {schema.name} to {user}"
            )
    missing = [name for name in SCHEMAS if name not in {schema.name for schema in schemas}]
    if missing and not db.execute(text("select has_database_privilege(current_database(), 'create')")).scalar():
        user, database = _whoami(db)
        raise NotOursError(
            f"The role {user} can't make the schemas {', '.join(missing)} in the database {database}. "
            f"Its owner can allow it: grant create on database {database} to {user}"
        )


def _our_schemas(db: Connection) -> dict[str, int]:
    """Schema -> its number when we made it; 0 for one that is ours whatever its number."""
    if not _is_our_ledger(db):
        return {}
    state = dict.fromkeys(STATE, 0)
    if db.execute(text("select to_regclass('etl.objects')")).scalar() is not None:
        query = f"select name, case when database = {DATABASE} then oid::bigint else 0 end as oid from etl.objects"
        return {**state, **{row.name: row.oid for row in db.execute(text(f"{query} where kind = 'schema'"))}}
    # Before state_06 the ledger named them; PostgreSQL's image made all of it when it was given the files itself.
    if not db.execute(text("select exists (select from etl.migrations)")).scalar():
        return dict.fromkeys(SCHEMAS, 0)
    return {**state, **dict.fromkeys(db.execute(text("select schema from etl.schemas")).scalars(), 0)}


def _is_our_ledger(db: Connection) -> bool:
    """Whether schema etl is ours, by the shape of its first tables."""
    columns = """
        select count(*) from pg_attribute where not attisdropped and (
            (attrelid = to_regclass('etl.migrations') and attname in ('file', 'applied_at'))
            or (attrelid = to_regclass('etl.targets') and attname in ('target', 'fingerprint', 'parts', 'consumed'))
            or (attrelid = to_regclass('etl.drops') and attname in ('drop_id', 'dataset', 'drop_date', 'superseded'))
        )
    """
    return bool(db.execute(text(columns)).scalar_one() == 10)


def _foreign_schema(db: Connection, schema: str, contents: list[str]) -> str:
    _, database = _whoami(db)
    info: Any = db.connection.driver_connection
    told = {"h": info.info.host, "p": info.info.port, "U": info.info.user}
    where = [f"-{option} {value}" for option, value in told.items() if value]
    new = "eduflow" if info.info.dbname != "eduflow" else "eduflow_school"
    return (
        f"The database {database} has a schema {schema} that EduFlow did not make: it holds {some(contents)}. "
        f"Nothing was written. Give EduFlow a database of its own (createdb {' '.join(where)} {new}, "
        f"or in psql: create database {new}) and set EDUFLOW_DATABASE to it."
    )


def _whoami(db: Connection) -> tuple[str, str]:
    user, database = db.execute(text("select quote_ident(current_user), quote_ident(current_database())")).one()
    return user, database


def some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def recognise_copy(db: Connection) -> None:
    """In a copied, restored or migrated database the numbers in the ledger are those of another one: names count."""
    found = FOUND.format(kind="o.kind", name="o.name", oid="o.oid")
    parts = PARTS.format(oid="f.oid")
    db.execute(
        text(f"""
            update etl.objects as t set oid = f.oid, database = {DATABASE}, parts = coalesce(t.parts, array({parts}))
            from (select o.name, {found} as oid from etl.objects as o) as f
            where t.database <> {DATABASE} and f.name = t.name and f.oid is not null
        """)
    )


# --- what depends on a relation -------------------------------------------------------------------------------------

# Dependents of relations, each with the relation that it is a part of. Of a rule that is a view, the view is named.
DEPENDENTS = """
    with ours as (
        select o.oid, o.kind, o.name
        from unnest(cast(:oids as oid []), cast(:kinds as text []), cast(:names as text [])) as o (oid, kind, name)
    ),
    referred as (
        select name, case kind when 'function' then 'pg_proc'::regclass else 'pg_class'::regclass end as class, oid
        from ours
        union all
        select o.name, 'pg_type'::regclass, t.oid
        from ours as o
        inner join pg_type as r on o.kind <> 'function' and r.typrelid = o.oid
        inner join pg_type as t on t.oid in (r.oid, r.typarray)
    ),
    dependents as (
        select distinct
            r.name as of_name, c.conname, c.contype,
            coalesce(w.ev_class, nullif(c.conrelid, 0), a.adrelid, t.tgrelid, p.polrelid) as part_of,
            case when w.rulename = '_RETURN' then 'pg_class'::regclass else d.classid::regclass end as class,
            case when w.rulename = '_RETURN' then w.ev_class else d.objid end as oid
        from referred as r
        inner join pg_depend as d on d.refclassid = r.class and d.refobjid = r.oid and d.deptype = 'n'
        left join pg_rewrite as w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
        left join pg_constraint as c on d.classid = 'pg_constraint'::regclass and c.oid = d.objid
        left join pg_attrdef as a on d.classid = 'pg_attrdef'::regclass and a.oid = d.objid
        left join pg_trigger as t on d.classid = 'pg_trigger'::regclass and t.oid = d.objid
        left join pg_policy as p on d.classid = 'pg_policy'::regclass and p.oid = d.objid
    )
    select
        d.of_name, i.type || ' ' || i.identity as dependent,
        coalesce(o.name, f.name) as ours, d.class::text as class_, d.contype = 'f' as is_key,
        k.name is not null as is_our_key
    from dependents as d
    cross join lateral pg_identify_object(d.class, d.oid, 0) as i
    -- a view or a table of ours, or one that has a part which depends
    left join ours as o
        on o.kind <> 'function'
        and o.oid = coalesce(d.part_of, case d.class when 'pg_class'::regclass then d.oid end)
    left join ours as f on f.kind = 'function' and d.class = 'pg_proc'::regclass and f.oid = d.oid
    left join etl.foreign_keys as k on k.table_name = o.name and k.name = quote_ident(d.conname)
    where o.name is distinct from d.of_name
    order by 1, 2
"""


@dataclass(frozen=True)
class Dependents:
    """Of each relation: those of ours that are made from it, and what is not ours and depends on it, in words."""

    ours: dict[str, set[str]]
    foreign: dict[str, list[str]]


def dependents(db: Connection, present: Sequence[Present]) -> Dependents:
    """What depends on these relations, but for foreign keys of ours; what others put on a table of ours counts, too."""
    ours: dict[str, set[str]] = {one.name: set() for one in present}
    foreign: dict[str, list[str]] = {one.name: [] for one in present}
    values = {
        "oids": [one.oid for one in present],
        "kinds": [one.kind for one in present],
        "names": [one.name for one in present],
    }
    for row in db.execute(text(DEPENDENTS), values):
        if row.ours and row.is_our_key:
            continue
        of_the_relation = row.class_ in ("pg_class", "pg_attrdef", "pg_proc") or (
            row.class_ == "pg_constraint" and not row.is_key
        )
        if row.ours and of_the_relation:
            ours[row.of_name].add(row.ours)
        else:
            foreign[row.of_name].append(row.dependent)
    query = text(
        f"select o.oid, array({PARTS.format(oid='o.oid')}) as parts from unnest(cast(:oids as oid [])) as o (oid)"
    )
    parts = {row.oid: row.parts for row in db.execute(query, {"oids": values["oids"]})}
    for one in present:
        foreign[one.name] += sorted(set(parts[one.oid]) - set(one.parts))
    return Dependents(ours, foreign)
