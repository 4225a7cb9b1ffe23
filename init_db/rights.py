"""Rights on what EduFlow makes: those that others gave survive a remake; `reader_roles` may read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from init_db.ddl import run_as_it_is
from init_db.ownership import NotOursError

READ = ("warehouse", "analytics")  # schemas that the reader roles read

# (privilege, column or null, grantee, with grant option) of all but the owner, whose rights need not be given
GRANTS = """
    select a.privilege_type, null as column_name, coalesce(quote_ident(g.rolname), 'public') as grantee, a.is_grantable
    from {catalogue} as c
    cross join lateral aclexplode(coalesce(c.{acl}, acldefault('{kind}', c.{owner}))) as a
    left join pg_roles as g on g.oid = a.grantee
    where c.oid = cast(:oid as oid) and a.grantee <> c.{owner} and (a.grantee = 0 or g.oid is not null)
"""
COLUMN_GRANTS = """
    select a.privilege_type, quote_ident(c.attname), coalesce(quote_ident(g.rolname), 'public'), a.is_grantable
    from pg_attribute as c
    cross join lateral aclexplode(c.attacl) as a
    left join pg_roles as g on g.oid = a.grantee
    where c.attrelid = cast(:oid as oid) and not c.attisdropped and (a.grantee = 0 or g.oid is not null)
"""
POLICIES = """
    select quote_ident(p.polname) as name, format(
        'create policy %I on %s as %s for %s to %s%s%s', p.polname, cast(:name as text),
        case when p.polpermissive then 'permissive' else 'restrictive' end,
        case p.polcmd
            when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all'
        end,
        case when 0 = any(p.polroles) then 'public' else (
            select string_agg(quote_ident(rolname), ', ') from pg_roles where oid = any(p.polroles)
        ) end,
        ' using (' || pg_get_expr(p.polqual, p.polrelid) || ')',
        ' with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'
    ) as statement
    from pg_policy as p where p.polrelid = cast(:oid as oid) order by p.polname
