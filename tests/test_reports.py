"""What people get: the report page, the marts as files and as DataFrames, `show`."""

from __future__ import annotations

import csv
import html
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import jinja2
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROWS, House, url

from pipeline import analytics
from pipeline.config import PROJECT
from pipeline.definitions import filled
from pipeline.marts import MARTS
from pipeline.outputs.pages import TEMPLATES, ReportPage
from pipeline.outputs.report import charts
from pipeline.outputs.report.markup import el
from pipeline.outputs.report.page import environment, render
from pipeline.outputs.report.trends import by_class, trend
from pipeline.outputs.report.words import natural, percent, points, words
from targets import export
from targets.postgres.connection import Database

MART_NAMES = [step.target.removeprefix("analytics.") for step in MARTS]
DAY1, DAY2 = "2024-02-08", "2024-02-09"


def page_of(house: House) -> str:
    return (house.output / "report.html").read_text()


@pytest.fixture(scope="module")
def sample(cluster: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The project's own sample, run once: for tests that only look."""
    name = f"test_{os.getpid()}_sample"
    admin = psycopg2.connect(**cluster)
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"create database {name} template template_eduflow")
    output = tmp_path_factory.mktemp("sample")
    environment = {
        "EDUFLOW_DATABASE": url(cluster, name),
        "EDUFLOW_DATA_DIR": str(PROJECT / "data"),
        "EDUFLOW_OUTPUT_DIR": str(output),
    }
    house = House(PROJECT / "data", output, Database(environment["EDUFLOW_DATABASE"], output), environment)
    done = house.command("-m", "pipeline", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("report.html")
    yield house
    with admin.cursor() as cursor:
        cursor.execute(f"drop database {name} with (force)")
    admin.close()


class Outline(HTMLParser):
    """What a page is made of; fails on a tag that is not closed, or closed twice."""

    VOID = frozenset({"meta", "link"})

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert "svg" in self.open, f"{tag} closes itself outside of a drawing"
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data + " "

    @property
    def words(self) -> str:
        return " ".join(self.text.replace("\u00a0", " ").split())

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


# --- the page: form -------------------------------------------------------------------------------------------------


def test_the_page_needs_no_network_and_no_script(sample):
    page = page_of(sample)
    outline = Outline(page)
    assert "://" not in page and "url(" not in page and "@import" not in page
    assert {tag for tag, _ in outline.tags} & {"script", "iframe", "img", "object", "form", "base"} == set()
    assert all(link.startswith("#") for link in outline.attributes("href") if link != "data:,")
    assert outline.attributes("src") == []
    assert [name for _, given in outline.tags for name in given if name.startswith("on")] == []
    assert any(content.startswith("default-src 'none'") for content in outline.attributes("content"))
    assert len(page) < 100_000


def test_the_page_reads_well_aloud(sample):
    """Language, one h1, no heading level skipped, ids once each and no link that leads nowhere, charts in words."""
    outline = Outline(page_of(sample))
    assert dict(outline.tags[0][1]) == {"lang": "en"}
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(lower - upper <= 1 for upper, lower in pairwise(levels))
    ids = outline.attributes("id")
    assert len(ids) == len(set(ids))
    assert {link.removeprefix("#") for link in outline.attributes("href") if link != "data:,"} <= set(ids)
    drawings = [given for tag, given in outline.tags if tag == "svg"]
    assert len(drawings) > 8
    for given in drawings:
        assert given.get("aria-hidden") == "true" or (given["role"] == "img" and len(given["aria-label"] or "") > 30)
    assert any("CLASS-9B, per day: from 90 % (11 Jan 2024) to" in (given.get("aria-label") or "") for given in drawings)


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, as WCAG defines it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_and_lines_stand_out_from_the_paper():
    """WCAG AA on white: 4.5 for text, 3 for what is drawn. The grid may be faint."""
    style = (PROJECT / "pipeline/outputs/report/templates/page.css").read_text()
    named = dict(re.findall(r"--(\w+): (#\w{6})", style))
    drawn = re.sub(r"\.grid \{.*\}", "", style)
    found = re.findall(r"(?<![-\w])(color|fill|stroke): (#\w{6}|var\(--(\w+)\))", drawn)
    assert found and drawn != style
    for what, colour, name in found:
        colour = named[name] if name else colour
        contrast = 1.05 / (luminance(colour) + 0.05)
        assert contrast >= (4.5 if what == "color" else 3), (what, colour, contrast)


# --- the page: what it says -----------------------------------------------------------------------------------------


def test_the_page_says_what_the_marts_say(sample):
    said = Outline(page_of(sample)).words
    as_of = sample.one("select as_of from analytics.as_of")
    assert f"As of {charts.day(as_of)}" in said
    active = sample.one("""
        select count(*) from analytics.student_360 inner join warehouse.dim_students as d using (student_id)
        where student_360.is_active and not d.is_inferred
    """)
    assert f"Students {active} active, of" in said
    present, recorded = sample.query("""
        select sum(present_count), sum(students_with_attendance) from analytics.daily_dashboard
        where date > (select as_of - 30 from analytics.as_of) and date <= (select as_of from analytics.as_of)
    """)[0]
    assert f"Attendance {percent(present / recorded).replace(chr(160), ' ')} of the student-days, last 30 days" in said
    for class_id, rate in sample.query("select class_id, attendance_rate from analytics.class_statistics"):
        assert re.search(rf"{class_id} \d+ \d+ {rate * 100:.0f} % ", said), class_id


def test_the_students_who_need_a_look_come_with_their_reasons(sample):
    said = Outline(page_of(sample)).words
    needing = said[said.index("Student Class Why") : said.index("Class Grade")]
    expected = sample.query("""
        select student_id from analytics.student_performance_summary
        where is_active and (attendance_rate < 0.75 and total_attendance_days > 0
            or avg_score < 40 and total_assessments > 0)
    """)
    assert len(expected) >= 4
    for (student,) in expected:
        assert student in needing
    assert re.search(r"STU020 CLASS-9B Attendance \d+ % : absent on \d of \d+ recorded days Mean assessment", needing)
    assert "STU001" not in needing  # does well


def test_the_list_has_whom_the_classes_count_also_where_the_value_shown_is_rounded_to_the_limit(house):
    """Present on 50 of 67 days (0.746, shown as 0.75), a mean of 39.997 (shown as 40.00): both are below."""
    house.rows(f"{DAY1}/students.csv", "students", {}, {"student_id": "STU002"}, {"student_id": "STU003"})
    days = [(date(2023, 11, 1) + timedelta(place)).isoformat() for place in range(67)]
    house.rows(
        f"{DAY1}/attendance.csv",
        "attendance",
        *(
            {"attendance_id": f"ATT{place:03}", "attendance_date": day, "status": "ABSENT" if place < 17 else "PRESENT"}
            for place, day in enumerate(days)
        ),
    )
    scores = enumerate(("40", "40", "39.99"))
    tests = [
        {
            **ROWS["assessments"],
            "assessment_id": f"A{place}",
            "student_id": "STU002",
            "score": score,
            "max_score": "100",
        }
        for place, score in scores
    ]
    house.drop(f"{DAY1}/assessments.json", json.dumps(tests))
    events = [
        {"event_id": f"evt-{place}", "student_id": "STU003", "score": each["score"]} for place, each in enumerate(tests)
    ]
    house.rows(f"{DAY1}/student_progress.csv", "student_progress", *events)
    assert house.run() == 0
    counted = "select sum(students_below_75_attendance), sum(students_below_40_score) from analytics.class_statistics"
    assert house.query(counted) == [(1, 1)]
    shown = "select attendance_rate, avg_score from analytics.student_performance_summary order by student_id"
    assert house.query(shown)[:2] == [(Decimal("0.75"), 0), (0, Decimal("40.00"))]
    said = Outline(page_of(house)).words
    for reason in ("attendance under 75 %", "a mean assessment score under 40 %", "a mean course score under 40 %"):
        assert f"{reason} (1)" in said
    # what is shown as the reason does not contradict it
    assert "Attendance 74 %" in said and "assessment score 39.9 %" in said and "course score 39.9 %" in said


def test_the_students_at_risk_come_with_what_would_lower_it(sample):
    words = Outline(page_of(sample)).words
    high = sample.query("""
        select m.full_name, m.student_id, r.score, r.category, r.explanation from analytics.student_360 as m
        inner join warehouse.dim_students as s using (student_id)
        inner join warehouse.ai_student_risk as r using (student_key)
        where m.is_active and not s.is_inferred and m.risk_category in ('High', 'Critical') order by r.score desc
    """)
    assert high
    for name, student, score, category, explanation in high:
        assert " ".join(f"{name} {student} {score} {category} {explanation}".split()) in words
    low = sample.one("""
        select count(*) from analytics.student_360 inner join warehouse.dim_students as s using (student_id)
        where student_360.is_active and not s.is_inferred and risk_category = 'Low'
    """)
    assert f"low {low}. Points add up" in words


def test_the_mood_of_the_tickets_is_there_and_their_text_is_not(sample):
    page = page_of(sample)
    words = Outline(page).words
    for mood, tickets in sample.query("select sentiment, count(*) from warehouse.ai_ticket_analysis group by 1"):
        assert f"{mood} {100 * tickets / 17:.0f} % " in words
    open_and_critical = sample.query("""
        select ticket_id from warehouse.ai_ticket_analysis inner join warehouse.fact_support_tickets using (ticket_id)
        where ai_ticket_analysis.priority = 'Critical' and status not in ('Resolved', 'Closed')
    """)
    assert open_and_critical and all(ticket in words for (ticket,) in open_and_critical)
    assert not [text for (text,) in sample.query("select description from staging.stg_tickets") if text in page]


def test_every_file_is_there_with_its_balance(sample):
    said = Outline(page_of(sample)).words
    rows = sample.query("""
        select path, read, current, superseded, duplicate, rejected from etl.drops order by drop_id
    """)
    assert rows
    for path, *counts in rows:
        assert re.search(
            re.escape(path) + r" \d+ Feb 2024 loaded " + " ".join(f"{count:,}" for count in counts), said
        ), path
    totals = [sum(row[place] for row in rows) for place in range(1, 6)]
    assert totals[0] == sum(totals[1:])
    assert f"All {len(rows)} files {' '.join(f'{total:,}' for total in totals)}" in said


def test_open_rejects_are_named_by_file_and_line_without_their_values(sample):
    page = page_of(sample)
    said = Outline(page).words
    rows = sample.query("""
        select d.path, r.line from staging.open_rejects as r inner join etl.drops as d using (drop_id)
    """)
    assert len(rows) == 17
    for path, line in rows:
        assert re.search(rf"{re.escape(path)} {line} [A-Z]", said)
    addresses = [value for (value,) in sample.query("select email from staging.stg_enrollments where email > ''")]
    phones = [value for (value,) in sample.query("select phone from staging.stg_enrollments where phone > ''")]
    assert len(addresses) > 20 and len(phones) > 20
    assert [value for value in (*addresses, *phones) if value in page] == []


def test_an_empty_data_folder_gives_a_valid_page(house):
    assert house.run() == 0
    outline = Outline(page_of(house))
    assert "No file has arrived yet." in outline.words and "nan" not in outline.words.lower()
    assert not any(tag in ("svg", "table") for tag, _ in outline.tags)


def test_a_course_provider_without_a_school_has_its_courses_and_learning(house):
    house.rows(f"{DAY1}/students_enrollment.csv", "students_enrollment", {}, {"student_id": "STU002"})
    house.rows(f"{DAY1}/course_catalog.csv", "course_catalog", {})
    house.rows(
        f"{DAY1}/student_progress.csv",
        "student_progress",
        {"score": "20"},
        {"event_id": "evt-002", "student_id": "STU002", "event_timestamp": "2024-01-10T10:00:00Z"},
        {"event_id": "evt-003", "student_id": "STU003"},
    )
    assert house.run() == 0
    outline = Outline(page_of(house))
    said = outline.words
    sections = ["students", "risk", "courses", "files", "quality"]
    assert [given["id"] for tag, given in outline.tags if tag == "h2"] == sections
    assert "Attendance per" not in said and "Students 2 active, of 2 known; and 1 unknown id" in said
    assert "Mean course score 20.0 % : 1 course" in said
    assert "No activity for 22 days : since 10 Jan 2024" in said
    assert "Algebra CRS001 3 10.0 % " in said
    assert sum(1 for tag, _ in outline.tags if tag == "svg") == 2
    assert "No file yet for: Assessments, Attendance, City master, Student feedback, Students, Support tickets" in said


def test_a_student_called_script_is_a_name_and_no_script(house):
    evil = "<script>alert(1)</script>"
    house.rows(f"{DAY1}/students.csv", "students", {"student_name": evil}, {"student_id": "STU002"})
    house.rows(
        f"{DAY1}/<b>'&/attendance.csv",
        "attendance",
        {"status": "ABSENT"},
        {"attendance_id": "ATT002", "student_id": "STU002"},
        {"attendance_id": "ATT003", "student_id": "STU002", "status": "<img src=x onerror=alert(1)>"},
    )
    house.rows(f"{DAY1}/course_catalog.csv", "course_catalog", {"course_name": "<img src=x onerror=alert(1)>"})
    house.rows(f"{DAY1}/student_progress.csv", "student_progress", {})
    assert house.run() == 0
    page = page_of(house)
    outline = Outline(page)
    assert {tag for tag, _ in outline.tags} & {"script", "img", "b<"} == set()
    assert "&lt;img src=x onerror=alert(1)&gt;" in page and "&lt;b&gt;&#39;&amp;/attendance.csv" in page
    assert house.one("select full_name from analytics.student_360 where student_id = 'STU001'") in outline.text


def test_a_refused_file_stands_on_top_until_a_person_decides(house):
    house.rows(f"{DAY1}/students.csv", "students", {})
    house.drop(f"{DAY2}/students.csv", "student_id,grade_level\nSTU001,10\n")
    assert house.run() == 30
    outline = Outline(page_of(house))
    notice = outline.words[: outline.words.index("Students who need a look", 200)]
    assert "1 file waits for a decision Its rows are in none of the numbers below." in notice
    assert "Students, 9 Feb 2024, refused: " in notice and "missing" in notice and f"{DAY2}/students.csv" in notice
    drop = house.one("select drop_id from etl.drops where status = 'refused'")
    assert house.do("refuse", str(drop)) == 0
    assert house.run() == 0
    assert "decision" not in Outline(page_of(house)).words


def test_a_held_file_stands_there_too(house):
    pupils = [{"student_id": f"STU{number:03}"} for number in range(1, 21)]
    house.rows(f"{DAY1}/students.csv", "students", *pupils)
    house.rows(f"{DAY2}/students.csv", "students", *pupils[:5])
    assert house.run() == 30
    said = Outline(page_of(house)).words
    assert "Students, 9 Feb 2024, held: " in said and "5 of the 20 keys" in said
    assert f"Students {DAY2}/students.csv 9 Feb 2024 held: waits for a decision – – – – – 0" in said


def test_a_row_that_a_person_refuses_leaves_the_page(house):
    house.rows(f"{DAY1}/students.csv", "students", {}, {"student_id": "none"})
    assert house.run() == 0
    assert f"{DAY1}/students.csv 3 Student id missing" in Outline(page_of(house)).words
    assert house.do("refuse", str(house.one("select drop_id from etl.drops")), "--line", "3") == 0
    assert house.run() == 0
    assert "Rejected rows to put right" not in Outline(page_of(house)).words


def test_of_many_classes_those_that_need_attention_are_drawn(house):
    pupils = [{"student_id": f"STU{number:03}", "class_id": f"CLASS-{number}"} for number in range(1, 13)]
    house.rows(f"{DAY1}/students.csv", "students", *pupils)
    register = [
        {"attendance_id": f"ATT{number}", "student_id": f"STU{number:03}", "status": "ABSENT" if number == 12 else "P"}
        for number in range(1, 13)
    ]
    house.rows(f"{DAY1}/attendance.csv", "attendance", *register)
    assert house.run() == 0
    outline = Outline(page_of(house))
    assert "Of 12 classes, the 7 with the largest share of students under 75 % attendance" in outline.words
    captions = [str(given["aria-label"]) for tag, given in outline.tags if tag == "svg" and "aria-label" in given]
    assert len(captions) == 8 and captions[0].startswith("Attendance of Whole school")
    assert captions[1] == "Attendance of CLASS-12, per day: 0 % (1 Feb 2024)"


# --- the page: always the same --------------------------------------------------------------------------------------


def test_the_same_files_give_the_same_page_in_whatever_order_they_came(house):
    """Byte by byte; and the same Parquet and CSV files, too."""
    for folder in (DAY1, DAY2):
        shutil.copytree(PROJECT / "data" / folder, house.data / folder)
        assert house.run() == 0
    files = {path.name: path.read_bytes() for path in house.output.glob("**/*") if path.is_file()}
    house.start_anew()
    shutil.rmtree(house.output)
    for folder in (DAY1, DAY2):
        shutil.move(house.data / folder, house.data.parent / folder)
    for folder in (DAY2, DAY1):
        shutil.move(house.data.parent / folder, house.data / folder)
        assert house.run() == 0
    assert len([name for name in files if name.endswith((".csv", ".parquet", ".html"))]) >= 19
    for path in (house.output / "report.html", *(house.output / "marts").iterdir()):
        assert path.read_bytes() == files[path.name], path.name


def test_nothing_is_written_when_nothing_changed_and_all_when_it_is_lost(house, capsys):
    house.rows(f"{DAY1}/students.csv", "students", {})
    assert house.run() == 0
    marts = house.output / "marts"
    before = {path: path.stat().st_mtime_ns for path in (house.output / "report.html", *marts.iterdir())}
    assert house.run() == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in before}

    kept = {path: path.read_bytes() for path in before}
    (house.output / "report.html").unlink()
    (marts / "student_360.csv").write_text("edited")
    (marts / "as_of.parquet").unlink()
    kept[marts / "mine.csv"] = b"not ours"
    (marts / "mine.csv").write_bytes(b"not ours")
    assert house.do("plan") == 0
    out = capsys.readouterr().out
    assert out.count("edited or deleted by hand") == 2
    builds = house.builds()
    assert house.run() == 0
    assert {path: path.read_bytes() for path in (house.output / "report.html", *marts.iterdir())} == kept
    assert house.rebuilt_since(builds) == {"output/report", "output/marts"}


