"""What students asked the support, and when it was resolved."""

from pipeline.datasets.declaration import Column, Dataset, same

PRIORITIES = same("Low", "Medium", "High", "Critical")
STATUSES = same("Open", "In Progress", "Resolved", "Closed")
CATEGORIES = same(
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

DATASET = Dataset(
    name="support_tickets",
    table="stg_tickets",
    row="one support ticket",
    key="ticket_id",
    mode="append",
    aliases=("tickets",),
    encoding="cp1252",
    groups=("student_id",),
    columns=(
        Column("ticket_id", "key", comment="id of the ticket in the source"),
        Column("student_id", "student_id", references="student", comment="who asked"),
        Column("subject", "text", comment="as written"),
        Column("description", "text", comment="as written"),
        Column("priority", "code", case="title", words=PRIORITIES, comment="Low, Medium, High or Critical"),
        Column("status", "code", case="title", words=STATUSES, comment="Open, In Progress, Resolved or Closed"),
        Column("category", "code", case="title", words=CATEGORIES, comment="subject area"),
        Column("created_date", "date", aliases=("created", "created_at"), comment="day it was opened"),
        Column(
            "resolved_date", "date", aliases=("resolved", "resolved_at"), comment="day it was resolved; null while open"
        ),
    ),
)
