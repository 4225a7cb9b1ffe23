"""What a file of `sql/` says on top: the grain, the key, what it reads.

    -- one row per support ticket. key: ticket_id. reads: staging.stg_tickets

A step is made from that (warehouse.SqlStep); tests hold it equal to what the query does.
"""

from __future__ import annotations

import re

import init_db

TABLE = re.compile(r"\b((?:raw|etl|staging|warehouse|analytics)\.\w+)\b(?!\()")


def head(sql: str) -> str:
    """The comment on top of a query, as one line."""
    comment = re.match(r"(?:--.*\n)*", sql)
    return " ".join(line.removeprefix("--").strip() for line in comment[0].splitlines()) if comment else ""


def grain(sql: str) -> str:
    """What a row of a query is, as its head begins."""
    return re.split(r"[.,;]? (?:key|reads): ", head(sql))[0]


def key(sql: str) -> tuple[str, ...]:
    """The columns that name a row of a query; `student_key of student_id` says what a surrogate key is a hash of."""
    found = re.search(r"\bkey: ([\w ]+(?:, [\w ]+)*)", head(sql))
    return tuple(column.split()[0] for column in found[1].split(", ")) if found else ()


def reads(sql: str) -> list[str]:
    """The tables and views that the head of a query says it reads."""
    return list(dict.fromkeys(TABLE.findall(head(sql).partition("reads: ")[2])))


def named(sql: str) -> list[str]:
    """The tables and views that a query names."""
    return list(dict.fromkeys(TABLE.findall(re.sub("--.*|'[^']*'", "", sql))))


def tables(names: list[str]) -> list[str]:
    """These tables, and for each view among them the tables that it is made from."""
    found: list[str] = []
    for name in names:
        relation = init_db.relations().get(name)
        if relation is not None and relation.kind == "view":
            found += tables(sorted(relation.needs))
        elif relation is None or relation.kind == "table":
            found.append(name)
    return list(dict.fromkeys(found))