# --- the marts as files ---------------------------------------------------------------------------------------------


def columns_of(house, mart: str) -> list[tuple[str, str]]:
    """Name and type of the columns that people see: one that starts with `_` is the loader's own."""
    return house.query(
        "select column_name, data_type from information_schema.columns where table_schema = 'analytics' "
        "and table_name = %s and column_name not like '\\_%%' order by ordinal_position",
        mart,
    )


@pytest.mark.parametrize("step", MARTS, ids=MART_NAMES)
def test_a_parquet_file_is_the_table_with_its_types(sample, step):
    name = step.target.removeprefix("analytics.")
    order = ", ".join(f'"{column}"' for column in step.key)
    shown = ", ".join(column for column, _ in columns_of(sample, name))
    expected = sample.query(f"select {shown} from {step.target} order by {order}")
    table = pq.read_table(sample.output / "marts" / f"{name}.parquet")
    assert [tuple(row.values()) for row in table.to_pylist()] == expected
    kinds = {"numeric": pa.types.is_decimal, "date": pa.types.is_date32, "boolean": pa.types.is_boolean}
    kinds |= {"text": pa.types.is_string, "integer": pa.types.is_int32, "bigint": pa.types.is_int64}
    kinds |= {"smallint": pa.types.is_int16}
    columns = columns_of(sample, name)
    assert [column for column, _ in columns] == table.column_names
    for column, kind in columns:
        assert kinds[kind](table.schema.field(column).type), (column, kind)


