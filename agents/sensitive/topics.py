"""Which sensitive topics a text touches: health, self-harm, abuse, violence, safety, crime, faith and the like.

    >>> topics("I am de-pressed and c4nnot come")
    frozenset({'health'})
    >>> withheld("The video does not load"), withheld("my dauhgter has astma"), withheld("मैं बीमार हूँ")
    ('', 'sensitive', 'unread_language')

The words are data (words.toml). They are found whatever the case, accents, hyphens, digits for letters, letters of
other scripts that look alike, invisible characters, stretched or starred letters, and with one slip of the keyboard in
a longer word, unless that makes another English word. It knows words, not meanings: a text can touch a topic without
any of them, and `sick of waiting` is held back as well. Time is linear in the length of the text.
"""

from __future__ import annotations

import functools
import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from agents.masking.vocabulary import vocabulary

WORDS = Path(__file__).parent / "words.toml"
BY_MODELS = frozenset({"accusation"})  # not held against people's texts
PRIVATE = frozenset({"private_life"})  # not held against a model's words: it was told nothing to say it of
BUSINESS = "business"  # the one topic that speaks for a text
# Topics that are an accusation in a model's words
ACCUSING = frozenset({"accusation", "abuse", "violence", "substances", "crime"})

LONGEST_WORD = 40  # letters of a word that are looked at
SHORTEST_MENDED = 6  # letters: a shorter word is one slip from too many others
SHORTEST_STEM = 8  # letters: of a shorter stem only the English words that begin like it are mended
LONGEST_GAP = 2  # words that `~` stands for in a phrase

_TOKEN = re.compile(r"\S+")
_PIECE = re.compile(r"[a-z0-9@$|!]+(?:'[a-z]+)*")
_EDGE = "\"'()[]{}<>.,;:!?*_-~`/\\|=+#"
_STRETCHED = re.compile(r"(.)\1{2,}")
_STARRED = re.compile(r"[a-z]+(?:[*#_•]+[a-z]+)+")
_SUFFIXES = frozenset({"s", "ll", "d", "ve", "re", "m", "t"})
# h1t, k1ll, d3pr3ss3d, @buse: a 1 is an i or an l
_LEET = [str.maketrans("0134578@$|!", f"o{one}eastbas{one}{one}") for one in "il"]
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u17b4\u17b5")
_LETTERS = {
    **dict(zip("øłđıæœþðħŋ", ("o", "l", "d", "i", "ae", "oe", "th", "d", "h", "n"), strict=True)),
    **dict.fromkeys("’‘ʼ`´′", "'"),
    **dict.fromkeys("‐‑‒–—―−", "-"),
}
# Letters of other scripts that are taken for a Latin one, where they stand beside Latin ones
_ALIKE = str.maketrans("авекмнорстухіјѕԁԛԝԍһӏαβεηικνορτυχγ", "abekmhopctyxijsdqwghlabeniknoptuxy")


class _Plain(dict[int, str]):
    """Each character in its plainest form: lower case, no accent, nothing for what is not seen."""

    def __missing__(self, code: int) -> str:
        folded = unicodedata.normalize("NFKD", chr(code)).casefold()
        seen = (c for c in folded if unicodedata.category(c)[0] != "M" and unicodedata.category(c) != "Cf")
        self[code] = "".join(_LETTERS.get(c, c) for c in seen if c not in _FILLERS)
        return self[code]


_PLAIN = _Plain()


def plain(text: str) -> str:
    return text.translate(_PLAIN)


@dataclass
class _Words:
    """words: whole ones; stems: beginnings; phrases: by their first word; forms: words of six letters and more, and
    starred and misspelt ones by what is left of them."""

    words: dict[str, set[str]] = field(default_factory=dict)
    stems: dict[str, set[str]] = field(default_factory=dict)
    phrases: dict[str, list[tuple[tuple[str, ...], str]]] = field(default_factory=dict)
    ordinary: set[str] = field(default_factory=set)

    def add(self, entry: str, topic: str) -> None:
        parts = entry.split()
        if len(parts) > 1 and "*" in parts[0]:
            raise ValueError(f"{WORDS.name}: the first word of a phrase takes no star: {entry}")
        if len(parts) > 1:
            self.phrases.setdefault(parts[0], []).append((tuple(parts), topic))
        if "~" not in parts:
            joined = "".join(part.rstrip("*") for part in parts)
            kind = self.stems if entry.endswith("*") else self.words
            kind.setdefault(joined, set()).add(topic)

    def exact(self, word: str) -> set[str]:
        if word in self.ordinary:
            return set()
        found = set(self.words.get(word, ()))
        for end in range(3, len(word) + 1):
            found |= self.stems.get(word[:end], set())
        return found

    @functools.cached_property
    def forms(self) -> dict[str, set[str]]:
        """Every known form -> its topics: the entries, and the English words that begin like one."""
        stems = (stem for stem in self.stems if len(stem) >= SHORTEST_STEM)
        known = {*self.words, *stems, *(word for word in vocabulary().ordinary if word.isalpha())}
        found = {form: self.exact(form) for form in known if len(form) > 2}
        return {form: topics for form, topics in found.items() if topics}

    @functools.cached_property
    def slips(self) -> dict[str, set[str]]:
        """A form with a letter less, or none -> its topics."""
        slips: dict[str, set[str]] = {}
        for form, topics in self.forms.items():
            if len(form) >= SHORTEST_MENDED:
                for left in _left(form):
                    slips.setdefault(left, set()).update(topics)
        return slips


