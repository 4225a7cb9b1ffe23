"""Make against its oracle: whatever changes, exactly the targets that name it, directly or through upstream, are
built again, and the tables are those that a build from nothing gives.

What a person does to files, settings and tables is done in this process; what changes the code is done to a copy of
the project, which is run as a real process.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from conftest import House, csv_text, url
from oracle import CORRECTED, SECOND, Oracle, closed, first_days, one_by_one, rebuilt
from test_guard import artifacts
from test_staging import everything

from pipeline.config import PROJECT, eduflow
from pipeline.datasets import DATASETS
from pipeline.outputs.artifact import Artifact
from pipeline.run import begin_run, read_state, transaction
from targets.postgres.connection import Database

faults = pytest.mark.faults
ORACLE = Oracle()


def told(house: House) -> dict[str, list]:
    """Every derived table and what the ledger keeps of rows, by name; a path with two drops leaves no order."""
    contents, account, ledger_of_rows, provenance = everything(house)
    found = {**contents, **ledger_of_rows, "account": account, "provenance": provenance}
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def run_here(house: House) -> int:
    with pytest.MonkeyPatch.context() as patch:
        for key, value in house.environment.items():
            patch.setenv(key, value)
        return house.run()


@dataclass
class Make:
    """A house that is up to date, its oracle, and a second database in which the same is built from nothing."""

    house: House
    admin: psycopg2.extensions.connection
    keywords: dict[str, str]
    project: Any = None  # the folder of a copy of the code: then runs are processes of their own

    oracle = ORACLE

    def run(self, code: int = 0) -> None:
        assert self._run(self.house) == code

    def _run(self, house: House) -> int:
        if self.project is None:
            return run_here(house)
        command = [sys.executable, "-m", "pipeline", "run"]
        environment = {**os.environ, **house.environment}
        done = subprocess.run(command, cwd=self.project, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode in (0, 30), done.stderr
        return done.returncode

    def rebuilds(
        self, change: Callable[[], object], expected: set[str], *, code: int = 0, compare: bool = True
    ) -> None:
        """After the change a run builds what is expected, each target once; the run after it nothing.

        compare: also that all is as from nothing; without it, that all is as it was before.
        """
        before, builds = None if compare else told(self.house), self.house.builds()
        change()
        self.run(code)
        after = self.house.builds()
        risen = {
            target: build - builds.get(target, 0) for target, build in after.items() if build != builds.get(target)
        }
        assert risen == dict.fromkeys(expected, 1)
        if self.project is None:
            self.run(code)
            assert self.house.builds() == after
        self._same(before if before is not None else self._from_nothing())

    def _same(self, expected: dict[str, list]) -> None:
        found = told(self.house)
        assert [name for name in found if found[name] != expected[name]] == []

    def _from_nothing(self) -> dict[str, list]:
        """Everything below raw, built from nothing in a copy of the database."""
        twin = self._twin()
        twin.query("drop schema staging, warehouse, analytics cascade")
        twin.query("update etl.targets set fingerprint = null")
        self._run(twin)
        assert artifacts(twin) == artifacts(self.house)
        return told(twin)

    def _twin(self) -> House:
        name = self.house.one("select current_database()")
        copy_database(self.admin, name, f"{name}_twin")
        output = self.house.output.with_name("twin")
        twin = housed(self.house.data, output, url(self.keywords, f"{name}_twin"))
        elsewhere = {key: twin.environment[key] for key in ("EDUFLOW_DATABASE", "EDUFLOW_OUTPUT_DIR")}
        twin.environment = {**self.house.environment, **elsewhere}
        return twin

    def file(self, path: str, *rows: dict[str, str]) -> Callable[[], Path]:
        dataset = Path(path).stem
        return lambda: self.house.drop(path, csv_text(dataset, *rows))


def housed(data: Path, output: Path, database: str) -> House:
    environment = {"EDUFLOW_DATABASE": database, "EDUFLOW_DATA_DIR": str(data), "EDUFLOW_OUTPUT_DIR": str(output)}
    environment["EDUFLOW_HOME"] = str(output.parent)
    (output.parent / "sources.toml").touch()
    environment["EDUFLOW_LLM"] = "off"  # whatever key is in the environment
    return House(data, output, Database(database, output), environment)


def copy_database(admin: psycopg2.extensions.connection, old: str, new: str) -> None:
    begin_run()
    with admin.cursor() as cursor:
        cursor.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [old])
        cursor.execute(f"drop database if exists {new} with (force)")
        cursor.execute(f"create database {new} template {old}")


@pytest.fixture(scope="session")
def admin(cluster: dict[str, str]) -> Iterator[psycopg2.extensions.connection]:
    connection = psycopg2.connect(**cluster)
    connection.autocommit = True
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def built(cluster, admin, tmp_path_factory) -> House:
    """Two days, everything built: each test starts from a copy."""
    folder = tmp_path_factory.mktemp("built")
    copy_database(admin, "template_eduflow", "built")
    house = housed(folder / "data", folder / "output", url(cluster, "built"))
    first_days(house)
    assert run_here(house) == 0
    return house


@pytest.fixture
def make(house, built, cluster, admin) -> Iterator[Make]:
    name = house.one("select current_database()")
    copy_database(admin, "built", name)
    house.query("delete from etl.home")  # the copy is this house's
    shutil.copytree(built.data, house.data, dirs_exist_ok=True)
    shutil.copytree(built.output, house.output)
    yield Make(house, admin, cluster)
    with admin.cursor() as cursor:
        cursor.execute(f"drop database if exists {name}_twin with (force)")


@pytest.fixture
def copied(make, tmp_path) -> Make:
    """The same, run from a copy of the project whose code can be edited."""
    project = tmp_path / "project"
    for folder in ("pipeline", "targets", "init_db", "agents"):
        shutil.copytree(PROJECT / folder, project / folder)
    for file in ("luigi.cfg", "eduflow.py"):
        shutil.copy(PROJECT / file, project)
    return replace(make, project=project)


def some(items: list, *chosen: str) -> list:
    """The chosen ones in `make test-all`, the others in `make test-faults`."""
    return [item if item in chosen else pytest.param(item, marks=faults) for item in items]


TABLES = [target for target in ORACLE.steps if "/" not in target]
ARTIFACTS = [target for target, step in ORACLE.steps.items() if isinstance(step, Artifact)]


@pytest.fixture
def declared(house) -> dict[str, set[str]]:
    """Target -> the names of its parts, of an empty database."""
    with transaction() as db:
        state = read_state(db)
        return {target: one_by_one(step.parts(state)) for target, step in ORACLE.steps.items()}


@pytest.mark.smoke
def test_what_steps_declare_rebuilds_what_depends_on_it(declared):
    """A recipe, rule, definition, option or input that a step leaves out, and one that it does not need."""
    above = {
        target: {name.removeprefix("upstream:") for name in parts if name.startswith("upstream:")}
        for target, parts in declared.items()
    }
    readers = {target: closed({target}, above) for target in ORACLE.steps}
    assert readers == {target: closed({target}, ORACLE.made_from) for target in ORACLE.steps}
    named = {name for parts in declared.values() for name in parts if not name.startswith("upstream:")}
    changes = named.union(*ORACLE.names.values())
    wrong = {change: rebuilt({change}, declared, above) ^ ORACLE.rebuilt(change) for change in changes}
    assert {change: targets for change, targets in wrong.items() if targets} == {}


# --- files and decisions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", some(list(DATASETS), "city_master"))
def test_a_file_builds_what_is_made_from_its_dataset(make, name):
    drops, corrected, second = f"drops:{name}", CORRECTED[name], SECOND[name]
    cities = ["reference:city_master"] if name == "city_master" else []
    newer, late = f"2024-02-03/{name}.csv", f"2024-01-31/{name}.csv"
    of_dataset, of_content = make.oracle.rebuilt(drops), make.oracle.rebuilt(drops, *cities)
    third = {DATASETS[name].key: "STU007"}
    make.rebuilds(make.file(newer, corrected, second, third), of_content)
    make.rebuilds(make.file(newer, {}, second), of_content)  # other content at the path
    make.rebuilds(make.file(newer, corrected, second, third), of_content)  # and the first one again
    make.rebuilds(make.file(late, third), of_dataset)


@pytest.mark.parametrize("name", some(list(DATASETS), "city_master"))
def test_a_file_that_says_nothing_new_builds_nothing(make, name):
    file = make.house.data / f"2024-02-02/{name}.csv"
    make.rebuilds(lambda: os.utime(file), set(), compare=False)
    make.rebuilds(lambda: file.write_bytes(file.read_bytes()), set(), compare=False)
    make.rebuilds(lambda: file.rename(file.with_name(f"2024-02-02 {name}.csv")), set(), compare=False)
    make.rebuilds(lambda: file.with_name(f"2024-02-02 {name}.csv").unlink(), set(), compare=False)


@faults
@pytest.mark.parametrize("name", DATASETS)
def test_a_decision_on_a_drop_builds_what_is_made_from_its_dataset(make, name):
    newest = make.house.one("select max(drop_id)::text from etl.drops where dataset = %s", name)
    changes = [f"drops:{name}", *(["reference:city_master"] if name == "city_master" else [])]
    for verb in ("retract", "approve"):
        make.rebuilds(lambda verb=verb: make.house.do(verb, newest), make.oracle.rebuilt(*changes))


@pytest.mark.parametrize("name", some(list(DATASETS), "attendance"))
def test_a_file_that_is_no_drop_builds_only_what_says_so(make, name):
    intake = make.oracle.rebuilt("intake:")
    make.rebuilds(lambda: make.house.drop(f"not {name}.csv", "x\n"), intake, code=30, compare=False)
    refused = f"2024-02-04/{name}.csv"
    make.rebuilds(lambda: make.house.drop(refused, "x\n1\n"), intake | {f"raw.{name}"}, code=30)
    make.rebuilds(
        lambda: make.house.do("refuse", make.house.one("select max(drop_id)::text from etl.drops")), intake, code=30
    )


# --- settings -------------------------------------------------------------------------------------------------------

# A second value of each key; the places where things are matter to no target.
OTHER = {
    "as_of": "2024-03-01", "phone_country_code": "44", "phone_digits": "9", "attendance_status": "PRESENT,ABSENT",
    "encoding": "cp1252", "workers": "2", "reader_roles": "pg_monitor", "chunk_rows": "2",
    "guard_overlap": "0.1", "guard_growth": "9",
    "guard_nulls": "0.9", "guard_rejects": "0.9", "guard_codes": "0.9", "guard_missing": "0.9",
    "guard_class": "9", "guard_rejected": "0.9", "guard_repeated": "0.9", "guard_unread": "0.95", "ignore": "*.bak",
    "llm": "on", "llm_model": "another",
    "llm_max_calls": "1", "llm_batch": "1", "llm_concurrency": "1", "llm_timeout": "1", "llm_retries": "0",
    "llm_breaker": "1",
}  # fmt: skip
KEYS = [name for name, _ in eduflow.get_params() if name not in ("data_dir", "output_dir", "database_dir")]


def set_only(environment: dict[str, str], values: dict[str, str]) -> None:
    environment.clear()
    environment.update(values)


@pytest.mark.parametrize("key", some(KEYS, "phone_digits"))
def test_a_setting_there_and_back_builds_what_names_it(make, key, monkeypatch):
    """The model's switch says who answers: without a key the rules, for another reason."""
    engines = make.oracle.changes("engine") if key == "llm" else []
    expected = make.oracle.rebuilt(f"option:{key}", *engines)
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    before = make.house.environment.copy()
    for value in ({f"EDUFLOW_{key.upper()}": OTHER[key]}, {}):
        make.rebuilds(lambda value=value: set_only(make.house.environment, {**before, **value}), expected)


