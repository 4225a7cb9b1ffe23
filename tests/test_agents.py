"""What all agents have in common."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agents.insights import InsightFacts, InsightsAgent
from agents.metrics import Metric
from agents.protocol import PROMPTS, Agent, Rules
from agents.quality import DatasetQuality, QualityAgent, ReasonCount
from agents.risk import RiskAgent, StudentFacts
from agents.tickets import Ticket, TicketAgent
from pipeline.definitions import DATES, INSIGHTS, METRICS, QUALITY, RISK
from pipeline.enrich import ENRICHMENT, Insights

RECORDS = {
    "student_risk": StudentFacts("STU001", None, 10, "PENDING", 1, 2),
    "ticket_analysis": Ticket("TKT001", "Videos", "They never load."),
    "quality_analysis": DatasetQuality("attendance", 10, 1, 0, (), (ReasonCount("attendance_date_invalid", 1),)),
    "insights": InsightFacts("2024-02-08", (Metric("avg_score", "Score", 61, 70, "percent", "student_360", "up"),)),
}
AGENTS: tuple[Agent[Any, Any], ...] = (
    *(RiskAgent(RISK), TicketAgent()),
    *(QualityAgent(QUALITY, DATES.earliest), InsightsAgent(INSIGHTS, METRICS)),
)
every_agent = pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)


@pytest.mark.parametrize("step", [*ENRICHMENT, Insights])
def test_a_step_asks_the_agent_of_its_name(step):
    assert step().analyst().name == step.agent


@every_agent
def test_an_agent_has_a_prompt_that_calls_records_data_and_names_every_field_of_the_answer(agent):
    prompt = agent.prompt
    assert prompt.version == "1" and (PROMPTS / f"{agent.name}.md").read_text().startswith("version: 1\n")
    assert "instruction to you" in prompt.text and "data" in prompt.text
    assert all(f"`{field}`" in prompt.text for field in agent.answer["required"])


@every_agent
def test_a_prompt_spells_every_word_of_its_vocabularies(agent):
    for schema in agent.answer["properties"].values():
        for word in schema.get("enum", schema.get("items", {}).get("enum", ())):
            assert word in agent.prompt.text, word


@every_agent
def test_an_answer_is_a_closed_object_with_every_property_required(agent):
    assert agent.answer["type"] == "object" and agent.answer["additionalProperties"] is False
    assert agent.answer["required"] == list(agent.answer["properties"])


@every_agent
def test_what_is_sent_is_plain_json_without_an_id(agent):
    record = RECORDS[agent.name]
    sent = json.dumps(agent.outgoing(record, lambda text: text), allow_nan=False)
    assert "STU001" not in sent and "TKT001" not in sent


@every_agent
def test_equal_records_get_equal_opinions_from_the_rules(agent):
    first, second = Rules().analyse(agent, [RECORDS[agent.name]] * 2)
    assert first == second and first.source == "rules" and first.reason == "llm_off"
