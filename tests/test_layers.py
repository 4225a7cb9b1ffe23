"""The laws of the house (DESIGN 3) that a compiler can't hold: who imports whom, what a query reads, what a step is."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from pipeline.audit import graph
from pipeline.checks import SINCE
from pipeline.config import PROJECT
from pipeline.datasets import DATASETS
from pipeline.enrich import ENRICHMENT
from pipeline.ingest import readers
from pipeline.marts import MARTS
from pipeline.warehouse import WAREHOUSE, SqlStep

OURS = {"eduflow", "pipeline", "targets", "agents", "init_db", "bench", "tests"}
PACKAGES = ("pipeline", "targets", "agents", "init_db")
SQL_STEPS: tuple[type[SqlStep], ...] = tuple(dict.fromkeys((*WAREHOUSE, *ENRICHMENT, *MARTS)))

# Modules of `pipeline` (and of its packages) from the bottom up: each may import those before it, and nothing after it.
ORDER = [
    "definitions", "datasets.declaration", *(f"datasets.{name}" for name in DATASETS), "datasets", "queries",
    "ddl", "ddl.tables", "ddl.facts", "ddl.views", "ddl.__main__",
    "rules.letters", "rules.cities", "rules.context",
    "rules.ids", "rules.text", "rules.numbers", "rules.dates", "rules.places", "rules.codes",
    "rules", "rules.column", "rules.repair", "rules.frame",
    "sources", "sources.never_stored", "sources.formulas", "sources.errors", "sources.columns", "sources.batch",
    *(f"sources.formats.{name}" for name in (
        "limits", "workbook", "kinds", "packed", "lines", "text", "header", "quotes", "csv",
        "json_values", "json_array", "json", "xlsx",
    )),
    "sources.formats", "sources.head", "sources.strays",
    "version", "home", "sources.folder", "config", "guard", "drops", "run", "log", "step", "checks",
    "ingest",
    "staging.reading", "staging.cleaning", "staging.snapshots", "staging.winners", "staging.account", "staging.holding",
    "staging", "held",
    "warehouse", "engine", "enrich", "marts",
    "outputs", "outputs.artifact", "outputs.markdown", "outputs.rejects", "outputs.mart_files",
    "outputs.report", "outputs.report.words", "outputs.report.markup",
    *(f"outputs.report.{name}" for name in ("charts", "facts", "trends", "page", "figures")),
    "outputs.pages", "outputs.summary", "outputs.exposition", "outputs.prometheus", "outputs.intake",
    "attempts", "audit",
    *(f"outputs.dictionary{name}" for name in ("", ".lineage", ".catalogue", ".pages")),
    "analytics", "worker", "scheduler", "__init__",
    "cli.tables", "cli.verbs", "cli.signals", "cli.lines", "cli.ending", "cli.run", "cli.inspect",
    "cli.sql", "cli.decide", "cli.home", "cli.ui", "cli.status",
    "cli", "__main__",
]  # fmt: skip


def source_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (PROJECT / folder).rglob("*.py"))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported(path: Path) -> set[str]:
    """Dotted names of the modules that a file imports, wherever in the file it does."""
    names = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module or ""
            names |= {
                f"{module}.{alias.name}"
                if (PROJECT / module.replace(".", "/") / f"{alias.name}.py").exists()
                else module
                for alias in node.names
            }
    return names


def tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


def pipeline_modules(path: Path) -> set[str]:
    """`pipeline.step` -> step; the package itself -> __init__."""
    names = {name for name in imported(path) if name.split(".")[0] == "pipeline"}
    return {name.partition(".")[2] or "__init__" for name in names}


def module_of(path: Path) -> str:
    """pipeline/outputs/report/page.py -> outputs.report.page; its __init__.py -> outputs.report."""
    name = ".".join(path.relative_to(PROJECT / "pipeline").with_suffix("").parts)
    return name.removesuffix(".__init__")


def named(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def ids(paths: list[Path]) -> list[str]:
    return [named(path) for path in paths]


# --- who may import whom --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "package, allowed", [("targets", {"targets", "init_db"}), ("agents", {"agents"}), ("init_db", {"init_db"})]
)
def test_a_lower_package_imports_nothing_of_ours_above_it(package, allowed):
    assert {
        named(path): tops(path) & OURS - allowed for path in source_files(package) if tops(path) & OURS - allowed
    } == {}


def test_agents_know_neither_luigi_nor_a_database():
    assert {named(path) for path in source_files("agents") if tops(path) & {"luigi", "sqlalchemy", "psycopg2"}} == set()


PURE_SOURCES = ("batch", "columns", "errors", "formulas", "head", "never_stored")
PURE = [
    *source_files("pipeline/datasets"),
    *source_files("pipeline/rules"),
    *(
        PROJECT / f"pipeline/sources/{name}.py"
        for name in ("batch", "columns", "errors", "formulas", "head", "never_stored")
    ),
    *source_files("pipeline/sources/formats"),
]


@pytest.mark.parametrize("path", PURE, ids=ids(PURE))
def test_datasets_rules_and_sources_are_pure(path):
    """No Luigi, no database, no configuration, no clock: batch and stream can call the same rule."""
    assert tops(path) & {"luigi", "sqlalchemy", "psycopg2", "dotenv", "os", "time"} == set()
    modules = {"definitions", "datasets", "datasets.declaration"}
    assert {name for name in pipeline_modules(path) if not name.startswith(("rules", "sources"))} <= modules
    assert tops(path) & OURS <= {"pipeline"}
    assert not re.search(r"\b(today|now|utcnow)\(", path.read_text())


def test_a_refused_file_is_tried_again_when_any_module_that_reads_files_changed():
    paths, waiting = set(), [PROJECT / "pipeline/sources/formats/__init__.py"]
    while waiting:
        path = waiting.pop()
        if path in paths:
            continue
        paths.add(path)
        names = (PROJECT / name.replace(".", "/") for name in imported(path) if name.startswith("pipeline.sources"))
        waiting += [
            name.with_suffix(".py") if name.with_suffix(".py").exists() else name / "__init__.py" for name in names
        ]
    assert paths - set(readers()) == set() and len(paths) > 10


@pytest.mark.parametrize("module", ["words", "markup", "charts", "facts", "trends", "page"])
def test_the_report_page_is_made_of_values_alone(module):
    path = PROJECT / "pipeline/outputs/report" / f"{module}.py"
    assert tops(path) & {"luigi", "sqlalchemy", "psycopg2", "pandas", "os", "time"} == set()
    assert tops(path) & OURS <= {"pipeline"} and pipeline_modules(path) <= {
        *(f"outputs.report{name}" for name in ("", ".words", ".markup", ".charts", ".facts", ".trends")),
        "definitions",
    }
    assert not re.search(r"\b(today|now|utcnow)\(", path.read_text())


def test_drops_and_sources_know_no_luigi():
    paths = [PROJECT / "pipeline/drops.py", *source_files("pipeline/sources")]
    assert [path for path in paths if "luigi" in tops(path)] == []


def test_only_what_makes_steps_or_runs_them_imports_luigi():
    # paths, because a module of another room may have the same name: outputs/pages.py, outputs/dictionary/pages.py
    found = [path for path in source_files("pipeline") if "luigi" in tops(path)]
    assert {path.relative_to(PROJECT / "pipeline").as_posix() for path in found} <= {
        "config.py", "log.py", "step.py", "ingest.py", "staging/__init__.py", "warehouse.py", "enrich.py", "marts.py",
        "audit.py", "worker.py", "scheduler.py", "cli/run.py", "cli/ui.py",
        *(f"outputs/{name}.py" for name in ("rejects", "mart_files", "pages", "summary", "prometheus", "intake")),
    }  # fmt: skip
    others = source_files(*(package for package in PACKAGES if package != "pipeline"))
    assert [named(path) for path in others if "luigi" in tops(path)] == ["targets/step.py"]


@pytest.mark.parametrize("path", source_files("pipeline"), ids=ids(source_files("pipeline")))
def test_a_module_of_the_pipeline_imports_only_upstream(path):
    below = set(ORDER[: ORDER.index(module_of(path))])
    assert pipeline_modules(path) - below == set()


def test_no_module_of_the_house_is_called_utils_or_base():
    assert [
        named(path) for path in source_files(*PACKAGES) if path.stem in ("utils", "helpers", "common", "base")
    ] == []


def test_importing_a_module_starts_nothing():
    """At the top level of a module: names, functions, classes; no call that reads a file, a setting or a server."""
    reading = re.compile(r"\b(environ|getenv|settings|connect|open|read_text|read_bytes|load_dotenv|scan)$")
    found = []
    for path in source_files(*PACKAGES):
        for node in parsed(path).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.If):
                continue
            calls = [ast.unparse(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)]
            found += [f"{named(path)}:{node.lineno} {call}" for call in calls if reading.search(call)]
    assert found == []


# --- steps ----------------------------------------------------------------------------------------------------------


def test_only_step_overrides_complete():
    overriding = [
        f"{named(path)}:{node.name}"
        for path in source_files(*PACKAGES)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef)
        and any(isinstance(item, ast.FunctionDef) and item.name == "complete" for item in node.body)
    ]
    assert overriding == ["targets/step.py:Step"]


def test_every_step_names_what_it_makes_and_what_decides_it():
    for step in graph():
        assert (type(step).__doc__ or "").endswith("."), step
        assert all((PROJECT / recipe).is_file() for recipe in step.recipes()), step
        assert all(hasattr(type(step), "target") for step in step.steps())


def test_a_step_never_reads_a_target_made_after_it():
    """No cycle, and the layers in order: raw, staging, warehouse, analytics, output; the risk looks back from as_of."""
    layers = ["raw", "staging", "warehouse", "analytics", "output"]

    def layer(target: str) -> int:
        return layers.index(re.split(r"[./]", target)[0])

    for step in graph():
        if not step.gates:  # the checks of a layer stand between it and the next one
            assert all(
                layer(above.target) <= layer(step.target)
                for above in step.fingerprint_inputs()
                if (above.target, step.target) != ("analytics.as_of", "warehouse.ai_student_risk")
            ), step


# --- SQL ------------------------------------------------------------------------------------------------------------


def sql_of(step: type[SqlStep]) -> str:
    return (PROJECT / step().recipes()[0]).read_text()


def without_comments(sql: str) -> str:
    return re.sub("--.*", "", sql)


def header(sql: str) -> str:
    comment = re.match(r"(--.*\n)*", sql)
    assert comment
    return " ".join(line.removeprefix("--").strip() for line in comment[0].splitlines())


DERIVED = re.compile(r"\b(?:staging|warehouse|analytics)\.\w+\b(?!\()")


def views() -> dict[str, str]:
    """View -> the SELECT that it is."""
    ddl = "\n".join(path.read_text() for path in (PROJECT / "init_db/schema").rglob("*.sql"))
    return dict(re.findall(r"create view (\w+\.\w+) as(.*?);", without_comments(ddl), re.DOTALL))


def named_in(sql: str) -> set[str]:
    return set(DERIVED.findall(without_comments(sql)))


def tables_read(sql: str) -> set[str]:
    """The tables that a query names, and those of the views that it names."""
    every = views()
    found: set[str] = set()
    waiting = list(named_in(sql))
    while waiting:
        name = waiting.pop()
        waiting += named_in(every[name]) if name in every else ()
        found |= {name} - every.keys()
    return found


def targets_read(sql: str) -> set[str]:
    """The tables read; the versions of a row are written by the steps of the datasets that keep them, what the rules
    found by all staged steps."""
    tables = tables_read(sql)
    if re.search(r"etl\.(rule_stats|rejects)", without_comments(sql)):
        tables |= {f"staging.{dataset.table}" for dataset in DATASETS.values()}
    for dataset in DATASETS.values():
        if f"staging.{dataset.versions}" in tables and f"'{dataset.name}'" in sql:
            tables.add(f"staging.{dataset.table}")
    return tables - {f"staging.{dataset.versions}" for dataset in DATASETS.values()}


every_query = pytest.mark.parametrize("step", SQL_STEPS, ids=lambda step: step.__name__)


def test_every_sql_file_belongs_to_a_step_and_every_step_to_a_file():
    checks = {recipe for step in graph() if step.gates for recipe in step.recipes()}
    files = {named(path) for path in (PROJECT / "pipeline/sql").rglob("*.sql")} - checks
    recipes = [[recipe for recipe in step().recipes() if recipe.endswith(".sql")] for step in SQL_STEPS]
    assert all(len(recipe) == 1 for recipe in recipes)
    assert files == {recipe for (recipe,) in recipes}


@every_query
def test_a_query_says_its_grain_its_key_and_what_it_reads(step):
    sql = sql_of(step)
    assert sql.startswith("-- one row"), "the grain comes first"
    said = re.search(r"\bkey: ([\w, ]+)", header(sql))
    assert said, "the key is named"
    # A surrogate key is a hash of the natural one, so the header may name either.
    assert {name.removesuffix("_key") for name in step.key} <= {
        re.sub("_(id|name|key)$", "", name) for name in re.split(r"[, ]+", said[1])
    } | set(re.split(r"[, ]+", said[1]))


@every_query
def test_the_header_of_a_query_names_every_table_it_reads(step):
    sql = sql_of(step)
    said = header(sql).partition("reads:")[2]
    assert said, "what it reads is named"
    assert {name for name in named_in(sql) if name not in said} == set()


def test_a_check_says_how_severe_it_is_what_must_hold_and_what_it_lists():
    for path in (PROJECT / "pipeline/sql").glob("check_*.sql"):
        sql = path.read_text()
        assert re.match(
            r"-- (error|warning): .+\n-- one row per? .+ reads: ", sql.replace("one row when", "one row per")
        ), path


@every_query
def test_the_tables_a_query_reads_are_targets_its_step_requires_directly(step):
    """Transitively is not enough: a step locks, and waits for, only what it requires itself."""
    required = {above.target for above in step().steps()}
    assert targets_read(sql_of(step)) - required == set()


@every_query
def test_a_step_requires_nothing_its_query_and_foreign_keys_do_not_name(step):
    ddl = (PROJECT / f"init_db/schema/{step.target.replace('.', '/')}.sql").read_text()
    referenced = set(re.findall(r"references (warehouse\.\w+)", ddl))
    assert {above.target for above in step().fingerprint_inputs()} - targets_read(sql_of(step)) - referenced == set()


@every_query
def test_what_reads_a_layer_waits_for_its_checks(step):
    gates = {above.target for above in step().steps() if above.gates}
    for layer in ("staging", "warehouse"):
        reads = any(target.startswith(f"{layer}.") for target in targets_read(sql_of(step)))
        below = step.target.startswith(f"{layer}.")
        if reads and not below and not (layer == "staging" and gates):
            assert f"checks/{layer}" in gates, step


@every_query
def test_every_since_names_a_staged_table_that_the_step_requires(step):
    required = {above.target for above in step().steps()}
    assert {f"staging.{name}" for name in SINCE.findall(without_comments(sql_of(step)))} <= required


@every_query
def test_a_query_spells_its_columns_out(step):
    assert not re.search(r"select\s+(\w+\.)?\*", without_comments(sql_of(step)))


def test_a_reference_that_makes_an_inferred_member_moves_its_row():
    """The member that nothing names any more goes only when the dimension is rebuilt in full."""
    for kind in ("student", "course"):
        assert f"staging.{kind}s_seen" in (PROJECT / f"pipeline/sql/dim_{kind}s.sql").read_text()
        for dataset in DATASETS.values():
            named = {column.name for column in dataset.columns if column.references == kind}
            assert named <= {*dataset.moved_by, *dataset.keys}


def test_an_id_that_incremental_queries_group_by_moves_its_row():
    """A row that changes such a column leaves a stale group behind, unless its readers rebuild in full."""
    for dataset in DATASETS.values():
        for step in SQL_STEPS:
            sql = without_comments(sql_of(step))
            own_row = {dataset.key, dataset.key.removesuffix("_id") + "_key"} & set(step.key)
            if f":{dataset.table}_since" in sql and not own_row:
                selected = re.findall(rf"select((?:(?!select).)*?)from staging\.{dataset.table}\b", sql, re.DOTALL)
                grouped = set(re.findall(r"\b\w+_id\b", " ".join(selected)))
                assert grouped and grouped <= set(dataset.moved_by), (step, dataset.name)


# --- form -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", source_files(*PACKAGES, "tests"), ids=ids(source_files(*PACKAGES, "tests")))
def test_a_suppressed_warning_says_which_one(path):
    lines = path.read_text().splitlines()
    bare = re.compile(r"#\s*(noqa(?!: [A-Z]+[0-9]+)|type:\s*ignore(?!\[)|pragma: no cover(?! *\S))")
    assert [
        number for number, line in enumerate(lines, 1) if bare.search(line) and path.name != Path(__file__).name
    ] == []


@pytest.mark.parametrize("path", source_files(*PACKAGES), ids=ids(source_files(*PACKAGES)))
def test_a_module_says_what_it_is(path):
    assert ast.get_docstring(parsed(path))


def test_no_import_is_missing_from_requirements():
    """A package that only happens to be installed with another one may go away with it."""
    listed = {
        re.split(r"[<>=\[ ;~!]", line)[0].lower().replace("-", "_")
        for line in (PROJECT / "requirements.txt").read_text().splitlines()
        if line[:1].isalpha()
    }
    listed |= {"numpy"} if {"pandas", "pyarrow"} & listed else set()  # theirs is the version that fits
    listed |= {"tornado"} if "luigi" in listed else set()  # its server, of which `ui` starts the parts
    listed |= {"httpx"} if "groq" in listed else set()  # what groq is built on, and what it takes as its client
    listed |= {"markupsafe"} if "jinja2" in listed else set()  # Jinja2's text that is HTML
    listed |= {"psycopg2"} if "psycopg2_binary" in listed else set()
    listed |= {"dotenv"} if "python_dotenv" in listed else set()
    used = {top for path in source_files(*PACKAGES) for top in tops(path)}
    assert used - OURS - set(sys.stdlib_module_names) - listed == set()
