"""What each source must look like: one contract per dataset, readable as a table.

A contract says which columns a file of a dataset has, which rule of `rules.py` cleans each, and which typed
columns come out in staging. It is plain frozen data: its value (not this file's text) is a part of every
fingerprint that depends on it. A test holds the contracts and the DDL in `init_db/` equal.

To add a dataset: a contract here, its two tables in `init_db/`, two two-line classes (`ingest.py`, `staging.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

# Type of the staged column that a rule yields. `number` is numeric(14, scale), or bigint at scale 0.
STAGED_TYPES = {
    "student_id": "text",
    "key": "text",
    "name": "text",
    "email": "text",
    "phone": "text",
    "date": "date",
    "timestamp": "timestamp with time zone",
    "gender": "text",
    "city": "text",
    "state": "text",
    "percent": "numeric(5,2)",
    "boolean": "boolean",
    "code": "text",
    "text": "text",
    "aliases": "text[]",
    "class_id": "text",
    "grade": "integer",
    "attendance": "text",
    "points": "numeric(14,2)",
}


@dataclass(frozen=True)
class Column:
    """One column of a source file.

    name        the contract's name; also the raw column and, but for `name` rules, the staged one
    rule        the rule of `rules.py` that cleans it (a key of STAGED_TYPES, or `number`)
    aliases     other header names that mean this column (already normalised: lower case, `_`)
    case        for `code`, `key`: canonical case, "upper" | "lower" | "title" | "" (as it is)
    ascii       for `key`: the key is an id and must be ASCII (after NFKC); a key that is a proper name need not
    words       for `code`: the vocabulary as (accepted word, canonical value); empty = any word
    default     for `code`: the value of a blank or unknown word; None keeps NULL, or the unknown word itself
    scale       for `number`: decimal places kept, half away from zero
    missing     the flag of a blank value; "" = a blank is no problem
    blank_value for `number`: what a blank becomes, as text; None = NULL
    flag        what the column's flags start with; "" = its name (`completion_percentage` says `completion_capped`)
    required    whatever is wrong with the column rejects the row
    """

    name: str
    rule: str
    aliases: tuple[str, ...] = ()
    case: str = ""
    ascii: bool = True
    words: tuple[tuple[str, str], ...] = ()
    default: str | None = None
    scale: int = 2
    missing: str = ""
    blank_value: str | None = None
    flag: str = ""
    required: bool = False

    @property
    def flag_prefix(self) -> str:
        return self.flag or self.name

    @property
    def staged(self) -> tuple[tuple[str, str], ...]:
        """(name, PostgreSQL type) of each staged column this one yields."""
        if self.rule == "number":
            kind = f"numeric(14,{self.scale})" if self.scale else "bigint"
            return ((self.name, kind),)
        if self.rule == "name":
            return ((self.name, "text"), ("first_name", "text"), ("last_name", "text"))
        return ((self.name, STAGED_TYPES[self.rule]),)


@dataclass(frozen=True)
class Dataset:
    """One kind of source.

    name        dataset and file name (`students_enrollment.csv`), also `raw.<name>`
    table       the staged table, `staging.<table>`
    key         the natural key: the column that names a row across drops
    mode        "append": each drop adds or corrects; "snapshot": the drops of one date are the whole truth at that date
    columns     all required in a file's header, in any order
    aliases     other file names of the dataset
    encoding    what text that is not UTF-8 is read as ("cp1252"), or "" to refuse it
    groups      staged columns by which facts group rows: a row that changes one of them moved between groups
    reference   the datasets whose newest drop the rules look things up in
    versions    the table that keeps every accepted version of a row, one per drop date: `staging.<versions>`
    never_store names of columns whose values are read by nobody, besides those that `never_stored.is_secret` knows
    """

    name: str
    table: str
    key: str
    mode: str
    columns: tuple[Column, ...]
    aliases: tuple[str, ...] = ()
    encoding: str = ""
    groups: tuple[str, ...] = ()
    reference: tuple[str, ...] = ()
    versions: str = ""
    never_store: tuple[str, ...] = ()

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @cached_property
    def staged(self) -> tuple[tuple[str, str], ...]:
        """(name, PostgreSQL type) of the staged content columns, key included, in table order."""
        return tuple(pair for column in self.columns for pair in column.staged)

    @cached_property
    def staged_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.staged)

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


def _same(*words: str) -> tuple[tuple[str, str], ...]:
    """A vocabulary whose words are their own canonical values (matched in any case)."""
    return tuple((word.lower(), word) for word in words)


PAYMENT_STATUS = (
    ("paid", "COMPLETED"),
    ("completed", "COMPLETED"),
    ("pending", "PENDING"),
    ("partial", "PARTIAL"),
    ("refunded", "REFUNDED"),
    ("failed", "FAILED"),
    ("unknown", "UNKNOWN"),
)
EVENT_TYPES = _same(
    "video_watched", "quiz_completed", "assignment_submitted", "module_completed", "course_completed", "login"
)
PRIORITIES = _same("Low", "Medium", "High", "Critical")
TICKET_STATUSES = _same("Open", "In Progress", "Resolved", "Closed")
TICKET_CATEGORIES = _same(
    "Technical",
    "Payment",
    "Certificate",
    "Feedback",
    "Content",
    "Billing",
    "Support",
    "Academic",
    "Complaint",
    "Career",
)
COURSE_CATEGORIES = _same("Technology", "Business", "Design")
DIFFICULTIES = _same("Beginner", "Intermediate", "Advanced")
ENROLLMENT_STATUSES = _same("ACTIVE", "INACTIVE", "SUSPENDED", "TRANSFERRED", "GRADUATED", "WITHDRAWN")
# What a register says; `[eduflow] attendance_status` may accept fewer of the four.
ATTENDANCE_STATUSES = (
    *_same("PRESENT", "ABSENT", "LATE", "EXCUSED"),
    *(("p", "PRESENT"), ("a", "ABSENT"), ("l", "LATE"), ("e", "EXCUSED")),
)

STUDENTS_ENROLLMENT = Dataset(
    name="students_enrollment",
    table="stg_enrollments",
    key="student_id",
    mode="append",
    aliases=("students_enrolment", "enrollments", "enrolments"),
    encoding="cp1252",
    reference=("city_master",),
    versions="student_versions",
    columns=(
        Column("student_id", "student_id"),
        Column("full_name", "name", aliases=("name", "student_name")),
        Column("email", "email", aliases=("e_mail", "email_address"), missing="email_missing"),
        Column("phone", "phone", aliases=("phone_number", "mobile"), missing="phone_missing"),
        Column("dob", "date", aliases=("date_of_birth", "birth_date")),
        Column("gender", "gender"),
        Column("city", "city"),
        Column("state", "state"),
        Column("enrollment_date", "date", aliases=("enrolment_date",)),
        Column("program_id", "code", case="upper"),
        Column("fee_paid", "number", aliases=("fee",), missing="fee_missing", blank_value="0"),
        Column("payment_status", "code", case="upper", words=PAYMENT_STATUS, default="UNKNOWN"),
    ),
)

STUDENT_PROGRESS = Dataset(
    name="student_progress",
    table="stg_progress",
    key="event_id",
    mode="append",
    aliases=("progress", "progress_events"),
    encoding="cp1252",
    groups=("student_id", "course_id"),
    columns=(
        Column("event_id", "key"),
        Column("student_id", "student_id"),
        Column("course_id", "code", case="upper", missing="course_id_missing"),
        Column("event_type", "code", case="lower", words=EVENT_TYPES),
        Column("event_timestamp", "timestamp", aliases=("timestamp",)),
        Column("duration_seconds", "number", aliases=("duration",), scale=0),
        Column("score", "percent"),
        Column("module_id", "code", case="upper"),
        Column("completion_percentage", "percent", aliases=("completion",), flag="completion"),
    ),
)

COURSE_CATALOG = Dataset(
    name="course_catalog",
    table="stg_courses",
    key="course_id",
    mode="snapshot",
    aliases=("course_catalogue", "courses"),
    encoding="cp1252",
    columns=(
        Column("course_id", "key", case="upper"),
        Column("course_name", "text", aliases=("course", "title")),
        Column("category", "code", case="title", words=COURSE_CATEGORIES),
        Column("difficulty", "code", case="title", words=DIFFICULTIES),
        Column("duration_hours", "number"),
        Column("price", "number"),
        Column("instructor_name", "text", aliases=("instructor",)),
        Column("is_active", "boolean", aliases=("active",)),
    ),
)

SUPPORT_TICKETS = Dataset(
    name="support_tickets",
    table="stg_tickets",
    key="ticket_id",
    mode="append",
    aliases=("tickets",),
    encoding="cp1252",
    groups=("student_id",),
    columns=(
        Column("ticket_id", "key"),
        Column("student_id", "student_id"),
        Column("subject", "text"),
        Column("description", "text"),
        Column("priority", "code", case="title", words=PRIORITIES),
        Column("status", "code", case="title", words=TICKET_STATUSES),
        Column("category", "code", case="title", words=TICKET_CATEGORIES),
        Column("created_date", "date", aliases=("created", "created_at")),
        Column("resolved_date", "date", aliases=("resolved", "resolved_at")),
    ),
)

CITY_MASTER = Dataset(
    name="city_master",
    table="stg_cities",
    key="city_name",
    mode="snapshot",
    aliases=("cities",),
    encoding="cp1252",
    columns=(
        Column("city_name", "key", aliases=("city",), case="title", ascii=False),
        Column("state_name", "code", aliases=("state",), case="title"),
        Column("state_code", "code", case="upper"),
        Column("common_misspellings", "aliases", aliases=("misspellings", "aliases")),
    ),
)

STUDENTS = Dataset(
    name="students",
    table="stg_students",
    key="student_id",
    mode="snapshot",
    aliases=("roster", "school_roster", "student_roster"),
    encoding="cp1252",
    versions="student_versions",
    columns=(
        Column("student_id", "student_id"),
        Column("student_name", "name", aliases=("name", "full_name")),
        Column("class_id", "class_id", aliases=("class",), missing="class_id_missing"),
        Column("grade_level", "grade", aliases=("grade",)),
        Column(
            "enrollment_status",
            "code",
            aliases=("enrolment_status", "status"),
            case="upper",
            words=ENROLLMENT_STATUSES,
            missing="enrollment_status_missing",
        ),
        Column("updated_at", "timestamp"),
    ),
)

ATTENDANCE = Dataset(
    name="attendance",
    table="stg_attendance",
    key="attendance_id",
    mode="append",
    aliases=("attendance_records",),
    encoding="cp1252",
    groups=("student_id", "attendance_date"),
    columns=(
        Column("attendance_id", "key"),
        Column("student_id", "student_id"),
        Column("attendance_date", "date", aliases=("date",), required=True),
        Column("status", "attendance", words=ATTENDANCE_STATUSES, required=True),
        Column("created_at", "timestamp"),
    ),
)

ASSESSMENTS = Dataset(
    name="assessments",
    table="stg_assessments",
    key="assessment_id",
    mode="append",
    aliases=("assessment_results",),
    encoding="cp1252",
    groups=("student_id", "assessment_date"),
    columns=(
        Column("assessment_id", "key"),
        Column("student_id", "student_id"),
        Column("subject", "code", case="title", missing="subject_missing"),
        Column("score", "points", required=True),
        Column("max_score", "points", aliases=("maximum_score",), required=True),
        Column("assessment_date", "date", aliases=("date",), missing="assessment_date_missing"),
        Column("created_at", "timestamp"),
    ),
)

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        *(STUDENTS_ENROLLMENT, STUDENT_PROGRESS, COURSE_CATALOG, SUPPORT_TICKETS, CITY_MASTER),
        *(STUDENTS, ATTENDANCE, ASSESSMENTS),
    )
}
