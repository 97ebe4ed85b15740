"""Scenarios of fixtures/watch: what the watch hears and sees, and when it has a reason to end the attempt."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ralph.agents import claude, codex
from ralph.agents.model import Signal, SignalKind, StopReason, Usage
from ralph.agents.watchdog.watchdog import EndReason, Watchdog, WatchdogLimits

FIXTURES = Path(__file__).parents[3] / "fixtures"


@dataclass
class Line:
    time: float
    verb: str
    text: str


@dataclass
class Scenario:
    name: str
    options: dict[str, str]
    lines: list[Line]


def scenarios() -> list[Scenario]:
    found: list[Scenario] = []
    for line in (FIXTURES / "watch" / "scenarios.txt").read_text().splitlines():
        if line.startswith("== "):
            name, _, options = line.removeprefix("== ").rstrip("]").partition(" [")
            pairs = (option.split("=", 1) for option in options.split(", ") if option)
            found.append(Scenario(name, dict(pairs), []))
        elif line.strip() and not line.startswith(("#", "===")):
            when, verb, *rest = line.split(maxsplit=2)
            found[-1].lines.extend(_expanded(when, verb, rest[0] if rest else "", found[-1].lines))
    return found


def _expanded(when: str, verb: str, text: str, before: list[Line]) -> Iterator[Line]:
    if when == "+":
        yield Line(before[-1].time, verb, text)
    elif ".." in when:
        first, last, step = map(float, re.split(r"\.\.|/", when))
        yield from (Line(first + n * step, verb, text) for n in range(int((last - first) / step) + 1))
    else:
        yield Line(float(when), verb, text)


def limits(options: dict[str, str]) -> WatchdogLimits:
    made = WatchdogLimits(events=options.get("events") != "no")
    if "answers" in options:
        part, _, answer = options["answers"].partition(":")
        made = replace(made, answers=((part, answer),))
    if "cost" in options:
        made = replace(made, cost=float(options["cost"]))
    numbers = {name: int(options[name]) for name in ("tokens", "turns") if name in options}
    return replace(made, **numbers)  # type: ignore[arg-type]


def signals(verb: str, text: str, *, events: bool) -> list[Signal]:
    """What a line of a scenario lets the watch hear."""
    about, _, result = text.partition(" -> ")
    result = result.replace("(nothing)", "")
    shell, read = (
        Signal(SignalKind.TOOL, tool="Bash", command=about),
        Signal(SignalKind.TOOL, tool="Read", text=about),
    )
    edit = Signal(SignalKind.TOOL, tool="Edit", paths=(about,), text=about)
    done = Signal(SignalKind.TOOL_DONE, result, ok=True)
    return {
        "says": [Signal(SignalKind.TEXT, text)],
        "prints": [Signal(SignalKind.SCREEN if events else SignalKind.TEXT, text)],
        "thinks": [Signal(SignalKind.ALIVE)],
        "calls": [shell],
        "gets": [Signal(SignalKind.TOOL_DONE, text, ok=True)],
        "runs": [shell, done],
        "reads": [read, done],
        "edits": [edit, Signal(SignalKind.TOOL_DONE, "The file was updated.", ok=True)],
        "fails": [edit, Signal(SignalKind.TOOL_DONE, result, ok=False)],
        "asks": [Signal(SignalKind.TOOL, tool=about), done],
        "retries": [Signal(SignalKind.RETRY, text)],
        "errs": [Signal(SignalKind.ERROR, text)],
        "uses": [Signal(SignalKind.USAGE, usage=_usage(text) if verb == "uses" else None)],
        "message": [Signal(SignalKind.ALIVE), Signal(SignalKind.USAGE, usage=Usage(10, key=text, context=10))],
        "helps": [Signal(SignalKind.ALIVE), Signal(SignalKind.USAGE, usage=Usage(10, key=text))],
        "finishes": [Signal(SignalKind.ENDED, ok=True)],
    }[verb]


def _usage(text: str) -> Usage:
    context, _, window = text.partition("/")
    return Usage(context=int(context), window=int(window))


class Play:
    """One scenario against one watch."""

    def __init__(self, scenario: Scenario) -> None:
        self._limits = limits(scenario.options)
        self._watch = Watchdog(self._limits, 0.0, int(scenario.options.get("window", "0")))
        self._tokens = 0
        self._cost: float | None = None
        self._warning = ""

    def moment(self, now: float, lines: list[Line]) -> None:
        """All lines of one moment, then the question whether it has to end."""
        expected = self._warning = ""
        for line in lines:
            if line.verb == "ends":
                expected = line.text
            else:
                self._line(line, now)
        assert not self._warning, self._warning
        found = self._watch.reason(now, self._tokens, self._cost)
        assert agrees(found, expected), (now, found, expected)

    def _line(self, line: Line, now: float) -> None:
        text = line.text.replace(" / ", "\n")
        match line.verb:
            case "nothing":
                pass
            case "spent":
                tokens, cost = text.split()
                self._tokens, self._cost = int(tokens), None if cost == "none" else float(cost)
            case "sees":
                self._warning = self._watch.saw(dict(pair.split("=") for pair in text.split()))
            case "warns":
                assert text in self._warning, self._warning
                self._warning = ""
            case "types":
                assert (self._watch.answer(now) or "nothing") == text
            case "silent":
                assert self._watch.silent(now)
            case "not":
                assert not self._watch.silent(now)
            case _:
                for signal in signals(line.verb, text, events=self._limits.events):
                    self._watch.hear(signal, now)


def agrees(found: EndReason | None, expected: str) -> bool:
    """`why: a part of the sentence`; "" is no reason."""
    why, _, text = expected.partition(": ")
    return found is None if not expected else bool(found and found.why == why and text in found.detail)


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.name)
def test_scenario(scenario: Scenario) -> None:
    play = Play(scenario)
    for now, lines in groupby(scenario.lines, key=lambda line: line.time):
        play.moment(now, list(lines))


# ---------------------------------------------------------------- real streams are no alarm


STREAMS = sorted((FIXTURES / "transcripts").glob("c*/*.jsonl"))
ALARMS = {
    "answer_too_long": StopReason.CIRCLES,
    "asks_a_sub_agent": StopReason.FULL,
}  # claude: that is what they do


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_real_stream_is_no_alarm(path: Path) -> None:
    read = {"claude": claude.read, "codex": codex.read}[path.parent.name]
    right = {ALARMS[path.stem]} if path.parent.name == "claude" and path.stem in ALARMS else set()
    watch, found = Watchdog(WatchdogLimits(), 0.0), set()
    signals = (signal for line in path.read_text().splitlines() for signal in read(line))
    for now, signal in enumerate(signals):
        watch.hear(signal, now)
        found |= {reason.why for reason in [watch.reason(now)] if reason}
    assert found == right


# ---------------------------------------------------------------- laws

NAMES = st.text("abcdefghij", min_size=3, max_size=12)


def news(n: int, kind: str, name: str) -> list[Signal]:
    """Something that never was before: `n` makes it new."""
    word = f"{name}{'k' * (n % 7)}x{n}"
    call = Signal(SignalKind.TOOL, tool="Bash", command=f"echo {word}")
    edit = Signal(SignalKind.TOOL, tool="Edit", paths=(name,), text=name)
    return {
        "says": [Signal(SignalKind.TEXT, f"{word} is next")],
        "runs": [call, Signal(SignalKind.TOOL_DONE, "ok", ok=True)],
        "edits": [edit, Signal(SignalKind.TOOL_DONE, "updated", ok=True)],
        "thinks": [Signal(SignalKind.ALIVE)],
        "retries": [Signal(SignalKind.RETRY, name)] * 5 + [Signal(SignalKind.ALIVE)],
        "asks": [call, Signal(SignalKind.SCREEN, "Password:"), Signal(SignalKind.TOOL_DONE, word, ok=True)],
    }[kind]


KINDS = st.sampled_from(["says", "runs", "edits", "thinks", "retries", "asks"])


@given(st.lists(st.tuples(KINDS, NAMES, st.floats(0, 250)), max_size=60))
def test_no_reason_while_there_is_something_new(steps: list[tuple[str, str, float]]) -> None:
    watch, now = Watchdog(WatchdogLimits(tokens=10**9, cost=1e6, turns=10**6), 0.0, 200_000), 0.0
    for n, (kind, name, pause) in enumerate(steps):
        now += pause
        for signal in news(n, kind, name):
            watch.hear(signal, now)
            assert watch.reason(now, 10, 0.1) is None
        assert watch.reason(now + 4) is None
        assert watch.silent(now + 250) is None


@given(st.lists(st.lists(NAMES, min_size=1, max_size=5), min_size=1, max_size=40), st.data())
def test_no_reason_while_the_terminal_shows_new_words(prints: list[list[str]], data: st.DataObject) -> None:
    watch, now, shown = Watchdog(WatchdogLimits(events=False), 0.0), 0.0, ""
    for n, lines in enumerate(prints):
        now += data.draw(st.floats(0.1, 500))
        shown = f"{shown}\n" + "\n".join(f"{line} x{n}" for line in lines)
        watch.hear(Signal(SignalKind.TEXT, shown[-4000:].strip()), now)
        assert watch.reason(now) is None
        assert watch.silent(now) is None or n < 2  # the line that is still being written counts with the next


def bulk(watch: Watchdog, signals: int, start: int) -> None:
    """A flood in which all is new."""
    for n in range(start, start + signals):
        name = f"w{n * 7919}"
        watch.hear(Signal(SignalKind.TOOL, tool="Bash", command=f"run {name}"), n)
        watch.hear(Signal(SignalKind.SCREEN, f"a\nsaw {name}\nb"), n)
        watch.hear(Signal(SignalKind.TEXT, name * 50), n)
        watch.hear(Signal(SignalKind.USAGE, usage=Usage(5, key=name, context=5)), n)
        if n % 2:
            watch.hear(Signal(SignalKind.TOOL_DONE, name * 50), n)
        if n % 100 == 0:
            watch.saw({name: n})


def test_memory_is_bounded() -> None:
    watch = Watchdog(WatchdogLimits(), 0.0)
    bulk(watch, 6_000, 0)
    before = len(pickle.dumps(watch))
    bulk(watch, 12_000, 6_000)
    assert len(pickle.dumps(watch)) < before * 1.05


@given(st.integers(20, 120), st.integers(200, 6_000), st.integers(0, 50))
@settings(max_examples=20)
def test_a_loop_of_lines_is_a_circle_however_it_is_cut(period: int, piece: int, seconds: int) -> None:
    words = [f"{'abcdefghijklmnopqrst'[n % 20]}{'uvwxyz'[n // 20]} says step {n}, {{}} ms" for n in range(period)]
    output = "\n".join(words[n % period].format(n * 17 % 900) for n in range(piece * 700 // 20))
    watch, now = Watchdog(WatchdogLimits(events=False, silence=600), 0.0), 0.0
    why = None
    for end in range(piece, len(output), piece):
        now += 1 + seconds / 50
        watch.hear(Signal(SignalKind.TEXT, output[max(0, end - 4000) : end].strip()), now)
        if (reason := watch.reason(now)) or watch.silent(now):
            why = reason and reason.why
            break
    assert why is StopReason.CIRCLES


def test_noise_around_events_is_never_a_circle() -> None:
    watch, noise = Watchdog(WatchdogLimits(), 0.0), [f"deprecated: {a}{b}" for a in "abcdef" for b in "ghijkl"]
    for now in range(590):
        at = now * 5 % len(noise)
        watch.hear(Signal(SignalKind.SCREEN, "\n".join([*noise[at:], *noise[:at]])), now)
        assert watch.reason(now) is None
    assert watch.silent(605)
