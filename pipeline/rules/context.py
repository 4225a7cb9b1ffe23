"""What a rule may know besides the text, and what it answers."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline import definitions
from pipeline.datasets.declaration import Column
from pipeline.rules.cities import Cities


class Cell(NamedTuple):
    """What a rule says of one text: its value (None = NULL) and "" or the code of what is wrong with it."""

    value: Any
    code: str = ""


Answer = tuple[Cell, bool]  # the cell, and whether it differs from the text


@dataclass(frozen=True)
class Context:
    """Everything besides the text that a rule may look at.

    drop_date            the day of the drop: no date lies after it, no two-digit year means a later one
    fields, delimiter    the file's columns in order (None = outside the declaration), to repair records; "" = there is
                         nothing to repair: JSON
    phone_digits         length of a phone number without its country code
    attendance_status    what a register may say
    earliest             the first day that is believed
    """

    drop_date: dt.date
    fields: tuple[str | None, ...] = ()
    delimiter: str = ","
    cities: Cities = field(default_factory=Cities)
    phone_country_code: str = "91"
    phone_digits: int = 10
    attendance_status: frozenset[str] = frozenset({"PRESENT", "ABSENT", "LATE", "EXCUSED"})
    earliest: dt.date = field(default_factory=lambda: dt.date(definitions.DATES.earliest, 1, 1))
    # What the rules said of a text: the next chunk asks again of most.
    _answers: dict[Column, dict[str | None, Answer]] = field(default_factory=dict, compare=False, repr=False)


def invalid(column: Column) -> Cell:
    return Cell(None, f"{column.flag_prefix}_invalid")
