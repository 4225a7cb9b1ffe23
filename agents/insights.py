"""The executive summary: a few lines that say where the school stands, what changed, and what to do about it.

Everything is worded from metrics (`metrics.py`) that come with the mart they were read from, so each number can be
looked up. A model may word the lines and the actions; metrics and anomalies stay those of the rule, and a number of its
own makes its answer unusable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from agents.metrics import (
    Anomaly,
    InsightsRule,
    Measure,
    Metric,
    anomalies_of,
    moved,
    sent,
    shown,
    values_of,
    weight,
)
from agents.protocol import Masker, Prompt, Unusable, read_prompt
from agents.wording import NUMBER, checked, exact

LEAST_LINES, MOST_LINES, MOST_ACTIONS = 3, 5, 4
LONGEST_LINE, LONGEST_ACTION = 240, 200  # characters of a model's


@dataclass(frozen=True)
class InsightFacts:
    """What is known on a day (as_of, ISO; None: no data). anomalies: found elsewhere, shown before those found here."""

    as_of: str | None
    metrics: tuple[Metric, ...] = ()
    anomalies: tuple[Anomaly, ...] = ()


@dataclass(frozen=True)
class InsightsOpinion:
    """summary: three to five lines. actions: at most four, the most pressing first."""

    summary: tuple[str, ...]
    actions: tuple[str, ...]
    anomalies: tuple[Anomaly, ...]


class InsightsAgent:
    """Sums up, by a rule; measures: what it knows of metrics, for their actions."""

    def __init__(self, rule: InsightsRule, measures: Iterable[Measure]) -> None:
        self.rule = rule
        self.advice = {each.name: each.action.format(days=rule.days) for each in measures}

    name = "insights"
    accepts = InsightFacts
    answer: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["summary", "actions"],
        "properties": {
            "summary": {
                "type": "array",
                "minItems": LEAST_LINES,
                "maxItems": MOST_LINES,
                "items": {"type": "string", "minLength": 1, "maxLength": LONGEST_LINE},
            },
            "actions": {
                "type": "array",
                "maxItems": MOST_ACTIONS,
                "items": {"type": "string", "minLength": 1, "maxLength": LONGEST_ACTION},
            },
        },
    }

    @property
    def prompt(self) -> Prompt:
        return read_prompt(self.name)

    def opine(self, record: InsightFacts) -> InsightsOpinion:
        known = [metric for metric in record.metrics if metric.value is not None]
        if not known:
            return InsightsOpinion(NO_DATA, NO_DATA_ACTIONS, record.anomalies)
        anomalies = record.anomalies + tuple(found for metric in known for found in anomalies_of(metric, self.rule))
        worse, better = (_strongest(known, verdict, self.rule) for verdict in ("worse", "better"))
        summary = _summary(record, known, worse, better, anomalies)
        return InsightsOpinion(summary, _actions(known, worse, self.advice), anomalies)

    def outgoing(self, record: InsightFacts, mask: Masker) -> dict[str, Any] | None:
        """Metrics and anomalies as they are shown; None when there is no data."""
        if all(metric.value is None for metric in record.metrics):
            return None
        metrics = [
            {
                **{"name": each.name, "label": mask(each.label), "unit": each.unit, "trend": each.trend},
                **{"value": sent(each.value), "previous": sent(each.previous), "verdict": each.verdict},
            }
            for each in record.metrics
        ]
        anomalies = [{"code": each.code, "wording": mask(each.wording)} for each in self.opine(record).anomalies]
        return {"as_of": record.as_of, "metrics": metrics, "anomalies": anomalies}

    def accept(self, record: InsightFacts, answer: dict[str, Any]) -> InsightsOpinion:
        if set(answer) != {"summary", "actions"}:
            raise Unusable("wrong_fields")
        lines, actions = answer["summary"], answer["actions"]
        if not isinstance(lines, list) or not LEAST_LINES <= len(lines) <= MOST_LINES:
            raise Unusable("summary_not_3_to_5_lines")
        if not isinstance(actions, list) or len(actions) > MOST_ACTIONS:
            raise Unusable("actions_malformed")
        numbers = [self.rule.days, *(value for metric in record.metrics for value in values_of(metric))]
        dates = [record.as_of] if record.as_of else []
        return replace(
            self.opine(record),
            summary=tuple(checked(line, LONGEST_LINE, numbers, dates) for line in lines),
            actions=tuple(checked(action, LONGEST_ACTION, numbers, dates) for action in actions),
        )


# --- words ----------------------------------------------------------------------------------------------------------

NO_DATA = (
    "There is no data to report on yet.",
    "As soon as the first files are loaded, this page shows where the school stands.",
    "From the second period on it also shows what has changed.",
)
NOTHING_ELSE = "Nothing else stands out."
NO_ACTION = "Keep going: no metric asks for action at the moment."
NO_DATA_ACTIONS = ("Put the first files into the data folder and run the pipeline.",)


def _strongest(metrics: Iterable[Metric], verdict: str, rule: InsightsRule) -> list[Metric]:
    found = (each for each in metrics if each.verdict == verdict)
    return sorted(found, key=lambda each: (-weight(each, rule), each.name))


def _summary(
    record: InsightFacts,
    known: list[Metric],
    worse: list[Metric],
    better: list[Metric],
    anomalies: tuple[Anomaly, ...],
) -> tuple[str, ...]:
    lines = [_overview(record.as_of, known, worse, better)]
    lines += [f"Needs attention: {moved(worse[0])}."] if worse else ["No metric got worse."]
    if better:
        lines.append(f"Good news: {moved(better[0])}.")
    first = known[0]
    if len(lines) < LEAST_LINES:
        lines.append(f"{first.label} is {shown(first.value, first.unit)}.")
    mentioned = {moved(each[0]) + "." for each in (worse, better) if each}
    others = [anomaly.wording for anomaly in anomalies if anomaly.wording not in mentioned]
    lines += [f"Also stands out: {others[0]}"] if others else [NOTHING_ELSE]
    return tuple(lines[:MOST_LINES])


def _overview(as_of: str | None, known: list[Metric], worse: list[Metric], better: list[Metric]) -> str:
    day = f"As of {as_of}" if as_of else "So far"
    if all(metric.trend == "new" for metric in known):
        return f"{day} there is nothing earlier to compare with."
    compared = sum(metric.trend != "new" for metric in known)
    return f"{day}: of {_said(compared)} metrics, {_said(len(better))} got better and {_said(len(worse))} got worse."


def _said(count: int) -> str:
    """In words, where there is one: a figure would read like a metric, and be linked like one."""
    words = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    return words[count] if count < len(words) else str(count)


def _actions(known: list[Metric], worse: list[Metric], advice: Mapping[str, str]) -> tuple[str, ...]:
    """For what got worse, the strongest first; else keep going."""
    found = dict.fromkeys(advice.get(each.name, f"Find out why this changed: {moved(each)}.") for each in worse)
    for metric in known:  # it may be no worse than before, and still somebody must look
        if metric.name == "rejected_rows" and metric.value and metric.name in advice:
            found.setdefault(advice[metric.name])
    return tuple(found)[:MOST_ACTIONS] or (NO_ACTION,)


def with_waiting(opinion: InsightsOpinion, waits: str) -> InsightsOpinion:
    """The same, when something waits for a person, like "2 drops and 1 file": that comes first, and nothing is fine."""
    if not waits:
        return opinion
    return InsightsOpinion(
        (
            *(line for line in opinion.summary if line != NOTHING_ELSE),
            f"Not taken: {waits}. What is said here is without them.",
        ),
        (
            f"Decide on what waits, {waits}: the report names each.",
            *(action for action in opinion.actions if action != NO_ACTION),
        ),
        (Anomaly("waiting", f"Waiting for a decision: {waits}.", "data_quality"), *opinion.anomalies),
    )


# --- insights.md ----------------------------------------------------------------------------------------------------

ARROWS = {"up": "↑", "down": "↓", "unchanged": "→", "new": "–"}


def markdown(facts: InsightFacts, opinion: InsightsOpinion) -> str:
    """`insights.md`: every number in it is a link to the mart it comes from."""
    day = f" as of {facts.as_of}" if facts.as_of else ""
    lines = [f"# Insights{day}", "", "## Summary", ""]
    lines += [f"- {_linked(line, facts)}" for line in opinion.summary]
    if facts.metrics:
        lines += ["", "## Key metrics", "", "| Metric | Now | Before | Trend |", "|---|---:|---:|---|"]
        lines += [_row(metric) for metric in facts.metrics]
    lines += ["", "## What stands out", ""]
    lines += [f"- {_linked(each.wording, facts)} ({_link(each.mart, each.mart)})" for each in opinion.anomalies]
    lines += [] if opinion.anomalies else ["Nothing."]
    lines += ["", "## What to do", "", *(f"{place}. {_linked(each, facts)}" for place, each in _numbered(opinion))]
    return "\n".join(lines) + "\n"


def _numbered(opinion: InsightsOpinion) -> list[tuple[int, str]]:
    return list(enumerate(opinion.actions, 1))


def _row(metric: Metric) -> str:
    values = (metric.value, metric.previous)
    cells = ["–" if value is None else _link(shown(value, metric.unit), metric.mart) for value in values]
    trend = f"{ARROWS[metric.trend]} {metric.verdict}".strip()
    return f"| {_escaped(metric.label)} | {cells[0]} | {cells[1]} | {trend} |"


def _link(text: str, mart: str) -> str:
    return f"[{text}](marts/{mart}.csv)"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", " ".join(text.split()))


def _linked(text: str, facts: InsightFacts) -> str:
    """The text with each number that is a metric's as a link to the mart; of several marts, or of days, stays plain."""
    marts: dict[Decimal, set[str]] = {}
    for metric in facts.metrics:
        for value in values_of(metric):
            marts.setdefault(exact(value), set()).add(metric.mart)

    def link(found: re.Match[str]) -> str:
        sources = marts.get(Decimal(found[0].replace(",", "").replace("−", "-")), set())
        rest = text_escaped[found.end() :]
        of_time = re.match(r"-\d| days\b", rest) or text_escaped[: found.start()].endswith("-")
        return _link(found[0], min(sources)) if len(sources) == 1 and not of_time else found[0]

    text_escaped = _escaped(text)
    return NUMBER.sub(link, text_escaped)
