"""Errors whose text is the whole story: shown in one line, without a traceback."""

from __future__ import annotations


class UserError(Exception):
    """Something a person can put right; its text is the whole story, so no traceback is shown."""


class WaitsError(UserError):
    """Something that was given waits for a person: what is good is built."""


class StepError(UserError):
    """A target could not be made: names it and what the database objects to, never a value."""
