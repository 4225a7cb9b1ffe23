"""Not ours, not touched: what others keep in the database survives every run, and each relation is made anew alone."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import psycopg2
import pytest
from conftest import House, url

import init_db
from init_db import ddl
from pipeline.run import begin_run
from targets.postgres.connection import Database

NUMBERS = count()
MINE = "school_owner"  # a role that owns nothing but what it is given
READERS = ("board_reader", "desk_reader")
ROLES = (MINE, *READERS, "author")


@pytest.fixture(scope="module")
def admin(cluster) -> Iterator[psycopg2.extensions.connection]:
    connection = psycopg2.connect(**cluster)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for role in ROLES:
            cursor.execute(f"create role {role}")
    yield connection
    with connection.cursor() as cursor:
        for role in ROLES:
            cursor.execute(f"drop owned by {role}; drop role {role}")
    connection.close()


@pytest.fixture
def blank(house, cluster, admin, monkeypatch) -> Iterator[House]:
    """A house on a database in which there is nothing yet."""
    name = f"blank_{os.getpid()}_{next(NUMBERS)}"
    with admin.cursor() as cursor:
        cursor.execute(f"create database {name}")
        yield at(house, url(cluster, name), monkeypatch)
        begin_run()
        cursor.execute(f"drop database {name} with (force)")


def at(house: House, address: str, monkeypatch) -> House:
    """The same house with another database, or another role."""
    monkeypatch.setenv("EDUFLOW_DATABASE", address)
    environment = {**house.environment, "EDUFLOW_DATABASE": address}
    return replace(house, database=Database(address, house.output), environment=environment)


def as_role(house: House, role: str, monkeypatch) -> House:
    return at(house, f"{house.environment['EDUFLOW_DATABASE']}&options=-c%20role%3D{role}", monkeypatch)


@pytest.fixture
def edited(tmp_path, monkeypatch) -> Iterator[Callable[[str, str, str], None]]:
    """Replaces a text of a relation's file, in a copy of init_db/schema that this process reads from then on."""
    folder = tmp_path / "schema"
    shutil.copytree(ddl.FOLDER, folder)
    monkeypatch.setattr(ddl, "FOLDER", folder)

    def edit(relation: str, old: str, new: str) -> None:
        file = folder / f"{relation.replace('.', '/')}.sql"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))
        forget_files()

    yield edit
    monkeypatch.undo()
    forget_files()


def forget_files() -> None:
    from pipeline import step

    for cached in (ddl.relations, ddl.helpers, step._relations):
        cached.cache_clear()


def add_a_column(edited, table: str) -> None:
    """One that no query fills: the table is another one, its other columns as before."""
    column = "extra integer generated always as (1) stored,"
    edited(table, f"create table {table} (", f"create table {table} (\n    {column}")


def loaded(house: House) -> House:
    students: tuple[dict[str, str], ...] = {}, {"student_id": "STU002", "email": "b@example.org"}
    house.rows("2024-02-01/students_enrollment.csv", "students_enrollment", *students)
    house.rows("2024-02-01/students.csv", "students", {}, {"student_id": "STU003"})
    house.rows("2024-02-01/student_progress.csv", "student_progress", {}, {"event_id": "e2", "student_id": "STU002"})
    house.rows("2024-02-01/attendance.csv", "attendance", {}, {"attendance_id": "ATT002", "student_id": "STU003"})
    assert house.run() == 0
    return house


def foreign_keys(house: House) -> list:
    return house.query("""
        select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
        where contype = 'f' and connamespace = 'warehouse'::regnamespace order by 1, 2
    """)


def everything(house: House) -> list:
    """Every relation of the database and its number."""
    return house.query("select oid::bigint, oid::regclass::text from pg_class where oid >= 16384 order by 1")


# --- a database with something in it --------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", ["staging", "warehouse", "analytics", "raw", "etl"])
def test_a_schema_of_somebody_else_stops_the_run_before_anything_is_written(blank, capsys, schema):
    blank.rows("student_progress.csv", "student_progress", {})
    blank.query(
        f"create schema {schema}; create table {schema}.orders as select 7 as n; create table {schema}.migrations ()"
    )
    before = everything(blank)
    for verb in ("run", "plan", "account"):
        assert blank.do(verb) == 1
        said = capsys.readouterr().err
        assert f"schema {schema} that EduFlow did not make: it holds {schema}.migrations, {schema}.orders" in said
        assert "createdb" in said and "create database eduflow" in said and "EDUFLOW_DATABASE" in said
        assert everything(blank) == before
    assert blank.one(f"select n from {schema}.orders") == 7


