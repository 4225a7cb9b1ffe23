"""Definitions: the numbers behind what people are shown. Each has one name and stands here.

Rules, queries (as bound parameters), pages and prompts read them from here; a test holds the comments of the tables to
them. A definition is a part of the steps that name it, so another number builds again what depends on it.
"""

from __future__ import annotations

from agents.risk import RiskRule

# How likely a student is to drop out: what each number means, and its unit, stands with RiskRule.
RISK = RiskRule(
    inactive=20,
    low_completion=25,
    payment_open=15,
    negative_ticket=15,
    low_scores=10,
    inactive_days=7,
    least_completion=30,
    negative_tickets=1,
    ticket_days=30,
    many_low_scores=2,
    low_score=40,
    score_days=90,
    medium=25,
    high=50,
    critical=75,
)
