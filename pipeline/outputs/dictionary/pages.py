"""Data dictionary: `docs/data-dictionary.md`, written from what the code and the database already say.

Declarations and rules say what a file may hold and what becomes of it, comments in the DDL what a table and a column
mean, the head of a query its grain. A test holds the committed pages equal to what would be written now.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

import init_db
from pipeline import definitions, queries
from pipeline.checks import HEADER
from pipeline.config import PROJECT
from pipeline.datasets import DATASETS
from pipeline.datasets.declaration import Column, Dataset
from pipeline.outputs.dictionary import lineage
from pipeline.outputs.dictionary.catalogue import A_ROW, SHARED, Catalogue, Relation
from pipeline.outputs.markdown import table
from pipeline.rules import HARD_RULES, RULES, apply_rule
from pipeline.rules.cities import Cities
from pipeline.rules.context import Context
from pipeline.sources.formats.kinds import FORMATS
from pipeline.staging import Staged

PAGE = "data-dictionary.md"
LAYERS = {
    "raw": "Raw: files as they came",
    "staging": "Staging: cleaned",
    "warehouse": "Warehouse: dimensions and facts",
    "analytics": "Analytics: marts and work lists",
    "etl": "Ledger: what arrived, and how each table was made",
}


def written(db: Connection) -> str:
    """The page, whatever the database holds; derived schemas of older code are as they were afterwards."""
    aside = db.begin_nested()
    init_db.create_derived(db)
    all_of = Catalogue(db)
    aside.rollback()
    return "\n".join(page(all_of))


# --- what a declaration says ----------------------------------------------------------------------------------------

# A rule shows what it objects to when it is given these.
PROBES = ("", "no such word", "?!", "\0", "-5", "150", "1900-01-01", "x" * 300)
ASIDE = Context(dt.date(2024, 2, 8), cities=Cities.of([("Pune", "Maharashtra", "MH", ())]))
# Codes that a whole record gets -> the columns that a dataset must have for it, whether it rejects, what it means.
RECORD_CODES: dict[str, tuple[tuple[str, ...], bool, str]] = {
    "field_rejoined": ((), False, "too many fields, and one way alone of joining neighbours that fits every column"),
    "field_count": ((), True, "too few fields, or too many and no such way; the record is kept whole"),
    "record_unreadable": ((), True, "JSON: no object, or one with text that no database can hold; it is kept whole"),
    "state_mismatch": (("city", "state"), False, "the city lies in another state, by the city list"),
}


def codes(column: Column) -> tuple[list[str], list[str]]:
    """What a column can be flagged with, and what rejects its row."""
    said = list(dict.fromkeys(cell.code for probe in PROBES if (cell := apply_rule(probe, column, ASIDE)).code))
    return ([], said) if column.required or column.rule in HARD_RULES else (said, [])


def record_codes(dataset: Dataset) -> list[tuple[str, bool, str]]:
    """(code, whether it rejects, what it means) of the codes that look at more than one column of a row."""
    names = set(dataset.column_names)
    of_all = [(code, hard, said) for code, (needs, hard, said) in RECORD_CODES.items() if set(needs) <= names]
    return of_all + [(check.code, True, check.what) for check in dataset.checks]


def blank(column: Column) -> str:
    """What a blank cell becomes."""
    if codes(column)[1]:
        return "rejected"
    value: Any = apply_rule("", column, ASIDE).value
    value = value[0] if isinstance(value, tuple) else value
    return "null" if value is None else f"`{value}`"


def vocabulary(column: Column) -> str:
    """The canonical words, each with the other words that mean it."""
    words: dict[str, list[str]] = {}
    for word, canonical in column.words:
        words.setdefault(canonical, []).extend([word] if word != canonical.lower() else [])
    also = {canonical: f" (`{'`, `'.join(others)}`)" if others else "" for canonical, others in words.items()}
    return ", ".join(f"`{canonical}`{others}" for canonical, others in also.items())


# --- the page -------------------------------------------------------------------------------------------------------

INTRODUCTION = """# Data dictionary

Written by `make docs` from the declarations, the rules, the comments in the DDL and the heads of the queries. Don't
edit it: mend the source, write it again; a test says when it is out of date.

A file of a **dataset** lands record by record in **raw**. Cleaning gives each value its type and its canonical form,
and names by a code what is wrong with it. A soft problem is a **flag**: the row is kept, the code is in its `flags`. A
hard one **rejects** the row: it is kept in `etl.rejects` with the code, its line and its original text. **staging**
holds the newest accepted row of every key. **warehouse** and **analytics** are made from there, each table by a SELECT.

