"""A hostile stranger's rosters, registers and assessments, end to end, as in `test_bad_input.py`."""

from __future__ import annotations

import gzip
import json
import time
from itertools import permutations

import pytest
from conftest import ROWS, House, csv_text, json_text

pytestmark = pytest.mark.usefixtures("trusting")

DAY = "2024-02-08"


def assessments(house: House, columns: str = "assessment_id, score::text, max_score::text") -> list[tuple]:
    return house.query(f"select {columns} from staging.stg_assessments order by assessment_id")


def attendance(house: House, columns: str = "attendance_id, status") -> list[tuple]:
    return house.query(f"select {columns} from staging.stg_attendance order by attendance_id")


def rejects(house: House, outcome: str = "rejected") -> list[tuple]:
    """(line, reasons)"""
    return house.query(
        "select line, array_to_string(reasons, ' ') from etl.rejects where outcome = %s order by drop_id, line", outcome
    )


def review(house: House, *kinds: str) -> list[tuple]:
    return house.query(
        "select kind, dataset, item, reason from analytics.review_queue where kind = any(%s) order by 1, 2, 3, 4",
        list(kinds),
    )


def reason(house: House) -> str:
    return house.one("select reason from etl.drops")


def assert_balanced(house: House) -> None:
    assert all(row[0] == sum(row[1:]) for row in house.balance())


# --- points ---------------------------------------------------------------------------------------------------------

POINTS = [
    ("20", "20", ""),
    ("0", "0.01", ""),
    ("20.004", "20", ""),
    ("20.005", "20", "score_above_maximum"),
    ("21", "20", "score_above_maximum"),
    ("5", "0", "max_score_not_positive"),
    ("0", "0", "max_score_not_positive"),
    ("0", "0.004", "max_score_not_positive"),
    ("5", "-20", "max_score_negative"),
    ("-1", "20", "score_negative"),
    ("-1", "-20", "score_negative max_score_negative"),
    ("", "20", "score_missing"),
    ("15", "NULL", "max_score_missing"),
    ("15/20", "20", "score_invalid"),
    ("1e1", "0x14", "score_invalid max_score_invalid"),
]


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_points_that_nobody_can_have_reject_the_row_with_their_reasons(house, ending):
    rows = [{"assessment_id": f"A{n:02}", "score": s, "max_score": m} for n, (s, m, _) in enumerate(POINTS)]
    text = csv_text("assessments", *rows) if ending == "csv" else json_text("assessments", *rows)
    house.drop(f"{DAY}/assessments.{ending}", text)
    assert house.run() == 0
    first = 2 if ending == "csv" else 1
    assert rejects(house) == [(n + first, why) for n, (_, _, why) in enumerate(POINTS) if why]
    assert assessments(house) == [("A00", "20.00", "20.00"), ("A01", "0.00", "0.01"), ("A02", "20.00", "20.00")]
    assert house.query("select score_percentage::text from warehouse.fact_assessments order by assessment_id") == [
        ("100.00",), ("0.00",), ("100.00",),
    ]  # fmt: skip
    assert house.balance() == [(15, 3, 0, 0, 12)]


# --- the register ---------------------------------------------------------------------------------------------------


def test_an_unknown_status_or_day_rejects_the_record_and_names_why(house, capsys):
    given = [
        {"status": "late"},
        {"status": "Zaphodine was ill"},
        {"status": ""},
        {"attendance_date": "yesterday"},
        {"attendance_date": "2024-02-09"},
        {"attendance_date": "", "status": "?"},
        {"attendance_date": "2024-02-07T23:30:00-08:00", "created_at": "2024-02-07T23:30:00-08:00"},
    ]
    house.rows(f"{DAY}/attendance.csv", "attendance", *({"attendance_id": f"R{n}", **g} for n, g in enumerate(given)))
    assert house.run() == 0
    assert attendance(house, "attendance_id, attendance_date::text, status, created_at at time zone 'UTC'") == [
        ("R0", "2024-02-01", "LATE", house.one("select timestamp '2024-02-01 09:00'")),
        ("R6", "2024-02-07", "PRESENT", house.one("select timestamp '2024-02-08 07:30'")),
    ]
    assert rejects(house) == [
        (3, "status_unknown"),
        (4, "status_missing"),
        (5, "attendance_date_invalid"),
        (6, "attendance_date_out_of_range"),
        (7, "attendance_date_missing status_unknown"),
    ]
    said = capsys.readouterr()
    assert "Zaphodine" not in said.out + said.err
    assert house.balance() == [(7, 2, 0, 0, 5)]


