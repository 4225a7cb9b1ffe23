"""Parts: name -> digest of everything a target is made from. Equal parts, equal target."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import re
import symtable
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

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
    if path.suffix == ".sql":
        query = source.decode()
        header = CHECK_HEADER.match(query)
        source = f"{header[0] if header else ''}{ddl.digest(tuple(ddl.statements(query)))}".encode()
    return hashlib.sha256(source).hexdigest(), frozenset(DOTTED.findall(names.decode(errors="replace")))


def source_digest(path: Path) -> str:
    """Digest of a recipe: Python by its syntax tree, SQL without comments and layout, any other file by its bytes.

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
    """Digest of some definitions of a Python module, with all of the module that they use, directly or not.

    names   functions, classes and values of the module; `TABLE[key]` is one entry of a dict that is written out
    apart   names that are not followed: they are parts of their own

    Raises KeyError for a name that the module does not define.
    """
    stat = path.stat()
    return _definitions_digest(path, stat.st_mtime_ns, stat.st_size, tuple(names), frozenset(apart))


def defined(path: Path) -> Collection[str]:
    """The names that `definitions_digest` knows of a module."""
    stat = path.stat()
    return _definitions(path, stat.st_mtime_ns, stat.st_size).keys()


@cache
def _definitions_digest(path: Path, mtime_ns: int, size: int, names: tuple[str, ...], apart: frozenset[str]) -> str:
    every = _definitions(path, mtime_ns, size)
    found: dict[str, list[str]] = {}
    waiting = [*names, *([""] if "" in every else [])]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = [code for code, _ in every[name]]
            waiting += [used for _, uses in every[name] for used in uses if used in every and used not in apart]
    return digest(found)


@cache
def _definitions(path: Path, _mtime_ns: int, _size: int) -> dict[str, list[tuple[str, frozenset[str]]]]:
    """name -> the statements that define it (their code, the names they use). "": those that define no name."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    every: dict[str, list[tuple[str, frozenset[str]]]] = {}
    for statement in _without_docstrings(ast.parse(source)).body:
        first = min([statement.lineno, *(each.lineno for each in getattr(statement, "decorator_list", ()))])
        scope = symtable.symtable("".join(lines[first - 1 : statement.end_lineno]), path.name, "exec")
        uses = frozenset(_globals(scope))
        if isinstance(statement, ast.Import | ast.ImportFrom):
            code = ast.dump(statement) if isinstance(statement, ast.Import) else f"{statement.level} {statement.module}"
            for alias in statement.names:
                every.setdefault(alias.asname or alias.name, []).append((f"{code} {alias.name}", uses))
            continue
        binds = [symbol.get_name() for symbol in scope.get_symbols() if symbol.is_assigned() or symbol.is_imported()]
        for name in binds or [""]:
            every.setdefault(name, []).append((ast.dump(statement), uses))
        for name, entry in _entries(statement):
            every[name] = [
                (ast.dump(entry), uses & {node.id for node in ast.walk(entry) if isinstance(node, ast.Name)})
            ]
    return every


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
