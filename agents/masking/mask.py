"""What is taken out of a text before it leaves the machine: whatever isn't known to be ordinary.

    >>> masker(["Asha Rao"])("I am Asha (STU001, asha@x.in), call 98450 12345: no refund for 2 weeks!")
    'I am [name] ([id], [email]), call [phone]: no refund for 2 weeks!'

A list of what to take out is never complete; a list of what may stay can be. So a text is cut into words, and only
words of the vocabulary and small numbers stay. That leaves the ordinary words that identify somebody where they stand:
`Grace` who is a student, `12 Lotus Street`, `grace dot hope at school dot com`, a phone number spelled out. They're
found by what stands beside them: `agents.traces` and `agents.persons` know how. Look-alike letters, invisible
characters and other scripts need no rule, because what they make isn't in the vocabulary.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from agents.masking import line as lines
from agents.masking import persons, traces
from agents.masking.vocabulary import MONTHS, VERBS, Vocabulary, vocabulary
from agents.protocol import Masker

# Characters that are not seen: soft hyphen, joiners, fillers, direction marks, variation selectors, tags
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\U000e0000-\U000e0fff]"
)
PLAIN = str.maketrans({**dict.fromkeys("’‘ʼ`´′", "'"), **dict.fromkeys("‐‑‒–—―−", "-"), "⁄": "/", "“": '"', "”": '"'})
RUN = re.compile(r"[^\w\s!-~]{31}")  # perhaps more combining marks than Unicode allows: sorting takes their square
WORD = re.compile(r"([^\W_]+(?:'[^\W_]+)*)")
GAP = re.compile(r"[^ \n.,;:!?'\"()\[\]\-/%+&*=<>#…₹$€£_~|@^{}\\😀😃😄😊🙂😐😕🙁😞😢😭😠😡🤬👍👎🙏❤💔]")
# 2nd, 10am, 500mb: a small number with a unit
MEASURE = re.compile(r"\d{1,3}(?:st|nd|rd|th|am|pm|x|mb|gb|kb|tb|k|mins?|hrs?|h|s|secs?|ms|mbps|kbps|px|p|fps|days?)")
SUFFIXES = frozenset({"s", "ll", "d", "ve", "re", "m", "t"})
REMEMBERED = 200_000
LONGEST_WORD = 100  # letters; a longer one is nobody's name, and is not kept


def fold(word: str) -> str:
    """A name as people type it: lower case, without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c)).lower()


@dataclass
class People:
    """Known names. ordinary: those that are words too; pairs: two parts of one person's name.

    whole: a name and no more that people seldom write as a word (Joy).
    """

    parts: set[str] = field(default_factory=set)
    ordinary: set[str] = field(default_factory=set)
    pairs: set[tuple[str, str]] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, names: Iterable[str], words: Vocabulary) -> People:
        people = cls()
        for name in names:
            parts = [fold(part) for part in WORD.findall(tidy(name)) if len(part) > 1]
            people.parts.update(parts)
            people.parts.update(part.replace("'", "") for part in parts)
            known = [part for part in parts if part in words.ordinary]
            people.ordinary.update(known)
            people.whole.update(parts if len(parts) == 1 and parts[0] in words.names - VERBS else ())
            people.pairs.update((a, b) for a in parts for b in parts if a != b)
        return people


def tidy(text: str) -> str:
    """The text without invisible characters, each letter in its plainest form, white space a blank or a new line."""
    if not isinstance(text, str):
        return ""
    if not text.isascii():
        if RUN.search(text):
            text = "".join(c for c in text if not unicodedata.combining(c))
        text = INVISIBLE.sub("", unicodedata.normalize("NFKC", INVISIBLE.sub("", text))).translate(PLAIN)
    return text.replace("\r", "\n").replace("\t", " ")


class Roles(dict[str, int]):
    """The roles of each form of a word that was met; see `agents.line`."""

    def __init__(self, words: Vocabulary, people: People) -> None:
        super().__init__()
        self.words, self.people = words, people

    def __missing__(self, word: str) -> int:
        if len(self) > REMEMBERED:
            self.clear()
        role = self.role(word)
        if len(word) <= LONGEST_WORD:
            self[word] = role
        return role

    def role(self, word: str) -> int:
        if word.isascii() and word.isdigit():
            return lines.NUMBER
        low = word.lower()
        if len(word) == 1 and word.isascii():
            return lines.LETTER | (lines.CALLS if low == "i" else 0)
        stem, _, suffix = low.rpartition("'")
        base = stem if stem and suffix in SUFFIXES and low not in self.words.ordinary else low
        if not word.isascii() or (base not in self.words.ordinary and not MEASURE.fullmatch(low)):
            known = lines.KNOWN if self.named(low, base) else 0
            return lines.UNKNOWN | self.looks(word) | known | lines.CUES.get(base, 0)
        role = self.looks(word) | lines.CUES.get(base, 0)
        role |= lines.KNOWN if base in self.people.ordinary else 0
        role |= lines.ALSO if base in self.words.names else 0
        role |= lines.COMMON if base in self.words.common else 0
        if base in self.people.whole or (role & lines.KNOWN and not role & lines.COMMON):
            return role | lines.UNKNOWN  # as a word it is rarer than as this person's name
        if word in self.words.written and base not in MONTHS:
            role = role & ~(lines.TITLE | lines.CAPS) if not role & lines.KNOWN else role
        return role if role & ~lines.COMMON else 0

    def named(self, low: str, base: str) -> bool:
        return len(low) <= LONGEST_WORD and bool(
            {low, base, fold(low), fold(base), fold(low).replace("'", "")} & self.people.parts
        )

    def looks(self, word: str) -> int:
        """How it is written: with a capital, in capitals, or in a way nobody writes an ordinary word."""
        if word in self.words.written or word.islower() or word.isnumeric():
            return 0 if word.islower() else lines.TITLE
        if word[0].isupper() and (word[1:].islower() or not word[1:].isalpha()):
            return lines.TITLE
        return lines.CAPS if word.isupper() else lines.UNKNOWN | lines.TITLE


@dataclass(frozen=True)
class Mask:
    """A masker of one vocabulary and one set of known people."""

    roles: Roles
    gaps: dict[str, str] = field(default_factory=dict)

    def __call__(self, text: str) -> str:
        pieces = WORD.split(tidy(text))
        words, gaps = pieces[1::2], pieces[::2]
        roles = list(map(self.roles.__getitem__, words))
        line = lines.Line(words, gaps, roles)
        traces.find(line)
        persons.find(line, self.roles.people.parts, self.roles.people.pairs)
        return self.written(line)

    def written(self, line: lines.Line) -> str:
        """The text again: a placeholder for each stretch of words with one mark, the rest as it was."""
        out: list[str] = []
        before = ""
        for word, gap, mark in zip(line.words, line.gaps, line.marks, strict=False):
            if mark and mark == before and not lines.ends(gap):
                continue
            out += (gap if gap == " " else self.gap(gap), mark or word)
            before = mark
        out.append(self.gap(line.gaps[-1]))
        return "".join(out)

    def gap(self, gap: str) -> str:
        clean = self.gaps.get(gap)
        if clean is None:
            # a blank, never nothing: what stood on both sides must not become one word
            clean = re.sub(" +", " ", GAP.sub(" ", gap))
            if len(self.gaps) < REMEMBERED and len(gap) < 20:
                self.gaps[gap] = clean
        return clean


def masker(names: Iterable[str]) -> Masker:
    """A masker that knows these people (full names); it takes out all others' names too, as far as they're no words."""
    words = vocabulary()
    return Mask(Roles(words, People.of(names, words)))