def test_a_school_without_excuses_rejects_them_and_takes_them_back_when_it_has_some(house, monkeypatch):
    monkeypatch.setenv("EDUFLOW_ATTENDANCE_STATUS", "PRESENT, ABSENT")
    words = ["present", "A", "late", "E"]
    house.rows("attendance.csv", "attendance", *({"attendance_id": f"R{n}", "status": w} for n, w in enumerate(words)))
    assert house.run() == 0
    assert attendance(house) == [("R0", "PRESENT"), ("R1", "ABSENT")]
    assert rejects(house) == [(4, "status_unknown"), (5, "status_unknown")]
    before = house.builds()
    monkeypatch.delenv("EDUFLOW_ATTENDANCE_STATUS")
    assert house.run() == 0
    assert attendance(house) == [("R0", "PRESENT"), ("R1", "ABSENT"), ("R2", "LATE"), ("R3", "EXCUSED")]
    assert rejects(house) == []
    assert "staging.stg_assessments" not in house.rebuilt_since(before)


def test_two_records_of_one_day_that_disagree_are_both_kept_and_listed(house):
    said = [("R1", "STU001", "PRESENT"), ("R2", "STU001", "ABSENT"), ("R3", "STU002", "ABSENT"), ("R4", "7", "LATE")]
    said += [("R5", "stu-7", "late")]
    columns = ("attendance_id", "student_id", "status")
    house.rows(f"{DAY}/attendance.csv", "attendance", *(dict(zip(columns, row, strict=True)) for row in said))
    assert house.run() == 0
    assert house.balance() == [(5, 5, 0, 0, 0)]
    assert house.query("select attendance_id, is_present from warehouse.fact_attendance order by 1") == [
        ("R1", True), ("R2", False), ("R3", False), ("R4", True), ("R5", True),
    ]  # fmt: skip
    (found,) = review(house, "contradiction")
    assert found[1:3] == ("attendance", "STU001")


# --- one id twice ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dataset, key, column, first, other, staged",
    [
        ("attendance", "attendance_id", "status", "PRESENT", "ABSENT", "stg_attendance"),
        ("assessments", "assessment_id", "score", "11.00", "12.00", "stg_assessments"),
    ],
)
def test_one_id_twice_in_a_drop_the_last_wins_and_a_contradiction_is_listed(
    house, dataset, key, column, first, other, staged
):
    rows = [{key: "1", column: first}, {key: "2"}, {key: " 2 "}, {key: "1", column: other}]
    house.rows(f"{DAY}/{dataset}.csv", dataset, *rows)
    assert house.run() == 0
    assert house.query(f"select {key}, {column}::text from staging.{staged} order by 1") == [
        ("1", other), ("2", ROWS[dataset][column]),
    ]  # fmt: skip
    assert rejects(house, "duplicate") == [(2, "duplicate_conflict"), (3, "duplicate_identical")]
    assert [row[1:3] for row in review(house, "duplicate_conflict")] == [(dataset, "1")]
    assert house.balance() == [(4, 2, 0, 2, 0)]


CORRECTED: dict[str, object] = {}


