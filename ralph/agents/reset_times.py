"""Reset times of limits, parsed from an agent's error sentence. For error events only, never for prose.

The structured field (`Signal.resets_at`) is better if the agent has one: a time of day has no date.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

JUST_GONE = timedelta(minutes=30)  # a time of day this recent is past, not tomorrow's

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
    """Return the epoch time in `Claude AI usage limit reached|1750708800`, or None."""
    match = _EPOCH.search(text)
    return float(match[1]) if match else None


def resets(text: str, now: datetime) -> float | None:
    """Return the epoch seconds of the reset time in the text, or None. It may be slightly past.

    `now` must have the user's time zone, which agents use for times without a zone.
    """
    result = epoch(text)
    for reader in (_span, _date, _clock):
        result = result if result is not None else reader(text, now)
    return result


def _span(text: str, now: datetime) -> float | None:
    """`try again in 5 days 22 hours 11 minutes`, `in 2.5s`, `after 4h28m20s`, `in less than a minute`."""
    if "in less than a minute" in text:
        return now.timestamp() + 60
    match = _SPAN.search(text)
    parts = re.findall(_PART, match[1].lower()) if match else []
    return now.timestamp() + sum(float(n) * _SECONDS[unit[0]] for n, unit in parts) if parts else None


def _date(text: str, now: datetime) -> float | None:
    """`regain access on 2026-12-01 at 00:00 UTC`, `cycle ends on 11/17/2025`."""
    if match := _ISO.search(text):
        year, month, day, hour, minute = (int(group or 0) for group in match.groups()[:5])
        return _moment(_zone("UTC" if match[6] else "", now), year, month, day, hour, minute)
    if match := _AMERICAN.search(text):
        return _moment(now.tzinfo, int(match[3]), int(match[1]), int(match[2]))
    return None


def _clock(text: str, now: datetime) -> float | None:
    """`resets 3:30am (Asia/Calcutta)`, `again at 4:58 PM`, `again at Sep 27th, 2026 12:20 PM`."""
    match = _CLOCK.search(text)
    zone = _zone(match["zone"] or "", now) if match else None
    if not match or not zone:
        return None
    today = now.astimezone(zone)
    hour, minute = _hour(int(match["hour"]), match["half"]), int(match["minute"] or 0)
    if not match["month"]:
        return _next(_moment(zone, today.year, today.month, today.day, hour, minute), now, days=1)
    year, month, day = int(match["year"] or today.year), _month(match["month"]), int(match["day"])
    return _next(_moment(zone, year, month, day, hour, minute), now, days=0 if match["year"] else 365)


def _next(at: float | None, now: datetime, days: int) -> float | None:
    """Return the time, moved by `days` if it is past by more than JUST_GONE."""
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
    """Return the named zone, the user's own for "", or None for an unknown one: a wrong time is worse than none."""
    from datetime import UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if name in {"", "UTC"}:
        return UTC if name else now.tzinfo
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