@pytest.mark.parametrize("name", MART_NAMES)
def test_a_csv_file_has_the_same_rows(sample, name):
    rows = list(csv.reader((sample.output / "marts" / f"{name}.csv").open(encoding="utf-8", newline="")))
    table = pq.read_table(sample.output / "marts" / f"{name}.parquet")
    assert rows[0] == table.column_names

    def written(value: object) -> str:
        return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

    assert rows[1:] == [[written(value) for value in row.values()] for row in table.to_pylist()]


def test_a_text_like_a_formula_gets_an_apostrophe_and_a_number_stays_one(house):
    formulas = ["=1+1", "+1", "-5", "@SUM(A1)", "\tx", "\rx", "\nx"]
    behind = {"'=1": "''=1", " =1": " '=1", "a;=1": "a;'=1"}  # as it is sent back, one apostrophe is taken off again
    harmless = ["a-5", "", "5"]
    house.query("create table public.cells (id integer primary key, words text, amount numeric(8, 2), size bigint)")
    for number, word in enumerate([*formulas, *behind, *harmless, None]):
        house.query("insert into public.cells values (%s, %s, -5, -7)", number, word)
    written, parquet = io.BytesIO(), io.BytesIO()
    with house.database.transaction() as db:
        export.write_csv(db, "public.cells", ("id",), written)
        export.write_parquet(db, "public.cells", ("id",), parquet)
    rows = list(csv.reader(io.StringIO(written.getvalue().decode(), newline="")))
    assert [row[1] for row in rows[1:]] == [*("'" + word for word in formulas), *behind.values(), *harmless, ""]
    assert {tuple(row[2:]) for row in rows[1:]} == {("-5.00", "-7")}
    stored = pq.read_table(parquet)
    assert stored["words"].to_pylist() == [*formulas, *behind, *harmless, None]
    assert stored["amount"].to_pylist()[0] == Decimal("-5.00")


