"""The command line, whatever is typed and wherever: one line that helps, a documented exit code, no traceback."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from rich.cells import cell_len

from init_db.cluster import READER
from pipeline.cli import verbs
from pipeline.cli.tables import as_json, print_table
from pipeline.config import PROJECT
from tests.conftest import House, url
from tests.waiting import until

README = (PROJECT / "README.md").read_text()
DOCUMENTED = {int(code) for code in re.findall(r"(?m)(?:^|  )(\d+) [a-zC]", verbs.EXIT_CODES)}
ROOT = os.geteuid() == 0


@pytest.fixture
def filled(house: House) -> House:
    house.rows(
        "2024-02-08/students_enrollment.csv", "students_enrollment", {"student_id": "stu-3"}, {"student_id": "?"}
    )
    house.rows("2024-02-08/student_progress.csv", "student_progress", {"student_id": "3"}, {"event_id": "e9"})
    house.rows("2024-02-08/course_catalog.csv", "course_catalog", {"course_id": "crs001"})
    assert house.run("Marts") == 0
    return house


def said(process: subprocess.CompletedProcess[str], code: int) -> str:
    """What a process said on stderr: one line, with this exit code."""
    assert process.returncode == code, process.stdout + process.stderr
    assert "Traceback" not in process.stderr and len(process.stderr.splitlines()) == 1, process.stderr
    return process.stderr


# --- words ----------------------------------------------------------------------------------------------------------

REFUSED = [
    ("show nope", 1, "no mart 'nope'. Marts: ai_insights, "),
    ("trace event nope", 1, "No record of event 'nope'"),
    ("account 999", 1, "no drop 999"),
    ("approve 999", 1, "no drop 999"),
    ("retract 999", 1, "no drop 999"),
    ("refuse 999", 1, "no drop 999"),
    ("refuse 1 --undo", 1, "--undo is for one row"),
    ("forget nope", 1, "No target nope"),
    ("run Foo", 1, "no goal 'Foo'"),
    ("run --scheduler nonsense", 1, "--scheduler takes"),
    ("dictionary --to /proc/x", 1, "/proc/x can't be written"),
    ("backup /proc/x", 1, "can't be written"),
    ("restore /nowhere", 1, "can't be read"),
    ("trace student ?", 1, "'?' is no student_id"),
    ("explain nobody", 1, "'nobody' is no student_id"),
    ("account abc", 2, "'abc' is no whole number"),
    ("refuse 99999999999999999999", 2, "no whole number"),
    ("approve 0", 2, "no whole number"),
    ("run --workers 0", 2, "no whole number"),
    ("trace studnt 3", 2, "did you mean 'student'?"),
    ("chek", 2, "did you mean 'check'?"),
    ("check --jsn", 2, "--jsn"),
    ("show student_360 --csv --json", 2, "not allowed with"),
    ("init /proc/x", 1, "can't be made"),
]


def outcome(house: House, capsys: Any, *words: str) -> tuple[int, str]:
    """The exit code of a verb, in this process, and its one line."""
    capsys.readouterr()
    try:
        code = house.do(*words)
    except SystemExit as leave:
        code = int(str(leave.code))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, (words, lines)
    return code, lines[0]


def test_a_word_that_is_wrong_is_refused_in_one_line(filled, capsys):
    for words, code, what in REFUSED:
        found, line = outcome(filled, capsys, *words.split())
        assert (found, what in line) == (code, True), (words, found, line)
        assert code in DOCUMENTED
    assert outcome(filled, capsys, "trace", "student", "") == (1, "'' is no student_id.")
    assert outcome(filled, capsys, "trace", "city", "\udcff")[0] == 1


def test_on_a_fresh_database_every_verb_says_what_to_do(house, capsys):
    for words in ("show student_360", "explain 3", "trace student 3", "account 1", "refuse 1 --line 2", "approve 1"):
        assert outcome(house, capsys, *words.split())[0] == 1
    assert outcome(house, capsys, "sql", "")[0] == 1
    assert house.do("plan") == 0 and house.do("check") == 0 and house.do("verify") == 0
    assert house.do("status") == 25


@pytest.mark.parametrize(
    "name, value, code, what",
    [
        ("EDUFLOW_WORKERS", "0", 1, "workers must be a whole number above 0"),
        ("EDUFLOW_WORKRES", "2", 1, "did you mean EDUFLOW_WORKERS?"),
        ("EDUFLOW_HOME", "/nowhere", 1, "is no home"),
        ("EDUFLOW_DATA_DIR", "/nowhere", 20, "no data folder /nowhere"),
        ("EDUFLOW_DATA_DIR", "/etc/passwd", 20, "no data folder /etc/passwd"),
        ("EDUFLOW_DATABASE", "nonsense", 1, "is not a PostgreSQL URL"),
        ("EDUFLOW_DATABASE", "postgresql://x@127.0.0.1:1/x", 1, "Connection refused"),
    ],
)
def test_a_setting_that_cannot_be_is_said_in_one_line(house, capsys, monkeypatch, name, value, code, what):
    monkeypatch.delenv("EDUFLOW_READER")
    monkeypatch.setenv(name, value)
    for verb in ("run", "plan"):
        found, line = outcome(house, capsys, verb)
        assert (found, what in line) == (code, True), line


SETTINGS = [
    (".env", b"EDUFLOW_WORKERS=x", "workers must be a whole number"),
    (".env", b"# fine\n=s3cret\n", ".env line 2 is none of the form KEY=VALUE"),
    (".env", b"EDUFLOW_AS_OF=\xff", ".env can't be read: it is not UTF-8"),
    ("luigi.cfg", b"s3cret", "luigi.cfg is no valid configuration file: line 1"),
    ("luigi.cfg", b"[eduflow]\nas_of = \n[eduflow]\n", "luigi.cfg is no valid configuration file: line 3"),
    ("luigi.cfg", b"[eduflow]\nworkers s3cret\n", "luigi.cfg is no valid configuration file: line 2"),
    ("luigi.cfg", b"[eduflow]\n\xff = 1\n", "luigi.cfg can't be read: it is not UTF-8"),
    ("luigi.cfg", b"[eduflow]\nworkres = 1\n", "did you mean workers?"),
    ("sources.toml", b"[school\n", "sources.toml: "),
    ("sources.toml", b"[scool]\n", "did you mean school?"),
    ("sources.toml", b"\xff", "sources.toml can't be read: it is not UTF-8"),
]


@pytest.mark.parametrize("name, content, what", SETTINGS, ids=[f"{name}-{what}" for name, _, what in SETTINGS])
def test_a_settings_file_that_cannot_be_read_is_named_and_not_quoted(house, tmp_path, capsys, name, content, what):
    (tmp_path / name).write_bytes(content)
    code, line = outcome(house, capsys, "plan")
    assert code == 1 and what in line and "s3cret" not in line
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    if name != "sources.toml":  # without one, the folder is no home
        assert outcome(house, capsys, "plan") == (1, f"{tmp_path / name} can't be read: Is a directory" + (
            ". Who runs EduFlow must be able to (mode 0600)" if name == ".env" else ""
        ))  # fmt: skip


@pytest.mark.parametrize("name", [".env", "luigi.cfg", "sources.toml"])
def test_a_settings_file_without_the_right_to_read_it_is_named(house, tmp_path, name):
    (tmp_path / name).touch(mode=0)
    (tmp_path / name).chmod(0)
    bound = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"] if ROOT else []
    done = subprocess.run(
        [*bound, sys.executable, "-m", "eduflow", "plan"],
        cwd=PROJECT, env={**os.environ, **house.environment}, capture_output=True, text=True,
    )  # fmt: skip
    assert "can't be read: Permission denied" in said(done, 1)


def test_a_broken_luigi_cfg_of_the_folder_you_are_in_is_one_line(house, tmp_path):
    """Luigi reads it when it is imported."""
    (tmp_path / "luigi.cfg").write_text("s3cret")
    environment = {**os.environ, **house.environment, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "eduflow", "plan"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "luigi.cfg" in said(done, 1) and "s3cret" not in done.stderr


def test_a_database_without_the_right_to_create_is_one_line(house, cluster, capsys, monkeypatch):
    name = f"test_rights_{os.getpid()}"
    admin = psycopg2.connect(**cluster)
    admin.autocommit = True
    admin.cursor().execute(f"create database {name}")
    monkeypatch.setenv("EDUFLOW_DATABASE", url({**cluster, "user": READER}, name))
    monkeypatch.delenv("EDUFLOW_READER")
    try:
        for verb in ("run", "plan", "status", "account"):
            code, line = outcome(house, capsys, verb)
            assert code == 1 and "grant create on database" in line, line
    finally:
        admin.cursor().execute(f"drop database {name} with (force)")
        admin.close()


# --- streams and signals --------------------------------------------------------------------------------------------


def shell(house: House, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command of bash, in which E is eduflow; its exit code is that of the first in a pipe."""
    return subprocess.run(
        ["bash", "-c", f'E() {{ "$PYTHON" -m eduflow "$@"; }}; {command}; exit ${{PIPESTATUS[0]}}'],
        cwd=PROJECT,
        env={**os.environ, **house.environment, "PYTHON": sys.executable, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_reader_who_has_seen_enough_ends_nothing_with_a_traceback(filled):
    filled.drop("2024-02-09/support_tickets.csv", b"\xff\xfe broken")
    done = shell(filled, "E run --verbose | head -1")
    assert done.returncode == 30 and len(done.stdout.splitlines()) == 1 and "Traceback" not in done.stderr
    done = shell(filled, "E sql 'select generate_series(1, 1000000)' --json | head -1")
    assert (done.stdout, done.stderr, done.returncode) == ("[\n", "", 0)


def test_a_full_disk_under_the_output_is_one_line(filled):
    assert "No space left on device" in said(shell(filled, "E account >/dev/full"), 1)
    assert "No space left on device" in said(
        shell(filled, "E sql 'select generate_series(1, 99999)' --csv >/dev/full"), 1
    )


def test_closed_streams_and_a_locale_that_lacks_a_letter_stop_nothing(filled):
    done = shell(filled, "E status >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "sql needs a query" in said(shell(filled, "E sql - <&-"), 1)
    done = shell(filled, "E sql \"select 'हि' as a\"", PYTHONIOENCODING="latin-1")
    assert done.returncode == 0 and "\\u0939" in done.stdout


BUSY = """
    select count(*) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and state = 'active'
        and (wait_event_type = 'Lock' or wait_event = 'PgSleep')
"""


@pytest.mark.parametrize("words", [("sql", "select pg_sleep(100)"), ("account",), ("verify",), ("approve", "1")])
@pytest.mark.parametrize("sent, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_ends_a_verb_that_waits_in_one_line(filled, words, sent, code):
    if words[0] == "sql" and sent == signal.SIGTERM:
        pytest.skip("a query that only reads is ended by the server when its reader is gone")
    with contextlib.closing(filled.database.connect()) as other:
        if words[0] != "sql":
            other.cursor().execute("lock table etl.drops, etl.rejects in access exclusive mode")
        process = subprocess.Popen(
            [sys.executable, "-m", "eduflow", *words],
            cwd=PROJECT,
            env={**os.environ, **filled.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        until(lambda: process.poll() is not None or filled.one(BUSY))
        process.send_signal(sent)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (code, "Interrupted.\n")


# --- help -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", verbs.names())
def test_the_help_of_a_verb_is_a_sentence_and_an_example_that_it_takes(verb, capsys):
    with pytest.raises(SystemExit) as left:
        verbs.parser().parse_args([verb, "--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    example = re.search(r"Example: eduflow (.+)", shown)
    assert example and re.search(r"(?m)^[a-z].{10,}", shown)
    assert verbs.parser().parse_args(shlex.split(example[1])).verb == verb


def test_the_exit_codes_are_in_the_help_and_in_the_readme(capsys):
    with pytest.raises(SystemExit):
        verbs.parser().parse_args(["--help"])
    assert verbs.EXIT_CODES.strip() in capsys.readouterr().out
    assert {0, 1, 2, 20, 25, 30, 35, 40, 130, 143} == DOCUMENTED
    told = README.partition("Exit codes:")[2].partition("\n\n")[0]
    assert set(map(int, re.findall(r"\d+", told))) >= DOCUMENTED


# --- JSON and tables ------------------------------------------------------------------------------------------------


def document(house: House, capsys: Any, *words: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert house.do(*words, "--json") == code
    return json.loads(capsys.readouterr().out)


def test_what_a_verb_shows_it_also_gives_as_json(filled, capsys):
    assert set(document(filled, capsys, "plan")) == {"would_land", "database", "stale", "waiting_for"}
    filled.rows("2024-02-10/support_tickets.csv", "support_tickets", {})
    found = filled.command("-m", "eduflow", "plan", "--json")
    landing = {"path": "2024-02-10/support_tickets.csv", "dataset": "support_tickets", "drop_date": "2024-02-10"}
    assert json.loads(found.stdout)["would_land"] == [landing]
    drops = document(filled, capsys, "account")
    assert [drop["read"] for drop in drops] == [1, 2, 2]
    drop = next(drop["drop_id"] for drop in drops if drop["rejected"])
    one = document(filled, capsys, "account", str(drop))
    assert one["lost_rows"][0]["reasons"] == "student_id_invalid" and one["drop_date"] == "2024-02-08"
    assert one["held"] is None and one["decided_before"] == []
    way = document(filled, capsys, "trace", "student", "3")
    cells = [cell for record in way["records"] for cell in record["cells"] if cell["column"] == "student_id"]
    assert way["key"] == "STU003"
    assert {"column": "student_id", "before": "stu-3", "after": "STU003"} in cells
    assert {table["table"]: table["count"] for table in way["tables"]}["warehouse.dim_students"] == 1
    risk = document(filled, capsys, "explain", "3")
    assert risk["student_id"] == "STU003" and {"factor", "value", "threshold", "points"} == set(risk["factors"][0])
    assert {"layer", "severity", "name", "what", "offending", "sample"} == set(document(filled, capsys, "check")[0])
    assert document(filled, capsys, "show", "student_360", "--limit", "1")[0]["student_id"] == "STU001"


def test_json_of_a_query_has_the_types_of_json(filled, capsys):
    query = """select 1.50 as a, true as b, null as c, E'x\\x7f\\n"' as d, '{"k": [1]}'::jsonb as e,
        'NaN'::numeric as f, 1e20::float8 as g, date '2024-02-01' as h"""
    assert document(filled, capsys, "sql", query) == [
        {"a": 1.5, "b": True, "c": None, "d": 'x\x7f\n"', "e": {"k": [1]}, "f": "NaN", "g": 1e20, "h": "2024-02-01"}
    ]
    assert document(filled, capsys, "sql", "select 1 as a where false") == []
    assert outcome(filled, capsys, "sql", "select 1 as a, 2 as a", "--json")[0] == 1


def test_json_is_ascii_without_control_characters():
    assert as_json({"é\x1b\x7f": "\u0085"}) == '{"\\u00e9\\u001b\\u007f": "\\u0085"}'


@pytest.mark.parametrize("given", ["3", "stu-003", "STU003", " 3.0 "])
def test_an_id_is_taken_in_any_form_that_a_file_may_have_it(filled, capsys, given):
    for words in (("trace", "student", given), ("explain", given)):
        assert filled.do(*words) == 0
        assert "STU003" in capsys.readouterr().out
    assert filled.do("trace", "course", " CRS001 ") == 0
    assert "Did you mean e9?" in outcome(filled, capsys, "trace", "event", "E9")[1]


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: Any, width: int, rows: list[dict[str, Any]]) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    with contextlib.redirect_stdout(Terminal()) as screen:
        print_table(rows, tuple(rows[0]))
    return screen.getvalue().splitlines()


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_table_fits_the_terminal_and_cuts_no_number(monkeypatch, width):
    rows = [
        {
            "name": "अमित " * 10,
            "count": n * 1_000_003,
            "why": "a long reason that goes on " * 5,
            **dict.fromkeys("abcdefgh", "x" * 30),
        }
        for n in (1, 100)
    ]
    lines = on_terminal(monkeypatch, width, rows)
    assert max(map(cell_len, lines)) <= width
    if width > 20:  # the column after one that fills the screen
        assert sum("100000300" in line for line in lines) == 1
    if width < 200:
        assert "more columns do not fit: --csv or --json has all" in " ".join(" ".join(lines).split())
    assert not set("".join(lines)) & set("\x1b\x07")


def test_a_cell_cannot_steer_the_terminal(monkeypatch):
    text = "\n".join(on_terminal(monkeypatch, 80, [{"a": "\x1b[2J[bold]x[/bold]", "b": -1}, {"a": None, "b": 1_000}]))
    assert "\x1b" not in text and "[bold]x[/bold]" in text
    assert re.search(r"  -1\n", text)  # numbers to the right


def test_a_pipe_gets_plain_lines(capsys):
    print_table([{"a": "x" * 70, "n": "1,234"}, {"a": "y", "n": "5"}], ("a", "n"))
    assert capsys.readouterr().out.splitlines()[2:] == ["  " + "x" * 59 + "…  1,234", "  y" + " " * 61 + "    5"]


# --- the package ----------------------------------------------------------------------------------------------------


def environment_of(folder: Path) -> tuple[Path, Path]:
    """A virtualenv without pip that sees the packages of this one: its folder, and where its own packages go."""
    venv.create(folder, symlinks=True)
    own = next((folder / "lib").glob("python*/site-packages"))
    others = (
        folder.parent.parent / f"others of {folder.parent.stat().st_ino}"
    )  # a .pth of other letters stops Python in locale C
    others.symlink_to(sysconfig.get_path("purelib"))
    (own / "others.pth").write_text(f"{others}\n")
    return folder, own


def lone(folder: Path, *command: str | Path, **environment: str) -> str:
    """A process with nothing of ours in its environment; what it printed."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env={**kept, **environment}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a virtualenv in which the wheel of this project is installed, and nothing else of it."""
    pytest.importorskip("hatchling", reason="no hatchling to build the package with")
    folder = tmp_path_factory.mktemp("installed")
    folder.chmod(0o711)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build: list[Any] = [
        *pip,
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        folder / "wheels",
        PROJECT,
    ]
    lone(folder, *build)
    venv_folder, own = environment_of(folder / "a é" / ".venv")
    wheel = next((folder / "wheels").glob("eduflow-*.whl"))
    lone(folder, *pip, "--python", venv_folder / "bin/python", "install", "--no-deps", "--no-index", wheel)
    assert (own / "pipeline" / "luigi.cfg").is_file()
    return venv_folder / "bin"


def test_the_installed_package_works_from_any_folder(installed, house, tmp_path):
    home = tmp_path / "hill school"
    given = {"EDUFLOW_DATABASE": house.environment["EDUFLOW_DATABASE"]}
    assert re.fullmatch(r"eduflow \d+\.\d+\.\d+\n", lone(Path("/"), installed / "eduflow", "--version"))
    lone(tmp_path, installed / "eduflow", "init", "hill school")
    house.data = home / "data"
    house.rows("students_enrollment.csv", "students_enrollment", {"student_id": "stu-3"})
    assert "All good: " in lone(Path("/"), installed / "eduflow", "-C", home, "run", **given)
    assert (home / "output" / "report.html").stat().st_size > 10_000
    assert json.loads(lone(home / "data", installed / "eduflow", "show", "student_360", "--json", **given))
    written = lone(home, installed / "eduflow", "dictionary", **given)
    assert "written: docs/data-dictionary.md" in written
    program = "import pipeline.analytics as a, sys; print(list(a.student_360(limit=5, home=sys.argv[1]).student_id))"
    assert lone(Path("/"), installed / "python", "-c", program, home, **given) == "['STU003']\n"
    program = "from pipeline.analytics import student_360; print(len(student_360()))"
    assert lone(home / "data", installed / "python", "-c", program, **given) == "1\n"
    assert lone(Path("/"), installed / "python", "-c", program, EDUFLOW_HOME=str(home), **given) == "1\n"


def test_analytics_outside_of_a_home_says_how_to_name_one(monkeypatch, tmp_path):
    from pipeline.analytics import student_360
    from pipeline.config import ConfigError

    monkeypatch.delenv("EDUFLOW_HOME", raising=False)
    monkeypatch.chdir("/")
    with pytest.raises(ConfigError, match="EDUFLOW_HOME=FOLDER"):
        student_360()
    with pytest.raises(ConfigError, match="is no home"):
        student_360(home=tmp_path)


def test_the_command_that_make_installs_survives_a_rename_and_a_bare_locale(tmp_path):
    folder, moved = tmp_path / "a é", tmp_path / "b é"
    environment_of(folder / ".venv")
    for name in ("eduflow.py", "pipeline", "targets", "init_db", "agents", "luigi.cfg"):
        (folder / name).symlink_to(PROJECT / name)
    lone(folder, folder / ".venv/bin/python", PROJECT / ".ci/into-venv")
    version = lone(Path("/"), folder / ".venv/bin/eduflow", "--version")
    folder.rename(moved)
    (tmp_path / "link").symlink_to(moved / ".venv/bin/eduflow")
    (tmp_path / "pandas.py").write_text("raise SystemExit('a file that lies about is imported')")
    for command in (moved / ".venv/bin/eduflow", tmp_path / "link"):
        assert lone(tmp_path, command, "--version", LC_ALL="C") == version
    program = "import pipeline.analytics; print(pipeline.analytics.__name__)"
    assert lone(Path("/"), moved / ".venv/bin/python", "-c", program, LC_ALL="C") == "pipeline.analytics\n"


def test_make_clean_keeps_the_database_and_make_passes_a_failure_on(tmp_path):
    shutil.copy(PROJECT / "Makefile", tmp_path)
    for name in (".eduflow/pg/PG_VERSION", ".venv/bin/python", "output/README.md", "output/marts/x.csv", "data/a.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    lone(tmp_path, "make", "clean")
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"Makefile", ".eduflow/pg/PG_VERSION", "output/README.md", "data/a.csv"}
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").write_text("#!/bin/sh\nexit 30\n")
    (tmp_path / "bin/python").chmod(0o755)
    command = ["make", "run", "ready=", "BIN=bin"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and "Error 30" in done.stderr  # make has no other code for a command that failed
