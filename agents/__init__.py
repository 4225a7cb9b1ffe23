"""Agents: a record in, an opinion out. They know neither Luigi nor the database.

    protocol.py    what every agent is: typed record, typed opinion, two engines; the deterministic engine
    risk.py        how likely a student is to drop out, and why: always a rule
    tickets.py     mood, category, priority and key issues of a support ticket
    quality.py     why rows of a dataset went wrong, and what to mend
    insights.py    the executive summary
    router.py      which agent a record is for
    prompts/       what a model is told, one versioned file per agent

The engine that asks a language model, and falls back record by record:

    llm.py         batches, cache, breaker (breaker.py), fallbacks; usage.py: what it cost and came to
    questions.py   what is asked about the records of one call, and who gets which answer (answers.py)
    chat.py        one question to the API: time, size, retries, budget; responses.py, stream.py: its response

What is taken out of a text before it leaves the machine, all but ordinary words:

    mask.py        the masker; vocabulary.py: the ordinary words (wordlists/) and the telling ones
    line.py        a text as words and gaps; traces.py finds addresses, numbers and ids in it, persons.py names
"""
