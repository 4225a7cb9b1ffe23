"""Who was in school on which day."""

from pipeline.datasets.declaration import Column, Dataset, same

# What a register says; `[eduflow] attendance_status` may accept fewer of the four.
STATUSES = (
    *same("PRESENT", "ABSENT", "LATE", "EXCUSED"),
    *(("p", "PRESENT"), ("a", "ABSENT"), ("l", "LATE"), ("e", "EXCUSED")),
)

DATASET = Dataset(
    name="attendance",
    table="stg_attendance",
    row="one attendance record",
    key="attendance_id",
    mode="append",
    aliases=("attendance_records",),
    encoding="cp1252",
    groups=("student_id", "attendance_date"),
    columns=(
        Column("attendance_id", "key", comment="id of the record in the source"),
        Column("student_id", "student_id", references="student", comment="who"),
        Column("attendance_date", "date", aliases=("date",), required=True, comment="the school day"),
        Column("status", "attendance", words=STATUSES, required=True, comment="PRESENT, ABSENT, LATE or EXCUSED"),
        Column("created_at", "timestamp", comment="when it was written down (UTC)"),
    ),
)
