"""What asking a language model cost and came to: plain numbers, to be stored and summed up by the caller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Tally:
    """One agent's. calls: HTTP requests by result (`ok` or the reason of the failure); seconds: how long each took.

    fallbacks: records that got the rules' opinion, by reason; cached: records answered without asking; sent: different
    texts (records, for agents without any) that left in a request, whatever came back.
    """

    calls: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    answered: int = 0
    cached: int = 0
    sent: int = 0
    fallbacks: Counter[str] = field(default_factory=Counter)

    def called(self, result: str, seconds: float) -> None:
        self.calls[result] += 1
        self.seconds.append(round(seconds, 4))

    def stored(self) -> dict[str, Any]:
        return {
            "calls": dict(sorted(self.calls.items())),
            "seconds": list(self.seconds),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "answered": self.answered,
            "cached": self.cached,
            "sent": self.sent,
            "fallbacks": dict(sorted(self.fallbacks.items())),
        }

    @classmethod
    def restored(cls, stored: Mapping[str, Any]) -> Tally:
        return cls(**{**stored, "calls": Counter(stored["calls"]), "fallbacks": Counter(stored["fallbacks"])})

    def merged(self, other: Tally) -> Tally:
        return Tally(
            self.calls + other.calls,
            self.seconds + other.seconds,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.answered + other.answered,
            self.cached + other.cached,
            self.sent + other.sent,
            self.fallbacks + other.fallbacks,
        )


@dataclass
class Usage:
    """Tallies by agent, and the state of the circuit breaker (0 closed, 1 half open, 2 open) when last looked at.

    to: where texts went: `host (model)`, without credentials.
    """

    agents: dict[str, Tally] = field(default_factory=dict)
    breaker: int = 0
    to: frozenset[str] = frozenset()

    def of(self, agent: str) -> Tally:
        return self.agents.setdefault(agent, Tally())

    def stored(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "breaker": self.breaker,
            "to": sorted(self.to),
            "agents": {name: tally.stored() for name, tally in sorted(self.agents.items())},
        }

    @classmethod
    def restored(cls, stored: Mapping[str, Any]) -> Usage:
        agents = {name: Tally.restored(tally) for name, tally in stored["agents"].items()}
        return cls(agents, stored["breaker"], frozenset(stored.get("to", ())))  # since 2026-11-28

    def merged(self, other: Usage) -> Usage:
        """Both together; the worse of two breakers."""
        names = sorted({*self.agents, *other.agents})
        empty = Tally()
        agents = {name: self.agents.get(name, empty).merged(other.agents.get(name, empty)) for name in names}
        return Usage(agents, max(self.breaker, other.breaker), self.to | other.to)
