"""A number has one place: every definition is changed, and nothing that is shown still says the old number."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from decimal import Decimal

import pytest

from agents.risk import RiskAgent, RiskRule, StudentFacts, factors_of
from pipeline import definitions
from pipeline.config import PROJECT
from pipeline.definitions import RISK
from pipeline.outputs.report.markup import Html
from pipeline.outputs.report.opinions import Opinions, at_risk

NAMES = [field.name for field in fields(RiskRule)]
# Numbers that nothing else says, one per name; the categories keep their order.
OTHER = RiskRule(**{name: 1000 + place for place, name in enumerate(NAMES)})
FACTS = StudentFacts("STU001", 5555, Decimal("33.33"), "PENDING", 6666, 7777)

# What the comments of the tables, and so the dictionary, say: file -> sentences.
COMMENTS = {
    "init_db/schema/warehouse/ai_student_risk.sql": [
        "in the {rule.ticket_days} days that end with as_of",
        "under {rule.low_score} percent in the {rule.score_days} days that end with as_of",
        "Low under {rule.medium}, Medium under {rule.high}, High under {rule.critical}, else Critical",
    ],
}


def page(monkeypatch: pytest.MonkeyPatch, rule: RiskRule) -> str:
    monkeypatch.setattr(definitions, "RISK", rule)
    said = at_risk(Opinions([], {"Low": 1}, {}, [], [], 0, by_model=False))
    return " ".join(str(each) for each in said if isinstance(each, Html))


def prompt(_monkeypatch: pytest.MonkeyPatch, rule: RiskRule) -> str:
    return RiskAgent(rule).prompt.text


def explanation(_monkeypatch: pytest.MonkeyPatch, rule: RiskRule) -> str:
    """What is said of a student, whatever the category."""
    opinion = RiskAgent(rule).opine(FACTS)
    return " ".join([opinion.explanation, *(factor.wording for factor in factors_of(FACTS, rule))])


# text -> the names it says
SAYS = {
    page: (
        "inactive low_completion payment_open negative_ticket low_scores inactive_days least_completion"
        " negative_tickets ticket_days many_low_scores low_score score_days"
    ),
    prompt: "inactive_days least_completion negative_tickets ticket_days many_low_scores low_score score_days",
    explanation: (
        "inactive low_completion payment_open negative_ticket low_scores"
        " least_completion ticket_days low_score score_days"
    ),
}


def numbers(text: str) -> list[str]:
    return re.findall(r"\d+(?:\.\d+)?", re.sub(r"<[^>]*>", " ", text))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", [page, prompt, explanation])
def test_another_number_is_said_wherever_the_old_one_was(monkeypatch, text, name):
    """All numbers are unlikely ones and one more is changed: the old one is nowhere, the new one where it was."""
    before = text(monkeypatch, OTHER)
    after = text(monkeypatch, replace(OTHER, **{name: 2000}))
    named = name in SAYS[text].split()
    assert (str(getattr(OTHER, name)) in numbers(before)) is named
    assert str(getattr(OTHER, name)) not in numbers(after)
    assert ("2000" in numbers(after)) is named


@pytest.mark.parametrize(
    "text, else_said",
    [
        (page, {"1", "0", "007"}),  # students per category, a student's id
        (prompt, {"100", "0", "600"}),  # of 100 points; 0: not met; the longest answer
        (explanation, {"100", "5555", "33.33", "6666", "7777"}),  # of 100 points, and the student's own
    ],
)
def test_no_number_is_written_out_where_it_is_shown(monkeypatch, text, else_said):
    known = {str(getattr(OTHER, name)) for name in NAMES}
    sums = {str(RiskAgent(OTHER).opine(FACTS).score), str(OTHER.many_low_scores - 1)}
    assert set(numbers(text(monkeypatch, OTHER))) <= known | sums | else_said


def test_the_query_of_risk_writes_no_threshold_out():
    query = re.sub(r"--[^\n]*", "", (PROJECT / "pipeline/sql/ai_student_risk.sql").read_text())
    assert set(re.findall(r"(?<![\w.])\d+", query)) <= {"0", "1", "2"}  # no row, inclusive days, two decimals
    assert {"ticket_days", "score_days", "low_score"} <= set(re.findall(r":(\w+)", query))


@pytest.mark.parametrize("file", COMMENTS)
def test_the_comments_of_a_table_say_the_numbers_of_the_definitions(file):
    text = (PROJECT / file).read_text()
    assert [said for each in COMMENTS[file] if (said := each.format(rule=RISK)) not in text] == []
