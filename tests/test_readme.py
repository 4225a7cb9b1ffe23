"""The README's first screen, executed: its commands run, and print what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text()
SCREEN = README.split("## Your own files")[0]
BLOCKS = re.findall(r"```(console|text)\n(.*?)```", SCREEN, re.S)


def masked(output: str) -> list[str]:
    """Lines without what differs from run to run: seconds, drop ids, the place of the summary; nor how many targets
    there are."""
    output = re.sub(r"\d+\.\d+ s\b", "N s", output)
    output = re.sub(r"drop \d+", "drop N", output)
    output = re.sub(r"\d+ targets", "N targets", output)
    output = re.sub(r"(?m)^ +\d+  (?=[a-z_]+ +\d{4}-)", "N ", output)
    output = re.sub(r"Summary: .*", "Summary", output)
    return [line.rstrip() for line in output.strip().splitlines()]


def shell(house, command: str) -> str:
    """Run a command of the README, with this interpreter in the place of .venv."""
    binaries = Path(sys.executable).parent
    command = command.replace(".venv/bin/eduflow", f"'{sys.executable}' -m eduflow")
    command = command.replace("make run", f"make run ready= BIN='{binaries}'")
    environment = {**os.environ, **house.environment, "EDUFLOW_DATA_DIR": str(PROJECT / "data")}
    for inherited in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):  # of the `make test` around us
        environment.pop(inherited, None)
    done = subprocess.run(
        command, shell=True, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.smoke
def test_the_first_screen_prints_what_the_readme_says(house):
    printed = ""
    for kind, block in BLOCKS:
        if kind == "text":  # how the output of the command before ends
            expected = masked(block)
            assert masked(printed)[-len(expected) :] == expected
            continue
        command, _, expected_output = block.partition("\n")
        printed = shell(house, command.removeprefix("$ "))
        if expected_output:
            assert masked(printed)[: len(masked(expected_output))] == masked(expected_output)


def test_the_first_screen_has_commands_to_run():
    commands = [block for kind, block in BLOCKS if kind == "console"]
    assert len(commands) >= 3 and all(block.startswith("$ ") for block in commands)


@pytest.mark.parametrize("name", ["LICENSE", "CONTRIBUTING.md", "CHANGELOG.md", ".env.example", "output/README.md"])
def test_what_the_readme_links_is_there(name):
    assert (PROJECT / name).is_file()


def test_every_verb_is_in_the_readme():
    from pipeline.cli.verbs import names as verbs

    for verb in verbs():
        assert f"| `{verb}" in README
