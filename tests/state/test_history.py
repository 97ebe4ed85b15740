"""The journal, folded: what is owed, how often each task was tried, what was spent. Also over a restart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ralph.agents.model import FAILURES
from ralph.engine.moves import MoveKind
from ralph.state.attempt import InvalidTransition, State
from ralph.state.events import (
    AgentChanged,
    AgentStarted,
    AgentStopped,
    Chosen,
    Continued,
    Event,
    Judged,
    Learned,
    Parked,
    Publishing,
    Recorded,
    Resumed,
    Reviewed,
    RunEnded,
    RunStarted,
    SetAside,
    Skipped,
    Split,
    Waited,
    Waiting,
    WorkspaceReady,
)
from ralph.state.history import OWED, History, TaskStats, fold


def after(*steps: Event, since: History | None = None) -> History:
    history = since or History()
    for step in steps:
        history = fold(history, 1.0, "r", step)
    return history


def attempt(end: Any, n: int = 1, *, purpose: str = "", said: str = "", tokens: int = 0) -> list[Event]:
    stopped = AgentStopped(n, "exited", 0, ended=True, tokens=tokens, cost=tokens / 1000 or None, said=said)
    begun = [Chosen(n, "T1", "T1", n, "b", purpose), WorkspaceReady(n, "b"), AgentStarted(n, 7, 1.0)]
    return [*begun, stopped, replace(end, n=n)]


def aside(move: str = "retry", n: int = 1, *, counted: bool = True, tree: str = "", work: str = "") -> SetAside:
    return SetAside(n, "T1", "why", counted, work, "gate", move, tree)


def tally(*steps: Event) -> TaskStats:
    return after(*steps).tallies["T1"]


def test_the_time_in_which_a_run_was_cut_off_belongs_to_this_run() -> None:
    began = RunStarted("r", "b", "m", "b", "PRD.md", "a")
    cut = after(began, Continued(60.0), Continued(30.0), replace(began, resumed=True))
    assert cut.away == 90.0
    assert after(began, since=after(RunEnded(0, "done"), since=cut)).away == 0.0


def test_what_is_known_of_a_task_is_not_taken_for_that_of_another_prd() -> None:
    one, other = (RunStarted("r", "b", "m", "b", prd, "a") for prd in ("one.md", "other.md"))
    before = after(one, *attempt(aside("park")), Split("T7", "T7", ("a",), ("T7.1",)))
    between = after(other, since=before)
    assert (between.tallies, between.owing, between.split) == ({}, {}, frozenset())
    between = after(*attempt(aside(counted=False), 2), since=between)
    assert (between.tallies["T1"].tried, between.tallies["T1"].uncounted) == (0, 1)
    again = after(one, since=between)
    assert (again.tallies, again.owing, again.split) == (before.tallies, before.owing, before.split)
    assert after(other, since=again).tallies["T1"].uncounted == 1


def test_tries_that_count_and_those_that_do_not() -> None:
    one = tally(*attempt(aside()))
    assert (one.tried, one.uncounted, one.attempts) == (1, 0, 1)
    two = tally(*attempt(aside()), *attempt(aside(counted=False), 2))
    assert (two.tried, two.uncounted, two.attempts) == (1, 1, 2)


def test_a_wait_and_a_hand_over_are_no_failed_deliveries() -> None:
    for move in ("wait", "hand over"):
        assert tally(*attempt(aside(move, counted=False))).uncounted == 0


def test_waits_in_a_row_are_counted_until_an_agent_delivers() -> None:
    wait = [*attempt(aside("wait", counted=False)), Waiting("limit", 9.0, "T1"), Waited(5.0)]
    history = after(*wait, *wait)
    assert (history.tallies["T1"].waits, history.waited) == (2, 10.0)
    history = after(*attempt(aside()), since=history)
    assert (history.tallies["T1"].waits, history.waited) == (0, 0.0)


@pytest.mark.parametrize("move", list(MoveKind))
def test_a_decision_is_owed_until_it_is_done(move: MoveKind) -> None:
    history = after(*attempt(aside(move.value)))
    assert (history.owed is not None) == (move.value in OWED)
    assert after(Chosen(2, "T1", "T1", 2, "b"), since=history).owed is None


@pytest.mark.parametrize(
    ("move", "done"),
    [
        ("park", Parked("T1", "T1", "why")),
        ("split", Split("T1", "T1", ("a", "b", "c"), ("1", "2", "3"))),
        ("change the agent", AgentChanged("T1", "codex", "why")),
        ("wait", Waiting("limit", 9.0, "T1")),
        ("skip", Skipped("T1", "T1")),
    ],
)
def test_doing_it_pays_the_debt(move: str, done: Event) -> None:
    assert after(*attempt(aside(move)), done).owed is None


def test_asking_keeps_the_debt_and_uses_up_no_try() -> None:
    history = after(*attempt(aside("split")), *attempt(aside("asked", 2), 2, purpose="split", said="- [ ] a"))
    assert history.owed is not None
    assert history.tallies["T1"].tried == 1


def test_a_hand_over_note_is_kept_with_the_work_until_the_next_attempt_ends() -> None:
    asked = [
        *attempt(aside("hand over", counted=False, tree="t", work="refs/w")),
        *attempt(aside("asked", 2), 2, purpose="hand over", said="half is done"),
    ]
    assert after(*asked).owed is None
    assert (tally(*asked).note, tally(*asked).work) == ("half is done", "refs/w")
    later = tally(*asked, *attempt(aside(n=3), 3))
    assert (later.note, later.work) == ("", "")


def test_a_note_that_nobody_could_be_asked_for_is_asked_for_again() -> None:
    steps = attempt(aside("hand over", counted=False, work="refs/w"))
    for failure in ("", *map(str, sorted(FAILURES))):
        broken = [
            Chosen(2, "T1", "T1", 1, "b", "hand over"),
            WorkspaceReady(2, "b"),
            AgentStarted(2, 7, 1.0),
            AgentStopped(2, "exited", 1, ended=False, failure=failure, said="You've hit your limit"),
            aside("asked", 2),
        ]
        history = after(*steps, *broken)
        assert (history.owed is not None) == (failure in ("rate limit", "overloaded", "network"))
        assert history.tallies["T1"].note == ""


def test_a_wait_goes_on_after_a_restart() -> None:
    history = after(RunStarted("r", "b", "m", "b", "PRD.md", "a"), Waiting("limit", 9.0))
    assert after(RunStarted("r2", "b", "m", "b", "PRD.md", "a"), since=history).waiting is not None
    assert after(Waited(1.0), since=history).waiting is None


def test_tries_that_leave_the_same_are_alike() -> None:
    same = tally(*attempt(aside(tree="t")), *attempt(aside(n=2, tree="t"), 2), *attempt(aside(n=3, tree="t"), 3))
    other = tally(*attempt(aside(tree="t")), *attempt(aside(n=2, tree="u"), 2))
    assert (same.alike, other.alike) == (3, 1)


def test_another_agent_begins_with_no_failed_delivery() -> None:
    one = tally(*attempt(aside("change the agent", counted=False)), AgentChanged("T1", "codex", "why"))
    assert (one.rung, one.uncounted) == (1, 0)


def test_a_split_task_and_its_parts_are_never_split_again() -> None:
    assert after(Split("T1", "T1", ("a",), ("1",))).split == {"T1", "1"}


def test_checks_without_an_agent_are_no_attempt() -> None:
    history = after(*attempt(aside(), purpose="check"))
    assert history.attempts == 0
    assert history.tallies["T1"] == TaskStats(checked=True)


def test_money_is_counted_for_the_run_and_for_the_task() -> None:
    steps = attempt(aside(), tokens=1000)
    steps.insert(4, Reviewed(1, "codex", ok=True, tokens=500, cost=0.5))
    history = after(*steps)
    assert (history.tokens, history.cost) == (1500, 1.5)
    assert (history.tallies["T1"].tokens, history.tallies["T1"].cost) == (1500, 1.5)


def test_accepted_tasks_are_counted_until_a_person_looks() -> None:
    done = [*attempt(Judged(1, True, "w")), Publishing(1, "c", "b"), Recorded(1, "T1", "c")]
    history = after(*done)
    assert (history.since_look, history.tallies) == (1, {})
    assert after(Resumed(1.0), since=history).since_look == 0


def other(*steps: Event) -> list[Event]:
    """The second of two attempts at once: another task, which is number 2."""
    return [Chosen(2, "T2", "T2", 1, "b"), WorkspaceReady(2, "b"), AgentStarted(2, 8, 1.0), *steps]


def test_several_attempts_stand_side_by_side() -> None:
    first = attempt(aside("split"))
    history = after(*first[:3], *other(), *first[3:4])
    assert [one.state for one in history.running.values()] == [State.STOPPED, State.WORKING]
    assert history.current is history.running[1]
    history = after(first[4], since=history)
    assert (list(history.running), list(history.owing)) == ([2], ["T1"])


def test_what_is_owed_to_one_task_is_not_paid_by_another() -> None:
    owed = after(*attempt(aside("split")), *other())
    assert list(owed.owing) == ["T1"]
    both = after(AgentStopped(2, "exited", 0), SetAside(2, "T2", "why", True, move="park"), since=owed)
    assert list(both.owing) == ["T1", "T2"]
    assert list(after(Parked("T2", "T2", "why"), since=both).owing) == ["T1"]
    assert list(after(Waiting("limit", 9.0, "T2"), since=both).owing) == ["T1", "T2"]


def test_failures_are_alike_by_task() -> None:
    steps = [
        *attempt(aside("park")),
        *other(AgentStopped(2, "exited", 0), SetAside(2, "T2", "why", True, same="b")),
    ]
    assert after(*steps, Parked("T1", "T1", "why")).alike == ("gate",)


def test_what_can_not_follow_is_a_bug() -> None:
    with pytest.raises(InvalidTransition):
        after(Chosen(1, "T1", "T1", 1, "b"), Judged(1, True, "w"))
    current = after(Chosen(1, "T1", "T1", 1, "b")).current
    assert current is not None
    assert current.state is State.CHOSEN


RUN = RunStarted("r", "ralph/PRD", "main", "base", "PRD.md", "claude")


def test_what_a_killed_attempt_spent_counts_once() -> None:
    begun = (RUN, Chosen(1, "T1", "one", 1, "base"))
    killed = SetAside(1, "T1", "interrupted", counted=False, tokens=700, cost=0.7, about=True)
    history = after(*begun, killed)
    assert (history.tokens, history.cost, history.about, history.unpriced) == (700, 0.7, True, 0)
    assert (history.tallies["T1"].tokens, history.tallies["T1"].cost) == (700, 0.7)
    again = after(*begun, replace(killed, cost=None))
    assert (again.cost, again.unpriced) == (None, 700)


def test_what_agents_report_of_their_models_outlasts_the_run() -> None:
    first, later = Learned("claude", "m", 200_000, (1.0, 0.1, 5.0)), Learned("claude", "m", 0, (2.0, 0.2, 10.0))
    known = after(RUN, first, later, RUN).models["claude", "m"]
    assert (known.window, known.price) == (200_000, (2.0, 0.2, 10.0))
