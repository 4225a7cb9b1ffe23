"""A number has one place: every definition is changed, and nothing that is shown still says the old number."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from oracle import Oracle

import init_db
from agents.insights import InsightFacts, InsightsAgent
from agents.metrics import Metric, StandsOut
from agents.quality import DatasetQuality, QualityAgent, ReasonCount
from agents.risk import RiskAgent, StudentFacts, factors_of
from pipeline import definitions, guard
from pipeline.checks import HEADER
from pipeline.config import PROJECT, eduflow, settings
from pipeline.datasets import DATASETS
from pipeline.outputs.dictionary import pages
from pipeline.outputs.report.facts import Facts, Opinions
from pipeline.outputs.report.page import page
from pipeline.rules import RULES, apply_rule
from pipeline.rules.cities import Cities
from pipeline.rules.context import Context
from targets.parts import digest

pytestmark = pytest.mark.usefixtures("no_earlier_clone")

NAMES = list(definitions.values())
QUERIES = sorted((PROJECT / "pipeline/sql").glob("*.sql"))


@pytest.fixture(autouse=True)
def as_defined() -> Iterator[None]:
    """The DDL is filled in with the real numbers again."""
    yield
    init_db.define(definitions.filled)


def changed(monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
    """Other values of some fields: look_score=41."""
    every: dict[str, Any] = {name: it for name, it in vars(definitions).items() if name.isupper() and is_dataclass(it)}
    for name, value in every.items():
        names = {f"{name.lower()}_{field.name}": field.name for field in fields(value)}
        if given := {names[key]: new for key, new in values.items() if key in names}:
            monkeypatch.setattr(definitions, name, replace(value, **given))
    init_db.define(definitions.filled)


# Numbers that nothing else says, one per name; windows of activity have at most 63 days, and 61 to 63 are said by none.
# Categories of risk keep their order; what stands out stays small enough for a metric to do so.
UNLIKELY: dict[str, Any] = {
    name: 1000 + place for place, name in enumerate(NAMES) if not name.startswith(("guard", "insights"))
}
UNLIKELY |= {"activity_short": 61, "activity_long": 62, "insights_days": 2500}
ANOTHER = {name: 63 if name.startswith("activity") else 3000 for name in UNLIKELY}


# --- what is shown ----------------------------------------------------------------------------------------------------


def comments() -> str:
    """The DDL of the derived tables with its comments: what the dictionary shows, and the names of columns."""
    return "\n".join("\n".join((*each.statements, *each.comments)) for each in init_db.relations().values())


def queries() -> str:
    """What the queries ask, with what is bound to them."""
    texts = [re.sub(r"--[^\n]*", "", path.read_text()) for path in QUERIES]
    return "\n".join(f"{definitions.filled(text)} {definitions.bound(text)}" for text in texts)


def checks() -> str:
    """What must hold, as it is said of a check."""
    heads = (HEADER.match(definitions.filled(path.read_text())) for path in QUERIES)
    return "\n".join(found[2] for found in heads if found)


def docstrings() -> str:
    """What the dictionary says of the rules. (What a notebook is told of the marts is the comments of their DDL.)"""
    return "\n".join(pages._said(rule) for rule in RULES.values())


SCHOOL = {
    **dict.fromkeys(("students", "unknown_students", "active", "active_lately", "attendance_days"), 8),
    **dict.fromkeys(("assessments", "events", "tickets", "tickets_open"), 0),
    **{"attendance": Decimal("0.8"), "recent_attendance": Decimal("0.8"), "score": None, "recent_score": None},
    **{"completion": None},
}
NEEDING = {"total": 5, **dict.fromkeys(("absent", "low", "low_course", "away", "never"), 5)}
CLASS = {
    **{"class_id": "CLASS-9A", "grade_level": 9, "active_students": 8, "attendance_days": 8, "assessment_count": 8},
    **{"attendance_rate": Decimal("0.8"), "avg_score": Decimal(80), "median_score": None, "low_scorers": 8},
    **{"often_absent": 8},
}
DAY = {
    **{"class_id": None, "date": date(2008, 8, 8), "students_with_attendance": 8, "present_count": 8},
    **{"assessment_count": 8, "avg_score": Decimal(80)},
}


def report() -> str:
    """The report: a school with a class, whose students need a look for each reason, and one where nobody does."""
    mood = {"Neutral": {"tickets": 8, "recent": 8}}
    issue = {"issue": "no_reply", "tickets": 8, "recent": 8}
    found = Opinions([], {"Low": 8}, mood, [issue], [], 0, by_model=False)
    given: dict[str, Any] = {
        **dict.fromkeys(("waiting", "strays", "no_drops", "missing", "needing", "activity", "drops"), ()),
        **dict.fromkeys(("rules", "rejects", "worst", "queue", "courses"), ()),
        **dict.fromkeys(("course_count", "rule_count", "reject_count", "worst_count"), 0),
        **{
            "as_of": date(2008, 8, 8),
            "school": SCHOOL,
            "needing_counts": NEEDING,
            "classes": [CLASS],
            "class_count": 88,
        },
        **{"days": [DAY], "drop_totals": {}, "opinions": found},
    }
    facts = Facts(**given)
    nobody = replace(facts, needing_counts=dict.fromkeys(NEEDING, 0))
    said = f"{page(facts)} {page(nobody)}"
    text = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", said, flags=re.S)
    return re.sub(r"<[^>]*>", " ", text)


def prompts() -> str:
    return RiskAgent(definitions.RISK).prompt.text


STUDENT = StudentFacts("STU008", 5555, Decimal("33.33"), "PENDING", 6666, 7777)


def of_a_student() -> str:
    """What is said of a student, whatever the category."""
    opinion = RiskAgent(definitions.RISK).opine(STUDENT)
    return " ".join([opinion.explanation, *(factor.wording for factor in factors_of(STUDENT, definitions.RISK))])


def of_a_dataset() -> str:
    """What is said of rows whose dates are too early."""
    agent = QualityAgent(definitions.QUALITY, definitions.DATES.earliest)
    opinion = agent.opine(DatasetQuality("students", 8, 0, 0, samples=(ReasonCount("dob_out_of_range", 8),)))
    return " ".join([opinion.summary, *(cause.wording for cause in opinion.root_causes)])


def of_the_school() -> str:
    """What there is to do when all metrics got worse."""
    agent = InsightsAgent(definitions.INSIGHTS, definitions.METRICS)
    worse = (
        Metric(each.name, each.wording, 8, 88 if each.better == "up" else 0, each.unit, each.mart, each.better)
        for each in definitions.METRICS
        if each.name == "active_students"
    )
    return " ".join(agent.opine(InsightFacts(None, tuple(worse))).actions)


OF_RISK = (
    "inactive low_completion payment_open negative_ticket low_scores inactive_days least_completion"
    " negative_tickets ticket_days many_low_scores low_score score_days"
)
# text -> the names it says
SAYS: dict[Callable[[], str], str] = {
    comments: "look_attendance look_score activity_short activity_long enrollment_inactive enrollment_churned"
    " queue_flags risk_ticket_days risk_low_score risk_score_days risk_medium risk_high risk_critical insights_days",
    queries: "look_attendance look_score activity_short activity_long enrollment_inactive enrollment_churned"
    " queue_flags risk_ticket_days risk_low_score risk_score_days insights_days stale_days dates_earliest",
    checks: "stale_days dates_earliest",
    docstrings: "dates_earliest",
    report: "look_attendance look_score look_away activity_long " + re.sub(r"(\w+)", r"risk_\1", OF_RISK),
    prompts: "risk_inactive_days risk_least_completion risk_negative_tickets risk_ticket_days risk_many_low_scores"
    " risk_low_score risk_score_days",
    of_a_student: "risk_inactive risk_low_completion risk_payment_open risk_negative_ticket risk_low_scores"
    " risk_least_completion risk_ticket_days risk_low_score risk_score_days",
    of_a_dataset: "dates_earliest",
    of_the_school: "insights_days",
}


def numbers(text: str) -> set[str]:
    return set(re.findall(r"(?<![\d.])\d+(?:\.\d+)?(?!\d)", text))


@pytest.mark.parametrize("name", UNLIKELY)
@pytest.mark.parametrize("text", SAYS, ids=lambda text: text.__name__)
def test_another_number_is_said_wherever_the_old_one_was(monkeypatch, text, name):
    """All numbers are unlikely ones and one more is changed: the old one is nowhere, the new one where it was."""
    changed(monkeypatch, **UNLIKELY)
    assert (str(UNLIKELY[name]) in numbers(text())) is (name in SAYS[text].split())
    changed(monkeypatch, **{name: ANOTHER[name]})
    after = numbers(text())
    assert str(UNLIKELY[name]) not in after
    assert (str(ANOTHER[name]) in after) is (name in SAYS[text].split())


@pytest.mark.parametrize(
    "text, else_said",
    [
        (prompts, {"100", "0", "600"}),  # of 100 points; 0: not met; the longest answer
        (of_a_student, {"100", "5555", "33.33", "6666", "7777"}),  # of 100 points, and the student's own
        (of_the_school, set()),
        # 8: whatever is counted in the facts; the day, and the Monday before it
        (report, {"8", "88", "5", "0", "1", "2008", "80", "80.0", "100", "9", "007", "360", "4"}),
    ],
    ids=lambda text: getattr(text, "__name__", ""),
)
def test_no_number_is_written_out_where_it_is_shown(monkeypatch, text, else_said):
    changed(monkeypatch, **UNLIKELY)
    rule = definitions.RISK
    sums = {str(RiskAgent(rule).opine(STUDENT).score), str(rule.many_low_scores - 1)}
    assert numbers(text()) <= {str(value) for value in UNLIKELY.values()} | sums | else_said


# What a query may say without a definition: no row, one, two decimals, a half; the 64 bits of a mask; hours and minutes
# in seconds; percent; the hours by which the earth is ahead; letters of an index; what the calendar has.
PLAIN = {"0", "1", "2", "3600", "3600.0", "60.0", "100", "100.0", "64", "14", "200", "4", "20"}
AGES = {"18", "22", "23", "27", "28", "35"}  # groups that are named by their ages


@pytest.mark.parametrize(
    "path", [path for path in QUERIES if "mart" in path.name or "ai_" in path.name], ids=lambda p: p.stem
)
def test_a_query_of_a_mart_writes_no_threshold_out(path):
    query = re.sub(r"--[^\n]*|'[^']*'", "", path.read_text())
    known = PLAIN | (AGES if path.stem == "mart_student_360" else set())
    assert set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?", query)) - known == set()


# --- what depends on them ---------------------------------------------------------------------------------------------

STEPS = Oracle().steps
RISKY = {"warehouse.ai_student_risk", "output/report"}
STAGED = {f"staging.{dataset.table}": dataset for dataset in DATASETS.values()}
# name -> the targets of which it is a part. A prefix stands for all names that begin with it.
PART_OF: dict[str, set[str]] = {
    "risk": RISKY,
    "look_attendance": {"analytics.class_statistics", "output/report"},
    "look_score": {"analytics.class_statistics", "output/report"},
    "look_away": {"output/report"},
    "activity_short": {"analytics.student_360"},
    "activity_long": {"analytics.student_360", "output/report"},
    "enrollment": {"analytics.student_360"},
    "queue": {"analytics.review_queue"},
    "stale": {"checks/analytics"},
    "dates": {
        *(name for name, found in STAGED.items() if {c.rule for c in found.columns} & {"date", "timestamp"}),
        *("analytics.ai_quality", "checks/staging"),
    },
    "cities": {"staging.stg_enrollments"},
    "guard": set(),  # a drop is judged once, when it comes
    "quality": {"analytics.ai_quality"},
    "insights": {"analytics.ai_insights"},
}


def parts() -> dict[str, dict[str, str]]:
    """target -> its definitions and DDL, with their digests."""
    relations = init_db.relations()
    return {
        target: {
            **{name: digest(definitions.value(name)) for name in step.defined()},
            **{name: relations[name].digest for name in step.relations()},
        }
        for target, step in STEPS.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_definition_is_a_part_of_the_steps_that_use_it_and_of_no_other(monkeypatch, name):
    init_db.define(definitions.filled)
    before, value = parts(), definitions.value(name)
    other = StandsOut(value.by + 1, value.share) if isinstance(value, StandsOut) else value + 1
    changed(monkeypatch, **{name: other})
    after = parts()
    expected = PART_OF.get(name) or next((PART_OF[key] for key in PART_OF if name.startswith(f"{key}_")), None)
    assert {target for target in before if before[target] != after[target]} == (expected or set())


def test_what_a_metric_is_called_is_a_part_of_the_summary_alone(monkeypatch):
    before, (first, *others) = parts(), definitions.METRICS
    monkeypatch.setattr(definitions, "METRICS", (replace(first, wording="Presence"), *others))
    after = parts()
    assert {target for target in before if before[target] != after[target]} == {"analytics.ai_insights"}


def test_the_query_of_the_summary_gives_each_metric_once():
    query = (PROJECT / "pipeline/sql/ai_insights.sql").read_text()
    assert re.findall(r"^    \('(\w+)', ", query, re.M) == [each.name for each in definitions.METRICS]
    assert not any(each.wording in query for each in definitions.METRICS)


# --- what they decide -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["overlap", "growth", "nulls", "rejects", "codes", "missing", "rejected", "repeated", "unread"]
)
def test_a_limit_of_the_guard_is_the_default_of_its_setting(key):
    assert dict(eduflow.get_params())[f"guard_{key}"]._default == str(getattr(definitions.GUARD, key))


def test_from_how_many_rows_on_the_guard_believes_a_share_is_defined(monkeypatch):
    new, before = guard.Profile(rows=120, rejected=110), guard.Profile(rows=120)
    assert guard.compared(new, before, settings())
    changed(monkeypatch, guard_enough_rows=121)
    assert not guard.compared(new, before, settings())
    keys = {str(key): None for key in range(12)}
    less = {str(key): None for key in range(11, 12)}
    assert guard.compared_keys(less, keys, settings(), roster=False)
    changed(monkeypatch, guard_few=12, guard_enough_keys=13)
    assert not guard.compared_keys(less, keys, settings(), roster=False)
    seen = guard.Profile(codes={"class_id": {"CLASS-1": 1, "CLASS-2": 1}})  # type: ignore[dict-item]
    assert seen.stored()["codes"]
    changed(monkeypatch, guard_most_codes=1)
    assert not seen.stored()["codes"]


def test_when_a_dataset_needs_somebody_is_defined(monkeypatch):
    one = DatasetQuality("students", 100, 4, 0, samples=(ReasonCount("dob_invalid", 4),))

    def severity(**values: int) -> str:
        changed(monkeypatch, **values)
        return QualityAgent(definitions.QUALITY, definitions.DATES.earliest).opine(one).severity

    assert severity() == "watch"
    assert severity(quality_act_rejected=4) == "act"
    assert severity(quality_act_rejected=5, quality_act_touched=4) == "act"
    flagged = replace(one, rejected=0)
    agent = QualityAgent(replace(definitions.QUALITY, act_touched=25, watch_touched=5), 1950)
    assert agent.opine(flagged).severity == "ok"
    assert QualityAgent(replace(agent.rule, watch_touched=4), 1950).opine(flagged).severity == "watch"


def test_which_days_a_file_may_say_is_defined(monkeypatch):
    column = DATASETS["students_enrollment"].column("dob")
    given = ("1949-12-31", "1950-01-01", "31/12/1949")
    days = [apply_rule(text, column, Context(date(2024, 2, 8))).code for text in given]
    assert days == ["dob_out_of_range", "", "dob_out_of_range"]
    changed(monkeypatch, dates_earliest=1949)
    assert [apply_rule(text, column, Context(date(2024, 2, 8))).code for text in given] == ["", "", ""]


def test_how_alike_a_misspelt_city_must_be_is_defined(monkeypatch):
    rows: list[tuple[str, str, str, list[str]]] = [("Mumbai", "Maharashtra", "MH", [])]
    assert Cities.of(rows).find("Mumbay") == "Mumbai"
    changed(monkeypatch, cities_alike=90)
    assert Cities.of(rows).find("Mumbay") is None


@pytest.mark.parametrize("days", [0, 64])
def test_a_window_of_activity_fits_into_the_bits_of_a_number(days):
    with pytest.raises(ValueError, match="1 to 63 days"):
        definitions.Activity(short=7, long=days)
