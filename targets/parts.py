"""Parts: name -> digest of everything a target is made from. Equal parts, equal target."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

Parts = dict[str, str]
DOTTED = re.compile(r"\b[a-z]+\.[a-z]\w*")


def digest(value: Any) -> str:
    """Digest of a plain value: dataclasses, tuples, dates and the JSON types; equal values, equal digests."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        frozen: Any = value
        return _dataclass_digest(frozen)
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


@cache
def _dataclass_digest(value: Any) -> str:
    return digest(dataclasses.asdict(value))


@cache
def _source(path: Path, _mtime_ns: int, _size: int) -> tuple[str, frozenset[str]]:
    source = path.read_bytes()
    if path.suffix == ".py":  # comments and layout change no result
        source = ast.dump(_without_docstrings(ast.parse(source))).encode()
    return hashlib.sha256(source).hexdigest(), frozenset(DOTTED.findall(source.decode(errors="replace")))


def source_digest(path: Path) -> str:
    """Digest of a recipe: a Python file by its syntax tree, any other file by its bytes."""
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
    """The differing parts as a person reads them: `recipe pipeline/rules.py; upstream staging.stg_courses`."""
    kinds: dict[str, list[str]] = {}
    for name in differing:
        kind, _, what = name.partition(":")
        kinds.setdefault(kind, []).append(what)
    if len(kinds) > 1:
        kinds.pop("upstream", None)  # what changed upstream is said there
    return "; ".join(f"{kind} {some(names)}" for kind, names in kinds.items())


def some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
