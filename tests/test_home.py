"""Homes: where a school's data, settings and database are, and that two of them never meet."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from init_db import server
from pipeline import home as homes
from pipeline.cli.home import commented
from pipeline.config import PROJECT, ConfigError
from tests.conftest import csv_text, url

pytestmark = pytest.mark.integration


class Command:
    """`eduflow` as a process of its own, in a folder, with nothing of ours in the environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ours = ("EDUFLOW_", "GROQ_", "MAKE", "MFLAGS")
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        self.environment["PYTHONPATH"] = str(PROJECT)

    def __call__(self, *arguments: str | Path, code: int = 0, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", *map(str, arguments)],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    tmp_path.chmod(0o711)
    yield Command(tmp_path)
    for kept in tmp_path.rglob("home.json"):  # root's clusters lie elsewhere
        home = homes.Home(kept.parent.parent)
        server.remove(home.database_folder())
        if not os.geteuid():
            shutil.rmtree(home.database_folder().parent, ignore_errors=True)


def school(folder: Path, name: str = "Asha Rao") -> None:
    (folder / "data" / "students_enrollment.csv").write_text(
        csv_text("students_enrollment", {"full_name": name, "student_id": "STU001"})
    )


def names(command: Command, *where: str | Path) -> str:
    return command(*where, "sql", "select string_agg(full_name, ', ') as n from warehouse.dim_students", "--csv")


def test_init_makes_a_home_that_runs_and_is_found_from_inside(command, tmp_path):
    said = command("init", "hill school")
    home = tmp_path / "hill school"
    assert "home of hill school" in said and "sources.toml" in said
    assert sorted(path.name for path in home.iterdir()) == [
        ".eduflow", "README.md", "data", "luigi.cfg", "output", "sources.toml",
    ]  # fmt: skip
    assert len((home / "README.md").read_text().splitlines()) == 3
    school(home)
    command("-C", home, "run", "Warehouse")
    command.folder = home / "data"
    assert "Asha Rao" in names(command)
    assert "home already" in command("init", home)


def test_outside_of_any_home_a_verb_says_how_to_make_one(command):
    assert "eduflow init FOLDER" in command("plan", code=1)
    assert "is no home" in command("-C", "/", "plan", code=1)
    assert "EDUFLOW_HOME=/nowhere is no home" in command("plan", code=1, EDUFLOW_HOME="/nowhere")


def test_a_renamed_home_keeps_its_database(command, tmp_path):
    command("init", "before")
    school(tmp_path / "before")
    command("-C", "before", "run", "Warehouse")
    (tmp_path / "before").rename(tmp_path / "after é")
    assert "Nothing to do" in command("-C", "after é", "run", "Warehouse")
    assert "Asha Rao" in names(command, "-C", "after é")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root keeps its databases outside the home")
def test_a_copied_home_does_not_share_roots_database(command, tmp_path):
    command("init", "one")
    school(tmp_path / "one")
    command("-C", "one", "run", "Warehouse")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert "is a copy of the home" in command("-C", "two", "run", "Warehouse", code=1)
    shutil.rmtree(tmp_path / "two" / ".eduflow")
    command("-C", "two", "run", "Warehouse")
    assert homes.Home(tmp_path / "one").id != homes.Home(tmp_path / "two").id


def test_an_empty_database_beside_a_home_that_had_one_needs_new(command, tmp_path):
    command("init", "home")
    school(tmp_path / "home")
    command("-C", "home", "run", "Warehouse")
    server.remove(homes.Home(tmp_path / "home").database_folder())
    for verb in ("run", "plan", "account"):
        said = command("-C", "home", verb, code=1)
        assert "is EMPTY" in said and "--new" in said and "restore" in said
    command("-C", "home", "run", "Warehouse", "--new")
    assert "Asha Rao" in names(command, "-C", "home")


def test_two_homes_never_write_into_one_database(command, tmp_path, cluster):
    name = f"test_home_{os.getpid()}"
    admin = psycopg2.connect(**cluster)
    admin.autocommit = True
    admin.cursor().execute(f"create database {name}")
    shared = {"EDUFLOW_DATABASE": url(cluster, name)}
    try:
        for each in ("one", "two"):
            command("init", each)
            school(tmp_path / each, each.title())
        command("-C", "one", "run", "Warehouse", **shared)
        assert "belongs to another home, 'one'" in command("-C", "two", "run", "Warehouse", code=1, **shared)
        shutil.rmtree(tmp_path / "one")
        assert "now the home of the database of 'one'" in command("init", "--adopt", "two", **shared)
        command("-C", "two", "run", "Warehouse", **shared)
    finally:
        admin.cursor().execute(f"drop database {name} with (force)")
        admin.close()


@pytest.mark.parametrize("content", ["", "{}", "[]", "garbage", '{"id": "../../tmp/x"}', '{"id": 7, "databases": "x"}'])
def test_a_damaged_home_json_is_one_line_and_starts_no_other_database(command, tmp_path, content):
    command("init", "home")
    kept = tmp_path / "home" / ".eduflow" / "home.json"
    before = kept.read_text()
    kept.write_text(content)
    said = command("-C", "home", "plan", code=1)
    assert "home.json is damaged" in said and "init --adopt" in said and len(said.splitlines()) == 1
    kept.write_text(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root keeps its databases outside the home")
def test_a_lost_home_json_is_said_and_adopt_finds_roots_database_again(command, tmp_path):
    command("init", "hill é")
    school(tmp_path / "hill é")
    command("-C", "hill é", "run", "Warehouse")
    kept = tmp_path / "hill é" / ".eduflow" / "home.json"
    before = json.loads(kept.read_text())["id"]
    kept.unlink()
    for arguments in (("-C", "hill é", "run"), ("init", "hill é")):
        said = command(*arguments, code=1)
        assert "home.json is missing" in said and f"lies in /var/lib/eduflow/{before}" in said
        assert not kept.exists()
    own = {"EDUFLOW_DATABASE": "postgresql://nobody@127.0.0.1:1/none"}
    assert "home.json is missing" not in command("-C", "hill é", "plan", code=1, **own), "its database is another"
    kept.write_text('{"id": "0123456789ab"}')  # as a run on a server of one's own makes it
    assert f"lies in /var/lib/eduflow/{before}" in command("-C", "hill é", "run", code=1)
    assert "is again the home" in command("init", "--adopt", "hill é")
    assert "Nothing to do" in command("-C", "hill é", "run", "Warehouse")
    assert "Asha Rao" in names(command, "-C", "hill é")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root keeps its databases outside the home")
def test_root_does_not_start_a_database_beside_that_of_the_homes_user(command, tmp_path):
    command("init", "home")
    own = tmp_path / "home" / ".eduflow" / "pg"
    own.mkdir()
    (own / "PG_VERSION").write_text("18")
    os.chown(own, 65534, 65534)
    assert "as nobody, not as root" in command("-C", "home", "run", code=1)
    shutil.rmtree(own)


def test_a_home_in_the_data_of_another_home_is_refused(command, tmp_path):
    command("init", "outer")
    assert "in the data folder of another home" in command("init", "outer/data/inner", code=1)
    assert not (tmp_path / "outer/data/inner").exists()
    command("init", "outer/schools/inner")


def test_a_luigi_cfg_that_is_none_is_one_line(command, tmp_path):
    command("init", "home")
    for content in (b"[eduflow\nworkers = 1", b"[eduflow]\nworkers = \xe9", b"workers = 1"):
        (tmp_path / "home" / "luigi.cfg").write_bytes(content)
        said = command("-C", "home", "plan", code=1)
        assert "luigi.cfg" in said and len(said.splitlines()) == 1


# --- the sample -----------------------------------------------------------------------------------------------------


@pytest.fixture
def sample(tmp_path):
    """A copy of the sample's data folder."""
    return shutil.copytree(PROJECT / "data", tmp_path / "sample")


def test_the_list_of_the_samples_files_is_true():
    there = {str(path.relative_to(PROJECT / "data")) for path in (PROJECT / "data").rglob("*") if path.is_file()}
    listed = (PROJECT / "data" / homes.SAMPLE).read_text().splitlines()
    assert set(listed) == {path for path in there if not path.endswith("README.md") and path != homes.SAMPLE}


def test_a_schools_file_among_the_samples_is_not_loaded(house, sample, monkeypatch, capsys):
    monkeypatch.setenv("EDUFLOW_DATA_DIR", str(sample))
    (sample / "attendance_2024-03-01.csv").write_text(csv_text("attendance", {"attendance_id": "OURS1"}))
    house.run("Clean")
    assert "is no file of the sample" in capsys.readouterr().out
    assert house.one("select count(*) from staging.stg_attendance where attendance_id = 'OURS1'") == 0
    assert house.one("select count(*) from staging.stg_attendance") == 584


def test_a_school_never_comes_into_the_database_of_the_sample(house, sample, monkeypatch, capsys):
    monkeypatch.setenv("EDUFLOW_DATA_DIR", str(sample))
    assert house.run("Ingest") == 0
    monkeypatch.setenv("EDUFLOW_DATA_DIR", str(house.data))
    house.rows("students.csv", "students", {})
    assert house.run("Ingest") != 0
    assert "They must not meet" in capsys.readouterr().err
    assert house.one("select count(*) from etl.drops where path = 'students.csv'") == 0


def test_nor_the_sample_into_a_schools(house, sample, monkeypatch, capsys):
    house.rows("students.csv", "students", {})
    assert house.run("Ingest") == 0
    monkeypatch.setenv("EDUFLOW_DATA_DIR", str(sample))
    assert house.run("Ingest") != 0
    assert "eduflow init FOLDER" in capsys.readouterr().err
    assert house.one("select count(*) from etl.drops") == 1


# --- settings of a home ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content, said",
    [
        ("[school]\nname = \n", "line 2"),
        ("[school]\nnaem = 'x'", "unknown key school.naem; did you mean school.name?"),
        ("[scool]\nname = 'x'", "unknown section scool; did you mean school?"),
        ("school = 3", "school is a section"),
    ],
)
def test_sources_toml_says_what_it_does_not_understand(tmp_path, content, said):
    (tmp_path / "sources.toml").write_text(content)
    with pytest.raises(ConfigError, match=said.replace("?", r"\?")):
        _ = homes.Home(tmp_path).name


def test_the_name_of_a_home_is_the_schools(tmp_path):
    assert homes.Home(tmp_path).name == tmp_path.name
    (tmp_path / "sources.toml").write_text('[school]\nname = "Hill School"\n')
    assert homes.Home(tmp_path).name == "Hill School"


def test_of_processes_that_start_at_once_all_see_one_id(tmp_path):
    program = f"from pathlib import Path; from pipeline.home import Home; print(Home(Path({str(tmp_path)!r})).id)"
    started = [
        subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    ids = {process.communicate(timeout=60)[0] for process in started}
    assert len(ids) == 1 and json.loads((tmp_path / ".eduflow" / "home.json").read_text())["id"] == ids.pop().strip()


def test_the_settings_of_a_new_home_are_comments_over_the_defaults():
    settings = commented(homes.packaged().read_text())
    assert "\n# guard_overlap = 0.7\n" in settings and "\n[retcode]\nalready_running = 10\n" in settings


def test_plain_luigi_reads_the_settings_of_the_home_that_the_environment_names(house, tmp_path):
    (tmp_path / "luigi.cfg").write_text("[eduflow]\nas_of = nonsense\n")
    done = house.command("-m", "luigi", "--module", "pipeline", "RawStudents", "--local-scheduler")
    assert "as_of must be a date" in done.stderr and done.returncode != 0
