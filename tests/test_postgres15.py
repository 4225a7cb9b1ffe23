"""PostgreSQL 15, the oldest that is promised: an owner without superuser, and the tables of the embedded 18."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg2
import pytest
from conftest import PROJECT, House

from targets.database import Database

OWNER = "school"
# Text sorts as English does: the embedded server sorts by code point, and the tables must not depend on it.
INITDB = ("-Upostgres", "-Atrust", "-EUTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")


def installed() -> list[Path]:
    """The bin folders of the servers that Debian's packages have installed, from 15 on."""
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    return sorted(path for path in found if path.parent.name.isdigit() and int(path.parent.name) >= 15)


SERVERS = [pytest.param(path, id=path.parent.name) for path in installed()] or [
    pytest.param(None, marks=pytest.mark.skip("no PostgreSQL of Debian here: apt-get install postgresql"))
]


@pytest.fixture(params=SERVERS)
def external(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database on such a server, owned by a role that may do nothing else."""
    binaries: Path = request.param
    folder = Path(tempfile.mkdtemp(prefix="eduflow-pg-"))
    run: dict[str, object] = {"check": True, "cwd": folder, "capture_output": True, "text": True, "timeout": 60}
    if not os.geteuid():  # PostgreSQL refuses to run as root
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        run |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    data = folder / "data"
    control = [str(binaries / "pg_ctl"), "-D", str(data), "-w"]
    options = f"-k {folder} -c listen_addresses='' -c fsync=off -c autovacuum=off"
    try:
        subprocess.run([binaries / "initdb", "-D", data, *INITDB], **run)
        subprocess.run([*control, "-o", options, "-l", str(folder / "log"), "start"], **run | {"capture_output": False})
        administrator = psycopg2.connect(host=str(folder), user="postgres", dbname="postgres")
        administrator.autocommit = True
        with administrator.cursor() as cursor:
            cursor.execute(f"create role {OWNER} login nosuperuser nocreatedb nocreaterole")
            cursor.execute(f"create database {OWNER} owner {OWNER} template template0 encoding 'UTF8'")
        administrator.close()
        yield f"postgresql+psycopg2://{OWNER}@/{OWNER}?host={quote(str(folder), safe='')}"
    finally:
        if (data / "postmaster.pid").exists():
            subprocess.run([*control, "-m", "immediate", "stop"], **run)
        shutil.rmtree(folder)


def load(house: House) -> dict[str, str]:
    """The sample, a day at a time; the digest of every derived table."""
    shutil.rmtree(house.data)
    for day in ("2024-02-08", "2024-02-09"):
        shutil.copytree(PROJECT / "data" / day, house.data / day)
        done = house.command("-m", "pipeline", "run")
        assert done.returncode == 0, done.stdout + done.stderr
    return {table: hashlib.sha256(repr(rows).encode()).hexdigest() for table, rows in house.contents().items()}


def test_an_owner_without_superuser_gets_the_tables_of_the_embedded_server(house, external, tmp_path):
    embedded = load(house)
    theirs = House(house.data, tmp_path / "theirs", Database(external, tmp_path), dict(house.environment))
    theirs.environment |= {"EDUFLOW_DATABASE": external, "EDUFLOW_OUTPUT_DIR": str(theirs.output)}
    assert theirs.one("select not rolsuper and not rolcreaterole from pg_roles where rolname = current_user")
    assert theirs.one("select datlocprovider = 'i' from pg_database where datname = current_database()")
    assert load(theirs) == embedded
    assert len(embedded) > 30, "the whole graph, not a part of it"
    builds = theirs.builds()
    assert theirs.command("-m", "pipeline", "run").returncode == 0
    assert theirs.rebuilt_since(builds) == set()
