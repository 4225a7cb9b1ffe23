"""How likely a student is to drop out, and why.

The number is always this rule (its points add up; `RiskRule` has its thresholds):

    inactive          no activity lately, or ever
    low_completion    a low mean completion over the student's courses
    payment_open      enrolled, and the payment is not COMPLETED
    negative_ticket   tickets of negative sentiment lately
    low_scores        several low assessments or scored events lately

Days end with the day the facts refer to: of 7 days, who was last active 6 days before it was active in them, who was
last active 7 days before it was not. What is unknown (no course, no enrolment) gives no points. A model may word the
explanation; score, category, factors and interventions stay those of the rule.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import combinations
from math import isfinite
from string import Template
from typing import Any, NamedTuple

from agents.protocol import Masker, Prompt, Unusable, read_prompt
from agents.wording import checked

PAID = "COMPLETED"
LONGEST_EXPLANATION = 600  # characters
Value = int | float | Decimal | str | None


@dataclass(frozen=True)
class RiskRule:
    """The numbers of the rule.

    inactive, low_completion, payment_open, negative_ticket, low_scores   points of each factor; at most 100 together
    inactive_days      from so many days without activity on
    least_completion   percent; under it
    negative_tickets   from so many tickets on, in `ticket_days` days
    many_low_scores    from so many results on, each under `low_score` percent, in `score_days` days
    medium, high, critical   the categories above Low, each from so many points on
    """

    inactive: int
    low_completion: int
    payment_open: int
    negative_ticket: int
    low_scores: int
    inactive_days: int
    least_completion: int
    negative_tickets: int
    ticket_days: int
    many_low_scores: int
    low_score: int
    score_days: int
    medium: int
    high: int
    critical: int

    def points(self, code: str) -> int:
        """Points of a factor, by its code."""
        return int(getattr(self, code))

    @property
    def categories(self) -> tuple[tuple[int, str], ...]:
        """The highest first, each with the points from which on it is."""
        return ((self.critical, "Critical"), (self.high, "High"), (self.medium, "Medium"), (0, "Low"))


@dataclass(frozen=True)
class StudentFacts:
    """What the rule looks at, as of one day.

    days_since_activity   None: never active
    mean_completion       percent, mean over the student's courses; None: no course
    payment_status        None: no enrolment
    negative_tickets      tickets of sentiment Negative or Very Negative in the last `ticket_days` days
    low_scores            assessments and scored events under `low_score` percent in the last `score_days` days

    Raises ValueError for what can't be; the message names the field, never the student or the value.
    """

    student_id: str
    days_since_activity: int | None
    mean_completion: float | Decimal | None
    payment_status: str | None
    negative_tickets: int
    low_scores: int

    def __post_init__(self) -> None:
        if not isinstance(self.student_id, str) or not self.student_id:
            raise ValueError("student_id must be a text that is not empty")
        for name in ("days_since_activity", "negative_tickets", "low_scores"):
            value = getattr(self, name)
            if value is None and name == "days_since_activity":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ValueError(f"{name} must be a whole number, 0 or more")
        completion = self.mean_completion
        if completion is not None and not _is_percent(completion):
            raise ValueError("mean_completion must be a percentage from 0 to 100")
        if self.payment_status is not None and (not isinstance(self.payment_status, str) or not self.payment_status):
            raise ValueError("payment_status must be a text that is not empty, or None without an enrolment")


def _is_percent(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False
    finite = value.is_finite() if isinstance(value, Decimal) else isfinite(value)
    return finite and 0 <= value <= 100


class Factor(NamedTuple):
    """One of the five, met or not. points: 0 when it is not met."""

    code: str
    value: Value
    threshold: int | str
    points: int
    wording: str


@dataclass(frozen=True)
class RiskOpinion:
    """score: 0-100, the sum of the points. factors: always all five, in the order of the rule."""

    score: int
    category: str
    factors: tuple[Factor, ...]
    interventions: tuple[str, ...]
    explanation: str


class Change(NamedTuple):
    """One concrete thing that takes a factor's points away."""

    code: str
    points: int
    wording: str


