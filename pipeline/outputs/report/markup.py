"""Markup: elements of a drawing from values. What is not Markup already is escaped, so no name can smuggle a tag in."""

from __future__ import annotations

from markupsafe import Markup


def el(name: str, /, *contents: object, **attributes: object) -> Markup:
    """el("text", 5, x=8, class_="n") -> <text x="8" class="n">5</text>; an element without contents closes itself."""
    named = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items()
    )
    inner = Markup("").join(map(Markup.escape, contents))
    element = Markup("<{0}{1}>{2}</{0}>") if contents else Markup("<{0}{1}/>")
    return element.format(name, named, inner)
