"""The engine that asks a language model, and falls back to the rules record by record.

What a model may see of a record (`Agent.outgoing`, with the texts masked) is asked once, however many records are
equal in it, in batches whose records have only a number. Each answer is checked against the agent's schema and given
to `Agent.accept`; what was taken goes to the cache at once. Whatever goes wrong, a record gets the opinion of the
rules, and its verdict says why in a word of REASONS, or of the agent when it was the agent that refused the answer.
"""

from __future__ import annotations

import asyncio
import functools
import random
import re
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from agents.llm.answers import matched, wrapped
from agents.llm.breaker import Breaker
from agents.llm.chat import Budget, Chat, LLMOptions, Unlimited
from agents.llm.questions import FRAME, Question, Work, numbered, packed
from agents.llm.responses import Failure
from agents.llm.usage import Usage
from agents.protocol import Agent, Masker, Opinion, Record, Verdict

REASONS: Mapping[str, str] = {
    "no_key": "no key to the model's API",
    "nothing_to_ask": "the agent has nothing to ask about this record",
    "sensitive": "it touches health, safety, violence or faith: such a text does not leave the machine",
    "no_business": "it names nothing that a school's office deals with: what it is about instead may be sensitive",
    "unread_language": "it is in a language in which such texts are not recognised: it does not leave either",
    "too_large": "the record, or the question with it alone, is too long",
    "timeout": "no whole reply in time",
    "rate_limited": "the server asks to wait longer than there's time",
    "server_error": "the server failed, again and again",
    "connection": "the server could not be reached, or hung up",
    "unauthorized": "the key is not accepted",
    "not_found": "there's no such model or address",
    "bad_request": "the server does not take the question",
    "reply_too_large": "the reply is larger than a reply may be",
    "no_answer": "the reply has no text of the model",
    "cut_short": "the model's answer ended before its end",
    "not_generated": "the model made no answer in the form asked for",
    "refused": "the model declined, or answered in prose",
    "bad_json": "the reply, or the answer in it, is not JSON",
    "bad_answer": "the answer is not of the form asked for",
    "missing_record": "the answer leaves this record out",
    "repeated_record": "the answer has this record more than once",
    "budget": "the budget is spent",
    "breaker_open": "too many calls had failed",
    "error": "the client library failed",
}
# A smaller question may do
DIVISIBLE = frozenset({"too_large", "cut_short", "not_generated"})


class Cache(Protocol):
    """Answers that were paid for."""

    def get(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The answers to those of the keys that are known."""
        ...

    def put(self, agent: str, model: str, prompt_version: str, answers: Mapping[str, dict[str, Any]]) -> None:
        """Keeps the answers to one question; called as soon as there are any."""
        ...


class Forgetful:
    """The cache that keeps nothing."""

    def get(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        return {}

    def put(self, agent: str, model: str, prompt_version: str, answers: Mapping[str, dict[str, Any]]) -> None:
        pass


@dataclass
class LLM:
    """An `Engine`. One serves all agents of a run, one call of `analyse` at a time; a forked process makes its own."""

    options: LLMOptions
    mask: Masker
    cache: Cache = field(default_factory=Forgetful)
    budget: Budget = field(default_factory=Unlimited)
    usage: Usage = field(default_factory=Usage)

    def __post_init__(self) -> None:
        self.breaker = Breaker(self.options.breaker_after, self.options.cooldown)

    def analyse(self, agent: Agent[Record, Opinion], records: Sequence[Record]) -> list[Verdict[Opinion]]:
        """A verdict for each record, in order. Raises only what the agent's rules, the cache or the budget raise."""
        work = Work(agent, records, self.options.model, self.usage.of(agent.name))
        questions = work.group(self.mask, self.options.max_request)
        known = self.cache.get([question.key for question in questions]) if questions else {}
        asked = [q for q in questions if not (q.key in known and work.replay(q, known[q.key]))]
        if not self.options.api_key:
            work.fall_back(asked, "no_key")
        elif asked:
            _run(self._ask(work, asked))
        self.usage.breaker = self.breaker.state
        return work.verdicts()

    async def _ask(self, work: Work[Record, Opinion], questions: list[Question]) -> None:
        batches = deque(packed(questions, self.options.batch, self.options.max_request))
        chat = Chat(self.options, self.budget, self.breaker, work.tally)
        try:
            if not chat.opened():
                return work.fall_back(questions, "connection")
            workers = min(self.options.concurrency, len(batches))
            await asyncio.gather(*(self._work_off(chat, work, batches) for _ in range(workers)))
        finally:
            await chat.close()

    async def _work_off(self, chat: Chat, work: Work[Record, Opinion], batches: deque[list[Question]]) -> None:
        while batches:
            batch = batches.popleft()
            dice = random.Random(f"{self.options.seed} {batch[0].key}")
            reply = await chat.ask(
                self._message(work.agent, batch), dice, functools.partial(self._sent, chat, work, batch)
            )
            if isinstance(reply, Failure):
                if reply.reason in DIVISIBLE and len(batch) > 1:
                    half = len(batch) // 2
                    batches.extendleft((batch[half:], batch[:half]))
                else:
                    work.fall_back(batch, reply.reason)
                continue
            taken = work.answer(batch, matched(reply.text, work.agent.answer, len(batch)))
            if taken:
                self.breaker.succeeded()
                self.cache.put(work.agent.name, self.options.model, work.agent.prompt.version, taken)
            else:
                self.breaker.failed()  # paid for nothing

    def _sent(self, chat: Chat, work: Work[Record, Opinion], batch: list[Question]) -> None:
        self.usage.to |= {chat.to}
        work.sent(batch)

    def _message(self, agent: Agent[Record, Opinion], batch: Sequence[Question]) -> dict[str, Any]:
        name = re.sub("[^A-Za-z0-9_-]", "_", agent.name)[:64]
        question: dict[str, Any] = {
            "model": self.options.model,
            "temperature": 0,
            "max_completion_tokens": self.options.max_tokens,
            "messages": [
                {"role": "system", "content": f"{agent.prompt.text}\n\n{FRAME}"},
                {"role": "user", "content": numbered(batch)},
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": name, "strict": True, "schema": wrapped(agent.answer)},
            },
        }
        if self.options.model.startswith("openai/gpt-oss"):
            question["reasoning_effort"] = "low"  # thoughts are paid for, and other models refuse the word
        return question


def _run(work: Any) -> None:
    """Runs a coroutine to its end, also for a caller that is inside an event loop: then in a thread of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
        return
    with ThreadPoolExecutor(1) as pool:
        pool.submit(functools.partial(asyncio.run, work)).result()
