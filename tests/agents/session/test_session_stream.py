"""What a stream of events adds up to, and how long an agent may be silent."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ralph.agents.model import Signal, SignalKind, StopReason, Usage
from ralph.agents.session import session
from ralph.process import tree
from tests.helpers.families import GENEROUS, Desk, agent, read_json

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_what_a_stream_adds_up_to(desk: Desk) -> None:
    end = desk.events(
        {"kind": "text", "text": "I begin"},
        {"kind": "tool", "tool": "Write", "paths": ["a.py", "b.py"]},
        {"kind": "tool done"},
        {"kind": "tool", "tool": "Bash", "command": "make\n test"},
        "plain words between events",
        {"kind": "tool done"},
        {"kind": "usage", "usage": {"tokens": 10, "cost": 0.5, "key": "m1"}},
        {"kind": "usage", "usage": {"tokens": 30, "cost": 1.0, "key": "m1"}},
        {"kind": "usage", "usage": {"tokens": 5, "key": "m2"}},
        {"kind": "ended", "ok": True, "text": "All done."},
    )
    assert end.well
    assert (end.tokens, end.cost, end.said) == (35, 1.0, "All done.")
    assert end.actions == ("Write: a.py, b.py", "Bash: make test")
    assert (end.wrote, end.commands) == (("a.py", "b.py"), ("make\n test",))
    assert "plain words between events" in end.tail
    assert [one.text for one in desk.told if one.kind is SignalKind.SCREEN] == ["plain words between events"]
    assert len(desk.told) == 10


def test_an_event_without_a_line_end_counts(desk: Desk) -> None:
    event = json.dumps({"kind": "ended", "ok": True})
    assert desk.run(["printf", "%s", event], read=read_json).ended is True


def test_exit_0_without_a_last_event_is_no_success(desk: Desk) -> None:
    end = desk.events({"kind": "text", "text": "I am thinking"})
    assert (end.why, end.code, end.ended, end.well) == (StopReason.EXITED, 0, None, False)


@pytest.mark.parametrize(
    ("after", "kept"),
    [
        ([], True),
        ([{"kind": "text", "text": "oh"}], True),
        ([{"kind": "ended", "ok": False}], True),
        ([{"kind": "tool", "tool": "Read"}], False),
        ([{"kind": "ended", "ok": True}], False),
    ],
)
def test_a_failure_counts_until_the_agent_got_over_it(desk: Desk, after: list[dict[str, Any]], kept: bool) -> None:
    end = desk.events({"kind": "rate limit", "text": "wait", "resets_at": 12.5}, *after)
    assert end.failure == (Signal(SignalKind.RATE_LIMIT, "wait", resets_at=12.5) if kept else None)


def test_a_final_count_replaces_what_was_before() -> None:
    tally = session.UsageCounter()
    for usage in (Usage(10, 1.0), Usage(20, 2.0, "m1"), Usage(7, None, final=True), Usage(1)):
        tally.add(Signal(SignalKind.USAGE, usage=usage))
    assert (tally.tokens, tally.cost) == (8, 3.0), "a total without a price forgets no price that was told"
    tally.add(Signal(SignalKind.ENDED, ok=True, usage=Usage(50, 0.25, final=True)))
    assert (tally.tokens, tally.cost) == (50, 0.25)


def test_a_tally_is_bounded() -> None:
    tally = session.UsageCounter()
    for number in range(30_000):
        tally.add(Signal(SignalKind.TOOL, tool="t" * 500, paths=(f"{number}",), command=f"c{number}"))
        tally.add(Signal(SignalKind.USAGE, usage=Usage(1, 0.5, f"m{number}")))
    assert (tally.tokens, tally.cost) == (30_000, 15_000.0)
    assert (len(tally.wrote), len(tally.commands), len(tally.actions)) == (500, 500, 10)
    assert max(map(len, tally.actions)) == 200


def test_a_reader_that_fails_does_not_cost_the_session(desk: Desk) -> None:
    def read(line: str) -> Sequence[Signal]:
        if "bad" in line:
            raise KeyError(line)
        return read_json(line)

    script = desk.here / "script"
    script.write_text('bad one\nbad two\n{"kind": "ended", "ok": true}\n')
    assert desk.run(agent("events.py", script), read=read).well
    assert [one.kind for one in desk.told if one.kind is not SignalKind.SCREEN] == [
        SignalKind.TEXT,
        SignalKind.ENDED,
    ]
    assert "could not read a line" in desk.told[0].text


def test_bytes_that_are_no_text_break_nothing(desk: Desk) -> None:
    lines: list[str] = []

    def read(line: str) -> Sequence[Signal]:
        return [Signal(SignalKind.TEXT, line)]

    end = desk.run(agent("not_utf8.py"), read=read)
    lines = [one.text for one in desk.told]
    assert end.code == 0
    assert lines == ["caf\ufffd \ufffd\ufffd\x00\x07 \x1b[31mred\x1b[0m \x1b]52;c;aGVsbG8=\x07\ufffd", "\x1b[2Jend"]
    assert end.tail == "caf\ufffd \ufffd\ufffd red \ufffd\nend"


def test_the_last_lines_of_an_agent_without_events_are_told(desk: Desk) -> None:
    desk.run(agent("no_newline.sh"))
    assert desk.told[-1] == Signal(SignalKind.TEXT, "first\nlast without an end")


def test_silence_ends_an_agent(desk: Desk) -> None:
    end = desk.run(agent("hang.sh"), silence=0.5)
    assert (end.why, end.ended, end.well) == (StopReason.SILENT, None, False)
    assert end.tail == "working on it"
    assert 0.5 <= end.seconds < GENEROUS


def test_a_time_in_which_ralph_stood_still_is_no_silence(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as that of a frozen machine: the agent stood still, too."""
    monkeypatch.setattr(session, "PAUSE", 0.5)
    paused: list[float] = []

    def stop() -> None:
        if not paused:
            paused.append(time.monotonic())
            time.sleep(1.5)

    end = desk.run(["sh", "-c", "sleep 1.8; echo here"], stop=stop, silence=1.0, wall=1.7)
    assert (end.why, end.tail) == (StopReason.EXITED, "here")


