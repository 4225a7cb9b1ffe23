"""The executive summary: metrics in, lines and Markdown out; a model's numbers must be ours."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.insights import InsightFacts, InsightsAgent, markdown
from agents.metrics import Anomaly, Metric, shown
from agents.protocol import Unusable
from agents.wording import numbers_in
from pipeline.definitions import INSIGHTS, METRICS

AGENT = InsightsAgent(INSIGHTS, METRICS)


def metric(name: str = "attendance_rate", value=Decimal("78"), previous=Decimal("91"), unit="percent", **how) -> Metric:
    label = name.replace("_", " ").capitalize()
    return Metric(name, label, value, previous, unit, how.get("mart", "daily_dashboard"), how.get("better", "up"))


FACTS = InsightFacts(
    "2024-02-08",
    (
        metric(),
        metric("avg_score", 71.5, 66, "percent", mart="student_360"),
        metric("tickets_opened", 12, 8, "count", better="down"),
        metric("learning_hours", Decimal("1204.5"), Decimal("1204.5"), "hours"),
        metric("active_students", 1234, None, "count"),
    ),
)
NOTHING = InsightFacts(None)


@pytest.mark.parametrize(
    "value, previous, better, trend, verdict",
    [
        (2, 1, "up", "up", "better"),
        (2, 1, "down", "up", "worse"),
        (1, 2, "up", "down", "worse"),
        (1, 2, None, "down", ""),
        (1, 1, "up", "unchanged", ""),
        (Decimal("1.004"), 1, "up", "unchanged", ""),  # as they are shown
        (1, None, "up", "new", ""),
        (None, 1, "up", "new", ""),
    ],
)
def test_a_metric_knows_its_trend_and_whether_that_is_good(value, previous, better, trend, verdict):
    one = metric(value=value, previous=previous, better=better)
    assert (one.trend, one.verdict) == (trend, verdict)


@pytest.mark.parametrize(
    "value, unit, text",
    [
        (38, "percent", "38.00 %"),
        (Decimal("38.005"), "percent", "38.01 %"),
        (1234567, "count", "1,234,567"),
        (100, "count", "100"),
        (12.5, "hours", "12.5 hours"),
        (60, "points", "60 points"),
        (Decimal("-0.001"), "percent", "0.00 %"),
        (None, "count", "not known"),
    ],
)
def test_numbers_are_shown_the_way_people_read_them(value, unit, text):
    assert shown(value, unit) == text


def test_the_summary_says_how_things_stand_what_got_worse_what_better_and_what_stands_out():
    assert AGENT.opine(FACTS).summary == (
        "As of 2024-02-08: of four metrics, one got better and two got worse.",
        "Needs attention: Attendance rate fell from 91.00 % to 78.00 %.",
        "Good news: Avg score rose from 66.00 % to 71.50 %.",
        "Nothing else stands out.",
    )


def test_actions_follow_what_got_worse():
    assert AGENT.opine(FACTS).actions == (
        "Ask the class teachers which students were absent, and call their families.",
        "See which topic most support tickets are about, and answer it for everybody.",
    )
    unknown = replace(FACTS, metrics=(metric("library_visits", 5, 9, "count"),))
    assert AGENT.opine(unknown).actions == ("Find out why this changed: Library visits fell from 9 to 5.",)
    fine = replace(FACTS, metrics=(metric(value=95),))
    assert AGENT.opine(fine).actions == ("Keep going: no metric asks for action at the moment.",)


@pytest.mark.parametrize("days", [7, 10])
def test_an_action_names_the_window_of_its_metric_and_that_number_is_no_metric(days):
    agent = InsightsAgent(replace(INSIGHTS, days=days), METRICS)
    facts = InsightFacts("2024-02-08", (metric("active_students", days, 2 * days, "count"),))
    opinion = agent.opine(facts)
    assert opinion.actions == (f"Write to the students who were not active in the last {days} days.",)
    assert f"in the last {days} days" in markdown(facts, opinion)
    assert agent.accept(facts, {"summary": ["All is well."] * 3, "actions": [*opinion.actions]})


@pytest.mark.parametrize(
    "value, previous, unit, codes",
    [
        (80, 90, "percent", ["attendance_rate_fell"]),
        (Decimal("80.01"), 90, "percent", []),
        (101, 90, "percent", ["attendance_rate_impossible"]),
        (-1, 3, "count", ["attendance_rate_impossible"]),
        (13, 10, "count", []),  # 30 % more, but only 3
        (15, 10, "count", ["attendance_rate_rose"]),
        (125, 100, "count", []),  # 25 more, but only 25 %
        (5, 0, "count", ["attendance_rate_rose"]),
        (6.5, 10, "hours", ["attendance_rate_fell"]),
        (50, None, "percent", []),
    ],
)
def test_a_change_stands_out_when_it_is_large_in_itself_and_for_what_was_before(value, previous, unit, codes):
    opinion = AGENT.opine(InsightFacts("2024-02-08", (metric(value=value, previous=previous, unit=unit),)))
    assert [anomaly.code for anomaly in opinion.anomalies] == codes


def test_without_any_data_the_page_says_so():
    opinion = AGENT.opine(NOTHING)
    assert opinion.summary[0] == "There is no data to report on yet." and len(opinion.summary) == 3
    assert AGENT.outgoing(NOTHING, str) is None
    assert markdown(NOTHING, opinion).startswith("# Insights\n\n## Summary\n\n- There is no data to report on yet.\n")
    unknown = InsightFacts("2024-02-08", (metric(value=None, previous=None),))
    assert AGENT.opine(unknown).summary == opinion.summary
    assert "| – | – | – |" in markdown(unknown, opinion)


def test_the_page_links_every_number_to_the_mart_it_comes_from():
    page = markdown(FACTS, AGENT.opine(FACTS))
    assert (
        "| Attendance rate | [78.00 %](marts/daily_dashboard.csv) | [91.00 %](marts/daily_dashboard.csv) | ↓ worse |"
        in page
    )
    assert (
        "Good news: Avg score rose from [66.00](marts/student_360.csv) % to [71.50](marts/student_360.csv) %." in page
    )
    assert "| Learning hours | [1,204.5 hours]" in page and "→ |" in page and "– |" in page
    assert "As of 2024-02-08:" in page  # a date is no number


def test_text_from_elsewhere_cannot_break_the_page():
    facts = InsightFacts("2024-02-08", (metric("a|b [x](y) <i>", 1, 2, "count"),), (Anomaly("x", "a *b* | c", "m"),))
    page = markdown(facts, AGENT.opine(facts))
    assert r"A\|b \[x\](y) \<i\>" in page and r"a \*b\* \| c" in page


numbers = st.none() | st.integers(-100, 10**9) | st.decimals(-100, 10**6, places=3) | st.floats(-100, 1e6)
metrics = st.builds(
    Metric,
    *(st.sampled_from(["attendance_rate", "new"]), st.just("Some rate"), numbers, numbers),
    *(st.sampled_from(["percent", "count", "hours", "points"]), st.just("student_360")),
    st.sampled_from(["up", "down", None]),
)


@given(st.lists(metrics, max_size=6))
def test_a_summary_has_three_to_five_lines_whatever_the_metrics(some):
    facts = InsightFacts("2024-02-08", tuple(some))
    opinion = AGENT.opine(facts)
    assert 3 <= len(opinion.summary) <= 5 and 1 <= len(opinion.actions) <= 4
    assert AGENT.opine(facts) == opinion and markdown(facts, opinion) == markdown(facts, opinion)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("sNaN"), True])
def test_a_metric_that_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="attendance_rate"):
        metric(value=value)


# --- a model --------------------------------------------------------------------------------------------------------

LINES = [
    "On 2024-02-08 attendance was 78 %, after 91.00 % before.",
    "Tickets rose by 4 to 12.",
    "The 1,234 active students spent 1204.5 hours learning.",
]


def test_a_model_words_the_lines_with_our_numbers():
    opinion = AGENT.accept(FACTS, {"summary": LINES, "actions": ["Call the families of absent students."]})
    assert opinion.summary == tuple(LINES) and opinion.anomalies == AGENT.opine(FACTS).anomalies
    assert "attendance was [78](marts/daily_dashboard.csv) %" in markdown(FACTS, opinion)


@pytest.mark.parametrize(
    "lines, actions, reason",
    [
        (LINES[:2], [], "summary_not_3_to_5_lines"),
        (LINES * 2, [], "summary_not_3_to_5_lines"),
        ("one line", [], "summary_not_3_to_5_lines"),
        ([*LINES, "Attendance was 79 %."], [], "number_not_in_facts"),
        ([*LINES, "Attendance was about seventy-eight or seventy."], [], "number_not_in_facts"),
        ([*LINES, "Half of all students are late."], [], "number_not_in_facts"),
        ([*LINES, "Since 2024-02-07 it rains."], [], "number_not_in_facts"),
        ([*LINES, "In Q3 it was better."], [], "number_not_in_facts"),
        ([*LINES, "See [marts](marts/x.csv)."], [], "markup"),
        ([*LINES, "<script>alert()</script>"], [], "markup"),
        ([*LINES, "www.example.com"], [], "markup"),
        ([*LINES, "x" * 241], [], "text_too_long"),
        ([*LINES, ""], [], "text_missing"),
        (LINES, ["Do it."] * 5, "actions_malformed"),
        (LINES, ["Call 99 families."], "number_not_in_facts"),
        (LINES, [7], "text_missing"),
    ],
)
def test_an_answer_with_numbers_or_markup_of_its_own_is_refused(lines, actions, reason):
    with pytest.raises(Unusable, match=f"^{reason}$"):
        AGENT.accept(FACTS, {"summary": lines, "actions": actions})


def test_numbers_are_found_in_digits_and_in_words():
    found = numbers_in("On 2024-02-08 we had 1,250.50, 3 % and twenty more; -5 or −6.")
    assert sorted(found) == [Decimal(each) for each in ("-6", "-5", "3", "20", "1250.50")]


def test_what_is_sent_holds_metrics_and_labels_through_the_mask():
    sent = AGENT.outgoing(FACTS, lambda text: re.sub("Attendance", "X", text))
    assert sent is not None and sent["as_of"] == "2024-02-08"
    assert sent["metrics"][0] == {
        **{"name": "attendance_rate", "label": "X rate", "unit": "percent", "trend": "down"},
        **{"value": 78.0, "previous": 91.0, "verdict": "worse"},
    }
