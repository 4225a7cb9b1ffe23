"""A text as sentences, words and phrases of the lexicon: what mood, category and priority of a ticket are read from.

    stem          refunded, refunds, refunding -> refund: one entry of the lexicon for all forms of a word
    mend          crahses -> crashes: one letter too many, too few, or two swapped
    read          a text -> its sentences, each with the phrases of the lexicon that occur in it

All of it is deterministic and knows nothing but the text and the lexicon.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import NamedTuple

from agents.tickets import lexicon
from agents.tickets.language import LONGEST

LONGEST_GAP = 2  # words that "~" stands for in a phrase of the lexicon
SHORTEST_MENDED = 6  # letters: of shorter words too many are one letter from another one

_EMOJI = "[\U0001f300-\U0001faff\u2600-\u27bf]"
_TOKEN = re.compile(
    rf"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+(?:[.,:]\d+)*|{_EMOJI}|:-?[()D]|[₹$€£%&?!.,;:\n()\[\]–—-]", re.UNICODE
)
_SENTENCE_ENDS = frozenset(".!?\n;")
_CLAUSE_ENDS = frozenset(",:()[]–—-")
_VOWELS = frozenset("aeiouy")
_CVC = re.compile("^[^aeiou]*[^aeiou][aeiouy][^aeiouwxy]$")
SET_PHRASES = frozenset({"neutral", "set phrase", "thank for a wrong"})  # tags: more than the sum of the words
_STRETCHED = re.compile(r"([a-z])\1{2,}")  # sooo, pleeease
_QUOTED = re.compile(r'"[^"\n]*"|“[^”\n]*”|«[^»\n]*»|(?m:^>.*$)')
SHORTEST_QUOTE = 4  # words: a shorter quotation is an error message or an ironic mark, not another person's sentence


class Token(NamedTuple):
    """A word as written in lower case, its stem, and whether it was SHOUTED."""

    text: str
    stem: str
    shouted: bool = False


class Hit(NamedTuple):
    """A phrase of the lexicon at tokens[start:end]."""

    start: int
    end: int
    meaning: lexicon.Meaning


class Sentence(NamedTuple):
    """Words up to a full stop, its phrases in order, and the marks it ends with ("", ".", "!!!", "?")."""

    tokens: list[Token]
    hits: list[Hit]
    end: str
    tags: frozenset[str]

    def has(self, tag: str) -> bool:
        return tag in self.tags


# --- words ----------------------------------------------------------------------------------------------------------


def stem(word: str) -> str:
    """charged, charges, charging -> charg; studies -> studi, study -> studi. Not a word, but the same for all forms."""
    word = word.replace("’", "'").removesuffix("'s")
    if len(word) <= 3 or not word.isascii() or word in lexicon.not_a_form():
        return word
    if word.endswith("ies") or word.endswith("ied"):
        return word[:-2]
    bare = _without_ending(word)
    if bare.endswith("y") and bare[-2] not in _VOWELS:
        return bare[:-1] + "i"
    return bare[:-1] if len(bare) > 4 and bare.endswith("e") else bare


def _without_ending(word: str) -> str:
    for ending in ("ing", "ed"):
        left = word.removesuffix(ending)
        if left != word and len(left) > 1 and _VOWELS & set(left):
            if left[-1] == left[-2] and left[-1] not in "lsz":
                return left[:-1]  # stopped -> stop
            return left + "e" if _CVC.match(left) and len(left) <= 3 else left  # hated -> hate
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and word[-2] not in "sui" else word


def mend(word: str) -> str:
    """The stem of a word; of a stretched or misspelt one the stem of the word of the lexicon one slip away, if any."""
    if _STRETCHED.search(word):
        shorter = [stem(_STRETCHED.sub(letters, word)) for letters in (r"\1\1", r"\1")]
        return next((near for near in shorter if near in lexicon_stems()), shorter[0])
    own = stem(word)
    if len(word) < SHORTEST_MENDED or not word.isascii() or own in lexicon_stems():
        return own
    return next((near for near in _slips(own) if len(near) > 3 and near in lexicon_stems()), own)


def _slips(word: str) -> Iterable[str]:
    """A letter less, two letters swapped, a letter more; the first letter is nearly always right."""
    places = range(1, len(word))
    yield from (word[:at] + word[at + 1 :] for at in places)
    yield from (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in places[:-1])
    yield lexicon_deletes().get(word, "")


# --- the lexicon, by first word -------------------------------------------------------------------------------------

Phrase = tuple[tuple[str, ...], lexicon.Meaning]


@functools.cache
def lexicon_phrases() -> dict[str, tuple[Phrase, ...]]:
    """Stem of the first word -> (stems of the others, meaning), the longest first; "~" is a gap."""
    found: dict[str, list[Phrase]] = {}
    for phrase, meaning in lexicon.meanings().items():
        first, *others = (word if word == "~" else stem(word) for word in phrase.split())
        found.setdefault(first, []).append((tuple(others), meaning))
    merged = {first: _merged(phrases) for first, phrases in found.items()}
    return {first: tuple(sorted(phrases, key=lambda each: -len(each[0]))) for first, phrases in merged.items()}


def _merged(phrases: list[Phrase]) -> list[Phrase]:
    """Forms of one word are one entry; a phrase also says what its first word says, unless it is a set phrase."""
    meanings: dict[tuple[str, ...], lexicon.Meaning] = {}
    for others, meaning in phrases:
        meanings[others] = meanings[others].and_also(meaning) if others in meanings else meaning
    alone = meanings.get((), lexicon.Meaning())
    return [(others, said if said.tags & SET_PHRASES else said.and_also(alone)) for others, said in meanings.items()]


@functools.cache
def lexicon_stems() -> frozenset[str]:
    """Stems of the words that stand alone in the lexicon."""
    alone = {first for first, phrases in lexicon_phrases().items() if any(not others for others, _ in phrases)}
    return frozenset(alone | {stem(word) for word in lexicon.fails_when_negated()})


@functools.cache
def lexicon_deletes() -> dict[str, str]:
    """A stem with one letter left out -> the stem; the alphabetically first where several fit."""
    stems = sorted((word for word in lexicon_stems() if len(word) >= SHORTEST_MENDED - 1), reverse=True)
    return {word[:at] + word[at + 1 :]: word for word in stems for at in range(1, len(word))}


def _match(tokens: list[Token], at: int, others: tuple[str, ...]) -> int | None:
    """The end of the phrase whose first word stands before `at`, None if it does not go on here."""
    for place, word in enumerate(others):
        if word == "~":
            ends = (_match(tokens, at + gap, others[place + 1 :]) for gap in range(LONGEST_GAP + 1))
            return next((end for end in ends if end is not None), None)
        if at >= len(tokens) or tokens[at].stem != word:
            return None
        at += 1
    return at


def _phrases_in(tokens: list[Token]) -> list[Hit]:
    """At every word the longest phrase that begins there; a set phrase ("kind regards") hides the words in it."""
    known, hits, skip = lexicon_phrases(), [], 0
    for at, token in enumerate(tokens):
        phrases = known.get(token.stem)
        if phrases is None or at < skip:
            continue
        following = tokens[at + 1].stem if at + 1 < len(tokens) else ""
        for others, meaning in phrases:
            if others and others[0] != following and others[0] != "~":
                continue  # as nearly always: saves the call
            end = _match(tokens, at + 1, others) if others else at + 1
            if end is not None:
                hits.append(Hit(at, end, meaning))
                skip = end if meaning.tags & SET_PHRASES else skip
                break
    return hits


# --- sentences ------------------------------------------------------------------------------------------------------


def read(text: str) -> list[Sentence]:
    """The sentences of a text. A mark inside a sentence (comma, colon, dash) is a token of its own."""
    sentences: list[Sentence] = []
    tokens: list[Token] = []
    end = ""
    for found in _TOKEN.findall(text[:LONGEST]):
        if found in _SENTENCE_ENDS:
            end += found
            continue
        if end and tokens:
            sentences.append(_sentence(tokens, end))
            tokens = []
        end = ""
        tokens.append(_token(found))
    return [*sentences, _sentence(tokens, end)] if tokens else sentences


@functools.lru_cache(maxsize=50_000)
def _token(found: str) -> Token:
    lower = found.lower()
    loud = found.isupper() and len(found) > 2 and lower not in lexicon.acronyms()
    return Token(lower, mend(lower), loud or bool(_STRETCHED.search(lower)))


def _sentence(tokens: list[Token], end: str) -> Sentence:
    hits = _phrases_in(tokens)
    return Sentence(tokens, hits, end.strip(), frozenset().union(*(hit.meaning.tags for hit in hits)))


def own_words(text: str) -> str:
    """The text without the sentences it quotes; whole when there is nothing else in it."""
    if not any(mark in text for mark in '"“«>'):
        return text
    left = _QUOTED.sub(lambda quote: " " if len(quote[0].split()) >= SHORTEST_QUOTE else quote[0], text)
    return left if re.search(r"\w", left) else text


def is_clause_end(token: Token) -> bool:
    return token.text in _CLAUSE_ENDS
