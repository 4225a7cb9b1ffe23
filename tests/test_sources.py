"""A file in, rows out: real files of every kind that schools send, and every way they are broken."""

import datetime as dt
import gzip
import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from plain_readers import csv_records

from pipeline.datasets.declaration import Column, Dataset
from pipeline.sources.errors import SourceError
from pipeline.sources.formats import limits, open_file

PETS = Dataset(
    name="pets",
    table="stg_pets",
    key="pet_id",
    mode="append",
    columns=(
        Column("pet_id", "key"),
        Column("name", "text", aliases=("pet_name",)),
        Column("born", "date"),
        Column("owner_city", "city"),
    ),
)
HEADER = "pet_id,name,born,owner_city\n"


def write(folder, content, name="pets.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path, **options):
    with open_file(path, PETS, **options) as source:
        tables = list(source.tables())
    return source, [row for table in tables for row in table.to_pylist()]


def values(rows):
    return [tuple(row[column] for column in PETS.column_names) for row in rows]


def lines(rows):
    return [row["_line"] for row in rows]


def records(rows):
    return {row["_line"]: row["_record"] for row in rows if row["_record"] is not None}


def extras(source, row):
    """Cells outside the declaration by the name of their column."""
    return {source.columns.header[int(place) - 1]: cell for place, cell in json.loads(row["_extra"] or "{}").items()}


def refused(path, **options):
    with pytest.raises(SourceError) as caught:
        read(path, **options)
    error = caught.value
    assert str(error).startswith(options.get("name") or path.name)
    assert error.path == (options.get("name") or path.name)
    assert "\n" not in str(error)
    return error


# -- plain text -------------------------------------------------------------------------------------------------------


def test_every_byte_of_a_value_survives(tmp_path):
    row = ["007", " NA ", "NULL", r"\N"], ["=cmd()", "", "None", "-"], ['5" pipe', 'say "yes" now', "é", "\x1f\x0b"]
    _, rows = read(write(tmp_path, HEADER + "".join(",".join(cells) + "\n" for cells in row)))
    assert values(rows) == [tuple(cells) for cells in row]
    assert lines(rows) == [2, 3, 4]


def test_a_table_has_line_declared_columns_extra_and_record(tmp_path):
    with open_file(write(tmp_path, "owner_city,born,name,pet_id\nPune,2020,Rex,1\n"), PETS) as source:
        (table,) = source.tables()
    assert table.column_names == ["_line", *PETS.column_names, "_extra", "_record"]
    assert [str(kind) for kind in table.schema.types] == ["int64"] + ["string"] * 6
    assert table.to_pylist() == [
        {
            "_line": 2,
            "pet_id": "1",
            "name": "Rex",
            "born": "2020",
            "owner_city": "Pune",
            "_extra": None,
            "_record": None,
        }
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_delimiter_and_line_ends_are_found_out(tmp_path, delimiter, ending):
    text = ending.join(['pet id,"Pet-Name",Born,OWNER CITY', '1,"a, b",c,d', "", '2,"x', 'y",,z'])
    source, rows = read(write(tmp_path, text.replace(",", delimiter), "pets.TXT"))
    assert source.delimiter == delimiter
    assert source.columns.fields == PETS.column_names
    assert values(rows) == [("1", f"a{delimiter} b", "c", "d"), ("2", f"x{ending}y", "", "z")]
    assert lines(rows) == [2, 4]


def test_quoted_newlines_keep_line_numbers_physical(tmp_path):
    _, rows = read(write(tmp_path, HEADER + '1,"a\n\nb",c,d\n2,"x\r\ny","\n",d\n3,c,d\n\n4,,,\n'))
    assert values(rows)[0] == ("1", "a\n\nb", "c", "d")
    assert lines(rows) == [2, 5, 8, 10]
    assert records(rows) == {8: "3,c,d"}


@pytest.mark.parametrize(
    "header", ["petId,petName,born,ownerCity", "PetID,NAME,Born,OwnerCITY", "PET_ID,PetName,BORN,Owner city"]
)
def test_names_are_found_in_camel_case_too(tmp_path, header):
    source, rows = read(write(tmp_path, f"{header}\n1,2,3,4\n"))
    assert source.columns.fields == PETS.column_names
    assert values(rows) == [("1", "2", "3", "4")]
    pet = dict(zip(header.split(","), "1234", strict=True))
    assert values(read(write(tmp_path, json.dumps([pet]), "pets.json"))[1]) == [("1", "2", "3", "4")]


def test_short_lines_below_many_long_names_are_all_read(tmp_path):
    """More of them than are parsed at once."""
    outside = [f"{'n' * 190}{number}" for number in range(500)]
    count = limits.MAX_LINES + 20_000
    source, rows = read(write(tmp_path, ",".join([*PETS.column_names, *outside]) + "\n" + f"{'x' * 10},,,\n" * count))
    assert lines(rows) == list(range(2, count + 2))
    assert source.rows == count


def test_a_header_may_span_lines_and_follow_blank_ones(tmp_path):
    _, rows = read(write(tmp_path, '\n \n"pet\nid",name,born,owner_city\n1,2,3,4\n'))
    assert lines(rows) == [5]


def test_a_ragged_record_is_kept_whole_in_its_place(tmp_path):
    text = '1,Rex,May 15, 1999,Pune\n2,Tom,1999,Pune\n\n3,"a ""b""\nc"\n   \n4,Kit,2000,Goa\n'
    source, rows = read(write(tmp_path, HEADER + text))
    assert lines(rows) == [2, 3, 5, 8]
    assert records(rows) == {2: "1,Rex,May 15, 1999,Pune", 5: '3,"a ""b""\nc"'}
    assert values(rows)[0] == (None, None, None, None)
    assert source.rows == 4


def test_the_line_with_which_excel_declares_a_delimiter_is_no_header(tmp_path):
    source, rows = read(write(tmp_path, "sep=;\r\n" + (HEADER + "1,2,3,4").replace(",", ";")))
    assert source.columns.header == PETS.column_names
    assert lines(rows) == [3]


def test_a_record_of_empty_fields_is_no_blank_line(tmp_path):
    _, rows = read(write(tmp_path, HEADER + '\n,,,\n\n"","","",""\n\n'))
    assert lines(rows) == [3, 5]
    assert values(rows) == [("", "", "", "")] * 2


def test_a_stray_quote_is_text(tmp_path):
    _, rows = read(write(tmp_path, HEADER + '1,5" pipe,a"b"c,""\n2,"he ""said""",x",y"\n3,"q"z,"a" "b",\n'))
    assert values(rows) == [
        ("1", '5" pipe', 'a"b"c', ""),
        ("2", 'he "said"', 'x"', 'y"'),
        ("3", "qz", 'a "b"', ""),
    ]


def test_extra_columns_go_to_extra_under_names_of_their_own(tmp_path):
    text = 'note,pet_id,name,born,owner_city,note,,reject_reason\n"x ""y""",1,Rex,2020,Pune,b\\,,why\n,2,,,,,,\n'
    source, rows = read(write(tmp_path, text))
    assert source.columns.header == (
        "note",
        "pet_id",
        "name",
        "born",
        "owner_city",
        "note (2)",
        "column 7",
        "reject_reason",
    )
    assert source.columns.fields == (None, *PETS.column_names, None, None, None)
    assert source.columns.extra == ("note", "note (2)", "column 7")
    assert json.loads(rows[0]["_extra"]) == {"1": 'x "y"', "6": "b\\", "8": "why"}  # an empty cell takes no room
    assert rows[1]["_extra"] is None


def test_a_file_with_only_a_header_has_no_rows(tmp_path):
    for content in (HEADER, HEADER.strip(), HEADER + "\n\n"):
        source, rows = read(write(tmp_path, content))
        assert (source.rows, rows) == (0, [])


@pytest.mark.parametrize("content", [b"", b" \r\n\n", b"\xef\xbb\xbf", b"\xff\xfe", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_refused(tmp_path, content):
    name = "pets.csv.gz" if content.startswith(b"\x1f") else "pets.csv"
    assert refused(write(tmp_path, content, name)).reason == "empty_file"


OPTIONAL = replace(PETS, columns=tuple(replace(c, optional=c.name in ("born", "owner_city")) for c in PETS.columns))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pets.csv", "pet_id,Tail,name\n1,long,Rex\n\n2,,Tom\n"),
        ("pets.json", '[{"pet_id": "1", "Tail": "long", "name": "Rex"}, {"pet_id": "2", "name": "Tom"}]'),
        ("pets.xlsx", [["pet_id", "Tail", "name"], ["1", "long", "Rex"], ["2", None, "Tom"]]),
    ],
)
def test_an_optional_column_may_be_missing_and_is_null(tmp_path, name, content):
    path = tmp_path / name
    if isinstance(content, str):
        path.write_text(content)
    else:
        book = openpyxl.Workbook()
        for cells in content:
            book.active.append(cells)
        book.save(path)
    with open_file(path, OPTIONAL) as source:
        rows = [row for table in source.tables() for row in table.to_pylist()]
        assert values(rows) == [("1", "Rex", None, None), ("2", "Tom", None, None)]
        assert source.columns.absent == ("born", "owner_city")
        assert [extras(source, row) for row in rows] == [{"Tail": "long"}, {}]


def test_what_is_given_in_one_object_is_not_absent(tmp_path):
    path = write(tmp_path, '{"pet_id": "1", "name": "Rex"}\n{"pet_id": "2", "name": "Tom", "born": null}', "pets.jsonl")
    with open_file(path, OPTIONAL) as source:
        assert len(list(source.tables())) == 1
        assert source.columns.absent == ("owner_city",)


def test_a_missing_column_is_told_with_the_header_and_the_names_that_come_near(tmp_path):
    error = refused(write(tmp_path, "\nPet ID,namen,born,ownercity,city 2\n1,2,3,4,5\n"))
    assert "missing columns 'name', 'owner_city'; line 2 was read as the header: 'Pet ID', 'namen'" in str(error)
    assert "nearest: 'namen' for 'name', 'ownercity' for 'owner_city'. Fix the header" in str(error)


def test_a_row_of_data_that_stands_where_a_header_should_is_not_shown(tmp_path):
    error = refused(write(tmp_path, "1,Rex,2020-01-01,Pune\n"))
    assert "line 1 was read as the header, and none of its 4 names is known" in str(error)
    assert "Rex" not in str(error)


def test_missing_columns_are_named_all_at_once(tmp_path):
    error = refused(write(tmp_path, "pet_id,nick,born\n1,2,3\n"), name="data/pets.csv")
    assert error.reason == "missing_columns"
    assert str(error) == (
        "data/pets.csv: missing columns 'name', 'owner_city'; line 1 was read as the header: 'pet_id', 'nick', 'born'. "
        "Fix the header or add an alias in pipeline/datasets/pets.py"
    )


def test_two_headers_of_one_meaning_are_refused(tmp_path):
    error = refused(write(tmp_path, "pet_id,name,Pet Name,born,owner_city\n"))
    assert (error.reason, error.line) == ("repeated_column", 1)
    assert "'name'" in str(error)
    assert "'Pet Name'" in str(error)


def test_too_many_columns_are_refused(tmp_path):
    assert refused(write(tmp_path, HEADER.strip() + ",x" * 2000)).reason == "too_many_columns"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('1,2,3,4\n"5",6,"7,8\n9,10,11,12\n', 3),
        ('1,2,3,4\n"5\n6","7\n', 4),
        ('1,2,3,"4\n5,6,7,"8"\n', 2),  # the quote of "8" would close it, and line 3 would vanish in line 2
        ('1,2,3,4\n"5","6\n"7","8","9","0"\n', 3),
        ('1,2,3,4\n5,6"', None),
    ],
)
def test_a_quote_that_never_closes_is_refused_where_it_opens(tmp_path, text, line):
    path = write(tmp_path, HEADER + text)
    if line is None:
        assert records(read(path)[1]) == {3: '5,6"'}
        return
    error = refused(path)
    assert (error.reason, error.line) == ("unclosed_quote", line)


