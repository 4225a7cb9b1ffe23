"""How well tickets are read, and how fast: figures of the labelled set in tests/cases/tickets.

    python -m bench.tickets

prints accuracy and macro-F1 of sentiment, category and priority for the half the rules were fitted on (`tune`) and for
the one they never saw (`test`), precision and recall per class of both, and tickets per second of processor time.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from agents.tickets import Ticket, TicketAgent

LABELLED = Path(__file__).parent.parent / "tests" / "cases" / "tickets" / "labelled.csv"
ASPECTS = ("sentiment", "category", "priority")
HALVES = ("tune", "test")
TIMED = 20_000  # tickets


class Labelled(NamedTuple):
    """A ticket and what a careful reader said of it: aspect -> label."""

    ticket: Ticket
    half: str
    labels: dict[str, str]


class ClassFigures(NamedTuple):
    """How well one label is found. support: how often the reader gave it."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


def labelled(half: str | None = None) -> list[Labelled]:
    """The tickets of a half, or all."""
    with LABELLED.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return [
        Labelled(Ticket(row["id"], row["subject"], row["description"]), row["half"], {a: row[a] for a in ASPECTS})
        for row in rows
        if half in (None, row["half"])
    ]


def accuracy(said: Sequence[str], right: Sequence[str]) -> float:
    return sum(a == b for a, b in zip(said, right, strict=True)) / len(right)


def per_class(said: Sequence[str], right: Sequence[str]) -> list[ClassFigures]:
    """One row per label that the reader gave, in alphabetical order."""
    figures = []
    for label in sorted(set(right)):
        hits = sum(a == b == label for a, b in zip(said, right, strict=True))
        given, wanted = said.count(label), right.count(label)
        precision, recall = hits / given if given else 0.0, hits / wanted
        f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
        figures.append(ClassFigures(label, precision, recall, f1, wanted))
    return figures


def macro_f1(said: Sequence[str], right: Sequence[str]) -> float:
    rows = per_class(said, right)
    return sum(row.f1 for row in rows) / len(rows)


def answers(tickets: Sequence[Labelled], aspect: str) -> tuple[list[str], list[str]]:
    """(what the agent says, what the reader says)."""
    agent = TicketAgent()
    return [getattr(agent.opine(each.ticket), aspect) for each in tickets], [each.labels[aspect] for each in tickets]


def tickets_per_second(count: int = TIMED) -> float:
    every, agent = [each.ticket for each in labelled()], TicketAgent()
    agent.opine(every[0])  # compiles the lexicon
    start = time.process_time()
    for place in range(count):
        agent.opine(every[place % len(every)])
    return count / (time.process_time() - start)


def main() -> None:
    for half in HALVES:
        tickets = labelled(half)
        print(f"{half}: {len(tickets)} tickets")
        for aspect in ASPECTS:
            said, right = answers(tickets, aspect)
            print(f"  {aspect:<10} accuracy {accuracy(said, right):.3f}  macro-F1 {macro_f1(said, right):.3f}")
            for row in per_class(said, right):
                print(f"    {row.label:<14} precision {row.precision:.2f}  recall {row.recall:.2f}  of {row.support}")
    print(f"{tickets_per_second():,.0f} tickets/s")


if __name__ == "__main__":
    main()
