"""The marts as pandas DataFrames, for notebooks, from any folder:

    from pipeline.analytics import student_360
    student_360(limit=5, home="~/hill-school")

Without `home` it is that of EDUFLOW_HOME, or the one that the working directory is in. Importing reads nothing.
One function per mart, the rows ordered by its key, `limit` the first so many. Whole numbers come as Int64, numeric
ones as float64 (the exact decimals are in output/marts/*.parquet), dates as datetime64, truth as boolean, text as str;
NULL is NA, NaN among floats and texts, NaT among dates. A rate is 0 to 1; a score, a completion and an average of these
are percent; money is rupees; and every number that is relative to a day refers to `as_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection, text

from pipeline import definitions
from pipeline import home as homes
from pipeline.config import settings
from pipeline.marts import MARTS
from pipeline.step import UserError, transaction
from targets import export

KEYS: dict[str, tuple[str, ...]] = {step.target.removeprefix("analytics."): step.key for step in MARTS}


def student_360(limit: int | None = None, *, home: str | Path | None = None) -> pd.DataFrame:
    """Everything about one student on one row. Key: student_id.

    student_id, as_of, full_name, gender, dob, city, state: the profile
    age (years), age_group (18-22, 23-27, 28-35, 35+)
    class_id, grade_level, is_active: as the newest roster says
    program_id, enrollment_date, enrollment_month, enrollment_quarter, enrollment_year, fee_paid (rupees)
    payment_status; enrollment_status: PENDING, CHURNED, INACTIVE or ACTIVE
    courses, modules_completed (numbers), avg_completion, avg_score (percent), hours: learning events
    last_activity, days_since_activity (days)
    active_days_{activity_short}, active_days_{activity_long} (days with activity, of so many that end with as_of)
    tickets_open, tickets_total (numbers)
    attendance_rate (0 to 1; NaN without a record)
    risk_score (0 to 100), risk_category (Low, Medium, High or Critical), risk_factors (codes, separated by commas)
    """
    return _frame("student_360", limit, home)


def course_performance(limit: int | None = None, *, home: str | Path | None = None) -> pd.DataFrame:
    """How one course does. Key: course_id.

    course_id, as_of, course_name, category, difficulty, instructor_name, is_active: as the catalogue says
    enrollments: students with a learning event in the course
    avg_completion, avg_score (percent), hours
    fees (rupees that its students paid for their programs: not additive over courses)
    """
    return _frame("course_performance", limit, home)


def class_daily_performance(limit: int | None = None, *, home: str | Path | None = None) -> pd.DataFrame:
    """One class on one day. Key: class_id, date; the class is the one that the student was in on that day.

    class_id, date, as_of
    total_students: students active in the class
    students_with_attendance, present_count, absent_count: students; present + absent = with attendance
    attendance_rate (0 to 1; 0 without a record)
    students_with_assessment, assessment_count, avg_score (percent; 0 without any)
    """
    return _frame("class_daily_performance", limit, home)


def student_performance_summary(limit: int | None = None, *, home: str | Path | None = None) -> pd.DataFrame:
    """Attendance and assessments of one student. Key: student_id.

    student_id, as_of, full_name, class_id, is_active
    total_attendance_days, present_days, absent_days: days; present + absent = total
    attendance_rate (0 to 1; 0 without a record)
    total_assessments, avg_score (percent; 0 without any), min_score, max_score (points)
    """
    return _frame("student_performance_summary", limit, home)


def class_statistics(limit: int | None = None, *, home: str | Path | None = None) -> pd.DataFrame:
    """One class over the whole time. Key: class_id.

    class_id, as_of, grade_level (of most of its students), total_students, active_students
    attendance_days (days on which attendance was taken), attendance_rate (0 to 1; 0 without a record)
    assessment_count, avg_score, median_score (percent)
    students_below_{look_attendance}_attendance, students_below_{look_score}_score: active students, under so many
    percent
    """
    return _frame("class_statistics", limit, home)


def daily_dashboard(limit: int | None = None, *, home: str | Path | None = None) -> pd.DataFrame:
    """The whole school on one day. Key: date.

    date, as_of, active_students (with an event, an assessment, or presence in class)
    learning_events, learning_hours (hours)
    students_with_attendance, present_count (students), attendance_rate (0 to 1; 0 without a record)
    assessment_count, avg_score (percent; 0 without any)
    tickets_opened, tickets_negative (of these), tickets_resolved, enrollments (numbers)
    fees_paid (rupees, of the students enrolled that day)
    """
    return _frame("daily_dashboard", limit, home)


def data_quality(limit: int | None = None, *, home: str | Path | None = None) -> pd.DataFrame:
    """What one rule found in one drop. Key: dataset, drop_date, drop_number, column_name, rule.

    dataset, drop_date, drop_number (1, 2, ...: the drops of one dataset and day), as_of
    column_name (_record: the structure of the row), rule
    read (rows of the drop), changed, flagged (values), rejected (rows)
    flagged_rate, rejected_rate (of the rows read, 0 to 1)
    """
    return _frame("data_quality", limit, home)


def review_queue(limit: int | None = None, *, home: str | Path | None = None) -> pd.DataFrame:
    """What a person should look at, one row per finding. Key: kind, dataset, item, other, reason.

    kind: duplicate_conflict, fuzzy_duplicate, contradiction, unmapped_code, orphan or worst_row
    dataset, item (the key or word it is about), other (the other key, column or day), reason
    occurrences: rows that say so
    """
    return _frame("review_queue", limit, home)


def ai_quality(limit: int | None = None, *, home: str | Path | None = None) -> pd.DataFrame:
    """Why rows of each dataset went wrong, and what to mend. Key: dataset.

    dataset; rows_read, rejected, duplicates (rows); severity (ok, watch or act); summary
    root_causes, recommendations: sentences, what touches most rows first
    source (rules or llm), reason, model, prompt_version: whose opinion it is
    """
    return _frame("ai_quality", limit, home)


def ai_insights(limit: int | None = None, *, home: str | Path | None = None) -> pd.DataFrame:
    """The executive summary, a row per line. Key: kind (summary, metric, anomaly or action), place.

    as_of, name, wording; of a metric value and previous (the {insights_days} days that end with as_of, and as many
    before), unit, mart and which direction is better
    source (rules or llm), reason, model, prompt_version: whose words they are
    """
    return _frame("ai_insights", limit, home)


def as_of(limit: int | None = None, *, home: str | Path | None = None) -> pd.DataFrame:
    """The day that every number relative to a day refers to: one row.

    as_of (NaT without a day on which two students were active), source (data or configuration), only_row
    """
    return _frame("as_of", limit, home)


FUNCTIONS: dict[str, Callable[..., pd.DataFrame]] = {
    function.__name__: function
    for function in (
        *(student_360, course_performance, class_daily_performance, student_performance_summary, class_statistics),
        *(daily_dashboard, data_quality, review_queue, ai_quality, ai_insights, as_of),
    )
}

for _function in FUNCTIONS.values():  # their docstrings name columns that are called after a number
    _function.__doc__ = definitions.filled(_function.__doc__ or "")


def query(db: Connection, mart: str, limit: int | None = None) -> str:
    """The query for a mart's rows by key, each value as PostgreSQL writes it."""
    table, key = _built(db, mart, limit)
    order = ", ".join(f'"{name}"' for name in key)
    columns = ", ".join(f'"{name}"' for name in export.column_types(db, table))
    return f"select {columns} from {table} order by {order}" + (f" limit {limit:d}" if limit is not None else "")


