"""What `ralph status` says of a run that does nothing at the moment, or soon won't."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from ralph.cli.display.status import LastRun, as_lines, to_json
from ralph.cli.display.summary import RunSummary
from ralph.prd import document as prd
from ralph.state import events
from ralph.state.events import Event

NOW = 1_800_000_000.0
START = events.RunStarted("r1", "ralph/PRD", "main", "abc", "PRD.md", "claude")
WORKS = events.Chosen(1, "T1", "T1 one", 2, "abc")
ASIDE = events.SetAside(1, "T1", "no", False)
WAITS = events.Waiting("The agent's limit \x1b[2Jis used up.", NOW + 3600, "T1")
PAUSED = events.Paused("asked for with `ralph pause`", until=NOW + 7200)
LOOK = events.Paused("5 tasks were accepted since the last look. To go on: `ralph resume`.", True, NOW + 7200)


@pytest.fixture(autouse=True)
def one_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def seen(*more: Event, pid: int | None = 4711, at_once: int = 0, **orders: Any) -> LastRun:
    """A run with these events, ten seconds between them."""
    start, folded = replace(START, at_once=at_once), RunSummary()
    for number, event in enumerate((start, *more)):
        folded.see(event, NOW - 900 + 10 * number)
    return replace(LastRun(start, folded, NOW - 900, NOW - 5, pid), **orders)


SEVERAL = (
    events.Chosen(1, "T1", "T1 one", 1, "abc"), events.Sent(1, 71, 1.0, 1),
    events.Chosen(2, "T2", "T2 two", 2, "abc"), events.Sent(2, 72, 1.0, 2),
    events.Chosen(3, "T3", "T3 three", 1, "abc"), events.Sent(3, 73, 1.0, 3),
    events.AgentStarted(2, 82, 1.0, "codex"), events.AgentReported(2, "Edit \x1b[2Ja.py", 12_400, 0.21),
    events.Recorded(1, "T1", "feedbee"), events.AgentStopped(3, "exited", 0, 20.0, 900, 0.01),
    events.Chosen(4, "T4", "T4 four", 1, "feedbee", "split"), events.Sent(4, 74, 1.0, 1),
    events.GateRan(3, "npm test", ok=True), events.AgentStarted(4, 84, 1.0, "claude"),
)  # fmt: skip
RUNS = {
    "works": seen(WORKS),
    "waits": seen(WORKS, ASIDE, WAITS),
    "was cut off while it waited": seen(WORKS, ASIDE, WAITS, pid=None),
    "goes on after a wait": seen(WORKS, ASIDE, WAITS, events.Waited(3600), WORKS),
    "is paused": seen(PAUSED, pausing="asked for with `ralph pause`"),
    "wants a look": seen(LOOK, pausing=LOOK.reason),
    "goes on after a pause": seen(PAUSED, events.Resumed(60), WORKS),
    "will be paused": seen(WORKS, pausing=""),
    "will stop": seen(WORKS, stopping="after"),
    "stops now": seen(WORKS, stopping="now"),
    "is paused and will stop": seen(PAUSED, pausing="x", stopping="after"),
    "three at once": seen(*SEVERAL, at_once=3),
    "three at once, and will stop": seen(*SEVERAL, at_once=3, stopping="after", pausing="lunch"),
    "three at once, cut off": seen(*SEVERAL, at_once=3, pid=None),
    "ended while it was paused": seen(PAUSED, events.RunEnded(3, "nobody resumed it"), pid=None),
}
PRD = prd.parse(b"- [ ] T1 one\n")


def test_a_done_task_shows_how_strongly_it_is_proven() -> None:
    """Not one that was emptied since, and not one that an earlier ralph ticked."""
    document = prd.parse(b"- [x] T1 one\n- [x] T2 two\n- [ ] T3 three\n")
    levels = {"T1": "red-green", "T2": "", "T3": "exit-code"}
    assert as_lines("PRD.md", document, None, NOW, levels)[1:4] == [
        "   1 [x] T1 one (proven)", "   2 [x] T2 two", "   3 [ ] T3 three",
    ]  # fmt: skip
    assert [task["proof"] for task in to_json(document, None, NOW, levels)["tasks"]] == ["red-green", None, None]


@pytest.mark.parametrize("name", RUNS)
def test_people_are_told_why_it_stands_still(name: str, snapshot: SnapshotAssertion) -> None:
    shown = as_lines("PRD.md", PRD, RUNS[name], NOW, {})
    assert "\n".join(shown[shown.index("") + 1 :]) == snapshot


@pytest.mark.parametrize("name", RUNS)
def test_and_programs_too(name: str, snapshot: SnapshotAssertion) -> None:
    run = to_json(PRD, RUNS[name], NOW, {})["run"]
    assert {key: run[key] for key in ("state", "waiting", "paused", "pausing", "stopping")} == snapshot


def test_programs_are_told_of_each_attempt_that_is_going_on(snapshot: SnapshotAssertion) -> None:
    run = to_json(PRD, RUNS["three at once"], NOW, {})["run"]
    assert (run["task"], run["attempt"], run["at_once"]) == ("T2", 2, 3)
    assert run["running"] == snapshot
    assert to_json(PRD, RUNS["three at once, cut off"], NOW, {})["run"]["running"] == []
