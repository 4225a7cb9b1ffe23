"""One question to Groq's chat API and its reply, through the groq SDK: time, size, retries and breaker under control.

Nothing here raises for what the network or the server does: a call ends with a `Reply` or with a `Failure` whose reason
is a word, never a part of what was sent or received.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from agents.llm.breaker import HALF_OPEN, Breaker
from agents.llm.responses import Failure, Reply, read, refusal
from agents.llm.usage import Tally

if TYPE_CHECKING:
    import httpx

RETRIED = frozenset({"timeout", "rate_limited", "server_error", "connection"})
# Asked again, it would be refused again
HOPELESS = frozenset({"unauthorized", "not_found"})


AT_LEAST_ONE = ("concurrency", "batch", "max_request", "max_reply", "max_tokens", "breaker_after")
POSITIVE = ("timeout", "patience")
NOT_NEGATIVE = ("retries", "backoff", "backoff_max", "cooldown")


class Budget(Protocol):
    def take(self) -> bool:
        """Asked before each HTTP request; False: it must not be made."""
        ...


class Unlimited:
    def take(self) -> bool:
        return True


@dataclass(frozen=True)
class LLMOptions:
    """How a model is asked.

    base_url: None is Groq's, or GROQ_BASE_URL. timeout: seconds of one HTTP request, to its last byte; patience:
    seconds of one question with all its retries. batch: records per question, with max_request characters at most;
    max_reply: bytes of a response. max_tokens: of an answer; Groq counts them against the limit per minute.
    breaker_after: failures in a row; cooldown: seconds that the breaker then stays open. seed: of the jitter.
    """

    api_key: str = field(repr=False)
    base_url: str | None = None
    model: str = "openai/gpt-oss-20b"
    concurrency: int = 4
    timeout: float = 30.0
    patience: float = 90.0
    retries: int = 3
    backoff: float = 0.5
    backoff_max: float = 8.0
    batch: int = 10
    max_request: int = 24_000
    max_reply: int = 1_000_000
    max_tokens: int = 4096
    breaker_after: int = 5
    cooldown: float = 30.0
    seed: int = 0

    def __post_init__(self) -> None:
        low = [name for name in AT_LEAST_ONE if getattr(self, name) < 1]
        low += [name for name in POSITIVE if getattr(self, name) <= 0]
        low += [name for name in NOT_NEGATIVE if getattr(self, name) < 0]
        if low:
            raise ValueError(f"options of the language model: {', '.join(low)} too small")


class _Quiet(logging.Filter):
    """The SDK's debug log holds whole requests: texts of records."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING


QUIET = _Quiet()


