"""Warehouse: dimensions and facts, each made by the one SELECT of the same name in `sql/`.

A SELECT that names `:<table>_since` can be asked for changed rows only: those of `staging.<table>` whose `_build` is
above the build consumed last time (0 asks for everything). Keys are hashes of natural keys, so facts look nothing up.
"""

from __future__ import annotations

from typing import Any, ClassVar

import luigi
from luigi.util import requires
from sqlalchemy import text

from pipeline.checks import SINCE, Check
from pipeline.config import PROJECT
from pipeline.staging import STAGED, CheckStaging
from pipeline.step import Build, Built, Goal, Step
from targets.table import add_foreign_keys, apply_difference, columns_of, count_rows, fill, is_empty


class SqlStep(Step):
    """A table made by one SELECT.

    key      the columns that name a row
    within   of these, the ones that name a group of rows which the SELECT always gives whole
    """

    key: ClassVar[tuple[str, ...]]
    within: ClassVar[tuple[str, ...]] = ()

    def recipes(self) -> tuple[str, ...]:
        return (f"pipeline/sql/{self.target.split('.')[1]}.sql",)

    def parameters(self, build: Build) -> dict[str, Any]:
        return {key: getattr(build.state.settings, key) for key in self.options}

    def query(self, build: Build) -> tuple[str, dict[str, Any], bool]:
        """The SELECT, its values, and whether it gives changed rows only."""
        select = (PROJECT / self.recipes()[0]).read_text(encoding="utf-8")
        tables = set(SINCE.findall(select))
        incremental = bool(tables) and not build.full_refresh
        since = {f"{name}_since": build.consumed.get(f"staging.{name}", 0) if incremental else 0 for name in tables}
        return select, {**self.parameters(build), **since}, incremental

    def build(self, build: Build) -> Built:
        db = build.db
        select, values, incremental = self.query(build)
        columns = columns_of(db, self.target)
        if is_empty(db, self.target):
            # No difference to find: straight in, without a temporary copy.
            names = ", ".join(columns)
            insert = f"insert into {self.target} ({names}) select {names} from ({select}) as q"
            rows = changed = fill(db, self.target, insert, values)
            invalidates, note = build.recipe_changed and rows > 0, ""
        else:
            db.execute(text(f"create temp table made on commit drop as {select}"), values)
            # Without statistics a few changed rows would be looked up by reading the whole table.
            db.execute(text(f"analyze made ({', '.join(self.key)})"))
            content = [name for name in columns if name not in self.key]
            difference = apply_difference(
                db,
                self.target,
                "made",
                key=self.key,
                content=content,
                build=build.number,
                whole="" if incremental else "made",
                within=self.within,
            )
            rows = count_rows(db, self.target, difference, build.rows if incremental else None)
            changed = difference.changed
            # Rows that another recipe changed belong to no new row of staging, by which readers would find them.
            invalidates = difference.deleted > 0 or (build.recipe_changed and changed > 0)
            note = "" if incremental else "in full"
        add_foreign_keys(db, self.target)
        return Built(rows, changed, invalidates_incremental=invalidates, note=note)


class DimDate(SqlStep):
    """One row per day."""

    target, key = "warehouse.dim_date", ("date_key",)


@requires(roster=STAGED["students"], checked=CheckStaging)
class DimClasses(SqlStep):
    """One row per class."""

    target, key = "warehouse.dim_classes", ("class_key",)


@requires(
    enrollments=STAGED["students_enrollment"],
    roster=STAGED["students"],
    progress=STAGED["student_progress"],
    tickets=STAGED["support_tickets"],
    attendance=STAGED["attendance"],
    assessments=STAGED["assessments"],
    classes=DimClasses,
    checked=CheckStaging,
)
class DimStudents(SqlStep):
    """One row per student, inferred members included."""

    target, key = "warehouse.dim_students", ("student_key",)


