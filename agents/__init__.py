"""Agents: a record in, an opinion out. They know neither Luigi nor the database.

protocol.py  what every agent is: typed record, typed opinion, two engines; the deterministic engine
risk.py      how likely a student is to drop out, and why: always a rule
tickets.py   mood, category, priority and key issues of a support ticket
quality.py   why rows of a dataset went wrong, and what to mend
insights.py  the executive summary
router.py    which agent a record is for
llm.py       the engine that asks a language model, and falls back record by record
mask.py      what is taken out of a text before it leaves the machine
prompts/     what a model is told, one versioned file per agent
"""
