"""What students did in their courses, one event a row."""

from pipeline.datasets.declaration import Column, Dataset, same

EVENT_TYPES = same(
    "video_watched", "quiz_completed", "assignment_submitted", "module_completed", "course_completed", "login"
)

DATASET = Dataset(
    name="student_progress",
    table="stg_progress",
    row="one learning event",
    key="event_id",
    mode="append",
    aliases=("progress", "progress_events"),
    encoding="cp1252",
    groups=("student_id", "course_id"),
    columns=(
        Column("event_id", "key", comment="id of the event in the source"),
        Column("student_id", "student_id", references="student", comment="who"),
        Column(
            "course_id",
            "code",
            case="upper",
            missing="course_id_missing",
            references="course",
            comment="in which course; null when missing",
        ),
        Column("event_type", "code", case="lower", words=EVENT_TYPES, comment="video_watched, quiz_completed, ..."),
        Column("event_timestamp", "timestamp", aliases=("timestamp",), comment="when (UTC); null when unknown"),
        Column("duration_seconds", "number", aliases=("duration",), scale=0, comment="seconds spent"),
        Column("score", "percent", comment="percent, 0 to 100"),
        Column("module_id", "code", case="upper", comment="module of the course"),
        Column(
            "completion_percentage",
            "percent",
            aliases=("completion",),
            flag="completion",
            comment="percent of the course completed, 0 to 100",
        ),
    ),
)
