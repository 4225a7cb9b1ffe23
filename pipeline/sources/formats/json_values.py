"""JSON values as their source wrote them: numbers keep their digits, objects all their keys, also repeated ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pipeline.sources.columns import short
from pipeline.sources.formats import limits


class Number(str):
    """A JSON number's source text."""


class Pairs(list[tuple[str, Any]]):
    """A JSON object as (key, value) pairs, so that a repeated key is seen."""


def decoder() -> json.JSONDecoder:
    return json.JSONDecoder(
        parse_float=Number, parse_int=Number, parse_constant=Number, strict=False, object_pairs_hook=Pairs
    )


def flat(
    pairs: Iterable[tuple[str, Any]], hidden: Callable[[str], bool], parent: str = "", depth: int = 1
) -> Iterator[tuple[str, Any]]:
    """The leaves of nested objects, each under the keys that lead to it; none of what is never stored.

    hidden: whether what stands under a key is never stored. RecursionError below MAX_DEPTH.
    """
    if depth > limits.MAX_DEPTH:
        raise RecursionError
    for key, value in pairs:
        name = parent + key
        if hidden(key) or (parent and hidden(name)):
            continue
        name = short(name)
        if isinstance(value, Pairs) and value:
            yield from flat(value, hidden, f"{name}_", depth + 1)
        else:
            yield name, value


def compact(value: Any, hidden: Callable[[str], bool], depth: int = 1) -> str:
    """JSON without blanks; a number is its source text, and what is never stored null. As `flat`."""
    if depth > limits.MAX_DEPTH:
        raise RecursionError
    if isinstance(value, Pairs):
        pairs = ((key, None if hidden(key) else item) for key, item in value)
        return "{" + ",".join(f"{_quoted(key)}:{compact(item, hidden, depth + 1)}" for key, item in pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(compact(item, hidden, depth + 1) for item in value) + "]"
    return value if isinstance(value, Number) else _quoted(value)


_quoted = json.JSONEncoder(ensure_ascii=False).encode


def holds_too_much(text: str, start: int = 0) -> bool:
    """Whether a JSON text has more values than is read: told by its commas, before it is built."""
    return len(text) - start > limits.MAX_VALUES and text.count(",", start) > limits.MAX_VALUES


def storable(text: str | None) -> bool:
    """No NUL and no lone surrogate, which JSON can write as \\u escapes and PostgreSQL cannot hold."""
    return text is None or ("\0" not in text and text.isascii()) or not re.search("[\0\ud800-\udfff]", text)


def fault(error: Exception) -> str:
    """What a decoder says is wrong: only the fixed part of it, for the rest could quote the file."""
    said = error.msg.partition(":")[0] if isinstance(error, json.JSONDecodeError) else "nested too deeply"
    return said.removesuffix(" starting at")