def _left(word: str) -> Iterator[str]:
    """The word, and it without one of its letters; the first is nearly always right."""
    yield word
    yield from (word[:at] + word[at + 1 :] for at in range(1, len(word)))


@functools.cache
def _words() -> _Words:
    words = _Words()
    listed = tomllib.loads(WORDS.read_text(encoding="utf-8"))
    words.ordinary = {entry for text in listed.pop("ordinary").values() for entry in _entries(text)}
    for topic, languages in listed.items():
        for text in languages.values():
            for entry in _entries(text):
                words.add(entry, topic)
    return words


def _entries(text: str) -> Iterator[str]:
    """The entries as they're compared; of a German umlaut both ways to write it."""
    for entry in filter(None, (" ".join(entry.split()) for entry in text.split(","))):
        yield plain(entry).replace("'", "")
        if set(entry) & set("äöü"):
            yield plain(entry.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue"))


@functools.lru_cache(100_000)
def _of_word(word: str) -> frozenset[str]:
    """The topics of one word in plain letters."""
    words = _words()
    found = words.exact(word)
    if _STRETCHED.search(word):
        found |= words.exact(_STRETCHED.sub(r"\1", word)) | words.exact(_STRETCHED.sub(r"\1\1", word))
    if not found and len(word) >= SHORTEST_MENDED and word.isalpha() and word not in vocabulary().ordinary:
        for left in _left(word):
            found |= words.slips.get(left, set())
    return frozenset(found)


@functools.lru_cache(10_000)
def _of_starred(token: str) -> frozenset[str]:
    """s*x, sui**de: whatever known word it may stand for."""
    pattern = re.compile(re.sub(r"[*#_•]", ".", token))
    return frozenset[str]().union(*(topics for form, topics in _words().forms.items() if pattern.fullmatch(form)))


def topics(text: str) -> frozenset[str]:
    """The sensitive topics of words.toml that a text touches."""
    return frozenset(_all(text) - {BUSINESS})


def is_business(text: str) -> bool:
    """Whether a text names something that a school's office deals with."""
    return BUSINESS in _all(text)


def _all(text: str) -> set[str]:
    found, words = _of_words(text)
    return found | _phrases(words)


def _of_words(text: str) -> tuple[set[str], list[str]]:
    """The topics of the words of a text, and the words in their order, for phrases."""
    words: list[str] = []
    found: set[str] = set()
    letters = ""  # s u i c i d e
    for token in _TOKEN.findall(_latin(plain(text))):
        for word in _spellings(token, words):
            found |= _of_word(word[:LONGEST_WORD])
        bare = token.strip(_EDGE)
        if len(bare) <= LONGEST_WORD and _STARRED.fullmatch(bare):
            found |= _of_starred(bare)
        if len(bare) == 1:
            letters = (letters + bare)[:LONGEST_WORD]
            found |= _of_word(letters) if len(letters) > 3 else frozenset()
        elif bare:
            letters = ""
    return found, words


def _latin(text: str) -> str:
    """Words of Latin and other letters with the others as the Latin ones that they look like."""
    if text.isascii():
        return text
    return " ".join(token.translate(_ALIKE) if re.search("[a-z]", token) else token for token in text.split(" "))


def _spellings(token: str, words: list[str]) -> Iterator[str]:
    """The words of a token, in every reading; adds them to `words` as they stand."""
    for piece in _PIECE.findall(token):
        base, _, suffix = piece.strip("@$|!").partition("'")
        word = base if suffix in _SUFFIXES else base + suffix
        words.append(piece.strip("@$|!").replace("'", ""))
        yield word
        if not word.isalpha():
            yield from (_read(piece, table) for table in _LEET)
    if not token.strip(_EDGE).isalpha() and len(token) <= 2 * LONGEST_WORD and "'" not in token:
        for table in _LEET:
            yield _read(token.strip(_EDGE), table)  # de-pressed, s.u.i.c.i.d.e


def _read(token: str, table: dict[int, int]) -> str:
    return re.sub("[^a-z]", "", token.translate(table)) if re.search("[a-z]", token) else ""


def _phrases(words: list[str]) -> set[str]:
    found: set[str] = set()
    known = _words().phrases
    for at, word in enumerate(words):
        for parts, topic in known.get(word, ()):
            if topic not in found and _matches(words, at, parts):
                found.add(topic)
    return found


def _matches(words: list[str], at: int, parts: tuple[str, ...]) -> bool:
    """Whether the phrase stands at words[at]."""
    for place, part in enumerate(parts):
        if part == "~":
            return any(_matches(words, at + gap, parts[place + 1 :]) for gap in range(LONGEST_GAP + 1))
        if at >= len(words):
            return False
        if not (words[at].startswith(part[:-1]) if part.endswith("*") else words[at] == part):
            return False
        at += 1
    return True


def withheld(text: str) -> str:
    """Why a text must not leave the machine: `sensitive`, `unread_language` (other letters than Latin), or ""."""
    if topics(text) - BY_MODELS:
        return "sensitive"
    return "unread_language" if any(map(_is_unread, _TOKEN.findall("" if text.isascii() else text))) else ""


def _is_unread(token: str) -> bool:
    """Whether a token is a word of a script that the list has no words of. A letter alone may be a formula's."""
    letters = [c for c in plain(token) if c.isalpha()]
    return len(letters) > 1 and not any(c.isascii() for c in letters)
