"""A dataset is declared once: to a copy of the project one file is added, and all else that knows of datasets knows it.

Nothing in the copy is edited by hand but the declaration; `make ddl` writes the rest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import TRUSTING

from pipeline.config import PROJECT

DECLARATION = '''\
"""Books that students took home."""

from pipeline.datasets.declaration import Column, Dataset, RowCheck, same

DATASET = Dataset(
    name="library_loans",
    table="stg_loans",
    row="one loan of a book",
    key="loan_id",
    mode="append",
    aliases=("loans",),
    fact=("lent_on", "days", "shelf"),
    columns=(
        Column("loan_id", "key", comment="id of the loan"),
        Column("student_id", "student_id", references="student", comment="who"),
        Column("course_id", "code", case="upper", references="course", comment="for which course"),
        Column("shelf", "code", case="title", words=same("Fiction", "Science"), comment="Fiction or Science"),
        Column("days", "number", scale=0, comment="for how long"),
        Column("lent_on", "date", comment="since when"),
    ),
    checks=(RowCheck("days", "<=", 60, "days_above_60", "longer than anyone may keep a book"),),
)
'''
FILE = """\
loan_id,student_id,course_id,shelf,days,lent_on
L1,stu-9,CRS009,science,10,2024-02-01
L2,STU009,CRS009,Comics,20,2024-02-02
L3,STU009,CRS009,Science,90,2024-02-02
L4,STU009,CRS009,Poetry,-3,1900-01-01
"""

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(house, tmp_path: Path) -> Command:
    """A process of Python in a copy of the project that knows of library_loans."""
    project = tmp_path / "project"
    for folder in ("pipeline", "targets", "init_db", "agents", "bench", "tests", "data"):
        ignored = shutil.ignore_patterns("__pycache__", "out")
        shutil.copytree(PROJECT / folder, project / folder, ignore=ignored)
    for file in ("luigi.cfg", "eduflow.py", "pyproject.toml"):
        shutil.copy(PROJECT / file, project)
    (project / "pipeline/datasets/library_loans.py").write_text(DECLARATION)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **house.environment, **TRUSTING}
        return subprocess.run(
            [sys.executable, *arguments], cwd=project, env=environment, capture_output=True, text=True, timeout=300
        )

    written = run("-m", "pipeline.ddl").stdout.split("written: ")
    assert any(name.startswith("init_db/state_") for name in written)
    assert run("-m", "pipeline.ddl").stdout == ""  # and nothing is left to write
    return run


def test_a_declared_dataset_is_loaded_checked_counted_and_found(house, command: Command):
    house.drop("2024-02-08/library_loans.csv", FILE)
    done = command("-m", "pipeline", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert house.query("select loan_id, days, shelf, date_key from warehouse.fact_loans order by 1") == [
        ("L1", 10, "Science", 20240201), ("L2", 20, "Comics", 20240202), ("L4", 3, "Poetry", 0),
    ]  # fmt: skip
    assert house.query("select student_id, is_inferred from warehouse.dim_students") == [("STU009", True)]
    assert house.query("select course_id, is_inferred from warehouse.dim_courses") == [("CRS009", True)]
    assert house.query("select kind, item, other, occurrences from analytics.review_queue order by 1, 2") == [
        ("orphan", "CRS009", "course_id", 3), ("orphan", "STU009", "student_id", 3),
        ("unmapped_code", "Comics", "shelf", 1), ("unmapped_code", "Poetry", "shelf", 1),
        ("worst_row", "L4", "quality 70", 1),
    ]  # fmt: skip
    causes = house.one("select root_causes from analytics.ai_quality where dataset = 'library_loans'")
    assert "The days lies outside what it can be" in causes

    traced = command("-m", "pipeline", "trace", "loan", "L3").stdout
    assert "2024-02-08/library_loans.csv line 4 (drop 1, library_loans): rejected (days_above_60)" in traced
    assert "warehouse.fact_loans" in command("-m", "pipeline", "trace", "student", "9").stdout

    assert command("-m", "pipeline", "verify").returncode == 0
    house.query("update staging.stg_loans set days = -1 where loan_id = 'L1'")
    house.query("update staging.stg_loans set lent_on = '2044-02-01' where loan_id = 'L2'")
    assert house.query("select key from staging.out_of_range") == [("L1",)]
    assert house.query("select key from staging.days_seen where latest > '2024-02-08'") == [("L2",)]
    house.query("delete from staging.stg_loans where loan_id = 'L1'")
    house.query("delete from warehouse.fact_loans where loan_id = 'L2'")
    damage = command("-m", "pipeline", "verify")
    assert damage.returncode != 0
    assert "staging.stg_loans shows 2 rows of drop 1, the ledger 3" in damage.stdout
    assert "warehouse.fact_loans has 2 rows, the ledger 3" in damage.stdout
    assert command("-m", "pipeline", "run").returncode == 0
    assert house.one("select days from warehouse.fact_loans where loan_id = 'L1'") == 10


def test_the_tests_of_every_dataset_have_rows_of_a_declared_one(command: Command):
    files = [f"tests/test_{name}.py" for name in ("declarations", "rules", "layers")]
    done = command("-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *files, "-k", "library_loans or Loans")
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.rpartition("\n")[0].rsplit("\n", 1)[-1].split()[0]) > 20, done.stdout
    rows = command(
        "-c", "import sys; sys.path.insert(0, 'tests'); from conftest import ROWS; print(ROWS['library_loans'])"
    )
    assert "'shelf': 'Fiction'" in rows.stdout


def test_the_data_dictionary_describes_a_declared_dataset(command: Command, tmp_path: Path):
    assert command("-m", "pipeline", "dictionary", "--to", str(tmp_path / "docs")).returncode == 0
    page = (tmp_path / "docs/data-dictionary.md").read_text().lower()
    for words in (
        "one loan of a book",
        "longer than anyone may keep a book",
        "warehouse.fact_loans",
        "fiction or science",
        "raw_library_loans --> staging_stg_loans",
    ):
        assert words in page, words
