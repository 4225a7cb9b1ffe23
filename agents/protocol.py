"""What every agent is: a typed record in, a typed opinion out, by two engines that answer in the same words.

The deterministic engine is the agent itself (`opine`). The other one sends what `outgoing` lets out of the machine to a
language model and gives its answer to `accept`, which takes it or refuses it; whatever goes wrong, the record gets the
deterministic opinion, and the verdict says why.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

PROMPTS = Path(__file__).parent / "prompts"

Record = TypeVar("Record")
Opinion = TypeVar("Opinion")
Opinion_co = TypeVar("Opinion_co", covariant=True)
# Takes out of a text what identifies a person; `agents.masking` makes one.
Masker = Callable[[str], str]


class Unusable(ValueError):
    """A model's answer to one record that can't be taken. Its text is a short reason code, no part of the answer."""


class Withheld(ValueError):
    """A record that must not leave the machine. Its text is a short reason code, no part of the record."""


@dataclass(frozen=True)
class Prompt:
    """What a model is told before it sees records."""

    version: str
    text: str


@functools.cache
def read_prompt(name: str) -> Prompt:
    """`prompts/<name>.md`: its first line says `version: N`, the rest is the prompt."""
    first, _, text = (PROMPTS / f"{name}.md").read_text(encoding="utf-8").partition("\n")
    return Prompt(first.removeprefix("version:").strip(), text.strip())


class Agent(Protocol[Record, Opinion_co]):
    """One kind of record, one kind of opinion. Agents hold no state: equal records, equal opinions."""

    name: str
    accepts: type[Record]
    # JSON schema of a model's answer to one record: an object, `additionalProperties: false`, every property required
    answer: dict[str, Any]

    @property
    def prompt(self) -> Prompt:
        """What a model is told before it sees records; `read_prompt(name)` as a rule."""
        ...

    def opine(self, record: Record) -> Opinion_co:
        """The deterministic opinion. Never raises for a record of the accepted type."""
        ...

    def outgoing(self, record: Record, mask: Masker) -> dict[str, Any] | None:
        """What a model may see of the record (JSON types, each free text masked); None: nothing worth asking about.

        May raise Withheld. Whatever was given to the mask is also looked at by `agents.sensitive`.
        """
        ...

    def accept(self, record: Record, answer: dict[str, Any]) -> Opinion_co:
        """The opinion that a model's answer makes. Raises Unusable when it doesn't fit the vocabulary or the record."""
        ...


@dataclass(frozen=True)
class Verdict(Generic[Opinion]):
    """An opinion and where it is from. reason: why it is the rules' (`llm_off`, `timeout`, ...); "" for llm."""

    opinion: Opinion
    source: Literal["rules", "llm"]
    reason: str
    model: str | None = None
    prompt_version: str | None = None


class Engine(Protocol):
    """Analyses records of one agent: a verdict for each, in their order, whatever happens."""

    def analyse(self, agent: Agent[Record, Opinion], records: Sequence[Record]) -> list[Verdict[Opinion]]: ...


@dataclass(frozen=True)
class Rules:
    """The deterministic engine. reason: why no model is asked."""

    reason: str = "llm_off"

    def analyse(self, agent: Agent[Record, Opinion], records: Sequence[Record]) -> list[Verdict[Opinion]]:
        return [Verdict(agent.opine(record), "rules", self.reason) for record in records]