@pytest.mark.parametrize("order", list(permutations((6, 7, 8))))
def test_a_correction_wins_whatever_order_the_drops_come_in(house, order):
    rows = {
        6: [{"assessment_id": "A1", "score": "10"}, {"assessment_id": "A2"}],
        7: [{"assessment_id": "A1", "score": "30"}, {"assessment_id": "A2"}, {"assessment_id": "A3"}],
        8: [{"assessment_id": "A1", "score": "19", "student_id": "STU002"}],
    }
    for day in order:
        house.drop(f"2024-02-0{day}/assessments.json", json_text("assessments", *rows[day]))
        assert house.run() == 0
    assert assessments(house, "assessment_id, student_id, score::text, _line") == [
        ("A1", "STU002", "19.00", 1), ("A2", "STU001", "17.50", 2), ("A3", "STU001", "17.50", 3),
    ]  # fmt: skip
    assert house.balance() == [(2, 0, 2, 0, 0), (3, 2, 0, 0, 1), (1, 1, 0, 0, 0)]
    assert house.query("select * from staging.open_rejects") == []  # the last drop put A1 right
    contents = house.contents()
    assert contents == CORRECTED.setdefault("contents", contents)


# --- JSON: what is one element's fault is that element's -------------------------------------------------------------


def test_a_wrong_element_is_rejected_with_its_place_and_the_others_load(house):
    good = [{**ROWS["assessments"], "assessment_id": f"A{n}"} for n in range(3)]
    elements = [good[0], 7, good[1], "A2,STU001,Maths,5,1,000,2024-02-01,2024-02-01", None, [], {}, good[2]]
    house.drop(f"{DAY}/assessments.json", json.dumps(elements, indent=2))
    assert house.run() == 0
    assert [row[0] for row in assessments(house)] == ["A0", "A1", "A2"]
    unreadable = "record_unreadable"
    nothing = "assessment_id_missing student_id_missing score_missing max_score_missing"
    assert rejects(house) == [(2, unreadable), (4, unreadable), (5, unreadable), (6, unreadable), (7, nothing)]
    assert house.query("select original ->> '_record' from etl.rejects where line < 7 order by line") == [
        ("7",), (json.dumps(elements[3]),), ("null",), ("[]",),
    ]  # fmt: skip
    assert house.one("select _line from staging.stg_assessments where assessment_id = 'A2'") == 8
    assert house.balance() == [(8, 3, 0, 0, 5)]


def test_a_rejected_element_is_mended_in_its_reject_file_and_sent_back(house):
    house.drop(f"{DAY}/assessments.json", json_text("assessments", {"assessment_id": "A1", "score": 21.5}, {}))
    assert house.run() == 0
    sent = (house.output / "rejects/assessments.rejects-1.csv").read_text()
    assert "21.5" in sent and "score_above_maximum" in sent
    house.drop("2024-02-09/assessments.rejects-1.csv", sent.replace("21.5", "12.5"))
    assert house.run() == 0
    assert assessments(house) == [("A1", "12.50", "20.00"), ("ASM001", "17.50", "20.00")]
    assert house.query("select * from staging.open_rejects") == []


DEEP = {
    "lists in a column": '{"score": ' + "[" * 10_000 + "]" * 10_000 + "}",
    "objects outside the declaration": '{"x": ' + '{"a": ' * 10_000 + "1" + "}" * 10_000 + "}",
    "a nest in strings": '["]\\"", ' * 10_000 + "1" + "]" * 10_000,
}


@pytest.mark.parametrize("lines", [False, True], ids=["array", "lines"])
def test_an_element_nested_ten_thousand_deep_is_rejected_alone(house, lines):
    good = json.dumps(ROWS["assessments"])
    elements = [good, *DEEP.values(), good.replace("ASM001", "ASM002")]
    text = "\n".join(elements) if lines else "[" + ",\n".join(elements) + "]"
    house.drop(f"{DAY}/assessments.json{'l' if lines else ''}", text)
    started = time.monotonic()
    assert house.run() == 0
    assert time.monotonic() - started < 10
    assert [row[0] for row in assessments(house)] == ["ASM001", "ASM002"]
    assert rejects(house) == [(line, "record_unreadable") for line in (2, 3, 4)]
    assert house.query("select _record from raw.assessments where _line between 2 and 4 order by _line") == [
        (text,) for text in DEEP.values()
    ]


