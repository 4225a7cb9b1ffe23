"""The courses there are, whole in each file."""

from pipeline.datasets.declaration import Column, Dataset, same

CATEGORIES = same("Technology", "Business", "Design")
DIFFICULTIES = same("Beginner", "Intermediate", "Advanced")

DATASET = Dataset(
    name="course_catalog",
    table="stg_courses",
    row="one course",
    key="course_id",
    mode="snapshot",
    aliases=("course_catalogue", "courses"),
    encoding="cp1252",
    columns=(
        Column("course_id", "key", case="upper", references="course", comment="upper case"),
        Column("course_name", "text", aliases=("course", "title"), comment="title of the course"),
        Column("category", "code", case="title", words=CATEGORIES, comment="Technology, Business or Design"),
        Column("difficulty", "code", case="title", words=DIFFICULTIES, comment="Beginner, Intermediate or Advanced"),
        Column("duration_hours", "number", comment="planned hours"),
        Column("price", "number", comment="price in rupees"),
        Column(
            "instructor_name",
            "text",
            aliases=("instructor",),
            references="instructor",
            comment="as written in the catalogue",
        ),
        Column("is_active", "boolean", aliases=("active",), comment="as the catalogue says"),
    ),
)
