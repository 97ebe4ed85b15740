"""What may go of runs that are over: the journal decides."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.state.events import (
    AgentStarted,
    AgentStopped,
    Chosen,
    Event,
    Judged,
    Parked,
    Publishing,
    Recorded,
    RunEnded,
    RunStarted,
    SetAside,
    WorkspaceReady,
)
from ralph.state.retention import InUse, Step, is_saved, named_in, needed, of_ref, started

RUN, OTHER = "20260101-080000-aaaa", "20260102-080000-bbbb"


def begin(run: str = RUN, prd: str = "PRD.md") -> Step:
    return 1.0, run, RunStarted(run, "ralph/PRD", "main", "c0", prd, "claude")


def end(run: str = RUN) -> Step:
    return 9.0, run, RunEnded(0, "done")


def tried(n: int, task: str, run: str = RUN, *, move: str = "", work: str = "") -> list[Step]:
    """An attempt that was not accepted."""
    steps: list[Event] = [
        Chosen(n, task, task, 1, "c0"),
        SetAside(n, task, "no", counted=True, work=work, move=move),
    ]
    return [(2.0, run, one) for one in steps]


def parked(task: str, run: str = RUN) -> Step:
    return 3.0, run, Parked(task, task, "too hard")


def recorded(n: int, task: str, run: str = RUN) -> list[Step]:
    steps: list[Event] = [
        Chosen(n, task, task, 1, "c0"), WorkspaceReady(n, "c0"), AgentStarted(n, 1, 1.0), AgentStopped(n, "exited"),
        Judged(n, True, "c1"), Publishing(n, "c1", "c0"), Recorded(n, task, "c1"),
    ]  # fmt: skip
    return [(4.0, run, one) for one in steps]


def noted(n: int, task: str) -> list[Step]:
    """An agent was asked for a hand-over note, and gave one."""
    steps: list[Event] = [
        Chosen(n, task, task, 1, "c0", "hand over"), WorkspaceReady(n, "c0"), AgentStarted(n, 1, 1.0),
        AgentStopped(n, "exited", 0, ended=True), SetAside(n, task, "asked", counted=False),
    ]  # fmt: skip
    return [(2.0, RUN, one) for one in steps]


REF = f"refs/ralph/{RUN}/1/work"
CASES: dict[str, tuple[list[Step], set[str], set[tuple[str, int]]]] = {
    "over": ([begin(), *tried(1, "T1"), end()], set(), set()),
    "not over": ([begin(), *tried(1, "T1")], {RUN}, set()),
    "an attempt that is going on": ([begin(), (2.0, RUN, Chosen(1, "T1", "", 1, "c"))], {RUN}, set()),
    "parked": ([begin(), *tried(1, "T1"), *tried(2, "T2"), parked("T1"), end()], set(), {(RUN, 1)}),
    "parked, tried again": (
        [begin(), *tried(1, "T1"), parked("T1"), end(), begin(OTHER), *tried(2, "T1", OTHER), end(OTHER)],
        set(), {(RUN, 1), (OTHER, 2)},
    ),
    "parked, then done": (
        [begin(), *tried(1, "T1"), parked("T1"), end(), begin(OTHER), *recorded(2, "T1", OTHER), end(OTHER)],
        set(), set(),
    ),
    "parked in another PRD": ([begin(prd="b.md"), *tried(1, "T1"), parked("T1"), end()], set(), {(RUN, 1)}),
    "parked, but gone from its PRD": ([begin(prd="gone.md"), *tried(1, "T1"), parked("T1"), end()], set(), set()),
    "handed over": ([begin(), *tried(1, "T1", move="hand over", work=REF), end()], set(), {(RUN, 1)}),
    "handed over, and another PRD since": (
        [begin(), *tried(1, "T1", move="hand over", work=REF), end(), begin(OTHER, "b.md"), end(OTHER)],
        set(), {(RUN, 1)},
    ),
    "handed over, its note written, and another PRD since": (
        [begin(), *tried(1, "T1", move="hand over", work=REF), *noted(2, "T1"), end(), begin(OTHER, "b.md"),
         end(OTHER)],
        set(), {(RUN, 1)},
    ),
    "tried again": ([begin(), *tried(1, "T1", move="retry", work=REF), end()], set(), set()),
}  # fmt: skip


@pytest.mark.parametrize(("steps", "runs", "attempts"), CASES.values(), ids=CASES.keys())
def test_what_is_needed(steps: list[Step], runs: set[str], attempts: set[tuple[str, int]]) -> None:
    found = needed(steps, lambda prd, _: prd != "gone.md")
    assert (set(found.runs), set(found.attempts)) == (runs, attempts)


@pytest.mark.parametrize(
    ("run", "seen", "free"),
    [
        (RUN, 0.0, True),  # a journal knows it
        (OTHER, 0.0, True),  # its name tells
        ("99991231-000000-cccc", 0.0, False),
        ("nobody", 5.0, True),
        ("nobody", 5e12, False),
        ("nobody", 0.0, False),  # of no known age
        ("99999999-999999-dddd", 0.0, False),
    ],
)
def test_the_age_of_a_run(run: str, seen: float, free: bool) -> None:
    assert InUse(last={RUN: 9.0}).free(run, 1, before=3e9, seen=seen) is free


def test_runs_are_named_by_their_start() -> None:
    assert time.strftime("%Y%m%d-%H%M%S", time.localtime(started(RUN))) == "20260101-080000"


def test_refs() -> None:
    assert of_ref(REF) == (RUN, 1)
    assert of_ref(f"refs/ralph/{RUN}/saved/heads/1") == (RUN, None)
    assert of_ref("refs/ralph") == ("", None)
    assert [is_saved(f"refs/ralph/{RUN}/{rest}") for rest in ("saved/heads/x", "1/work")] == [True, False]
    assert named_in(f"Its work is kept: `{REF}`\ngit diff x refs/ralph/r/2/work -- PATH") == {(RUN, 1), ("r", 2)}


ACTS = st.lists(
    st.tuples(st.sampled_from(["tried", "parked", "recorded", "end"]), st.sampled_from("ABC")), max_size=12
)


@given(ACTS)
def test_nothing_goes_that_is_needed(acts: list[tuple[str, str]]) -> None:
    """Of any story, told step by step: what is parked and not done keeps its attempts, the last run all of its."""
    steps, run, tries, waiting = [begin("run-0")], "run-0", dict[str, set[tuple[str, int]]](), set[str]()
    for n, (act, task) in enumerate(acts, 1):
        if act == "tried":
            steps += tried(n, task, run)
            tries.setdefault(task, set()).add((run, n))
        elif act == "parked":
            steps.append(parked(task, run))
            waiting.add(task)
        elif act == "recorded":
            steps += recorded(n, task, run)
            tries.pop(task, None)
            waiting.discard(task)
        else:
            steps += [end(run), begin(f"run-{n}")]
            run = f"run-{n}"
    found = needed(steps, lambda *_: True)
    kept = {attempt for task in waiting for attempt in tries.get(task, ())}
    assert (set(found.runs), set(found.attempts)) == ({run}, kept)
    assert not any(found.free(*attempt, before=1e12) for attempt in kept)
    assert not found.free(run, None, before=1e12)