def test_a_word_of_ten_megabytes_is_a_flag_and_one_of_twenty_refuses_the_file(house, capsys):
    long = [{"assessment_id": "A1", "subject": "x" * 10_000_000}, {"assessment_id": "A2", "remark": "y" * 10_000_000}]
    house.drop("a/assessments.json", json_text("assessments", *long, {"score": "z" * 10_000_000}))
    house.drop("b/assessments.json", json_text("assessments", {"assessment_id": "A1"}, {"subject": "x" * 20_000_000}))
    house.drop(
        "c/assessments.jsonl",
        json_text("assessments", {"assessment_id": "A1"}, {"subject": "x" * 20_000_000}, lines=True),
    )
    assert house.run() == 30
    assert assessments(house, "assessment_id, flags") == [("A1", ["subject_invalid"]), ("A2", [])]
    assert rejects(house) == [(3, "score_invalid")]
    said = capsys.readouterr()
    assert "b/assessments.json, line 2: column" in said.err and "an element of more than 16 MB" in said.err
    assert "c/assessments.jsonl, line 2: a record of more than 16 MB" in said.err
    assert "xxx" not in said.out + said.err and len(said.err) < 3000


def test_an_object_of_five_thousand_keys_refuses_the_file_and_names_the_element(house, capsys):
    wide = {f"key{n}": n for n in range(5000)}
    house.drop("assessments.json", json_text("assessments", {"assessment_id": "A1"}, wide))
    started = time.monotonic()
    assert house.run() == 30
    assert time.monotonic() - started < 5
    assert reason(house) == "assessments.json: element 2: more than 2000 keys"
    assert "Traceback" not in capsys.readouterr().err


NUMBERS = ["1e400", "0.1000000000000000055511151231257827", "12345678901234567890123", "-0", "17.500"]


def test_numbers_beyond_double_precision_keep_every_digit_in_raw(house):
    elements = []
    for place, number in enumerate(NUMBERS):
        row = json.dumps({**ROWS["assessments"], "assessment_id": f"S{place}", "score": "SCORE", "remark": "SCORE"})
        elements.append(row.replace('"SCORE"', number))
        elements.append(json.dumps({**ROWS["assessments"], "assessment_id": "ID"}).replace('"ID"', number))
    house.drop(f"{DAY}/assessments.json", f"[{','.join(elements)}]")
    assert house.run() == 0
    raw = "select score from raw.assessments where assessment_id like %s order by _line"
    assert house.query(raw, "S%") == [(number,) for number in NUMBERS]
    assert house.extras("assessments", "assessment_id like 'S%'") == [{"remark": number} for number in NUMBERS]
    assert house.query("select assessment_id from raw.assessments where _extra is null order by _line") == [
        (number,) for number in NUMBERS
    ]
    assert rejects(house) == [(1, "score_invalid"), (5, "score_invalid")]
    kept = dict(row[:2] for row in assessments(house))
    assert [kept[f"S{place}"] for place in (1, 3, 4)] == ["0.10", "0.00", "17.50"]
    assert {"12345678901234567890123", "0.1000000000000000055511151231257827", "1e400"} <= set(kept)


def test_the_number_seven_and_seven_point_zero_are_student_seven(house, capsys):
    ids = [7, 7.0, "7", "stu-007"]
    rows = [{"assessment_id": f"A{n}", "student_id": student} for n, student in enumerate(ids)]
    house.drop("assessments.json", json_text("assessments", *rows, {"assessment_id": "A4", "student_id": 7.5}))
    assert house.run() == 0
    assert assessments(house, "student_id") == [("STU007",)] * 4
    assert rejects(house) == [(5, "student_id_invalid")]
    assert house.query("select student_id, is_inferred from warehouse.dim_students") == [("STU007", True)]
    capsys.readouterr()
    assert house.do("trace", "student", "STU007") == 0
    said = capsys.readouterr().out
    assert [said.count(f"assessments.json line {line} ") for line in (1, 2, 3, 4, 5)] == [1, 1, 1, 1, 0]


