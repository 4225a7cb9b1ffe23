"""The data dictionary says what the code says, of every column, whatever the database holds."""

from __future__ import annotations

import ast
import re
from itertools import pairwise

import pytest

from pipeline.audit import graph
from pipeline.config import PROJECT
from pipeline.datasets import DATASETS
from pipeline.outputs.dictionary.catalogue import Catalogue
from pipeline.outputs.dictionary.lineage import picture, reads, sources
from pipeline.outputs.dictionary.pages import PAGE, RECORD_CODES, codes, record_codes
from pipeline.outputs.dictionary.pages import written as write
from pipeline.queries import grain, head

STALE = f"docs/{PAGE} is out of date: run `make docs` and commit what it wrote"
BOXES = {*sources(), *(step.target for step in graph())}


@pytest.fixture
def catalogue(house):
    with house.database.transaction() as db:
        return Catalogue(db)


def written(house) -> str:
    with house.database.transaction() as db:
        return write(db)


# --- the committed page ---------------------------------------------------------------------------------------------


def test_the_committed_page_is_the_one_that_the_code_writes(house):
    committed = PROJECT / "docs" / PAGE
    assert committed.is_file() and committed.read_text() == written(house), STALE


def test_the_page_does_not_depend_on_what_the_database_holds(house):
    before = written(house)
    house.rows("2024-02-08/students_enrollment.csv", "students_enrollment", {})
    house.rows("2024-02-08/course_catalog.csv", "course_catalog", {})
    house.run()
    house.query("create table analytics.mine (something int); create view warehouse.mine as select 1 as one")
    assert written(house) == before


def test_writing_the_page_leaves_the_schemas_of_older_code_as_they_were(house):
    expected = written(house)
    house.query("update etl.objects set digest = 'older' where name like 'analytics.%'")
    house.query("alter table analytics.as_of drop column source")
    assert written(house) == expected
    assert house.one("select min(digest) from etl.objects where name like 'analytics.%'") == "older"


def test_the_verb_writes_the_page(house, tmp_path, capsys):
    assert house.do("dictionary", "--to", str(tmp_path / "docs")) == 0
    assert {path.name for path in (tmp_path / "docs").iterdir()} == {PAGE}
    assert f"{PAGE}\n" in capsys.readouterr().out


# --- what they say --------------------------------------------------------------------------------------------------


def test_every_column_of_every_table_is_described(catalogue):
    silent = [
        f"{name}.{column}"
        for name, relation in catalogue.relations.items()
        for column in relation.fields
        if not catalogue.describe(name, column)
    ]
    assert silent == [], "comment on them in init_db/"


def test_every_table_of_the_database_is_in_the_dictionary(house, catalogue):
    tables = house.query(
        """
        select format('%%s.%%s', nspname, relname) from pg_class inner join pg_namespace as n on n.oid = relnamespace
        where nspname = any(%s) and relkind in ('r', 'v')
        """,
        ["raw", "etl", "staging", "warehouse", "analytics"],
    )
    assert {name for (name,) in tables} == set(catalogue.relations)


def test_every_foreign_key_is_in_the_dictionary(house, catalogue):
    (set_aside,) = house.query("select count(*) from etl.foreign_keys")[0]
    derived = ("staging", "warehouse", "analytics")
    named = [
        shape for found in catalogue.relations.values() if found.schema in derived for shape in found.fields.values()
    ]
    assert sum(1 for shape in named if shape.refers) == set_aside > 0


def test_a_column_without_a_comment_means_what_it_is_made_from(catalogue):
    assert catalogue.describe("warehouse.fact_student_progress", "score") == "percent, 0 to 100"
    assert catalogue.describe("warehouse.dim_students_history", "email") == "lower case; null when missing or invalid"
    assert catalogue.describe("warehouse.dim_courses", "course_key") == "surrogate key: `warehouse.key(course_id)`"


def test_every_link_within_the_dictionary_leads_somewhere(house):
    page = written(house)
    headings = re.findall(r"^#+ (.*)$", page, re.M)
    anchors = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall(r"\]\(#(.*?)\)", page)) <= set(anchors)
    files = set(re.findall(r"\]\((?!#)(.*?)\)", page))
    assert [file for file in files if not (PROJECT / "docs" / file).exists()] == []


def test_every_row_of_a_table_has_as_many_cells_as_its_header(house):
    for one, other in pairwise(written(house).splitlines()):
        if one.startswith("|") and other.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", one)) == len(re.findall(r"(?<!\\)\|", other)), other