def test_an_unclosed_quote_in_the_header_is_refused(tmp_path):
    assert refused(write(tmp_path, 'pet_id,"name,born,owner_city\n1,2,3,4\n')).reason == "unclosed_quote"


@pytest.mark.parametrize(
    "text", ["1,2,3," + "x" * 5000, '1,2,3,"' + "x\n" * 3000, "1,2,3,4\n" + "y" * 5000 + "\n1,2,3,4"]
)
def test_a_record_longer_than_the_limit_is_refused(tmp_path, monkeypatch, text):
    monkeypatch.setattr(limits, "MAX_RECORD", 4000)
    error = refused(write(tmp_path, HEADER + text), block_bytes=1000)
    assert error.reason == ("unclosed_quote" if '"' in text else "too_large_record")
    assert error.line == (3 if "y" in text else 2)


# -- encodings --------------------------------------------------------------------------------------------------------

ACCENTS = HEADER + "1,Zoë,2020,Orléans\n2,“Ana”,2021,Pune\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("name", ["pets.csv", "pets.csv.gz"])
@pytest.mark.parametrize("block_bytes", [4, 7, 4_000_000])
def test_text_is_the_same_in_every_encoding(tmp_path, encoding, name, block_bytes):
    content = ACCENTS.encode(encoding)
    content = gzip.compress(content, mtime=0) if name.endswith("gz") else content
    source, rows = read(write(tmp_path, content, name), encoding="cp1252", block_bytes=block_bytes)
    assert values(rows) == [("1", "Zoë", "2020", "Orléans"), ("2", "“Ana”", "2021", "Pune")]
    assert source.encoding == encoding.removesuffix("-sig")
    assert source.digest == hashlib.sha256(content).hexdigest()


