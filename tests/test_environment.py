"""What surrounds a run goes wrong: the disk, the database, the line to it, the clock, the locale, the user, luigid.

Each time the run ends soon, says what to do and shows no secret; what it left is whole; and once the fault is gone,
one more run ends where an undisturbed one does.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from init_db import server
from pipeline.datasets import DATASETS
from targets.postgres import connection, lifeline
from targets.postgres.connection import Database
from tests import surroundings
from tests.conftest import PROJECT, House, csv_text, url
from tests.surroundings import Proxy, as_nobody, clock, disk, files_of, remount
from tests.waiting import until

pytestmark = pytest.mark.integration

RUN = ("-m", "pipeline", "run")
ROOT = os.geteuid() == 0
SECRET = "Tr0ub4dor"


def fill(house: Any) -> None:
    """Two days of three datasets: corrections, a duplicate, a rejected row, dirt."""
    students = [{"student_id": f"STU{n:03}", "email": f"s{n}@example.org"} for n in range(1, 9)]
    house.rows("2024-02-01/students_enrollment.csv", "students_enrollment", *students, {"student_id": "NOBODY"})
    events = [{"event_id": f"e{n}", "student_id": f"stu-{n % 9}", "score": str(n)} for n in range(120)]
    house.rows("2024-02-01/student_progress.csv", "student_progress", *events, events[-1], {"event_id": ""})
    house.rows("2024-02-02/student_progress.csv", "student_progress", {"event_id": "e7", "score": "99"})
    house.rows("2024-02-02/support_tickets.csv", "support_tickets", {"description": "It is broken.\nReally, é!"})


@pytest.fixture
def filled(house: House) -> House:
    fill(house)
    return house


@pytest.fixture(scope="module")
def undisturbed(cluster: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Any]:
    """The tables and files of a run that nothing disturbed."""
    folder, name = tmp_path_factory.mktemp("undisturbed"), f"undisturbed_{os.getpid()}"
    admin = psycopg2.connect(**cluster)
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"create database {name} template template_eduflow")
    environment = {
        "EDUFLOW_DATABASE": url(cluster, name),
        "EDUFLOW_DATA_DIR": str(folder / "data"),
        "EDUFLOW_OUTPUT_DIR": str(folder / "output"),
        "EDUFLOW_LLM": "off",
    }
    house = House(folder / "data", folder / "output", Database(environment["EDUFLOW_DATABASE"], folder), environment)
    fill(house)
    done = house.command(*RUN)
    assert done.returncode == 0, done.stdout + done.stderr
    result = house.contents(), files_of(house.output)
    with admin.cursor() as cursor:
        cursor.execute(f"drop database {name}")
    admin.close()
    return result


def complains(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """It failed, says these words, and neither a traceback nor the password."""
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert all(word in said for word in words), said
    assert "Traceback" not in said and SECRET not in said


def ends_as_undisturbed(house: House, undisturbed: tuple[dict[str, Any], Any]) -> None:
    done = house.command(*RUN)
    assert done.returncode == 0, done.stdout + done.stderr
    tables, files = undisturbed
    assert house.contents() == tables
    assert files_of(house.output) == files
    assert house.command("-m", "pipeline", "verify").returncode == 0


# --- the disk -------------------------------------------------------------------------------------------------------


def test_a_full_disk_under_the_output_folder_leaves_whole_files_and_the_next_run_writes_the_rest(filled, undisturbed):
    with disk(filled.output, "48k"):
        complains(filled.command(*RUN), str(filled.output), "could not be written: No space left", "run again")
        assert files_of(filled.output).items() <= undisturbed[1].items()  # no half file, none set aside
        assert filled.contents() == undisturbed[0]  # the tables do not wait for files
        remount(filled.output, "size=20m")
        ends_as_undisturbed(filled, undisturbed)


def test_an_output_folder_that_is_read_only_keeps_its_files_and_is_named(filled, undisturbed):
    with disk(filled.output, "20m"):
        assert filled.command(*RUN).returncode == 0
        before = files_of(filled.output)
        filled.rows("2024-02-03/student_progress.csv", "student_progress", {"event_id": "e8", "score": "12"})
        remount(filled.output, "ro")
        complains(filled.command(*RUN), str(filled.output), "could not be written: Read-only file system")
        assert files_of(filled.output) == before
        remount(filled.output, "rw")
        assert filled.command(*RUN).returncode == 0
        assert files_of(filled.output) != before


def test_a_file_where_the_output_folder_should_be_is_named(filled, undisturbed):
    filled.output.write_text("thesis")
    complains(filled.command(*RUN), f"{filled.output} could not be written", "EDUFLOW_OUTPUT_DIR")
    assert filled.output.read_text() == "thesis"
    filled.output.unlink()
    ends_as_undisturbed(filled, undisturbed)


@pytest.fixture
def passable() -> Iterator[Path]:
    """A folder that the service user of a root's server may pass; pytest's own is private."""
    folder = Path(tempfile.mkdtemp(prefix="eduflow-env-"))
    folder.chmod(0o755)
    yield folder
    for directory in folder.rglob("pg"):
        server.remove(directory)
    shutil.rmtree(folder, ignore_errors=True)


def test_a_full_disk_under_the_embedded_cluster_is_named_and_loses_nothing(passable, tmp_path, monkeypatch):
    with disk(passable / "disk", "400m") as folder:
        house = embedded(folder / "pg", tmp_path)
        monkeypatch.setenv("EDUFLOW_DATABASE", "")
        house.rows("2024-02-01/students_enrollment.csv", "students_enrollment", {})
        assert house.command(*RUN, "Ingest").returncode == 0
        lines = [f"k{n},STU{n % 50:03},CRS001,login,2024-02-01T10:00:00Z,1,{n % 100},M1,1" for n in range(80_000)]
        house.drop("2024-02-02/student_progress.csv", "\n".join([csv_text("student_progress").strip(), *lines, ""]))
        other = folder / "something else"
        free = shutil.disk_usage(folder).free
        other.write_bytes(bytes(free - 3_000_000))
        complains(house.command(*RUN), "No space left on device")
        other.unlink()
        done = house.command(*RUN)
        assert done.returncode == 0, done.stdout + done.stderr
        assert (
            "k79999"
            in house.command(
                "-m", "pipeline", "sql", "select max(event_id) from staging.stg_progress where event_id like 'k7999_'"
            ).stdout
        )
        assert "80,000" in done.stdout
        assert house.command("-m", "pipeline", "verify").returncode == 0
        server.remove(folder / "pg")


def test_no_room_for_a_cluster_at_all_is_said_and_nothing_of_it_stays(passable, tmp_path):
    with disk(passable / "disk", "8m") as folder:
        house = embedded(folder / "pg", tmp_path)
        house.rows("2024-02-01/students_enrollment.csv", "students_enrollment", {})
        complains(house.command(*RUN), "No space left on device", "EDUFLOW_DATABASE_DIR")
        assert not (folder / "pg").exists()
        remount(folder, "size=300m")
        assert house.command(*RUN, "Ingest").returncode == 0
        server.remove(folder / "pg")


def embedded(directory: Path, tmp_path: Path) -> House:
    """A house on an embedded cluster of its own; it is asked through verbs."""
    environment = {
        "EDUFLOW_DATABASE": "",
        "EDUFLOW_DATABASE_DIR": str(directory),
        "EDUFLOW_DATA_DIR": str(tmp_path / "data"),
        "EDUFLOW_OUTPUT_DIR": str(tmp_path / "output"),
        "EDUFLOW_LLM": "off",
    }
    return House(tmp_path / "data", tmp_path / "output", Database("", directory), environment)


# --- the database and the line to it --------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [RUN, ("-m", "luigi", "--module", "pipeline", "EduFlow", "--local-scheduler")])
def test_a_database_that_is_down_or_does_not_answer_is_named_within_15_seconds(house, command):
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections, says nothing
        taken = []
        for port, reason in ((1, "Connection refused"), (mute.getsockname()[1], "timeout expired")):
            started = time.monotonic()
            address = f"postgresql+psycopg2://teacher:{SECRET}@127.0.0.1:{port}/school"
            complains(
                house.command(*command, EDUFLOW_DATABASE=address),
                "teacher:***@127.0.0.1",
                reason,
                "Check EDUFLOW_DATABASE",
            )
            taken.append(time.monotonic() - started)
    start_up, with_timeout = taken
    assert with_timeout - start_up < 13  # on a busy machine starting Python alone takes longer


def test_a_wrong_password_is_said_and_not_shown(passable, tmp_path):
    directory = passable / "pg"
    keywords = server.start(directory)
    rules = directory / "pg_hba.conf"
    rules.write_text("local all teacher scram-sha-256\n" + rules.read_text())
    connection = psycopg2.connect(**keywords)
    with connection, connection.cursor() as cursor:
        cursor.execute("create role teacher login password 'another'; select pg_reload_conf()")
    connection.close()
    address = f"postgresql+psycopg2://teacher:{SECRET}@/postgres?host={keywords['host']}"
    house = embedded(directory, tmp_path)
    house.data.mkdir()
    try:
        done = house.command(*RUN, EDUFLOW_DATABASE=address)
        complains(done, 'password authentication failed for user "teacher"', "Check EDUFLOW_DATABASE")
    finally:
        server.stop_if_last(directory)


@pytest.fixture
def proxy(cluster: dict[str, str]) -> Iterator[Proxy]:
    made = Proxy(f"{cluster['host']}/.s.PGSQL.{cluster['port']}")
    yield made
    made.close()


def through(proxy: Proxy, house: House) -> str:
    return f"postgresql+psycopg2://postgres@127.0.0.1:{proxy.port}/{house.one('select current_database()')}"


def silent_once_busy(proxy: Proxy, house: House, query: str) -> threading.Thread:
    """The proxy goes silent as soon as a connection of the run is at such a query."""
    busy = "select count(*) from pg_stat_activity where datname = current_database() and query ilike %s"
    connection = house.database.connect()  # one, and before the wait: the machine may be busy
    connection.autocommit = True

    def wait() -> None:
        with contextlib.closing(connection), connection.cursor() as cursor:

            def is_asked() -> bool:
                cursor.execute(busy + " and pid <> pg_backend_pid()", [query])
                return bool(cursor.fetchone()[0])

            until(is_asked)
        proxy.silent = True

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def big_drop(house: House, rows: int = 60_000) -> None:
    lines = [f"k{n},STU{n % 50:03},CRS001,login,2024-02-01T10:00:00Z,1,{n % 100},M1,1" for n in range(rows)]
    house.drop("2024-02-05/student_progress.csv", "\n".join([csv_text("student_progress").strip(), *lines, ""]))


@pytest.mark.faults  # a moment has to be met
@pytest.mark.parametrize("query", ["copy raw.student_progress%", "copy staging.%"])
def test_a_line_that_goes_silent_ends_the_run_and_the_next_one_completes(filled, proxy, monkeypatch, capfd, query):
    big_drop(filled)
    monkeypatch.setattr(lifeline, "PULSE", 0.2)
    monkeypatch.setattr(lifeline, "PATIENCE", 2)
    monkeypatch.setattr(connection, "TIMEOUT", 2)
    monkeypatch.setenv("EDUFLOW_DATABASE", through(proxy, filled))
    waiting = silent_once_busy(proxy, filled, query)
    started = time.monotonic()
    assert filled.run() != 0
    assert time.monotonic() - started < 30
    waiting.join()
    said = "".join(capfd.readouterr())
    assert "timeout expired. Check EDUFLOW_DATABASE" in said and "Traceback" not in said
    proxy.close()
    monkeypatch.setenv("EDUFLOW_DATABASE", filled.environment["EDUFLOW_DATABASE"])
    done = filled.command(*RUN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert filled.one("select count(*) from warehouse.fact_student_progress") == 60_120
    assert filled.command("-m", "pipeline", "verify").returncode == 0


@pytest.mark.faults
def test_a_silent_line_ends_a_real_run_within_a_minute(filled, proxy):
    big_drop(filled)
    waiting = silent_once_busy(proxy, filled, "copy raw.student_progress%")
    started = time.monotonic()
    done = filled.command(*RUN, EDUFLOW_DATABASE=through(proxy, filled))
    assert time.monotonic() - started < 60
    waiting.join()
    complains(done, "timeout expired. Check EDUFLOW_DATABASE")
    proxy.close()
    done = filled.command(*RUN)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_slow_statement_is_not_taken_for_a_silent_line(house, proxy, monkeypatch):
    monkeypatch.setattr(lifeline, "PULSE", 0.1)
    with Database(through(proxy, house), house.data).transaction() as db:
        assert db.exec_driver_sql("select pg_sleep(2), 1").one()[1] == 1


# --- clock, locale, user, place -------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_a_day_off_makes_no_difference_to_dated_drops(filled, undisturbed, days):
    done = filled.command(*RUN, **clock(days))
    assert done.returncode == 0, done.stderr
    assert filled.contents() == undisturbed[0]
    ends_as_undisturbed(filled, undisturbed)


def test_an_undated_drop_is_never_dated_before_the_last_one_of_its_path(house, tmp_path):
    dates = []
    for score, days in (("10", 0), ("20", -1), ("30", 2), ("40", -3)):
        house.rows("student_progress.csv", "student_progress", {"score": score})
        done = house.command(*RUN, "Clean", **clock(days))
        assert done.returncode == 0, done.stderr
        dates.append(house.one("select drop_date from etl.drops order by drop_id desc limit 1"))
        assert house.one("select score from staging.stg_progress") == int(score)
    assert dates == sorted(dates)
    assert [(day - dates[0]).days for day in dates] == [0, 0, 2, 2]


ELSEWHERE = {
    "plain C": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "TZ": "America/St_Johns"},
    "Turkish, in India": {
        "LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kolkata", "PGTZ": "Pacific/Apia", "PGDATESTYLE": "German",
        "PGOPTIONS": "-c intervalstyle=iso_8601 -c extra_float_digits=0 -c bytea_output=escape -c lc_numeric=C",
        "PGCLIENTENCODING": "LATIN1",
    },
}  # fmt: skip


@pytest.mark.parametrize("environment", ELSEWHERE.values(), ids=list(ELSEWHERE))
def test_locale_and_time_zone_make_no_difference(filled, undisturbed, environment):
    name = filled.one("select current_database()")
    filled.query(f"alter database {name} set datestyle = 'SQL, DMY'; alter database {name} set timezone = 'Asia/Tokyo'")
    done = filled.command(*RUN, **environment)
    assert done.returncode == 0, done.stderr
    assert filled.contents() == undisturbed[0]
    assert files_of(filled.output) == undisturbed[1]


def test_another_user_runs_a_copy_in_a_folder_with_blanks_and_an_accent(passable, undisturbed):
    folder = passable / "Notes de l'école 100%" / "edu flow é"
    folder.mkdir(parents=True)
    for name in surroundings.OURS:
        copy = shutil.copy2 if (PROJECT / name).is_file() else shutil.copytree
        copy(PROJECT / name, folder / name)
    fill(House(folder / "data", folder / "output", Database("", folder), {}))
    if ROOT:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, "nobody")
    environment = {"HOME": str(folder), "EDUFLOW_LLM": "off"}
    done = as_nobody(folder, *RUN, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert files_of(folder / "output") == undisturbed[1]
    assert (folder / ".eduflow" / "pg" / "PG_VERSION").stat().st_uid == (folder / "data").stat().st_uid
    assert "Nothing to do" in as_nobody(folder, *RUN, **environment).stdout


@pytest.mark.skipif(not ROOT, reason="needs two users")
def test_another_user_who_may_not_write_there_is_told_so(filled, undisturbed):
    filled.output.mkdir(mode=0o755)
    filled.output.parent.chmod(0o755)
    unix = {**filled.environment, "HOME": "/nonexistent"}
    unix |= {"EDUFLOW_DATABASE_DIR": str(filled.output / "pg"), "EDUFLOW_DATABASE": "", "EDUFLOW_READER": ""}
    done = as_nobody(PROJECT, *RUN, **unix)
    complains(done, "Permission denied", "EDUFLOW_DATABASE_DIR")


# --- luigid ---------------------------------------------------------------------------------------------------------


def test_a_luigid_that_dies_ends_the_run_with_one_sentence_and_the_next_one_completes(filled, undisturbed, central):
    address, luigid = central
    command = [sys.executable, *RUN, "--verbose", "--scheduler", address]
    environment = {**os.environ, **filled.environment}
    run = subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert run.stdout
    said = ""
    for line in run.stdout:
        said += line
        if "] staging." in line:
            luigid.send_signal(signal.SIGKILL)
            killed = time.monotonic()
            break
    said += run.stdout.read()
    assert run.wait(60) == 40, said
    assert time.monotonic() - killed < 40
    assert "The central scheduler does not answer" in said and "Traceback" not in said
    ends_as_undisturbed(filled, undisturbed)


def test_every_dataset_of_the_undisturbed_run_has_rows(undisturbed):
    """Else equal would mean little."""
    tables = undisturbed[0]
    filled = {"students_enrollment", "student_progress", "support_tickets"}
    assert all(tables[f"staging.{DATASETS[name].table}"] for name in filled)
    assert len(undisturbed[1]) > 20
