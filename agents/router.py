"""Which agent a record is for: by its type alone."""

from __future__ import annotations

from typing import Any

from agents.insights import InsightsAgent
from agents.protocol import Agent
from agents.quality import QualityAgent
from agents.risk import RiskAgent
from agents.tickets import TicketAgent

AGENTS: tuple[Agent[Any, Any], ...] = (RiskAgent(), TicketAgent(), QualityAgent(), InsightsAgent())


def agent_for(record: object) -> Agent[Any, Any]:
    """The agent that accepts the record. Raises TypeError, which names the types that have one."""
    for agent in AGENTS:
        if isinstance(record, agent.accepts):
            return agent
    known = ", ".join(agent.accepts.__name__ for agent in AGENTS)
    raise TypeError(f"no agent for a {type(record).__name__}; there is one for each of: {known}")
