"""Files that went wrong: from a seed a valid file of any dataset and format, and then what befalls files.

Equal seeds give equal files. `records` says, without the reader's help, which records such a file holds.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import openpyxl
from conftest import ROWS

from pipeline.datasets import DATASETS

Change = Callable[[random.Random, bytes], bytes]

ENDINGS = ("csv", "csv.gz", "tsv", "xlsx", "json", "json.gz", "jsonl", "ndjson.gz")
# What people and programs write into cells: nothing of it may stop a run.
CELLS = (
    *("", " ", "NULL", "\\N", "\\.", "NaN", "-inf", "1e400", "0x10", "-5", "1,000", "½", "007", "9" * 40, "STU-2"),
    *("=cmd|' /C calc'!A0", "'; drop table raw.students; --", "%s", "%(x)s", "{0}", ":name", "$1", "<b>", "\x1b[31m"),
    *("2024-02-30", "31/12/2099", "0000-00-00", "now", "infinity", "2024-02-01T25:61:61Z", "May 15, 1999", "15.5.99"),
    *("a\nb", "a\r\nb", "a\rb", 'a "b" c', '"', "a\u2028b", "a\x85b", "a\x0bb", "a\x1cb", "\ufeff", "\u202e", "\ufffd"),
    *("😀" * 9, "７", "ß", "İ", "ſ", "e\u0301" * 50, "\U000e0001", "\uffff", "\x7f", "[", "{}", "[[1]]", "None"),
    *("true", "PRESENT", "-", "\t", ",,,"),
)  # fmt: skip


@dataclass(frozen=True)
class Damaged:
    """A file and what was done to it. name: as in the data folder, without a folder."""

    seed: int
    dataset: str
    name: str
    content: bytes
    story: str


def damaged(seed: int) -> Damaged:
    """The file of a seed; of about one in ten seeds a sound one."""
    rng = random.Random(seed)
    dataset, ending = rng.choice(sorted(DATASETS)), rng.choice(ENDINGS)
    content = WRITERS[ending.partition(".")[0]](rng, dataset)
    story = [ending]
    for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 2, 3, 5, 8))):
        change = rng.choice(CHANGES)
        story.append(change.__name__)
        content = _inside(rng, content, change) if ending == "xlsx" else change(rng, content)
    if ending.endswith(".gz"):
        content = gzip.compress(content, 1, mtime=0)
    if rng.random() < 0.06:  # the packed file itself
        story.append("flipped on its way")
        content = flipped(rng, content)
    return Damaged(seed, dataset, f"{dataset}.{ending}", content, ", ".join(story))


# --- sound files ----------------------------------------------------------------------------------------------------


def _rows(rng: random.Random, dataset: str) -> list[dict[str, str]]:
    """Rows of a dataset, with keys that repeat and odd cells here and there."""
    key, found = DATASETS[dataset].key, []
    for number in range(rng.choice((0, 1, 2, 5, 20, 60))):
        row = {**ROWS[dataset], key: f"{ROWS[dataset][key][:3]}{rng.randrange(40):03}"}
        for name in row:
            if rng.random() < 0.05:
                row[name] = rng.choice(CELLS)
        found.append(row | {"remark": f"no {number}"} if rng.random() < 0.02 else row)
    return found


def _csv(rng: random.Random, dataset: str) -> bytes:
    names = list(DATASETS[dataset].column_names)
    if rng.random() < 0.2:
        rng.shuffle(names)
    text = io.StringIO()
    writer = csv.DictWriter(
        text,
        [*names, *rng.choice(((), (), ("remark",), ("", "x", "x")))],
        extrasaction="ignore",
        restval="r",
        delimiter=rng.choice(",,,;\t|"),
        lineterminator=rng.choice(("\n", "\n", "\r\n", "\r")),
        quoting=rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL)),
    )
    writer.writeheader()
    writer.writerows(_rows(rng, dataset))
    return _encoded(rng, text.getvalue())


def _json(rng: random.Random, dataset: str) -> bytes:
    indent = rng.choice((None, None, 1))
    return _encoded(rng, json.dumps(_objects(rng, dataset), ensure_ascii=rng.random() < 0.5, indent=indent))


def _lines(rng: random.Random, dataset: str) -> bytes:
    written = [json.dumps(row, ensure_ascii=rng.random() < 0.5) for row in _objects(rng, dataset)]
    return _encoded(rng, rng.choice(("\n", "\n", "\r\n")).join(written))


def _objects(rng: random.Random, dataset: str) -> list[object]:
    odd: tuple[Any, ...] = (1, 1.5, -0.0, 10**30, True, None, [], {}, [1, [2]], {"a": {"b": "c"}}, "\ud800", "\0")
    found: list[object] = []
    for row in _rows(rng, dataset):
        values: dict[str, object] = dict(row)
        for name in row:
            if rng.random() < 0.05:
                values[name] = rng.choice(odd)
        found.append(values if rng.random() > 0.02 else rng.choice((*odd, "text", [values])))
    return found


def _encoded(rng: random.Random, text: str) -> bytes:
    return text.encode(rng.choice(("utf-8",) * 5 + ("utf-8-sig", "utf-16", "cp1252")), "replace")


def _sheet(rng: random.Random, dataset: str) -> bytes:
    book, file = openpyxl.Workbook(), io.BytesIO()
    assert book.active is not None
    book.active.append(list(DATASETS[dataset].column_names))
    for row in _rows(rng, dataset):
        cells = [openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.sub("", row[name]) for name in DATASETS[dataset].column_names]
        book.active.append([float(cell) if cell.isdecimal() and rng.random() < 0.5 else cell for cell in cells])
    book.save(file)
    return file.getvalue()


WRITERS: dict[str, Callable[[random.Random, str], bytes]] = {
    "csv": _csv, "tsv": _csv, "xlsx": _sheet, "json": _json, "jsonl": _lines, "ndjson": _lines,
}  # fmt: skip


def _inside(rng: random.Random, content: bytes, change: Change) -> bytes:
    """The workbook with one of the files in it changed, its checksums right again."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            files = {name: book.read(name) for name in book.namelist()}
    except (zipfile.BadZipFile, OSError):
        return change(rng, content)
    name = rng.choice([*files, *["xl/worksheets/sheet1.xml"] * 20])
    files[name] = change(rng, files.get(name, b""))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as book:
        for name, data in files.items():
            book.writestr(zipfile.ZipInfo(name), data)
    return packed.getvalue()


