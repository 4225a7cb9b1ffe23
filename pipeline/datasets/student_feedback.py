"""What students say of their courses: a rating, and a comment."""

from pipeline.datasets.declaration import Column, Dataset, RowCheck

DATASET = Dataset(
    name="student_feedback",
    table="stg_feedback",
    row="one feedback of a student on a course",
    key="feedback_id",
    mode="append",
    aliases=("feedback", "course_feedback"),
    encoding="cp1252",
    fact=("created_at", "rating"),
    columns=(
        Column("feedback_id", "key", comment="id of the feedback in the source", example="FB-001"),
        Column("student_id", "student_id", references="student", comment="who"),
        Column("course_id", "code", case="upper", missing="course_id_missing", references="course", comment="on what"),
        Column("rating", "points", aliases=("stars",), required=True, comment="1 (worst) to 5", example="4"),
        Column("comment", "text", comment="as written"),
        Column("created_at", "timestamp", aliases=("date", "submitted_at"), comment="when it was given (UTC)"),
    ),
    checks=(
        RowCheck("rating", ">=", 1, "rating_below_1", "less than the worst rating"),
        RowCheck("rating", "<=", 5, "rating_above_5", "more than the best rating"),
    ),
)