def test_a_schema_of_somebody_else_stops_luigi_itself_too(blank):
    blank.query("create schema staging; create table staging.orders as select 7 as n")
    done = blank.command("-m", "luigi", "--module", "pipeline", "EduFlow", "--local-scheduler")
    assert done.returncode != 0
    assert "schema staging that EduFlow did not make" in done.stderr and "Traceback" not in done.stderr
    assert blank.one("select count(*) from pg_namespace where nspname = 'etl'") == 0


def test_a_function_alone_makes_a_schema_somebody_elses(blank, capsys):
    blank.query("create schema analytics; create function analytics.f() returns int language sql return 1")
    assert blank.run() == 1
    assert "it holds analytics.f()" in capsys.readouterr().err
    assert blank.one("select analytics.f()") == 1


def test_empty_schemas_that_the_owner_prepared_are_taken(blank, admin, monkeypatch):
    """By a role that may make no schema of its own, whether it owns them or may only use them."""
    for schema in ("etl", "raw", "staging"):
        blank.query(f"create schema {schema} authorization {MINE}")
    for schema in ("warehouse", "analytics"):
        blank.query(f"create schema {schema}; grant usage, create on schema {schema} to {MINE}")
    mine = as_role(blank, MINE, monkeypatch)
    loaded(mine)
    assert blank.one("select tableowner from pg_tables where tablename = 'student_360'") == MINE
    with admin.cursor() as cursor:
        cursor.execute(f"select pg_has_role('{MINE}', 'pg_read_all_data', 'usage')")
        assert cursor.fetchone() == (False,)


def test_a_role_without_the_right_to_make_schemas_is_told_what_to_grant(blank, monkeypatch, capsys):
    database = blank.one("select current_database()")
    mine = as_role(blank, MINE, monkeypatch)
    assert mine.run() == 1
    said = capsys.readouterr().err
    assert f"grant create on database {database} to {MINE}" in said and len(said.splitlines()) == 1
    blank.query(f"grant create on database {database} to {MINE}")
    loaded(mine)


def test_a_schema_that_the_role_may_not_use_is_named_with_the_grant(blank, monkeypatch, capsys):
    for schema in init_db.DERIVED:
        blank.query(f"create schema {schema}")
    blank.query(f"create schema etl authorization {MINE}; create schema raw authorization {MINE}")
    assert as_role(blank, MINE, monkeypatch).run() == 1
    assert re.search(rf"grant usage, create on schema \w+ to {MINE}", capsys.readouterr().err)


def test_a_schema_dropped_by_hand_and_made_by_somebody_else_is_not_taken_for_ours(house, capsys):
    loaded(house)
    house.query(
        "drop schema analytics cascade; create schema analytics; create table analytics.student_360 as select 7 as n"
    )
    begin_run()
    assert house.run() == 1
    assert "schema analytics that EduFlow did not make" in capsys.readouterr().err
    assert house.one("select n from analytics.student_360") == 7


def test_a_copy_of_the_database_goes_on(house, admin, cluster, monkeypatch):
    loaded(house)
    before = house.contents(), foreign_keys(house)
    name = f"{house.one('select current_database()')}_copy"
    begin_run()
    with admin.cursor() as cursor:
        cursor.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name[:-5]])
        cursor.execute(f"create database {name} template {name[:-5]}")
        try:
            copy = at(house, url(cluster, name), monkeypatch)
            builds = copy.builds()
            assert copy.run() == 0
            assert copy.builds() == builds
            copy.query("drop table analytics.student_360")
            assert copy.run() == 0
            assert (copy.contents(), foreign_keys(copy)) == before
        finally:
            begin_run()
            cursor.execute(f"drop database {name} with (force)")


# --- what others keep beside ours -----------------------------------------------------------------------------------


def test_a_table_of_somebody_else_in_our_schema_survives_what_we_make_anew(house, edited):
    loaded(house)
    house.query("create table analytics.my_notes as select 7 as n; create view staging.my_view as select 7 as n")
    add_a_column(edited, "analytics.student_360")
    assert house.run() == 0
    assert "extra" in {name for (name,) in columns(house, "analytics.student_360")}
    house.query("drop schema warehouse cascade")
    assert house.run() == 0
    assert house.one("select n from analytics.my_notes") == house.one("select n from staging.my_view") == 7


