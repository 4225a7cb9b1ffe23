"""Points of students in pieces of work."""

from pipeline.datasets.declaration import Column, Dataset, RowCheck

DATASET = Dataset(
    name="assessments",
    table="stg_assessments",
    row="one assessed piece of work",
    key="assessment_id",
    mode="append",
    aliases=("assessment_results",),
    encoding="cp1252",
    groups=("student_id", "assessment_date"),
    columns=(
        Column("assessment_id", "key", comment="id of the record in the source"),
        Column("student_id", "student_id", references="student", comment="who"),
        Column("subject", "code", case="title", missing="subject_missing", comment="title case; null when missing"),
        Column("score", "points", required=True, comment="points, 0 to max_score"),
        Column(
            "max_score",
            "points",
            aliases=("maximum_score",),
            required=True,
            comment="points there were to get, above 0",
        ),
        Column(
            "assessment_date",
            "date",
            aliases=("date",),
            missing="assessment_date_missing",
            comment="the day it was sat; null when unknown",
        ),
        Column("created_at", "timestamp", comment="when it was written down (UTC)"),
    ),
    checks=(
        RowCheck("max_score", ">", 0, "max_score_not_positive", "no points to get"),
        RowCheck("score", "<=", "max_score", "score_above_maximum", "more points than there were to get"),
    ),
)
