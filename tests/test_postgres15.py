"""PostgreSQL 15, the oldest that is promised: an owner without superuser, and the tables of the embedded 18."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
from conftest import PROJECT, House

from targets.postgres.connection import Database

pytestmark = pytest.mark.integration

OWNER = "school"
# Text sorts as English does: the embedded server sorts by code point, and the tables must not depend on it.
INITDB = "-U postgres -A trust -E UTF8 --locale=C.UTF-8 --locale-provider=icu --icu-locale=en-US"


def installed() -> list[Path]:
    """The bin folders of the servers that Debian's packages have installed, from 15 on."""
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    return sorted(path for path in found if path.parent.name.isdigit() and int(path.parent.name) >= 15)


SERVERS = [pytest.param(path, id=path.parent.name) for path in installed()] or [
    pytest.param(None, marks=pytest.mark.skip("no PostgreSQL of Debian here: apt-get install postgresql"))
]


@dataclass
class Server:
    """A server of its own in a temporary folder, reached by its socket there, run by a user that is not root."""

    binaries: Path
    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def sh(self, command: str) -> str:
        """A shell command as the server's user, in its folder; what it prints."""
        path = f"{self.binaries}:/usr/bin:/bin"
        run: dict[str, Any] = {"env": {"PATH": path, "PGHOST": str(self.folder), "PGUSER": "postgres", "LC_ALL": "C"}}
        if not os.geteuid():
            user = pwd.getpwnam("postgres")
            run |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        with (self.folder / "printed").open("w+") as printed:  # a pipe would stay open in the server that pg_ctl starts
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", command], cwd=self.folder, stdout=printed, stderr=printed, **run
            )
            printed.seek(0)
            text = printed.read()
        assert done.returncode == 0, text
        return text

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off -c autovacuum=off -c hot_standby=off"
        self.sh(f"pg_ctl -D data -w -o '{options}' -l log start")

    def stop(self, how: str = "fast") -> None:
        self.sh(f"pg_ctl -D data -w -m {how} stop")


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(request.param, Path(tempfile.mkdtemp(prefix="eduflow-pg-")))
    if not os.geteuid():  # PostgreSQL refuses to run as root
        shutil.chown(server.folder, "postgres", "postgres")
    try:
        server.sh(f"initdb -D data {INITDB}")
        server.start()
        yield server
    finally:
        if (server.data / "postmaster.pid").exists():
            server.stop("immediate")
        shutil.rmtree(server.folder)


@pytest.fixture
def external(server: Server) -> str:
    """The URL of a database on such a server, owned by a role that may do nothing else."""
    administrator = psycopg2.connect(host=str(server.folder), user="postgres", dbname="postgres")
    administrator.autocommit = True
    with administrator.cursor() as cursor:
        cursor.execute(f"create role {OWNER} login nosuperuser nocreatedb nocreaterole")
        cursor.execute(f"create database {OWNER} owner {OWNER} template template0 encoding 'UTF8'")
    administrator.close()
    return f"postgresql+psycopg2://{OWNER}@/{OWNER}?host={quote(str(server.folder), safe='')}"


def load(house: House) -> dict[str, str]:
    """The sample, a day at a time; the digest of every derived table."""
    shutil.rmtree(house.data)
    for day in ("2024-02-08", "2024-02-09"):
        shutil.copytree(PROJECT / "data" / day, house.data / day)
        ends_well(house, "run")
    return digests(house)


def digests(house: House) -> dict[str, str]:
    return {table: hashlib.sha256(repr(rows).encode()).hexdigest() for table, rows in house.contents().items()}


def ends_well(house: House, *arguments: str) -> None:
    done = house.command("-m", "pipeline", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_owner_without_superuser_gets_the_tables_of_the_embedded_server(house, external, tmp_path):
    embedded = load(house)
    theirs = House(house.data, tmp_path / "theirs", Database(external, tmp_path), dict(house.environment))
    theirs.environment |= {"EDUFLOW_DATABASE": external, "EDUFLOW_OUTPUT_DIR": str(theirs.output)}
    assert theirs.one("select not rolsuper and not rolcreaterole from pg_roles where rolname = current_user")
    assert theirs.one("select datlocprovider = 'i' from pg_database where datname = current_database()")
    assert load(theirs) == embedded
    assert len(embedded) > 30, "the whole graph, not a part of it"
    builds = theirs.builds()
    ends_well(theirs, "run")
    assert theirs.rebuilt_since(builds) == set()
    for source in (theirs, house):  # the embedded server is a newer one: a school that outgrows it moves like this
        kept = str(tmp_path / f"kept of {source.output.name}")
        ends_well(source, "backup", kept)
        ends_well(theirs, "purge", "--yes")
        ends_well(theirs, "restore", kept)
        ends_well(theirs, "run")
        assert digests(theirs) == embedded


def test_the_log_archive_of_the_handbook_brings_back_any_moment(server):
    """docs/operations.md, Backup and Restore: its settings and its command, /backup being elsewhere."""
    handbook = (PROJECT / "docs/operations.md").read_text().replace("/backup", str(server.folder / "backup"))
    settings = handbook.partition("# postgresql.conf\n")[2].partition("```")[0]
    copy = re.search(r"(?m)^pg_basebackup .+$", handbook)
    restore = re.search(r"restore_command = '[^']+'", handbook)
    assert copy and restore
    server.sh("mkdir -p backup/wal backup/base")
    with (server.data / "postgresql.conf").open("a") as conf:
        conf.write(settings)
    server.stop()
    server.start()
    server.sh("psql -qc 'create role replicator login replication; create table marks (mark int)'")
    server.sh(copy[0].replace("--host localhost", f"--host {server.folder}"))
    server.sh("psql -qc 'insert into marks values (1)'")
    moment = server.sh("psql -Atc 'select clock_timestamp()'").strip()
    server.sh("psql -qc 'delete from marks'")
    server.sh("psql -qAtc 'select pg_switch_wal()'")
    server.stop()  # it waits until the last piece is archived
    server.sh("mv data lost && mkdir -m 0700 data")
    server.sh("tar -xzf backup/base/*/base.tar.gz -C data && touch data/recovery.signal")
    with (server.data / "postgresql.conf").open("a") as conf:
        conf.write(f"{restore[0]}\nrecovery_target_time = '{moment}'\nrecovery_target_action = promote\n")
    server.start()
    # it answers, read only, before it has replayed everything
    server.sh("timeout 60 sh -c 'until psql -Atc \"select pg_is_in_recovery()\" | grep -q f; do sleep 0.1; done'")
    assert server.sh("psql -Atc 'select mark from marks'") == "1\n"
