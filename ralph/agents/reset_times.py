"""When a limit ends, read from the sentence that the agent shows. For error events only, never for prose.

The structured field (`Signal.resets_at`) is better where the agent has one: a time of day says no date.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

JUST_GONE = timedelta(minutes=30)  # a time of day this little ago has just gone by; it is not tomorrow's

_EPOCH = re.compile(r"limit reached\|(\d{10})\b")
_PART = r"(\d+(?:\.\d+)?) ?(days?|hours?|minutes?|seconds?|[dhms])(?![a-z])"
_SPAN = re.compile(rf"(?i)\b(?:in|after|wait) ((?:{_PART}[ ,]*(?:and )?)+)")
_ISO = re.compile(
    r"(?i)\b(?:on|at|until|resets) (\d{4})-(\d\d)-(\d\d)(?:(?: at | |T)(\d\d):(\d\d)(?::[\d.]+)?)?( UTC|Z)?"
)
_AMERICAN = re.compile(r"\bends on (\d{1,2})/(\d{1,2})/(\d{4})")
_CLOCK = re.compile(
    r"(?i)\b(?:resets|again at) (?:at |on )?"
    r"(?:(?P<month>[a-z]{3})[a-z]* (?P<day>\d{1,2})(?:st|nd|rd|th)?,?(?: (?P<year>\d{4}))?,?(?: at)? )?"
    r"(?P<hour>\d{1,2})(?=:| ?[ap]m)(?::(?P<minute>\d\d))? ?(?P<half>[ap]m)?(?: \((?P<zone>[^)]+)\))?"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def epoch(text: str) -> float | None:
    """The epoch time that stands in the text itself: `Claude AI usage limit reached|1750708800`."""
    found = _EPOCH.search(text)
    return float(found[1]) if found else None


def resets(text: str, now: datetime) -> float | None:
    """Epoch seconds at which the limit ends as the text tells it, or None. It may lie a little in the past.

    `now` must have a time zone: the user's own, in which agents show times without one.
    """
    found = epoch(text)
    for reader in (_span, _date, _clock):
        found = found if found is not None else reader(text, now)
    return found


def _span(text: str, now: datetime) -> float | None:
    """`try again in 5 days 22 hours 11 minutes`, `in 2.5s`, `after 4h28m20s`, `in less than a minute`."""
    if "in less than a minute" in text:
        return now.timestamp() + 60
    found = _SPAN.search(text)
    parts = re.findall(_PART, found[1].lower()) if found else []
    return now.timestamp() + sum(float(n) * _SECONDS[unit[0]] for n, unit in parts) if parts else None


def _date(text: str, now: datetime) -> float | None:
    """`regain access on 2026-12-01 at 00:00 UTC`, `cycle ends on 11/17/2025`."""
    if found := _ISO.search(text):
        year, month, day, hour, minute = (int(group or 0) for group in found.groups()[:5])
        return _moment(_zone("UTC" if found[6] else "", now), year, month, day, hour, minute)
    if found := _AMERICAN.search(text):
        return _moment(now.tzinfo, int(found[3]), int(found[1]), int(found[2]))
    return None


def _clock(text: str, now: datetime) -> float | None:
    """`resets 3:30am (Asia/Calcutta)`, `again at 4:58 PM`, `again at Sep 27th, 2026 12:20 PM`."""
    found = _CLOCK.search(text)
    zone = _zone(found["zone"] or "", now) if found else None
    if not found or not zone:
        return None
    today = now.astimezone(zone)
    hour, minute = _hour(int(found["hour"]), found["half"]), int(found["minute"] or 0)
    if not found["month"]:
        return _next(_moment(zone, today.year, today.month, today.day, hour, minute), now, days=1)
    year, month, day = int(found["year"] or today.year), _month(found["month"]), int(found["day"])
    return _next(_moment(zone, year, month, day, hour, minute), now, days=0 if found["year"] else 365)


def _next(at: float | None, now: datetime, days: int) -> float | None:
    """The next such time, unless it has only just gone by."""
    if at is not None and at < (now - JUST_GONE).timestamp():
        return at + timedelta(days=days).total_seconds()
    return at


def _moment(zone: tzinfo | None, year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> float | None:
    try:
        return datetime(year, month, day, hour, minute, tzinfo=zone).timestamp()
    except (ValueError, OverflowError):  # the 31st of February
        return None


def _month(name: str) -> int:
    return _MONTHS.index(name.lower()) + 1 if name.lower() in _MONTHS else 0


def _hour(hour: int, half: str | None) -> int:
    return hour % 12 + (12 if half.lower() == "pm" else 0) if half else hour


def _zone(name: str, now: datetime) -> tzinfo | None:
    """The named zone, the user's own for no name, None for an unknown one: hours off is worse than not knowing."""
    from datetime import UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if name in {"", "UTC"}:
        return UTC if name else now.tzinfo
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