def test_retries_are_no_progress(desk: Desk) -> None:
    retries = [step for _ in range(40) for step in ({"kind": "retry", "text": "again"}, "sleep 0.1")]
    end = desk.events({"kind": "text", "text": "hi"}, *retries, silence=0.8)
    assert end.why is StopReason.SILENT


def test_noise_between_events_is_no_progress(desk: Desk) -> None:
    noise = [step for _ in range(40) for step in ("Reconnecting...", "sleep 0.1")]
    assert desk.events(*noise, silence=0.8).why is StopReason.SILENT


def test_events_are_progress(desk: Desk) -> None:
    words = [step for _ in range(10) for step in ({"kind": "text", "text": "on it"}, "sleep 0.2")]
    assert desk.events(*words, {"kind": "ended", "ok": True}, silence=1.5).well


def test_an_open_tool_call_has_more_time(desk: Desk) -> None:
    calls: list[dict[str, Any] | str] = [{"kind": "tool", "tool": "Bash"}, "sleep 1.5", {"kind": "tool done"}]
    assert desk.events(*calls, {"kind": "ended", "ok": True}, silence=0.5, open_tool_silence=GENEROUS).well
    end = desk.events(*calls, "sleep 1000", silence=0.5, open_tool_silence=GENEROUS)
    assert (end.why, end.seconds < GENEROUS) == (StopReason.SILENT, True), "closed again, it has not"


def test_output_of_an_agent_without_events_is_progress(desk: Desk) -> None:
    end = desk.run(agent("spinner.py"), silence=0.8, wall=2.0)
    assert end.why is StopReason.OVERRAN
    assert end.tail.endswith("thinking")
    assert desk.told[-1].text.endswith("thinking")
    assert len(desk.told) < 15, "signs of life are few"


def test_the_wall_clock_ends_an_agent(desk: Desk) -> None:
    end = desk.events({"kind": "text", "text": "hi"}, "sleep 60", wall=0.5)
    assert (end.why, end.ended) == (StopReason.OVERRAN, None)


