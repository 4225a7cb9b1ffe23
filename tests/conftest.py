"""A real PostgreSQL for every test: one embedded server per session, one database per test made from a template."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from bench.digests import TABLES
from init_db import create_derived, migrate, server
from init_db.cluster import READER
from pipeline.cli import main
from pipeline.datasets import DATASETS
from pipeline.home import Home
from pipeline.run import begin_run
from targets.postgres.connection import Database
from targets.reader import MAKE_LOGIN
from tests.faults.runs import Nursery
from tests.waiting import until

PROJECT = Path(__file__).parent.parent
NUMBERS = count(1)
DATABASES = {"cluster", "external"}  # the fixtures that start a server


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are cores: many tests wait for a clock, a server or another process."""
    return (os.cpu_count() or 1) * 3 // 2


def pytest_configure(config: pytest.Config) -> None:
    """Which tiers run: of a file or test that is named all but `faults`, else those of `make test`."""
    if not config.option.markexpr:
        named = config.args_source is pytest.Config.ArgsSource.ARGS
        config.option.markexpr = "not faults" if named else "not integration and not faults"
    # Tests started in the background of a shell ignore Ctrl-C, and so would every process that they start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that asks for a database is an integration test, unless it is marked as one of `make test`."""
    for item in items:
        if DATABASES & set(getattr(item, "fixturenames", ())) and not item.get_closest_marker("smoke"):
            item.add_marker("integration")


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """The bytes of a workbook hold the time it was made: by them a test would be called otherwise in every worker."""
    return argname if isinstance(val, bytes) else None


# A guard that trusts what comes: for files of few and bad rows, made to be loaded.
TRUSTING = {
    f"EDUFLOW_GUARD_{key}": value
    for key, value in {
        "MISSING": "2", "CLASS": "0", "OVERLAP": "0", "REJECTED": "1", "REPEATED": "1", "UNREAD": "1",
    }.items()
}  # fmt: skip

# One clean row per dataset, to be varied: column -> text. By its declaration, but where tests build on certain values.
ROWS = {name: {column.name: column.sample for column in dataset.columns} for name, dataset in DATASETS.items()} | {
    "students_enrollment": {
        "student_id": "STU001", "full_name": "Asha Rao", "email": "asha@example.org", "phone": "5550100001",
        "dob": "2000-01-31", "gender": "F", "city": "Pune", "state": "Maharashtra", "enrollment_date": "2024-01-10",
        "program_id": "PROG001", "fee_paid": "50000", "payment_status": "Paid",
    },
    "student_progress": {
        "event_id": "evt-001", "student_id": "STU001", "course_id": "CRS001", "event_type": "video_watched",
        "event_timestamp": "2024-02-01T10:00:00Z", "duration_seconds": "600", "score": "80", "module_id": "MOD001",
        "completion_percentage": "10",
    },
    "course_catalog": {
        "course_id": "CRS001", "course_name": "Algebra", "category": "Technology", "difficulty": "Beginner",
        "duration_hours": "40", "price": "1000", "instructor_name": "Dr. Devi", "is_active": "TRUE",
    },
    "support_tickets": {
        "ticket_id": "TKT001", "student_id": "STU001", "subject": "Help", "description": "It does not load",
        "priority": "High", "status": "Open", "category": "Technical", "created_date": "2024-02-01",
        "resolved_date": "",
    },
    "city_master": {
        "city_name": "Pune", "state_name": "Maharashtra", "state_code": "MH", "common_misspellings": "Poona",
    },
    "students": {
        "student_id": "STU001", "student_name": "Asha Rao", "class_id": "CLASS-10A", "grade_level": "10",
        "enrollment_status": "ACTIVE", "updated_at": "2024-01-10T09:00:00Z",
    },
    "attendance": {
        "attendance_id": "ATT001", "student_id": "STU001", "attendance_date": "2024-02-01", "status": "PRESENT",
        "created_at": "2024-02-01T09:00:00Z",
    },
    "assessments": {
        "assessment_id": "ASM001", "student_id": "STU001", "subject": "Mathematics", "score": "17.50",
        "max_score": "20", "assessment_date": "2024-02-01", "created_at": "2024-02-01T12:00:00Z",
    },
}  # fmt: skip


def csv_text(dataset: str, *rows: dict[str, str], columns: list[str] | None = None) -> str:
    """A file of the dataset: each row given as what differs from the clean one."""
    columns = columns or list(DATASETS[dataset].column_names)
    lines = [",".join(columns)]
    for row in rows:
        values = {**ROWS[dataset], **row}
        lines.append(",".join(_quoted(values[name]) for name in columns))
    return "\n".join(lines) + "\n"


def json_text(dataset: str, *rows: dict[str, Any], lines: bool = False) -> str:
    """The same as a JSON array, or one object a line; a value is any JSON value."""
    objects = [json.dumps({**ROWS[dataset], **row}, ensure_ascii=False) for row in rows]
    return "\n".join(objects) + "\n" if lines else "[" + ",\n ".join(objects) + "]\n"


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"' if set(value) & set(',"\n') else value


