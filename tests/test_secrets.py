"""What fails says where and why, and never a password or a value of the row that failed.

Values of people are where they belong: rejected rows in `output/rejects/`, accepted ones in `output/marts/` and the
tables; the report names students by name and id. Everything else (what is printed, Luigi's log, the run summary, the
insights, the ledger but its rejects, the server's log) is read by people and machines that need none of them.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import logging
import random
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote

import openpyxl
import psycopg2
import pytest
from conftest import ROWS, House, csv_text, json_text
from test_bad_input import LUIGI, held, somebody_waits
from test_durability import running, wait_until

from pipeline.datasets import DATASETS
from pipeline.sources.formats import open_file
from pipeline.sources.never_stored import is_secret
from targets.postgres.connection import Database, DatabaseError

PASSWORD, KEY = "pl4nted-p4ssword", "gsk_pl4nted0key"
# Of a student whose rows fail; by name and id the report may show an accepted one.
PERSON = {
    "full_name": "Quuxley Zaphod", "email": "quuxley.zaphod@galaxy.example", "phone": "9845098450",
    "dob": "1987-06-05", "fee_paid": "7654321.98", "city": "Zaphodville",
}  # fmt: skip
OF_ROSTER = {"student_name": "Quuxley Zaphod", "class_id": "CLASS-9ZAPHOD"}
TICKET = {"subject": "Zaphod asks", "description": "Call Quuxley at 9845098450, it concerns the Zaphod family"}
MARKERS = ("quuxley", "zaphod", "9845098450", "98450-98450", "1987-06-05", "7654321")
SECRETS = (PASSWORD, KEY)
QUIET = ("run_summary.md", "run_summary.json", "insights.md")


@pytest.fixture
def guarded(house: House, cluster: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> House:
    """The house with a password in the URL of its database, and a key for a model that nobody serves."""
    with_password = house.environment["EDUFLOW_DATABASE"].replace("@/", f":{PASSWORD}@/")
    planted = {"EDUFLOW_DATABASE": with_password, "EDUFLOW_LLM": "on", "GROQ_API_KEY": KEY}
    for name, value in {**planted, "GROQ_BASE_URL": "http://127.0.0.1:1", "EDUFLOW_LLM_RETRIES": "0"}.items():
        house.environment[name] = value
        monkeypatch.setenv(name, value)
    return house


def people(house: House, day: int) -> None:
    """Files of one day that hold the person in good rows and in bad ones."""
    person = {**PERSON, "email": f"quuxley.zaphod{day}@galaxy.example"}  # something new, or it would not be written
    rows = {
        "students_enrollment": [{}, *({"student_id": i, **person} for i in ("STU077", "STU078", "Zaphod"))],
        "students": [{}, {"student_id": "STU077", **OF_ROSTER}, {"student_id": "Quuxley", **OF_ROSTER}],
        "support_tickets": [{}, {"ticket_id": "T7", "student_id": "STU077", **TICKET}, {"ticket_id": "", **TICKET}],
        "student_progress": [{"student_id": "STU077"}, {"event_id": "", "module_id": "Zaphod"}],
        "attendance": [{"student_id": "STU077"}, {"attendance_id": "Q", "status": "Zaphod was ill"}],
        "assessments": [{"student_id": "STU077"}, {"assessment_id": "Q", "score": "Zaphod"}],
        "city_master": [{}, {"city_name": "", "state_name": "Zaphod"}],
        "course_catalog": [{}, {"course_id": "", "instructor_name": "Dr. Zaphod"}],
    }
    for dataset, given in rows.items():
        remark = {**ROWS[dataset], DATASETS[dataset].key: f"r{day}"}
        if DATASETS[dataset].key == "student_id":
            remark["student_id"] = f"STU{100 + day}"
        house.rows(f"2024-02-{day:02}/{dataset}.csv", dataset, *given, remark)


def told(house: House, *said: str) -> str:
    """Everything that must be silent, in lower case."""
    ledger = ["etl.runs", "etl.targets", "etl.checks", "etl.rule_stats", "etl.llm_usage", "etl.files"]
    rows = [house.query(f"select * from {table}") for table in ledger]
    rows += [house.query("select path, reason, format, profile from etl.drops")]
    files = [(house.output / name).read_text() for name in QUIET if (house.output / name).exists()]
    metrics = [path.read_text() for path in house.output.rglob("*.prom")]
    return "\n".join([*said, str(rows), *files, *metrics]).lower()


def assert_silent(text: str, what: str) -> None:
    found = [marker for marker in (*MARKERS, *SECRETS) if marker in text]
    assert not found, f"{what} says {found}: ...{text[max(0, text.find(found[0]) - 200) :][:400]}..."


# what is done to the database before a run, and after it; first what needs a table without rows
DAMAGE = {
    "a text too long for its column": (
        "alter table staging.stg_tickets alter description type varchar(20)",
        "alter table staging.stg_tickets alter description type text",
    ),
    "a text that is no number": (
        "alter table raw.support_tickets alter subject type integer using 0",
        "alter table raw.support_tickets alter subject type text",
    ),
    "a key that comes twice": (
        "create unique index broken on warehouse.dim_students (full_name) where student_id in ('STU077', 'STU078')",
        "drop index warehouse.broken",
    ),
    "a number too large for its column": (
        "alter table warehouse.fact_enrollments alter fee_paid type numeric(6,2)",
        "alter table warehouse.fact_enrollments alter fee_paid type numeric(14,2)",
    ),
    "a check of a staged column": (
        "alter table staging.stg_enrollments add constraint broken check (full_name not like 'Quux%') not valid",
        "alter table staging.stg_enrollments drop constraint broken",
    ),
    "a value that is missing": (
        "alter table raw.students add constraint broken check (student_name is null) not valid",
        "alter table raw.students drop constraint broken",
    ),
    "a trigger that quotes the row": (
        """
        create function staging.quote() returns trigger language plpgsql as
        $$ begin raise exception 'no %', new; end $$;
        create trigger quote before insert on staging.stg_enrollments for each row execute function staging.quote()
        """,
        "drop function staging.quote() cascade",
    ),
    "a trigger that fails": (
        """
        create function staging.divide() returns trigger language plpgsql as
        $$ begin perform new.full_name::integer; return new; end $$;
        create trigger divide before insert on staging.stg_enrollments for each row execute function staging.divide()
        """,
        "drop function staging.divide() cascade",
    ),
    "a dimension": (
        "alter table warehouse.dim_students add constraint broken check (email not like 'quux%') not valid",
        "alter table warehouse.dim_students drop constraint broken",
    ),
    "the ledger of rejects": (
        "alter table etl.rejects add constraint broken check (original::text not like '%Zaphod%') not valid",
        "alter table etl.rejects drop constraint broken",
    ),
    "a mart": (
        "alter table analytics.student_360 add constraint broken check (full_name not like 'Quux%') not valid",
        "alter table analytics.student_360 drop constraint broken",
    ),
}  # fmt: skip


@pytest.mark.usefixtures("trusting")
def test_a_row_that_breaks_whatever_rule_of_the_database_is_not_quoted(guarded, capsys, caplog):
    caplog.set_level(logging.DEBUG, logger="luigi-interface")
    for day, (what, (damage, repair)) in enumerate(DAMAGE.items(), 1):
        people(guarded, day)
        guarded.query(damage)
        assert guarded.run() == 30, what
        said = capsys.readouterr()
        assert "could not be made" in said.err and "Traceback" not in said.err, what
        assert_silent(told(guarded, said.out, said.err, caplog.text), what)
        guarded.query(repair)
    assert guarded.run() == 0
    said = capsys.readouterr()
    assert_silent(told(guarded, said.out, said.err, caplog.text), "a good run")
    page = (guarded.output / "report.html").read_text().lower()
    assert not [marker for marker in (*MARKERS[2:], *SECRETS) if marker in page]
    assert PASSWORD not in str(guarded.query("select * from etl.llm_usage"))
    kept = "".join(path.read_text() for path in guarded.output.glob("rejects/*.csv")).lower()
    assert "zaphod was ill" in kept  # where it may be, it is: the search would find it


def test_the_log_of_the_server_holds_neither(guarded, cluster):
    people(guarded, 1)
    guarded.query(DAMAGE["a check of a staged column"][0])
    assert guarded.run() == 30
    logs = [path.read_text(errors="replace") for path in _logs_of(cluster)]
    assert logs
    assert_silent("\n".join(logs).lower(), "pg.log")


def _logs_of(cluster: dict[str, str]) -> list[Path]:
    connection = psycopg2.connect(**cluster)
    with connection.cursor() as cursor:
        cursor.execute("show data_directory")
        data = Path(cursor.fetchone()[0])
    connection.close()
    return [path for path in data.parent.glob("pg.log*") if path.is_file()]


@pytest.mark.parametrize("command", [("-m", "pipeline", "run"), (*LUIGI, "--log-level", "DEBUG")], ids=["run", "luigi"])
def test_a_database_that_goes_away_in_the_middle_is_named_without_its_password(guarded, cluster, command):
    people(guarded, 1)
    name = guarded.one("select current_database()")
    try:
        with running(guarded, *command) as process:
            with held(guarded, "warehouse.fact_support_tickets"):
                wait_until(process, lambda: somebody_waits(guarded))
                admin(cluster, f"alter database {name} allow_connections false")
            admin(cluster, f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")
            said = process.communicate(timeout=60)[0]
    finally:
        admin(cluster, f"alter database {name} allow_connections true")
    assert process.returncode not in (0, None)
    assert_silent(told(guarded, said), "a run cut off")
    assert guarded.run() == 0


def admin(cluster: dict[str, str], statement: str) -> list[tuple]:
    connection = psycopg2.connect(**cluster)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def in_the_way(house: House) -> None:
    house.output.mkdir()
    (house.output / "rejects").write_text("")


def a_file(house: House) -> None:
    house.output.write_text("")


@pytest.mark.parametrize("obstacle", [in_the_way, a_file], ids=["a file named like a folder", "no folder"])
def test_an_output_that_cannot_be_written_is_told_without_either(guarded, capsys, caplog, obstacle):
    people(guarded, 1)
    obstacle(guarded)
    assert guarded.run() == 30
    said = capsys.readouterr()
    assert_silent("\n".join([said.out, said.err, caplog.text]).lower(), "a full disk")


@pytest.mark.parametrize("verb", [["plan"], ["account"], ["account", "1"], ["check"], ["verify"]])
def test_no_verb_but_those_that_show_rows_shows_a_value_or_a_secret(guarded, capsys, verb):
    people(guarded, 1)
    assert guarded.run() == 0
    capsys.readouterr()
    guarded.do(*verb)
    said = capsys.readouterr()
    assert_silent((said.out + said.err).lower(), verb[0])


@pytest.mark.parametrize("verb", [["plan"], ["run"], ["sql", "select 1"], ["verify"]])
def test_a_database_that_is_not_there_is_named_without_its_password(guarded, capsys, monkeypatch, verb):
    monkeypatch.setenv("EDUFLOW_DATABASE", f"postgresql://u:{PASSWORD}@127.0.0.1:1/x")
    assert guarded.do(*verb) == 1
    said = capsys.readouterr()
    assert "***" in said.err and PASSWORD not in said.out + said.err


# --- passwords that nobody escaped ----------------------------------------------------------------------------------


def pieces(password: str) -> set[str]:
    return {password[at : at + 4] for at in range(len(password) - 3)}


def raw_passwords(count: int) -> list[str]:
    """Of letters that stand in no message of ours, and of what separates the parts of a URL."""
    chance = random.Random(11)
    some = ["".join(chance.choices("QXZJ7890", k=4)) + mark + "ZQ90XJ78" for mark in ":/@%?#[]&="]
    odd = ["".join(chance.choices("QXZJ7890" + "@:/%?#[]&=" * 2, k=chance.randint(8, 24))) for _ in range(count)]
    return [*some, *(f"{mark}{password}" for mark in ":/@?#" for password in some[:5]), *odd]


FORMS = (
    "postgresql+psycopg2://eduflow:{}@127.0.0.1:1/school",
    "postgresql://eduflow:{}@127.0.0.1:1/school?connect_timeout=2",
    "postgresql://eduflow:{}@/school?host=/nowhere&port=1",
    "postgresql://eduflow:{}@localhost.invalid/",
    "postgresql://127.0.0.1:1/school?user=eduflow&password={}",
    "postgresql://127.0.0.1:1/school?password={}&sslmode=prefer",
)


def test_no_piece_of_a_password_that_nobody_escaped_is_in_any_error_or_name():
    for password in raw_passwords(250):
        for form in FORMS:
            url = form.format(password)
            database = Database(url, Path("unused"))
            said = [repr(database)]
            for what in (lambda: str(database), database.keywords, database.connect):  # noqa: B023 - called here
                try:
                    answer = what()
                except DatabaseError as error:
                    said.append(str(error))
                else:
                    said += [answer] if isinstance(answer, str) else []
            found = [piece for piece in pieces(password) for text in said if piece in text]
            assert not found, f"{url}: {said}"


@pytest.mark.parametrize("mark", list("@/?"))
@pytest.mark.parametrize("verb", [["plan"], ["run"], ["account"], ["sql", "select 1"], ["verify"]])
def test_a_url_that_can_be_split_in_two_ways_is_not_tried_and_says_how_to_escape(
    house, capsys, caplog, monkeypatch, verb, mark
):
    caplog.set_level(logging.DEBUG)
    password = f"ZQ90{mark}XJ78{mark}QQ77"
    monkeypatch.setenv("EDUFLOW_DATABASE", f"postgresql://eduflow:{password}@127.0.0.1:1/school")
    assert house.do(*verb) == 1
    said = capsys.readouterr()
    assert "%40" in said.err and "PGPASSFILE" in said.err and said.err.count("\n") == 1
    assert not [piece for piece in pieces(password) if piece in said.out + said.err + caplog.text]


def test_an_escaped_password_and_one_with_a_colon_reach_the_server_as_they_are():
    for password in ("ZQ:90", "a#b[c]", "p@:/%?#[]&= q"):
        for given in {quote(password, safe=""), *([password] if not set(password) & set("@/?%") else [])}:
            database = Database(f"postgresql://eduflow:{given}@127.0.0.1:1/school", Path("unused"))
            assert database.keywords()["password"] == password
            assert str(database) == "postgresql://eduflow:***@127.0.0.1:1/school"


def test_a_password_in_the_drivers_own_variable_is_used(house, cluster, monkeypatch, tmp_path):
    admin(cluster, "do $$ begin create role carol login password 'p@:/%'; exception when others then null; end $$")
    with socket.socket() as none:
        none.bind(("127.0.0.1", 0))
        port = none.getsockname()[1]
    monkeypatch.setenv("PGPASSWORD", "p@:/%")
    with pytest.raises(DatabaseError) as refused:  # nothing listens there, yet the URL is whole without a password
        Database(f"postgresql://carol@127.0.0.1:{port}/x", tmp_path).connect()
    assert "127.0.0.1" in str(refused.value) and "p@:/%" not in str(refused.value)


@pytest.mark.parametrize(
    "password", ["ZQ90XJ78", "ZQ90@XJ78", "ZQ90/XJ78", "ZQ90?XJ78", "50%ZQ90", "%(ZQ90)s", "ZQ:90X"]
)
def test_luigi_cfg_takes_no_password_however_it_is_written(house, monkeypatch, tmp_path, password):
    (tmp_path / "luigi.cfg").write_text(f"[eduflow]\ndatabase = postgresql://eduflow:{password}@127.0.0.1:1/x\n")
    done = house.command("-m", "pipeline", "plan", LUIGI_CONFIG_PATH=str(tmp_path / "luigi.cfg"), EDUFLOW_DATABASE="")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "luigi.cfg [eduflow] database" in done.stderr
    assert not [piece for piece in pieces(password) if piece in done.stdout + done.stderr]


@pytest.mark.parametrize("password", ["ZQ90XJ78", "ZQ90@XJ78", "ZQ90/XJ78", "ZQ90%XJ78", "ZQ90:XJ78", "ZQ90[XJ78"])
def test_the_password_in_the_url_of_a_scheduler_is_not_printed(house, password):
    url = f"http://eduflow:{password}@127.0.0.1:1"
    done = house.command("-m", "pipeline", "run", "--scheduler", url)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert not [piece for piece in pieces(password) if piece in done.stdout + done.stderr]


# --- passwords and tokens in the files themselves ---------------------------------------------------------------------

HIDDEN = "hunter2-pl4nted"
SECRET_NAMES = [
    *("password", "Passwd", "PWD", "token", "SECRET", "userPassword", "api_token", "client-secret", "Passwort"),
    *(
        "User Password",
        "password_hash",
        "passwordHash",
        "password2",
        "login.pwd",
        "APIToken",
        "apiTokens",
        "accesstoken",
    ),
    *(
        "TOKEN_ID",
        "pass word",
        "passWord",
        "ｐａｓｓｗｏｒｄ",
        "secretKey",
        "reset_token_value",
        "kennwort",
        "my passwords",
    ),
]
OTHER_NAMES = [
    *("tokens_used", "secretary", "secretary_name", "tokenizer", "passed", "passport_no", "pass", "word", "photo ken"),
    *("user", "", "column 5", "notes", "Secretariat", "pin_code", "key", "compass"),
]


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_name_of_a_password_or_token_is_known(name):
    assert is_secret(name) and is_secret(f"{name} (2)")


def test_no_other_name_is_taken_for_one_and_none_of_a_declaration():
    declarations = [column for dataset in DATASETS.values() for column in dataset.columns]
    names = [name for column in declarations for name in (column.name, *column.aliases)]
    assert [name for name in (*OTHER_NAMES, *names) if is_secret(name)] == []
    assert [name for dataset in DATASETS.values() for name in dataset.never_store] == []


def test_a_dataset_may_declare_more_of_them(tmp_path):
    dataset = dataclasses.replace(DATASETS["city_master"], never_store=("Door Code",))
    for name, text in {
        "city_master.csv": csv_text("city_master", {})
        .replace("city_name", "doorCode,city_name")
        .replace("\n", f"\n{HIDDEN},", 1),
        "city_master.json": json_text("city_master", {"door_code": HIDDEN}),
        "city_master.jsonl": json_text("city_master", {"door": {"code": HIDDEN}}, lines=True)
        + f'{{"DOOR-CODE": "{HIDDEN}\n',
    }.items():
        (tmp_path / name).write_text(text)
        with open_file(tmp_path / name, dataset) as source:
            rows = [row for table in source.tables() for row in table.to_pylist()]
        assert HIDDEN not in str(rows) and len(source.columns.never_stored) == 1 and not source.columns.extra


def with_secrets() -> dict[str, str]:
    """Files with a password in each row: sound rows, rejected ones, and records of another shape."""
    columns = [*ROWS["support_tickets"], "userPassword", "note"]
    rows = [{**ROWS["support_tickets"], "ticket_id": key} for key in ("TKT001", "TKT002", "")]
    lines = [",".join([*row.values(), HIDDEN, "kept note"]) for row in rows]
    ragged = [f"TKT003,{HIDDEN}", f"{lines[0]},one more", f"{HIDDEN},{lines[1]}"]
    nested: dict[str, Any] = {
        "password": HIDDEN,
        "login": {"name": "kept name", "api_token": HIDDEN, "more": {"secret": {"value": HIDDEN}}},
        "logins": [{"pwd": HIDDEN, "name": "kept too"}, [{"Token": HIDDEN}]],
    }
    good = [
        {**nested, "attendance_id": "A1"},
        {**nested, "attendance_id": ""},
        {**nested, "attendance_id": "A3", "x": "\0"},
    ]
    broken = [f'{{"password": "{HIDDEN}', f'{{"pass\\u0077ord": "{HIDDEN}", "a": "\\ud800"}}', '{"note": "kept record']
    return {
        "support_tickets.csv": "\n".join([",".join(columns), *lines, *ragged]) + "\n",
        "attendance.jsonl": json_text("attendance", *good, lines=True) + "\n".join(broken) + "\n",
        "city_master.json": json_text("city_master", {"client-secret": HIDDEN}),
    }


def everything(house: House) -> str:
    """All rows of all tables, and all files that were written."""
    query = "select schemaname || '.' || tablename from pg_tables where schemaname !~ '^(pg_|information_schema)'"
    rows = [str(house.query(f"select t::text from {table} as t")) for (table,) in house.query(query)]
    files = [path.read_bytes().decode(errors="replace") for path in house.output.rglob("*") if path.is_file()]
    return "\n".join([*rows, *files])


@pytest.mark.usefixtures("trusting")  # it holds rows that are meant to be bad
def test_passwords_and_tokens_are_stored_nowhere(house, capsys, caplog):
    for name, text in with_secrets().items():
        house.drop(name, text)
    book = openpyxl.Workbook()
    book.active.append([*ROWS["students"], "Password"])
    book.active.append([*ROWS["students"].values(), HIDDEN])
    book.active.append(["no digits", *list(ROWS["students"].values())[1:], HIDDEN])
    book.save(house.data / "students.xlsx")
    assert house.run() == 0
    said = capsys.readouterr()
    told = said.out + said.err + caplog.text
    assert HIDDEN not in everything(house) and HIDDEN not in told
    for kept in ("kept note", "kept name", "kept too", "kept record"):
        assert kept in everything(house), kept
    assert "column 'userPassword' is never stored" in told and "column 'client-secret' is never stored" in told
    names = dict(house.query("select dataset, format -> 'never_stored' from etl.drops"))
    assert names["support_tickets"] == ["userPassword"] and names["students"] == ["Password"]
    assert set(names["attendance"]) == {"password", "api_token", "secret", "pwd", "Token"}
    assert (
        house.balance() and house.one("select count(*) from raw.support_tickets where _record = '[never stored]'") == 3
    )
    for dataset, path in (("support_tickets", "support_tickets.csv"), ("students", "students.xlsx")):
        sha = house.one("select sha256 from etl.drops where dataset = %s", dataset)
        assert sha == hashlib.sha256((house.data / path).read_bytes()).hexdigest()
    drop = house.one("select drop_id from etl.drops where dataset = 'support_tickets'")
    assert house.do("account", str(drop)) == 0
    assert "column 'userPassword' is never stored" in capsys.readouterr().out
    (rejects,) = (house.output / "rejects").glob("support_tickets.rejects-*.csv")
    lines = list(csv.reader(rejects.open(newline="")))
    place = lines[0].index("userPassword")
    assert [line[place] for line in lines[1:]] == [""] * 4 and lines[1][place + 1] == "kept note"


def test_a_column_that_is_never_stored_is_missed_by_no_row_and_no_place(tmp_path):
    """The other columns outside the declaration keep their places in the header."""
    path = tmp_path / "city_master.csv"
    path.write_text("token,city_name,b,state_name,state_code,token,common_misspellings,d\nX,Pune,1,M,MH,Y,,2\n")
    with open_file(path, DATASETS["city_master"]) as source:
        (row,) = next(source.tables()).to_pylist()
    assert source.columns.never_stored == ("token", "token (2)") and source.columns.extra == ("b", "d")
    assert json.loads(row["_extra"]) == {"3": "1", "8": "2"}
