"""Declarations, DDL and steps say the same; a column forgotten in one of them fails here."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from dataclasses import replace

import pytest

from pipeline import staging
from pipeline.config import PROJECT
from pipeline.datasets import DATASETS
from pipeline.datasets.declaration import STAGED_TYPES, Column, Dataset
from pipeline.ddl.__main__ import files
from pipeline.ddl.tables import migration
from pipeline.enrich import ENRICHMENT
from pipeline.ingest import RAW
from pipeline.marts import MARTS
from pipeline.rules import CANONICAL, HARD_RULES, RULES, apply_rule
from pipeline.rules.context import Context
from pipeline.sources.folder import scan
from pipeline.staging import STAGED
from pipeline.warehouse import WAREHOUSE
from targets.parts import differences

every_dataset = pytest.mark.parametrize("dataset", DATASETS.values(), ids=str)
COLUMNS = [(dataset, column) for dataset in DATASETS.values() for column in dataset.columns]
every_column = pytest.mark.parametrize(
    "dataset, column", COLUMNS, ids=[f"{dataset.name}.{column.name}" for dataset, column in COLUMNS]
)

# table of versions -> the datasets whose accepted versions it keeps
VERSIONS = {
    name: [dataset for dataset in DATASETS.values() if dataset.versions == name]
    for name in {dataset.versions for dataset in DATASETS.values()} - {""}
}

# What every staging table has besides its content.
PROVENANCE = {"flags", "quality_score", "_drop_id", "_line", "_build"}

# Columns whose name says it all, in dimensions, facts and marts; every other column has a comment.
SELF_EVIDENT = {
    "as_of", "category", "city", "completion_percentage", "course_id", "course_name", "date", "dataset", "day",
    "day_name", "difficulty", "dob", "duration_hours", "duration_seconds", "email", "enrollment_date", "event_id",
    "event_timestamp", "event_type", "events", "first_activity", "first_name", "full_name", "gender",
    "instructor_name", "is_weekend", "iso_week", "last_activity", "last_name", "module_id", "month", "month_name",
    "only_row", "payment_status", "phone", "price", "priority", "program_id", "quarter", "score", "source", "state",
    "status", "student_id", "ticket_id", "year",
}  # fmt: skip


def described(house, table: str) -> list[tuple[str, str]]:
    return house.query(
        """
        select attname, format_type(atttypid, atttypmod) from pg_attribute
        where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum
        """,
        table,
    )


def key_columns(house, table: str) -> list[str]:
    return [
        name
        for (name,) in house.query(
            """
            select a.attname from pg_constraint as c cross join unnest(c.conkey) with ordinality as k (attnum, place)
            inner join pg_attribute as a on a.attrelid = c.conrelid and a.attnum = k.attnum
            where c.conrelid = %s::regclass and c.contype = 'p' order by k.place
            """,
            table,
        )
    ]


# --- declarations and DDL --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path, content", files().items(), ids=list(files()))
def test_what_is_made_from_the_declarations_is_what_the_declarations_say(path: str, content: str):
    assert (PROJECT / path).read_text() == content, "run: make ddl"


def test_the_state_files_make_all_of_raw():
    assert migration() == "", "run: make ddl"


def test_what_raw_lacks_goes_into_a_migration_that_only_adds(house, monkeypatch):
    pets = replace(DATASETS["city_master"], name="pets")
    longer = replace(DATASETS["city_master"], columns=(*DATASETS["city_master"].columns, Column("zip", "text")))
    monkeypatch.setattr("pipeline.ddl.tables.DATASETS", {"pets": pets, "city_master": longer})
    made = migration()
    assert made.splitlines()[-1] == "alter table raw.city_master add column if not exists zip text;"
    house.query(made)
    house.query(made)  # a migration may be applied twice
    assert described(house, "raw.pets") == described(house, "raw.city_master")[:-1]


def test_every_raw_table_holds_the_declarations_columns_as_text(house):
    for dataset in DATASETS.values():
        assert described(house, f"raw.{dataset.name}") == [
            ("_drop_id", "bigint"),
            ("_line", "bigint"),
            *((column, "text") for column in dataset.column_names),
            ("_extra", "jsonb"),
            ("_record", "text"),
        ]


def test_every_staging_table_holds_what_the_declaration_says_comes_out(house):
    for dataset in DATASETS.values():
        table = f"staging.{dataset.table}"
        assert described(house, table) == [
            *dataset.staged,
            ("flags", "text[]"),
            ("quality_score", "smallint"),
            ("_drop_id", "bigint"),
            ("_line", "bigint"),
            ("_build", "bigint"),
        ]
        assert key_columns(house, table) == [dataset.key]
        generated = "select attgenerated from pg_attribute where attrelid = %s::regclass and attname = 'quality_score'"
        assert house.one(generated, table) == "s"


def test_a_staged_column_that_rejects_its_row_is_never_null(house):
    for dataset in DATASETS.values():
        columns = "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and attnotnull"
        never_null = {name for (name,) in house.query(columns, f"staging.{dataset.table}")}
        hard = {column.name for column in dataset.columns if column.required or column.rule in HARD_RULES}
        filled = {column.name for column in dataset.columns if _of_blank(column) is not None}
        assert hard <= never_null <= hard | filled | PROVENANCE, dataset.name


def _of_blank(column: Column):
    value = apply_rule("", column, Context(dt.date(2024, 2, 8))).value
    return value[0] if column.rule == "name" else value


def test_no_table_of_raw_or_staging_lacks_a_declaration(house):
    tables = house.query(
        "select format('%%I.%%I', schemaname, tablename) from pg_tables where schemaname = any(%s)", ["raw", "staging"]
    )
    expected = {name for dataset in DATASETS.values() for name in (f"raw.{dataset.name}", f"staging.{dataset.table}")}
    assert {table for (table,) in tables} == expected | {f"staging.{name}" for name in VERSIONS}


def test_a_table_of_versions_holds_staged_columns_of_its_datasets_under_their_types(house):
    for name, datasets in VERSIONS.items():
        table = f"staging.{name}"
        columns = dict(described(house, table))
        own = {"dataset": "text", "drop_date": "date", **dict.fromkeys(("_drop_id", "_line", "_build"), "bigint")}
        staged = {pair for dataset in datasets for pair in dataset.staged}
        assert own.items() <= columns.items()
        assert {*columns.items()} - {*own.items()} <= staged
        for dataset in datasets:
            assert set(key_columns(house, table)) == {dataset.key, "dataset", "drop_date"}
            shared = {column for column, _ in dataset.staged} & set(columns)
            assert len(shared) > 1, f"{table} keeps nothing of {dataset.name}"


def test_every_derived_table_has_a_step_and_its_key_names_a_row(house):
    steps = {step.target: step for step in (*WAREHOUSE, *ENRICHMENT, *MARTS)}
    tables = house.query(
        "select format('%%I.%%I', schemaname, tablename) from pg_tables where schemaname = any(%s)",
        ["warehouse", "analytics"],
    )
    assert {table for (table,) in tables} == set(steps)
    for target, step in steps.items():
        assert set(key_columns(house, target)) == set(step.key), target


def test_keys_and_ids_are_compared_byte_by_byte(house):
    """The same order on every server; `max` and `order by` of an id must not depend on a locale."""
    for dataset in DATASETS.values():
        collation = """
            select collname from pg_attribute inner join pg_collation on pg_collation.oid = attcollation
            where attrelid = %s::regclass and attname = %s
        """
        for table in filter(None, (dataset.table, dataset.versions)):
            assert house.one(collation, f"staging.{table}", dataset.key) == "C", (dataset.name, table)


@pytest.mark.parametrize("schema", ["raw", "staging", "warehouse", "analytics", "etl"])
def test_every_schema_table_and_view_has_a_comment(house, schema):
    assert house.one("select obj_description(%s::regnamespace, 'pg_namespace')", schema)
    silent = """
        select relname from pg_class
        where relnamespace = %s::regnamespace and relkind in ('r', 'v') and obj_description(oid, 'pg_class') is null
    """
    assert house.query(silent, schema) == []


@pytest.mark.parametrize("schema", ["staging", "warehouse", "analytics"])
def test_every_column_that_does_not_speak_for_itself_has_a_comment(house, schema):
    """They feed the data dictionary. flags to _build are explained once, with schema staging."""
    silent = house.query(
        """
        select format('%%s.%%s', attrelid::regclass, attname), attname from pg_attribute
        inner join pg_class on pg_class.oid = attrelid
        where relnamespace = %s::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped
        and col_description(attrelid, attnum) is null
        """,
        schema,
    )
    plain = PROVENANCE if schema == "staging" else SELF_EVIDENT
    elsewhere = {  # what a version keeps has its comment where it is staged
        f"staging.{table}.{name}"
        for table, kept in VERSIONS.items()
        for dataset in kept
        for name in dataset.staged_names
    }
    silent = [(column, name) for column, name in silent if column not in elsewhere]
    assert [column for column, name in silent if name not in plain and not name.endswith(("_key", "_id"))] == []


def test_the_comment_on_schema_staging_explains_the_columns_that_all_its_tables_share(house):
    comment = house.one("select obj_description('staging'::regnamespace, 'pg_namespace')")
    assert [name for name in sorted(PROVENANCE) if name not in comment] == []


# --- declarations themselves -----------------------------------------------------------------------------------------


@every_dataset
def test_a_declaration_is_whole(dataset: Dataset):
    assert DATASETS[dataset.name] is dataset  # by the name of its file
    assert dataset.mode in ("append", "snapshot")
    assert dataset.key in dataset.column_names and dataset.column(dataset.key).rule in ("key", "student_id")
    assert len(set(dataset.staged_names)) == len(dataset.staged_names)
    assert set(dataset.groups) <= set(dataset.staged_names) - {dataset.key}
    assert set(dataset.lookups) <= set(DATASETS) - {dataset.name}
    assert all(column.comment for column in dataset.columns) and dataset.row
    compared = {name for check in dataset.checks for name in (check.column, check.other) if isinstance(name, str)}
    assert compared <= set(dataset.column_names)
    reserved = {"flags", "reasons", "quality_score", "_drop_id", "_line", "_build", "_extra", "_record"}
    assert reserved.isdisjoint({*dataset.staged_names, *dataset.column_names})


@every_column
def test_a_column_names_a_rule_and_a_type(dataset: Dataset, column: Column):
    assert column.rule in RULES
    assert column.rule == "number" or column.rule in STAGED_TYPES
    assert column.case in ("", "upper", "lower", "title")
    assert all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in (column.name, *column.aliases))


def test_no_rule_or_short_cut_is_left_over():
    used = {column.rule for _, column in COLUMNS}
    assert set(RULES) == used == {*STAGED_TYPES, "number"}
    assert set(CANONICAL) <= used


@every_dataset
def test_no_two_columns_of_a_dataset_share_a_header_name(dataset: Dataset):
    names = [name for column in dataset.columns for name in (column.name, *column.aliases)]
    assert len(set(names)) == len(names)


@every_dataset
def test_no_two_columns_of_a_dataset_share_a_flag(dataset: Dataset):
    prefixes = [column.flag_prefix for column in dataset.columns]
    assert len(set(prefixes)) == len(prefixes)


@every_column
def test_a_vocabulary_is_closed_its_canonical_values_mean_themselves(dataset: Dataset, column: Column):
    context = Context(dt.date(2024, 2, 8))
    for word, value in column.words:
        for said in (word, value, value.upper(), value.lower(), f" {value} ", value.replace(" ", "-")):
            assert apply_rule(said, column, context) == (value, ""), said
    spelled = [word for word, _ in column.words]
    assert len(set(spelled)) == len(spelled)
    assert column.default is None or column.default in {value for _, value in column.words}


# --- steps and files ------------------------------------------------------------------------------------------------


@every_dataset
def test_every_dataset_has_a_raw_and_a_staged_step(dataset: Dataset):
    assert RAW[dataset.name].target == f"raw.{dataset.name}"
    assert STAGED[dataset.name].target == f"staging.{dataset.table}"


@every_dataset
def test_a_staged_step_reads_its_own_raw_and_the_reference_data_its_declaration_names(dataset: Dataset):
    step = STAGED[dataset.name]()
    references = {f"staging.{DATASETS[name].table}" for name in dataset.lookups}
    assert {above.target for above in step.steps()} == {f"raw.{dataset.name}"} | references


def test_every_step_has_a_family_name_and_a_target_of_its_own():
    steps = list(dict.fromkeys((*RAW.values(), *STAGED.values(), *WAREHOUSE, *ENRICHMENT, *MARTS)))
    assert len({step.target for step in steps}) == len({step.__name__ for step in steps}) == len(steps)


def test_no_two_datasets_share_a_file_name():
    names = [name for dataset in DATASETS.values() for name in (dataset.name, *dataset.aliases)]
    assert len(set(names)) == len(names)


@every_dataset
def test_every_file_name_of_a_dataset_is_recognised(dataset: Dataset, tmp_path):
    names = [dataset.name, *dataset.aliases]
    shapes = ["{}.csv", "{}_2024-02-08.csv", "2024-02-08-{}.jsonl.gz", "{}.rejects-7.csv"]
    files = {shape.format(written) for name in names for written in (name, name.upper()) for shape in shapes}
    for file in files:
        (tmp_path / file).write_text("")
    found = scan(tmp_path)
    assert found.unmatched == ()
    assert {(file.path, file.dataset) for file in found.files} == {(file, dataset.name) for file in files}


# --- which datasets a rule is a part of -----------------------------------------------------------------------------

OF_STUDENTS = [name for name, found in DATASETS.items() if any(column.rule == "student_id" for column in found.columns)]


@pytest.mark.parametrize(
    "module, old, new, expected",
    [
        ("codes", "_GRADE.fullmatch(", "_GRADE.match(", {"students": {"grade"}}),
        (  # a helper in a module that is no rule's
            *("letters", '_WHOLE = re.compile(r"([0-9]+)', '_WHOLE = re.compile(r"([0-9]{1,9})'),  # 7.0 -> 7
            {name: {"student_id"} for name in OF_STUDENTS} | {"students": {"student_id", "class_id", "grade"}},
        ),
        ("cities", "score_cutoff=self.alike", "score_cutoff=self.alike + 5", {"students_enrollment": {"Cities"}}),
        ("__init__", 'lambda column, context: "CLASS-', 'lambda column, context: "GROUP-', {"students": {"class_id"}}),
        (  # through the table of canonical texts alone
            *("text", 'CANONICAL_EMAIL = r"[a-z0-9_+-]{1,40}', 'CANONICAL_EMAIL = r"[a-z0-9_+-]{1,41}'),
            {name: {"email"} for name, found in DATASETS.items() if any(c.rule == "email" for c in found.columns)},
        ),
        (
            *("column", "KEPT_ANSWERS, KEPT_LETTERS = 30_000", "KEPT_ANSWERS, KEPT_LETTERS = 40_000"),
            {name: {"clean"} for name in DATASETS},
        ),
        ("codes", "10, 'Grade 10', grade-10, 10th", "10, 'Grade 10', 10th", {}),
        ("codes", "def grade(", "# of grades\n\ndef grade(", {}),
        ("codes", "def grade(", "GRADES = 12\n\n\ndef grade(", {}),
    ],
)
def test_an_edited_rule_is_another_part_only_of_the_datasets_that_use_it(
    tmp_path, monkeypatch, module, old, new, expected
):
    before = {name: staging.rule_parts(dataset) for name, dataset in DATASETS.items()}
    copy = tmp_path / "pipeline/rules"
    shutil.copytree(staging.RULES, copy)
    (tmp_path / "pipeline/__init__.py").touch()
    source = (copy / f"{module}.py").read_text()
    assert source.count(old) == 1
    (copy / f"{module}.py").write_text(source.replace(old, new))
    monkeypatch.setattr(staging, "RULES", copy)
    changed = {
        name: {part.removeprefix("rule:") for part in differences(before[name], staging.rule_parts(dataset))}
        for name, dataset in DATASETS.items()
    }
    assert {name: rules for name, rules in changed.items() if rules} == expected
