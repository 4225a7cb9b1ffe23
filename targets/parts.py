"""Parts: name -> digest of everything a target is made from. Equal parts, equal target."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import re
import symtable
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from init_db import ddl

Parts = dict[str, str]
DOTTED = re.compile(r"\b[a-z]+\.[a-z]\w*")
CHECK_HEADER = re.compile(r"-- (?:error|warning): [^\n]+")


def digest(value: Any) -> str:
    """Digest of a plain value: frozen dataclasses, tuples, dates and the JSON types; equal values, equal digests."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        frozen: Any = value
        return _dataclass_digest(frozen)
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


@cache
def _dataclass_digest(value: Any) -> str:
    return digest(_compared(value))


def _compared(value: Any) -> Any:
    """A dataclass as a dictionary of the fields by which it is compared: a comment for people is none of them."""
    if dataclasses.is_dataclass(value):
        return {f.name: _compared(getattr(value, f.name)) for f in dataclasses.fields(value) if f.compare}
    return [_compared(item) for item in value] if isinstance(value, tuple) else value


@cache
def _source(path: Path, _mtime_ns: int, _size: int) -> tuple[str, frozenset[str]]:
    source = path.read_bytes()
    names = source
    if path.suffix == ".py":  # comments and layout change no result
        source = names = ast.dump(_without_docstrings(ast.parse(source))).encode()
    if path.suffix == ".toml":  # in its order: of two words with one meaning, the first may count
        source = json.dumps(tomllib.loads(source.decode()), default=str).encode()
    if path.suffix == ".j2":
        source = re.sub(rb"{#.*?#}", b"", source, flags=re.DOTALL)
    if path.suffix == ".sql":
        query = source.decode()
        header = CHECK_HEADER.match(query)
        source = f"{header[0] if header else ''}{ddl.digest(tuple(ddl.statements(query)))}".encode()
    return hashlib.sha256(source).hexdigest(), frozenset(DOTTED.findall(names.decode(errors="replace")))


def source_digest(path: Path) -> str:
    """Digest of a recipe: Python by its syntax tree, SQL and TOML without comments and layout, a template
    without comments, other files by bytes.

    The first line of a check is no comment: it says how severe it is and what must hold.
    """
    stat = path.stat()
    return _source(path, stat.st_mtime_ns, stat.st_size)[0]


def source_names(path: Path) -> frozenset[str]:
    """The names with one dot in a recipe, like those of tables; of a Python file those in its texts."""
    stat = path.stat()
    return _source(path, stat.st_mtime_ns, stat.st_size)[1]


def _without_docstrings(tree: ast.Module) -> ast.Module:
    """Only statements are looked at: expressions are nine nodes of ten, and hold none."""
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if documented and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        for inner in ("body", "orelse", "handlers", "finalbody", "cases"):
            waiting += getattr(node, inner, ())
    return tree


# --- parts of a module ----------------------------------------------------------------------------------------------


def definitions_digest(path: Path, names: Iterable[str], apart: Collection[str] = ()) -> str:
    """Digest of some definitions of a Python module, with everything of its package that they use, directly or not.

    path    a module; what it imports from other modules of the same folder is followed, other imports count by name
    names   functions, classes and values of the module; `TABLE[key]` is one entry of a dict that is written out
    apart   names that are not followed: they are parts of their own

    Raises KeyError for a name that a module does not define.
    """
    return _definitions_digest(path, _stamps(path.parent), tuple(names), frozenset(apart))


def defined(path: Path) -> Collection[str]:
    """The names that `definitions_digest` knows of a module."""
    return _definitions(*_stamp(path)).keys()


Stamp = tuple[Path, int, int]
Place = tuple[str, str]  # module and name


def _stamp(path: Path) -> Stamp:
    stat = path.stat()
    return path, stat.st_mtime_ns, stat.st_size


def _stamps(folder: Path) -> tuple[Stamp, ...]:
    return tuple(_stamp(path) for path in sorted(folder.glob("*.py")))


@cache
def _definitions_digest(path: Path, stamps: tuple[Stamp, ...], names: tuple[str, ...], apart: frozenset[str]) -> str:
    modules = {_module(stamp[0]): stamp for stamp in stamps}
    found: dict[str, list[str]] = {}
    waiting = [(_module(path), name) for name in names]
    while waiting:
        module, name = waiting.pop()
        every = _definitions(*modules[module])
        if f"{module} {name}" in found or (not name and "" not in every):
            continue
        found[f"{module} {name}"] = [definition.code for definition in every[name]]
        waiting.append((module, ""))  # statements that define no name count for all others
        for definition in every[name]:
            waiting += _used(definition, module, modules, apart)
    return digest(found)