def test_nan_infinity_null_true_and_lists_are_no_points(house):
    given = ["NaN", "Infinity", "-Infinity", "null", "true", "[5]", "{}", '""', '" 5 "']
    one = json.dumps({**ROWS["assessments"], "assessment_id": "A%", "score": "SCORE"})
    rows = [one.replace('"SCORE"', text).replace("%", str(place)) for place, text in enumerate(given)]
    house.drop("assessments.json", f"[{','.join(rows)}]")
    assert house.run() == 0
    assert assessments(house) == [("A8", "5.00", "20.00")]
    assert [why for _, why in rejects(house)] == [
        "score_missing", "score_invalid", "score_invalid", "score_missing",
        "score_invalid", "score_invalid", "score_invalid", "score_missing",
    ]  # fmt: skip
    assert [row[0] for row in house.query("select score from raw.assessments order by _line")] == [
        "NaN", "Infinity", "-Infinity", None, "true", "[5]", "{}", "", " 5 ",
    ]  # fmt: skip


# --- JSON: the file ---------------------------------------------------------------------------------------------------

NOT_JSON = {
    "assessments.json": ('[\n  {"assessment_id": "A1"},\n  {"assessment_id" "A2"}\n]', "line 3: column 20: Expecting"),
    "cut/assessments.json": (json_text("assessments", {}, {})[:-20], "line 2: column 164: Unterminated string;"),
    "open/assessments.json": (json_text("assessments", {})[:-2], "line 1: column 187: the array is not closed"),
    "after/assessments.json": (json_text("assessments", {}) + "!", "line 2: column 1: text after the end of the array"),
    "csv/assessments.json": (csv_text("assessments", {}), "line 1: column 1: Expecting value"),
    "page/assessments.json": ("<html>\n<body>Log in</body></html>", "line 1: column 1: Expecting value"),
    "scalars/assessments.json": ("[1, 2,\n3]", "line 1: column 1: no element is an object"),
    "words/assessments.jsonl": ('"a"\n"b"\n', "line 1: column 1: no element is an object"),
    "pretty/assessments.json": (json.dumps(ROWS["assessments"], indent=1), "line 1: column 2: Expecting property name"),
    "nul/assessments.json": ('[{"assessment_id": "\0"}]', "line 1: holds a NUL byte"),
}


def test_a_file_that_is_no_json_is_refused_with_line_and_column(house, capsys):
    for path, (text, _) in NOT_JSON.items():
        house.drop(path, text)
    house.drop("good/assessments.json", json_text("assessments", {}))
    assert house.run() == 30
    said = capsys.readouterr()
    for path, (_, why) in NOT_JSON.items():
        assert f"{path}, {why}" in house.one("select reason from etl.drops where path = %s", path)
        assert f"{path}, {why}" in said.err
    assert "Traceback" not in said.err and "Log in" not in said.err
    assert len(assessments(house)) == 1


@pytest.mark.parametrize(
    "text, why",
    [
        ('{"assessments": [{"assessment_id": "A1"}]}', "missing columns 'assessment_id'"),
        ("[{}]", "missing columns 'assessment_id'"),
        (json.dumps({k: v for k, v in ROWS["assessments"].items() if k != "score"}), "missing column 'score'"),
    ],
)
def test_objects_that_lack_a_column_are_refused_and_told_what_is_read(house, text, why):
    house.drop("assessments.json", text)
    assert house.run() == 30
    assert why in reason(house)
    assert "Fix the keys of its objects (an array of them, or one a line) or add an alias" in reason(house)


def test_a_key_that_one_object_lacks_is_a_blank(house):
    bare = {key: ROWS["assessments"][key] for key in ("assessment_id", "student_id", "score", "max_score")}
    house.drop("assessments.json", json.dumps([ROWS["assessments"], {**bare, "assessment_id": "B"}]))
    assert house.run() == 0
    assert assessments(house, "assessment_id, assessment_date::text, flags") == [
        ("ASM001", "2024-02-01", []), ("B", None, ["subject_missing", "assessment_date_missing"]),
    ]  # fmt: skip


@pytest.mark.parametrize("keys", ['"score": 1, "score": 2', '"Max Score": 1', '"max": {"score": 1}'])
def test_two_keys_of_one_meaning_refuse_the_file_and_name_the_element(house, keys):
    row = json.dumps(ROWS["assessments"])
    house.drop("assessments.json", f"[{row}, {row[:-1]}, {keys}}}]")
    assert house.run() == 30
    assert "assessments.json: element 2: keys '" in reason(house)
    assert "remove or rename one" in reason(house)


