"""`sql` only reads, whatever it is asked: attacked on PostgreSQL 18 and, where Debian's is installed, 15."""

from __future__ import annotations

import csv
import io
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from conftest import PROJECT, House, url

from init_db import server
from init_db.cluster import READER
from pipeline.config import settings
from pipeline.run import begin_run
from targets.postgres.connection import Database
from tests.waiting import until

pytestmark = pytest.mark.integration

ROOT = os.geteuid() == 0
DEBIAN = Path("/usr/lib/postgresql/15/bin")
OWNER, PASSWORD = "school", "s3cret-school"
READ_PASSWORD = "s3cret-reader"


# --- a PostgreSQL 15 of somebody else, reached by TCP, with TLS -----------------------------------------------------


@dataclass
class Elsewhere:
    """A server of PostgreSQL 15 on TCP: the superuser `boss`, and a database `school` of a login without powers."""

    folder: Path
    port: int

    def url(self, user: str, password: str, options: str = "", host: str = "127.0.0.1") -> str:
        return f"postgresql://{user}:{password}@{host}:{self.port}/school{options}"

    def as_boss(self, statement: str, database: str = "school") -> list[tuple]:
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="boss", password="boss", dbname=database)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def switch(self, setting: str, value: str) -> None:
        self.as_boss(f"alter system set {setting} = {value}")
        self.as_boss("select pg_reload_conf()")
        until(lambda: self.as_boss(f"show {setting}") == [(value,)])


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    if not (DEBIAN / "initdb").exists() or not shutil.which("openssl"):
        pytest.skip("PostgreSQL 15 is not installed")
    folder = Path(tempfile.mkdtemp(prefix="eduflow-test-", dir="/tmp"))
    run: dict = {"env": {"PATH": os.environ["PATH"], "LC_ALL": "C"}, "cwd": "/"}
    if ROOT:
        service = pwd.getpwnam("postgres")
        os.chown(folder, service.pw_uid, service.pw_gid)
        run |= {"user": service.pw_uid, "group": service.pw_gid, "extra_groups": []}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "password").write_text("boss")
    quiet: dict = {"check": True, "capture_output": True}
    command: list[Any] = [DEBIAN / "initdb", "-D", folder / "pg", "-U", "boss", "-A", "scram-sha-256", "-E", "UTF8"]
    subprocess.run([*command, f"--pwfile={folder / 'password'}"], **run, **quiet)
    key: list[Any] = [
        "-keyout",
        folder / "pg" / "server.key",
        "-out",
        folder / "pg" / "server.crt",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *key], **run, **quiet)
    with (folder / "pg" / "postgresql.conf").open("a") as conf:
        conf.write("ssl = on\n")
    options = f"-c port={port} -c unix_socket_directories='' -c fsync=off -c listen_addresses='127.0.0.1,127.0.0.2'"
    control: list[Any] = [DEBIAN / "pg_ctl", "-D", folder / "pg", "-w", "-l", folder / "log", "-o", options]
    subprocess.run([*control, "start"], stdout=subprocess.DEVNULL, check=True, **run)
    there = Elsewhere(folder, port)
    there.as_boss(f"create role {OWNER} login password '{PASSWORD}'", "postgres")
    there.as_boss(f"create role {READER} login password '{READ_PASSWORD}'", "postgres")
    there.as_boss(f"create database school owner {OWNER}", "postgres")
    yield there
    subprocess.run([*control, "stop", "-m", "immediate"], stdout=subprocess.DEVNULL, **run)
    shutil.rmtree(folder)


def moved(house: House, monkeypatch: pytest.MonkeyPatch, url: str, read_url: str = "") -> House:
    """The house with another database."""
    for name, value in {"EDUFLOW_DATABASE": url, "EDUFLOW_READER": read_url}.items():
        house.environment[name] = value
        monkeypatch.setenv(name, value)
    begin_run()
    house.database = Database(url, house.data)
    return house


def made(folder: Path, database: str, read_url: str) -> House:
    """A house with a small roster, built."""
    folder.mkdir()
    (folder / "sources.toml").touch()
    environment = {
        "EDUFLOW_HOME": str(folder),
        "EDUFLOW_DATABASE": database,
        "EDUFLOW_READER": read_url,
        "EDUFLOW_DATA_DIR": str(folder / "data"),
        "EDUFLOW_OUTPUT_DIR": str(folder / "output"),
        "EDUFLOW_LLM": "off",
    }
    house = House(folder / "data", folder / "output", Database(database, folder), environment)
    house.rows("students.csv", "students", {}, {"student_id": "STU002", "student_name": 'Ravi "R" Das, jr.'})
    done = house.command("-m", "pipeline", "run")
    assert done.returncode == 0, done.stderr
    return house


