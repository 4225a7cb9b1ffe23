"""Markdown: tables, and text as it stands in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.sources.folder import printable


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells are Markdown already, and the end of its last line."""
    lines = (columns, *rows)
    head, *body = (f"| {' | '.join(cells)} |\n" for cells in lines)
    return "".join((head, f"|{'---|' * len(columns)}\n", *body))


def plain(value: Any) -> str:
    """Text that shows as it is: no table cell, tag, link, picture or code of its own; None is nothing."""
    text = "" if value is None else printable(str(value))
    return re.sub(r"([\\|\[\]`*!])", r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;")