def columns(house: House, table: str) -> list:
    return house.query("select attname from pg_attribute where attrelid = %s::regclass and attnum > 0", table)


THEIRS = {
    "a view": ("create view board.v as select student_id from {table}", "view board.v"),
    "a materialized view": (
        "create materialized view board.m as select student_id from {table}",
        "materialized view board.m",
    ),
    "a foreign key": (
        "create table board.notes (s text references {table} (student_id))",
        "table constraint notes_s_fkey on board.notes",
    ),
    "a function": (
        "create function board.f(r {table}) returns int language sql return 1",
        "function board.f(analytics.student_360)",
    ),
    "a rule": ("create rule r as on insert to {table} do also select 1", "rule r on analytics.student_360"),
    "a trigger": (
        "create function board.t() returns trigger language plpgsql as 'begin return new; end'; "
        "create trigger t after insert on {table} for each row execute function board.t()",
        "trigger t on analytics.student_360",
    ),
    "an index": ("create index mine on {table} (city)", "index analytics.mine"),
    "a column": ("alter table {table} add column note text", "column note"),
    "a constraint": ("alter table {table} add constraint mine check (courses < 1e6)", "table constraint mine on"),
    "statistics": ("create statistics board.s on city, state from {table}", "statistics object board.s"),
    "a child": ("create table board.child () inherits ({table})", "table board.child"),
    "a publication": ("create publication p for table {table}", "publication relation"),
    "a policy elsewhere": (
        "create table board.notes (s text); "
        "create policy p on board.notes using (s in (select student_id from {table}))",
        "policy p on board.notes",
    ),
}


@pytest.mark.parametrize("kind", THEIRS)
def test_what_others_hang_on_a_table_stops_that_table_alone_with_its_name(house, edited, capfd, kind):
    statement, named = THEIRS[kind]
    loaded(house)
    house.query("create schema board")
    house.query(statement.format(table="analytics.student_360"))
    before, builds = everything(house), house.builds()
    add_a_column(edited, "analytics.student_360")
    add_a_column(edited, "analytics.as_of")
    assert house.do("plan") == 0
    said = capfd.readouterr().out
    assert "stopped: analytics.student_360 has to be made anew (its DDL changed), but " in said and named in said
    assert "would drop and make anew analytics.as_of (its DDL changed)" in said
    assert everything(house) == before
    assert house.run() == 30
    said = "".join(capfd.readouterr())
    assert named in said and "EduFlow did not make it" in said and "Traceback" not in said
    assert house.one(
        "select count(*) from pg_attribute where attrelid = 'analytics.as_of'::regclass and attname = 'extra'"
    )
    assert house.builds()["analytics.student_360"] == builds["analytics.student_360"]
    assert house.one("select count(*) from analytics.student_360") == 3
    assert house.builds()["analytics.class_statistics"] > builds["analytics.class_statistics"]  # the rest goes on


def test_once_it_is_moved_the_table_is_made(house, edited):
    loaded(house)
    house.query("create schema board; create view board.v as select student_id from analytics.student_360")
    add_a_column(edited, "analytics.student_360")
    assert house.run() == 30
    house.query("drop view board.v")
    assert house.run() == 0
    assert ("extra",) in columns(house, "analytics.student_360")


def test_a_view_of_others_on_a_view_of_ours_stops_it_and_the_table_below(house, edited, capfd):
    loaded(house)
    house.query("create schema board; create view board.v as select * from staging.accepted_keys")
    add_a_column(edited, "staging.stg_courses")
    house.do("plan")
    assert "stopped: staging.stg_courses has to be made anew (its DDL changed), but view board.v depends on it" in (
        capfd.readouterr().out
    )
    assert house.run() == 30
    assert house.one("select count(*) from board.v") > 0


def test_what_stops_many_steps_is_said_once(house, edited, capfd):
    loaded(house)
    house.query("create schema board; create view board.v as select * from staging.open_rejects")
    edited("staging.open_rejects", "select r.drop_id,", "select 1 as extra, r.drop_id,")
    capfd.readouterr()
    assert house.do("run") == 30
    assert "".join(capfd.readouterr()).count("but view board.v depends on it") == 1