def test_big_endian_utf_16_is_read(tmp_path):
    assert values(read(write(tmp_path, b"\xfe\xff" + ACCENTS.encode("utf-16-be")))[1])[0][1] == "Zoë"


def test_one_file_never_mixes_encodings(tmp_path):
    text = HEADER.encode() + "1,Zoë,2020,Pune\n".encode() * 50 + b"2,Zo\xeb,2020,Pune\n"
    source, rows = read(write(tmp_path, text), encoding="cp1252", block_bytes=64)
    assert source.encoding == "cp1252"
    assert {row["name"] for row in rows} == {"ZoÃ«", "Zoë"}


@pytest.mark.parametrize("block_bytes", [5, 4_000_000])
@pytest.mark.parametrize(
    ("content", "options", "line", "byte"),
    [
        (ACCENTS.encode("cp1252"), {}, 2, 33),
        (HEADER.encode() + b"1,\xc3\xab\r\n2,\x81,3,4\n", {"encoding": "cp1252"}, 3, 37),
        (b"\xff\xfe" + HEADER.encode("utf-16-le") + b"1\x00\n\x00\x00\xd8a\x00", {}, 3, 63),
    ],
)
def test_undecodable_bytes_are_refused_with_line_and_byte(tmp_path, block_bytes, content, options, line, byte):
    error = refused(write(tmp_path, content), block_bytes=block_bytes, **options)
    assert (error.reason, error.line) == ("undecodable", line)
    assert f"byte {byte} " in str(error)


