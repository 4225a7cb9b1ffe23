"""Agents: a record in, an opinion out. They know neither Luigi nor the database.

    protocol.py  what every agent is: typed record, typed opinion, two engines; the deterministic engine
    risk.py      how likely a student is to drop out, and why: always a rule
    tickets/     mood, category, priority and key issues of a support ticket
    quality.py   why rows of a dataset went wrong (causes.py), and what to mend
    insights.py  the executive summary, from metrics (metrics.py)
    prompts/     what a model is told, one versioned file per agent
    llm/         the engine that asks a language model, and falls back record by record
    sensitive/   what texts touch that must not leave the machine, and that no model may say
    masking/     what is taken out of a text before it leaves the machine: all but ordinary words
    wording.py   what a model's own words must not do

Opinions are functions of their records: no clock, no chance, no setting; what numbers a rule goes by, its agent
is told.
"""
