"""Support tickets: how the writer feels, what it is about, how soon somebody should look at it, and what to answer.

    mood.py      the sentiment and its score
    issues.py    the key issues
    replies.py   the response templates
    lexicon.py   what words mean (lexicon.toml) and what they are about (subjects.toml): data, to be read and corrected
                 by people who don't program; words.py finds them in a text; language.py

Only English is read. A ticket in another language (`other`) is Neutral with a score of 0, and of Medium priority so
that it does not wait long for somebody who can read it; its category is found as far as it uses international words. A
ticket without words (`none`) is judged by its emoji alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agents.protocol import Masker, Prompt, Unusable, Withheld, read_prompt
from agents.sensitive import is_business
from agents.tickets import replies
from agents.tickets.issues import CODES, MOST_ISSUES, Issue, issues_in
from agents.tickets.language import Language, language
from agents.tickets.mood import Mood, mood_of
from agents.tickets.words import Sentence, own_words, read

SENTIMENTS = ("Positive", "Neutral", "Negative", "Very Negative")
CATEGORIES = (
    *("Technical", "Payment", "Certificate", "Feedback", "Content"),
    *("Billing", "Support", "Academic", "Complaint", "Career"),
)
PRIORITIES = ("Low", "Medium", "High", "Critical")
LOW, MEDIUM, HIGH, CRITICAL = range(4)

IN_SUBJECT = 1.5  # a word of the subject weighs so much more for the category
FIRST_ISSUE, OTHER_ISSUE = 4.0, 1.5  # what a key issue adds to its category
BY_MOOD = {  # what the mood adds to a category: praise is mostly Feedback
    "Positive": {"Feedback": 4.0},
    "Neutral": {"Support": 0.5},
    "Negative": {"Complaint": 0.5},
    "Very Negative": {"Complaint": 1.5},
}
MOST_NEUTRAL = 0.35  # how far from 0 the score of a Neutral answer may be
LONGEST_SENT = 4000  # characters of a description that a model gets to see


@dataclass(frozen=True)
class Ticket:
    """A ticket as its writer sent it."""

    ticket_id: str
    subject: str | None
    description: str | None


@dataclass(frozen=True)
class TicketOpinion:
    """sentiment_score: -1 to 1, two decimals, of the sign of the sentiment. key_issues: codes of `issues.ISSUES`.
    response_template: code of `replies.TEMPLATES`."""

    sentiment: str
    sentiment_score: float
    category: str
    priority: str
    key_issues: tuple[str, ...]
    response_template: str
    language: Language

    @property
    def response(self) -> str:
        """The text of the template."""
        return replies.TEMPLATES[self.response_template]


@dataclass(frozen=True)
class _Read:
    """A ticket that has been read, without what it quotes. titles: how many of its sentences are the subject."""

    language: Language
    mood: Mood
    sentences: list[Sentence]
    titles: int
    issues: tuple[Issue, ...]
    tags: frozenset[str]

    def says(self, *tags: str) -> bool:
        """Whether any of the tags occurs."""
        return not self.tags.isdisjoint(tags)


class TicketAgent:
    """Reads tickets."""

    name = "ticket_analysis"
    accepts = Ticket
    answer: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["sentiment", "sentiment_score", "category", "priority", "key_issues"],
        "properties": {
            "sentiment": {"type": "string", "enum": list(SENTIMENTS)},
            "sentiment_score": {"type": "number", "minimum": -1, "maximum": 1},
            "category": {"type": "string", "enum": list(CATEGORIES)},
            "priority": {"type": "string", "enum": list(PRIORITIES)},
            "key_issues": {
                "type": "array",
                "maxItems": MOST_ISSUES,
                "items": {"type": "string", "enum": sorted(CODES)},
            },
        },
    }

    @property
    def prompt(self) -> Prompt:
        return read_prompt(self.name)

    def opine(self, record: Ticket) -> TicketOpinion:
        ticket = _read(record)
        category = _category(ticket)
        return TicketOpinion(
            sentiment=ticket.mood.name,
            sentiment_score=ticket.mood.score,
            category=category,
            priority=PRIORITIES[_priority(ticket, category)],
            key_issues=tuple(issue.code for issue in ticket.issues),
            response_template=replies.code(ticket.mood.name, category, ticket.language),
            language=ticket.language,
        )

    def outgoing(self, record: Ticket, mask: Masker) -> dict[str, Any] | None:
        """Subject and description, masked; None for a ticket without a word.

        One that isn't English is withheld: the mask would leave next to nothing of it to judge, and what is sensitive
        in it goes by words that we may not know. So is one without a word of what a school's office deals with: harm is
        often told without any word that tells of harm.
        """
        spoken = language(_text(record))
        if spoken == "none":
            return None
        if spoken == "other":
            raise Withheld("unread_language")
        if not (is_business(_text(record)) or any(tag.startswith("about ") for tag in _read(record).tags)):
            raise Withheld("no_business")
        subject, description = (mask(text or "") for text in (record.subject, record.description))
        return {"subject": subject[:LONGEST_SENT], "description": description[:LONGEST_SENT]}

    def accept(self, record: Ticket, answer: dict[str, Any]) -> TicketOpinion:
        if set(answer) != set(self.answer["required"]):
            raise Unusable("wrong_fields")
        sentiment = _word(answer["sentiment"], SENTIMENTS, "sentiment_unknown")
        category = _word(answer["category"], CATEGORIES, "category_unknown")
        spoken = language(_text(record))
        return TicketOpinion(
            sentiment=sentiment,
            sentiment_score=_score(answer["sentiment_score"], sentiment),
            category=category,
            priority=_word(answer["priority"], PRIORITIES, "priority_unknown"),
            key_issues=_issues(answer["key_issues"]),
            response_template=replies.code(sentiment, category, spoken),
            language=spoken,
        )


# --- reading --------------------------------------------------------------------------------------------------------


def _text(record: Ticket) -> str:
    return f"{record.subject or ''}\n{record.description or ''}"


def _read(record: Ticket) -> _Read:
    spoken = language(_text(record))
    titles = read(own_words(record.subject or ""))
    sentences = titles + read(own_words(record.description or ""))
    mood = mood_of(sentences)
    if spoken == "other":
        mood = Mood(0.0, 0, False, (False,) * len(sentences), (False,) * len(sentences))
    issues = issues_in(sentences, len(titles), mood.failing, mood.asking) if spoken == "en" else ()
    if mood.name in ("Positive", "Neutral"):  # then nothing is wrong, whatever words occur
        issues = tuple(issue for issue in issues if issue.when == "asks" and mood.name == "Neutral")
    tags: frozenset[str] = frozenset().union(*(sentence.tags for sentence in sentences))
    return _Read(spoken, mood, sentences, len(titles), issues, tags)


def _category(ticket: _Read) -> str:
    """The one with the most evidence: distinct words, key issues, and, for want of both, the mood."""
    best: dict[tuple[str, str], float] = {}  # a word counts once, where it counts most
    for place, sentence in enumerate(ticket.sentences):
        weigh = IN_SUBJECT if place < ticket.titles else 1.0
        for hit in sentence.hits:
            word = sentence.tokens[hit.start].stem
            for category, weight in hit.meaning.hints:
                best[category, word] = max(weight * weigh, best.get((category, word), 0.0))
    evidence = dict.fromkeys(CATEGORIES, 0.0)
    for (category, _), weight in best.items():
        evidence[category] += weight
    for place, issue in enumerate(ticket.issues):
        if issue.category:
            evidence[issue.category] += OTHER_ISSUE if place else FIRST_ISSUE
    for category, weight in BY_MOOD[ticket.mood.name].items():
        evidence[category] += weight / 2 if ticket.mood.resolved else weight
    return max(CATEGORIES, key=evidence.__getitem__)


# --- priority -------------------------------------------------------------------------------------------------------


def _priority(ticket: _Read, category: str) -> int:
    mood = ticket.mood.name
    if ticket.language == "other":
        return MEDIUM  # somebody has to read it
    if mood == "Positive":
        return LOW
    if _is_critical(ticket, mood):
        return CRITICAL
    if _is_high(ticket, mood, category):
        return HIGH
    level = _otherwise(ticket, mood, category)
    return LOW if ticket.says("minor") and mood != "Very Negative" else level


def _is_critical(ticket: _Read, mood: str) -> bool:
    """Money is gone, somebody is not safe, a crime is alleged, or an exam or a deadline of today is at stake."""
    wronged = mood != "Neutral"
    if wronged and ticket.says("money gone", "harm", "threat"):
        return True
    if ticket.says("today") and ticket.mood.failures and ticket.says("due", "urgent"):
        return True
    at_stake = ticket.says("crime", "about refund") or (ticket.says("about exam") and ticket.mood.failures > 0)
    return mood == "Very Negative" and at_stake


def _is_high(ticket: _Read, mood: str, category: str) -> bool:
    """Learning has stopped, a date is near, money is asked back, people were treated badly or left unanswered."""
    if mood == "Very Negative":
        return category != "Feedback"
    asks_about = mood == "Neutral" and ticket.says("question")  # what is your refund policy?
    if ticket.says("illness") or (ticket.says("about refund") and not asks_about):
        return True
    if ticket.says("due") and (ticket.says("missed") or (ticket.says("today") and not asks_about)):
        return True
    if mood != "Negative" or ticket.says("minor"):
        return False
    near = ticket.says("due") and ticket.says("soon")
    if near or ticket.says("blocked", "mistreated", "urgent", "missed", "taken"):
        return True
    disputed = {issue.code for issue in ticket.issues} & {"exam_trouble", "grade_disputed"}
    return bool(disputed) or (ticket.says("waiting") and ticket.says("repeated"))


def _otherwise(ticket: _Read, mood: str, category: str) -> int:
    """Something is wrong, or paper or a change is needed; an opinion without a failure can wait."""
    if mood == "Very Negative":
        return MEDIUM
    if mood == "Negative":
        opinion = not ticket.mood.failures or ticket.says("about old", "about pace")
        return LOW if opinion and category in ("Feedback", "Content") else MEDIUM
    acts = ticket.says("need by") or (ticket.says("change") and any(ticket.mood.asking) and not ticket.says("question"))
    return MEDIUM if acts or category == "Complaint" else LOW


# --- what a model said ----------------------------------------------------------------------------------------------


def _word(said: Any, vocabulary: tuple[str, ...], reason: str) -> str:
    if not isinstance(said, str) or said not in vocabulary:
        raise Unusable(reason)
    return said


def _score(said: Any, sentiment: str) -> float:
    """A number from -1 to 1 that does not contradict the sentiment."""
    if isinstance(said, bool) or not isinstance(said, int | float) or not -1 <= said <= 1:
        raise Unusable("score_out_of_range")
    score = round(float(said), 2) + 0.0
    agrees = {"Positive": score > 0, "Neutral": abs(score) <= MOST_NEUTRAL}.get(sentiment, score < 0)
    if not agrees:
        raise Unusable("score_contradicts_sentiment")
    return score


def _issues(said: Any) -> tuple[str, ...]:
    if not isinstance(said, list) or len(said) > MOST_ISSUES:
        raise Unusable("issues_malformed")
    if any(not isinstance(code, str) or code not in CODES for code in said):
        raise Unusable("issue_unknown")
    return tuple(dict.fromkeys(said))
