"""The school's roster, whole in each file."""

from pipeline.datasets.declaration import Column, Dataset, same

STATUSES = same("ACTIVE", "INACTIVE", "SUSPENDED", "TRANSFERRED", "GRADUATED", "WITHDRAWN")

DATASET = Dataset(
    name="students",
    table="stg_students",
    row="one student of the school roster",
    key="student_id",
    mode="snapshot",
    aliases=("roster", "school_roster", "student_roster"),
    encoding="cp1252",
    versions="student_versions",
    columns=(
        Column("student_id", "student_id", references="student", comment="letters, then at least three digits"),
        Column("student_name", "name", aliases=("name", "full_name"), comment="digits stripped, title case"),
        Column(
            "class_id",
            "class_id",
            aliases=("class",),
            missing="class_id_missing",
            references="class",
            comment="CLASS-XX; null when missing or unreadable",
        ),
        Column(
            "grade_level", "grade", aliases=("grade",), comment="1, 2, ...; null when it is no positive whole number"
        ),
        Column(
            "enrollment_status",
            "code",
            aliases=("enrolment_status", "status"),
            case="upper",
            words=STATUSES,
            missing="enrollment_status_missing",
            comment="ACTIVE, INACTIVE, SUSPENDED, TRANSFERRED, GRADUATED or WITHDRAWN",
        ),
        Column("updated_at", "timestamp", comment="when the school last changed the record (UTC)"),
    ),
)
