"""What a response of the chat API comes to: the model's text, or one word for what went wrong."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from agents.answers import parsed


@dataclass(frozen=True)
class Reply:
    text: str = field(repr=False)
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True)
class Failure:
    """retry_after: seconds that the server asks to wait."""

    reason: str
    retry_after: float | None = None


def read(body: bytes) -> Reply | Failure:
    """The model's text out of a response. What a server sends under 200 can be anything."""
    value = parsed(body)
    choices = value.get("choices") if isinstance(value, dict) else None
    if value is None:
        return Failure("bad_json")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return Failure("no_answer")
    if message.get("refusal") or choice.get("finish_reason") == "content_filter":
        return Failure("refused")
    if choice.get("finish_reason") == "length":
        return Failure("cut_short")
    text, usage = message.get("content"), value.get("usage")
    if not isinstance(text, str) or not text.strip():
        return Failure("no_answer")
    return Reply(text, _count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))


def _count(usage: Any, key: str) -> int:
    count = usage.get(key) if isinstance(usage, dict) else 0
    return count if isinstance(count, int) and 0 <= count < 10**9 else 0


def refusal(status: int, headers: Mapping[str, str], body: object) -> Failure:
    """What a status that is not 200 means."""
    error = body.get("error") if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
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
