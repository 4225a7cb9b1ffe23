"""What each target depends on, read from what makes it: the text of its query, the DDL of its table, the imports of
its code. What a step says of itself (`recipe`, `options`, `definitions`, `requires`) is not asked here, so what is left
out there is missed by a test. What no text shows is stated below.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path

from pipeline import definitions
from pipeline.config import PROJECT, eduflow
from pipeline.datasets import DATASETS
from pipeline.enrich import Enrichment
from pipeline.outputs.artifact import Artifact
from pipeline.step import Step

# --- stated ---------------------------------------------------------------------------------------------------------

# A rule -> the settings without which its values can't be told. Rules get their settings in an object.
OF_A_RULE = {"phone": {"phone_country_code", "phone_digits"}, "attendance": {"attendance_status"}}
# These also show which drops wait for a person, and which rejected rows are open: a person can refuse either.
SHOWS_INTAKE = {"output/report", "output/insights", "output/run_summary"}
SHOWS_REJECTS = {"output/report", "output/rejects", "output/run_summary"}
# Modules whose code decides what is in a file; others that are imported carry it (SQL, locks, settings, Luigi).
CONTENT = re.compile(
    r"agents\.(?!llm|masking|sensitive).+|pipeline\.(outputs\..+|held|sources\.formulas)|targets\.export"
)
# What is called by way of another module.
CALLED = {"output/insights": ["agents.insights"], "Enrichment": ["agents.protocol"]}
# Files that list or count whatever was built: they name the tables by variables.
SHOWS = {
    "output/marts": re.compile(r"analytics\."),
    "output/rejects": re.compile(r"staging\."),
    "output/insights": re.compile(r"analytics\.ai_insights"),
    "output/report": re.compile(r"analytics\.|staging\.|warehouse\.ai_"),
    "output/run_summary": re.compile(r"(?!output/(run_summary|metrics)|checks/)"),
    "output/metrics": re.compile(r"output/run_summary"),
}
CHECKED = {"staging": r"staging\.", "warehouse": r"warehouse\.(dim|fact)_", "analytics": r"analytics\."}

# --- read -----------------------------------------------------------------------------------------------------------

FILES = {f"{path.parent.name}.{path.stem}": path.read_text() for path in (PROJECT / "init_db/schema").glob("*/*.sql")}
NO_TARGETS = {name for name, ddl in FILES.items() if re.search("^create (view|function)", ddl, re.MULTILINE)}
STAGED = {f"staging.{dataset.table}": dataset for dataset in DATASETS.values()}
# Tables that the staged steps write beside their own.
OF_ALL_STAGED = re.compile(r"\betl\.(rejects|rule_stats)\b")
OPTIONS = {name for name, _ in eduflow.get_params()}


# rule -> the definition that its context holds
DEFINED = {"date": "dates_earliest", "timestamp": "dates_earliest", "city": "cities_alike"}


def names_of(step: Step) -> set[str]:
    """What its content depends on directly, but for other targets: `recipe:...`, `option:...` and so on."""
    layer, _, name = step.target.replace("/", ".").partition(".")
    if layer == "raw":  # a drop is landed once, whatever the code becomes
        return {f"drops:{name}"}
    modules, queries = modules_of(step), queries_of(step.target)
    selects = [(PROJECT / path).read_text() for path in sorted(queries)]
    code, files = code_of(step), beside(step, modules)
    found = {f"recipe:{path}" for path in {*modules, *queries, *files}}
    found |= {f"option:{name}" for select in selects for name in bound_in(select) & OPTIONS}
    found |= {f"definition:{name}" for text in [*selects, *code] for name in bound_in(text) & FIELDS}
    found |= {f"definition:{name}" for text in code for name in defined_in(text)}
    templates = [(PROJECT / path).read_text() for path in files if path.endswith(".j2")]
    found |= {f"definition:{name}" for text in templates for name in shown_in(text)}
    if dataset := STAGED.get(step.target):
        rules = {column.rule for column in dataset.columns}
        found |= {f"declaration:{dataset.name}", "rule:clean", *(f"rule:{rule}" for rule in rules)}
        found |= {f"option:{key}" for rule in rules for key in OF_A_RULE.get(rule, ())}
        found |= {f"definition:{DEFINED[rule]}" for rule in rules & DEFINED.keys()}
        if "city" in rules:
            found |= {"rule:Cities", "reference:city_master"}
    found |= {f"ddl:{name}" for name in ddl_of(step.target, [*selects, *code])}
    if isinstance(step, Enrichment):  # who answers: a language model, or the rules and why
        found.add(f"engine:{step.agent}")
    shows = {"intake:": SHOWS_INTAKE, "decisions:rejected rows": SHOWS_REJECTS}
    return found | {part for part, targets in shows.items() if step.target in targets}


def upstream_of(step: Step, targets: Iterable[str]) -> set[str]:
    """The targets whose rows it reads, and those its foreign keys point to."""
    layer, _, name = step.target.replace("/", ".").partition(".")
    if layer == "staging":
        return {f"raw.{STAGED[step.target].name}"}
    if layer in ("checks", "output"):
        pattern = re.compile(CHECKED[name]) if layer == "checks" else SHOWS[step.target]
        found = {target for target in targets if pattern.match(target)}
        return found | (tables_in(code_of(step)) & set(targets))
    texts = [(PROJECT / path).read_text() for path in queries_of(step.target)]
    references = re.findall(r"\breferences (\w+\.\w+)", FILES.get(step.target, ""))
    return ((tables_in(texts) | set(references)) & set(targets)) - {step.target}


def queries_of(target: str) -> set[str]:
    layer, _, name = target.replace("/", ".").partition(".")
    patterns = {
        "checks": [f"check_{name}_*.sql"],
        "warehouse": [f"{name}.sql"],
        "analytics": [f"{name}.sql", f"mart_{name}.sql"],
    }
    return {
        str(path.relative_to(PROJECT))
        for pattern in patterns.get(layer, ())
        for path in (PROJECT / "pipeline/sql").glob(pattern)
    }


def modules_of(step: Step) -> set[str]:
    """The modules whose code makes what is in it."""
    if step.target in STAGED:
        return {str(path.relative_to(PROJECT)) for path in (PROJECT / "pipeline/staging").glob("*.py")}
    if isinstance(step, Artifact | Enrichment):
        own: list[type] = [Artifact, type(step)] if isinstance(step, Artifact) else [Enrichment]
        used = {name for code in own_code(step) for name in imported(code)}
        called = {name for known in (step.target, own[0].__name__) for name in CALLED.get(known, ())}
        return {path_of(cls.__module__) for cls in own} | closure(used | called)
    return set()


def code_of(step: Step) -> list[str]:
    """The code that makes it, where that is no query."""
    modules = modules_of(step)
    shared = {path_of(cls.__module__) for cls in (type(step), Artifact, Enrichment)}
    return own_code(step) + [(PROJECT / path).read_text() for path in sorted(modules - shared)] if modules else []


def own_code(step: Step) -> list[str]:
    """Of the modules that define the step, what is not of another step."""
    own = [cls for cls in type(step).__mro__ if cls.__module__.startswith("pipeline.") and issubclass(cls, Step)]
    families = {cls.__name__ for cls in own}
    if isinstance(step, Enrichment):
        return [textwrap.dedent(inspect.getsource(cls)) for cls in own if issubclass(cls, Enrichment)]
    if not isinstance(step, Artifact):
        return []
    tree = ast.parse((PROJECT / path_of(type(step).__module__)).read_text())
    tree.body = [node for node in tree.body if not isinstance(node, ast.ClassDef) or node.name in families]
    return [ast.unparse(tree)]


def closure(names: set[str]) -> set[str]:
    """Those of these modules, and of those that they import, that decide about content and make no other target."""
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if not CONTENT.fullmatch(name) or makes_another(name) or path_of(name) in found:
            continue
        found[path_of(name)] = (PROJECT / path_of(name)).read_text()
        waiting += imported(found[path_of(name)])
    return {path for path, text in found.items() if len(ast.parse(text).body) > 1}  # more than a docstring


def makes_another(name: str) -> bool:
    return "(Artifact):" in (PROJECT / path_of(name)).read_text()


@functools.cache
def imported(code: str) -> set[str]:
    """The modules of ours that the code imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if (PROJECT / path_of(name)).is_file()}


