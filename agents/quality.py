"""Why rows of a dataset went wrong, and what to mend, for people who have never seen a reason code.

In go counts only, out come root causes (`causes.py`) by the share of rows they touch, recommendations in that order,
and whether somebody has to act.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal, NamedTuple

from agents.causes import BY_RULE, CAUSES, cause_of, split_reason
from agents.protocol import Masker, Prompt, Unusable, read_prompt
from agents.wording import checked

Severity = Literal["ok", "watch", "act"]

FORMS = frozenset({"student_id", "date", "timestamp", "phone", "code"})  # rules whose rewriting is worth a word
RECORD = "_record"  # what the counts call a row as a whole
MOST_RECOMMENDATIONS = 5
LONGEST_SUMMARY, LONGEST_ADVICE = 500, 240  # characters of a model's


@dataclass(frozen=True)
class QualityRule:
    """When a dataset needs somebody. All are percent of the rows read, from so many on.

    act_rejected   rejected: act
    act_touched    touched by one cause: act
    watch_touched  touched by one cause: watch; one rejected row is enough for that, too
    mostly         rewritten by the rule of one column: it is said to be written differently
    """

    act_rejected: int
    act_touched: int
    watch_touched: int
    mostly: int


class RuleCount(NamedTuple):
    """What one cleaning rule did to one column: how many values it changed, flagged, rejected."""

    column: str
    rule: str
    changed: int
    flagged: int
    rejected: int


class ReasonCount(NamedTuple):
    """How many rows carry a reason code, as flag or as reason of rejection."""

    reason: str
    rows: int


@dataclass(frozen=True)
class DatasetQuality:
    """One dataset, or one drop of it: counts, nothing personal. samples: rows per reason code.

    Raises ValueError for counts that can't be.
    """

    dataset: str
    rows_read: int
    rejected: int
    duplicates: int
    rules: tuple[RuleCount, ...] = ()
    samples: tuple[ReasonCount, ...] = ()

    def __post_init__(self) -> None:
        counts = [self.rows_read, self.rejected, self.duplicates, *(sample.rows for sample in self.samples)]
        counts += [count for rule in self.rules for count in rule[2:]]
        if min(counts) < 0:
            raise ValueError("a count of rows can't be negative")
        if self.rejected + self.duplicates > self.rows_read:
            raise ValueError("more rows rejected and repeated than read")


class RootCause(NamedTuple):
    """share: of the rows read, 0 to 1, four decimals. column: "" for the row as a whole."""

    code: str
    column: str
    share: float
    wording: str


@dataclass(frozen=True)
class QualityOpinion:
    """root_causes, recommendations: what touches most rows first. severity: ok, watch (look at it some time), act."""

    root_causes: tuple[RootCause, ...]
    recommendations: tuple[str, ...]
    severity: Severity
    summary: str


class QualityAgent:
    """Explains what cleaning found, by a rule. earliest: the year before which no day is believed."""

    def __init__(self, rule: QualityRule, earliest: int) -> None:
        self.rule, self.earliest = rule, earliest

    name = "quality_analysis"
    accepts = DatasetQuality
    answer: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["summary", "recommendations"],
        "properties": {
            "summary": {"type": "string", "minLength": 1, "maxLength": LONGEST_SUMMARY},
            "recommendations": {
                "type": "array",
                "minItems": 1,
                "maxItems": MOST_RECOMMENDATIONS,
                "items": {"type": "string", "minLength": 1, "maxLength": LONGEST_ADVICE},
            },
        },
    }

    @property
    def prompt(self) -> Prompt:
        return read_prompt(self.name)

    def opine(self, record: DatasetQuality) -> QualityOpinion:
        touched = _touched(record, self.rule)
        order = sorted(touched, key=lambda each: (-touched[each], each))
        causes = tuple(
            _root_cause(code, column, touched[code, column], record, self.earliest) for code, column in order
        )
        severity = _severity(record, causes, self.rule)
        return QualityOpinion(causes, _recommendations(touched), severity, _summary(record, causes, severity))

    def outgoing(self, record: DatasetQuality, mask: Masker) -> dict[str, Any] | None:
        """Counts, causes and columns; None when nothing went wrong."""
        opinion = self.opine(record)
        if not opinion.root_causes:
            return None
        return {
            "dataset": record.dataset,
            "rows_read": record.rows_read,
            "rejected": record.rejected,
            "duplicates": record.duplicates,
            "severity": opinion.severity,
            "root_causes": [
                {"code": each.code, "column": each.column, "percent": _percent(each.share), "wording": each.wording}
                for each in opinion.root_causes
            ],
            "recommendations": list(opinion.recommendations),
        }

    def accept(self, record: DatasetQuality, answer: dict[str, Any]) -> QualityOpinion:
        """The rule's causes and severity in the model's words."""
        if set(answer) != {"summary", "recommendations"}:
            raise Unusable("wrong_fields")
        advice = answer["recommendations"]
        if not isinstance(advice, list) or not 1 <= len(advice) <= MOST_RECOMMENDATIONS:
            raise Unusable("recommendations_malformed")
        opinion = self.opine(record)
        allowed: list[Decimal | int] = [record.rows_read, record.rejected, record.duplicates]
        allowed += [len(opinion.root_causes), self.earliest]
        allowed += [sample.rows for sample in record.samples] + [
            Decimal(_percent(c.share)) for c in opinion.root_causes
        ]
        summary = checked(answer["summary"], LONGEST_SUMMARY, allowed)
        known = {"1999-05-15", "2024-05-15", "1900-01-01"}  # the dates in our own advice
        recommendations = tuple(checked(each, LONGEST_ADVICE, [*allowed, 0, 10, 100], known) for each in advice)
        return replace(opinion, summary=summary, recommendations=recommendations)


# --- the rule -------------------------------------------------------------------------------------------------------


def _touched(record: DatasetQuality, limits: QualityRule) -> Counter[tuple[str, str]]:
    """(cause, column) -> rows, of the causes that touch any. What no reason code explains, the counts per rule do."""
    rules = {rule.column: rule.rule for rule in record.rules}
    touched: Counter[tuple[str, str]] = Counter()
    explained: Counter[str] = Counter()
    for reason, rows in record.samples:
        column = _column(split_reason(reason)[0], rules)
        touched[cause_of(reason, rules.get(column, "")), column] += rows
        explained[column or RECORD] += rows
    for rule in record.rules:
        for code, rows in _by_rule(rule, explained[rule.column]):
            touched[code, "" if rule.column == RECORD else rule.column] += rows
        if rule.rule in FORMS and record.rows_read and 100 * rule.changed >= limits.mostly * record.rows_read:
            touched["written_differently", rule.column] += rule.changed
    touched["sent_twice", ""] += record.duplicates
    return +touched


def _by_rule(rule: RuleCount, explained: int) -> list[tuple[str, int]]:
    if rule.column == RECORD:  # a record is rejoined (flagged), or it can't be and is rejected
        left = [("row_broken", rule.rejected), ("separator_not_quoted", rule.flagged)]
        return [] if explained else left
    return [(BY_RULE.get(rule.rule, "other"), max(rule.flagged + rule.rejected - explained, 0))]


def _column(prefix: str, rules: dict[str, str]) -> str:
    """The column that a reason code means: completion_capped is of completion_percentage, fee_missing of fee_paid."""
    if not prefix or prefix in rules:
        return prefix
    return next((column for column in sorted(rules) if column.startswith(prefix)), prefix)


def _root_cause(code: str, column: str, rows: int, record: DatasetQuality, earliest: int) -> RootCause:
    share = min(rows / record.rows_read, 1.0) if record.rows_read else 0.0
    return RootCause(
        code, column, round(share, 4), CAUSES[code].wording.format(column=_spoken(column), earliest=earliest)
    )


def _recommendations(touched: Counter[tuple[str, str]]) -> tuple[str, ...]:
    """One per cause, naming its columns, the most rows first."""
    rows: Counter[str] = Counter()
    for (code, _), count in touched.items():
        rows[code] += count
    codes = sorted(rows, key=lambda code: (code == "written_differently", -rows[code], code))
    found = []
    for code in codes[:MOST_RECOMMENDATIONS]:
        columns = sorted((each for each in touched if each[0] == code), key=lambda each: (-touched[each], each))
        found.append(CAUSES[code].advice.format(column=_joined(_spoken(column) for _, column in columns)))
    return tuple(found)


def _severity(record: DatasetQuality, causes: tuple[RootCause, ...], limits: QualityRule) -> Severity:
    worst = max((cause.share for cause in causes if cause.code != "written_differently"), default=0.0)
    percent = Decimal(_percent(worst))
    many = 100 * record.rejected >= limits.act_rejected * record.rows_read
    if record.rows_read and (many or percent >= limits.act_touched):
        return "act"
    return "watch" if record.rejected or percent >= limits.watch_touched or not record.rows_read else "ok"


# --- words ----------------------------------------------------------------------------------------------------------

_VERDICTS = {
    "ok": "Nothing needs to be done.",
    "watch": "Nothing is urgent, but have a look when you find the time.",
    "act": "Please act on the first recommendation before the next file is sent.",
}


def _summary(record: DatasetQuality, causes: tuple[RootCause, ...], severity: Severity) -> str:
    name = _spoken(record.dataset)
    if not record.rows_read:
        return f"No rows of {name} have come in yet. If you expected some, check the folder they are sent to."
    used = record.rows_read - record.rejected - record.duplicates
    parts = [f"{used:,} of {record.rows_read:,} rows of {name} could be used."]
    if record.rejected or record.duplicates:
        parts.append(f"{record.rejected:,} were rejected and {record.duplicates:,} repeated; none is lost.")
    main = next((cause for cause in causes if cause.code != "written_differently"), None)
    if main:
        parts.append(f"Most common ({_percent(main.share)} % of the rows): {main.wording}")
    return " ".join([*parts, _VERDICTS[severity]])


def _spoken(column: str) -> str:
    """dob -> date of birth; enrollment_date -> enrollment date."""
    return {"dob": "date of birth", "": "row"}.get(column, column.replace("_", " ").strip())


def _joined(words: Iterable[str]) -> str:
    """a, b and c."""
    *rest, last = words
    return f"{', '.join(rest)} and {last}" if rest else last


def _percent(share: float) -> str:
    return f"{(Decimal(str(share)) * 100).quantize(Decimal('0.01'), rounding=ROUND_HALF_UP)}"
