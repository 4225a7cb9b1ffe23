"""deploy/, docker-compose.yml and the workflow: what runs EduFlow every morning, and what watches it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parent.parent
DEPLOY = PROJECT / "deploy"
PROMTOOL = shutil.which("promtool")


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
