"""output/metrics.prom is what Prometheus and the node exporter take, and says what the ledger says."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from groq_server import good, status
from prometheus_client.parser import text_string_to_metric_families
from test_enrich import groq, school, tickets, whose  # noqa: F401 - fixtures

PROMTOOL = shutil.which("promtool")


def parsed(house) -> dict[str, dict[tuple[str, ...], float]]:
    """name of a sample -> values of its labels, by the names of these -> number."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families((house.output / "metrics.prom").read_text()):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            assert labels not in found.setdefault(sample.name, {}), "a sample stands there once"
            found[sample.name][labels] = sample.value
    return found


def test_rows_targets_quality_and_checks_are_those_of_the_ledger(school):  # noqa: F811
    assert school.run() == 0
    found = parsed(school)
    for dataset, *counts in school.query("""
        select dataset, sum(read), sum(current), sum(superseded), sum(duplicate), sum(rejected)
        from etl.drops where status = 'staged' group by dataset
    """):
        outcomes = ("read", "current", "superseded", "duplicate", "rejected")
        assert [found["eduflow_rows"][dataset, outcome] for outcome in outcomes] == counts
    rows = dict(school.query("select target, rows from etl.targets where target <> 'output/metrics'"))
    assert found["eduflow_target_rows"] == {(target,): count for target, count in rows.items()}
    assert found["eduflow_target_build_seconds"].keys() == found["eduflow_target_rows"].keys()
    score = school.one("select avg(quality_score) from staging.stg_enrollments")
    assert found["eduflow_quality_score"]["students_enrollment",] == pytest.approx(float(score))
    assert found["eduflow_check_offending_rows"]["check_warehouse_orphans", "warning"] == 2
    assert found["eduflow_drops"] == {("staged",): 17}
    assert found["eduflow_llm_breaker_state"] == {(): 0}


def test_counters_only_rise_and_the_breaker_is_as_it_was_left(tickets, groq):  # noqa: F811
    assert tickets.run() == 0
    first = parsed(tickets)
    groq.play(status(401, "invalid_api_key"))
    tickets.rows(
        "2024-02-09/support_tickets.csv",
        "support_tickets",
        {"ticket_id": "T50", "description": "New text about the video."},
    )
    assert tickets.run() == 0
    second = parsed(tickets)
    for name in first:
        if name.endswith(("_total", "_count", "_bucket", "_sum")):
            assert all(second[name][labels] >= number for labels, number in first[name].items()), name
    assert second["eduflow_llm_calls_total"]["ticket_analysis", "unauthorized"] == 1
    assert second["eduflow_llm_fallbacks_total"]["ticket_analysis", "unauthorized"] == 1
    assert second["eduflow_llm_breaker_state"] == {(): 2}
    groq.play(good)
    assert tickets.do("forget", "warehouse.ai_ticket_analysis") == 0 and tickets.run() == 0
    assert parsed(tickets)["eduflow_llm_breaker_state"] == {(): 0}
    assert parsed(tickets)["eduflow_llm_cache_hits_total"]["ticket_analysis",] >= 12
    assert whose(tickets, "warehouse.ai_ticket_analysis") == {("llm", ""): 13}


@pytest.mark.skipif(not PROMTOOL, reason="no promtool on this machine (Debian package prometheus)")
def test_promtool_has_nothing_to_say(tickets, groq):  # noqa: F811
    assert tickets.run() == 0
    text = (tickets.output / "metrics.prom").read_bytes()
    assert PROMTOOL
    checked = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, timeout=30)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
