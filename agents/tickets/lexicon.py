"""What words and phrases mean in a support ticket. The words are data: lexicon.toml, and subjects.toml for what a
ticket is about; both are read once, when the first ticket is."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Any, NamedTuple


class Meaning(NamedTuple):
    """feeling: -4 to 4, 0 = none. tags: those of lexicon.toml, and "about <topic>". hints: (category, weight)."""

    feeling: float = 0.0
    tags: frozenset[str] = frozenset()
    hints: tuple[tuple[str, float], ...] = ()

    def and_also(self, other: Meaning) -> Meaning:
        stronger = max(self.feeling, other.feeling, key=abs)
        hints = dict(self.hints)
        for category, weight in other.hints:
            hints[category] = max(weight, hints.get(category, 0.0))
        return Meaning(stronger, self.tags | other.tags, tuple(hints.items()))


@functools.cache
def _data(name: str) -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))


@functools.cache
def meanings() -> dict[str, Meaning]:
    """Every phrase with all that is said about it."""
    found: dict[str, Meaning] = {}

    def add(phrases: str, meaning: Meaning) -> None:
        for phrase in (" ".join(part.split()) for part in phrases.split(",")):
            if phrase:
                found[phrase] = found[phrase].and_also(meaning) if phrase in found else meaning

    lexicon, subjects = _data("lexicon.toml"), _data("subjects.toml")
    for feeling, phrases in lexicon["feelings"].items():
        add(phrases, Meaning(feeling=float(feeling)))
    for tag, phrases in lexicon["tags"].items():
        add(phrases, Meaning(tags=frozenset({tag})))
    for topic, phrases in subjects["topics"].items():
        add(phrases, Meaning(tags=frozenset({f"about {topic}"})))
    for category, weights in subjects["categories"].items():
        for weight, phrases in weights.items():
            add(phrases, Meaning(hints=((category, float(weight)),)))
    return found


@functools.cache
def fails_when_negated() -> frozenset[str]:
    """Words whose failing is a grievance by itself, as they are written."""
    words = _data("lexicon.toml")["fails_when_negated"]
    verbs = words["verbs"].split()
    with_s = (verb + ("es" if verb.endswith("sh") else "s") for verb in verbs)
    return frozenset((*words["done"].split(), *verbs, *with_s))


@functools.cache
def not_a_form() -> frozenset[str]:
    """Words whose ending is no ending."""
    return frozenset(_data("lexicon.toml")["words"]["not_a_form"].split())


@functools.cache
def acronyms() -> frozenset[str]:
    """Words that are written in capitals and not shouted."""
    return frozenset(_data("lexicon.toml")["words"]["acronyms"].split())