@dataclass
class House:
    """A data folder, an output folder and an empty database, as EduFlow sees them through the environment."""

    data: Path
    output: Path
    database: Database
    environment: dict[str, str]

    def drop(self, path: str, content: str | bytes) -> Path:
        """Put a file into the data folder."""
        file = self.data / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def rows(self, path: str, dataset: str, *rows: dict[str, str]) -> Path:
        return self.drop(path, csv_text(dataset, *rows))

    def do(self, *arguments: str) -> int:
        """A verb, in this process; returns the exit code."""
        return main(arguments)

    def run(self, goal: str = "EduFlow") -> int:
        return self.do("run", goal, "--verbose")

    def command(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A real process of Python: `-m pipeline run`, `-m luigi ...`."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=PROJECT,
            env={**os.environ, **self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )

    def start_anew(self) -> None:
        """Take everything out of the database, as `run --new` accepts it: as on the first day."""
        self.query("drop schema if exists raw, etl, staging, warehouse, analytics cascade")
        Home(Path(self.environment["EDUFLOW_HOME"])).forget_databases()
        begin_run()

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        connection = self.database.connect()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def extras(self, dataset: str, where: str = "true") -> list[dict[str, str]]:
        """Per row its filled cells outside the declaration, by the name of their column."""
        query = f"""
            select _extra, format -> 'header' from raw.{dataset} join etl.drops on drop_id = _drop_id
            where {where} order by _drop_id, _line
        """
        rows = self.query(query)
        return [
            {header[int(key) - 1] if key.isdecimal() else key: cell for key, cell in (cells or {}).items()}
            for cells, header in rows
        ]

    def one(self, statement: str, *values: Any) -> Any:
        return self.query(statement, *values)[0][0]

    def balance(self) -> list[tuple[int, ...]]:
        """(read, current, superseded, duplicate, rejected) of each staged drop, by date and path."""
        return self.query(
            "select read, current, superseded, duplicate, rejected from etl.drops where status = 'staged' "
            "order by drop_date, path, drop_id"
        )

    def builds(self) -> dict[str, int]:
        return dict(self.query("select target, build from etl.targets"))

    def rebuilt_since(self, before: dict[str, int]) -> set[str]:
        return {target for target, build in self.builds().items() if build != before.get(target)}

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every derived table, without the columns that say how it was loaded."""
        tables = self.query(TABLES)
        return {table: sorted(self.query(f"select {columns} from {table}"), key=repr) for table, columns in tables}


def _in_memory() -> Path | None:
    """A file system in memory with room for a cluster per worker, or None.

    A database per test is hundreds of files made and deleted; where many were just deleted, ext4 is slow to make one.
    """
    memory = Path("/dev/shm")
    return memory if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 << 30 else None


@pytest.fixture(scope="session")
def cluster() -> Iterator[dict[str, str]]:
    """The keywords of a server of our own, with a template database."""
    folder = Path(tempfile.mkdtemp(prefix="eduflow-test-", dir=_in_memory()))
    folder.chmod(0o711)  # the service user that a root's server runs as must pass
    keywords = server.start(folder / "pg")
    connection = psycopg2.connect(**keywords)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for setting in ("fsync = off", "full_page_writes = off", "checkpoint_timeout = '1h'", "max_wal_size = '512MB'"):
            cursor.execute(f"alter system set {setting}")  # this cluster is thrown away
        cursor.execute("select pg_reload_conf()")
        cursor.execute("create database template_eduflow")
        cursor.execute(MAKE_LOGIN)
    with Database(url(keywords, "template_eduflow"), folder).transaction() as db:
        migrate(db)
        create_derived(db)
    connection.close()
    yield keywords
    server.stop_if_last(folder / "pg")
    shutil.rmtree(folder, ignore_errors=True)


def url(keywords: dict[str, str], database: str) -> str:
    return f"postgresql+psycopg2://{keywords['user']}@/{database}?host={keywords['host']}&port={keywords['port']}"


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Starts runs without the second that importing everything takes."""
    nursery = Nursery(tmp_path_factory.mktemp("runs"))
    yield nursery
    nursery.close()


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard holds nothing by its limits: what a few bad rows become is looked at, not whether they wait."""
    for key, value in TRUSTING.items():
        monkeypatch.setenv(key, value)


@pytest.fixture
def no_earlier_clone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A clone that was here before this one, and was removed, may have left its database where root keeps them."""
    monkeypatch.setattr(server, "ROOT_FOLDER", tmp_path)


@pytest.fixture
def house(cluster: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    name = f"test_{os.getpid()}_{next(NUMBERS)}"
    admin = psycopg2.connect(**cluster)
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"create database {name} template template_eduflow strategy file_copy")  # 3 times as fast
    data, output = tmp_path / "data", tmp_path / "output"
    data.mkdir()
    (tmp_path / "sources.toml").touch()
    environment = {
        "EDUFLOW_HOME": str(tmp_path),
        "EDUFLOW_DATABASE": url(cluster, name),
        "EDUFLOW_READER": url({**cluster, "user": READER}, name),
        "EDUFLOW_DATA_DIR": str(data),
        "EDUFLOW_OUTPUT_DIR": str(output),
        "EDUFLOW_LLM": "off",  # whatever key is in the environment
    }
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.chdir(PROJECT)
    begin_run()
    yield House(data, output, Database(environment["EDUFLOW_DATABASE"], tmp_path), environment)
    with admin.cursor() as cursor:
        cursor.execute(f"drop database {name} with (force)")
    admin.close()


@pytest.fixture
def central(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A central scheduler: its URL, and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", "from luigi.cmdline import luigid; luigid()"]
    command += ["--address", "127.0.0.1", "--port", str(port)]
    log = (tmp_path / "luigid.log").open("wb")
    process = subprocess.Popen([*command, "--state-path", str(tmp_path / "state")], cwd=PROJECT, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{address}/api/task_list?data=%7B%7D", timeout=1):
            return True
        return False

    until(answers)
    yield address, process
    process.terminate()
    process.wait(10)
    log.close()


@pytest.fixture
def luigid(central: tuple[str, subprocess.Popen[bytes]]) -> str:
    """The URL of a central scheduler."""
    return central[0]
