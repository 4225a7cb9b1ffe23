"""Cities and states, by the city list."""

from __future__ import annotations

from pipeline.datasets.declaration import Column
from pipeline.rules.context import Cell, Context
from pipeline.rules.letters import cased, fold


def city(text: str, column: Column, context: Context) -> Cell:
    """bombay, 'MUMBAI ', Mumbay -> Mumbai by the city list; else the text in title case, flagged."""
    found = context.cities.find(text)
    if found is None and context.cities.spellings:
        return Cell(cased(text, "title"), f"{column.flag_prefix}_unmatched")
    return Cell(found or cased(text, "title"))


def state(text: str, column: Column, context: Context) -> Cell:
    """MH, maharashtra -> Maharashtra by the city list; else the text in title case, flagged."""
    found = context.cities.state_names.get(fold(text))
    if found is None and context.cities.state_names:
        return Cell(cased(text, "title"), f"{column.flag_prefix}_unmatched")
    return Cell(found or cased(text, "title"))