def test_every_option_that_a_target_names_is_a_setting():
    assert {name.removeprefix("option:") for name in ORACLE.changes("option")} <= set(KEYS)


# --- damage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", some(ARTIFACTS, "output/report"))
def test_a_file_deleted_or_edited_by_hand_is_written_again_alone(make, target):
    pattern = make.oracle.steps[target].pattern
    for damage in (Path.unlink, lambda file: file.write_bytes(file.read_bytes() + b"edited")):
        file = min(make.house.output.glob(pattern))
        before = artifacts(make.house)
        make.rebuilds(lambda damage=damage, file=file: damage(file), {target}, compare=False)
        assert artifacts(make.house) == before


def delete_a_row(make: Make, table: str) -> None:
    """That row alone: a foreign key of another table would take its rows along, or refuse."""
    make.house.query(f"""
        set session_replication_role = replica;
        delete from {table} where ctid = (select min(ctid) from {table})
    """)
    assert make.house.do("verify") == 1


@pytest.mark.parametrize("table", some(TABLES, "staging.stg_students"))
def test_a_row_deleted_by_hand_is_found_and_repaired(make, table):
    make.rebuilds(lambda: delete_a_row(make, table), make.oracle.forgotten(table), compare=False)


@pytest.mark.parametrize("target", some(list(ORACLE.steps), "staging.stg_cities"))
def test_a_forgotten_target_is_built_again_with_what_is_made_from_it(make, target):
    make.rebuilds(lambda: make.house.do("forget", target), make.oracle.forgotten(target), compare=False)


