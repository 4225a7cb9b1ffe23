"""What make must do, worked out apart from how `Step` does it.

tests/depends.py says what each target depends on, from the texts that make it; `Oracle.rebuilt` says which targets a
change of any of these makes out of date: those that depend on it, and all that is made from them.
"""

from __future__ import annotations

import luigi
from depends import STAGED, names_of, numbers, upstream_of

from pipeline.datasets import DATASETS
from pipeline.outputs.intake import EduFlow
from pipeline.step import Step


class Oracle:
    """names: target -> what its content depends on directly. made_from: target -> the targets it is made from."""

    def __init__(self) -> None:
        self.steps: dict[str, Step] = {}
        self._collect(EduFlow())
        self.names = {target: names_of(step) for target, step in self.steps.items()}
        self.made_from = {target: upstream_of(step, self.steps) for target, step in self.steps.items()}

    def _collect(self, task: luigi.Task) -> None:
        if isinstance(task, Step) and task.target in self.steps:
            return
        if isinstance(task, Step):
            self.steps[task.target] = task
        for upstream in luigi.task.flatten(task.requires()):
            self._collect(upstream)

    def rebuilt(self, *changes: str) -> set[str]:
        """The targets that are out of date after changes of what they name."""
        return rebuilt(one_by_one(changes), self.names, self.made_from)

    def forgotten(self, target: str) -> set[str]:
        """The target and all that reads it: what was made from a damaged one may be damaged, too."""
        reads = {name: set(above) for name, above in self.made_from.items()}
        for name in STAGED:
            if "reference:city_master" in self.names[name]:  # of reference data only the newest content is a part
                reads[name].add("staging.stg_cities")
        return closed({target}, reads)

    def changes(self, kind: str) -> list[str]:
        """Every name of this kind that some target depends on."""
        return sorted({name for names in self.names.values() for name in names if name.startswith(kind + ":")})


def rebuilt(changes: set[str], names: dict[str, set[str]], made_from: dict[str, set[str]]) -> set[str]:
    return closed({target for target, named in names.items() if named & changes}, made_from)


def closed(hit: set[str], above: dict[str, set[str]]) -> set[str]:
    """Also all that is made from these."""
    while more := {target for target, targets in above.items() if targets & hit} - hit:
        hit = hit | more
    return hit


def one_by_one(changes) -> set[str]:
    """`definition:RISK` -> each number of it."""
    found = set(changes)
    for name in changes:
        kind, _, what = name.partition(":")
        if kind == "definition":
            found = found - {name} | {f"definition:{number}" for number in numbers(what)}
    return found


# --- a small school -------------------------------------------------------------------------------------------------

# Per dataset: what a correction of the clean row says, and the key of a second row. By its declaration, but where a
# test builds on certain values.
CORRECTABLE = {"text": "otherwise", "number": "9", "points": "3", "percent": "9", "date": "2024-01-31"}
CORRECTED = {
    name: {
        column.name: CORRECTABLE[column.rule]
        for column in dataset.columns
        if column.rule in CORRECTABLE and column.name not in dataset.keys
    }
    for name, dataset in DATASETS.items()
} | {
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
    name: {key: f"{dataset.column(key).sample[:-1]}2" for key in dataset.keys} for name, dataset in DATASETS.items()
} | {
    "students_enrollment": {"student_id": "stu-2", "email": "no address", "city": "Punne", "dob": "1980-05-01"},
    "student_progress": {"event_id": "evt-002", "student_id": "STU002", "score": "150", "module_id": "mod-2"},
    "course_catalog": {"course_id": "CRS002", "instructor_name": "Dr. Rao"},
    "support_tickets": {"ticket_id": "TKT002", "student_id": "9", "priority": "unheard of"},
    "city_master": {"city_name": "Nashik", "common_misspellings": "Nasik"},
    "students": {"student_id": "STU003", "enrollment_status": "INACTIVE"},
    "attendance": {"attendance_id": "ATT002", "student_id": "STU002", "status": "LATE"},
    "assessments": {"assessment_id": "ASM002", "student_id": "STU003", "score": "8"},
}


def first_days(house) -> None:
    """Two days of every dataset: a correction, a duplicate, a rejected row and a flagged one in each."""
    for name, dataset in DATASETS.items():
        house.rows(f"2024-02-01/{name}.csv", name, {}, SECOND[name], {dataset.key: ""}, {})
        house.rows(f"2024-02-02/{name}.csv", name, CORRECTED[name], SECOND[name])