@pytest.mark.parametrize("block_bytes", [5, 4_000_000])
def test_a_nul_byte_is_refused_with_its_line(tmp_path, block_bytes):
    error = refused(write(tmp_path, HEADER + "1,2,3,4\r\n5,\0,7,8\n"), block_bytes=block_bytes)
    assert (error.reason, error.line) == ("nul_byte", 3)


def test_utf_16_without_a_byte_order_mark_is_refused_with_a_hint(tmp_path):
    error = refused(write(tmp_path, HEADER.encode("utf-16-le")))
    assert error.reason == "nul_byte"
    assert "UTF-16" in str(error)


def test_a_file_that_says_it_is_utf_8_never_falls_back(tmp_path):
    content = b"\xef\xbb\xbf" + HEADER.encode() + b"1,\xeb,3,4\n"
    assert refused(write(tmp_path, content), encoding="cp1252").reason == "undecodable"


def test_an_unknown_encoding_is_refused_by_name(tmp_path):
    error = refused(write(tmp_path, b"\xff\xfa"), encoding="cp99")
    assert error.reason == "unknown_encoding"
    assert "'cp99'" in str(error)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pets.csv", HEADER + 'SECRET,SECRET,"SECRET,SECRET\n'),
        ("pets.csv", HEADER + "SECRET,\0SECRET\n"),
        ("pets.csv", "SECRET,SECRET,SECRET\n"),
        ("pets.csv", HEADER.encode() + b"SECRET,\xffSECRET\n"),
        ("pets.json", '[{"pet_id": "SECRET", "name": "\\qSECRET"}]'),
        ("pets.json", '["SECRET" "SECRET"]'),
        ("pets.jsonl", '{"pet_id": "SECRET}\n"SECRET"'),
        ("pets.json", '[{"pet_id": "SECRET"}]'),
    ],
)
def test_no_error_tells_a_value(tmp_path, name, text):
    assert "SECRET" not in str(refused(write(tmp_path, text, name)))