# --- code -----------------------------------------------------------------------------------------------------------


def edit(make: Make, path: str, old: str, new: str) -> Callable[[], object]:
    """Replace a text of a file of the copied project; old "" = at its end."""

    def change() -> None:
        file = make.project / path
        text = file.read_text()
        assert old in text, f"{path} no longer says {old!r}"
        file.write_text(text.replace(old, new, 1) if old else text + new)

    return change


EDITS = {".py": "EDITED = 1", ".css": "/* edited */", ".md": "edited", ".toml": "[edited]", ".j2": "edited"}


def touched(path: str) -> tuple[str, str, str]:
    """An edit that changes a recipe, and of a query no row."""
    if path.endswith(".sql"):
        first = re.search(r"^ *select\b(?! distinct)", (PROJECT / path).read_text(), re.MULTILINE)
        assert first
        return path, f"\n{first[0]}", f"\n{first[0]} all"
    return path, "", f"\n{EDITS[Path(path).suffix]}\n"


RECIPES = [name.removeprefix("recipe:") for name in ORACLE.changes("recipe")]
FEW = [
    "pipeline/sql/dim_classes.sql",
    "pipeline/sql/check_warehouse_orphans.sql",
    "pipeline/outputs/report/templates/courses.html.j2",
]
REST = [path for path in RECIPES if path not in FEW]
BATCHES = [REST[start : start + 8] for start in range(0, len(REST), 8)]


