"""Engine: who has the opinions, the rules or a language model; its answers, budget and usage are in the ledger.

A key alone sends nothing: a model is asked when the school says `llm = on` as well. What left the machine in a run is
in the ledger too, and `sent_line` says it in one line.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

from pipeline.config import PROJECT, Settings
from pipeline.run import run_id
from targets.run import log

if TYPE_CHECKING:
    from agents.llm.usage import Usage
    from agents.protocol import Engine


def no_model(options: Settings) -> str:
    """Why no language model is asked; "" when one is."""
    return "llm_off" if options.llm == "off" else "" if options.groq_api_key else "no_key"


@functools.cache
def refusals() -> str:
    """A digest of what decides which texts stay here: when it changes, a model's opinions are looked at again."""
    files = sorted((PROJECT / "agents/sensitive").glob("*.*"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:12]


@contextlib.contextmanager
def engine_for(db: Connection, options: Settings) -> Iterator[Engine]:
    """The engine that the settings ask for. What it uses is in the ledger when the block ends, whatever happens."""
    from agents.protocol import Rules

    if reason := no_model(options):
        yield Rules(reason)
        return
    from agents.llm import LLM, LLMOptions
    from agents.masking import masker

    asked = LLMOptions(
        api_key=options.groq_api_key,
        model=options.llm_model,
        concurrency=options.llm_concurrency,
        timeout=options.llm_timeout,
        retries=options.llm_retries,
        batch=options.llm_batch,
        breaker_after=options.llm_breaker,
    )
    # A connection of its own, which commits at once: an answer that was paid for outlives a build that fails.
    with options.database.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as own:
        llm = LLM(asked, masker(_names(db)), Answers(own), Budget(own, options.llm_max_calls))
        try:
            yield llm
        finally:
            own.execute(
                text("insert into etl.llm_usage (run_id, usage) values (:run, :usage)"),
                {"run": run_id(), "usage": json.dumps(llm.usage.stored())},
            )
            for agent, tally in llm.usage.agents.items():
                if tally.fallbacks:
                    why = ", ".join(f"{reason} {count:,}" for reason, count in sorted(tally.fallbacks.items()))
                    log.warning("%s: by the rules instead of the language model: %s", agent, why)


def _names(db: Connection) -> list[str]:
    """Everybody's: none of them leaves the machine."""
    return list(db.execute(text("select distinct name from staging.names_seen")).scalars())


class Answers:
    """The cache of a language model's answers, in the ledger."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def get(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        query = text("select key, answer from etl.llm_cache where key = any(:keys)")
        return {row.key: row.answer for row in self._db.execute(query, {"keys": list(keys)})}

    def put(self, agent: str, model: str, prompt_version: str, answers: Mapping[str, dict[str, Any]]) -> None:
        self._db.execute(
            text("""
                insert into etl.llm_cache (key, agent, model, prompt_version, answer)
                values (:key, :agent, :model, :version, :answer)
                on conflict (key) do nothing
            """),
            [
                {"key": key, "agent": agent, "model": model, "version": prompt_version, "answer": json.dumps(answer)}
                for key, answer in answers.items()
            ],
        )


class Budget:
    """Requests that a run may still make, over all its steps and processes."""

    def __init__(self, db: Connection, most: int) -> None:
        self._db, self._most = db, most

    def take(self) -> bool:
        query = text("""
            insert into etl.llm_budget as b (run_id, calls) select :run, 1 where :most > 0
            on conflict (run_id) do update set calls = b.calls + 1 where b.calls < :most
            returning calls
        """)
        return self._db.execute(query, {"run": run_id(), "most": self._most}).scalar() is not None


def used(db: Connection, run: str = "") -> Usage:
    """What asking the model used, over all runs or in one; the breaker as it was left by the last that called."""
    from agents.llm.usage import Usage

    query = text("select usage from etl.llm_usage where :run in ('', run_id) order by usage_id")
    noted = [Usage.restored(row.usage) for row in db.execute(query, {"run": run})]
    total = functools.reduce(Usage.merged, noted, Usage())
    called = [usage.breaker for usage in noted if any(tally.calls for tally in usage.agents.values())]
    return replace(total, breaker=called[-1] if called else 0)


# --- what left the machine ------------------------------------------------------------------------------------------

# What an agent sends, one and many
SENT = {
    "ticket_analysis": ("masked ticket text", "masked ticket texts"),
    "student_risk": ("set of risk figures", "sets of risk figures"),
    "quality_analysis": ("dataset's counts", "datasets' counts"),
    "insights": ("summary's metrics", "summaries' metrics"),
}
STAYED = ("sensitive", "no_business", "unread_language")
OFF = "Language model: off. No text left this machine."
NO_KEY = "Language model: llm = on, but there is no GROQ_API_KEY. No text left this machine, the rules answered."


def sent_line(db: Connection, run: str, options: Settings) -> str:
    """What a run sent where, in one line; "" when the language model is off."""
    if reason := no_model(options):
        return NO_KEY if reason == "no_key" else ""
    usage = used(db, run)
    tallies = usage.agents
    sent = [
        f"{tallies[agent].sent:,} {names[tallies[agent].sent != 1]}"
        for agent, names in SENT.items()
        if agent in tallies and tallies[agent].sent
    ]
    went = f"{_and(sent)} went to {_and(sorted(usage.to))}" if sent else "no text left this machine"
    parts = [f"Language model: {went}"]
    if cached := sum(tally.cached for tally in tallies.values()):
        parts.append(f"{cached:,} answered from the cache")
    if stayed := sum(tally.fallbacks[reason] for tally in tallies.values() for reason in STAYED):
        parts.append(f"{stayed:,} that may be sensitive stayed here")
    if lost := _unnoted(db, run, usage):
        parts.append(f"{lost:,} requests of steps that were stopped are not in these figures")
    if sent:
        parts.append("names, addresses, phones and ids that were recognised were masked")
    return "; ".join(parts) + "."


def _unnoted(db: Connection, run: str, usage: Usage) -> int:
    """Requests that the budget counted before they were made and whose end nobody noted: a killed process."""
    calls = db.execute(text("select calls from etl.llm_budget where run_id = :run"), {"run": run}).scalar() or 0
    return max(calls - sum(tally.calls.total() for tally in usage.agents.values()), 0)


def _and(words: Sequence[str]) -> str:
    *rest, last = words or ("",)
    return f"{', '.join(rest)} and {last}" if rest else last