def _used(definition: Definition, module: str, modules: Mapping[str, Stamp], apart: Collection[str]) -> set[Place]:
    """The places of all definitions of the package that a definition uses."""
    every = _definitions(*modules[module])
    found: set[Place] = set()
    for used in definition.uses:
        name, _, attribute = used.partition(".")
        for each in () if name in apart else every.get(name, ()):
            found |= _imported(each.source, attribute, modules) or {(module, name)}
    return {place for place in found if place[1] not in apart}


def _imported(source: Place, attribute: str, modules: Mapping[str, Stamp]) -> set[Place]:
    """The places in the package that an imported name stands for; of a module what is read of it, if that is known."""
    module, name = source
    whole = f"{module}.{name}" if name else module
    if whole in modules:
        names = _definitions(*modules[whole]).keys()
        return {(whole, each) for each in ([attribute] if attribute in names else names)}
    return {source} if module in modules else set()


def _module(path: Path) -> str:
    """The dotted name of a module, as far as the folders above it are packages: pipeline.rules.dates."""
    names = [] if path.stem == "__init__" else [path.stem]
    for folder in path.parents:
        if not (folder / "__init__.py").exists():
            break
        names.insert(0, folder.name)
    return ".".join(names)


class Definition(NamedTuple):
    """A statement that defines a name.

    code    its syntax tree as text
    uses    names of the module that it uses: `name`, and `name.attribute` where only that is read of it
    source  where an import has the name from; a name of "" stands for a module
    """

    code: str
    uses: frozenset[str]
    source: Place = ("", "")


@cache
def _definitions(path: Path, _mtime_ns: int, _size: int) -> dict[str, list[Definition]]:
    """name -> the statements that define it. "": those that define no name."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    every: dict[str, list[Definition]] = {}
    for statement in _without_docstrings(ast.parse(source)).body:
        imports = dict(_imports(statement))  # also those within a function
        for name, imported in imports.items():
            every.setdefault(name, []).append(imported)
        if isinstance(statement, ast.Import | ast.ImportFrom):
            continue
        first = min([statement.lineno, *(each.lineno for each in getattr(statement, "decorator_list", ()))])
        scope = symtable.symtable("".join(lines[first - 1 : statement.end_lineno]), path.name, "exec")
        names = frozenset((*_globals(scope), *imports))
        binds = [symbol.get_name() for symbol in scope.get_symbols() if symbol.is_assigned()]
        for name in binds or [""]:
            every.setdefault(name, []).append(Definition(ast.dump(statement), _uses(statement, names)))
        for name, entry in _entries(statement):
            every[name] = [Definition(ast.dump(entry), _uses(entry, names))]
    return every


def _imports(statement: ast.stmt) -> Iterator[tuple[str, Definition]]:
    """The names that a statement imports."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (
                    alias.asname or alias.name.partition(".")[0],
                    Definition(ast.dump(node), frozenset(), (alias.name, "")),
                )
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                code = f"{node.level} {node.module} {alias.name}"
                yield alias.asname or alias.name, Definition(code, frozenset(), (node.module or "", alias.name))


def _uses(node: ast.AST, names: Collection[str]) -> frozenset[str]:
    """Of these names those that a node holds: `name.attribute` where an attribute of it is read, else `name`."""
    read = {id(each.value): each for each in ast.walk(node) if isinstance(each, ast.Attribute)}
    held = [each for each in ast.walk(node) if isinstance(each, ast.Name) and each.id in names]
    return frozenset(f"{each.id}.{read[id(each)].attr}" if id(each) in read else each.id for each in held)


def _globals(scope: symtable.SymbolTable) -> Iterator[str]:
    """The names of the module that a scope, or one within it, uses; a parameter of that name is another thing."""
    module = scope.get_type() == "module"
    for symbol in scope.get_symbols():
        if symbol.is_referenced() if module else symbol.is_global():
            yield symbol.get_name()
    for inner in scope.get_children():
        yield from _globals(inner)


def _entries(statement: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """`TABLE[key]` and its value, of a dict written out with texts as keys."""
    if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Dict):
        target = statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0]
        for key, value in zip(statement.value.keys, statement.value.values, strict=True):
            if isinstance(target, ast.Name) and isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield f"{target.id}[{key.value}]", value


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(parts: Mapping[str, str]) -> str:
    return digest(dict(parts))


def differences(recorded: Mapping[str, str], current: Mapping[str, str]) -> list[str]:
    """Names of the parts that differ, are new or are gone, in a fixed order."""
    names = [name for name in current if recorded.get(name) != current[name]]
    return names + [f"{name} (no longer a part)" for name in recorded if name not in current]


def named(differing: list[str]) -> str:
    """The differing parts as a person reads them: `recipe pipeline/staging.py; upstream staging.stg_courses`."""
    kinds: dict[str, list[str]] = {}
    for name in differing:
        kind, _, what = name.partition(":")
        kinds.setdefault(kind, []).append(what)
    if len(kinds) > 1:
        kinds.pop("upstream", None)  # what changed upstream is said there
    return "; ".join(f"{kind} {some(names)}" for kind, names in kinds.items())


def some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