# What a person edits in the rules -> the rules that are others by it.
RULE_EDITS = {
    "grade": ("codes", "    found = _GRADE.fullmatch(whole_number(text))\n", ["grade"]),
    "a helper": ("letters", "    found = _WHOLE.fullmatch(text) if", ["student_id", "class_id", "grade"]),
    "the city list": ("cities", "        key = fold(text)\n", ["Cities"]),
    "the frame": ("frame", "    repairs = repair(", ["clean"]),
}


@pytest.mark.parametrize("name", some(list(RULE_EDITS), "grade"))
def test_an_edited_rule_builds_what_is_cleaned_with_it(copied, name):
    module, line, rules = RULE_EDITS[name]
    indent = line[: len(line) - len(line.lstrip())]
    change = edit(copied, f"pipeline/rules/{module}.py", line, f"{indent}edited = 1\n{line}")
    copied.rebuilds(change, copied.oracle.rebuilt(*(f"rule:{rule}" for rule in rules)), compare=False)


@pytest.mark.parametrize("paths", [FEW, *(pytest.param(batch, marks=faults) for batch in BATCHES)], ids=len)
def test_an_edited_recipe_builds_what_names_it(copied, paths):
    for path in paths:
        copied.rebuilds(edit(copied, *touched(path)), copied.oracle.rebuilt(f"recipe:{path}"), compare=False)


def test_comments_layout_and_code_that_no_target_names_build_nothing(copied):
    def comment(path: Path) -> int:
        return path.write_text(
            "# a comment\n" + path.read_text().replace("\n\n\n", "\n\n\n\n# another one\n") + "\n# the last"
        )

    def comment_query(path: Path) -> None:
        path.write_text(re.sub(r"\n(?=[a-z(])", "\n\n  -- a comment\n", path.read_text()) + "-- the last\n")

    recipes = [copied.project / path for path in RECIPES if path.endswith(".py")]
    queries = [copied.project / path for path in RECIPES if path.endswith(".sql")]
    templates = [copied.project / path for path in RECIPES if path.endswith(".j2")]
    assert len(recipes) > 2 and len(queries) > 20 and len(templates) > 10
    modules = (
        *recipes,
        *(copied.project / "pipeline/rules").glob("*.py"),
        copied.project / "pipeline/datasets/attendance.py",
    )

    def comment_all() -> None:
        for path in modules:
            comment(path)
        for path in queries:
            comment_query(path)
        for path in templates:
            path.write_text("{# a comment #}" + path.read_text() + "{# two\nlines #}")

    copied.rebuilds(comment_all, set(), compare=False)
    unnamed = [
        f"pipeline/{name}.py" for name in ("__main__", "audit", "analytics", "drops", "step", "datasets/declaration")
    ]
    copied.rebuilds(lambda: [edit(copied, *touched(path))() for path in unnamed], set(), compare=False)


