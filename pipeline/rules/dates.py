"""Dates and instants, day first. No rule reads a clock: the latest day is that of the drop."""

from __future__ import annotations

import datetime as dt
import re

from pipeline.datasets.declaration import Column
from pipeline.rules.context import Cell, Context, invalid
from pipeline.rules.letters import squeezed

_NAMES = "january february march april may june july august september october november december"
_MONTHS = {"sept": 9}
_MONTHS |= {word: place for place, name in enumerate(_NAMES.split(), 1) for word in (name, name[:3])}
_D, _M, _Y = "(?P<day>[0-9]{1,2})", "(?P<month>[0-9]{1,2})", "(?P<year>[0-9]{4})"
_WORD = "(?P<month>[a-z]{3,9})"
_CLOCK = (
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?)?"
    r" ?(?P<zone>Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_ISO = re.compile(f"{_Y}-{_M}-{_D}(?:[T ]{_CLOCK})?", re.I)
_DATES = (
    re.compile(f"{_Y}/{_M}/{_D}"),
    re.compile(f"{_D}(?P<mark>[/-]){_M}(?P=mark){_Y}"),
    re.compile(f"{_WORD} {_D} ?, ?{_Y}", re.I),
    re.compile(f"{_D}-{_WORD}-(?P<year>[0-9]{{4}}|[0-9]{{2}})", re.I),
)
CANONICAL_DAY = (  # every real day of 150 years; those before the earliest are taken out when they are cast
    r"(?:(?:19[5-9][0-9]|20[0-9]{2})-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"|(?:19(?:5[26]|[68][048]|[79][26])|20(?:[02468][048]|[13579][26]))-02-29)"
)
CANONICAL_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
CANONICAL_ZONE = "(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])?"


def date(text: str, column: Column, context: Context) -> Cell:
    """15/05/1999, 15-May-99 and 'May 15, 1999' -> 1999-05-15, day first; no date, or one before
    {dates_earliest} or after the drop -> NULL, flagged."""
    value = _date(text, context.drop_date)
    if value is None:
        return invalid(column)
    if not context.earliest <= value <= context.drop_date:
        return Cell(None, f"{column.flag_prefix}_out_of_range")
    return Cell(value)


def timestamp(text: str, column: Column, context: Context) -> Cell:
    """2024-02-01T10:30:00+05:30 -> 2024-02-01T05:00:00Z; without an offset it is UTC; same range as a date."""
    value = _timestamp(text)
    if value is None:
        return invalid(column)
    if not context.earliest <= value.date() <= context.drop_date:
        return Cell(None, f"{column.flag_prefix}_out_of_range")
    return Cell(value)


def _date(text: str, latest: dt.date) -> dt.date | None:
    """The day a text names, None if it names none; the time of an ISO timestamp must be one, and is left out."""
    iso = _ISO.fullmatch(text)
    if iso and iso["hour"]:
        return _day(iso, latest) if _timestamp(text) else None
    words = squeezed(text)
    found = iso or next(filter(None, (shape.fullmatch(words) for shape in _DATES)), None)
    return _day(found, latest) if found else None


def _day(found: re.Match[str], latest: dt.date) -> dt.date | None:
    month = int(found["month"]) if found["month"].isdecimal() else _MONTHS.get(found["month"].lower(), 0)
    if len(found["year"]) == 4:
        return _real(int(found["year"]), month, int(found["day"]))
    century = latest.year // 100 * 100
    days = (_real(century - back + int(found["year"]), month, int(found["day"])) for back in (0, 100))
    return next((day for day in days if day and day <= latest), None)


def _real(year: int, month: int, day: int) -> dt.date | None:
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None


def _timestamp(text: str) -> dt.datetime | None:
    """The instant an ISO 8601 text names, in UTC; digits below a microsecond are cut."""
    iso = _ISO.fullmatch(text)
    if not iso or len(text) < 10 or iso.end("day") != 10:
        return None
    clock = iso.groupdict(default="0")
    fraction = int(clock["fraction"].ljust(6, "0")[:6])
    try:
        day = dt.datetime(int(clock["year"]), int(clock["month"]), int(clock["day"]), tzinfo=dt.UTC)
        moment = day.replace(hour=int(clock["hour"]), minute=int(clock["minute"]), second=int(clock["second"]))
        return moment.replace(microsecond=fraction) - _offset(iso["zone"])
    except (ValueError, OverflowError):
        return None


def _offset(zone: str | None) -> dt.timedelta:
    if not zone or zone in "Zz":
        return dt.timedelta()
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    if hours > 15 or minutes > 59:
        raise ValueError("no such offset")
    return dt.timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)