def test_a_record_may_be_longer_than_many_blocks(tmp_path):
    long = "x\n" * 2000
    _, rows = read(write(tmp_path, HEADER + f'1,"{long}",3,4\n5,6,7,8\n'), block_bytes=64)
    assert values(rows) == [("1", long, "3", "4"), ("5", "6", "7", "8")]
    assert lines(rows) == [2, 2003]


# -- what the name promises -------------------------------------------------------------------------------------------


@pytest.fixture
def workbook(tmp_path):
    def make(*rows, name="pets.xlsx"):
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(tmp_path / "made.xlsx")
        return (tmp_path / "made.xlsx").rename(tmp_path / name)

    return make


def test_a_workbook_named_csv_is_refused_with_the_remedy(workbook):
    error = refused(workbook(["pet_id"], name="pets.csv"))
    assert error.reason == "not_csv"
    assert "is an Excel workbook named .csv; rename it to .xlsx" in str(error)


@pytest.mark.parametrize(
    ("name", "content", "reason", "remedy"),
    [
        ("pets.xlsx", HEADER.encode(), "not_xlsx", "rename it to .csv"),
        ("pets.xlsx", b"", "empty_file", "send it again"),
        ("pets.xlsx", b"PK\x03\x04" + bytes(50), "not_xlsx", "save it"),
        ("pets.xlsx", b"\xd0\xcf\x11\xe0" + bytes(50), "not_xlsx", "save it as .xlsx"),
        ("pets.csv", b"\xd0\xcf\x11\xe0" + bytes(50), "not_csv", "save it as .xlsx"),
        ("pets.json", b"PK\x03\x04" + bytes(50), "not_json", "unpack it"),
        ("pets.csv", b"%PDF-1.7", "not_csv", "PDF"),
        ("pets.csv", gzip.compress(HEADER.encode(), mtime=0), "not_gzip", "rename it to 'pets.csv.gz'"),
        ("pets.csv.gz", HEADER.encode(), "not_gzip", "rename it to 'pets.csv'"),
        ("pets.csv.gz", gzip.compress(HEADER.encode(), mtime=0)[:-9], "not_gzip", "damaged"),
        ("pets.csv.gz", gzip.compress(HEADER.encode(), mtime=0) + b"trailing", "not_gzip", "damaged"),
        ("pets.csv", bytes(range(256)), "nul_byte", "damaged"),
        ("pets.parquet", b"PAR1", "unknown_format", ".xlsx"),
        ("pets.xlsx.gz", b"PK", "unknown_format", ".xlsx"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path, name, content, reason, remedy):
    error = refused(write(tmp_path, content, name))
    assert error.reason == reason
    assert remedy in str(error)


def test_a_file_that_went_away_is_refused_by_name(tmp_path):
    assert refused(tmp_path / "pets.csv").reason == "unreadable"
    assert refused(tmp_path / "pets.xlsx").reason == "unreadable"


def test_every_byte_is_hashed_also_behind_the_last_gzip_member(tmp_path):
    content = gzip.compress(HEADER.encode(), mtime=0) + gzip.compress(b"1,2,3,4\n", mtime=0) + bytes(3_000_000)
    source, rows = read(write(tmp_path, content, "pets.csv.gz"))
    assert values(rows) == [("1", "2", "3", "4")]
    assert source.digest == hashlib.sha256(content).hexdigest()


# -- Excel ------------------------------------------------------------------------------------------------------------


def test_cells_become_the_text_they_show(workbook):
    path = workbook(
        [None, None],
        ["pet_id", "name", "born", "owner_city", "note"],
        [7, "007", dt.date(2020, 5, 1), True, dt.datetime(2020, 5, 1, 10, 30)],
        [None, "", None],
        [1.5, " NA ", dt.datetime(2020, 5, 1), "a\nb", 12345678901],
    )
    source, rows = read(path)
    assert values(rows) == [("7", "007", "2020-05-01", "true"), ("1.5", " NA ", "2020-05-01", "a\nb")]
    assert [extras(source, row) for row in rows] == [{"note": "2020-05-01 10:30:00"}, {"note": "12345678901"}]
    assert lines(rows) == [3, 5]
    assert source.digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_short_excel_rows_are_padded_and_columns_without_a_name_are_kept(workbook):
    source, rows = read(workbook(["pet_id", "name", "born", "owner_city"], [1], [2, "b", "c", "d", "e"]))
    assert values(rows) == [("1", "", "", ""), ("2", "b", "c", "d")]
    assert source.columns.extra == ("column 5",)
    assert [extras(source, row) for row in rows] == [{}, {"column 5": "e"}]


def test_an_empty_sheet_is_refused_and_a_lone_header_has_no_rows(workbook):
    assert refused(workbook()).reason == "empty_file"
    assert read(workbook(list(PETS.column_names)))[1] == []


def test_a_zip_bomb_named_xlsx_is_refused_unopened(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_WORKBOOK", 1_000_000)
    with zipfile.ZipFile(tmp_path / "pets.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(900_000))
    assert refused(tmp_path / "pets.xlsx").reason == "too_large_workbook"


# -- JSON -------------------------------------------------------------------------------------------------------------

PET = {"pet_id": "007", "Pet Name": None, "born": True, "owner": {"city": "Pune"}}


@pytest.mark.parametrize("block_bytes", [4, 4_000_000])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pets.json", json.dumps([PET, PET], indent=2)),
        ("pets.json", json.dumps([PET, PET])),
        ("pets.json", json.dumps(PET) + "\n" + json.dumps(PET)),
        ("pets.jsonl", json.dumps(PET) + "\r\n" + json.dumps(PET) + "\r\n"),
        ("pets.NDJSON", "\ufeff" + json.dumps(PET) + "\n" + json.dumps(PET)),
    ],
)
def test_json_objects_are_rows(tmp_path, name, text, block_bytes):
    source, rows = read(write(tmp_path, text, name), block_bytes=block_bytes)
    assert values(rows) == [("007", None, "true", "Pune")] * 2
    assert lines(rows) == [1, 2]
    assert source.columns.header == source.columns.fields == PETS.column_names
    assert [row["_extra"] for row in rows] == [None, None]


@pytest.mark.parametrize(
    "number", ["1.0", "1.50", "-0", "1e400", "12345678901234567890123", "0.1000000000000000055511"]
)
def test_json_numbers_keep_their_source_text(tmp_path, number):
    text = '[{"pet_id": %s, "name": [%s, {"a": "b"}, null], "born": {}, "owner_city": "x", "x": {"y": %s}}]'
    source, rows = read(write(tmp_path, text.replace("%s", number), "pets.json"))
    assert values(rows) == [(number, f'[{number},{{"a":"b"}},null]', "{}", "x")]
    assert json.loads(rows[0]["_extra"]) == {"5": number}
    assert source.columns.header == (*PETS.column_names, "x_y")
    assert source.columns.fields == (*PETS.column_names, None)
    assert source.columns.extra == ("x_y",)


def test_an_element_that_is_no_object_is_kept_as_a_record(tmp_path):
    text = json.dumps([PET, 12, "x", None, [1, 2]])
    _, rows = read(write(tmp_path, text, "pets.json"), block_bytes=16)
    assert records(rows) == {2: "12", 3: '"x"', 4: "null", 5: "[1, 2]"}


def test_a_line_that_is_no_json_object_is_kept_as_a_record(tmp_path):
    _, rows = read(write(tmp_path, f'{json.dumps(PET)}\n\n{{"pet_id": 1,\n[1]\n', "pets.jsonl"))
    assert records(rows) == {3: '{"pet_id": 1,', 4: "[1]"}


def test_text_that_no_database_can_hold_is_kept_escaped(tmp_path):
    bad = [{**PET, "pet_id": "a\0b"}, {**PET, "x": "\ud800"}, {**PET, "pet_id": "😀é"}]
    _, rows = read(write(tmp_path, "\n".join(map(json.dumps, bad)), "pets.jsonl"))
    assert records(rows) == {1: json.dumps(bad[0]), 2: json.dumps(bad[1])}
    assert rows[2]["pet_id"] == "😀é"


@pytest.mark.parametrize("block_bytes", [4, 4_000_000])
@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('[\n  {"pet_id": 1},\n  {"pet_id" 2}\n]', 3, 13),
        ('[{"pet_id": 1}', 1, 15),
        ('[{"pet_id": 1}, ]', 1, 17),
        ('[{"pet_id": 1}] x', 1, 17),
        ('[{"pet_id": 1}\n{"pet_id": 2}]', 2, 1),
        ('[{"pet_id": "é", "a": nope}]', 1, 23),
        ("pet_id,name\n1,2", 1, 1),
        ('{\n "pet_id": 1\n}', 1, 2),
        ("[1, 2]", 1, 1),
    ],
)
def test_broken_json_is_refused_with_line_and_column(tmp_path, text, line, column, block_bytes):
    error = refused(write(tmp_path, text, "pets.json"), block_bytes=block_bytes)
    assert (error.reason, error.line) == ("not_json", line)
    assert f"column {column}:" in str(error)