"""
SECURITY = "select relrowsecurity, relforcerowsecurity from pg_class where oid = cast(:oid as oid)"

Grant = tuple[str, str | None, str, bool]


@dataclass(frozen=True)
class Rights:
    """Who may do what with a relation, and its policies: (name, the statement that makes it)."""

    grants: frozenset[Grant]
    policies: tuple[tuple[str, str], ...]
    secured: bool
    forced: bool


def read(db: Connection, name: str, kind: str, oid: int) -> Rights:
    if kind == "function":
        return Rights(_grants(db, kind, oid), (), secured=False, forced=False)
    secured, forced = db.execute(text(SECURITY), {"oid": oid}).one()
    policies = tuple((row.name, row.statement) for row in db.execute(text(POLICIES), {"oid": oid, "name": name}))
    return Rights(_grants(db, kind, oid), policies, secured, forced)


def _grants(db: Connection, kind: str, oid: int) -> frozenset[Grant]:
    of = {"catalogue": "pg_proc", "acl": "proacl", "owner": "proowner", "kind": "f"}
    if kind != "function":
        of = {"catalogue": "pg_class", "acl": "relacl", "owner": "relowner", "kind": "r"}
    query = GRANTS.format(**of) + (f" union all {COLUMN_GRANTS}" if kind != "function" else "")
    rows = db.execute(text(query), {"oid": oid}).all()
    return frozenset((privilege, column, grantee, grantable) for privilege, column, grantee, grantable in rows)


def restore(db: Connection, name: str, kind: str, oid: int, before: Rights) -> None:
    """Give a relation that was made anew exactly the rights that it had; a right on a column that is gone, goes."""
    now = _grants(db, kind, oid)
    on = f"{kind if kind == 'function' else 'table'} {_called(db, name, kind, oid)}"
    columns = "select quote_ident(attname) from pg_attribute where attrelid = cast(:oid as oid) and not attisdropped"
    there = {None} if kind == "function" else {None, *db.execute(text(columns), {"oid": oid}).scalars()}
    for privilege, column, grantee, _ in _sorted(now - before.grants):
        run_as_it_is(db, f"revoke {privilege}{_of(column)} on {on} from {grantee}")
    for privilege, column, grantee, grantable in _sorted(before.grants - now):
        if column in there:
            option = " with grant option" if grantable else ""
            run_as_it_is(db, f"grant {privilege}{_of(column)} on {on} to {grantee}{option}")
    if before.secured:
        run_as_it_is(db, f"alter table {name} enable row level security")
    if before.forced:
        run_as_it_is(db, f"alter table {name} force row level security")
    for policy, statement in before.policies:
        try:
            with db.begin_nested():
                run_as_it_is(db, statement)
        except DBAPIError:
            raise NotOursError(
                f"{name} has to be made anew, but its policy {policy}, which EduFlow did not make, does not fit it "
                f"then: drop that policy (drop policy {policy} on {name}), run again, and make it for the new columns.",
                name,
            ) from None


def _sorted(grants: frozenset[Grant]) -> list[Grant]:
    return sorted(grants, key=lambda grant: (grant[0], grant[1] or "", grant[2]))


def _of(column: str | None) -> str:
    return f" ({column})" if column else ""


def _called(db: Connection, name: str, kind: str, oid: int) -> str:
    """The name in a statement; of a function with the types of its arguments."""
    if kind != "function":
        return name
    return str(db.execute(text("select cast(cast(:oid as oid) as regprocedure)::text"), {"oid": oid}).scalar_one())


# --- the setting reader_roles ---------------------------------------------------------------------------------------

LACKING = """
    select r.role, quote_ident(r.role) as quoted, o.name, o.kind
    from unnest(cast(:roles as text [])) as r (role)
    cross join etl.objects as o
    where split_part(o.name, '.', 1) = any(:schemas) and o.kind in ('schema', 'table', 'view')
    and case o.kind
        when 'schema' then not has_schema_privilege(r.role, o.oid, 'usage')
        else not has_table_privilege(r.role, o.oid, 'select')
    end
    order by o.kind, o.name, r.role
"""
GIVEN_UP = """
    delete from etl.reader_grants as g where not g.role = any(:roles)
    returning quote_ident(g.role) as quoted, g.object, (
        select o.kind from etl.objects as o
        where o.name = g.object and o.oid = coalesce(to_regnamespace(g.object)::oid, to_regclass(g.object)::oid)
        and exists (select from pg_roles as r where r.rolname = g.role)
    ) as kind
"""


def grant_readers(db: Connection, roles: Sequence[str]) -> None:
    """Let these roles, and of those that the setting named before no other, read warehouse and analytics.

    What others gave such a role stays: only what the setting gave is taken back.
    """
    given = db.execute(text("select to_regclass('etl.reader_grants') is not null and exists (table etl.reader_grants)"))
    if not roles and not given.scalar():
        return
    query = text("select rolname from pg_roles where rolname = any(:roles)")
    known = set(db.execute(query, {"roles": list(roles)}).scalars())
    if unknown := [role for role in roles if role not in known]:
        raise NotOursError(
            f"[eduflow] reader_roles names {', '.join(unknown)}, which is no role of the database server. "
            "Make it there (create role ...), or take it out of the setting."
        )
    for row in db.execute(text(GIVEN_UP), {"roles": list(roles)}).all():
        if row.kind:
            run_as_it_is(db, f"revoke {_reading(row.kind, row.object)} from {row.quoted}")
    for row in db.execute(text(LACKING), {"roles": list(roles), "schemas": list(READ)}).all():
        run_as_it_is(db, f"grant {_reading(row.kind, row.name)} to {row.quoted}")
        statement = "insert into etl.reader_grants (role, object) values (:role, :object) on conflict do nothing"
        db.execute(text(statement), {"role": row.role, "object": row.name})


def _reading(kind: str, name: str) -> str:
    return f"usage on schema {name}" if kind == "schema" else f"select on {name}"