def test_a_formula_from_a_file_is_harmless_in_the_spreadsheet(house):
    house.rows(f"{DAY1}/course_catalog.csv", "course_catalog", {"course_name": "=1+1", "instructor_name": "-5"})
    assert house.run() == 0
    (row,) = csv.DictReader((house.output / "marts/course_performance.csv").open())
    assert row["course_name"] == "'=1+1" and row["instructor_name"].startswith("'-") and row["fees"] == "0.00"


# --- the marts as DataFrames, and on the terminal -------------------------------------------------------------------

LOOK = """
import json
from pipeline import analytics
from pipeline.analytics import class_daily_performance
frames = {name: function(None) for name, function in analytics.FUNCTIONS.items()}
assert frames["class_daily_performance"].equals(class_daily_performance())
print(json.dumps({
    name: [len(frame), {column: str(kind) for column, kind in frame.dtypes.items()}, len(analytics.FUNCTIONS[name](2))]
    for name, frame in frames.items()
}))
first = class_daily_performance(limit=1).iloc[0]
print(first["class_id"], first["date"].date(), first["present_count"], float(first["attendance_rate"]))
"""


def test_a_notebook_gets_dataframes(sample):
    done = sample.command("-c", LOOK)
    assert done.returncode == 0, done.stderr
    frames, first = done.stdout.strip().splitlines()
    found = json.loads(frames)
    assert set(found) == set(MART_NAMES)
    kinds = {"integer": "Int64", "bigint": "Int64", "numeric": "float64", "boolean": "boolean", "text": "str"}
    kinds |= {"date": "datetime64[us]", "smallint": "Int64"}
    for name, (rows, dtypes, few) in found.items():
        assert rows == sample.one(f"select count(*) from analytics.{name}") and few == min(rows, 2)
        columns = columns_of(sample, name)
        assert dtypes == {column: kinds[kind] for column, kind in columns}, name
    row = sample.query("""
        select class_id, date, present_count, attendance_rate from analytics.class_daily_performance
        order by class_id, date limit 1
    """)[0]
    assert first == " ".join(str(float(value) if isinstance(value, Decimal) else value) for value in row)


