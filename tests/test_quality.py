"""Why rows went wrong: every reason code has a cause, and what is advised follows the rows it would mend."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.causes import BY_RULE, CAUSES, cause_of, split_reason
from agents.protocol import Unusable
from agents.quality import DatasetQuality, QualityAgent, ReasonCount, RuleCount
from pipeline.datasets import DATASETS
from pipeline.datasets.declaration import STAGED_TYPES, Column
from pipeline.definitions import DATES, QUALITY

AGENT = QualityAgent(QUALITY, DATES.earliest)
CLEAN = DatasetQuality("attendance", 1000, 0, 0, (RuleCount("status", "attendance", 0, 0, 0),))
MESSY = DatasetQuality(
    "students_enrollment",
    1000,
    60,
    5,
    rules=(
        RuleCount("student_id", "student_id", 700, 0, 20),
        RuleCount("dob", "date", 300, 110, 0),
        RuleCount("phone", "phone", 40, 50, 0),
        RuleCount("fee_paid", "number", 10, 12, 0),
        RuleCount("_record", "field_count", 30, 30, 40),
    ),
    samples=(
        ReasonCount("dob_invalid", 80),
        ReasonCount("dob_out_of_range", 30),
        ReasonCount("phone_invalid", 50),
        ReasonCount("fee_missing", 12),
        ReasonCount("student_id_invalid", 20),
        ReasonCount("field_rejoined", 30),
        ReasonCount("field_count", 40),
    ),
)


def reasons_of(column: Column) -> list[str]:
    """The reason codes that the cleaning rules can give to a column."""
    endings = {
        **dict.fromkeys(("student_id", "key"), ("invalid", "missing")),
        **dict.fromkeys(("date", "timestamp"), ("invalid", "out_of_range")),
        **dict.fromkeys(("email", "phone", "boolean", "class_id", "grade"), ("invalid",)),
        **dict.fromkeys(("city", "state"), ("unmatched",)),
        "number": ("invalid", "negative"),
        "points": ("invalid", "negative"),
        "percent": ("invalid", "capped"),
        "code": ("invalid", "unknown"),
        "attendance": ("unknown",),
    }
    found = [f"{column.flag_prefix}_{ending}" for ending in endings.get(column.rule, ())]
    return found + ([column.missing] if column.missing else []) + (["x_missing"] if column.required else [])


every_column = [(name, column) for name, dataset in DATASETS.items() for column in dataset.columns]


@pytest.mark.parametrize("name, column", every_column, ids=[f"{name}.{column.name}" for name, column in every_column])
def test_every_reason_code_of_every_declaration_has_a_cause(name, column):
    for reason in reasons_of(column):
        assert cause_of(reason, column.rule) in CAUSES.keys() - {"other"}, reason
        assert cause_of(reason) in CAUSES.keys() - {"other"}, f"{reason}, without its rule"


@pytest.mark.parametrize(
    "reason, rule, cause",
    [
        ("field_rejoined", "", "separator_not_quoted"),
        ("field_count", "", "row_broken"),
        ("record_unreadable", "", "record_damaged"),
        ("student_id_invalid", "", "key_unusable"),
        ("event_id_missing", "key", "key_unusable"),
        ("email_invalid", "", "address_mistyped"),
        ("email_missing", "", "left_empty"),
        ("phone_invalid", "", "phone_spoilt"),
        ("enrollment_date_invalid", "", "dates_mixed"),
        ("attendance_date_out_of_range", "", "dates_implausible"),
        ("fee_paid_negative", "", "sign_wrong"),
        ("fee_paid_invalid", "", "number_as_text"),
        ("score_capped", "percent", "scale_wrong"),
        ("city_unmatched", "", "city_unknown"),
        ("state_mismatch", "", "state_contradicts"),
        ("payment_status_unknown", "", "word_unknown"),
        ("class_id_invalid", "", "form_unknown"),
        ("class_id_missing", "class_id", "left_empty"),
        ("score_above_maximum", "", "score_impossible"),
        ("max_score_not_positive", "", "score_impossible"),
        ("rating_above_5", "", "value_impossible"),
        ("something_new", "", "other"),
    ],
)
def test_a_reason_code_has_its_cause(reason, rule, cause):
    assert cause_of(reason, rule) == cause


def test_a_reason_code_is_a_column_and_an_ending():
    assert split_reason("dob_out_of_range") == ("dob", "out_of_range")
    assert split_reason("field_count") == ("", "field_count")
    assert split_reason("state_mismatch") == ("state", "state_mismatch")


def test_every_rule_that_can_complain_is_known():
    silent = {"name", "gender", "text", "aliases"}
    assert {*STAGED_TYPES, "number"} - silent - BY_RULE.keys() == set()


def test_causes_come_with_the_rows_they_touch_the_most_first():
    causes = AGENT.opine(MESSY).root_causes
    assert [(cause.code, cause.column, cause.share) for cause in causes] == [
        ("written_differently", "student_id", 0.7),
        ("dates_mixed", "dob", 0.08),
        ("phone_spoilt", "phone", 0.05),
        ("row_broken", "", 0.04),
        ("dates_implausible", "dob", 0.03),
        ("separator_not_quoted", "", 0.03),
        ("key_unusable", "student_id", 0.02),
        ("left_empty", "fee_paid", 0.012),
        ("sent_twice", "", 0.005),
    ]
    assert all("{" not in cause.wording for cause in causes)


def test_advice_follows_the_rows_it_would_mend():
    opinion = AGENT.opine(MESSY)
    assert opinion.recommendations[0].startswith("Set the column date of birth to the form 2024-05-15")
    assert len(opinion.recommendations) == 5
    assert opinion.severity == "act"
    assert opinion.summary.startswith("935 of 1,000 rows of students enrollment could be used.")


def test_one_piece_of_advice_names_all_its_columns():
    samples = (ReasonCount("dob_invalid", 5), ReasonCount("enrollment_date_invalid", 9))
    opinion = AGENT.opine(DatasetQuality("students_enrollment", 100, 0, 0, (), samples))
    assert opinion.recommendations == (
        "Set the column enrollment date and date of birth to the form 2024-05-15 in the program that makes the export.",
    )


def test_what_no_reason_code_explains_the_counts_per_rule_do():
    quality = DatasetQuality("attendance", 200, 12, 0, (RuleCount("status", "attendance", 0, 0, 12),))
    (cause,) = AGENT.opine(quality).root_causes
    assert (cause.code, cause.column, cause.share) == ("word_unknown", "status", 0.06)


@pytest.mark.parametrize(
    "change, severity",
    [
        ({}, "ok"),
        ({"rejected": 1}, "watch"),
        ({"rejected": 49}, "watch"),
        ({"rejected": 50}, "act"),
        ({"samples": (ReasonCount("status_unknown", 49),)}, "ok"),
        ({"samples": (ReasonCount("status_unknown", 50),)}, "watch"),
        ({"samples": (ReasonCount("status_unknown", 250),)}, "act"),
        ({"rows_read": 0}, "watch"),
    ],
)
def test_severity_grows_with_the_share_of_rows(change, severity):
    assert AGENT.opine(replace(CLEAN, **change)).severity == severity


def test_a_dataset_without_rows_and_one_without_faults_are_said_to_be_so():
    assert "No rows of attendance have come in yet" in AGENT.opine(replace(CLEAN, rows_read=0)).summary
    clean = AGENT.opine(CLEAN)
    assert clean.root_causes == () and clean.recommendations == ()
    assert clean.summary == "1,000 of 1,000 rows of attendance could be used. Nothing needs to be done."
    assert AGENT.outgoing(CLEAN, str) is None


@pytest.mark.parametrize("counts", [(-1, 0, 0), (10, 8, 3), (10, -1, 0)])
def test_counts_that_cannot_be_are_refused(counts):
    with pytest.raises(ValueError):
        DatasetQuality("attendance", *counts)


counts = st.integers(0, 50)
some_rules = st.builds(
    RuleCount, st.sampled_from(["dob", "phone", "status", "new"]), st.sampled_from([*BY_RULE, "new"]), *[counts] * 3
)
some_reasons = st.sampled_from(["dob_invalid", "phone_missing", "field_count", "strange", "status_unknown"])


@given(st.tuples(some_rules), st.lists(st.builds(ReasonCount, some_reasons, counts)), counts)
def test_shares_stay_in_0_to_1_and_come_in_order(rules, samples, duplicates):
    quality = DatasetQuality("attendance", 100, 0, duplicates, rules, tuple(samples))
    opinion = AGENT.opine(quality)
    shares = [cause.share for cause in opinion.root_causes]
    assert shares == sorted(shares, reverse=True) and all(0 < share <= 1 for share in shares)
    assert bool(opinion.recommendations) == bool(opinion.root_causes)
    assert AGENT.opine(quality) == opinion


def test_a_model_words_summary_and_advice():
    sent = AGENT.outgoing(MESSY, str)
    assert sent is not None and sent["root_causes"][1]["percent"] == "8.00"
    worded = AGENT.accept(
        MESSY, {"summary": "60 rows were rejected.", "recommendations": ["Write dates as 2024-05-15."]}
    )
    assert worded.root_causes == AGENT.opine(MESSY).root_causes and worded.severity == "act"
    assert worded.summary == "60 rows were rejected." and worded.recommendations == ("Write dates as 2024-05-15.",)


@pytest.mark.parametrize(
    "answer, reason",
    [
        ({"summary": "Fine."}, "wrong_fields"),
        ({"summary": "Fine.", "recommendations": []}, "recommendations_malformed"),
        ({"summary": "Fine.", "recommendations": "Do it."}, "recommendations_malformed"),
        ({"summary": "61 rows were rejected.", "recommendations": ["Do it."]}, "number_not_in_facts"),
        ({"summary": "Fine.", "recommendations": ["See https://example.com"]}, "markup"),
        ({"summary": "Fine.", "recommendations": [None]}, "text_missing"),
        ({"summary": "a" * 501, "recommendations": ["Do it."]}, "text_too_long"),
        ({"summary": "Since 2023-01-01.", "recommendations": ["Do it."]}, "number_not_in_facts"),
    ],
)
def test_an_answer_that_adds_to_the_counts_is_refused(answer, reason):
    with pytest.raises(Unusable, match=f"^{reason}$"):
        AGENT.accept(MESSY, answer)