def test_what_comes_to_depend_on_a_table_while_it_is_made_anew_is_not_dropped_either(house, edited, monkeypatch, capfd):
    from init_db import derived

    loaded(house)
    house.query("create schema board; create view board.v as select student_id from analytics.student_360")
    add_a_column(edited, "analytics.student_360")
    seen = derived.dependents  # type: ignore[attr-defined] # imported there
    monkeypatch.setattr(derived, "dependents", lambda *given: replace(seen(*given), foreign={}))  # it was not there yet
    assert house.run() == 30
    said = "".join(capfd.readouterr())
    assert "view board.v depends on table analytics.student_360" in said and "Drop or move" in said
    assert house.one("select count(*) from board.v") == 3


def test_a_table_of_somebody_else_under_a_name_of_ours_is_not_touched(house, capfd):
    loaded(house)
    house.query("drop table analytics.student_360; create table analytics.student_360 as select 7 as n")
    assert house.run() == 30
    assert "analytics.student_360 can't be made: something of that name is there" in "".join(capfd.readouterr())
    assert house.one("select n from analytics.student_360") == 7


# --- rights ---------------------------------------------------------------------------------------------------------


def acl(house: House, table: str) -> tuple:
    rights = "select array(select x::text from unnest(relacl) as x order by 1), relrowsecurity, relforcerowsecurity"
    columns = "select attname, attacl::text from pg_attribute where attrelid = %s::regclass and attacl is not null"
    return (
        house.query(f"{rights} from pg_class where oid = %s::regclass", table),
        house.query(f"{columns} order by 1", table),
        house.query("select policyname, permissive, roles, cmd, qual, with_check from pg_policies order by 1"),
        house.query("select nspname, nspacl::text from pg_namespace where nspname = 'analytics'"),
    )


def test_rights_and_policies_that_others_gave_survive_a_table_made_anew(house, admin, edited):
    loaded(house)
    house.query("""
        grant usage on schema analytics to board_reader;
        grant select on analytics.student_360 to board_reader with grant option;
        grant select (city, courses), update (city) on analytics.student_360 to desk_reader;
        grant select on analytics.student_360 to public;
        alter table analytics.student_360 enable row level security;
        create policy own on analytics.student_360 for select to desk_reader using (city like 'P%');
        create policy rest on analytics.student_360 as restrictive using (courses >= 0) with check (courses < 9);
    """)
    before, number = (
        acl(house, "analytics.student_360"),
        house.one("select 'analytics.student_360'::regclass::oid::bigint"),
    )
    add_a_column(edited, "analytics.student_360")
    assert house.run() == 0
    assert made_at(house)["analytics.student_360"] != number
    assert acl(house, "analytics.student_360") == before


ADDED = """
    select format('%s.%s', schemaname, tablename) from pg_tables
    where schemaname in ('staging', 'warehouse', 'analytics')
"""


def test_columns_and_indexes_that_others_added_to_our_tables_stay_and_every_build_goes_on(house, monkeypatch):
    """In each table; incrementally, in full, and when a table was emptied, whose indexes are set aside meanwhile."""
    loaded(house)
    assert house.run() == 0
    expected = house.contents()
    for (table,) in house.query(ADDED):
        house.query(f"""
            alter table {table} add column "their Note, 100 %" text default 'kept';
            alter table {table} add check ("their Note, 100 %" like 'k%');
            create index "theirs {table}" on {table} ("their Note, 100 %") where "their Note, 100 %" like 'k%';
            comment on index {table.split(".")[0]}."theirs {table}" is 'theirs'
        """)

    def without_theirs() -> dict[str, list]:
        assert house.one("select count(*) from pg_description where description = 'theirs'") == len(house.query(ADDED))
        for table in expected:
            assert house.query(f'select distinct "their Note, 100 %" from {table}') in ([("kept",)], []), table
        for (table,) in house.query(ADDED):
            house.query(f'alter table {table} rename column "their Note, 100 %" to "_theirs %"')
        found = house.contents()
        for (table,) in house.query(ADDED):
            house.query(f'alter table {table} rename column "_theirs %" to "their Note, 100 %"')
        return found

    for goal in ("warehouse.dim_students", "warehouse.dim_date", "analytics.ai_insights"):
        assert house.do("forget", goal) == 0
    assert house.run() == 0
    assert without_theirs() == expected
    for table in ("warehouse.fact_attendance", "warehouse.dim_students_history", "analytics.student_360"):
        house.query(f"delete from {table}")
        assert house.do("forget", table) == 0
    assert house.run() == 0
    assert without_theirs() == expected
    files = {path.name: path.read_text() for path in house.output.glob("**/*.csv")}
    assert files and "their" not in "".join(files.values())
    later = {"student_id": "STU003", "class_id": "CLASS-9Z", "updated_at": "2024-02-02T09:00:00Z"}
    house.rows("2024-02-02/students.csv", "students", {}, later)
    house.rows("2024-02-02/attendance.csv", "attendance", {"attendance_id": "ATT003"})
    assert house.run() == 0
    assert house.one("select count(*) from warehouse.fact_attendance") == 3


