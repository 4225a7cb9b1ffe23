"""Marts: the tables people look at, each made by one SELECT `sql/mart_<name>.sql`."""

from __future__ import annotations

from luigi.util import requires

from pipeline.staging import StagedCourses, StagedEnrollments, StagedProgress, StagedTickets
from pipeline.warehouse import (
    DimCourses,
    DimDate,
    DimStudents,
    FactCourseProgress,
    FactStudentProgress,
    FactSupportTickets,
    SqlStep,
)


class Mart(SqlStep):
    """A table of schema analytics."""

    def recipes(self) -> tuple[str, ...]:
        return (f"pipeline/sql/mart_{self.target.split('.')[1]}.sql",)


@requires(events=FactStudentProgress, dates=DimDate)
class AsOf(Mart):
    """The day that time-relative measures refer to."""

    target, key, options = "analytics.as_of", ("only_row",), ("as_of",)


@requires(
    enrollments=StagedEnrollments,
    progress=StagedProgress,
    courses=StagedCourses,
    tickets=StagedTickets,
    students=DimStudents,
    catalogue=DimCourses,
    events=FactStudentProgress,
    course_progress=FactCourseProgress,
    asked=FactSupportTickets,
)
class ReviewQueue(Mart):
    """What a person should look at."""

    target, key = "analytics.review_queue", ("kind", "dataset", "item", "other", "reason")


MARTS: tuple[type[Mart], ...] = (AsOf, ReviewQueue)
