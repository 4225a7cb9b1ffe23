"""Who enrolled in a programme, with contact data and what was paid."""

from pipeline.datasets.declaration import Column, Dataset

PAYMENT_STATUS = (
    ("paid", "COMPLETED"),
    ("completed", "COMPLETED"),
    ("pending", "PENDING"),
    ("partial", "PARTIAL"),
    ("refunded", "REFUNDED"),
    ("failed", "FAILED"),
    ("unknown", "UNKNOWN"),
)

DATASET = Dataset(
    name="students_enrollment",
    table="stg_enrollments",
    row="one enrolled student",
    key="student_id",
    mode="append",
    aliases=("students_enrolment", "enrollments", "enrolments"),
    encoding="cp1252",
    lookups=("city_master",),
    fact=("enrollment_date", "fee_paid", "payment_status"),
    versions="student_versions",
    columns=(
        Column("student_id", "student_id", references="student", comment="letters, then at least three digits"),
        Column("full_name", "name", aliases=("name", "student_name"), comment="digits stripped, title case"),
        Column(
            "email",
            "email",
            aliases=("e_mail", "email_address"),
            missing="email_missing",
            comment="lower case; null when missing or invalid",
        ),
        Column(
            "phone",
            "phone",
            aliases=("phone_number", "mobile"),
            missing="phone_missing",
            comment="+91-XXXXXXXXXX; null when missing or invalid",
        ),
        Column("dob", "date", aliases=("date_of_birth", "birth_date"), comment="date of birth"),
        Column("gender", "gender", comment="Male, Female or Other"),
        Column("city", "city", comment="as in city_master where it matched"),
        Column("state", "state", comment="full name"),
        Column("enrollment_date", "date", aliases=("enrolment_date",), comment="day of enrolment"),
        Column("program_id", "code", case="upper", indexed=True, references="program", comment="upper case"),
        Column(
            "fee_paid",
            "number",
            aliases=("fee",),
            missing="fee_missing",
            blank_value="0",
            comment="fee in rupees; 0 when missing",
        ),
        Column(
            "payment_status",
            "code",
            case="upper",
            words=PAYMENT_STATUS,
            default="UNKNOWN",
            comment="COMPLETED, PENDING, PARTIAL, REFUNDED, FAILED or UNKNOWN",
        ),
    ),
)