# --- what befalls them ----------------------------------------------------------------------------------------------


def _place(rng: random.Random, content: bytes) -> int:
    """Anywhere, but every third time in the first line, where the header is."""
    end = content.find(b"\n") if rng.random() < 0.33 else len(content)
    return rng.randint(0, max(end, 0))


def _put(rng: random.Random, content: bytes, piece: bytes) -> bytes:
    at = _place(rng, content)
    return content[:at] + piece + content[at:]


def flipped(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 3, 20)) if content else 0):
        changed[min(_place(rng, content), len(content) - 1)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut_off(rng: random.Random, content: bytes) -> bytes:
    return content[: _place(rng, content)]


def taken_out(rng: random.Random, content: bytes) -> bytes:
    at = _place(rng, content)
    return content[:at] + content[at + rng.choice((1, 2, 10, 200)) :]


def doubled(rng: random.Random, content: bytes) -> bytes:
    at, size = _place(rng, content), rng.choice((1, 2, 30, 500))
    return content[: at + size] + content[at : at + size] * rng.choice((1, 1, 3, 50)) + content[at + size :]


def delimited(rng: random.Random, content: bytes) -> bytes:
    return _put(
        rng, content, rng.choice((b",", b";", b"\t", b"|", b",,,", b"\n", b"\r", b"\r\n", b"\n\n", b"\x0b", b"\x85"))
    )


def undelimited(rng: random.Random, content: bytes) -> bytes:
    mark = rng.choice((b",", b"\n", b'"', b"}", b"]", b":"))
    at = content.find(mark, _place(rng, content))
    return content[:at] + content[at + 1 :] if at >= 0 else content


def quoted(rng: random.Random, content: bytes) -> bytes:
    return _put(rng, content, rng.choice((b'"', b'"', b'""', b'"""', b"'", b',"', b'",', b'"\n', b"\\")))


def with_a_cell(rng: random.Random, content: bytes) -> bytes:
    return _put(rng, content, rng.choice(CELLS).encode(errors="surrogatepass"))


def with_nuls(rng: random.Random, content: bytes) -> bytes:
    return _put(rng, content, rng.choice((b"\0", b"\0" * 100, b"\\u0000", b"\\ud800", b"\x1a")))


def recoded(rng: random.Random, content: bytes) -> bytes:
    text = content.decode("utf-8", rng.choice(("replace", "ignore")))
    return text.encode(
        rng.choice(("utf-16", "utf-16-le", "utf-32", "cp1252", "utf-7", "cp037", "utf-8-sig")), "replace"
    )


def marked(rng: random.Random, content: bytes) -> bytes:
    """A byte order mark, at the start or where files were joined."""
    mark = rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b", b"PK\x03\x04"))
    return mark + content if rng.random() < 0.6 else _put(rng, content, mark)


def nested(rng: random.Random, content: bytes) -> bytes:
    deep = rng.choice((3, 49, 51, 900, 20_000))
    opened, closed = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"(", b")"), (b"<a>", b"</a>")))
    return _put(rng, content, opened * deep + b"1" + rng.choice((closed * deep, b"")))


def huge(rng: random.Random, content: bytes) -> bytes:
    return _put(
        rng,
        content,
        rng.choice((b"x", b"1", b" ", b"a ", b'"', "é".encode(), b"-", b"a,")) * rng.choice((300, 9_000, 200_000)),
    )


def wide(rng: random.Random, content: bytes) -> bytes:
    """Columns by the thousand, in the first line or in each."""
    more = b"," * rng.choice((10, 1_000, 5_000))
    return content.replace(b"\n", more + b"\n", rng.choice((1, 1, -1)) if len(content) < 20_000 else 1)


def shuffled(rng: random.Random, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    first = rng.randint(0, 1)
    body = lines[first:]
    rng.shuffle(body)
    return b"".join([*lines[:first], *body])


def noise(rng: random.Random, content: bytes) -> bytes:
    return _put(rng, content, rng.randbytes(rng.choice((1, 16, 1_000)))) if rng.random() < 0.8 else rng.randbytes(500)


CHANGES: tuple[Change, ...] = (
    *(flipped, cut_off, taken_out, doubled, delimited, undelimited, quoted, with_a_cell, with_nuls, recoded, marked),
    *(nested, huge, wide, shuffled, noise, delimited, quoted, with_a_cell, taken_out, doubled),
)