def test_a_trigger_of_others_fires_for_every_row_however_many(house, admin):
    loaded(house)
    house.query("""
        create table public.seen (id text);
        create function public.see() returns trigger language plpgsql as
        'begin insert into public.seen values (new.attendance_id); return new; end';
        create trigger seeing before insert on warehouse.fact_attendance for each row execute function public.see()
    """)
    rows = [{"attendance_id": f"MANY{number}", "student_id": f"STU{number:03d}"} for number in range(1_200)]
    house.rows("2024-02-02/attendance.csv", "attendance", *rows)
    assert house.run("Warehouse") == 0
    assert house.one("select count(*) from public.seen") == 1_200


def test_rows_that_a_policy_of_others_hides_from_us_stop_the_build(blank, admin, monkeypatch, capfd):
    blank.query(f"grant create on database {blank.one('select current_database()')} to {MINE}")
    mine = as_role(blank, MINE, monkeypatch)
    loaded(mine)
    mine.query("""
        alter table warehouse.dim_students enable row level security;
        alter table warehouse.dim_students force row level security;
        create policy few on warehouse.dim_students using (student_id = 'STU001')
    """)
    blank.rows("2024-02-02/attendance.csv", "attendance", {"attendance_id": "ATT003"})
    assert mine.run() == 30
    assert "row-level security policy" in "".join(capfd.readouterr())


def test_a_right_that_default_privileges_would_add_is_not_added_by_a_remake(house, admin, edited):
    loaded(house)
    house.query("alter default privileges in schema analytics grant select on tables to board_reader")
    before = acl(house, "analytics.student_360")[:2]
    add_a_column(edited, "analytics.student_360")
    assert house.run() == 0
    assert house.one("select has_table_privilege('board_reader', 'analytics.student_360', 'select')") is False
    assert acl(house, "analytics.student_360")[1] == before[1]


def test_a_policy_that_fits_the_new_table_no_longer_stops_it(house, admin, edited, capfd):
    loaded(house)
    house.query("create policy own on analytics.course_performance using (hours > 0)")
    edited("analytics.course_performance", "    hours numeric(38, 2) not null check (hours >= 0),", "")
    edited("analytics.course_performance", "comment on column analytics.course_performance.hours", "-- ")
    assert house.run() == 30
    assert "its policy own, which EduFlow did not make" in "".join(capfd.readouterr())
    assert house.one("select count(*) from pg_policies where policyname = 'own'") == 1


def readable(house: House, role: str) -> set[str]:
    return {name for (name,) in house.query(
        """
        select format('%%s.%%s', n.nspname, r.relname) from pg_class as r
        inner join pg_namespace as n on n.oid = r.relnamespace
        where n.nspname = any(%s) and r.relkind in ('r', 'v')
        and has_schema_privilege(%s, n.oid, 'usage') and has_table_privilege(%s, r.oid, 'select')
        """, [*init_db.DERIVED, "raw", "etl"], role, role,
    )}  # fmt: skip


MADE_TO_READ = {
    name for name, relation in init_db.relations().items()
    if relation.kind != "function" and relation.schema in ("warehouse", "analytics")
}  # fmt: skip