def test_every_mart_has_a_function_whose_docstring_names_its_columns():
    ddl = filled("\n".join(path.read_text() for path in (PROJECT / "init_db/schema/analytics").glob("*.sql")))
    assert set(analytics.FUNCTIONS) == set(MART_NAMES)
    for name, function in analytics.FUNCTIONS.items():
        table = re.search(rf"create table analytics\.{name} \((.*?)\n\);", ddl, re.DOTALL)
        assert table, name
        columns = [
            line.split()[0].strip('"')
            for line in table[1].strip().splitlines()
            if line.strip().split()[0] not in ("primary", "check", "constraint") and not line.strip().startswith("_")
        ]
        said = set(re.findall(r"\w+", function.__doc__ or ""))
        assert set(columns) - said == set(), name
        assert "key: " in (function.__doc__ or "").lower() or name == "as_of"


def test_show_prints_a_mart_by_its_key(sample):
    done = sample.command("-m", "pipeline", "show", "class_daily_performance", "--limit", "2")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) == 4
    assert lines[0].split()[:3] == ["class_id", "date", "as_of"]
    assert lines[2].split()[:2] == ["CLASS-10A", "2024-01-11"]
    done = sample.command("-m", "pipeline", "show", "student_360", "--csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == sample.one("select count(*) from analytics.student_360")
    assert rows[0]["student_id"] == "STU001" and rows[0]["is_active"] == "t"


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("show", "students"), "There is no mart 'students'. Marts: ai_insights, ai_quality, "),
        (("show", "as_of"), "analytics.as_of is not built yet: eduflow run"),
    ],
)
def test_show_says_what_is_wrong(house, capsys, arguments, said):
    assert house.do(*arguments) == 1
    assert said in capsys.readouterr().err