@pytest.mark.parametrize("text", ["[]", " [ ]\n"])
def test_an_empty_array_is_a_drop_without_rows(house, text):
    house.drop("assessments.json", text)
    assert house.run() == 0
    assert house.balance() == [(0, 0, 0, 0, 0)]


WRITTEN = {
    "array/assessments.json": lambda rows: json_text("assessments", *rows).encode(),
    "pretty/assessments.json": lambda rows: json.dumps([ROWS["assessments"] | row for row in rows], indent=4).encode(),
    "lines/assessments.jsonl": lambda rows: lines_of(rows).encode(),
    "json/assessments.json": lambda rows: lines_of(rows).encode(),
    "nd/assessments.ndjson": lambda rows: lines_of(rows).encode(),
    "crlf/assessments.jsonl": lambda rows: lines_of(rows).replace("\n", "\r\n\r\n").encode(),
    "cr/assessments.jsonl": lambda rows: lines_of(rows).replace("\n", "\r").encode(),
    "bom/assessments.json": lambda rows: json_text("assessments", *rows).encode("utf-8-sig"),
    "bom/assessments.jsonl": lambda rows: lines_of(rows).encode("utf-8-sig"),
    "utf16/assessments.json": lambda rows: json_text("assessments", *rows).encode("utf-16"),
    "utf16/assessments.jsonl": lambda rows: lines_of(rows).encode("utf-16"),
    "cp1252/assessments.json": lambda rows: json_text("assessments", *rows).encode("cp1252"),
    "gz/assessments.json.gz": lambda rows: gzip.compress(json_text("assessments", *rows).encode(), mtime=0),
    "gz/assessments_2024-02-08.jsonl.gz": lambda rows: gzip.compress(lines_of(rows).encode(), mtime=0),
    "named/Assessment Results.json": lambda rows: json_text("assessments", *rows).encode(),
    "csv/assessments.csv": lambda rows: csv_text(
        "assessments", *({key: str(value) for key, value in row.items()} for row in rows)
    ).encode(),
}


def lines_of(rows: list[dict]) -> str:
    return json_text("assessments", *rows, lines=True)


def test_every_way_of_writing_the_same_assessments_gives_the_same_staging(house):
    for path, written in WRITTEN.items():
        rows = [{"assessment_id": f"{path} 1", "subject": "éducation"}, {"assessment_id": f"{path} 2", "score": 12}]
        house.drop(f"{DAY}/{path}", written(rows))
    assert house.run("Clean") == 0
    content = "subject, score::text, max_score::text, assessment_date::text, created_at at time zone 'UTC', flags"
    noon = house.one("select timestamp '2024-02-01 12:00'")
    assert assessments(house, f"student_id, {content}") == len(WRITTEN) * [
        ("STU001", "Éducation", "17.50", "20.00", "2024-02-01", noon, []),
        ("STU001", "Mathematics", "12.00", "20.00", "2024-02-01", noon, []),
    ]
    assert house.query("select distinct rows, status from etl.drops") == [(2, "staged")]
    assert_balanced(house)


def test_nested_objects_are_joined_by_name_and_unknown_fields_reported(house, capsys):
    element = {
        "assessment": {"id": "A1", "date": "2024-02-01"},
        "student": {"id": 7, "name": "Zaphodine"},
        "subject": "art",
        "score": 5,
        "max": {"score": 10},
        "Created At": None,
        "grader": {"name": "Beeblebrox", "rooms": [1, {"x": 2.50}]},
        "remark": "well done",
    }
    house.drop("assessments.json", json.dumps([element]))
    assert house.run() == 0
    assert assessments(house, "assessment_id, student_id, assessment_date::text, subject, max_score::text") == [
        ("A1", "STU007", "2024-02-01", "Art", "10.00"),
    ]
    assert house.extras("assessments") == [{
        "student_name": "Zaphodine", "grader_name": "Beeblebrox", "grader_rooms": '[1,{"x":2.5}]',
        "remark": "well done",
    }]  # fmt: skip
    said = capsys.readouterr()
    assert "outside the declaration: student_name, grader_name, grader_rooms, remark" in said.out + said.err
    assert "Zaphodine" not in said.out + said.err and "Beeblebrox" not in said.out + said.err