def test_a_prompt_on_the_terminal_is_silence_with_the_question_in_evidence(desk: Desk) -> None:
    end = desk.run(agent("prompts.sh"), silence=0.5)
    assert end.why is StopReason.SILENT
    assert end.tail == "Password:"


def test_stop_is_asked_often_and_after_each_signal(desk: Desk) -> None:
    tally, asked = session.UsageCounter(), [0]

    def stop() -> StopReason | None:
        asked[0] += 1
        if desk.told:
            tally.add(desk.told.pop())
        return StopReason.LIMIT if tally.tokens >= 30 else None

    spend = {"kind": "usage", "usage": {"tokens": 10}}
    end = desk.events("sleep 1", spend, spend, spend, spend, spend, "sleep 60", stop=stop)
    assert (end.why, tally.tokens) == (StopReason.LIMIT, 30)
    assert asked[0] >= 5


def test_a_stop_may_say_what_was_seen(desk: Desk) -> None:
    end = desk.run(agent("hang.sh"), stop=lambda: (StopReason.CIRCLES, "It did the same.") if desk.told else None)
    assert (end.why, end.detail) == (StopReason.CIRCLES, "It did the same.")


# ---------------------------------------------------------------- what counts as progress


WORDS = [step for _ in range(15) for step in ({"kind": "text", "text": "on it"}, "sleep 0.1")]
NOISE = [step for _ in range(15) for step in ("Reconnecting...", "sleep 0.1")]


@pytest.mark.parametrize(
    ("lines", "said", "why"),
    [
        (WORDS, None, StopReason.EXITED),
        (WORDS, True, StopReason.EXITED),
        (WORDS, False, StopReason.SILENT),
        (NOISE, None, StopReason.SILENT),
        (NOISE, False, StopReason.SILENT),
        (NOISE, True, StopReason.EXITED),
        ([step for _ in range(15) for step in ({"kind": "retry"}, "sleep 0.1")], True, StopReason.SILENT),
    ],
)
def test_the_caller_says_what_is_progress(desk: Desk, lines: list[Any], said: bool | None, why: StopReason) -> None:
    assert desk.events(*lines, silence=1.0, tell=lambda _: said).why is why


# ---------------------------------------------------------------- a second opinion on silence


def busy(seconds: float) -> list[str]:
    """A program that works so long in a session of its own, and says nothing meanwhile."""
    work = f"import time\nend = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"
    return ["sh", "-c", 'echo begun; setsid "$0" -S -c "$1" & wait; echo done', sys.executable, work]


def test_whoever_works_has_twice_the_time(desk: Desk) -> None:
    end = desk.run(busy(1000), silence=1.5)
    assert (end.why, end.detail[:59]) == (
        StopReason.SILENT,
        "The agent made no progress for 3 s and was ended, though it",
    )
    assert end.seconds >= 3.0


def test_a_long_silent_work_is_no_hang(desk: Desk) -> None:
    end = desk.run(busy(2.0), silence=1.5)
    assert (end.why, end.detail) == (StopReason.EXITED, "")


def test_a_hang_after_work_is_a_hang(desk: Desk) -> None:
    end = desk.run(["sh", "-c", "echo begun; sleep 1000"], silence=1.0)
    assert (end.why, end.detail) == (StopReason.SILENT, "")
    assert 1.0 <= end.seconds < 3.0, "within a second, and one for a busy machine"


def test_cpu_time_of_a_whole_family_counts_and_of_those_that_ended(desk: Desk) -> None:
    before = tree.cpu_seconds(os.getpid())
    during: list[float] = []

    def stop() -> None:
        during.append(tree.cpu_seconds(os.getpid()) - before)

    assert desk.run(busy(1.0), stop=stop).well
    assert during == sorted(during), "it never falls"
    assert during[-1] > 0.2
    assert tree.cpu_seconds(os.getpid()) - before >= during[-1], "reaped by us"


def test_nobody_uses_no_cpu_time() -> None:
    assert tree.cpu_seconds(2**22 + 1) == 0.0
