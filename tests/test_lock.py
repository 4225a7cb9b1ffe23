"""requirements.lock is requirements.txt with everything below it, each package by the hashes of its files."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parent.parent
LISTS = ("requirements", "bench/requirements", ".ci/tools")
PYTHONS = ("3.11", "3.12", "3.13")
SYSTEMS = {"linux": ("Linux", "x86_64"), "darwin": ("Darwin", "arm64")}
ENTRY = re.compile(r"([\w.-]+)==([\w.+!-]+)(?: ; (.+?))?((?: --hash=sha256:[0-9a-f]{64})+)")


def listed(name: str) -> dict[str, Requirement]:
    lines = (line.split("#")[0].strip() for line in (PROJECT / f"{name}.txt").read_text().splitlines())
    return {canonicalize_name((wanted := Requirement(line)).name): wanted for line in lines if line}


def entries(name: str) -> list[tuple[str, str, str | None]]:
    """(package, version, marker) of each entry of a lock file; every line of the file belongs to one."""
    text = re.sub(r"^ *#.*\n", "", (PROJECT / f"{name}.lock").read_text(), flags=re.M)
    found = [ENTRY.fullmatch(re.sub(r" +", " ", line)) for line in text.replace("\\\n", "").splitlines()]
    assert found and all(found), "a line that is no package with its hashes"
    return [(canonicalize_name(entry[1]), entry[2], entry[3]) for entry in found if entry]


def locked(name: str, python: str, system: str) -> dict[str, str]:
    """package -> version, as pip takes it from the lock file there."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": system,
        "platform_system": SYSTEMS[system][0],
        "platform_machine": SYSTEMS[system][1],
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    there = [(p, v) for p, v, marker in entries(name) if marker is None or Marker(marker).evaluate(environment)]
    assert len(dict(there)) == len(there), "two versions of one package"
    return dict(there)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", LISTS)
def test_what_is_listed_is_locked_at_that_version(name, python, system):
    versions = locked(name, python, system)
    assert {package: f"=={versions.get(package)}" for package in listed(name)} == {
        package: str(wanted.specifier) for package, wanted in listed(name).items()
    }, "make lock"


def test_the_lock_holds_what_the_listed_packages_need():
    """By what the installed packages themselves declare, for this Python."""
    versions = locked("requirements", "{}.{}".format(*sys.version_info), sys.platform)
    waiting, seen = [(package, wanted.extras) for package, wanted in listed("requirements").items()], set()
    while waiting:
        package, extras = waiting.pop()
        if (package, *sorted(extras)) in seen:
            continue
        seen.add((package, *sorted(extras)))
        assert versions.get(package) == importlib.metadata.version(package), package
        for line in importlib.metadata.requires(package) or []:
            wanted = Requirement(line)
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append((canonicalize_name(wanted.name), wanted.extras))
    assert {package for package, *_ in seen} == set(versions)


@pytest.mark.parametrize("name", LISTS)
def test_a_lock_names_no_registry(name):
    text = (PROJECT / f"{name}.lock").read_text()
    assert "://" not in text and "index-url" not in text and "find-links" not in text


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_of_the_benchmark_can_be_installed_beside_the_other(python):
    theirs, ours = locked("bench/requirements", python, "linux"), locked("requirements", python, "linux")
    shared = theirs.keys() & ours.keys()
    assert shared and {package: theirs[package] for package in shared} == {package: ours[package] for package in shared}


def audited(report: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROJECT / ".ci/audited"], input=report, env={**os.environ, **environment}, capture_output=True, text=True
    )


GOOD = {"name": "six", "version": "1.17.0", "vulns": []}
BAD = {"name": "old", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
SKIPPED = {"name": "far", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "code", "required", "words"),
    [
        ([GOOD], 0, 0, "1 of 1 packages"),
        ([GOOD, BAD], 1, 1, "old 1.0: PYSEC-1, fixed in 1.1"),
        ([GOOD, SKIPPED], 0, 1, "incomplete"),  # pip-audit itself exits 0 here
        ([SKIPPED], 0, 1, "0 of 1 packages"),
        ([SKIPPED, BAD], 1, 1, "PYSEC-1"),
        ([], 0, 1, "incomplete"),
    ],
)
def test_an_audit_that_saw_nothing_is_not_called_good(packages, code, required, words):
    report = json.dumps({"dependencies": packages, "fixes": []})
    assert (audited(report).returncode, audited(report, AUDIT="required").returncode) == (code, required)
    assert words in audited(report).stdout


def test_an_audit_that_could_not_run_is_not_called_good():
    assert audited("").returncode == 0 and "incomplete" in audited("").stdout
    assert audited("no JSON", AUDIT="required").returncode == 1