def test_json_nested_without_end_is_no_traceback(tmp_path):
    assert refused(write(tmp_path, "[" * 200_000, "pets.json")).reason == "not_json"
    assert refused(write(tmp_path, '{"a":' * 200_000, "pets.jsonl")).reason == "not_json"
    deep = '{"a":' * 700 + "1" + "}" * 700
    _, rows = read(write(tmp_path, f"{json.dumps(PET)}\n{deep}\n", "pets.jsonl"))
    assert lines(rows) == [1, 2]
    assert records(rows) == {2: deep}


@pytest.mark.parametrize("block_bytes", [7, 4_000_000])
@pytest.mark.parametrize("depth", [48, 51, 700, 10_000])
@pytest.mark.parametrize("deep", ['{"]\\\\": "[", "a":', '["\\"{", '])
def test_an_element_nested_too_deeply_is_kept_as_a_record_and_the_others_are_read(tmp_path, deep, depth, block_bytes):
    close = "}" if deep.startswith("{") else "]"
    bad = '{"x": ' + deep * depth + "1" + close * depth + "}"
    text = f"[{json.dumps(PET)}, {bad}, {json.dumps(PET)}]"
    _, rows = read(write(tmp_path, text, "pets.json"), block_bytes=max(block_bytes, len(text) // 20))
    assert lines(rows) == [1, 2, 3]
    assert records(rows) == ({2: bad} if depth > 50 else {})
    assert rows[2]["pet_id"] == "007"


def test_an_object_with_thousands_of_keys_is_refused_at_once(tmp_path):
    for keys in ({str(n): n for n in range(100_000)}, {"o": {str(n): n for n in range(3000)}}):
        error = refused(write(tmp_path, json.dumps([PET, {**PET, **keys}]), "pets.json"))
        assert (error.reason, error.line) == ("too_many_columns", None)
        assert "element 2: more than 2000 keys" in str(error)
    spread = [{**PET, f"k{n}": n} for n in range(2500)]
    error = refused(write(tmp_path, "\n".join(map(json.dumps, spread)), "pets.jsonl"))
    assert (error.reason, error.line) == ("too_many_columns", 1997)
    assert "more than 2000 different keys" in str(error)


@pytest.mark.parametrize("name", ["pets.csv", "pets.jsonl"])
def test_a_name_repeated_two_thousand_times_stops_nothing(tmp_path, name):
    header = HEADER.strip() + ",x" * 1990 + "\n"
    text = header if name.endswith("csv") else json.dumps(PET)[:-1] + ', "x": 1' * 1990 + "}\n"
    source, _ = read(write(tmp_path, text, name))
    assert len(source.columns.extra) == (1990 if name.endswith("csv") else 1)
    if name.endswith("csv"):
        assert source.columns.header[-1] == "x (1990)"


def test_a_json_column_that_no_record_has_is_missing(tmp_path):
    error = refused(write(tmp_path, '[{"pet_id": 1, "x": 2}, {"name": 1}]', "pets.json"))
    assert error.reason == "missing_columns"
    assert "'born', 'owner_city'" in str(error)
    assert read(write(tmp_path, " [ ] ", "pets.json"))[1] == []
    assert refused(write(tmp_path, "\n", "pets.jsonl")).reason == "empty_file"


@pytest.mark.parametrize(
    "keys", ['"name": 1, "pet_name": 2', '"name": 1, "name": 2', '"owner_city": 1, "owner": {"city": 2}']
)
def test_two_json_keys_of_one_meaning_are_refused(tmp_path, keys):
    error = refused(write(tmp_path, f"[{json.dumps(PET)},\n {{{keys}}}]", "pets.json"))
    assert error.reason == "repeated_column"
    assert str(error).startswith("pets.json: element 2: keys ")


@pytest.mark.parametrize("text", ["x", '{"pets": [{"pet_id": 1}]}', '{\n"pet_id": 1\n}', "{}", "null"])
def test_json_in_another_shape_is_told_which_one_is_read(tmp_path, text):
    said = str(refused(write(tmp_path, text, "pets.json")))
    assert "array" in said and ("one a line" in said or "object a line" in said)


@pytest.mark.parametrize("name", ["pets.json", "pets.json.gz", "pets.jsonl", "pets.jsonl.gz"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_json_is_the_same_in_every_encoding(tmp_path, name, encoding):
    pet = json.dumps({**PET, "owner": {"city": "Orléans"}}, ensure_ascii=False)
    text = f"{pet}\r\n{pet}\r\n" if "jsonl" in name else f"[{pet},\r\n{pet}]"
    content = gzip.compress(text.encode(encoding), mtime=0) if name.endswith("gz") else text.encode(encoding)
    source, rows = read(write(tmp_path, content, name), encoding="cp1252")
    assert values(rows) == [("007", None, "true", "Orléans")] * 2
    assert source.encoding == encoding.removesuffix("-sig")
    assert source.delimiter == ""


# -- one truth, however it is cut -------------------------------------------------------------------------------------


TEXTS = st.lists(
    st.sampled_from(
        [
            "a",
            "é",
            "😀",
            ",",
            ",",
            ",",
            '"',
            '""',
            '"',
            "\n",
            "\r",
            "\r\n",
            " ",
            "1,2,3,4\n",
            'x,"y\n",z,"w"\n',
            ",,,\n",
        ]
    ),
    max_size=40,
).map("".join)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS, block=st.sampled_from([4, 5, 11, 64, 4_000_000]))
@example(text='1,2,3,"4\n5"\n6,7\n', block=4)
@example(text='a,"b\r', block=4)
def test_rows_are_those_of_a_plain_reader_whatever_the_block_size(tmp_path, text, block):
    expected = csv_records(HEADER + text)
    path = write(tmp_path, HEADER + text)
    if isinstance(expected, int):
        error = refused(path, block_bytes=block)
        assert (error.reason, error.line) == ("unclosed_quote", expected)
        return
    _, rows = read(path, block_bytes=block)
    got = [
        (row["_line"], None if row["_record"] is not None else cells, row["_record"])
        for row, cells in zip(rows, values(rows), strict=True)
    ]
    assert got == expected[1:]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pets=st.lists(st.fixed_dictionaries({name: st.text() for name in PETS.column_names}), max_size=5))
def test_json_rows_do_not_depend_on_the_block_size(tmp_path, pets):
    pets = [{**pet, "pet_id": 1.5} for pet in pets]
    path = write(tmp_path, json.dumps(pets, ensure_ascii=True), "pets.json")
    results = [read(path, block_bytes=size)[1] for size in (4, 33, 4_000_000)]
    assert results[0] == results[1] == results[2]
    kept = [row for row in results[0] if row["_record"] is None]
    assert all(row["pet_id"] == "1.5" for row in kept)


def test_memory_does_not_grow_with_the_file(tmp_path):
    import tracemalloc

    path: Path = write(tmp_path, HEADER + "1,Rex,2020-01-01,Pune\n" * 400_000)
    with open_file(path, PETS, block_bytes=100_000) as source:
        tracemalloc.start()
        rows = sum(len(table) for table in source.tables())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert rows == 400_000
    assert peak < 6_000_000
