"""Any order, any split, any disturbance: the tables are those of one undisturbed load of the accepted, dated drops."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import psycopg2
import pyarrow as pa
import pytest
from conftest import TRUSTING, House, csv_text, url
from hypothesis import HealthCheck, Verbosity, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from sqlalchemy import Engine, event
from test_rules import CITIES, DROP, MESS, RECORDS, frame_of
from test_staging import AGE_A_RECIPE

from pipeline.audit import graph
from pipeline.datasets import DATASETS
from pipeline.datasets.declaration import Dataset
from pipeline.rules.context import Context
from pipeline.rules.frame import clean
from pipeline.run import begin_run
from targets.postgres.connection import Database

faults = pytest.mark.faults
QUIET = list(HealthCheck)

# --- files ----------------------------------------------------------------------------------------------------------

STUDENTS = ["STU001", "stu-2", "3", "?"]
# Per dataset: the values that meet, correct and contradict each other; "?" and "" are rejected or flagged. By its
# declaration, but where more can meet.
VALUES: dict[str, dict[str, list[str]]] = {
    name: {
        column.name: STUDENTS if column.rule == "student_id" else [column.sample, f"{column.sample[:-1]}2", "?", ""]
        for column in dataset.columns
    }
    for name, dataset in DATASETS.items()
} | {
    "students_enrollment": {
        "student_id": STUDENTS, "city": ["Pune", "Poona", "Nasik", "Atlantis"], "program_id": ["P1", "P2"],
        "phone": ["5550100001", "555010000", "1"], "payment_status": ["Paid", "weird"],
    },
    "student_progress": {
        "event_id": ["e1", "e2", "e3", ""], "student_id": STUDENTS, "course_id": ["CRS001", "crs002", ""],
        "score": ["50", "150", "abc"], "completion_percentage": ["100", "20"],
        "event_timestamp": ["2024-02-01T10:00:00Z", "2024-02-03T10:00:00Z"],
    },
    "course_catalog": {
        "course_id": ["CRS001", "CRS002", "CRS003", ""], "price": ["1", "-2"], "instructor_name": ["Dr. A", "Dr. B"],
    },
    "support_tickets": {
        "ticket_id": ["T1", "T2", "T3", ""], "student_id": STUDENTS, "status": ["Open", "Closed", "weird"],
    },
    "city_master": {"city_name": ["Pune", "Nashik", ""], "common_misspellings": ["Poona", "Nasik", ""]},
    "students": {
        "student_id": STUDENTS, "class_id": ["CLASS-9A", "CLASS-9B", "?"], "enrollment_status": ["ACTIVE", "WITHDRAWN"],
    },
    "attendance": {
        "attendance_id": ["A1", "A2", "A3", ""], "student_id": STUDENTS, "status": ["PRESENT", "LATE", "x"],
        "attendance_date": ["2024-02-01", "2024-02-02"],
    },
    "assessments": {
        "assessment_id": ["M1", "M2", "M3", ""], "student_id": STUDENTS, "score": ["5", "9", "99"],
        "assessment_date": ["2024-02-01", "2024-02-02"],
    },
}  # fmt: skip
DAYS = ["2024-02-01", "2024-02-02", "2024-02-03", "2024-02-04"]


def rows_of(name: str) -> st.SearchStrategy[list[dict[str, str]]]:
    cells = {column: st.sampled_from(values) for column, values in VALUES[name].items()}
    return st.lists(st.fixed_dictionaries(cells), max_size=4)


@st.composite
def arrivals(draw: st.DrawFn) -> dict[str, str]:
    """path -> content: a few files of any datasets and days; a day may come in two parts.

    Its part is a column that no declaration knows: two equal files of one day are one drop.
    """
    files = {}
    for name in draw(st.lists(st.sampled_from(list(DATASETS)), min_size=1, max_size=5)):
        part = draw(st.sampled_from("12"))
        lines = csv_text(name, *draw(rows_of(name))).splitlines()
        content = "\n".join([f"{lines[0]},part {part}", *(f"{line},{part}" for line in lines[1:])])
        files[f"{draw(st.sampled_from(DAYS))}/{part}/{name}.csv"] = f"{content}\n"
    return files


def name_of(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".csv")


# --- houses ---------------------------------------------------------------------------------------------------------


@dataclass
class Street:
    """One house to disturb, one to compare it with; each can be as new again in a tenth of a second."""

    house: House
    keywords: dict[str, str]

    def renew(self, name: str) -> House:
        """An empty house of this name: its database made from the template, no file."""
        begin_run()
        database = f"{self.house.one('select current_database()')}_{name}"
        admin = psycopg2.connect(**self.keywords)
        admin.autocommit = True
        with admin.cursor() as cursor:
            cursor.execute(f"drop database if exists {database} with (force)")
            cursor.execute(f"create database {database} template template_eduflow")
        admin.close()
        data = self.house.data.with_name(name)
        for file in data.rglob("*.csv"):
            file.unlink()
        data.mkdir(exist_ok=True)
        address = url(self.keywords, database)
        environment = {"EDUFLOW_DATABASE": address, "EDUFLOW_DATA_DIR": str(data), "EDUFLOW_OUTPUT_DIR": f"{data}-out"}
        environment |= TRUSTING  # what is held depends on what came before, and so on the order
        return House(data, data.with_name(f"{name}-out"), Database(address, data), environment)

    def close(self) -> None:
        begin_run()
        for name in ("disturbed", "calm"):
            database = f"{self.house.one('select current_database()')}_{name}"
            admin = psycopg2.connect(**self.keywords)
            admin.autocommit = True
            with admin.cursor() as cursor:
                cursor.execute(f"drop database if exists {database} with (force)")
            admin.close()


@pytest.fixture
def street(house: House, cluster: dict[str, str]) -> Iterator[Street]:
    made = Street(house, cluster)
    yield made
    made.close()


def do(house: House, *arguments: str, **environment: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        for key, value in {**house.environment, **environment}.items():
            patch.setenv(key, value)
        return house.do(*arguments)


def told(house: House) -> dict[str, list]:
    """Every derived table, and of the accepted drops the account, the rejected rows, what the rules did, and which row
    is current."""
    drops = "inner join etl.drops as d using (drop_id) where d.status = 'staged'"
    queries = {
        "account": "select dataset, drop_date, path, read, current, superseded, duplicate, rejected from etl.drops "
        "where status = 'staged'",
        "rejects": f"select path, line, outcome, reasons, key, original::text from etl.rejects {drops}",
        "rules": f'select path, "column", rule, changed, flagged, s.rejected from etl.rule_stats as s {drops}',
        **{
            f"current {dataset.table}": f"select s.{dataset.key}, d.path, s._line from staging.{dataset.table} as s "
            "inner join etl.drops as d on s._drop_id = d.drop_id"
            for dataset in DATASETS.values()
        },
    }
    return house.contents() | {name: sorted(house.query(query), key=repr) for name, query in queries.items()}


def differing(found: dict[str, list], expected: dict[str, list]) -> dict[str, tuple[list, list]]:
    return {name: (found.get(name, []), rows) for name, rows in expected.items() if found.get(name) != rows}


# --- disturbances ---------------------------------------------------------------------------------------------------


class Stopped(Exception):
    """The run was made to stop here."""


@contextlib.contextmanager
def stopping(at: int, stop: Callable[[], None]) -> Iterator[None]:
    """Stop at the database statement of this number, whichever step sends it."""
    left = [at]

    def count(*_arguments: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            stop()

    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", count)


def fail() -> None:
    raise Stopped


def run_killed(house: House, at: int) -> None:
    """A run in a process of its own, killed by kill -9 at a statement (or done before it)."""
    begin_run()  # a child that drops an inherited connection would end it for both
    child = os.fork()
    if child == 0:
        code = 99  # it must not go on as a second pytest, whatever happens
        try:
            with stopping(at, lambda: os.kill(os.getpid(), signal.SIGKILL)):
                code = do(house, "run")
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)


class Disturbed(RuleBasedStateMachine):
    """A school whose files come in any order, are corrected, taken back and loaded by runs that are stopped."""

    def __init__(self, street: Street) -> None:
        super().__init__()
        self.street, self.house = street, street.renew("disturbed")
        self.lying: dict[str, str] = {}  # path -> content that no run has seen yet
        self.versions: dict[str, list[str]] = {}  # path -> contents taken from it, in order
        self.phone_digits = "10"

    def verb(self, *arguments: str) -> None:
        assert do(self.house, *arguments, EDUFLOW_PHONE_DIGITS=self.phone_digits) == 0

    @initialize(files=arrivals())
    def first_files(self, files: dict[str, str]) -> None:
        self.arrive(files)

    @rule(files=arrivals())
    def arrive(self, files: dict[str, str]) -> None:
        """New files, or other content at known paths; they lie there until the next run."""
        for path, content in files.items():
            self.house.drop(path, content)
            self.lying[path] = content

    @precondition(lambda self: any(len(contents) > 1 for contents in self.versions.values()))
    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        """A, B, A."""
        paths = sorted(path for path, contents in self.versions.items() if len(contents) > 1)
        path = data.draw(st.sampled_from(paths))
        self.arrive({path: self.versions[path][-2]})

    @rule()
    def run(self) -> None:
        self.verb("run")
        for path, content in self.lying.items():
            if self.versions.get(path, [None])[-1] != content:
                self.versions.setdefault(path, []).append(content)
        self.lying = {}

    @rule(at=st.integers(1, 900))
    def run_killed_and_again(self, at: int) -> None:
        run_killed(self.house, at)
        self.run()

    @rule(at=st.integers(1, 900))
    def run_failing_and_again(self, at: int) -> None:
        with stopping(at, fail), contextlib.suppress(Stopped):
            do(self.house, "run")
        self.run()

    @rule(data=st.data())
    def retract_or_approve(self, data: st.DataObject) -> None:
        drops = self.house.query("select drop_id, path, sha256, status <> 'retracted' from etl.drops order by drop_id")
        if candidates := [drop for drop in drops if self._leaves_no_twin(drops, drop)]:
            drop_id, _, _, accepted = data.draw(st.sampled_from(candidates))
            self.verb("retract" if accepted else "approve", str(drop_id))

    @staticmethod
    def _leaves_no_twin(drops: list[tuple], changed: tuple) -> bool:
        """Of A, B, A without B an undisturbed load has no second A: the same content at a path is no new drop."""
        kept = [d for d in drops if d[1] == changed[1] and (d[3] if d != changed else not d[3])]
        return all(before[2] != after[2] for before, after in pairwise(kept))

    @rule()
    def other_setting(self) -> None:
        self.phone_digits = "9" if self.phone_digits == "10" else "10"

    @rule(data=st.data())
    def other_recipe(self, data: st.DataObject) -> None:
        """As if a step had been made by another recipe: it is made anew, in full."""
        target = data.draw(st.sampled_from([step.target for step in graph() if "/" not in step.target]))
        self.house.query(AGE_A_RECIPE, target)

    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        self.verb("forget", data.draw(st.sampled_from([step.target for step in graph()])))

    def teardown(self) -> None:
        self.phone_digits = "10"
        self.run()
        taken = "select path, array_agg(sha256 order by drop_id) from etl.drops group by path"
        assert dict(self.house.query(taken)) == {
            path: [hashlib.sha256(content.encode()).hexdigest() for content in contents]
            for path, contents in self.versions.items()
        }
        self.verb("verify")
        calm = self.street.renew("calm")
        for files in self._calm_runs():
            for path, content in files.items():
                calm.drop(path, content)
            assert do(calm, "run") == 0
        if not self._calm_runs():
            assert do(calm, "run") == 0
        assert differing(told(self.house), told(calm)) == {}

    def _calm_runs(self) -> list[dict[str, str]]:
        """The accepted drops in as few loads as tell them: drops of one day and dataset keep their order."""
        query = "select path, sha256 from etl.drops where status <> 'retracted' order by dataset, drop_date, drop_id"
        contents = {hashlib.sha256(c.encode()).hexdigest(): c for kept in self.versions.values() for c in kept}
        runs: list[dict[str, str]] = []
        group, place = ("", ""), 0
        for path, sha256 in self.house.query(query):
            if (name_of(path), path[:10]) != group:
                group, place = (name_of(path), path[:10]), 0
            before = [known for known in runs[place] if (name_of(known), known[:10]) == group] if runs[place:] else []
            place += any(known >= path for known in before)
            runs += [{}] if place == len(runs) else []
            runs[place][path] = contents[sha256]
        return runs


def examples(few: int, many: int) -> list:
    return [few, pytest.param(many, marks=faults)]


@pytest.mark.parametrize("times", examples(3, 40))
def test_whatever_disturbs_a_school_its_tables_are_those_of_a_calm_load(street, times):
    run_state_machine_as_test(
        lambda: Disturbed(street),  # type: ignore[arg-type] # it is only called
        settings=settings(
            max_examples=times,
            stateful_step_count=12,
            derandomize=times < 10,
            deadline=None,
            suppress_health_check=QUIET,
            verbosity=Verbosity.normal,
        ),
    )


# --- splits ---------------------------------------------------------------------------------------------------------


@st.composite
def days(draw: st.DrawFn) -> list[tuple[str, str, list[dict[str, str]], int]]:
    """(day, dataset, rows, where they are cut in two)."""
    found = []
    for day in DAYS[: draw(st.integers(2, 3))]:
        for name in draw(st.lists(st.sampled_from(list(DATASETS)), min_size=2, max_size=8, unique=True)):
            rows = draw(rows_of(name))
            found.append((day, name, rows, draw(st.integers(0, len(rows)))))
    return found


# What is told per drop differs when there are more drops.
PER_DROP = {"account", "rejects", "rules", "analytics.data_quality"}


@pytest.mark.parametrize("times", examples(3, 40))
def test_days_split_in_two_and_loaded_in_any_order_give_what_the_whole_days_give(street, times):
    @settings(max_examples=times, derandomize=times < 10, deadline=None, suppress_health_check=QUIET)
    @given(data=st.data(), files=days())
    def law(data: st.DataObject, files: list) -> None:
        whole, split = street.renew("calm"), street.renew("disturbed")
        for day, name, rows, _ in files:
            whole.rows(f"{day}/{name}.csv", name, *rows)
        assert do(whole, "run") == 0
        for part in _parts(data, files):
            for day, number, name, rows in part:
                split.rows(f"{day}/{number}/{name}.csv", name, *rows)
            assert do(split, "run") == 0
        assert differing(_per_row(told(split)), _per_row(told(whole))) == {}

    law()


def _parts(data: st.DataObject, files: list) -> list[list[tuple]]:
    """The halves, dealt to three runs: in any order but that the first half of a file never comes after the second."""
    runs: list[list[tuple]] = [[], [], []]
    for day, name, rows, cut in files:
        if rows[:cut] == rows[cut:]:  # the same bytes on the same day are one drop, however often they come
            cut = 0
        first, second = sorted(data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2))))
        runs[first].append((day, 1, name, rows[:cut]))
        runs[second].append((day, 2, name, rows[cut:]))
    return runs


def _per_row(tables: dict[str, list]) -> dict[str, list]:
    """Without what is said per drop: of two rows of a key, whether they came in one drop."""
    kept = {name: rows for name, rows in tables.items() if name not in PER_DROP and not name.startswith("current ")}
    kept["analytics.review_queue"] = [row for row in kept["analytics.review_queue"] if row[0] != "duplicate_conflict"]
    kept["analytics.ai_quality"] = [row[:3] for row in kept["analytics.ai_quality"]]  # dataset, read, rejected
    return kept


# --- the row-local law ----------------------------------------------------------------------------------------------


def contexts(dataset: Dataset) -> st.SearchStrategy[Context]:
    """A file of its own: its columns in any order, some of them unknown, any delimiter or none, any settings."""
    fields = st.permutations([*dataset.column_names, None])
    return st.builds(
        Context,
        st.just(DROP),
        fields.map(tuple),
        delimiter=st.sampled_from([",", ";", ""]),
        cities=st.just(CITIES),
        phone_digits=st.sampled_from([9, 10]),
        attendance_status=st.sampled_from([frozenset({"PRESENT", "ABSENT"}), frozenset({"PRESENT", "ABSENT", "LATE"})]),
    )


@pytest.mark.parametrize("times", examples(8, 300))
@pytest.mark.parametrize("dataset", DATASETS.values(), ids=list(DATASETS))
def test_a_row_is_cleaned_the_same_in_whatever_company(dataset, times):
    """Among rows that repeat (so that values are read once each), cut anywhere, in any order."""
    row = st.fixed_dictionaries(dict.fromkeys(dataset.column_names, MESS)) | st.fixed_dictionaries({"_record": RECORDS})

    @settings(max_examples=times, deadline=None, suppress_health_check=QUIET)
    @given(st.lists(row, min_size=1, max_size=6), st.integers(1, 60), contexts(dataset), st.data())
    def law(rows: list[dict], repeats: int, context: Context, data: st.DataObject) -> None:
        alone = [clean(frame_of(dataset, [one]), dataset, context).rows.drop(columns="_line") for one in rows]
        places = data.draw(st.permutations(list(range(len(rows)))))
        company = frame_of(dataset, [rows[place] for place in places] * repeats)
        cuts = data.draw(st.sets(st.integers(1, len(company))))
        bounds = sorted({0, len(company), *cuts})
        parts = [clean(company.iloc[start:end], dataset, context).rows for start, end in pairwise(bounds)]
        table = pa.concat_tables([pa.Table.from_pandas(part, preserve_index=False) for part in parts])
        expected = pa.concat_tables(
            [pa.Table.from_pandas(alone[place], preserve_index=False) for place in places] * repeats
        )
        assert table.drop_columns("_line").equals(expected)

    law()
