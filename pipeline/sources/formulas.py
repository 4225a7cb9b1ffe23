"""Formulas: a text that a spreadsheet would run gets an apostrophe before the sign, and loses it when it is sent back.

A spreadsheet takes a cell for a formula that starts with = + - @ (also full-width), and drops blanks and quotes before
them. One that is set to another language splits at ; and, where it misreads our quotes, at line ends and tabs too.
So the sign is defused at the start of a text and behind each of these, whatever blanks and quotes stand between.
"""

from __future__ import annotations

import re

SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
BREAKS = ";\t\r\n"
# All blanks, quotes and breaks in front of a sign; each is looked at once.
_RUN = r"(?<![;'\"\s\u200b\ufeff])[;'\"\s\u200b\ufeff]*+"
_BEFORE_SIGN = re.compile(f"{_RUN}(?=[{SIGNS}])")
_LEADING = re.compile(r"\A'*[\t\r\n]")  # dropped by a spreadsheet, whatever follows


def defused(text: str) -> str:
    """'a;=1' -> "a;'=1", '-5' -> "'-5", 'a-5' -> 'a-5'."""
    if _LEADING.match(text):
        text = "'" + text
    return _BEFORE_SIGN.sub(lambda run: run[0] + "'" if _starts_a_cell(run) else run[0], text)


def restored(text: str) -> str:
    """The text that `defused` was given."""
    text = _BEFORE_SIGN.sub(lambda run: run[0].removesuffix("'") if _starts_a_cell(run) else run[0], text)
    return text[1:] if text.startswith("'") and _LEADING.match(text) else text


def _starts_a_cell(run: re.Match[str]) -> bool:
    return run.start() == 0 or any(char in BREAKS for char in run[0])
