"""deploy/, docker-compose.yml and the workflow: what runs EduFlow every morning, and what watches it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

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


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> dict[str, str]:
    """What came of installing and running it as deploy/ says, on a scratch /etc, /opt and /srv."""
    if not (MOUNTS and shutil.which("systemd-analyze") and shutil.which("setpriv") and shutil.which("useradd")):
        pytest.skip("needs root, systemd and a mount namespace of its own")
    python = (PROJECT / ".venv/bin/python").resolve().parents[1]
    results = tmp_path_factory.mktemp("installed")
    command = ["unshare", "--mount", PROJECT / "tests/scratch_root.sh", PROJECT, python, results]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    found = {path.name: path.read_text() for path in results.iterdir()}
    assert done.returncode == 0, done.stderr + str(found)
    return found


def test_the_three_commands_of_the_header_install_the_timer(installed):
    assert len(installed["commands"].splitlines()) == 3
    header = (DEPLOY / "eduflow.service").read_text().split("[Unit]")[0]
    assert len(re.findall(r"^#   \S", header, flags=re.M)) == 3, "no other command"
    assert installed["enabled"] == "/etc/systemd/system/eduflow.timer\n"
    assert installed["verify"] == ""


def test_the_unit_runs_with_what_it_may_write(installed):
    assert installed["missing_paths"] == ""
    assert installed["exit_code"] == "0\n", installed["run"]
    assert "All good" in installed["run"]
    owners = {line.split()[1] for line in installed["files"].splitlines()}
    assert owners == {"eduflow"} and "output/report.html" in installed["files"]


def test_cron_mails_the_ending_of_a_failed_run_and_nothing_of_a_good_one(installed):
    assert installed["mail_good"] == ""
    first, *lines = installed["mail_bad"].splitlines()
    assert first == "exit code 30" and lines[-1].startswith("Not all is well"), installed["mail_bad"]
    assert len(lines) <= 45 and any("students_2024-02-10.csv" in line for line in lines)


def test_a_file_for_cron_d_can_be_read_by_cron():
    lines = [line for line in (DEPLOY / "eduflow.cron").read_text().splitlines() if line and line[0] not in "#"]
    schedule = [line for line in lines if not re.match(r"\w+=", line)]
    assert [line.split()[5] for line in schedule] == ["eduflow"], "the sixth field is the user"
    assert "%" not in schedule[0], "cron reads a percent sign as a line break"
    assert (DEPLOY / "eduflow.cron").read_text().endswith("\n")
