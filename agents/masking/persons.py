"""Names of people among ordinary words: `Grace`, `my name is will`, `Regards, Rose`, `Hunter Brown`.

Words that aren't in the vocabulary are marked already; what is left to find are names that are words as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Set

from agents.masking.line import ALSO, CALLS, CAPS, COMMON, KNOWN, LETTER, MONTH, TITLE, UNKNOWN, Line, ends, glued
from agents.masking.vocabulary import BEHIND, FILLERS, HONORIFICS, NAMERS, SIGNATURES, VERBS, WEAK, WEAK_PAIRS

NAME = "[name]"
ANNOUNCED = 4  # words of a name behind `my name is`


def find(line: Line, parts: Set[str], pairs: Set[tuple[str, str]]) -> None:
    """Marks the names of people. parts: of known names; pairs: two words that are one known person's name."""
    seen = line.seen
    if seen & (TITLE | CAPS):
        capitals(line)
    if seen & LETTER:
        initials(line)
    if seen & CALLS:
        announced(line)
    if seen & KNOWN:
        beside(line, pairs)
    if any(map(glued, line.odd)):
        syllables(line, parts)
    if seen & (KNOWN | TITLE | CAPS):
        halves = line.having(KNOWN | TITLE | CAPS)
        neighbours(line, halves, -1)
        neighbours(line, halves[::-1], 1)
        signatures(line)


def call(line: Line, first: int, last: int | None = None) -> None:
    for i in range(first, (first if last is None else last) + 1):
        if line.marks[i] in ("", "[word]"):
            line.marks[i] = NAME


def starts(line: Line, i: int) -> bool:
    return i == 0 or ends(line.gaps[i])


def shouted(line: Line, i: int) -> bool:
    """Whether words[i] stands in capitals among words in capitals: then they say nothing."""
    return bool(line.roles[i] & CAPS and (line.role(i - 1) & CAPS or line.role(i + 1) & CAPS))


def capitals(line: Line) -> None:
    for i in line.having(TITLE | CAPS):
        role, low = line.roles[i], line.low(i)
        plain = starts(line, i) or shouted(line, i)  # there a capital says nothing
        if role & KNOWN:
            name = not (plain and low in VERBS)
        else:
            name = not plain and bool(role & ALSO or not role & COMMON) and not role & MONTH and low not in FILLERS
        if name:
            call(line, i)


def initials(line: Line) -> None:
    """A. Rao, Rao R."""
    for i in line.having(LETTER):
        if line.words[i].isupper() and line.words[i] != "I":
            after = line.gaps[i + 1][:1] == "." and line.role(i + 1) & (TITLE | UNKNOWN | CAPS)
            if after or (i > 0 and line.marks[i - 1] == NAME and not ends(line.gaps[i])):
                call(line, i)


def announced(line: Line) -> None:
    for i in line.having(CALLS):
        low = line.low(i)
        if low in BEHIND:
            if line.role(i - 1) & (KNOWN | ALSO) and (low != "here" or line.role(i - 1) & KNOWN):
                call(line, i - 1)
        elif low in HONORIFICS:
            take(line, i + 1, anything=True)
        elif low in SIGNATURES:
            take(line, i + 1)
        elif low in NAMERS and (line.low(i + 1) in ("is", "as") or any(c in ":=-" for c in line.gaps[i + 1])):
            take(line, i + (1 if line.low(i + 1) not in ("is", "as") else 2))
        elif (low, line.low(i + 1)) in WEAK_PAIRS:
            take(line, i + 2, surely=False)
        elif low in WEAK or low in NAMERS:
            take(line, i + 1, surely=False)


def take(line: Line, first: int, anything: bool = False, surely: bool = True) -> None:
    """Marks the words from the first on as long as they may be a name.

    anything: the first is one unless it's a filler. surely: a word that is also a name is one, however it's written.
    """
    for i in range(first, min(first + ANNOUNCED, len(line.words))):
        role = line.roles[i]
        if (i > first and ends(line.gaps[i])) or (line.low(i) in FILLERS and not role & KNOWN):
            break
        capital = role & (TITLE | CAPS) and not shouted(line, i) and not (surely and starts(line, i) and i > first)
        if not (capital or role & (KNOWN | UNKNOWN) or (surely and role & ALSO) or (anything and i == first)):
            break
        call(line, i)


def beside(line: Line, pairs: Set[tuple[str, str]]) -> None:
    """Two words side by side that are one known person's name, however they're written; `will j. young` too."""
    for i in line.having(KNOWN):
        other = i + 2 if line.role(i + 1) & LETTER else i + 1
        if line.role(other) & KNOWN and (base(line, i), base(line, other)) in pairs:
            call(line, i, other)


def base(line: Line, i: int) -> str:
    return line.low(i).removesuffix("'s")


def syllables(line: Line, parts: Set[str]) -> None:
    """A known name cut up: as-ha, gr_ace, m.a.r.k."""
    for i in range(1, len(line.words)):
        if glued(line.gaps[i]):
            two = line.low(i - 1) + line.low(i)
            if two in parts:
                call(line, i - 1, i)
            elif i > 1 and glued(line.gaps[i - 1]) and line.low(i - 2) + two in parts:
                call(line, i - 2, i)


def neighbours(line: Line, halves: list[int], side: int) -> None:
    """What stands beside a name and could be its other half is marked too; side: where the name stands (-1 before)."""
    for i in halves:
        other = i + side
        if not 0 <= other < len(line.words) or line.marks[i] or line.marks[other] not in (NAME, "[email]"):
            continue
        gap, role = line.gaps[max(i, other)], line.roles[i]
        if line.role(min(i, other)) & LETTER:
            gap = gap.replace(".", "", 1)
        if ends(gap) or (line.low(i) in FILLERS and not role & KNOWN):
            continue
        if role & KNOWN or (not shouted(line, i) and line.roles[other] & (TITLE | CAPS | KNOWN)):
            call(line, i)


def signatures(line: Line) -> None:
    """A line or sentence of one to three words that are all names: `Rose`, `Grace Hunter`."""
    for first, last in sentences(line):
        roles, marks = line.roles[first : last + 1], line.marks[first : last + 1]
        written = all(role & (KNOWN | TITLE) or mark for role, mark in zip(roles, marks, strict=True))
        if written and all(role & (KNOWN | ALSO) or mark for role, mark in zip(roles, marks, strict=True)):
            call(line, first, last)


def sentences(line: Line) -> Iterator[tuple[int, int]]:
    """The first and last word of each sentence of one to three words."""
    stops = [0, *(i for i in range(1, len(line.words)) if line.gaps[i] != " " and ends(line.gaps[i])), len(line.words)]
    return ((first, stop - 1) for first, stop in itertools.pairwise(stops) if 0 < stop - first <= 3)
