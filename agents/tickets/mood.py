"""How the writer of a ticket feels: from -1 (furious) over 0 (matter of fact) to 1 (delighted).

A ticket is no film review. Most grievances carry no word of feeling ("the videos never load", "charged twice", "three
weeks and no answer"), many carry a friendly one ("Great course, but ..."), and thanks may be a mere closing formula. So
three things are weighed apart and then put together:

    feelings    words of feeling, as negated, strengthened or softened by the words before them
    failures    something is broken, late, missing or wrong, and not resolved since; whatever their number, they make a
                ticket Negative, never Very Negative
    thanks      count when nothing is asked for and nothing is wrong

The numbers below were fitted on the half `tune` of tests/cases/tickets, by hand.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from agents.tickets import lexicon
from agents.tickets.words import Hit, Sentence, is_clause_end

NEGATION_REACH = 4  # words after a negation that it may turn round
NEGATED_PRAISE, NEGATED_BLAME = -0.8, -0.55  # "not happy" is nearly unhappy, "not bad" is half-way to good
STRENGTHENED, SOFTENED, SHOUTED = 1.3, 0.5, 1.35
QUESTIONED = 0.2  # which course is the best? praise that is asked for is not given
BEFORE_BUT, AFTER_BUT = 0.45, 1.2
FADING = 0.75  # each further word of a kind, the strongest first, adds so much of what it says
FAILURE = -1.5
STRONG, MOST_MILD = -2.5, 4.2  # failures and feelings weaker than STRONG make no ticket Very Negative, however many
MINOR = 0.3  # what a failure weighs that its writer calls small
THANKS, RESOLVED = 1.6, 1.4
BLAME_WHEN_RESOLVED = 0.25
PRAISE_BESIDE_FAILURE, MOST_PRAISE_BESIDE_FAILURE = 0.3, 0.5
REAL_PRAISE, LOWEST_MIXED = 2.0, -4.8  # who means to praise something is not Very Negative
UNASKED, FEWEST_UNASKED = -1.2, 6  # so many words that ask for nothing are rarely sent without a grievance
EXCLAIMED = 0.1  # per exclamation mark, up to four
SPREAD = 5.0  # the raw mood that becomes 0.76
POSITIVE, NEGATIVE, VERY_NEGATIVE = 0.21, -0.18, -0.75  # scores from which a mood has its name


FAILING = frozenset({"failure", "waiting", "money gone"})
CONCEDING = frozenset({"but", "although"})


class Mood(NamedTuple):
    """score: -1 to 1, two decimals. failures: how many are told and not resolved. failing, asking: of each sentence,
    whether it tells of one, whether it asks for something."""

    score: float
    failures: int
    resolved: bool
    failing: tuple[bool, ...]
    asking: tuple[bool, ...]

    @property
    def name(self) -> str:
        return named(self.score)


class Weighed(NamedTuple):
    """What one sentence says. feelings: signed weights; failures: how many; the rest: whether it is there."""

    feelings: list[float]
    failures: int
    thanks: bool
    asks: bool
    resolved: bool
    ironic: bool


def named(score: float) -> str:
    """-0.9 -> Very Negative."""
    if score <= NEGATIVE:
        return "Very Negative" if score <= VERY_NEGATIVE else "Negative"
    return "Positive" if score >= POSITIVE else "Neutral"


def mood_of(sentences: list[Sentence]) -> Mood:
    """The mood of a text, from its sentences."""
    weighed = _without_irony(sentences, [_weigh(sentence) for sentence in sentences])
    resolved = any(each.resolved for each in weighed)
    failures = 0 if resolved else sum(each.failures for each in weighed)
    raw = _together(sentences, weighed, failures, resolved)
    failing = tuple(each.failures > 0 and not resolved for each in weighed)
    asking = tuple(each.asks for each in weighed)
    return Mood(round(math.tanh(raw / SPREAD), 2) + 0.0, failures, resolved, failing, asking)  # + 0.0: never -0.0


# --- one sentence ---------------------------------------------------------------------------------------------------


def _weigh(sentence: Sentence) -> Weighed:
    turned = _negations(sentence)
    feelings = [_feeling(sentence, hit, turned) for hit in sentence.hits if _feels(hit)]
    resolved = _is_resolved(sentence, turned)
    failures = 0 if _is_supposed(sentence) else _failures(sentence, turned)
    ironic = sentence.has("thank for a wrong") or _opens_ironically(sentence, failures)
    conceded = sentence.has("although") or (sentence.has("promise") and not sentence.has("thanks"))
    if conceded and not resolved and not any(each > 0 for each in feelings):
        failures += 1  # "marked absent although I was there", "we were promised": it should have been otherwise
    asks = sentence.has("ask") or "?" in sentence.end
    return Weighed(feelings, failures, sentence.has("thanks"), asks, resolved, ironic)


def _feels(hit: Hit) -> bool:
    return bool(hit.meaning.feeling) and "thanks" not in hit.meaning.tags


def _negations(sentence: Sentence) -> dict[int, int]:
    """Place of a word -> place of the negation that reaches it."""
    reached: dict[int, int] = {}
    for hit in sentence.hits if sentence.has("not") else ():
        if "not" not in hit.meaning.tags or "neutral" in hit.meaning.tags:
            continue
        for at in range(hit.start + 1, min(hit.start + 2 + NEGATION_REACH, len(sentence.tokens))):
            if is_clause_end(sentence.tokens[at]) or sentence.tokens[at].text in ("but", "because", "and"):
                break
            reached[at] = hit.start
    return reached


def _feeling(sentence: Sentence, hit: Hit, turned: dict[int, int]) -> float:
    value, tokens = hit.meaning.feeling, sentence.tokens
    before = [each for each in sentence.hits if hit.start - 3 <= each.start < hit.start]
    near = [each for each in before if each.end >= hit.start - 1]
    if any("up" in each.meaning.tags for each in near):
        value *= STRENGTHENED
    if any("down" in each.meaning.tags for each in near):
        value *= SOFTENED
    if any(token.shouted for token in tokens[hit.start : hit.end]):
        value *= SHOUTED
    if hit.start in turned:
        value *= NEGATED_PRAISE if value > 0 else NEGATED_BLAME
    if value > 0 and "?" in sentence.end:
        value *= QUESTIONED
    return value * _contrast(sentence, hit.start)


def _contrast(sentence: Sentence, place: int) -> float:
    """What stands before a "but" is conceded, what stands after it is meant; "although" concedes its own clause."""
    weight = 1.0
    for hit in sentence.hits if not sentence.tags.isdisjoint(CONCEDING) else ():
        if "but" in hit.meaning.tags:
            weight *= BEFORE_BUT if place < hit.start else AFTER_BUT
        elif "although" in hit.meaning.tags and hit.start < place <= _clause_end(sentence, hit.start):
            weight *= BEFORE_BUT
    return weight


def _clause_end(sentence: Sentence, start: int) -> int:
    places = range(start, len(sentence.tokens))
    return next((at for at in places if is_clause_end(sentence.tokens[at])), len(sentence.tokens))


def _failures(sentence: Sentence, turned: dict[int, int]) -> int:
    """Words of failure that are not negated, and negated verbs of working: "never load", "has not arrived"."""
    told = sum(hit.start not in turned and not hit.meaning.tags.isdisjoint(FAILING) for hit in sentence.hits)
    return told + len({turned[at] for at in turned if sentence.tokens[at].text in lexicon.fails_when_negated()})


def _is_supposed(sentence: Sentence) -> bool:
    """What do I do if the payment fails? Nothing has failed."""
    return "?" in sentence.end and any(token.text in ("if", "case") for token in sentence.tokens)


def _is_resolved(sentence: Sentence, turned: dict[int, int]) -> bool:
    """It works now; not: please fix it, it was not solved, can it be sorted out?"""
    if "?" in sentence.end or not sentence.has("resolved"):
        return False
    marks = [hit for hit in sentence.hits if "resolved" in hit.meaning.tags and hit.start not in turned]
    asked = sentence.has("ask") and not any(sentence.tokens[hit.start].text in ("please", "close") for hit in marks)
    return bool(marks) and not asked


def _opens_ironically(sentence: Sentence, failures: int) -> bool:
    """ "Great, the site is down again": praise cut off by a mark, or of "another" failure, without a "but"."""
    if not sentence.hits or sentence.has("but") or sentence.has("resolved"):
        return False
    first = sentence.hits[0]
    if first.start > 0 or "praise opener" not in first.meaning.tags:
        return False
    rest = sentence.tokens[first.end : first.end + 4]
    cut = any(token.text in (",", ":", "-", "–", "—", "another", "yet") for token in rest)
    return cut and (failures > 0 or sentence.has("obstacle"))


# --- the ticket -----------------------------------------------------------------------------------------------------


def _without_irony(sentences: list[Sentence], weighed: list[Weighed]) -> list[Weighed]:
    """Praise that is meant ironically is blame. "Brilliant. I waited an hour.": one word alone, then a failure."""
    result = []
    for place, (sentence, each) in enumerate(zip(sentences, weighed, strict=True)):
        following = weighed[place + 1] if place + 1 < len(weighed) else None
        alone = len(sentence.tokens) <= 2 and bool(sentence.hits) and "praise opener" in sentence.hits[0].meaning.tags
        bitter = alone and following is not None and (following.failures > 0 or sentences[place + 1].has("obstacle"))
        if each.ironic or (bitter and following is not None and not following.resolved and not _has_praise(following)):
            turned = [-abs(value) * 0.7 for value in each.feelings] or [-1.8]
            each = each._replace(feelings=turned, thanks=False, failures=max(each.failures, 1), ironic=True)
        result.append(each)
    return result


def _has_praise(weighed: Weighed) -> bool:
    return sum(weighed.feelings) > 0


def _together(sentences: list[Sentence], weighed: list[Weighed], failures: int, resolved: bool) -> float:
    """The raw mood: about -15 to 15."""
    values = [value * _turn(sentences, place) for place, each in enumerate(weighed) for value in each.feelings]
    minor = any(sentence.has("minor") for sentence in sentences)
    praised = _faded([value for value in values if value > 0])
    praise, blame = praised, _blame(values, failures, minor)
    if failures:  # praise beside what failed makes it milder, no more
        praise = praise * (1 - MINOR) if minor else min(praise * PRAISE_BESIDE_FAILURE, MOST_PRAISE_BESIDE_FAILURE)
    if resolved:
        praise, blame = praise + RESOLVED, blame * BLAME_WHEN_RESOLVED
    asks, thanks = any(each.asks for each in weighed), any(each.thanks for each in weighed)
    if thanks and not failures and not asks:
        praise += THANKS
    if not (praise or resolved or asks or thanks) and _states(sentences):
        blame = min(blame, UNASKED)
    raw = (praise + blame) * (1 + EXCLAIMED * min(sum(sentence.end.count("!") for sentence in sentences), 4))
    if raw < 0 and _is_all_shouted(sentences):
        raw *= SHOUTED
    return max(raw, LOWEST_MIXED) if praised >= REAL_PRAISE else raw


def _blame(values: list[float], failures: int, minor: bool) -> float:
    """Strong feelings add up; mild ones and failures do too, but only so far."""
    mild = [-value for value in values if STRONG < value < 0] + [-FAILURE * (MINOR if minor else 1)] * failures
    return -_faded([-value for value in values if value <= STRONG]) - min(_faded(mild), MOST_MILD)


def _states(sentences: list[Sentence]) -> bool:
    """It says something, in enough words and without any set phrase of courtesy."""
    words = sum(len(sentence.tokens) for sentence in sentences)
    return words >= FEWEST_UNASKED and not any(sentence.has("neutral") for sentence in sentences)


def _turn(sentences: list[Sentence], place: int) -> float:
    """ "I like the course. However, ...": a sentence that begins with a "but" takes weight off the one before."""
    after = sentences[place + 1] if place + 1 < len(sentences) else None
    return BEFORE_BUT if after and after.hits and after.hits[0].start == 0 and _turns(after.hits[0]) else 1.0


def _turns(hit: Hit) -> bool:
    return "but" in hit.meaning.tags


def _faded(values: list[float]) -> float:
    return sum(value * FADING**rank for rank, value in enumerate(sorted(values, reverse=True)))


def _is_all_shouted(sentences: list[Sentence]) -> bool:
    words = [token for sentence in sentences for token in sentence.tokens if len(token.text) > 2]
    return len(words) > 2 and sum(token.shouted for token in words) * 3 > len(words)
