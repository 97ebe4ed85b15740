"""The live view as rows: a run of one agent, of several, waits and pauses, at the widths of real terminals."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from syrupy.assertion import SnapshotAssertion

from ralph.cli.display.columns import cut, plain_row, wide
from ralph.cli.display.live_rows import KeyState, LiveFacts, LiveState
from ralph.state import events
from ralph.state.events import Event

NOW = 1_800_000_000.0
START = events.RunStarted(
    "r1", "ralph/PRD", "main", "1a2b3c4d5e", "PRD.md", "claude", 7, ("ruff check .", "npm test"), at_once=3
)
ALONE = replace(START, at_once=0)
COUNT = "T1 Count the books on each shelf and show the sum below it, also when the shelf is empty"
FIND = "T2 Find by author"
WIDE = "本の一覧を著者名と題名で並べ替える 🙂 also e\u0301crit"
DEEP = "/home/ada/.cache/ralph/shelf-7caeaf57/2/shelf"
FACTS = LiveFacts(4, 1, 7, 723.4, 28800.0, 6, 50, 900_000, None, 1.1, 20.0)

Story = tuple[tuple[float, Event], ...]  # seconds before now

PREFLIGHT: Story = (
    (9, events.GateStarted(0, "ruff check .")),
    (8, events.GateRan(0, "ruff check .", ok=True, seconds=1.0)),
    (8, events.GateStarted(0, "npm test")),
)
WORKS: Story = (
    (723, ALONE),
    (192, events.Chosen(6, "T1", COUNT, 2, "1a2b3c4")),
    (191, events.AgentStarted(6, 99, 1.0, "claude")),
    (47, events.AgentReported(6, "Bash npm test -- --watch=false", 12_400, 0.21)),
    (17, events.AgentReported(6, "", 12_900, 0.22)),
)
GATES: Story = (
    *WORKS,
    (14, events.AgentStopped(6, "exited", 0, 178.0, 13_000, 0.23, ended=True)),
    (13, events.GateStarted(6, "ruff check .")),
    (12.9, events.GateRan(6, "ruff check .", ok=True, seconds=0.1)),
    (12, events.GateStarted(6, "npm test")),
)
RED: Story = (*GATES, (1, events.GateRan(6, "npm test", ok=False, seconds=11.0)))
SEVERAL: Story = (
    (723, START),
    (192, events.Chosen(1, "T1", COUNT, 1, "1a2b3c4")),
    (191, events.AgentStarted(1, 99, 1.0, "claude")),
    (150, events.Chosen(2, "T2", FIND, 2, "1a2b3c4")),
    (149, events.AgentStarted(2, 98, 1.0, "codex")),
    (100, events.Chosen(3, "0f9e8d7c6b5a", WIDE, 1, "1a2b3c4", "split")),
    (5, events.AgentReported(1, f"Edit {DEEP}/src/books/list.js", 12_400, 0.21)),
    (4, events.AgentReported(2, "Read " + WIDE, 900)),
    (3, events.AgentStopped(2, "exited", 0, 58.4, 1_000, 0.01, ended=True)),
)
WAITS: Story = (
    *SEVERAL,
    (2, events.Waiting("The agent's rate limit is used up.", NOW + 1234, "T4")),
)
PAUSED: Story = ((723, ALONE), (60, events.Paused("asked for with the key p", until=NOW + 90_000)))


def live(story: Story) -> LiveState:
    shown = LiveState(("hunter2hunter2",))
    for before, event in story:
        shown.see(event, NOW - before)
    return shown


MOMENTS: dict[str, tuple[Story, LiveFacts, KeyState]] = {
    "before the first task": (PREFLIGHT, LiveFacts(max_time=28800.0, max_attempts=50), KeyState()),
    "an agent works": (WORKS, FACTS, KeyState()),
    "its gates run": (GATES, FACTS, KeyState(keys=False)),
    "a gate is red": (RED, replace(FACTS, stopping="after"), KeyState()),
    "several": (SEVERAL, replace(FACTS, max_cost=1.2, max_tokens=950_000), KeyState()),
    "it waits": (WAITS, replace(FACTS, pausing=True), KeyState()),
    "it is paused": (PAUSED, replace(FACTS, pausing=True, stopping="now"), KeyState(help=True)),
    "an answer": (
        WORKS,
        FACTS,
        KeyState(answer="Skip “T1 Count the books on each shelf and show…”? s again: yes."),
    ),
}


@pytest.mark.parametrize("width", [60, 80, 120])
def test_moments(width: int, snapshot: SnapshotAssertion) -> None:
    shown = []
    for name, (story, facts, hand) in MOMENTS.items():
        rows = live(story).rows(facts, NOW, width, 40, hand)
        assert all(wide(row) < width for row in rows)
        shown += [f"## {name}", *map(plain_row, rows), ""]
    assert "\n".join(shown) == snapshot


def test_on_a_wide_terminal_what_belongs_together_stays_together() -> None:
    assert max(map(wide, live(SEVERAL).rows(FACTS, NOW, 300, 40))) == 120


@pytest.mark.parametrize("height", [2, 4, 8, 12, 14, 20])
def test_it_takes_half_of_the_terminal_at_most(height: int, snapshot: SnapshotAssertion) -> None:
    rows = live(WAITS).rows(FACTS, NOW, 80, height, KeyState())
    assert len(rows) <= max(2, height // 2)
    assert "\n".join(map(plain_row, rows)) == snapshot


def test_a_task_that_is_over_goes() -> None:
    over = live((*RED, (0.5, events.SetAside(6, "T1", "red", True)), (0.2, events.Waited(3.0))))
    assert not any("T1" in plain_row(row) for row in over.rows(FACTS, NOW, 80, 24))


def test_what_agents_write_neither_acts_nor_tells_a_secret() -> None:
    evil = "\x1b[2Jrm\r\n\x1b]0;title\x07 hunter2hunter2 \u202eabc"
    shown = live((*WORKS, (1, events.AgentReported(6, evil)), (1, events.Waiting(evil, NOW + 5))))
    text = "\n".join(map(plain_row, shown.rows(FACTS, NOW, 120, 24, KeyState(answer=evil))))
    assert not set(text) & set("\x1b\r\x07\u202e")
    assert "hunter2" not in text
    assert text.count("[masked]") == 3


def test_what_running_agents_use_is_added_once() -> None:
    """Facts has what ended; a running agent's own reports come on top, until it ends."""
    head = [
        plain_row(live(story).rows(replace(FACTS, tokens=0, cost=0.0), NOW, 120, 24)[0]) for story in (WORKS, GATES)
    ]
    assert "12.9k tokens, $0.22" in head[0]
    assert "12m 3s, $0.00" in head[1]


@given(st.text(max_size=40), st.integers(0, 30))
def test_cut_is_never_wider(text: str, width: int) -> None:
    assert cell_len(cut(text, width)) <= width


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(20, 200))
def test_the_bar_is_full_only_when_all_is_done(done: int, parked: int, rest: int, width: int) -> None:
    rows = LiveState().rows(LiveFacts(done, parked, rest), NOW, width, 24)
    parts = [part for row in rows for part in row]
    cells = {style: sum(len(part.text) for part in parts if part.style == style and part.text.strip("━┄") == "")
             for style in ("green", "yellow")}  # fmt: skip
    whole = sum(cells.values()) + sum(part.text.count("┄") for part in parts)
    if whole:
        assert (cells["green"] == whole) == (done == done + parked + rest)
        assert bool(cells["green"]) == bool(done)