@requires(
    enrollments=STAGED["students_enrollment"],
    roster=STAGED["students"],
    students=DimStudents,
    classes=DimClasses,
    checked=CheckStaging,
)
class DimStudentsHistory(SqlStep):
    """One row per student and span of days without a change."""

    target, key = "warehouse.dim_students_history", ("student_key", "valid_from")
    within = ("student_key",)


@requires(courses=STAGED["course_catalog"], checked=CheckStaging)
class DimInstructors(SqlStep):
    """One row per instructor."""

    target, key = "warehouse.dim_instructors", ("instructor_key",)


@requires(enrollments=STAGED["students_enrollment"], checked=CheckStaging)
class DimPrograms(SqlStep):
    """One row per program."""

    target, key = "warehouse.dim_programs", ("program_key",)


@requires(
    courses=STAGED["course_catalog"],
    progress=STAGED["student_progress"],
    instructors=DimInstructors,
    checked=CheckStaging,
)
class DimCourses(SqlStep):
    """One row per course, inferred members included."""

    target, key = "warehouse.dim_courses", ("course_key",)


@requires(
    progress=STAGED["student_progress"], students=DimStudents, courses=DimCourses, dates=DimDate, checked=CheckStaging
)
class FactStudentProgress(SqlStep):
    """One row per learning event."""

    target, key = "warehouse.fact_student_progress", ("event_id",)


@requires(events=FactStudentProgress, progress=STAGED["student_progress"], checked=CheckStaging)
class FactCourseProgress(SqlStep):
    """One row per student and course."""

    target, key = "warehouse.fact_course_progress", ("student_key", "course_key")
    priority = 3  # the longest way through the warehouse; Luigi hands a priority down to what a task requires


@requires(
    enrollments=STAGED["students_enrollment"],
    students=DimStudents,
    programs=DimPrograms,
    dates=DimDate,
    checked=CheckStaging,
)
class FactEnrollments(SqlStep):
    """One row per enrolled student."""

    target, key = "warehouse.fact_enrollments", ("student_key",)


@requires(tickets=STAGED["support_tickets"], students=DimStudents, dates=DimDate, checked=CheckStaging)
class FactSupportTickets(SqlStep):
    """One row per support ticket."""

    target, key = "warehouse.fact_support_tickets", ("ticket_id",)


@requires(attendance=STAGED["attendance"], students=DimStudents, dates=DimDate, checked=CheckStaging)
class FactAttendance(SqlStep):
    """One row per attendance record."""

    target, key = "warehouse.fact_attendance", ("attendance_id",)


@requires(assessments=STAGED["assessments"], students=DimStudents, dates=DimDate, checked=CheckStaging)
class FactAssessments(SqlStep):
    """One row per assessment."""

    target, key = "warehouse.fact_assessments", ("assessment_id",)


WAREHOUSE: tuple[type[SqlStep], ...] = (
    DimDate,
    DimClasses,
    DimStudents,
    DimStudentsHistory,
    DimInstructors,
    DimPrograms,
    DimCourses,
    FactStudentProgress,
    FactCourseProgress,
    FactEnrollments,
    FactSupportTickets,
    FactAttendance,
    FactAssessments,
)


class CheckWarehouse(Check):
    """What must hold of the warehouse before a mart is made from it."""

    target, layer = "checks/warehouse", "warehouse"

    def requires(self) -> list[luigi.Task]:
        return [step() for step in WAREHOUSE]


@requires(
    events=FactStudentProgress,
    attendance=FactAttendance,
    assessments=FactAssessments,
    dates=DimDate,
    checked=CheckWarehouse,
)
class AsOf(SqlStep):
    """The day that time-relative measures refer to: here, because enrichment and marts both look back from it."""

    target, key, options = "analytics.as_of", ("only_row",), ("as_of",)

    def worth_a_fork(self) -> bool:
        return False  # everything else waits for it

    def recipes(self) -> tuple[str, ...]:
        return ("pipeline/sql/mart_as_of.sql",)


class Warehouse(Goal):
    """Goal: the star schema, checked."""

    def requires(self) -> list[luigi.Task]:
        return [*(step() for step in WAREHOUSE), CheckWarehouse()]
