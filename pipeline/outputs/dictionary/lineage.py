"""Lineage: what each table is made from, read out of the steps and their queries, and the picture of it.

A line is data that flows: foreign keys and gates, which only order the work, are none.
"""

from __future__ import annotations

import re

from pipeline import queries
from pipeline.audit import graph
from pipeline.config import PROJECT
from pipeline.datasets import DATASETS
from pipeline.step import Step

LAYERS = {
    "raw": "every record, as text",
    "staging": "cleaned, one row per key",
    "warehouse": "star schema",
    "analytics": "marts and work lists",
    "output": "files for people",
}
EVERYTHING = "every table"


# --- what is made from what -----------------------------------------------------------------------------------------


def reads(step: Step) -> list[str]:
    """The tables and views that a step reads: as its query's header lists them, then any other that the query names."""
    texts = [(PROJECT / recipe).read_text(encoding="utf-8") for recipe in step.recipes() if recipe.endswith(".sql")]
    if step.gates or not texts:
        return [above.target for above in step.steps() if not above.gates]
    found = queries.named("\n".join(texts))
    listed = [name for sql in texts for name in queries.reads(sql) if name in found]
    return list(dict.fromkeys([*listed, *found, *queries.tables(found)]))


def sources() -> dict[str, list[str]]:
    """Target -> what it is made from, in the order of the graph; a table of versions comes after its datasets."""
    found = {step.target: reads(step) for step in graph() if not step.gates}
    for dataset in DATASETS.values():
        if dataset.versions:
            found.setdefault(f"staging.{dataset.versions}", []).append(f"raw.{dataset.name}")
    return found


# --- the picture ----------------------------------------------------------------------------------------------------


def picture() -> str:
    """The lineage graph as Mermaid, which GitHub and most editors draw: a box per target, in the frame of its layer.

    What reads a whole layer says so, and has no lines to it; a check has no lines.
    """
    made_from = sources()
    boxes: dict[str, list[str]] = {layer: [] for layer in LAYERS}
    lines = []
    for target, above in made_from.items():
        whole = whole_layers(target, made_from)
        boxes[layer_of(target)].append(_box(target, label_of(target), in_short(whole)))
        if in_short(whole) != EVERYTHING:
            lines += [(name, target) for name in above if name in made_from and layer_of(name) not in whole]
    for step in graph():
        if step.gates:
            boxes[label_of(step.target)].append(_box(step.target, step.target, f"{len(step.recipes())} checks"))
    drawn = ["flowchart LR"]
    for layer, said in LAYERS.items():
        drawn += [f'  subgraph {layer}["{layer}: {said}"]', *(f"    {box}" for box in boxes[layer]), "  end"]
    return "\n".join([*drawn, *(f"  {_name(source)} --> {_name(target)}" for source, target in lines)])


def _box(target: str, label: str, note: str) -> str:
    return f'{_name(target)}["{label}{f"<br>{note}" if note else ""}"]'


def _name(target: str) -> str:
    return re.sub("[./]", "_", target)


def layer_of(target: str) -> str:
    return re.split("[./]", target)[0]


def label_of(target: str) -> str:
    return re.split("[./]", target)[1]


def whole_layers(target: str, made_from: dict[str, list[str]]) -> dict[str, str]:
    """The layers that a target is made from as a whole -> the one table it leaves out, or ""."""
    versions = {f"staging.{dataset.versions}" for dataset in DATASETS.values()}
    found = {}
    for layer in LAYERS:
        tables = [name for name in made_from if layer_of(name) == layer and name not in versions and name != target]
        without = [name for name in tables if name not in made_from[target]]
        if len(without) <= 1 and len(tables) > 4:
            found[layer] = label_of(without[0]) if without else ""
    return found


def in_short(whole: dict[str, str]) -> str:
    """all of staging; all of staging but stg_cities; every table."""
    if {"raw", "staging", "warehouse", "analytics"} <= whole.keys() and not any(whole.values()):
        return EVERYTHING
    said = [f"{layer} but {without}" if without else layer for layer, without in whole.items()]
    return f"all of {', '.join(said)}" if said else ""