def test_the_dictionary_names_every_code_that_a_rule_can_give():
    named = {code for found in DATASETS.values() for column in found.columns for both in codes(column) for code in both}
    rules = "".join(path.read_text() for path in (PROJECT / "pipeline/rules").glob("*.py"))
    suffixes = {f"_{suffix}" for suffix in re.findall(r"flag_prefix\}_(\w+)", rules)} | {"_invalid"}
    assert {suffix for suffix in suffixes if not any(code.endswith(suffix) for code in named)} == set()


def test_the_dictionary_names_every_code_that_a_whole_record_can_get():
    functions = {"clean", "record_part", "_mark_contradictions"}
    trees = [ast.parse((PROJECT / f"pipeline/rules/{name}.py").read_text()) for name in ("frame", "repair")]
    nodes = [node for tree in trees for node in tree.body]
    bodies = [node for node in nodes if isinstance(node, ast.FunctionDef) and node.name in functions]
    words = {node.value for body in bodies for node in ast.walk(body) if isinstance(node, ast.Constant)}
    written = {word for word in words if isinstance(word, str) and re.fullmatch("[a-z]+(_[a-z]+)+", word)}
    assert len(bodies) == len(functions)
    assert written == set(RECORD_CODES)


def test_the_dictionary_names_every_code_that_the_sample_shows(house, monkeypatch):
    monkeypatch.setenv("EDUFLOW_DATA_DIR", str(PROJECT / "data"))
    house.run("Clean")
    known = {
        dataset.name: {code for column in dataset.columns for both in codes(column) for code in both}
        | {code for code, _, _ in record_codes(dataset)}
        for dataset in DATASETS.values()
    }
    for dataset in DATASETS.values():
        flags = {flag for (flag,) in house.query(f"select distinct unnest(flags) from staging.{dataset.table}")}
        rejected = "select distinct unnest(reasons) from etl.rejects where outcome = 'rejected' and dataset = %s"
        reasons = {reason for (reason,) in house.query(rejected, dataset.name)}
        assert flags | reasons <= known[dataset.name]


def test_a_query_is_read_for_what_it_reads():
    found = {step.target: reads(step) for step in graph()}
    named = ["staging.stg_courses", "staging.snapshot_ends", "staging.courses_seen"]
    assert found["warehouse.dim_courses"][:3] == named  # and, through the view, the tables that name a course
    assert "staging.stg_progress" in found["warehouse.dim_courses"]
    assert found["staging.stg_enrollments"] == ["raw.students_enrollment", "staging.stg_cities"]
    assert found["warehouse.dim_date"] == []
    sql = "-- one row per student: each once. key: student_id\n-- reads: nothing\nselect 1 -- not this\n"
    assert grain(sql) == "one row per student: each once"
    assert head(sql) == "one row per student: each once. key: student_id reads: nothing"


# --- the picture ----------------------------------------------------------------------------------------------------


def mermaid(target: str) -> str:
    return re.sub("[./]", "_", target)


def test_every_target_is_in_the_picture_in_the_frame_of_its_layer():
    frames = dict(re.findall(r"subgraph (\w+)\[.*?\n(.*?)\n  end", picture(), re.S))
    boxes = {box: frame for frame, inside in frames.items() for box in re.findall(r"^    (\w+)\[", inside, re.M)}
    of_checks = {step.target for step in graph() if step.gates}
    layers = {target: target.split("/")[1] if target in of_checks else re.split("[./]", target)[0] for target in BOXES}
    assert boxes == {mermaid(target): layer for target, layer in layers.items()}


def test_a_line_of_the_picture_is_data_that_flows_and_ends_in_boxes():
    lines = re.findall(r"^  (\w+) --> (\w+)$", picture(), re.M)
    made_from = {mermaid(target): {mermaid(name) for name in above} for target, above in sources().items()}
    assert len(lines) == len(set(lines)) > 50
    assert [(above, target) for above, target in lines if above not in made_from[target]] == []
    assert ("raw_students", "staging_stg_students") in lines
    drawn = {name for line in lines for name in line}
    assert drawn <= {mermaid(target) for target in BOXES}
    # what no line leads to says of which layers it is made, or is made from nothing
    noted = set(re.findall(r'^    (\w+)\[".*<br>.*"\]$', picture(), re.M))
    unmade = {mermaid(target) for target, above in sources().items() if not set(above) & sources().keys()}
    assert {mermaid(target) for target in BOXES} - {target for _, target in lines} <= noted | unmade
