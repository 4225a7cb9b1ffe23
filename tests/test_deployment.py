"""deploy/, docker-compose.yml and the workflow: what runs EduFlow every morning, and what watches it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote

import psycopg2
import pytest
import yaml
from test_postgres15 import external, server  # noqa: F401 - fixtures

from pipeline import config
from pipeline.cli import verbs
from pipeline.cli.home import make

PROJECT = Path(__file__).parent.parent
DEPLOY = PROJECT / "deploy"
PROMTOOL = shutil.which("promtool")
MOUNTS = not os.geteuid() and shutil.which("unshare") and not subprocess.call(["unshare", "--mount", "true"])


# --- alert rules ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool here")
def test_a_stopped_cron_a_failing_run_and_a_quiet_day_are_three_pictures():
    """The series and the alerts they must raise, and must not, stand in eduflow.rules.test.yml."""
    for arguments in (("check", "rules", "eduflow.rules.yml"), ("test", "rules", "eduflow.rules.test.yml")):
        done = subprocess.run([str(PROMTOOL), *arguments], cwd=DEPLOY, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_raised_and_held_back_in_its_tests():
    rules = yaml.safe_load((DEPLOY / "eduflow.rules.yml").read_text())["groups"][0]["rules"]
    tests = yaml.safe_load((DEPLOY / "eduflow.rules.test.yml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    names = {rule["alert"] for rule in rules}
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == names
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == names


# --- systemd and cron -----------------------------------------------------------------------------------------------


@pytest.mark.integration
@pytest.mark.skipif(
    not (MOUNTS and shutil.which("systemd-analyze") and shutil.which("setpriv") and shutil.which("useradd")),
    reason="needs root, systemd and a mount namespace of its own",
)
def test_the_three_commands_of_the_header_install_what_then_runs_and_mails_only_failures(tmp_path):
    """As deploy/ says, on a scratch /etc, /opt and /srv; the unit's command with all else read-only; then cron's."""
    python = (PROJECT / ".venv/bin/python").resolve().parents[1]
    command = ["unshare", "--mount", PROJECT / "tests/scratch_root.sh", PROJECT, python, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert done.returncode == 0, done.stderr + str(found)
    assert len(found["commands"].splitlines()) == 3
    header = (DEPLOY / "eduflow.service").read_text().split("[Unit]")[0]
    assert len(re.findall(r"^#   \S", header, flags=re.M)) == 3, "no other command"
    assert found["enabled"] == "/etc/systemd/system/eduflow.timer\n" and found["verify"] == ""
    assert found["missing_paths"] == "" and found["exit_code"] == "0\n", found["run"]
    assert {line.split()[1] for line in found["files"].splitlines()} == {"eduflow"}
    assert "All good" in found["run"] and "output/report.html" in found["files"]
    assert found["mail_good"] == ""
    first, *lines = found["mail_bad"].splitlines()
    assert first == "exit code 30" and lines[-1].startswith("Not all is well"), found["mail_bad"]
    assert len(lines) <= 45 and any("students_2024-02-10.csv" in line for line in lines)


def test_a_file_for_cron_d_can_be_read_by_cron():
    lines = [line for line in (DEPLOY / "eduflow.cron").read_text().splitlines() if line and line[0] not in "#"]
    schedule = [line for line in lines if not re.match(r"\w+=", line)]
    assert [line.split()[5] for line in schedule] == ["eduflow"], "the sixth field is the user"
    assert "%" not in schedule[0], "cron reads a percent sign as a line break"
    assert (DEPLOY / "eduflow.cron").read_text().endswith("\n")


# --- docker compose -------------------------------------------------------------------------------------------------

COMPOSE = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
PASSWORD = "it's \"o'd\" \\ $x:@/%"


def test_images_are_pinned_to_an_exact_version_or_a_digest():
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    images = [service["image"] for service in SERVICES.values() if "build" not in service]
    images += re.findall(r"(?m)^FROM (\S+)$", dockerfile)
    assert len(images) == 2
    for image in images:
        assert re.fullmatch(r"[a-z]+:\d+(\.\d+)+-[\w.-]+(@sha256:[0-9a-f]{64})?", image), image
    assert images[0].startswith("postgres:18.")


def test_the_volume_is_where_postgresql_18_keeps_its_data():
    assert "postgres18:/var/lib/postgresql" in SERVICES["postgres"]["volumes"]
    assert set(COMPOSE["volumes"]) == {"postgres18", "scheduler"}, (
        "the volume of an older server is not started by a newer one"
    )


def test_only_loopback_is_published_and_nothing_runs_as_root_but_what_prepares_the_folders():
    for name, service in SERVICES.items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        if "build" in service:
            assert service["pull_policy"] == "build", "its name may be somebody else's in a registry"
            assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
            assert (service["user"] == "0:0") == (name == "prepare")
    assert SERVICES["prepare"]["network_mode"] == "none"


def settings_in_the_container(home: Path, **environment: str) -> tuple[str, str]:
    """(database, data folder) as EduFlow reads them there: compose.env in place of .env, and the environment."""
    asked = "from pipeline import home, config; config.use(home.current()); s = config.settings()"
    command = [sys.executable, "-c", f"{asked}; print(s.database_url, s.data_dir)"]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("EDUFLOW_")}
    given = {**clean, "EDUFLOW_HOME": str(home), **environment}
    done = subprocess.run(command, cwd=PROJECT, env=given, capture_output=True, text=True, check=True)
    database, folder = done.stdout.split()
    return database, folder


def test_the_settings_of_env_reach_the_pipeline(tmp_path):
    """`environment` of compose beats `env_file`: it sets no key that .env may set."""
    pipeline = SERVICES["pipeline"]
    assert {key for key in pipeline["environment"] if key.startswith(("EDUFLOW_", "GROQ_"))} == {"EDUFLOW_HOME"}
    assert pipeline["environment"]["PGPASSWORD"].startswith("${PGPASSWORD:-${POSTGRES_PASSWORD:?"), "also in .env"
    assert pipeline["env_file"] == [{"path": "${EDUFLOW_HOME:-.}/.env", "required": False}]
    place = pipeline["environment"]["EDUFLOW_HOME"]
    assert pipeline["volumes"] == [
        f"${{EDUFLOW_HOME:-.}}:{place}",
        f"./deploy/compose.env:{place}/.env:ro",
        "scheduler:/run/eduflow",
    ]
    home, _ = make(tmp_path / "home")
    shutil.copy(DEPLOY / "compose.env", home.folder / ".env")
    usual = ("postgresql://eduflow@postgres:5432/eduflow", str(home.folder / "data"))
    assert settings_in_the_container(home.folder) == usual
    theirs = {"EDUFLOW_DATABASE": "postgresql://school@db.example.org/school", "EDUFLOW_DATA_DIR": "/srv/exports"}
    assert settings_in_the_container(home.folder, **theirs) == tuple(theirs.values())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders to another user")
def test_the_containers_user_can_write_in_a_home_made_by_root(request):
    home = Path(tempfile.mkdtemp(prefix="eduflow-home-"))  # not in pytest's folder, which is private
    request.addfinalizer(lambda: shutil.rmtree(home))
    home.chmod(0o755)
    (home / "output/marts").mkdir(parents=True)
    (home / "output/marts/as_of.csv").write_text("of an earlier run by root")
    (home / "secret").write_text("not the home's to give away")
    (home / "output/link").symlink_to(home / "secret")
    (home / ".env").write_text("POSTGRES_PASSWORD=x\n")
    (home / ".env").chmod(0o644)
    command = [word.replace("$$", "$") for word in SERVICES["prepare"]["command"]]
    environment = {**os.environ, "OWNER": "12345:12345"}
    assert SERVICES["prepare"]["environment"]["OWNER"] == SERVICES["pipeline"]["user"]
    subprocess.run(command, cwd=home, env=environment, check=True)
    wanted = "touch output/new .eduflow/new && echo x >output/marts/as_of.csv && ! cat .env"
    done = subprocess.run(["sh", "-c", wanted], cwd=home, user=12345, group=12345, extra_groups=[], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert (home / ".env").stat().st_mode & 0o007 == 0
    assert (home / "secret").stat().st_uid == 0 and home.stat().st_uid == 0
    shutil.rmtree(home / "output")
    (home / "output").symlink_to("/etc")
    refused = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True)
    assert refused.returncode == 1 and "output is a symbolic link" in refused.stdout
    assert Path("/etc").stat().st_uid == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_the_password_is_written_to_a_file_that_is_not_world_readable(tmp_path):
    header = (PROJECT / "docker-compose.yml").read_text().split("x-python")[0]
    line = next(line for line in header.splitlines() if "POSTGRES_PASSWORD" in line)
    subprocess.run(["sh", "-c", f"umask 022; {line.lstrip('# ')}"], cwd=tmp_path, check=True)
    assert re.fullmatch(r"POSTGRES_PASSWORD=[0-9a-f]{48}\n", (tmp_path / ".env").read_text())
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(shutil.which("psql") is None, reason="no psql here")
def test_the_database_of_compose_belongs_to_no_superuser(external):  # noqa: F811
    folder = unquote(external.partition("host=")[2])
    environment = {**os.environ, "PGHOST": folder, "POSTGRES_PASSWORD": PASSWORD}
    subprocess.run(["sh", DEPLOY / "compose-database.sh"], env=environment, check=True)
    connection = psycopg2.connect(host=folder, user="postgres", dbname="postgres")
    with connection, connection.cursor() as cursor:
        cursor.execute("select rolname, rolsuper, rolpassword is not null from pg_authid where rolcanlogin order by 1")
        assert cursor.fetchall() == [
            ("eduflow", False, True),
            ("eduflow_reader", False, True),
            ("postgres", True, False),
            ("school", False, False),
        ]
        cursor.execute("select pg_get_userbyid(datdba) from pg_database where datname = 'eduflow'")
        assert cursor.fetchone() == ("eduflow",)
        cursor.execute("select has_database_privilege('eduflow_reader', 'eduflow', 'connect')")
        assert cursor.fetchone() == (True,)
    connection.close()


def copied() -> list[str]:
    """What the Dockerfile takes from the project."""
    lines = re.findall(r"(?m)^COPY (.+) \S+$", (DEPLOY / "Dockerfile").read_text())
    return [name for line in lines for name in line.split()]


@pytest.mark.integration
def test_the_image_is_built_from_what_it_copies_and_needs_no_network_for_it(tmp_path):
    allowed = re.findall(r"(?m)^!(\S+)$", (DEPLOY / "Dockerfile.dockerignore").read_text())
    assert sorted(allowed) == sorted(copied())
    for name in copied():
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    steps = re.findall(r"(?m)^RUN pip install (.+)$", (DEPLOY / "Dockerfile").read_text())
    assert "--require-hashes -r requirements.lock" in steps[0] and len(steps) == 2
    to = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", to, *steps[1].split()]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run(
        [sys.executable, to / "bin/eduflow", "init", tmp_path / "school"],
        cwd=tmp_path / "site",
        env={**os.environ, "PYTHONPATH": str(to)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and (tmp_path / "school/sources.toml").is_file(), done.stderr


DOCKER = """#!/bin/sh
[ "$1 $2 $3" = "buildx imagetools inspect" ] || exit 1
echo '{"size": 1, "digest": "sha256:'$(echo "$4" | sha256sum | cut -c1-64)'"}'
"""


def test_make_pin_writes_the_digest_of_every_image(tmp_path):
    for name in (".ci/pin", "docker-compose.yml", "deploy/Dockerfile"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / name, tmp_path / name)
    before = (tmp_path / "docker-compose.yml").read_text()
    (tmp_path / "docker").write_text("#!/bin/sh\necho 'no network' >&2; exit 1\n")
    (tmp_path / "docker").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    failed = subprocess.run([sys.executable, ".ci/pin"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert failed.returncode == 1 and "no network" in failed.stderr
    assert (tmp_path / "docker-compose.yml").read_text() == before
    (tmp_path / "docker").write_text(DOCKER)
    for _ in range(2):  # the second time the digests are there
        subprocess.run([sys.executable, ".ci/pin"], cwd=tmp_path, env=environment, check=True, capture_output=True)
        images = yaml.safe_load((tmp_path / "docker-compose.yml").read_text())["services"]["postgres"]["image"]
        assert re.fullmatch(r"postgres:18\.[\w.-]+@sha256:[0-9a-f]{64}", images)
        assert re.search(r"(?m)^FROM python:\S+@sha256:[0-9a-f]{64}$", (tmp_path / "deploy/Dockerfile").read_text())


# --- continuous integration -----------------------------------------------------------------------------------------

WORKFLOW = PROJECT / ".github/workflows/ci.yml"


def test_actions_are_pinned_to_commits_of_a_named_release():
    uses = re.findall(r"uses: (.+)", WORKFLOW.read_text())
    assert uses
    for action in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", action), action


def test_every_python_that_is_promised_is_tested():
    job = yaml.safe_load(WORKFLOW.read_text())["jobs"]["check"]
    asked = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (PROJECT / "pyproject.toml").read_text())
    assert asked
    promised = [f"3.{minor}" for minor in range(int(asked[1]), int(asked[2]))]
    assert job["strategy"]["matrix"]["python"] == promised
    commands = [step.get("run", "") for step in job["steps"]]
    assert any("postgresql-15" in command and "postgresql-18" in command for command in commands)
    assert commands[-1] == ".ci/run" and job["steps"][-1]["env"]["AUDIT"] == "required"


# --- the handbook ---------------------------------------------------------------------------------------------------

HANDBOOK = (PROJECT / "docs/operations.md").read_text()


def test_every_verb_and_setting_of_the_handbook_exists():
    called = set(re.findall(r"(?m)(?:^|`|'|&& )eduflow (?:-C \S+ )?([a-z]+)", HANDBOOK))
    assert "run" in called and called <= set(verbs.names())
    keys = {f"EDUFLOW_{key.upper()}" for key in config.eduflow().param_kwargs}
    assert set(re.findall(r"EDUFLOW_[A-Z_]+", HANDBOOK)) <= keys | set(config.BESIDE)


def test_every_alert_stands_in_the_handbook():
    rules = yaml.safe_load((DEPLOY / "eduflow.rules.yml").read_text())["groups"][0]["rules"]
    assert set(re.findall(r"(?m)^\| `(EduFlow\w+)`", HANDBOOK)) == {rule["alert"] for rule in rules}