def test_reader_roles_may_read_warehouse_and_analytics_also_when_the_setting_changes(house, admin, edited, monkeypatch):
    monkeypatch.setenv("EDUFLOW_READER_ROLES", "board_reader")
    loaded(house)
    assert readable(house, "board_reader") == MADE_TO_READ
    builds = house.builds()
    monkeypatch.setenv("EDUFLOW_READER_ROLES", "board_reader, desk_reader")
    assert house.run() == 0
    assert readable(house, "desk_reader") == MADE_TO_READ and house.builds() == builds
    add_a_column(edited, "analytics.as_of")
    house.query("drop table warehouse.dim_programs cascade")
    assert house.run() == 0
    assert readable(house, "board_reader") == readable(house, "desk_reader") == MADE_TO_READ
    house.query("grant select on staging.stg_courses to desk_reader; grant usage on schema staging to desk_reader")
    monkeypatch.setenv("EDUFLOW_READER_ROLES", "board_reader")
    assert house.run() == 0
    assert readable(house, "desk_reader") == {"staging.stg_courses"}  # what somebody else gave
    assert readable(house, "board_reader") == MADE_TO_READ


def test_an_unknown_reader_role_is_one_line(house, monkeypatch, capsys):
    monkeypatch.setenv("EDUFLOW_READER_ROLES", "nobody_there")
    assert house.run() == 1
    said = capsys.readouterr().err
    assert "reader_roles names nobody_there" in said and len(said.splitlines()) == 1


# --- each relation alone --------------------------------------------------------------------------------------------


def made_at(house: House) -> dict:
    return dict(house.query("select name, oid::bigint from etl.objects"))


def test_other_ddl_of_one_table_makes_that_table_anew_and_no_other(house, edited):
    loaded(house)
    before, contents = made_at(house), house.contents()
    keys = foreign_keys(house)
    add_a_column(edited, "warehouse.dim_students")
    assert house.run() == 0
    after = made_at(house)
    assert {name for name in after if after[name] != before[name]} == {"warehouse.dim_students"}
    assert foreign_keys(house) == keys
    now = house.contents()
    now.pop("warehouse.dim_students"), contents.pop("warehouse.dim_students")
    assert now == contents


def test_a_comment_is_said_in_the_database_and_builds_nothing(house, edited, capsys):
    loaded(house)
    before, builds = made_at(house), house.builds()
    edited("analytics.student_360", "everything about one student", "all about one student")
    edited("warehouse.dim_date", "create table", "-- a remark\ncreate table")
    capsys.readouterr()
    house.do("plan")
    out = capsys.readouterr().out
    assert "would comment on analytics.student_360 (its comments changed)" in out and "dim_date" not in out
    house.rows("2024-02-02/course_catalog.csv", "course_catalog", {})  # something to do, or no run looks at the tables
    assert house.run() == 0
    assert house.one("select obj_description('analytics.student_360'::regclass)").startswith("all about one student")
    assert made_at(house) == before
    assert house.builds()["warehouse.dim_date"] == builds["warehouse.dim_date"]


@pytest.mark.parametrize("relation", init_db.relations())
def test_any_relation_dropped_by_hand_comes_back_identical(house, relation):
    loaded(house)
    before, keys = house.contents(), foreign_keys(house)
    kind = init_db.relations()[relation].kind
    house.query(f"drop {kind} {relation} cascade")
    if kind != "table":  # no target of its own: the next run that builds something makes it
        house.do("forget", "warehouse.dim_date")
    assert house.run() == 0
    assert (house.contents(), foreign_keys(house)) == (before, keys)
    assert house.do("verify") == 0


def test_a_relation_that_is_no_longer_in_the_files_goes(house, edited, capsys):
    loaded(house)
    house.query("create table analytics.old (n int)")
    house.query("""
        insert into etl.objects (name, kind, oid, database, parts)
        select 'analytics.old', 'table', 'analytics.old'::regclass, database, '{column n}' from etl.objects limit 1
    """)
    house.do("plan")
    assert "would drop analytics.old (EduFlow no longer has it)" in capsys.readouterr().out
    house.do("forget", "analytics.as_of")
    assert house.run() == 0
    assert house.one("select to_regclass('analytics.old')") is None


def test_plan_writes_nothing_into_an_empty_database(blank, capsys):
    blank.rows("student_progress.csv", "student_progress", {})
    assert blank.do("plan") == 0
    out = capsys.readouterr().out
    assert "(it is new)" in out and "would land student_progress.csv" in out
    assert everything(blank) == []


# --- what older code made -------------------------------------------------------------------------------------------


