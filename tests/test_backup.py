"""The drill: backup, destroy, restore, run; and every table is as it was. And what can go wrong with a backup."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys

import pytest

from init_db import last_state
from pipeline.config import PROJECT
from pipeline.run import begin_run
from targets.backup import TAIL, BackupError, read_head
from tests.test_home import command, school  # noqa: F401 (a fixture)

DECIDED = "select drop_id, path, status, decision, decided_at, reason from etl.drops order by drop_id"
SETTLED = "select drop_id, line, settled_at from etl.settled order by 1, 2"
RAW = "select format('raw.%I', table_name) from information_schema.tables where table_schema = 'raw' order by 1"


@pytest.fixture
def filled(house):
    """The sample, with decisions of a person."""
    for day in ("2024-02-08", "2024-02-09"):
        shutil.copytree(PROJECT / "data" / day, house.data / day)
    assert house.run() == 0
    rejected, line = house.query("select drop_id, line from etl.rejects where outcome = 'rejected' order by 1, 2")[0]
    assert house.do("refuse", str(rejected), "--line", str(line)) == 0
    retracted = house.one("select max(drop_id) from etl.drops where dataset = 'support_tickets'")
    assert house.do("retract", str(retracted)) == 0
    assert house.run() == 0
    return house


def state(house) -> dict[str, list]:
    found = {query: house.query(query) for query in (DECIDED, SETTLED)}
    return found | {table: house.query(f"select * from {table} order by 1, 2") for (table,) in house.query(RAW)}


def destroy(house) -> None:
    house.query("drop schema raw, etl, staging, warehouse, analytics cascade")
    begin_run()


def test_backup_destroy_restore_run_gives_every_table_as_before(filled, tmp_path, capsys):
    tables, kept = filled.contents(), state(filled)
    drops, rows = filled.query("select count(*), sum(rows) from etl.drops")[0]
    file = tmp_path / "backup.sql.gz"
    assert filled.do("backup", str(file)) == 0
    assert re.search(rf"{drops} drops, {rows:,} rows of raw, [0-9.]+ MB, in [0-9.]+ s", capsys.readouterr().out)
    assert file.stat().st_mode & 0o777 == 0o600
    destroy(filled)
    assert filled.do("run") == 1  # empty, and it had been filled
    assert "restore FILE" in capsys.readouterr().err
    assert filled.do("restore", str(file)) == 0
    restored = capsys.readouterr().out
    assert re.search(rf"Restored {drops} drops .* in [0-9.]+ s. Now build the tables: eduflow run", restored)
    assert filled.run() == 0
    assert filled.contents() == tables and state(filled) == kept
    assert filled.run() == 0
    assert "Nothing to do" in capsys.readouterr().out


def test_a_backup_holds_no_derived_table_and_says_what_it_is(filled, tmp_path):
    file = tmp_path / "backup.sql.gz"
    filled.do("backup", str(file))
    drops = filled.one("select count(*) from etl.drops")
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    assert lines[0].startswith("-- EduFlow backup {") and read_head(file)["drops"] == drops
    assert not [line for line in lines if re.match("(CREATE TABLE|COPY) (staging|warehouse|analytics)", line)]


def test_a_file_that_was_cut_off_or_damaged_is_refused(house, tmp_path):
    house.rows("students.csv", "students", {})
    assert house.run() == 0
    file, damaged = tmp_path / "backup.sql.gz", tmp_path / "damaged.sql.gz"
    house.do("backup", str(file))
    whole = file.read_bytes()
    chance = random.Random(7)
    for cut in [0, 1, 20, len(whole) // 2, len(whole) - 9, len(whole) - 8, len(whole) - 1]:
        damaged.write_bytes(whole[:cut])
        with pytest.raises(BackupError):
            read_head(damaged)
    for _ in range(50):
        place = chance.randrange(10, len(whole))
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << chance.randrange(8))]) + whole[place + 1 :])
        with pytest.raises(BackupError):
            read_head(damaged)
    # packed again after it was cut: gzip is content, the sum is not
    text = gzip.decompress(whole)
    for cut in (len(text) // 3, text.rindex(b"\n", 0, -1) + 1):
        damaged.write_bytes(gzip.compress(text[:cut]))
        with pytest.raises(BackupError):
            read_head(damaged)
    destroy(house)
    assert house.do("restore", str(damaged)) == 1
    assert house.query("select 1 from pg_namespace where nspname in ('raw', 'etl')") == []


def test_a_restore_that_fails_half_way_leaves_nothing(house, tmp_path, capsys):
    house.rows("students.csv", "students", {"student_name": "Very Private"})
    assert house.run() == 0
    file = tmp_path / "backup.sql.gz"
    house.do("backup", str(file))
    destroy(house)
    house.query("create schema raw")
    house.query("create table public.blocker (i int)")
    house.query(
        """create function public.refuse() returns event_trigger language plpgsql as $$ begin
        if exists (select from pg_event_trigger_ddl_commands() where object_identity = 'etl.targets') then
            raise exception 'Very Private is refused'; end if; end $$"""
    )
    house.query("create event trigger refuse on ddl_command_end execute function public.refuse()")
    assert house.do("restore", str(file)) == 1
    said = capsys.readouterr().err
    assert "nothing was" in said and "Very Private" not in said
    assert house.query("select 1 from pg_namespace where nspname = 'etl'") == []
    house.query("drop event trigger refuse")
    assert house.do("restore", str(file)) == 0


@pytest.mark.parametrize("content", [b"", b"no gzip", gzip.compress(b"select 1;\n")])
def test_what_is_no_backup_is_refused_in_one_line(house, tmp_path, capsys, content):
    (tmp_path / "other.gz").write_bytes(content)
    assert house.do("restore", str(tmp_path / "other.gz")) == 1
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1 and "other.gz" in said
    assert house.do("restore", str(tmp_path / "nowhere.gz")) == 1
    assert "No such file" in capsys.readouterr().err
    assert house.do("backup", str(tmp_path / "nowhere" / "x.gz")) == 1
    assert "can't be written" in capsys.readouterr().err


def test_a_database_with_something_in_it_is_not_restored_into(filled, tmp_path, capsys):
    file = tmp_path / "backup.sql.gz"
    filled.do("backup", str(file))
    before = state(filled)
    assert filled.do("restore", str(file)) == 1
    assert "is not empty" in capsys.readouterr().err and state(filled) == before


@pytest.mark.integration
def test_an_embedded_home_is_purged_by_its_name_and_comes_back(command, tmp_path):  # noqa: F811
    command("init", "hill")
    home = tmp_path / "hill"
    school(home)
    (home / "output" / "mine.txt").write_text("not EduFlow's")
    command("-C", home, "run")
    command("-C", home, "backup", tmp_path / "b.gz")
    assert "nothing was removed" in command("-C", home, "purge", code=1)
    assert "Nothing to do" in command("-C", home, "run")
    command("-C", home, "purge", "--yes")
    assert sorted(path.name for path in (home / "output").rglob("*") if path.is_file()) == ["mine.txt"]
    assert (home / "data" / "students_enrollment.csv").exists()
    assert "Restored 1 drops" in command("-C", home, "restore", tmp_path / "b.gz")
    assert "All good" in command("-C", home, "run")
    assert "Asha Rao" in command("-C", home, "show", "student_360")


def test_purge_of_an_own_server_drops_what_is_eduflows_and_nothing_else(filled, capsys):
    filled.query("create table public.theirs (i int)")
    filled.query("create table analytics.notes (i int)")
    filled.query("create view public.looks as select student_id from warehouse.dim_students")
    tables = filled.contents()
    assert filled.do("purge", "--yes") == 1
    assert "public.looks depends on warehouse.dim_students" in capsys.readouterr().err and filled.contents() == tables
    filled.query("drop view public.looks")
    assert filled.do("purge", "--yes") == 0
    assert "schema analytics stays" in capsys.readouterr().out
    schemas = "select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' order by 1"
    assert filled.query(schemas) == [("analytics",), ("public",)]
    left = filled.query("""
        select n.nspname || '.' || relname from pg_class as c inner join pg_namespace as n on c.relnamespace = n.oid
        where relkind in ('r', 'v') and n.nspname not in ('pg_catalog', 'information_schema') order by 1
    """)
    assert left == [("analytics.notes",), ("public.theirs",)]
    assert [path.name for path in filled.output.rglob("*") if path.is_file()] == []


def test_a_restore_that_is_killed_half_way_leaves_nothing(house, tmp_path):
    """psql lives on when its parent is killed, and takes the end of its input for the end of the backup."""
    house.rows("students.csv", "students", *({"student_id": f"STU{number:05d}"} for number in range(4_000)))
    assert house.run("Ingest") == 0
    file = tmp_path / "backup.sql.gz"
    assert house.do("backup", str(file)) == 0
    destroy(house)
    house.query("""
        create function public.wait() returns event_trigger language plpgsql as $$ begin
        perform pg_advisory_xact_lock(7); end $$;
        create event trigger wait on ddl_command_end when tag in ('CREATE TABLE') execute function public.wait()
    """)
    lock = house.database.connect()
    try:
        lock.cursor().execute("select pg_advisory_lock(7)")
        environment = {**os.environ, **house.environment}
        command = [sys.executable, "-m", "pipeline", "restore", str(file)]
        process = subprocess.Popen(command, cwd=PROJECT, env=environment)
        while not house.one("select count(*) from pg_locks where locktype = 'advisory' and not granted"):
            assert process.poll() is None
        process.kill()
        process.wait()
    finally:
        lock.close()
    others = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'psql'"
    while house.one(others):
        pass
    assert house.query("select 1 from pg_namespace where nspname in ('raw', 'etl')") == []
    house.query("drop event trigger wait")
    assert house.do("restore", str(file)) == 0


def test_what_newer_code_wrote_is_refused_before_anything_is_changed(filled, tmp_path, capsys):
    file = tmp_path / "backup.sql.gz"
    filled.query("insert into etl.migrations (file) values ('state_99_later.sql')")
    before = filled.builds()
    for verb in (["run"], ["status"], ["backup", str(file)]):
        begin_run()
        assert filled.do(*verb) == 1
        said = capsys.readouterr().err
        assert "written by a newer EduFlow (it has state_99_later.sql" in said and len(said.splitlines()) == 1
    assert filled.builds() == before and not file.exists()
    filled.query("delete from etl.migrations where file = 'state_99_later.sql'")
    assert filled.do("backup", str(file)) == 0
    text = gzip.decompress(file.read_bytes()).replace(last_state().encode(), b"state_99_later.sql", 1)
    body = text[: text.rindex(b"\n", 0, -1) + 1]
    file.write_bytes(gzip.compress(body + TAIL + hashlib.sha256(body).hexdigest().encode() + b"\n"))
    destroy(filled)
    assert filled.do("restore", str(file)) == 1
    assert "written by a newer EduFlow" in capsys.readouterr().err
    assert filled.query("select 1 from pg_namespace where nspname in ('raw', 'etl')") == []


@pytest.mark.parametrize("kind", ["file", "pipe", "folder", "link"])
def test_a_backup_never_takes_the_place_of_what_is_none(house, tmp_path, capsys, kind):
    mine = tmp_path / "mine"
    mine.write_text("thesis")
    target = mine if kind == "file" else tmp_path / "there"
    {"file": lambda: None, "pipe": lambda: os.mkfifo(target), "folder": target.mkdir}.get(
        kind, lambda: target.symlink_to(mine)
    )()
    assert house.do("backup", str(target)) == 1
    assert "is no backup of EduFlow; nothing was written" in capsys.readouterr().err
    assert mine.read_text() == "thesis" and target.is_symlink() == (kind == "link")
    for _ in range(2):  # an earlier backup is replaced
        assert house.do("backup", str(tmp_path / "backup.sql.gz")) == 0
