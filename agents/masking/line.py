"""A text as words with the gaps between them, and what each word could be a part of."""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass

from agents.masking.vocabulary import (
    BEHIND,
    BIRTH,
    DIGITS,
    HONORIFICS,
    ID_CUES,
    LOGIN_CUES,
    MONTHS,
    NAMERS,
    ORDINALS,
    PLACES,
    PREPOSITIONS,
    SIGNATURES,
    WEAK,
)

# How a word is written, and what is known of it
UNKNOWN, NUMBER, LETTER, TITLE, CAPS, KNOWN, ALSO, COMMON = (1 << n for n in range(8))
# What it says about the words beside it
DIGIT, ID, LOGIN, PLACE, MONTH, ORDINAL, BORN, LINK, CALLS, PREPOSITION = (1 << n for n in range(8, 18))

LINKERS = frozenset({"at", "dot", "www", "slash", "underscore", "dash"})
CUES: dict[str, int] = {}
for _bit, _words in (
    (DIGIT, DIGITS),
    (ID, ID_CUES),
    (LOGIN, LOGIN_CUES),
    (PLACE, PLACES),
    (MONTH, MONTHS),
    (ORDINAL, ORDINALS),
    (BORN, BIRTH),
    (LINK, LINKERS),
    (CALLS, BEHIND | HONORIFICS | SIGNATURES | NAMERS | WEAK | {"am", "this", "it", "call"}),
    (PREPOSITION, PREPOSITIONS),
):
    for _word in _words:
        CUES[_word] = CUES.get(_word, 0) | _bit

JOINTS = frozenset({".", "_", "-", "+"})


@dataclass
class Line:
    """gaps[i] stands before words[i], the last after them all; marks[i]: the placeholder for words[i], if any."""

    words: list[str]
    gaps: list[str]
    roles: list[int]

    def __post_init__(self) -> None:
        self.marks = [""] * len(self.words)
        self.live = [i for i, role in enumerate(self.roles) if role & ~(ALSO | COMMON)]
        self.lows = [*map(str.lower, self.words), "", "", "", ""]  # and the last is before the first
        self.seen = functools.reduce(operator.or_, set(self.roles), 0)
        self.odd = set(self.gaps) - {" ", ""}

    def mark(self, placeholder: str, first: int, last: int | None = None) -> None:
        for i in range(first, (first if last is None else last) + 1):
            self.marks[i] = placeholder

    def having(self, role: int) -> list[int]:
        if not self.seen & role:
            return []
        roles = self.roles
        return [i for i in self.live if roles[i] & role]

    def low(self, i: int) -> str:
        return self.lows[i] if i < len(self.lows) else ""

    def role(self, i: int) -> int:
        return self.roles[i] if 0 <= i < len(self.roles) else 0


@functools.lru_cache(4096)
def ends(gap: str) -> bool:
    """Whether a sentence or a line ends in the gap. `a.b` is no end: it may be an address."""
    return any(c in ".!?:;\n" for c in gap) and any(c.isspace() for c in gap)


@functools.lru_cache(4096)
def glued(gap: str) -> bool:
    return not any(c.isspace() for c in gap)


def joint(gap: str) -> bool:
    return gap.strip(" ") in JOINTS and not (gap[0] == "." and gap[-1] == " ")