@pytest.mark.parametrize("names", [["attendance"], pytest.param(list(DATASETS), marks=faults)], ids=len)
def test_a_declaration_counts_by_its_value(copied, names):
    for name in names:
        file = f"pipeline/datasets/{name}.py"
        change = edit(copied, file, "    aliases=(", '    aliases=("another_name", ')
        copied.rebuilds(change, copied.oracle.rebuilt(f"declaration:{name}"), compare=False)


def test_what_a_declaration_says_for_the_dictionary_alone_builds_nothing(copied):
    file = "pipeline/datasets/attendance.py"
    copied.rebuilds(edit(copied, file, 'comment="the school day"', 'comment="the day"'), set(), compare=False)


def add_a_check(make: Make, relation: str) -> Callable[[], object]:
    """Other DDL that no row notices."""
    file = f"init_db/schema/{relation.replace('.', '/')}.sql"
    text = (make.project / file).read_text()
    if "create table" in text:
        return edit(make, file, f"create table {relation} (", f"create table {relation} (check (1 > 0),")
    if "create view" in text:
        return edit(make, file, "select", "select all")
    return edit(make, file, "parallel safe", "parallel safe cost 99")


RELATIONS = [name.removeprefix("ddl:") for name in ORACLE.changes("ddl")]


@pytest.mark.parametrize("relation", some(RELATIONS, "warehouse.dim_courses", "staging.snapshot_ends"))
def test_other_ddl_makes_its_relation_anew_and_what_is_made_from_it(copied, relation):
    copied.rebuilds(add_a_check(copied, relation), copied.oracle.rebuilt(f"ddl:{relation}"), compare=False)


# (change, file, old, new): other rows come out.
MEANT = {
    "rule": ("rule:percent", "pipeline/rules/numbers.py", '_capped")', '_limited")'),
    "definition": ("definition:RISK", "pipeline/definitions.py", "inactive=20,", "inactive=40,"),
    "definition in a column's name": (
        *("definition:look_score definition:LOOK ddl:analytics.class_statistics", "pipeline/definitions.py"),
        *("attendance=75, score=40,", "attendance=75, score=99,"),
    ),
    "definition that a query binds": (
        *("definition:queue_flags", "pipeline/definitions.py", "ReviewQueue(flags=3)", "ReviewQueue(flags=1)"),
    ),
    "declaration": (
        *("declaration:student_progress", "pipeline/datasets/student_progress.py"),
        *('Column("module_id", "code", case="upper"', 'Column("module_id", "code", case="lower"'),
    ),
    **{
        name: (f"recipe:pipeline/sql/{name}.sql", f"pipeline/sql/{name}.sql", old, new)
        for name, old, new in (
            ("fact_student_progress", "    score,\n", "    score / 2 as score,\n"),
            ("fact_enrollments", "    fee_paid,\n", "    fee_paid + 1 as fee_paid,\n"),
            ("dim_students", "    e.city,\n", "    upper(e.city) as city,\n"),
            ("dim_courses", "    c.price,\n", "    c.price * 2 as price,\n"),
        )
    },
}


@pytest.mark.parametrize("name", some(list(MEANT), "fact_student_progress"))
def test_code_that_means_something_else_there_and_back_gives_what_a_build_from_nothing_gives(copied, name):
    change, path, old, new = MEANT[name]
    before = told(copied.house)
    copied.rebuilds(edit(copied, path, old, new), copied.oracle.rebuilt(*change.split()))
    assert told(copied.house) != before
    copied.rebuilds(edit(copied, path, new, old), copied.oracle.rebuilt(*change.split()))
    assert told(copied.house) == before
