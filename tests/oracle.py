"""What make must do, worked out apart from how `Step` does it: from what each target declares, and nothing else.

A target declares recipe files, options, definitions, a dataset (whose columns name their rules) and what it requires.
`Oracle.rebuilt` says which targets a change of any of these makes out of date: those that name it, and all that is
made from them.
"""

from __future__ import annotations

import re

import luigi

from pipeline.config import PROJECT
from pipeline.datasets import DATASETS
from pipeline.enrich import Enrichment
from pipeline.ingest import Raw
from pipeline.outputs.intake import EduFlow
from pipeline.staging import Staged
from pipeline.step import Step

# Said in the code of a step, not in its declarations: these also show which drops wait for a person.
SHOWS_INTAKE = {"output/report", "output/insights", "output/run_summary"}
# Likewise: these show which rejected rows are open, and a person can refuse one.
SHOWS_REJECTS = {"output/report", "output/rejects", "output/run_summary"}


class Oracle:
    """names: target -> what its content depends on directly. made_from: target -> the targets it is made from."""

    def __init__(self) -> None:
        self.steps: dict[str, Step] = {}
        self._collect(EduFlow())
        self.names = {target: names_of(step) for target, step in self.steps.items()}
        self.made_from = {target: made_from(step) for target, step in self.steps.items()}

    def _collect(self, task: luigi.Task) -> None:
        if isinstance(task, Step) and task.target in self.steps:
            return
        if isinstance(task, Step):
            self.steps[task.target] = task
        for upstream in luigi.task.flatten(task.requires()):
            self._collect(upstream)

    def rebuilt(self, *changes: str) -> set[str]:
        """The targets that are out of date after changes of what they name."""
        return _closed({target for target, names in self.names.items() if names & set(changes)}, self.made_from)

    def forgotten(self, target: str) -> set[str]:
        """The target and all that reads it: what was made from a damaged one may be damaged, too."""
        return _closed({target}, {name: reads(step) for name, step in self.steps.items()})

    def changes(self, kind: str) -> list[str]:
        """Every name of this kind that some target depends on."""
        return sorted({name for names in self.names.values() for name in names if name.startswith(kind + ":")})


def names_of(step: Step) -> set[str]:
    if isinstance(step, Raw):  # a drop is landed once, whatever the code becomes
        return {f"drops:{step.dataset.name}"}
    names = {f"recipe:{path}" for path in step.recipes()} | {f"option:{key}" for key in step.options}
    names |= {f"definition:{name}" for name in step.definitions}
    if step.dataset is not None:
        names |= {f"contract:{step.dataset.name}"} | {f"reference:{name}" for name in step.dataset.lookups}
    if isinstance(step, Staged):
        names |= {f"rule:{rule}" for rule in rules_of(step)}
    names |= {f"ddl:{name}" for name in ddl_of(step)}
    if isinstance(step, Enrichment):  # who answers: a language model, or the rules and why
        names.add(f"engine:{step.agent}")
    if step.target in SHOWS_INTAKE:
        names.add("intake:")
    if step.target in SHOWS_REJECTS:
        names.add("decisions:rejected rows")
    return names


def rules_of(step: Staged) -> set[str]:
    """The rules of its columns, what cleans any frame, and the city list if its rows are looked up there."""
    return {"clean", *(column.rule for column in step.dataset.columns), *(["Cities"] if step.dataset.lookups else [])}


FILES = {f"{path.parent.name}.{path.stem}": path.read_text() for path in (PROJECT / "init_db/schema").glob("*/*.sql")}
NO_TARGETS = {name for name, ddl in FILES.items() if re.search("^create (view|function)", ddl, re.MULTILINE)}


def ddl_of(step: Step) -> set[str]:
    """Its table (of students, also that of their versions), and the views and functions that it is made with."""
    own = {step.target} & FILES.keys()
    if isinstance(step, Staged) and step.dataset.versions:
        own.add(f"staging.{step.dataset.versions}")
    texts = [(PROJECT / path).read_text() for path in step.recipes()] + [FILES[name] for name in own]
    used: set[str] = set()
    while more := {name for name in NO_TARGETS - used if any(re.search(rf"\b{name}\b", text) for text in texts)}:
        used |= more
        texts += [FILES[name] for name in more]
    return own | used


def reads(step: luigi.Task) -> set[str]:
    """What it requires, and what a goal that it requires stands for."""
    found: set[str] = set()
    for above in luigi.task.flatten(step.requires()):
        if isinstance(above, luigi.WrapperTask):
            found |= reads(above)
        elif isinstance(above, Step) and not above.gates:
            found.add(above.target)
    return found


def made_from(step: Step) -> set[str]:
    """Of reference data only the newest content counts (`reference:`)."""
    return {target for target in reads(step) if not isinstance(step, Staged) or target == f"raw.{step.dataset.name}"}


def _closed(hit: set[str], above: dict[str, set[str]]) -> set[str]:
    while more := {target for target, targets in above.items() if targets & hit} - hit:
        hit = hit | more
    return hit


# --- a small school -------------------------------------------------------------------------------------------------

# Per dataset: what a correction of the clean row says, and the key of a second row.
CORRECTED = {
    "students_enrollment": {"city": "Nashik", "fee_paid": "40000"},
    "student_progress": {"score": "55", "completion_percentage": "100"},
    "course_catalog": {"price": "2000", "instructor_name": "Dr. New"},
    "support_tickets": {"status": "Closed", "resolved_date": "2024-02-02"},
    "city_master": {"common_misspellings": "Poona, Punne"},
    "students": {"class_id": "CLASS-9B"},
    "attendance": {"status": "ABSENT"},
    "assessments": {"score": "9"},
}
SECOND = {
    "students_enrollment": {"student_id": "stu-2", "email": "no address", "city": "Punne", "dob": "1980-05-01"},
    "student_progress": {"event_id": "evt-002", "student_id": "STU002", "score": "150", "module_id": "mod-2"},
    "course_catalog": {"course_id": "CRS002", "instructor_name": "Dr. Rao"},
    "support_tickets": {"ticket_id": "TKT002", "student_id": "9", "priority": "unheard of"},
    "city_master": {"city_name": "Nashik", "common_misspellings": "Nasik"},
    "students": {"student_id": "STU003", "enrollment_status": "INACTIVE"},
    "attendance": {"attendance_id": "ATT002", "student_id": "STU002", "status": "LATE"},
    "assessments": {"assessment_id": "ASM002", "student_id": "STU003", "score": "8"},
}
assert set(CORRECTED) == set(SECOND) == set(DATASETS)


def first_days(house) -> None:
    """Two days of every dataset: a correction, a duplicate, a rejected row and a flagged one in each."""
    for name, dataset in DATASETS.items():
        house.rows(f"2024-02-01/{name}.csv", name, {}, SECOND[name], {dataset.key: ""}, {})
        house.rows(f"2024-02-02/{name}.csv", name, CORRECTED[name], SECOND[name])