def test_very_many_and_very_long_unknown_names_are_told_in_a_few_words(house, capsys):
    keys = {f"key{n}": n for n in range(1500)} | {"k" * 100_000: 1}
    house.drop("assessments.json", json_text("assessments", keys))
    house.rows("attendance.csv", "attendance")
    columns = [*ROWS["attendance"], *(f"c{n}" for n in range(1500)), "h" * 100_000]
    house.drop("attendance.csv", ",".join(columns) + "\n" + ",".join(["1"] * len(columns)) + "\n")
    assert house.run() == 0
    said = capsys.readouterr()
    assert "outside the declaration: key0, key1, " in said.out and "key19 and 1,481 more" in said.out
    assert max(map(len, said.out.splitlines())) < 600


def test_escapes_that_no_database_can_hold_reject_their_element_alone(house):
    house.drop("assessments.json", json_text("assessments", {"subject": "\0"}, {"x": "\ud800"}, {"assessment_id": "A3"})
               .replace("\ud800", "\\ud800"))  # fmt: skip
    assert house.run() == 0
    assert [row[0] for row in assessments(house)] == ["A3"]
    assert rejects(house) == [(1, "record_unreadable"), (2, "record_unreadable")]


# --- the roster -----------------------------------------------------------------------------------------------------


def roster(house: House, path: str, *ids: str, **changes: str) -> None:
    house.rows(f"{path}/students.csv", "students", *({"student_id": i, "student_name": i, **changes} for i in ids))


def students(house: House) -> dict[str, tuple]:
    query = "select student_id, is_active, vanished_on::text, is_inferred from warehouse.dim_students"
    return {row[0]: row[1:] for row in house.query(query)}


def test_a_student_that_vanishes_is_inactive_since_then_and_active_again_on_return(house):
    house.rows("2024-02-08/attendance.csv", "attendance", {"student_id": "STU002"})
    roster(house, "2024-02-08", "STU001", "STU002")
    assert house.run() == 0
    assert students(house) == {"STU001": (True, None, False), "STU002": (True, None, False)}
    roster(house, "2024-02-09", "STU001")
    assert house.run() == 0
    assert students(house) == {"STU001": (True, None, False), "STU002": (False, "2024-02-09", False)}
    assert house.one("select count(*) from staging.stg_students") == 2
    assert house.one("select count(*) from warehouse.fact_attendance") == 1
    roster(house, "2024-02-10", "STU001")
    assert house.run() == 0
    assert students(house)["STU002"] == (False, "2024-02-09", False)
    roster(house, "2024-02-11", "STU001", "STU002")
    assert house.run() == 0
    assert students(house) == {"STU001": (True, None, False), "STU002": (True, None, False)}
    history = """
        select valid_from::text, is_active from warehouse.dim_students_history
        where student_key = warehouse.key('STU002') order by valid_from
    """
    assert house.query(history) == [("-infinity", True), ("2024-02-09", False), ("2024-02-11", True)]


def test_a_roster_with_a_rejected_row_deactivates_nobody(house):
    roster(house, "2024-02-08", "STU001", "STU002", "STU003")
    roster(house, "2024-02-09", "STU001", "???", "STU004")
    assert house.run() == 0
    assert students(house) == dict.fromkeys(("STU001", "STU002", "STU003", "STU004"), (True, None, False))
    sent = (house.output / "rejects/students.rejects-2.csv").read_text()
    house.drop("2024-02-09/students.rejects-2.csv", sent.replace("???", "STU002"))
    assert house.run() == 0
    assert students(house) == dict.fromkeys(("STU001", "STU002", "STU003", "STU004"), (True, None, False))
    roster(house, "2024-02-09", "STU001", "STU002", "STU004")  # the file itself put right
    assert house.run() == 0
    assert students(house)["STU003"] == (False, "2024-02-09", False)
    assert sum(active for active, _, _ in students(house).values()) == 3


