"""Page: what the marts say, as one HTML page for the head of a school. Values in, text out.

Equal facts give equal bytes: no clock, no run, no drop ids. It needs no network and no script, reads on a phone and on
paper, and stays small, because its lists are cut (`Facts` holds the first rows and how many there are).

`templates/` holds its text, a file per section. There a value that is not Markup is escaped, None is nothing, and a
name that is not defined is an error.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline import definitions
from pipeline.outputs.report import words
from pipeline.outputs.report.charts import day
from pipeline.outputs.report.facts import NOTICED, Facts
from pipeline.outputs.report.trends import learning, trends

# A control character is no text in HTML; names may hold joiners, which stay.
CONTROLS = dict.fromkeys((*range(9), *range(11, 13), *range(14, 32), 127), "�")

FILTERS = (
    *(day, words.column, words.number, words.percent, words.points, words.problem),
    *(words.several, words.under, words.words),
)


def page(facts: Facts) -> str:
    """The whole document."""
    # all of them by name, of many those that need attention first
    whole = len(facts.classes) == facts.class_count
    classes = sorted(facts.classes, key=lambda row: words.natural(row["class_id"])) if whole else facts.classes
    return render(
        "page.html.j2",
        facts=facts,
        sections=sections(facts),
        classes=classes,
        trends=trends([row["class_id"] for row in classes], facts.days) if classes else [],
        learning=learning(facts.activity),
    )


def sections(facts: Facts) -> list[tuple[str, str]]:
    """(id, title) of the sections that have something to say; the id names the template, too."""
    every = [
        ("students", "Students who need a look", facts.anyone),
        ("risk", "Students at risk", sum(facts.opinions.risk_counts.values())),
        ("classes", "Classes", facts.classes),
        ("courses", "Courses and learning", facts.courses),
        ("tickets", "Support tickets", facts.opinions.tickets),
        ("files", "Files that arrived", facts.drops or facts.no_drops),
        ("quality", "Data quality", facts.drops),
    ]
    return [(name, title) for name, title, says in every if says]


def render(template: str, **values: Any) -> str:
    """The text of a template with these values."""
    return environment().get_template(template).render(values).translate(CONTROLS)


@cache
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("pipeline.outputs.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: "" if value is None else value,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {function.__name__: function for function in FILTERS}
    made.globals |= {"definitions": definitions, "NOTICED": NOTICED, "zip": partial(zip, strict=True)}
    return made
