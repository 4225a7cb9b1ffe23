"""A small but complete school: every dataset on two dates, with rejects, duplicates, corrections, a held drop and a
refused one. Small, because each row of it is loaded some thousand times."""

from __future__ import annotations

from pathlib import Path

from conftest import csv_text, json_text

STUDENTS = [f"STU{n:03}" for n in range(1, 13)]


def _roster(students: list[str], **different: str) -> str:
    return csv_text("students", *({"student_id": student, **different} for student in students))


FIRST_DAY = {
    "city_master.csv": csv_text(
        "city_master", {}, {"city_name": "Nashik", "common_misspellings": "Nasik"}, {"city_name": "", "state_name": ""}
    ),
    "course_catalog.csv": csv_text("course_catalog", {}, {"course_id": "CRS002", "course_name": "Botany"}),
    "students_enrollment.csv": csv_text(
        "students_enrollment",
        *({"student_id": student, "email": f"{student}@example.org"} for student in STUDENTS[:5]),
        {"student_id": "STU002", "city": "Nasik"},  # again, and another city
        {"student_id": "nobody"},
    ),
    "students.csv": _roster([*STUDENTS, "?"]),
    "student_progress.csv": csv_text(
        "student_progress",
        *({"event_id": f"e{n}", "student_id": STUDENTS[n % 7], "course_id": f"CRS00{n % 3 + 1}"} for n in range(12)),
        {"event_id": "e3", "score": "55"},
        {"event_id": "", "score": "1"},
    ),
    "support_tickets.csv": csv_text("support_tickets", {}, {"ticket_id": "TKT002", "student_id": "STU090"}),
    "attendance.csv": csv_text(
        "attendance",
        *({"attendance_id": f"A{n}", "student_id": STUDENTS[n]} for n in range(6)),
        {"attendance_id": "A6", "status": "ASLEEP"},
        {"attendance_id": "A1", "student_id": "STU002", "status": "ABSENT"},
    ),
    "assessments.json": json_text("assessments", {}, {"assessment_id": "ASM002", "score": "many"}),
}
SECOND_DAY = {
    "city_master.csv": csv_text("city_master", {}, {"city_name": "Nashik", "common_misspellings": "Nasik,Nashick"}),
    "course_catalog.csv": csv_text("course_catalog", {"price": "1200"}, {"course_id": "CRS003"}),
    "students_enrollment.csv": csv_text(
        "students_enrollment",
        {"student_id": "STU001", "email": "STU001@example.org"},  # nothing new
        {"student_id": "STU003", "city": "Nashik"},
        {"student_id": "STU008"},
        {"student_id": "", "full_name": "Nobody"},
    ),
    "students_enrollment.rejects-7.csv": csv_text("students_enrollment", {"student_id": "STU009"}),
    "students.csv": _roster(STUDENTS[:-1], class_id="CLASS-10B", updated_at="2024-02-02T09:00:00Z"),
    "student_progress.csv": csv_text(
        "student_progress",
        {"event_id": "e1", "student_id": "STU002", "course_id": "CRS002", "score": "95"},  # a correction
        {"event_id": "e20", "event_timestamp": "2024-02-02T10:00:00Z", "completion_percentage": "60"},
        {"event_id": "e21", "event_timestamp": "2024-02-02T11:00:00Z", "student_id": "STU004"},
        {"event_id": "e21", "event_timestamp": "2024-02-02T11:00:00Z", "student_id": "STU005"},
        {"event_id": "e22", "event_timestamp": "never"},
    ),
    "support_tickets.csv": csv_text("support_tickets", {"status": "Closed", "resolved_date": "2024-02-02"}),
    "attendance.csv": csv_text(
        "attendance",
        {"attendance_id": "A0", "status": "LATE"},
        *({"attendance_id": f"B{n}", "student_id": STUDENTS[n], "attendance_date": "2024-02-02"} for n in range(6)),
        {"attendance_id": "", "student_id": "STU001"},
    ),
    "assessments.jsonl": json_text(
        "assessments",
        {"score": "18"},
        {"assessment_id": "ASM003", "student_id": "STU002", "assessment_date": "2024-02-02"},
        {"assessment_id": "ASM004", "student_id": "", "assessment_date": "2024-02-02"},
        lines=True,
    ),
    "north/attendance.csv": "student_id,status\nSTU001,PRESENT\n",  # refused: no key
    "2024-02-03/students.csv": _roster(STUDENTS[:3]),  # held: where are the others?
}


def write_first_day(data: Path) -> None:
    _write(data / "2024-02-01", FIRST_DAY)


def write_second_day(data: Path) -> None:
    _write(data / "2024-02-02", SECOND_DAY)


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
