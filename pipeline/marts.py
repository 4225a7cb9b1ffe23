"""Marts: the tables people look at, each made by one SELECT `sql/mart_<name>.sql`."""

from __future__ import annotations

import luigi
from luigi.util import requires

from pipeline.checks import Check
from pipeline.enrich import QualityAnalysis, StudentRisk, Summary, TicketAnalysis
from pipeline.staging import STAGED, CheckStaging
from pipeline.step import Goal
from pipeline.warehouse import (
    AsOf,
    CheckWarehouse,
    DimClasses,
    DimCourses,
    DimDate,
    DimInstructors,
    DimPrograms,
    DimStudents,
    DimStudentsHistory,
    FactAssessments,
    FactAttendance,
    FactCourseProgress,
    FactEnrollments,
    FactStudentProgress,
    FactSupportTickets,
    SqlStep,
)


class Mart(SqlStep):
    """A table of schema analytics."""

    def recipes(self) -> tuple[str, ...]:
        return (f"pipeline/sql/mart_{self.target.split('.')[1]}.sql",)


@requires(
    enrollments=STAGED["students_enrollment"],
    roster=STAGED["students"],
    progress=STAGED["student_progress"],
    courses=STAGED["course_catalog"],
    tickets=STAGED["support_tickets"],
    attendance=STAGED["attendance"],
    assessments=STAGED["assessments"],
    students=DimStudents,
    catalogue=DimCourses,
    events=FactStudentProgress,
    course_progress=FactCourseProgress,
    asked=FactSupportTickets,
    attended=FactAttendance,
    assessed=FactAssessments,
    checked=CheckWarehouse,
)
class ReviewQueue(Mart):
    """What a person should look at."""

    target, key = "analytics.review_queue", ("kind", "dataset", "item", "other", "reason")


@requires(
    as_of=AsOf,
    students=DimStudents,
    programs=DimPrograms,
    enrollments=FactEnrollments,
    events=FactStudentProgress,
    course_progress=FactCourseProgress,
    attendance=FactAttendance,
    assessments=FactAssessments,
    tickets=FactSupportTickets,
    risk=StudentRisk,
    checked=CheckWarehouse,
)
class Student360(Mart):
    """Everything about one student on one row."""

    target, key = "analytics.student_360", ("student_id",)
    priority = 2  # with the risk of every student, the longest way to the reports


@requires(
    as_of=AsOf,
    courses=DimCourses,
    instructors=DimInstructors,
    events=FactStudentProgress,
    course_progress=FactCourseProgress,
    enrollments=FactEnrollments,
    checked=CheckWarehouse,
)
class CoursePerformance(Mart):
    """How one course does."""

    target, key = "analytics.course_performance", ("course_id",)


# The staged steps write the counts it reads, beside their tables.
@requires(**STAGED, as_of=AsOf, checked=CheckStaging)
class DataQuality(Mart):
    """What each rule found in each drop."""

    target = "analytics.data_quality"
    key = ("dataset", "drop_date", "drop_number", "column_name", "rule")


@requires(
    as_of=AsOf,
    history=DimStudentsHistory,
    attendance=FactAttendance,
    assessments=FactAssessments,
    checked=CheckWarehouse,
)
class ClassDailyPerformance(Mart):
    """One row per class and day."""

    target, key = "analytics.class_daily_performance", ("class_id", "date")


@requires(
    as_of=AsOf,
    students=DimStudents,
    attendance=FactAttendance,
    assessments=FactAssessments,
    checked=CheckWarehouse,
)
class StudentPerformanceSummary(Mart):
    """One row per active student, and per other student with a record."""

    target, key = "analytics.student_performance_summary", ("student_id",)


@requires(
    as_of=AsOf,
    classes=DimClasses,
    students=DimStudents,
    history=DimStudentsHistory,
    assessments=FactAssessments,
    days=ClassDailyPerformance,
    summaries=StudentPerformanceSummary,
    checked=CheckWarehouse,
)
class ClassStatistics(Mart):
    """One row per class."""

    target, key = "analytics.class_statistics", ("class_id",)
    priority = 1  # so are these two, when a school keeps attendance


@requires(
    as_of=AsOf,
    dates=DimDate,
    events=FactStudentProgress,
    attendance=FactAttendance,
    assessments=FactAssessments,
    tickets=FactSupportTickets,
    enrollments=FactEnrollments,
    analysed=TicketAnalysis,
    checked=CheckWarehouse,
)
class DailyDashboard(Mart):
    """One row per day."""

    target, key = "analytics.daily_dashboard", ("date",)
    priority = 1


@requires(as_of=AsOf, days=DailyDashboard, students=Student360, files=DataQuality)
class Insights(Summary):
    """The executive summary, a row per line."""


MARTS: tuple[type[SqlStep], ...] = (
    AsOf,
    ReviewQueue,
    Student360,
    CoursePerformance,
    DataQuality,
    ClassDailyPerformance,
    StudentPerformanceSummary,
    ClassStatistics,
    DailyDashboard,
    QualityAnalysis,
    Insights,
)


class CheckAnalytics(Check):
    """What must hold of the marts before anyone is shown them."""

    target, layer = "checks/analytics", "analytics"

    def requires(self) -> list[luigi.Task]:
        return [step() for step in MARTS]


class Marts(Goal):
    """Goal: the tables people look at, checked."""

    def requires(self) -> list[luigi.Task]:
        return [*(step() for step in MARTS), CheckAnalytics()]