INTERVENTIONS = {
    "inactive": "Call or write to the student, and ask what keeps them from learning at the moment.",
    "low_completion": "Agree on a small study plan with the student: one module a week, with a tutor to ask.",
    "payment_open": "Ask the fees office to offer help with the open payment, for example instalments.",
    "negative_ticket": "Let one person look after the student's complaint until it is solved.",
    "low_scores": "Offer a tutoring session on the topics of the last tests.",
}
IF_CRITICAL = "Invite the student, and a parent where that fits, to a talk with the mentor this week."


class RiskAgent:
    """Judges students by a rule."""

    def __init__(self, rule: RiskRule) -> None:
        self.rule = rule

    name = "student_risk"
    accepts = StudentFacts
    answer: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["explanation"],
        "properties": {"explanation": {"type": "string", "minLength": 1, "maxLength": LONGEST_EXPLANATION}},
    }

    @property
    def prompt(self) -> Prompt:
        prompt = read_prompt(self.name)
        return replace(prompt, text=Template(prompt.text).substitute(vars(self.rule)))

    def opine(self, record: StudentFacts) -> RiskOpinion:
        factors = factors_of(record, self.rule)
        score = sum(factor.points for factor in factors)
        category = category_of(score, self.rule)
        met = tuple(factor.code for factor in factors if factor.points)
        explanation = _explain(record, self.rule, factors, score)
        return RiskOpinion(score, category, factors, interventions_for(met, category), explanation)

    def outgoing(self, record: StudentFacts, mask: Masker) -> dict[str, Any] | None:
        """Codes, values, points and category, no id; None when no factor is met: there is nothing to explain."""
        opinion = self.opine(record)
        if not opinion.score:
            return None
        factors = [
            {"code": each.code, "value": _plain(each.value), "threshold": each.threshold, "points": each.points}
            for each in opinion.factors
        ]
        return {"category": opinion.category, "score": opinion.score, "factors": factors}

    def accept(self, record: StudentFacts, answer: dict[str, Any]) -> RiskOpinion:
        if set(answer) != {"explanation"}:
            raise Unusable("wrong_fields")
        opinion = self.opine(record)
        rule = self.rule
        numbers: list[int | float | Decimal] = [opinion.score, 100, rule.ticket_days, rule.low_score, rule.score_days]
        for factor in opinion.factors:
            said = (factor.value, factor.threshold, factor.points)
            numbers += [value for value in said if isinstance(value, int | float | Decimal)]
            numbers += [Decimal(_percent(factor.value))] if isinstance(factor.value, float | Decimal) else []
        text = checked(answer["explanation"], LONGEST_EXPLANATION, numbers)
        named = re.findall(r"\b(low|medium|high|critical)[ -]risk\b", text.lower())
        if any(word != opinion.category.lower() for word in named):
            raise Unusable("category_contradicted")
        return replace(opinion, explanation=text)


# --- the rule -------------------------------------------------------------------------------------------------------


@functools.cache
def category_of(score: int, rule: RiskRule) -> str:
    """From 25 points on Medium, say, 24 are Low."""
    return next(name for least, name in rule.categories if score >= least)


def factors_of(facts: StudentFacts, rule: RiskRule) -> tuple[Factor, ...]:
    """All five, each with its points."""
    days, completion, payment = facts.days_since_activity, facts.mean_completion, facts.payment_status
    tickets, scores = facts.negative_tickets, facts.low_scores
    return (
        _factor(
            *(rule, "inactive", days, rule.inactive_days),
            days is None or days >= rule.inactive_days,
            _activity(days),
        ),
        _factor(
            *(rule, "low_completion", completion, rule.least_completion),
            completion is not None and completion < rule.least_completion,
            "no course yet" if completion is None else f"mean completion is {_percent(completion)} %",
        ),
        _factor(
            *(rule, "payment_open", payment, PAID),
            payment is not None and payment != PAID,
            "not enrolled" if payment is None else f"the payment is {payment}",
        ),
        _factor(
            *(rule, "negative_ticket", tickets, rule.negative_tickets, tickets >= rule.negative_tickets),
            f"{_counted(tickets, 'unhappy support ticket')} in the last {rule.ticket_days} days",
        ),
        _factor(
            *(rule, "low_scores", scores, rule.many_low_scores, scores >= rule.many_low_scores),
            f"{_counted(scores, 'result')} under {rule.low_score} % in the last {rule.score_days} days",
        ),
    )


