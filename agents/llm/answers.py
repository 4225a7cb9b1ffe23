"""From a model's text to the answers of single records. Whatever the text is, nothing here raises."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, NoReturn

KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


# What not every server's strict mode knows: a schema with them may be refused whole. They're checked here all the same.
BOUNDS = frozenset({"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"})


def wrapped(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of the answers to a batch: what an agent wants of one record, with the record's number, in a list."""
    unbounded = _without_bounds(answer)
    item = {
        **unbounded,
        "properties": {"record": {"type": "integer"}, **unbounded["properties"]},
        "required": ["record", *unbounded["required"]],
    }
    return {
        "type": "object",
        "properties": {"answers": {"type": "array", "items": item}},
        "required": ["answers"],
        "additionalProperties": False,
    }


def _without_bounds(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        return {key: _without_bounds(value) for key, value in schema.items() if key not in BOUNDS}
    return [_without_bounds(each) for each in schema] if isinstance(schema, list) else schema


def parsed(text: str | bytes) -> Any:
    """The JSON value, or None when it is no JSON. NaN and Infinity are none; deep nesting and huge numbers neither."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def matched(text: str, schema: Mapping[str, Any], count: int) -> list[dict[str, Any] | str]:
    """The answer to each of the records 1 to count, or the reason why there is none."""
    value = parsed(text)
    if value is None:
        return ["bad_json" if "{" in text else "refused"] * count
    items = value.get("answers") if isinstance(value, dict) else None
    if not isinstance(items, list):
        return ["bad_answer"] * count
    numbered = [(item["record"], item) for item in items if isinstance(item, dict) and type(item.get("record")) is int]
    seen = Counter(number for number, _ in numbered)
    answers = {number: {k: v for k, v in item.items() if k != "record"} for number, item in numbered}
    return [_one(answers.get(number), seen[number], schema) for number in range(1, count + 1)]


def _one(answer: dict[str, Any] | None, times: int, schema: Mapping[str, Any]) -> dict[str, Any] | str:
    if answer is None:
        return "missing_record"
    if times > 1:
        return "repeated_record"
    return answer if fits(schema, answer) else "bad_answer"


def fits(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether a value is what a schema asks for, as far as strict schemas go: types, enums, bounds, nesting."""
    if "anyOf" in schema:
        return any(fits(option, value) for option in schema["anyOf"])
    if "enum" in schema and not any(type(value) is type(option) and value == option for option in schema["enum"]):
        return False
    kinds = schema.get("type", [])
    if kinds and not any(_is(kind, value) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return False
    if isinstance(value, str):
        return storable(value) and schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf) and math.isfinite(value)
    if isinstance(value, list):
        bounded = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf)
        return bounded and all(fits(schema.get("items", {}), item) for item in value)
    return _object_fits(schema, value) if isinstance(value, dict) else True


def _is(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, KINDS[kind])


def _object_fits(schema: Mapping[str, Any], value: dict[str, Any]) -> bool:
    properties = schema.get("properties", {})
    if not set(schema.get("required", ())) <= value.keys():
        return False
    if schema.get("additionalProperties") is False and not value.keys() <= properties.keys():
        return False
    return all(storable(key) and fits(properties.get(key, {}), item) for key, item in value.items())


def storable(text: str) -> bool:
    """Whether a database takes the text: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)
