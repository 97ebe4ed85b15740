"""Recorded runs of the agent CLIs against the signals written beside them (fixtures/transcripts/README.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ralph.agents.model import Signal, SignalKind, Usage
from ralph.agents.registry import AGENTS, get

FOLDER = Path(__file__).parents[2] / "fixtures" / "transcripts"
CASES = sorted(path for path in FOLDER.glob("*/*") if path.suffix in {".jsonl", ".pty", ".stderr"})


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.stem}")
def test_the_reader_makes_of_it(case: Path) -> None:
    read = get(case.parent.name).read
    lines = case.read_bytes().decode().split("\n")
    signals = "".join(f"{shown(signal)}\n" for line in lines for signal in read(line))
    expected = case.with_suffix(".signals")
    assert expected.exists(), f"save these as {expected.name} if they are right:\n{signals}"
    assert signals == expected.read_text()


def test_every_agent_with_events_has_recorded_runs() -> None:
    assert {case.parent.name for case in CASES} == {agent.NAME for agent in AGENTS.values() if agent.EVENTS}


def test_no_signals_without_a_run() -> None:
    assert {case.with_suffix(".signals") for case in CASES} == set(FOLDER.glob("*/*.signals"))


def shown(signal: Signal) -> str:
    """One readable line: `kind (facts): text`."""
    facts = [
        signal.tool,
        f"writes {', '.join(signal.paths)}" if signal.paths else "",
        f"runs {signal.command!r}" if signal.command else "",
        f"resets at {signal.resets_at:.0f}" if signal.resets_at is not None else "",
        {True: "ok", False: "not ok", None: ""}[signal.ok],
        counted(signal.usage) if signal.usage else "",
        f"session {signal.session}" if signal.session else "",
    ]
    told = ", ".join(fact for fact in facts if fact)
    text = "" if signal.kind is SignalKind.TOOL else signal.text
    return signal.kind.value + (f" ({told})" if told else "") + (f": {text!r}" if text else "")


def counted(usage: Usage) -> str:
    """`1801 tokens for msg_01 = 1300 + 500 cached + 1, 1800 in the window`."""
    fresh, cached, output = usage.split
    of = "in all" if usage.final else f"for {usage.key}"
    told = [
        f"{usage.tokens} tokens {of} = {fresh} + {cached} cached + {output}" if usage.tokens or usage.final else "",
        f"{usage.cost:.6f} USD" if usage.cost is not None else "",
        f"{usage.context} in the window" if usage.context else "",
        f"window of {usage.window}" if usage.window else "",
        f"{usage.written} put into the cache" if usage.written else "",
        f"about {usage.wrote} written" if usage.wrote else "",
        f"by {usage.model}" if usage.model else "",
        *(
            f"{use.model} {sum(use.split)} tokens {use.cost or 0:.6f} USD window {use.window}"
            for use in usage.models
        ),
    ]
    return ", ".join(one for one in told if one)