def test_an_empty_roster_of_a_day_is_the_whole_truth_once_a_person_says_so(house, monkeypatch):
    monkeypatch.delenv("EDUFLOW_GUARD_MISSING")
    roster(house, "2024-02-08", "STU001")
    roster(house, "2024-02-09")
    assert house.run() == 30
    assert students(house) == {"STU001": (True, None, False)}
    assert house.do("approve", "2") == 0
    assert house.run() == 0
    assert students(house) == {"STU001": (False, "2024-02-09", False)}


def test_one_student_in_enrolment_and_roster_is_one_row(house):
    house.rows(
        "2024-02-08/students_enrollment.csv", "students_enrollment", {"student_id": "7.0", "full_name": "asha RAO"}
    )
    house.rows(
        "2024-02-08/students.csv", "students",
        {"student_id": "stu-7", "student_name": "A. Rao", "class_id": "10 b", "grade_level": "10th"},
        {"student_id": "8", "student_name": "only roster"},
    )  # fmt: skip
    house.rows("2024-02-08/attendance.csv", "attendance", {"student_id": "07"}, {"student_id": "9"})
    assert house.run() == 0
    query = "select student_id, full_name, email, class_id, grade_level, is_inferred from warehouse.dim_students"
    assert house.query(f"{query} order by student_id") == [
        ("STU007", "Asha Rao", "asha@example.org", "CLASS-10B", 10, False),
        ("STU008", "Only Roster", None, "CLASS-10A", 10, False),
        ("STU009", None, None, None, None, True),
    ]


def test_a_class_that_cannot_be_read_is_no_class_and_flagged(house):
    given = ["10.0", "10 - c", "?", "", "to be decided", "=cmd()"]
    house.rows("students.csv", "students", *({"student_id": str(n), "class_id": g} for n, g in enumerate(given, 1)))
    assert house.run() == 0
    query = "select class_id, array_to_string(flags, ' ') from staging.stg_students order by student_id"
    assert house.query(query) == [
        ("CLASS-10", ""), ("CLASS-10C", ""), (None, "class_id_invalid"), (None, "class_id_missing"),
        (None, "class_id_invalid"), (None, "class_id_invalid"),
    ]  # fmt: skip
    assert house.query("select class_id from warehouse.dim_classes order by 1") == [("CLASS-10",), ("CLASS-10C",)]
    assert house.one("select count(*) from warehouse.dim_students where class_id is null and is_active") == 4
    assert house.balance() == [(6, 6, 0, 0, 0)]


def test_a_roster_of_odd_values_loads_and_one_student_twice_is_the_last(house):
    rows = [
        {"student_id": "1", "grade_level": "0", "enrollment_status": "enrolled", "updated_at": "now"},
        {"student_id": "STU001", "grade_level": "10.0", "enrollment_status": "Transferred", "student_name": ""},
        {"student_id": "2", "grade_level": "-3", "enrollment_status": "", "updated_at": "2031-01-01"},
        {"student_id": "'; drop table students; --"},
        {"student_id": "3", "student_name": "x" * 100_000, "class_id": "y" * 100_000, "enrollment_status": "z" * 9_000},
    ]
    house.rows(f"{DAY}/students.csv", "students", *rows)
    assert house.run() == 0
    query = "select student_id, grade_level, enrollment_status, array_to_string(flags, ' ') from staging.stg_students"
    assert house.query(f"{query} order by 1") == [
        ("STU001", 10, "TRANSFERRED", ""),
        ("STU002", None, None, "grade_level_invalid enrollment_status_missing updated_at_out_of_range"),
        ("STU003", 10, None, "class_id_invalid enrollment_status_invalid"),
    ]
    assert rejects(house) == [(5, "student_id_invalid")]
    assert rejects(house, "duplicate") == [(2, "duplicate_conflict")]
    assert [active for active, _, _ in students(house).values()] == [False] * 3
    assert house.balance() == [(5, 3, 0, 1, 1)]