# --- values in, values out ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "share, said", [(0.8625, "86.3 %"), (Decimal("0.0005"), "0.1 %"), (1, "100.0 %"), (0, "0.0 %")]
)
def test_a_share_is_a_percentage_rounded_half_away_from_zero(share, said):
    assert percent(share) == said.replace(" ", "\u00a0") == points(share * 100)


def test_class_9_comes_before_class_10():
    assert sorted(["CLASS-10A", "CLASS-9B", "CLASS-9A", "B", ""], key=natural) == [
        *("", "B", "CLASS-9A", "CLASS-9B", "CLASS-10A")
    ]


def test_codes_become_words():
    assert words("student_id_invalid") == "Student id invalid"
    assert words("dob_out_of_range") == "Date of birth out of range"
    assert words("_record") == "Whole row"


def test_an_element_escapes_what_is_no_markup():
    assert el("text", "a<b", 5, el("tspan", "&"), class_="n", text_anchor='"') == (
        '<text class="n" text-anchor="&#34;">a&lt;b5<tspan>&amp;</tspan></text>'
    )
    assert el("line", x1=5) == '<line x1="5"/>'


def test_the_page_is_made_with_every_template_and_each_is_a_part_of_it():
    folder = PROJECT / "pipeline/outputs/report/templates"
    assert sorted(TEMPLATES) == sorted(str(path.relative_to(PROJECT)) for path in folder.iterdir())
    assert {f"pipeline/outputs/report/{path.name}" for path in folder.parent.glob("*.py")} <= {
        *ReportPage.recipe,
        "pipeline/outputs/report/__init__.py",
    }