def _built(db: Connection, mart: str, limit: int | None) -> tuple[str, Sequence[str]]:
    """Table and key of a mart. UserError for what is none, and for one that no run has built yet."""
    if mart not in FUNCTIONS:
        raise UserError(f"There is no mart {mart!r}. Marts: {', '.join(FUNCTIONS)}")
    if limit is not None and limit < 0:
        raise UserError(f"limit is a number of rows, not {limit}")
    table = f"analytics.{mart}"
    built = text("""
        select to_regclass(:table) is not null and exists (
            select from etl.targets where target = :table and fingerprint is not null
        )
    """)
    if not db.execute(built, {"table": table}).scalar():
        raise UserError(f"{table} is not built yet: eduflow run")
    return table, KEYS[mart]


def _frame(mart: str, limit: int | None, home: str | Path | None) -> pd.DataFrame:
    which = homes.at(home) if home else homes.current()
    with transaction(settings(which)) as db:
        table, key = _built(db, mart, limit)
        rows = pa.concat_tables(export.read(db, table, key, limit))
    rows = rows.cast(pa.schema([(field.name, _plain(field.type)) for field in rows.schema]))
    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    return rows.to_pandas(types_mapper=nullable.get)


def _plain(kind: pa.DataType) -> pa.DataType:
    """What pandas has for it: of whole numbers, decimals and days, one type each."""
    if pa.types.is_integer(kind):
        return pa.int64()
    if pa.types.is_decimal(kind):
        return pa.float64()
    return pa.timestamp("us") if pa.types.is_date(kind) else kind