def _factor(rule: RiskRule, code: str, value: Value, threshold: int | str, met: bool, wording: str) -> Factor:
    return Factor(code, value, threshold, rule.points(code) if met else 0, wording)


@functools.cache
def interventions_for(met: tuple[str, ...], category: str) -> tuple[str, ...]:
    """What to do: the most urgent first, then one step per factor that is met."""
    return ((IF_CRITICAL,) if category == "Critical" else ()) + tuple(INTERVENTIONS[code] for code in met)


def smallest_change(facts: StudentFacts, rule: RiskRule) -> tuple[Change, ...] | None:
    """The fewest factors, and of as few those with the fewest points, without which the category is a lower one.
    None when it is Low already; equally small ones: the first in the order of the rule."""
    return _changes(factors_of(facts, rule), facts, rule)


def _changes(factors: tuple[Factor, ...], facts: StudentFacts, rule: RiskRule) -> tuple[Change, ...] | None:
    codes = _smallest(tuple(factor.code for factor in factors if factor.points), rule)
    return (
        None if codes is None else tuple(Change(code, rule.points(code), _change(code, facts, rule)) for code in codes)
    )


@functools.cache
def _smallest(met: tuple[str, ...], rule: RiskRule) -> tuple[str, ...] | None:
    score = sum(map(rule.points, met))
    floor = next(least for least, _ in rule.categories if score >= least)
    for count in range(1, len(met) + 1):
        fits = [codes for codes in combinations(met, count) if score - sum(map(rule.points, codes)) < floor]
        if fits:
            return min(fits, key=lambda codes: sum(map(rule.points, codes)))
    return None


# --- words ----------------------------------------------------------------------------------------------------------


def _change(code: str, facts: StudentFacts, rule: RiskRule) -> str:
    match code:
        case "inactive":
            return "get the student to take part in something within the next days"
        case "low_completion":
            return f"raise mean completion from {_percent(facts.mean_completion)} % to {rule.least_completion} %"
        case "payment_open":
            return f"settle the payment, which is {facts.payment_status}"
        case "negative_ticket":
            tickets = _counted(facts.negative_tickets, "unhappy support ticket")
            return f"solve {tickets} and let {rule.ticket_days} days pass without another"
    few = rule.many_low_scores - 1
    return f"bring the results under {rule.low_score} % down from {facts.low_scores} to {few} in {rule.score_days} days"


def _explain(facts: StudentFacts, rule: RiskRule, factors: tuple[Factor, ...], score: int) -> str:
    """High risk, 60 of 100 points: last active 12 days ago (20); ... To lower it: ..."""
    met = "; ".join(f"{factor.wording} ({factor.points})" for factor in factors if factor.points)
    start = f"{category_of(score, rule)} risk, {score} of 100 points"
    changes = _changes(factors, facts, rule)
    to_lower = f" To lower it: {' and '.join(change.wording for change in changes)}." if changes else ""
    return f"{start}: {met}.{to_lower}" if met else f"{start}: nothing to worry about at the moment."


def _activity(days: int | None) -> str:
    if days is None:
        return "never active so far"
    return "active on the last day" if days == 0 else f"last active {_counted(days, 'day')} ago"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


@functools.lru_cache(maxsize=20_000)  # a percentage of two decimals is one of 10,001
def _percent(value: float | Decimal | str | None) -> str:
    """Two decimals, downwards: 29.999 is under 30 and must not read 30.00."""
    return f"{Decimal(str(value)).quantize(Decimal('0.01'), rounding='ROUND_DOWN')}"


def _plain(value: Value) -> int | float | str | None:
    return float(value) if isinstance(value, Decimal) else value