def test_a_template_escapes_text_replaces_control_characters_and_knows_every_name():
    facts = SimpleNamespace(waiting=[], strays=[("<b>bell\x07", "മലയാളം\u200d")])
    said = render("waiting.html.j2", facts=facts)
    assert "<li><code>&lt;b&gt;bell\ufffd</code>: മലയാളം\u200d</li>" in said
    with pytest.raises(jinja2.UndefinedError, match="'facts' is undefined"):
        render("waiting.html.j2")
    cells = environment().from_string('{% from "macros.html.j2" import row %}{{ row(["*A", "#B ="], cells) }}')
    assert cells.render(cells=[None, 5]).strip() == (
        '<tr role="row"><th scope="row" role="rowheader"></th><td role="cell" class="n" data-label="B">5</td></tr>'
    )
    with pytest.raises(ValueError, match="shorter"):
        cells.render(cells=[None])


def day_row(day: str, with_attendance: int, present: int, assessments: int = 0, score: float = 0) -> dict[str, object]:
    return {
        "class_id": None,
        "date": date.fromisoformat(day),
        "students_with_attendance": with_attendance,
        "present_count": present,
        "assessment_count": assessments,
        "avg_score": Decimal(str(score)),
    }


def test_a_trend_weighs_its_days():
    """By week a day counts by its students, a mean score by its assessments; a day without a record is no point."""
    days = [
        day_row("2024-01-29", 10, 10, 3, 60),  # a Monday
        day_row("2024-01-30", 30, 15, 1, 100),
        day_row("2024-01-31", 0, 0),
        day_row("2024-02-05", 2, 1),
    ]
    first, second = date(2024, 1, 29), date(2024, 2, 5)
    assert trend(days, "attendance", weekly=True) == {first: 62.5, second: 50.0}
    assert trend(days, "attendance", weekly=False) == {first: 100.0, date(2024, 1, 30): 50.0, second: 50.0}
    assert trend(days, "score", weekly=True) == {first: 70.0}
    assert list(by_class(days)) == [None]