def entered(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    for name, value in house.environment.items():
        monkeypatch.setenv(name, value)
    begin_run()
    return house


@pytest.fixture(scope="module")
def here(cluster: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    name = f"test_sql_{os.getpid()}"
    admin = psycopg2.connect(**cluster)
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"create database {name} template template_eduflow")
        urls = url(cluster, name), url({**cluster, "user": READER}, name)
        yield made(tmp_path_factory.mktemp("here") / "home", *urls)
        cursor.execute(f"drop database {name} with (force)")
    admin.close()


@pytest.fixture(scope="module")
def there(elsewhere: Elsewhere, tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house whose database is the PostgreSQL 15, owned by a login without powers, with a reader."""
    urls = elsewhere.url(OWNER, PASSWORD), elsewhere.url(READER, READ_PASSWORD)
    return made(tmp_path_factory.mktemp("there") / "home", *urls)


@pytest.fixture
def filled(here: House, monkeypatch: pytest.MonkeyPatch) -> House:
    return entered(here, monkeypatch)


@pytest.fixture
def abroad(there: House, monkeypatch: pytest.MonkeyPatch) -> House:
    return entered(there, monkeypatch)


@pytest.fixture(params=["18", "15", "15 as the owner"])
def asked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> House:
    house = request.getfixturevalue("filled" if request.param == "18" else "abroad")
    if "owner" in request.param:
        monkeypatch.delenv("EDUFLOW_READER")
    return house


# --- what a query may not ------------------------------------------------------------------------------------------

SEVERAL = "exactly one statement"
READS = "sql only reads"
ATTACKS = [
    # out of COPY, where the text used to be pasted
    ("select 1) to stdout; commit; drop schema raw cascade; copy (select 1", "syntax error"),
    ("select 1) to program 'touch {pwned}'; copy (select 1", "syntax error"),
    # several statements
    ("select 1; drop schema raw cascade", SEVERAL),
    ("commit; drop schema raw cascade", SEVERAL),
    ("select 1;; select 2", SEVERAL),
    ("-- nothing", SEVERAL),
    # statements that are no query
    ("drop schema raw cascade", READS),
    ("delete from raw.students", READS),
    ("delete from raw.students returning 1", READS),
    ("with gone as (delete from raw.students returning 1) select * from gone", READS),
    ("explain analyze delete from raw.students", READS),
    ("update etl.drops set status = 'refused'", READS),
    ("select 1 into raw.made", READS),
    ("create temp table made as select 1", READS),
    ("do $$ begin drop schema raw cascade; end $$", READS),
    ("copy raw.students to program 'touch {pwned}'", READS),
    ("copy (select 1) to '{pwned}'", READS),
    ("set transaction read write", READS),
    ("set role none", READS),
    ("commit", READS),
    ("listen something", READS),
    ("lock table raw.students", READS),
    ("prepare made as delete from raw.students", READS),
    ("select * from raw.students for update", READS),
    # out of the read-only transaction and the login, from within a query
    ("select set_config('transaction_read_only', 'off', true)", "must be set before any query"),
    ("select set_config('transaction_read_only', 'off', false) from raw.students", "must be set before any query"),
    ("select set_config('role', '{superuser}', false)", "permission denied"),
    ("select set_config('session_authorization', '{superuser}', false)", "permission denied"),
    ("select query_to_xml('delete from raw.students', true, false, '')", "not allowed"),
    ("select query_to_xml('drop schema raw cascade', true, false, '')", "not allowed"),
    # beyond the database
    ("select pg_read_file('/etc/passwd')", "permission denied"),
    ("select pg_ls_dir('/')", "permission denied"),
    ("select lo_import('/etc/passwd')", "permission denied"),
    ("select lo_export(1, '{pwned}')", "permission denied"),
    ("select pg_reload_conf()", "permission denied"),
    ("select rolpassword from pg_authid", "permission denied"),
    (
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = '{superuser}'",
        "permission denied|must be",
    ),
    ("select pg_create_physical_replication_slot('made')", "permission denied|must be"),
]


@pytest.mark.parametrize("query, said", ATTACKS, ids=[query[:50] for query, _ in ATTACKS])
def test_an_attack_is_refused_in_one_line_and_changes_nothing(asked, capfd, tmp_path, query, said):
    pwned = tmp_path / "pwned"
    tmp_path.chmod(0o777)
    superuser = "boss" if "127.0.0.1" in asked.environment["EDUFLOW_DATABASE"] else "postgres"
    state = "select md5(string_agg(t::text, '')) from raw.students as t"
    before = asked.one(state), asked.one("select count(*) from pg_class"), asked.one("select count(*) from etl.drops")
    capfd.readouterr()
    attack = query.format(pwned=pwned, superuser=superuser) if "{" in query else query
    assert asked.do("sql", attack) == 1
    told = capfd.readouterr().err
    assert any(word in told for word in said.split("|")), told
    assert len(told.splitlines()) == 1
    assert before == (
        asked.one(state), asked.one("select count(*) from pg_class"), asked.one("select count(*) from etl.drops")
    )  # fmt: skip
    assert not pwned.exists()


@pytest.mark.parametrize("query", ["select nextval('{s}')", "select setval('{s}', 99)", "select lo_from_bytea(0, 'x')"])
def test_what_a_function_would_leave_behind_is_gone(asked, capfd, query):
    sequence = asked.one("select min(c.oid::regclass::text) from pg_class as c where relkind = 'S'")
    before = asked.one(f"select last_value from {sequence}"), asked.one("select count(*) from pg_largeobject_metadata")
    asked.do("sql", query.format(s=sequence))
    after = asked.one(f"select last_value from {sequence}"), asked.one("select count(*) from pg_largeobject_metadata")
    assert before == after


def test_the_reader_may_read_what_eduflow_made_and_nothing_else(filled, capfd):
    filled.query("create table public.theirs as select 1 as secret")
    filled.query("create schema access; create table access.keys as select 1 as secret")
    for table in (
        "raw.students",
        "etl.drops",
        "staging.stg_students",
        "warehouse.dim_students",
        "analytics.student_360",
    ):
        assert filled.do("sql", f"select count(*) from {table}") == 0
    assert filled.do("sql", "select * from public.theirs") == filled.do("sql", "select * from access.keys") == 1
    assert capfd.readouterr().err.splitlines() == [
        "permission denied for table theirs", "permission denied for schema access"
    ]  # fmt: skip
    login = "select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls from pg_roles"
    assert filled.one(f"{login} where rolname = 'eduflow_reader'") is False


def test_a_table_made_since_the_last_query_can_be_read(filled, capfd):
    assert filled.do("sql", "select * from analytics.student_360") == 0
    filled.query("alter table analytics.student_360 rename to kept")
    filled.query("create table analytics.student_360 as select * from analytics.kept")
    try:
        assert filled.do("sql", "select * from analytics.student_360") == 0
    finally:
        filled.query("drop table analytics.student_360; alter table analytics.kept rename to student_360")


def test_a_query_ends_with_its_time_even_if_it_takes_its_limit_away(filled, capfd, monkeypatch):
    monkeypatch.setenv("EDUFLOW_SQL_TIMEOUT", "1")
    unlimited = "select set_config('statement_timeout', '0', false), pg_sleep(0.1) from generate_series(1, 100)"
    for query in ("select pg_sleep(30)", unlimited, "explain analyze select pg_sleep(30)"):
        since = time.monotonic()
        assert filled.do("sql", query, "--csv") == 1
        assert time.monotonic() - since < 5
        assert capfd.readouterr().err == "the query took longer than 1 s and was ended (setting sql_timeout)\n"


# --- a superuser elsewhere, roles that reach further, the embedded server ---------------------------------------------


def test_a_superuser_is_refused_with_what_makes_a_reader(house, elsewhere, monkeypatch, capfd):
    moved(house, monkeypatch, elsewhere.url("boss", "boss"))
    assert house.do("sql", "select 1") == 1
    told = capfd.readouterr()
    assert "create role eduflow_reader login password" in told.err and "EDUFLOW_READER=postgresql://" in told.err
    assert told.out == "" and "boss:boss" not in told.err


@pytest.mark.parametrize("power", ["pg_execute_server_program", "pg_read_server_files", "a superuser's role"])
def test_a_login_that_reaches_beyond_rows_is_refused(abroad, elsewhere, capfd, power):
    granted = "boss" if "superuser" in power else power
    elsewhere.as_boss(f"grant {granted} to {READER}")
    try:
        assert abroad.do("sql", "select 1") == 1
        assert f"runs nothing as eduflow_reader, which can do more than read ({granted})" in capfd.readouterr().err
    finally:
        elsewhere.as_boss(f"revoke {granted} from {READER}")
    assert abroad.do("sql", "select 1") == 0


def test_a_reader_of_another_database_is_refused(filled, elsewhere, monkeypatch, capsys):
    monkeypatch.setenv("EDUFLOW_READER", elsewhere.url(READER, READ_PASSWORD))
    assert filled.do("sql", "select 1") == 1
    assert "EDUFLOW_READER is a login on another database than EDUFLOW_DATABASE" in capsys.readouterr().err


def test_a_reader_needs_a_database_of_ones_own(house, monkeypatch, capsys):
    monkeypatch.delenv("EDUFLOW_DATABASE")
    assert house.do("sql", "select 1") == 1
    assert "EDUFLOW_READER is a login on the server of EDUFLOW_DATABASE, which is not set" in capsys.readouterr().err


@pytest.fixture
def embedded(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """The house on an embedded server of its own, as a school has it."""
    folder = Path(tempfile.mkdtemp(prefix="eduflow-test-", dir="/tmp"))
    folder.chmod(0o711)
    for name in ("EDUFLOW_DATABASE", "EDUFLOW_READER"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("EDUFLOW_DATABASE_DIR", str(folder / "pg"))
    house.environment["EDUFLOW_DATABASE_DIR"] = str(folder / "pg")
    house.database = Database("", folder / "pg")
    begin_run()
    yield house
    begin_run()
    server.stop_if_last(folder / "pg")
    shutil.rmtree(folder)


def test_on_the_embedded_server_the_reader_is_made_and_is_no_superuser(embedded, capfd):
    attacks = [
        "select pg_read_file('/etc/passwd')",
        "select pg_advisory_lock(1)",
        "select set_config('role', 'postgres', false)",
    ]
    for attack in attacks:
        assert embedded.do("sql", attack) == 1
        assert "permission denied" in capfd.readouterr().err
    assert embedded.do("sql", "select session_user, (select count(*) from etl.drops)", "--csv") == 0
    assert "eduflow_reader,0" in capfd.readouterr().out
    assert embedded.do("sql", "show temp_file_limit", "--csv") == 0
    assert capfd.readouterr().out == "temp_file_limit\n10GB\n"
    keywords = server.start(settings().database_dir)
    assert embedded.one("select count(*) from pg_roles where rolcanlogin and not rolsuper") == 1
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(**{**keywords, "user": "somebody"})


# --- what it prints ---------------------------------------------------------------------------------------------------


def test_it_reads_standard_input(filled):
    wanted = [sys.executable, "-m", "pipeline", "sql", "-", "--csv"]
    query = "select student_name\nfrom staging.stg_students -- the name\nwhere student_id = 'STU002';\n"
    done = subprocess.run(wanted, input=query, cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout == 'student_name\n"Ravi ""R"" Das, Jr."\n', done.stderr


@pytest.mark.parametrize("query", ["", "  \n"])
def test_an_empty_query_is_one_clear_line(house, capsys, query):
    assert house.do("sql", query) == 1
    assert capsys.readouterr().err == 'sql needs a query, like: eduflow sql "select * from analytics.student_360"\n'


@pytest.mark.parametrize(
    "query", ["table etl.drops", "values (1)", "explain select 1", "show work_mem", "select 1;;  "]
)
def test_everything_that_reads_may_be_asked(filled, query):
    assert filled.do("sql", query) == 0


def test_csv_is_what_copy_writes(filled, capfd):
    query = """
        select * from (values (1, null, '', e'two\\nlines', 'a,b', 'say "it"', true, '2024-02-01'::date,
            array[1, null], '\\x00ff'::bytea, '{"a": [1, 2]}'::jsonb, 1.50, 'é %s $1')) as given
    """
    assert filled.do("sql", query, "--csv") == 0
    printed = capfd.readouterr().out
    copied = io.StringIO()
    connection = filled.database.connect()
    with connection, connection.cursor() as cursor:
        cursor.copy_expert(f"copy ({query}) to stdout (format csv, header)", copied)
    connection.close()
    assert printed == copied.getvalue()


def test_a_table_ends_after_a_thousand_rows_and_says_so(filled, capfd):
    assert filled.do("sql", "select i from generate_series(1, 1000) as i") == 0
    assert len(capfd.readouterr().out.splitlines()) == 1002
    assert filled.do("sql", "select i from generate_series(1, 100000) as i") == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 1003 and lines[-1] == "  the first 1,000 rows; all of them: --csv or --json"
    assert filled.do("sql", "select i from generate_series(1, 100000) as i", "--csv") == 0
    assert len(list(csv.reader(io.StringIO(capfd.readouterr().out)))) == 100_001


PEAK = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "pipeline", "sql", *sys.argv[1:]], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


def test_memory_is_bounded_however_much_is_asked_for(filled):
    def peak(*arguments: str) -> int:
        done = filled.command("-c", PEAK, *arguments)
        return int(done.stdout or pytest.fail(done.stderr))

    least = peak("select 1")
    for query in (
        "select repeat('x', 1000000) from generate_series(1, 400)",
        "select repeat('x', case when i < 300 then 1 else 300000 end) from generate_series(1, 1000) as i",
    ):
        assert peak(query, "--csv") < least + 120
        assert peak(query) < least + 120


def test_ctrl_c_ends_the_query_on_the_server_too(filled):
    command = [sys.executable, "-m", "pipeline", "sql", "select pg_sleep(60) /* stop me */"]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    running = (
        "select count(*) from pg_stat_activity where query like '%fetch%eduflow_query%' and pid <> pg_backend_pid()"
    )
    until(lambda: filled.one(f"{running} and state = 'active'"))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode != 0
    until(lambda: not filled.one(f"{running} and state = 'active'"), seconds=10)  # the query itself takes a minute


def test_make_sql_takes_a_query_with_dollars(filled):
    makefile = Path(PROJECT / "Makefile").read_text()
    folder = filled.data.parent / "copy"
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / "Makefile").write_text(makefile)
    shown = folder / ".venv" / "bin" / "python"
    shown.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    shown.chmod(0o755)
    for name in ("requirements.txt", "requirements.lock"):
        (folder / name).touch()
    (folder / ".venv" / ".ready").touch()
    query = "select '$5 ${HOME} $(shell id) $$' as \"price\", `x` from t where n ~ '^a$'"
    for given in ([f"QUERY={query}"], []):
        done = subprocess.run(
            ["make", "-s", "sql", *given],
            cwd=folder,
            env={**os.environ, "QUERY": query},
            capture_output=True,
            text=True,
        )
        assert done.stdout.splitlines()[-1] == query, done.stderr


# --- TLS --------------------------------------------------------------------------------------------------------------


def test_require_ssl_is_asked_of_every_server_but_this_machines(tmp_path):
    def mode(url: str, **options) -> str | None:
        return Database(url, tmp_path, **options).keywords().get("sslmode")

    there = "postgresql://u@db.example.org/n"
    assert mode(there) is None
    assert mode(there, require_ssl=True) == mode(there + "?sslmode=prefer", require_ssl=True) == "require"
    assert mode(there + "?sslmode=disable", require_ssl=True) == "require"
    assert mode(there + "?sslmode=verify-full", require_ssl=True) == "verify-full"
    assert mode("postgresql://u@localhost/n", require_ssl=True) is None
    assert mode("postgresql://u@/n?host=/tmp", require_ssl=True) == "require"  # which libpq ignores on a socket
    assert mode("postgresql://u@/n?host=localhost,db.example.org", require_ssl=True) == "require"


def test_with_require_ssl_a_server_without_tls_is_refused_before_a_password_is_sent(
    house, elsewhere, monkeypatch, capfd
):
    # another address than those of this machine that are exempt, and that the server listens on
    moved(house, monkeypatch, elsewhere.url(OWNER, PASSWORD, host="127.0.0.2"))
    monkeypatch.setenv("EDUFLOW_REQUIRE_SSL", "on")
    encrypted = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
    assert house.do("sql", encrypted, "--csv") == 0
    assert capfd.readouterr().out == "ssl\nt\n"
    with settings().database.transaction() as db:
        assert db.exec_driver_sql(encrypted).scalar() is True
    elsewhere.switch("ssl", "off")
    try:
        assert house.do("plan") == 1
        told = capfd.readouterr().err
        assert "server does not support SSL, but SSL was required" in told and PASSWORD not in told
        monkeypatch.setenv("EDUFLOW_REQUIRE_SSL", "off")
        assert house.do("sql", encrypted, "--csv") == 0
        assert capfd.readouterr().out == "ssl\nf\n"
    finally:
        elsewhere.switch("ssl", "on")
