"""The end of a run, as people read it."""

from __future__ import annotations

from syrupy.assertion import SnapshotAssertion

from ralph.cli.display.summary import outcome, summary
from ralph.state import events
from ralph.state.events import Event

START = events.RunStarted("r1", "ralph/my PRD", "main", "1a2b3c4", "PRD.md", "claude")
GOOD: tuple[Event, ...] = (
    START,
    events.Chosen(1, "T1", "T1 Count the books", 1, "b"),
    events.AgentStopped(1, "exited", 0, 58.0, 12_400, 0.21),
    events.Recorded(1, "T1", "feedbeefcafe", ("T0",)),
)
NIGHT: tuple[Event, ...] = (
    *GOOD,
    events.Chosen(2, "T2", "T2 Find by author", 1, "b"),
    events.SetAside(2, "T2", "Ticked without any work: T2.", True),
    events.Chosen(3, "T2", "T2 Find by author", 2, "b"),
    events.Recorded(3, "T2", "c0ffee123456"),
    events.Chosen(4, "T3", "T3 Keep the order", 1, "b"),
    events.SetAside(4, "T3", "A gate failed: npm test.", True),
    events.Parked("T3", "T3 Keep the order", "A gate failed: npm test.", "abc"),
    events.Chosen(5, "0f9e8d7c", "Describe \x1b[2J it", 1, "b"),
    events.SetAside(5, "0f9e8d7c", "The agent's rate limit is used up.", False),
    events.RunEnded(1, "finished, 1 parked for a human", 723.0, 120_000, 1.2),
)


def shown(*seen: Event) -> str:
    return "\n".join(summary(outcome(seen), "/repo/.git/ralph"))


def test_a_night(snapshot: SnapshotAssertion) -> None:
    assert shown(*NIGHT) == snapshot


def test_all_done_on_the_own_branch(snapshot: SnapshotAssertion) -> None:
    start = events.RunStarted("r1", "feature", "feature", "1a2b3c4", "PRD.md", "codex")
    assert shown(start, *GOOD[1:], events.RunEnded(0, "every task is verified", 60.0)) == snapshot


def test_interrupted(snapshot: SnapshotAssertion) -> None:
    assert shown(*GOOD, events.RunEnded(130, "interrupted: the same command continues", 60.0)) == snapshot


def test_what_was_done_in_the_end_is_not_open() -> None:
    assert "T2" not in outcome(NIGHT).aside
    assert list(outcome(NIGHT).done) == ["T1", "T0", "T2"]


def test_before_a_run_began_there_is_nothing_to_sum_up() -> None:
    assert shown(events.GateRan(0, "npm test", ok=False)) == ""