def test_a_scale_starts_below_the_lowest_value_and_names_at_most_four_days():
    scale = charts.percent_scale([{date(2024, 1, 11): 96.0, date(2024, 2, 8): 55.0}], 25)
    assert (scale.low, scale.high, scale.steps()) == (50, 100, [50, 75, 100])
    assert scale.dates() == [date(2024, 1, 15), date(2024, 1, 22), date(2024, 1, 29), date(2024, 2, 5)]
    one = charts.percent_scale([{date(2024, 1, 11): 100.0}], 25)
    assert one.low == 50 and one.dates() == [date(2024, 1, 11)]
    assert charts.LEFT < one.x(date(2024, 1, 11)) < charts.WIDTH - charts.RIGHT
    year = charts.percent_scale([{date(2023, 9, 4): 90.0, date(2024, 6, 3): 90.0}], 25)
    assert len(year.dates()) <= charts.TICKS and all(value.day == 1 for value in year.dates())
    assert charts.count_scale({date(2024, 1, 1): 28.0}).high == 40
    assert charts.count_scale({date(2024, 1, 1): 0.2}).high == 1


# --- in a browser ---------------------------------------------------------------------------------------------------

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

# Run inside the page, for the page around it. A table may be wider than the box it scrolls in.
MEASURE = """<script>
const wide = [...document.querySelectorAll("body *")].filter(
    e => e.getBoundingClientRect().right > innerWidth + 0.5 && !e.closest("svg, thead, .scroll table")
);
parent.document.documentElement.dataset.measured = JSON.stringify({
    inner: innerWidth,
    scroll: document.documentElement.scrollWidth,
    wide: wide.map(e => e.outerHTML.slice(0, 80)),
    scrolling: [...document.querySelectorAll(".scroll")].filter(e => e.scrollWidth > e.clientWidth).length,
    smallest: Math.min(...[...document.querySelectorAll("svg text")].map(e =>
        parseFloat(getComputedStyle(e).fontSize) * e.ownerSVGElement.getBoundingClientRect().width
        / e.ownerSVGElement.viewBox.baseVal.width))
});
</script>"""


def browse(page: Path, profile: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
            *("--enable-logging=stderr", f"--user-data-dir={profile}", "--window-size=1400,900", *options),
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )


@in_a_browser
@pytest.mark.parametrize("width", [375, 768, 1280])
def test_nothing_is_wider_than_the_screen(sample, tmp_path, width):
    """On a phone, a tablet and a desk; and the letters in the charts keep a readable size."""
    page = re.sub("<meta http-equiv[^>]*>", "", page_of(sample))  # it forbids scripts, ours too
    framed = html.escape(page.replace("</body>", MEASURE + "</body>"))
    frame = tmp_path / "frame.html"  # a window can't be as narrow as a phone, a frame can
    frame.write_text(f'<iframe style="width: {width}px; height: 800px; border: 0" srcdoc="{framed}"></iframe>')
    done = browse(frame, tmp_path / "profile", "--dump-dom")
    found = re.search('data-measured="([^"]*)"', done.stdout)
    assert found, done.stderr
    measures = json.loads(html.unescape(found[1]))
    assert measures["inner"] == width
    assert measures["wide"] == [] and measures["scroll"] <= width
    assert measures["scrolling"] == 0 or 560 < width < 1000  # neither on a phone nor on a desk
    assert measures["smallest"] >= 9.5


@in_a_browser
def test_the_browser_has_nothing_to_complain_about(sample, tmp_path):
    broken = tmp_path / "broken.html"
    broken.write_text(page_of(sample).replace("</body>", "<script>1</script></body>"))
    assert "CONSOLE" in browse(broken, tmp_path / "profile", "--dump-dom").stderr  # so we would hear of it
    done = browse(sample.output / "report.html", tmp_path / "profile", "--dump-dom")
    assert "Students who need a look" in done.stdout
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []


@in_a_browser
def test_the_page_prints(sample, tmp_path):
    printed = tmp_path / "report.pdf"
    browse(sample.output / "report.html", tmp_path / "profile", f"--print-to-pdf={printed}")
    pages = len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes()))
    assert printed.read_bytes().startswith(b"%PDF") and 3 <= pages <= 8


def test_the_page_is_made_without_heavy_imports(sample):
    """A run with nothing to do imports neither page nor figures."""
    late = "pipeline.outputs.report", "jinja2", "pyarrow.parquet"
    look = f"import sys, pipeline; print([name for name in {late} if name in sys.modules])"
    done = sample.command("-c", look)
    assert done.stdout.strip() == "[]", sys.version
