"""When a limit ends, in the words that agents use for it. It is Friday noon in Berlin."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.agents.reset_times import epoch, resets

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=BERLIN)

TOLD = [
    ("Claude AI usage limit reached|1750708800", "2025-06-23 22:00:00"),
    ("5-hour limit reached ∙ resets 9pm", "2026-11-20 21:00:00"),
    ("You've hit your limit · resets 3:30am (Asia/Calcutta)", "2026-11-20 23:00:00"),
    ("You've hit your session limit · resets 12:50am (America/Los_Angeles)", "2026-11-21 09:50:00"),
    ("You've hit your weekly limit · resets Dec 1, 5am (UTC)", "2026-12-01 06:00:00"),
    ("resets Jan 3 at 5am", "2027-01-03 05:00:00"),
    ("You’ve hit your usage limit. Upgrade to Pro or try again at 4:58 PM.", "2026-11-20 16:58:00"),
    ("try again at 12:05 AM.", "2026-11-21 00:05:00"),
    ("or try again at Sep 27th, 2027 12:20 PM.", "2027-09-27 12:20:00"),
    ("or try again in 5 days 22 hours 11 minutes.", "2026-11-26 10:11:00"),
    ("Please try again in 1 hour and 5 minutes.", "2026-11-20 13:05:00"),
    ("Please try again in 2.5s. Visit https://example.invalid", "2026-11-20 12:00:02.500000"),
    ("try again in less than a minute", "2026-11-20 12:01:00"),
    ("Your quota will reset after 4h28m20s.", "2026-11-20 16:28:20"),
    ("Please wait 6 seconds", "2026-11-20 12:00:06"),
    ("You've hit your session limit · resets 12:26pm (UTC)", "2026-11-20 13:26:00"),
    ("You’ve hit your usage limit. Try again at 8:40 AM.", "2026-11-21 08:40:00"),
    ("Please try again in 2 hours.", "2026-11-20 14:00:00"),
    ("Please try again in 15 hours 23 minutes.", "2026-11-21 03:23:00"),
    ("You've hit your global rate limit. Please wait 6 seconds.", "2026-11-20 12:00:06"),
    ("You've reached your Fable 5 limit · resets 9:30pm", "2026-11-20 21:30:00"),
    ("Fast limit reached and temporarily disabled · resets in 2h 5m", "2026-11-20 14:05:00"),
    ("You will regain access on 2026-12-01 at 00:00 UTC.", "2026-12-01 01:00:00"),
    ("It resets at 2026-11-21T05:30:00.000Z.", "2026-11-21 06:30:00"),
    ("will reset when your monthly cycle ends on 11/30/2026.", "2026-11-30 00:00:00"),
]

UNTOLD = [
    "Try again later.",
    "This request would exceed your account's rate limit.",
    "resets 3am (Mars/Base)",
    "resets 3am (../../etc/passwd)",
    "resets Feb 31, 5am",
    "resets 27:00",
    "resets 3 times",
    "try again in 3 statements",
    "regain access on 2026-13-77",
    "",
]


@pytest.mark.parametrize(("text", "when"), TOLD, ids=[text for text, _ in TOLD])
def test_the_time_is_read(text: str, when: str) -> None:
    at = resets(text, NOON)
    assert at is not None
    assert str(datetime.fromtimestamp(at, BERLIN).replace(tzinfo=None)) == when


@pytest.mark.parametrize("text", UNTOLD)
def test_what_is_not_told_is_not_guessed(text: str) -> None:
    assert resets(text, NOON) is None


@pytest.mark.parametrize(("clock", "hours"), [("11:45am", -0.25), ("11:15am", 23.25)])
def test_a_time_that_has_just_gone_by_is_not_tomorrow(clock: str, hours: float) -> None:
    assert resets(f"resets {clock}", NOON) == NOON.timestamp() + hours * 3_600


def test_an_epoch_needs_no_clock() -> None:
    assert epoch("Claude AI usage limit reached|1750708800") == 1_750_708_800
    assert epoch("resets 9pm") is None


PIECES = ["resets ", "again at ", "in ", "on ", "Sep ", "27th, ", "2026", "-", "99", "00:00", " PM", "pm", " (UTC)",
          "d", " hours", "limit reached|", "9" * 10, "9" * 400, "²", "."]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES)))
def test_no_text_makes_it_raise(parts: list[str]) -> None:
    at = resets("".join(parts), NOON)
    assert at is None or isinstance(at, float)
