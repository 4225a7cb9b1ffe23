"""Opinions: the parts of the page that enrichment adds: students at risk, and the mood of the support tickets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import definitions
from pipeline.outputs.report.charts import day
from pipeline.outputs.report.markup import (
    Html,
    bar,
    count,
    el,
    join,
    more,
    number,
    percent,
    person,
    several,
    table,
    words,
)

Row = Mapping[str, Any]
CATEGORIES = ("Critical", "High", "Medium", "Low")
MOODS = ("Very Negative", "Negative", "Neutral", "Positive")


@dataclass(frozen=True)
class Opinions:
    """What agents think; each list with the number of rows it was cut from.

    risk      active students at high or critical risk, the highest first; risk_counts: active students per category
    moods     tickets per mood, in all and lately: in the `ACTIVITY.long` days that end with as_of
    issues    what tickets are about, by the number of tickets
    pressing  open tickets that sound bad or press for time
    by_model  whether a language model took part
    """

    risk: Sequence[Row]
    risk_counts: Mapping[str, int]
    moods: Mapping[str, Row]
    issues: Sequence[Row]
    pressing: Sequence[Row]
    pressing_count: int
    by_model: bool


def at_risk(found: Opinions) -> list[Html | None]:
    counts = found.risk_counts
    if not sum(counts.values()):
        return []
    said = ", ".join(f"{category.lower()} {number(counts.get(category, 0))}" for category in CATEGORIES)
    high = counts.get("Critical", 0) + counts.get("High", 0)
    rows = [(person(row), _score(row), row["explanation"]) for row in found.risk]
    return [
        el("p", f"Active students by risk of dropping out: {said}. {_risk_points()}"),
        table("Students at risk", ["*Student", "#Risk", "Why, and what would lower it"], rows)
        if rows
        else el("p", "None is at high or critical risk."),
        more(len(rows), high, "output/marts/student_360.csv"),
        el("p", "One student in full: ", el("code", "eduflow explain STU007"), "."),
    ]


def _risk_points() -> str:
    rule = definitions.RISK
    tickets = "an unhappy ticket" if rule.negative_tickets == 1 else f"{rule.negative_tickets} unhappy tickets"
    scores = "two results" if rule.many_low_scores == 2 else f"{rule.many_low_scores} results"
    return (
        f"Points add up for no activity in {rule.inactive_days} days ({rule.inactive}), mean completion under"
        f" {rule.least_completion}\u00a0% ({rule.low_completion}), an open payment ({rule.payment_open}),"
        f" {tickets} in {rule.ticket_days} days ({rule.negative_ticket}) and {scores} under"
        f" {rule.low_score}\u00a0% in {rule.score_days} days ({rule.low_scores})."
    )


def _score(row: Row) -> Html:
    return join([number(row["score"]), el("span", row["category"], class_="under")])


def tickets(found: Opinions) -> list[Html | None]:
    total = sum(row["tickets"] for row in found.moods.values())
    if not total:
        return []
    nothing = {"tickets": 0, "recent": 0}
    moods = [
        (mood, bar(percent(row["tickets"] / total, digits=0), 100 * row["tickets"] / total), count(row["recent"]))
        for mood, row in ((mood, found.moods.get(mood, nothing)) for mood in MOODS)
    ]
    issues = [(words(row["issue"]), count(row["tickets"]), count(row["recent"])) for row in found.issues]
    pressing = [
        (
            el("span", row["ticket_id"], class_="whole"),
            day(row["created_date"]) if row["created_date"] else "–",
            row["sentiment"],
            row["priority"],
            ", ".join(words(issue) for issue in row["key_issues"]) or row["category"],
        )
        for row in found.pressing
    ]
    lately = f"#Last {definitions.ACTIVITY.long} days"
    who = "A language model and rules" if found.by_model else "Rules"
    return [
        el("p", f"{who} read {several(total, 'ticket')}; what they say is a hint, not a verdict."),
        table("Mood of the tickets", ["*Mood", "%Share of all", lately], moods),
        *_listed("What they are about", ["*Issue", "#Tickets", lately], issues),
        *_listed("Open tickets to look at first", ["*Ticket", "Opened", "Mood", "Priority", "About"], pressing),
        more(len(pressing), found.pressing_count, "warehouse.ai_ticket_analysis"),
    ]


def _listed(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[Html | None]:
    return [el("h3", title), table(title, columns, rows)] if rows else []