def path_of(name: str) -> str:
    path = name.replace(".", "/")
    return f"{path}/__init__.py" if (PROJECT / path).is_dir() else f"{path}.py"


def beside(step: Step, modules: set[str]) -> set[str]:
    """Files that are no code: the prompt of an agent, and what lies in and below the folders of its modules alone."""
    folders = {Path(path).parent for path in modules} - {Path("agents"), Path("pipeline"), Path("pipeline/outputs")}
    files = [path for folder in folders for path in (PROJECT / folder).rglob("*") if path.is_file()]
    found = {str(path.relative_to(PROJECT)) for path in files if path.suffix not in (".py", ".pyc")}
    return found | ({f"agents/prompts/{step.agent}.md"} if isinstance(step, Enrichment) else set())


def bound_in(text: str) -> set[str]:
    """What a query has bound, `:name`, or filled in, `{name}`."""
    return set(re.findall(r"(?<![:\w])[:{]([a-z]\w*)", text))


def defined_in(code: str) -> set[str]:
    """`definitions.RISK` -> all its numbers; `definitions.RISK.high` -> risk_high."""
    tree = ast.parse(code)
    of = {id(node.value): node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "definitions" and node.attr.isupper():
            found |= numbers(f"{node.attr.lower()}_{of[id(node)]}" if id(node) in of else node.attr)
    return found


def shown_in(template: str) -> set[str]:
    """The same of a template."""
    named = re.findall(r"\bdefinitions\.([A-Z]+)(?:\.(\w+))?", template)
    return {name for which, field in named for name in numbers(f"{which.lower()}_{field}" if field else which)}


def numbers(name: str) -> set[str]:
    """The numbers of a definition that is named as a whole (`RISK`), or the one that is named."""
    value = getattr(definitions, name, None)
    if not dataclasses.is_dataclass(value):
        return {name}
    return {f"{name.lower()}_{field.name}" for field in dataclasses.fields(value)}


FIELDS = {number for name in vars(definitions) if name.isupper() for number in numbers(name)}


def ddl_of(target: str, texts: list[str]) -> set[str]:
    """Its table (of students, also that of their versions), and the views and functions that it is made with."""
    own = {target} & FILES.keys()
    if target in STAGED and STAGED[target].versions:
        own.add(f"staging.{STAGED[target].versions}")
    texts = texts + [FILES[name] for name in own]
    used: set[str] = set()
    while more := {name for name in NO_TARGETS - used if any(re.search(rf"\b{name}\b", text) for text in texts)}:
        used |= more
        texts += [FILES[name] for name in more]
    return own | used


def tables_in(texts: Iterable[str]) -> set[str]:
    """The tables that queries name, those of the views they name, and what the staged steps wrote of it."""
    found: set[str] = set()
    waiting = list(texts)
    while waiting:
        text = re.sub(r"--.*", "", waiting.pop())
        named = set(re.findall(r"\b(?:staging|warehouse|analytics)\.\w+\b", text)) - found
        found |= named
        waiting += [FILES[name] for name in named & NO_TARGETS]
        for table, dataset in STAGED.items():
            kept = dataset.versions and f"staging.{dataset.versions}" in text and f"'{dataset.name}'" in text
            if kept or OF_ALL_STAGED.search(text):
                found.add(table)
    return found
