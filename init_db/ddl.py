"""The derived schemas as files: `schema/<schema>/<relation>.sql` makes one table, view or function.

A relation is digested by its statements, without comments and layout, and apart from its `comment on` statements:
these are applied, and change nothing that is made from it. What it needs is what its statements name. A number that
the code defines is written as `{its_name}`; `define` says what these stand for.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

FOLDER = Path(__file__).parent / "schema"
STATE = ("etl", "raw")  # schemas of the state_NN files
DERIVED = ("staging", "warehouse", "analytics")

# What is read as a whole: texts, quoted names, comments. What lies between them is SQL.
_WHOLE = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)|\b[eE]'(?:[^'\\]|\\.|'')*'|'[^']*'|"[^"]*"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$""",
    re.DOTALL,
)
_MAKES = re.compile(r"create (?:unlogged )?(table|view|function) (\w+\.\w+)")
_NAME = re.compile(rf"\b(?:{'|'.join(DERIVED)})\.\w+")


@dataclass(frozen=True)
class Relation:
    """A table, view or function of a derived schema, as its file says.

    needs: the other relations that its statements name.
    """

    name: str
    kind: str
    statements: tuple[str, ...]
    comments: tuple[str, ...]
    digest: str
    comments_digest: str
    needs: frozenset[str]

    @property
    def schema(self) -> str:
        return self.name.partition(".")[0]


_defined: list[Callable[[str], str]] = [str]


def define(filled: Callable[[str], str]) -> None:
    """Say how the `{name}` of the files are filled in; what is asked from now on is read with it."""
    _defined[:] = [filled]
    relations.cache_clear()
    helpers.cache_clear()


@functools.cache  # asked for at every step; the files are read once per process
def relations() -> dict[str, Relation]:
    """name -> relation, each after those that it needs."""
    found = {path: _read(path) for schema in DERIVED for path in sorted((FOLDER / schema).glob("*.sql"))}
    for path, relation in found.items():
        if f"{path.parent.name}.{path.stem}" != relation.name:
            raise ValueError(f"{path} makes {relation.name}")
    unordered = {relation.name: relation for relation in found.values()}
    ordered: dict[str, Relation] = {}

    def place(name: str, path: tuple[str, ...] = ()) -> None:
        if name in path:
            raise ValueError(f"{' needs '.join((*path, name))}")
        for needed in sorted(unordered[name].needs & unordered.keys()):
            place(needed, (*path, name))
        ordered.setdefault(name, unordered[name])

    for name in unordered:
        place(name)
    return ordered


@functools.cache
def helpers(names: frozenset[str]) -> frozenset[str]:
    """The views and functions among these names, and those that these need in turn: no step makes them."""
    found: set[str] = set()
    waiting = [name for name in names if name in relations()]
    while waiting:
        relation = relations()[waiting.pop()]
        if relation.kind != "table" and relation.name not in found:
            found.add(relation.name)
            waiting += [name for name in relation.needs if name in relations()]
    return frozenset(found)


def named(text: str) -> frozenset[str]:
    """The names of derived relations that a text holds."""
    return frozenset(_NAME.findall(text))


def schema_comment(schema: str) -> str:
    """The statement that says what a schema is for."""
    return "\n".join(statements((FOLDER / f"{schema}.sql").read_text(encoding="utf-8")))


def _read(path: Path) -> Relation:
    every = statements(_defined[0](path.read_text(encoding="utf-8")))
    comments = tuple(statement for statement in every if statement.startswith("comment on "))
    made = tuple(statement for statement in every if statement not in comments)
    makes = _MAKES.match(made[0]) if made else None
    if makes is None:
        raise ValueError(f"{path} must begin with create table, create view or create function")
    sql = " ".join(_without_texts(statement) for statement in made)
    return Relation(
        name=makes[2],
        kind=makes[1],
        statements=made,
        comments=comments,
        digest=digest(made),
        comments_digest=hashlib.sha256("\n".join(comments).encode()).hexdigest(),
        needs=named(sql) - {makes[2]},
    )


def statements(source: str) -> list[str]:
    """The statements of a file, without comments."""
    found, now = [], ""
    for text, whole in _pieces(source):
        *ended, rest = [text] if whole else text.split(";")
        for end in ended:
            found.append((now + end).strip())
            now = ""
        now += rest
    return [statement for statement in (*found, now.strip()) if statement]


def digest(made: tuple[str, ...]) -> str:
    """Digest of statements, however they are laid out."""
    plain = [
        "".join(text if whole else _tight(text) for text, whole in _pieces(statement)).strip() for statement in made
    ]
    return hashlib.sha256(";".join(plain).encode()).hexdigest()


def _tight(sql: str) -> str:
    return re.sub(r" ?([^\w ]) ?", r"\1", re.sub(r"\s+", " ", sql))


def _without_texts(statement: str) -> str:
    return "".join(text for text, whole in _pieces(statement) if not whole or text.startswith("$"))


def _pieces(source: str) -> list[tuple[str, bool]]:
    """(text, whether it is one to be read as a whole), in order; comments are left out."""
    pieces, begin = [], 0
    for found in _WHOLE.finditer(source):
        pieces.append((source[begin : found.start()], False))
        pieces.append(("\n" if found["comment"] else found[0], not found["comment"]))
        begin = found.end()
    return [piece for piece in (*pieces, (source[begin:], False)) if piece[0]]


def run_as_it_is(db: Connection, sql: str) -> None:
    """Run SQL from a file or from the catalogue: a % in it is no place of a parameter."""
    db.exec_driver_sql(sql, execution_options={"no_parameters": True})


def state_tables() -> set[str]:
    """The tables of raw and the ledger that the state files make."""
    return _made_by_state("create table if not exists")


def state_functions() -> set[str]:
    """The functions of the ledger that the state files make; no two of one name."""
    return _made_by_state("create or replace function")


def _made_by_state(how: str) -> set[str]:
    files = [path.read_text(encoding="utf-8") for path in FOLDER.parent.glob("state_*.sql")]
    return {name for text in files for name in re.findall(rf"(?m)^{how} (\w+\.\w+)", text)}
