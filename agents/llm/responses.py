"""What a response of the chat API comes to: the model's text, or one word for what went wrong."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from agents.llm.answers import parsed


@dataclass(frozen=True)
class Reply:
    """tokens: paid for the question and for the answer."""

    text: str = field(repr=False)
    tokens: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Failure:
    """retry_after: seconds that the server asks to wait. tokens: as of a reply; a useless answer is paid for too.

    unsent: nothing of the question left, as there was no connection.
    """

    reason: str
    retry_after: float | None = None
    tokens: tuple[int, int] = (0, 0)
    unsent: bool = False


def read(body: bytes) -> Reply | Failure:
    """The model's text out of a response. What a server sends under 200 can be anything."""
    value = parsed(body)
    if value is None:
        return Failure("bad_json")
    usage, choices = _get(value, "usage"), _get(value, "choices")
    tokens = _count(_get(usage, "prompt_tokens")), _count(_get(usage, "completion_tokens"))
    choice = choices[0] if isinstance(choices, list) and choices else None
    message, finish = _get(choice, "message"), _get(choice, "finish_reason")
    text = _get(message, "content")
    if _get(message, "refusal") or finish == "content_filter":
        return Failure("refused", tokens=tokens)
    if finish == "length":
        return Failure("cut_short", tokens=tokens)
    if not isinstance(text, str) or not text.strip():
        return Failure("no_answer", tokens=tokens)
    return Reply(text, tokens)


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _count(value: Any) -> int:
    return value if type(value) is int and 0 <= value < 10**9 else 0


def refusal(status: int, headers: Mapping[str, str], body: object) -> Failure:
    """What a status that is not 200 means."""
    code = _get(_get(body, "error"), "code")
    if status in (401, 403):
        return Failure("unauthorized")
    if status == 404:
        return Failure("not_found")
    if status == 429:
        return Failure("rate_limited", seconds_of(headers.get("retry-after", "")))
    if status == 413 or code in ("context_length_exceeded", "request_too_large"):
        return Failure("too_large")
    if status == 400 and code == "json_validate_failed":
        return Failure("not_generated")
    if status in (408, 409, 498) or status >= 500:
        return Failure("server_error", seconds_of(headers.get("retry-after", "")))
    return Failure("bad_request")


def seconds_of(retry_after: str) -> float | None:
    """Retry-After in seconds: a number of them or an HTTP date; None for anything else."""
    try:
        return max(0.0, float(retry_after)) if float(retry_after) < float("inf") else None
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(retry_after)
        until = until if until.tzinfo else until.replace(tzinfo=datetime.UTC)
        return max(0.0, (until - datetime.datetime.now(datetime.UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