def older(house: House) -> None:
    """The ledger as it was when whole schemas were made from one file each."""
    house.query("""
        drop table etl.objects, etl.reader_grants;
        create table etl.schemas (
            schema text primary key, digest text not null, relations text [] not null,
            applied_at timestamptz not null default now()
        );
        insert into etl.schemas (schema, digest, relations) values
        ('staging', '5f0700c72eefa81fe7d537385a3ef2dbaa2985dc41af2630927ef757c6b9deac', '{}'),
        ('warehouse', '663ba01c31bfbbbaba0eb512f1c4780def5e114ba1c55816247f022651bfed0c', '{}'),
        ('analytics', '041b9f38b9d1e86fe65c1ff1d585da2ad5c5dbc9c8b7856a6c0e3b2ba9b552d7', '{}');
        update etl.schemas set relations = (
            select array_agg(relname) from pg_class
            where relnamespace = to_regnamespace(schema) and relkind in ('r', 'v')
        );
        delete from etl.migrations where file like 'state_06%';
    """)
    begin_run()


def numbers(house: House) -> dict:
    """Of the relations whose DDL is still the last that was made by whole schemas."""
    released = dict(re.findall(r"\('(\w+\.\w+)', '\w+', '(\w{64})'\)", STATE_06))
    same = [
        name for name, made in init_db.relations().items() if made.digest == released.get(name) and made.kind == "table"
    ]
    return {name: house.one(f"select '{name}'::regclass::oid::bigint") for name in same}


STATE_06 = (Path(init_db.__file__).parent / "state_06_objects.sql").read_text()


def test_a_database_of_older_code_keeps_its_tables_and_what_others_made_on_them(house, monkeypatch):
    loaded(house)
    before, tables = house.contents(), numbers(house)
    assert len(tables) > 20
    house.query("create schema board; create view board.v as select student_id from analytics.student_360")
    older(house)
    assert house.run() == 0
    assert (house.contents(), numbers(house)) == (before, tables)
    assert house.one("select to_regclass('etl.schemas')") is None
    house.query("drop table warehouse.fact_attendance cascade")
    assert house.run() == 0
    assert house.contents() == before


def test_a_database_of_still_older_code_is_made_anew(house):
    loaded(house)
    before, tables = house.contents(), numbers(house)
    older(house)
    house.query("update etl.schemas set digest = 'unknown'; drop table analytics.ai_insights cascade")
    house.do("forget", "warehouse.dim_date")
    assert house.run() == 0
    assert house.contents() == before
    assert not set(numbers(house).items()) & set(tables.items())


# --- a row that somebody deletes ------------------------------------------------------------------------------------


def test_a_row_deleted_by_hand_in_a_fact_is_found_by_the_next_run_that_looks_at_it(house, capfd):
    loaded(house)
    before = house.contents()
    house.query("delete from warehouse.fact_attendance where attendance_id = 'ATT002'")
    house.rows("2024-02-02/attendance.csv", "attendance", {"attendance_id": "ATT003"})
    assert house.run() == 30
    assert "check_warehouse_counts: 1 offending" in "".join(capfd.readouterr())
    assert house.do("verify") == 1
    assert house.run() == 0
    assert set(before["warehouse.fact_attendance"]) < set(house.contents()["warehouse.fact_attendance"])


# --- the files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other, same",
    [
        ("create table t.x (a int,b text[]);", True),
        ("-- a remark\ncreate table t.x (\n    a int, /* another; */ b text []\n);\n", True),
        ("create table t.x (a int, b text [] default ' ');", False),
        ("create table t.x (a int, b text [] default '  ');", False),
        ("create table t.x (a int, b text []); create index on t.x (a);", False),
    ],
)
def test_ddl_is_digested_by_its_statements(other, same):
    plain = ddl.digest(tuple(ddl.statements("create table t.x (a int, b text []);")))
    assert (ddl.digest(tuple(ddl.statements(other))) == plain) is same


def test_statements_end_at_semicolons_outside_of_texts():
    assert ddl.statements("select ';--' as a; -- b; c\nselect $x$ ; $x$;\n\ncomment on table t is 'it''s; so';") == [
        "select ';--' as a", "select $x$ ; $x$", "comment on table t is 'it''s; so'",
    ]  # fmt: skip
    assert len({ddl.digest((one,)) for one in ("select ' '", "select '  '")}) == 2


def test_every_relation_comes_after_those_that_it_needs():
    names = list(init_db.relations())
    for place, relation in enumerate(init_db.relations().values()):
        assert relation.needs & set(names) <= set(names[:place])