★ marks a key. `null` says that a value may be missing (`?`: a view, of which it is not known). Types are PostgreSQL's.
"""
DATASETS_INTRODUCTION = f"""A file is known by its name: the dataset, or another name of it, in any case, perhaps with a
date, in any folder, ending in {", ".join(f"`.{ending}`" for ending in FORMATS)}
(but for `.xlsx` also `.gz`). Headers match in any case and any order; blanks and signs in them count as `_`. A column
outside the declaration is kept in raw; a column that is missing refuses the file, unless it may be missing.
"""
MODES = {
    "append": "adds rows, and corrects those whose key is known",
    "snapshot": "is the whole truth of its day: a key that it lacks is inactive from then on, until it comes back",
}


def page(all_of: Catalogue) -> Iterator[str]:
    """The lines of the dictionary."""
    yield from (INTRODUCTION, *_contents(all_of), "## Datasets: what a file may hold", "", DATASETS_INTRODUCTION)
    for dataset in DATASETS.values():
        yield from _dataset(all_of, dataset)
    yield from _rules()
    for layer, title in LAYERS.items():
        yield from (f"## {title}", "", f"{_text(all_of.schemas[layer])}", "")
        yield from _raw(all_of) if layer == "raw" else _tables(all_of, layer)
        yield from _functions(all_of, layer)
    yield from _files(all_of)
    yield from _checks(all_of)
    yield from ("## Lineage", "", "What each table is made from: a line is data that flows.", "")
    yield from ("```mermaid", lineage.picture(), "```", "")


def _contents(all_of: Catalogue) -> Iterator[str]:
    yield "## Contents"
    yield ""
    yield "- datasets: " + ", ".join(_link(name) for name in DATASETS) + "; " + _link("Rules")
    for layer, title in LAYERS.items():
        tables = [name for name, found in all_of.relations.items() if found.schema == layer]
        inside = f": {', '.join(map(_link, tables))}" if layer != "raw" else ""
        yield f"- [{layer}](#{_anchor(title)}){inside}"
    yield f"- {_link('Files')}, {_link('Checks')}, {_link('Lineage')}"
    yield ""


def _dataset(all_of: Catalogue, dataset: Dataset) -> Iterator[str]:
    yield from (f"### {dataset.name}", "")
    yield f"- **file names** `{'`, `'.join((dataset.name, *dataset.aliases))}`"
    yield f"- **a file** {MODES[dataset.mode]} (`{dataset.mode}`)"
    yield f"- **natural key** `{dataset.key}`"
    yield f"- **text** UTF-8 or UTF-16, else {dataset.encoding or 'refused'}"
    if dataset.lookups:
        yield f"- **looked up in** the newest {', '.join(map(_link, dataset.lookups))}"
    kept = f", every version in {_link(f'staging.{dataset.versions}')}" if dataset.versions else ""
    yield f"- **goes to** {_link(f'raw.{dataset.name}')}, then {_link(f'staging.{dataset.table}')}{kept}"
    yield ""
    yield table(
        ("column", "rule", "a blank", "flags", "rejects", "in staging"),
        (declaration_row(all_of, dataset, column) for column in dataset.columns),
    )
    yield "Codes of the whole record:"
    yield ""
    for code, rejects, said in record_codes(dataset):
        yield f"- `{code}` ({'rejects' if rejects else 'flag'}): {said}"
    yield ""


def declaration_row(all_of: Catalogue, dataset: Dataset, column: Column) -> tuple[str, ...]:
    flags, rejects = (", ".join(f"`{code}`" for code in found) for found in codes(column))
    also = f"<br>also `{'`, `'.join(column.aliases)}`" if column.aliases else ""
    words = f": {vocabulary(column)}" if column.words else f", {column.case} case" if column.case else ""
    named = (
        f"; names {'an' if column.references[0] in 'aeiou' else 'a'} {column.references}"
        if column.references and column.name != dataset.key
        else ""
    )
    staged = [
        f"`{name}` {kind}: {_text(all_of.describe(f'staging.{dataset.table}', name))}" for name, kind in column.staged
    ]
    star = " ★" if column.name == dataset.key else " (may be missing)" if column.optional else ""
    return (
        f"`{column.name}`{star}{also}",
        f"[{column.rule}](#rules){words}{named}",
        blank(column),
        flags,
        rejects,
        "<br>".join(staged),
    )


def _rules() -> Iterator[str]:
    yield from ("## Rules", "", "Each looks at one value of one row. Examples are given text -> kept value.", "")
    yield table(("rule", "what it does"), ((f"`{name}`", _text(_said(rule))) for name, rule in RULES.items()))


def _raw(all_of: Catalogue) -> Iterator[str]:
    rows = []
    for dataset in DATASETS.values():
        name = f"raw.{dataset.name}"
        readers = ", ".join(map(_link, all_of.readers.get(name, [])))
        rows.append((f"`{name}`", _text(all_of.relations[name].comment), readers))
    yield table(("table", "what it holds", "read by"), rows)
    yield from ("Each has the columns of its dataset, as text, and", "")
    shared = [name for name in SHARED if name.startswith("raw.")]
    first = all_of.relations[f"raw.{next(iter(DATASETS))}"]
    yield table(("column", "type", "null", "what it is"), (_row(all_of, first, name.split(".")[1]) for name in shared))


def _tables(all_of: Catalogue, layer: str) -> Iterator[str]:
    for name, relation in all_of.relations.items():
        if relation.schema != layer:
            continue
        yield from (f"### {name}", "", _text(_sentence(relation.comment)), "", *_facts(all_of, relation), "")
        yield table(
            ("column", "type", "null", "what it is"), (_row(all_of, relation, column) for column in relation.fields)
        )


def _facts(all_of: Catalogue, relation: Relation) -> Iterator[str]:
    """Grain, key, by what and from what it is made, what reads it."""
    makers = all_of.makers(relation.name)
    rules = ["pipeline/rules/__init__.py"] if any(isinstance(step, Staged) for step in makers) else []
    recipes = list(dict.fromkeys([*rules, *(recipe for step in makers for recipe in step.recipes())]))
    grain = [
        queries.grain((PROJECT / recipe).read_text(encoding="utf-8")) for recipe in recipes if recipe.endswith(".sql")
    ]
    yield from (f"- **grain** {_text(said)}" for said in grain)
    if relation.key:
        yield f"- **key** `{'`, `'.join(relation.key)}`"
    if makers:
        tasks = ", ".join(f"`{type(step).__name__}`" for step in makers)
        rooms = [recipe.removesuffix("__init__.py") for recipe in recipes if recipe.endswith("/__init__.py")]
        alone = [recipe for recipe in recipes if not recipe.startswith(tuple(rooms))]
        yield f"- **made by** {tasks}: {', '.join(f'[{place}](../{place})' for place in (*rooms, *alone))}"
    options = list(dict.fromkeys(option for step in makers for option in step.options))
    if options:
        yield f"- **settings** `{'`, `'.join(options)}`"
    if relation.is_view:
        yield "- **made by** a view: it holds nothing of its own"
    for title, found in (("reads", all_of.reads), ("read by", all_of.readers)):
        if found.get(relation.name):
            yield f"- **{title}** {', '.join(map(_link, found[relation.name]))}"


def _row(all_of: Catalogue, relation: Relation, column: str) -> tuple[str, ...]:
    shape = relation.fields[column]
    said = all_of.describe(relation.name, column)
    refers = f"{' ' if said == A_ROW else ': '}{_link(shape.refers)}" if shape.refers else ""
    star = " ★" if column in relation.key else ""
    null = "?" if relation.is_view else "" if shape.required else "null"
    return f"`{column}`{star}", shape.kind, null, _text(said) + refers


def _functions(all_of: Catalogue, layer: str) -> Iterator[str]:
    found = {name: said for name, said in all_of.functions.items() if name.startswith(f"{layer}.")}
    if found:
        yield table(("function", "what it gives"), ((f"`{name}`", _text(said)) for name, said in found.items()))


def _files(all_of: Catalogue) -> Iterator[str]:
    yield from (
        "## Files",
        "",
        "Written into the output folder; [output/README.md](../output/README.md) says more.",
        "",
    )
    rows = []
    for target, step in all_of.steps.items():
        if target.startswith("output/"):
            everything = all_of.in_short(target) == lineage.EVERYTHING
            above = lineage.EVERYTHING if everything else ", ".join(map(_link, all_of.reads[target]))
            rows.append((f"`output/{getattr(step, 'pattern', '')}`", _text(_said(type(step))), above))
    yield table(("files", "what they say", "made from"), rows)


def _checks(all_of: Catalogue) -> Iterator[str]:
    yield from (
        "## Checks",
        "",
        "What must hold after a layer is made. An error stops what is made from the layer.",
        "",
    )
    rows = []
    for step in all_of.steps.values():
        for recipe in step.recipes() if step.gates else ():
            found = HEADER.match(definitions.filled((PROJECT / recipe).read_text(encoding="utf-8")))
            rows.append((f"[{Path(recipe).stem}](../{recipe})", *map(_text, found.groups() if found else ("", ""))))
    yield table(("check", "severity", "what must hold"), rows)


# --- Markdown -------------------------------------------------------------------------------------------------------


def _said(of: object) -> str:
    return definitions.filled(" ".join((of.__doc__ or "").split()))


def _text(words: str) -> str:
    """Words as Markdown that shows them as they are."""
    words = words.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
    return re.sub(r"(?<![\w`])_", r"\\_", words)


def _sentence(words: str) -> str:
    first = words.split(" ", maxsplit=1)[0]
    return (words[:1].upper() + words[1:] if first.isalpha() else words).removesuffix(".") + "."


def _anchor(title: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def _link(name: str) -> str:
    layer = re.split("[./]", name)[0]
    heading = {"raw": LAYERS["raw"], "output": "Files", "checks": "Checks"}.get(layer, name)
    if name in DATASETS or layer in ("Rules", "Files", "Checks", "Lineage"):
        return f"[{name}](#{_anchor(name)})"
    return f"[`{name}`](#{_anchor(heading)})"
