"""Lineage: what each table is made from, read out of the steps and their queries, and the picture `docs/lineage.svg`.

A line is data that flows: foreign keys and gates, which only order the work, are none.
"""

from __future__ import annotations

import re

from pipeline import queries
from pipeline.audit import graph
from pipeline.config import PROJECT
from pipeline.datasets import DATASETS
from pipeline.outputs.dictionary.drawing import Box, Layout, draw, lay_out
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


# --- the picture: what is in it -------------------------------------------------------------------------------------

# Okabe and Ito's colours, which the colour-blind can tell apart, darker where they are thin lines on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#aa4a8d", "#8c6d00", "#3f9fd8", "#e69f00", "#222222")
NEUTRAL = "#8a8f98"
CAPTION = (
    "A line is data that flows, in the colour of the source that it began as; grey: of several sources, or of none."
)


def picture() -> str:
    """The lineage graph as SVG."""
    return draw(laid_out(), "EduFlow: what each table is made from", LAYERS, CAPTION)


def laid_out() -> Layout:
    return lay_out(*boxes_and_edges(), tuple(LAYERS))


def boxes_and_edges() -> tuple[list[Box], list[tuple[str, str]]]:
    """The targets, and (from, to) of their lines. What reads a whole layer says so, and has no lines to it."""
    made_from = sources()
    colour = _colours(made_from)
    boxes, edges = [], []
    for target, above in made_from.items():
        whole = whole_layers(target, made_from)
        boxes.append(Box(target, layer_of(target), label_of(target), colour.get(target, NEUTRAL), in_short(whole)))
        if in_short(whole) != EVERYTHING:
            edges += [(name, target) for name in above if name in made_from and layer_of(name) not in whole]
    for step in graph():
        if step.gates:
            note = f"{len(step.recipes())} checks of all its tables"
            boxes.append(Box(step.target, step.target.split("/")[1], step.target, NEUTRAL, note, dashed=True))
    return boxes, edges


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


def _colours(made_from: dict[str, list[str]]) -> dict[str, str]:
    """Datasets of one natural key are a family. A table below the marts is of the first family that it is made from."""
    families = list(dict.fromkeys(dataset.key for dataset in DATASETS.values()))
    family = {
        name: dataset.key
        for dataset in DATASETS.values()
        for name in (f"raw.{dataset.name}", f"staging.{dataset.table}")
    }
    for _ in LAYERS:  # a table of versions may stand after its readers
        for target, above in made_from.items():
            found = next((family[name] for name in above if name in family), "")
            if found and layer_of(target) in ("staging", "warehouse"):
                family.setdefault(target, found)
    return {target: COLOURS[families.index(key) % len(COLOURS)] for target, key in family.items()}
