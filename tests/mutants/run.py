"""Bring back each way to lose data in a copy of the project, and see that the tests notice: `make test-mutants`.

Prints a table; ends with 1 when a mutant lives. First the tests run on the copy as it is: a test that fails there
notices nothing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.mutants import MUTANTS, Mutant

PROJECT = Path(__file__).parent.parent.parent
FOLDERS = ("agents", "bench", "data", "docs", "init_db", "pipeline", "targets", "tests")
COPIED = (*FOLDERS, "eduflow.py", "luigi.cfg", "pyproject.toml")
SECONDS = 600


def copy_project(folder: Path) -> Path:
    project = folder / "project"
    project.mkdir()
    for name in COPIED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, project / name, ignore=shutil.ignore_patterns("__pycache__", "out"))
        else:
            shutil.copy(source, project / name)
    return project


def failed_test(project: Path, tests: tuple[str, ...]) -> str | None:
    """The first of the tests that fails, or None; SystemExit when pytest itself can't do its work."""
    options = ["-q", "-x", "-n", "0", "-m", "faults or not faults", "-p", "no:cacheprovider", "--tb=line", "-rf"]
    command = [sys.executable, "-B", "-m", "pytest", *options, *tests]
    try:
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f"{tests[0]} (no end after {SECONDS} s)"
    if done.returncode not in (0, 1):
        raise SystemExit(f"pytest ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    failures = [line for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    assert bool(failures) == (done.returncode == 1), done.stdout[-3000:]
    return failures[0].removeprefix("FAILED ").partition(" - ")[0] if failures else None


def try_mutant(project: Path, mutant: Mutant) -> tuple[str | None, float]:
    """The test that noticed, and the seconds it took."""
    originals = {change.path: (project / change.path).read_text() for change in mutant.changes}
    for change in mutant.changes:
        (project / change.path).write_text(change.applied(project))
    started = time.monotonic()
    try:
        return failed_test(project, mutant.tests), time.monotonic() - started
    finally:
        for path, text in originals.items():
            (project / path).write_text(text)


def main(names: list[str]) -> int:
    """All mutants, or those whose names hold one of these texts."""
    chosen = [mutant for mutant in MUTANTS if not names or any(name in mutant.name for name in names)]
    with tempfile.TemporaryDirectory(prefix="eduflow-mutants-") as folder:
        Path(folder).chmod(0o711)
        project = copy_project(Path(folder))
        tests = tuple(dict.fromkeys(test for mutant in chosen for test in mutant.tests))
        if failed := failed_test(project, tests):
            print(f"fails without any mutant: {failed}")
            return 1
        print("| mutant | where | noticed by | seconds |\n| --- | --- | --- | --- |", flush=True)
        alive = 0
        for mutant in chosen:
            noticed, seconds = try_mutant(project, mutant)
            where = ", ".join(change.path for change in mutant.changes)
            print(f"| {mutant.name} | {where} | {noticed or 'NOBODY'} | {seconds:.0f} |", flush=True)
            alive += noticed is None
    print(f"{len(chosen) - alive} of {len(chosen)} noticed")
    return int(alive > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
