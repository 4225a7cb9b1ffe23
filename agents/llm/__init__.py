"""The engine that asks a language model, and falls back record by record.

engine.py     batches, cache, fallbacks
questions.py  what is asked about the records of one call, and who gets which answer (answers.py)
chat.py       one question to the API: time, size, retries, budget; responses.py, stream.py: its response
breaker.py    when to stop asking
usage.py      what it cost and came to
"""

from agents.llm.chat import LLMOptions
from agents.llm.engine import LLM, REASONS
from agents.llm.usage import Tally, Usage

__all__ = ["LLM", "REASONS", "LLMOptions", "Tally", "Usage"]