@dataclass
class Chat:
    """Asks questions of one model over one client; open it in the event loop that uses it."""

    options: LLMOptions
    budget: Budget
    breaker: Breaker
    tally: Tally
    resume_at: float = 0.0  # none asks before: a server that limits one call limits them all
    http: httpx.AsyncClient | None = None

    def opened(self) -> bool:
        """Opens the client; False when base URL or proxy settings make none."""
        import groq
        import httpx

        logging.getLogger("groq._base_client").addFilter(QUIET)
        options = self.options
        try:
            self.http = httpx.AsyncClient(
                timeout=options.timeout,
                follow_redirects=False,  # texts go where they were meant to go
                headers={"Accept-Encoding": "identity"},
                event_hooks={"response": [self._bound]},
            )
            self.client = groq.AsyncGroq(
                api_key=options.api_key, base_url=options.base_url, max_retries=0, http_client=self.http
            )
        except Exception:
            return False
        return True

    async def close(self) -> None:
        if self.http:
            await self.http.aclose()

    async def _bound(self, response: httpx.Response) -> None:
        from agents.llm.stream import Bounded

        # what is packed could unfold to any size; nobody was asked to pack it
        response.headers.pop("Content-Encoding", None)
        response.stream = Bounded(response.stream, self.options.max_reply)

    @property
    def to(self) -> str:
        """Where questions go: host, port and model; no path, no credentials."""
        url = self.client.base_url
        host = f"[{url.host}]" if ":" in url.host else url.host
        plain = "" if url.scheme == "https" else f"{url.scheme}://"
        return f"{plain}{host}{f':{url.port}' if url.port else ''} ({self.options.model})"

    async def ask(
        self, question: Mapping[str, Any], dice: random.Random, sent: Callable[[], None] = lambda: None
    ) -> Reply | Failure:
        """One question, asked again after failures that pass. sent: called after each request that may have left."""
        deadline, last = time.monotonic() + self.options.patience, Failure("timeout")
        for tried in range(self.options.retries + 1):
            if self.resume_at > deadline:
                return Failure("rate_limited")
            await asyncio.sleep(max(0.0, self.resume_at - time.monotonic()))
            if not self.breaker.allows():
                return last if tried else Failure("breaker_open")
            if not self.budget.take():
                self._released()
                return Failure("budget")
            reply = await self._request(question, min(self.options.timeout, deadline - time.monotonic()))
            if isinstance(reply, Reply) or not reply.unsent:
                sent()
            if isinstance(reply, Reply):
                return reply
            last, wait = reply, self._wait(reply, tried, deadline, dice)
            self._failed(reply, final=wait is None)
            if wait is None:
                return reply
            await asyncio.sleep(wait)
        return last

    def _released(self) -> None:
        """The call that a half-open breaker let through is not made: it stays open."""
        if self.breaker.state == HALF_OPEN:
            self.breaker.trip()

    def _failed(self, failure: Failure, final: bool) -> None:
        if failure.reason in HOPELESS:
            self.breaker.trip()
        elif failure.reason == "too_large":
            self.breaker.succeeded()  # the server is well, the question is to be cut in two
        elif failure.reason != "rate_limited" or final or self.breaker.state == HALF_OPEN:
            self.breaker.failed()

    def _wait(self, failure: Failure, tried: int, deadline: float, dice: random.Random) -> float | None:
        """Seconds until the next try; None: there is none."""
        if failure.reason not in RETRIED or tried == self.options.retries:
            return None
        wait = failure.retry_after
        if wait is None:
            wait = dice.uniform(0.0, min(self.options.backoff_max, self.options.backoff * 2**tried))
        elif failure.reason == "rate_limited":
            self.resume_at = max(self.resume_at, time.monotonic() + wait)
        return wait if time.monotonic() + wait < deadline else None

    async def _request(self, question: Mapping[str, Any], seconds: float) -> Reply | Failure:
        started = time.monotonic()
        reply = await self._send(question, seconds)
        self.tally.called(reply.reason if isinstance(reply, Failure) else "ok", time.monotonic() - started)
        self.tally.prompt_tokens += reply.tokens[0]
        self.tally.completion_tokens += reply.tokens[1]
        return reply

    async def _send(self, question: Mapping[str, Any], seconds: float) -> Reply | Failure:
        import groq
        import httpx

        from agents.llm.stream import ReplyTooLarge

        try:
            async with asyncio.timeout(max(seconds, 0.001)):
                response = await self.client.chat.completions.with_raw_response.create(**question)
                return read(response.http_response.content)
        except (TimeoutError, groq.APITimeoutError):
            return Failure("timeout")
        except groq.APIStatusError as error:
            return refusal(error.status_code, error.response.headers, error.body)
        except groq.APIConnectionError as error:
            if isinstance(error.__cause__, ReplyTooLarge):
                return Failure("reply_too_large")
            return Failure(
                "connection", unsent=isinstance(error.__cause__, (httpx.ConnectError, httpx.UnsupportedProtocol))
            )
        except Exception:  # an SDK that breaks on a reply breaks no run; its text may hold the reply, so it's dropped
            return Failure("error")
