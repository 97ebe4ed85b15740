"""How attempts end, and what is done then: one table."""

from __future__ import annotations

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from ralph.agents.model import FAILURES, REFUSALS, TRANSIENT, Signal, SignalKind, Stopped, StopReason
from ralph.agents.session.usage import UsageCounter
from ralph.agents.watchdog.watchdog import Watchdog, WatchdogLimits
from ralph.engine import recovery_policy as recovery
from ralph.engine.moves import Move, MoveKind
from ralph.engine.recovery_policy import TryCounts
from ralph.verify.model import Finding, FindingKind, Verdict

WELL = Stopped(StopReason.EXITED, 0, ended=True)
CRASH = Stopped(StopReason.EXITED, 1)
QUIET = Stopped(StopReason.EXITED, 0)  # exit code 0 and no terminal event
GAVE_UP = Stopped(StopReason.EXITED, 1, ended=False)
RED = Verdict((Finding(FindingKind.GATE, "The gate `pytest -q` failed (exit code 1).", "tail"),))
FRESH, ONE_LEFT, LAST = TryCounts(0, 3), TryCounts(1, 3), TryCounts(2, 3)


def failed(kind: SignalKind, text: str = "") -> Stopped:
    return Stopped(StopReason.EXITED, 1, ended=False, failure=Signal(kind, text, resets_at=1_800_000_000.0))


def of(
    stopped: Stopped, *, changed: bool = False, counts: TryCounts = FRESH, verdict: Verdict | None = RED
) -> Move:
    return recovery.move(stopped, changed=changed, verdict=verdict, counts=counts, cure="Run `claude /login`.")


# what ended, did it change the tree -> the move with tries left, did it use up a try
TABLE: dict[str, tuple[Stopped, bool, MoveKind, bool]] = {
    "ended well, rejected": (WELL, True, MoveKind.RETRY, True),
    "ended well, did nothing": (WELL, False, MoveKind.RETRY, True),
    "gave up without an error": (GAVE_UP, False, MoveKind.RETRY, True),
    "crashed with work": (CRASH, True, MoveKind.RETRY, True),
    "crashed without work": (CRASH, False, MoveKind.RETRY, False),
    "killed without work": (Stopped(StopReason.EXITED, -9), False, MoveKind.RETRY, False),
    "no terminal event, no work": (QUIET, False, MoveKind.RETRY, False),
    "no terminal event, work": (QUIET, True, MoveKind.RETRY, True),
    "silent with work": (Stopped(StopReason.SILENT, -15), True, MoveKind.RETRY, True),
    "silent without work": (Stopped(StopReason.SILENT, -15), False, MoveKind.RETRY, False),
    "silent after a rate limit": (
        Stopped(StopReason.SILENT, -15, failure=Signal(SignalKind.RATE_LIMIT)),
        True,
        MoveKind.WAIT,
        False,
    ),
    "silent after a failure": (Stopped(StopReason.SILENT, -15, ended=False), False, MoveKind.RETRY, False),
    "Ctrl-C after a rate limit": (
        Stopped(StopReason.INTERRUPTED, -15, failure=Signal(SignalKind.RATE_LIMIT)),
        True,
        MoveKind.STOP,
        False,
    ),
    "could not be started, nobody knows why": (Stopped(StopReason.UNSTARTED), False, MoveKind.STOP, False),
    "over its time with work": (Stopped(StopReason.OVERRAN, -15), True, MoveKind.RETRY, True),
    "over its time without work": (Stopped(StopReason.OVERRAN, -15), False, MoveKind.RETRY, False),
    "rate limit": (failed(SignalKind.RATE_LIMIT, "5 hour limit reached."), False, MoveKind.WAIT, False),
    "rate limit in the middle of work": (failed(SignalKind.RATE_LIMIT), True, MoveKind.WAIT, False),
    "overloaded": (failed(SignalKind.OVERLOADED, "529"), False, MoveKind.WAIT, False),
    "network": (failed(SignalKind.NETWORK, "ENOTFOUND api.example.org"), False, MoveKind.WAIT, False),
    "another error, no work": (failed(SignalKind.ERROR, "Prompt is too long"), False, MoveKind.RETRY, False),
    "another error, with work": (failed(SignalKind.ERROR, "Prompt is too long"), True, MoveKind.RETRY, True),
    "not logged in": (failed(SignalKind.AUTH, "Invalid API key"), False, MoveKind.STOP, False),
    "refused again and again": (
        Stopped(StopReason.REFUSED, -15, failure=Signal(SignalKind.AUTH)),
        True,
        MoveKind.STOP,
        False,
    ),
    "no credit, in the middle of work": (failed(SignalKind.CREDIT), True, MoveKind.STOP, False),
    "unknown model": (failed(SignalKind.MODEL, "no such model: gpt-0"), False, MoveKind.STOP, False),
    "could not be started": (
        Stopped(StopReason.UNSTARTED, failure=Signal(SignalKind.ERROR, "Permission denied")),
        False,
        MoveKind.STOP,
        False,
    ),
    "went in circles": (Stopped(StopReason.CIRCLES, -15), False, MoveKind.RETRY, True),
    "waited for a person": (Stopped(StopReason.PROMPT, -15), False, MoveKind.RETRY, True),
    "drifted": (Stopped(StopReason.DRIFT, -15), True, MoveKind.RETRY, True),
    "context nearly full": (Stopped(StopReason.FULL, -15), True, MoveKind.HAND_OVER, False),
    "retried without end": (Stopped(StopReason.RETRYING, -15), False, MoveKind.WAIT, False),
    "a limit of the task": (Stopped(StopReason.TASK_LIMIT, -15), True, MoveKind.PARK, True),
    "skipped by hand": (Stopped(StopReason.SKIPPED, -15), True, MoveKind.SKIP, False),
    "a limit of the run": (Stopped(StopReason.LIMIT, -15), True, MoveKind.STOP, False),
    "Ctrl-C": (Stopped(StopReason.INTERRUPTED, -15), True, MoveKind.STOP, False),
    "ralph was killed": (Stopped(StopReason.LOST), True, MoveKind.RETRY, False),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_move_of_the_table(name: str) -> None:
    stopped, changed, kind, counted = TABLE[name]
    move = of(stopped, changed=changed)
    assert (move.kind, move.counted) == (kind, counted)


def test_the_reasons_that_people_read(snapshot: SnapshotAssertion) -> None:
    lines = [f"{name}: {of(stopped, changed=changed).reason}" for name, (stopped, changed, _, _) in TABLE.items()]
    assert "\n".join(lines) == snapshot


def test_a_rejected_attempt_is_tried_again_until_its_tries_are_used_up() -> None:
    three = [of(WELL, changed=True, counts=counts) for counts in (FRESH, ONE_LEFT, LAST)]
    assert [move.kind for move in three] == [MoveKind.RETRY, MoveKind.RETRY, MoveKind.PARK]
    assert three[-1].reason == "The gate `pytest -q` failed (exit code 1)."


def test_where_nothing_was_judged_the_ending_is_the_reason() -> None:
    assert of(CRASH, changed=True, verdict=None).reason == "The agent ended with exit code 1."


def moves(stopped: Stopped, *history: TryCounts, changed: bool = True) -> list[MoveKind]:
    return [of(stopped, changed=changed, counts=counts).kind for counts in history]


def test_the_third_ending_without_delivery_counts_as_a_try() -> None:
    three = [of(CRASH, counts=TryCounts(0, 3, uncounted)) for uncounted in range(3)]
    assert [(move.kind, move.counted) for move in three] == [
        (MoveKind.RETRY, False), (MoveKind.RETRY, False), (MoveKind.RETRY, True),
    ]  # fmt: skip


def test_without_delivery_a_task_is_parked_with_its_last_try_or_when_nothing_ever_changes() -> None:
    assert of(CRASH, counts=TryCounts(2, 3, 1)).kind is MoveKind.RETRY
    for counts in (TryCounts(2, 3, 2), TryCounts(0, 3, 2, alike=3)):
        parked = of(CRASH, counts=counts)
        assert parked.kind is MoveKind.PARK
        assert parked.reason.startswith("3 attempts in a row ended before anything was delivered.")


def test_after_the_retries_the_ladder_then_a_split_then_a_human() -> None:
    assert moves(
        WELL, TryCounts(2, 3, rungs=1, may_split=True), TryCounts(2, 3, may_split=True), TryCounts(2, 3)
    ) == [
        MoveKind.CHANGE,
        MoveKind.SPLIT,
        MoveKind.PARK,
    ]


def test_tries_that_leave_the_same_three_times_need_no_fourth() -> None:
    assert moves(WELL, TryCounts(2, 9, alike=2), TryCounts(2, 9, alike=3)) == [MoveKind.RETRY, MoveKind.PARK]


def test_one_try_means_nothing_clever() -> None:
    clever = TryCounts(0, 1, rungs=2, may_split=True)
    assert moves(WELL, clever) == moves(CRASH, clever, changed=False) == [MoveKind.PARK]
    assert moves(Stopped(StopReason.FULL), clever) == [MoveKind.PARK]


def test_what_passes_is_waited_out_while_max_wait_has_room() -> None:
    limit = failed(SignalKind.RATE_LIMIT)
    assert of(limit, counts=TryCounts(wait=90.0)).when == 90.0
    assert moves(limit, TryCounts(wait=100.0, waited=200.0, max_wait=300.0)) == [MoveKind.WAIT]
    assert moves(limit, TryCounts(wait=101.0, waited=200.0, max_wait=300.0)) == [MoveKind.STOP]
    assert of(limit, counts=TryCounts(wait=9e9)).when == 1_800_000_000.0


def test_a_long_wait_is_for_another_agent() -> None:
    limit = failed(SignalKind.RATE_LIMIT)
    assert moves(limit, TryCounts(wait=1801.0, rungs=1), TryCounts(wait=1800.0, rungs=1)) == [
        MoveKind.CHANGE, MoveKind.WAIT,
    ]  # fmt: skip
    assert not of(limit, counts=TryCounts(wait=1801.0, rungs=1)).counted


def test_handing_over_is_free_only_while_there_is_progress() -> None:
    full = Stopped(StopReason.FULL)
    stuck = [of(full, counts=TryCounts(tries, 3, progress=False)) for tries in (0, 1, 2)]
    assert [(move.kind, move.counted) for move in stuck] == [
        (MoveKind.HAND_OVER, True), (MoveKind.HAND_OVER, True), (MoveKind.PARK, True),
    ]  # fmt: skip


def wait(told: float | None = None, *, waits: int = 0, chance: float = 0.5) -> float:
    stopped = Stopped(StopReason.EXITED, 1, failure=Signal(SignalKind.RATE_LIMIT, resets_at=told))
    return recovery.next_wait(stopped, waits=waits, first=30.0, chance=chance, now=1000.0)


def test_waits_double_up_to_half_an_hour() -> None:
    assert [wait(waits=n) for n in (0, 1, 2, 6, 7, 400)] == [30, 60, 120, 1800, 1800, 1800]


def test_waits_are_spread() -> None:
    assert (wait(chance=0.0), wait(chance=1.0)) == (22.5, 37.5)


def test_the_time_that_the_agent_told_is_waited_for() -> None:
    assert wait(2000.0) == pytest.approx(1003.0)
    assert wait(1010.0) == 30.0
    assert wait(500.0) == 30.0


def test_the_table_of_the_map_is_the_code() -> None:
    text = (Path(recovery.__file__).parents[1] / "README.md").read_text()
    assert recovery.table_as_text() in text


def test_being_killed_counts_the_third_time_and_parks_the_ninth() -> None:
    lost = Stopped(StopReason.LOST)
    assert of(lost, counts=TryCounts(0, 3, 2)) == Move(
        MoveKind.RETRY, "ralph itself was ended while the agent worked."
    )
    assert of(lost, counts=TryCounts(2, 3, 2)).kind is MoveKind.PARK


def test_ctrl_c_never_parks() -> None:
    interrupted = Stopped(StopReason.INTERRUPTED)
    assert of(interrupted, counts=TryCounts(0, 3, 2)).counted
    last = of(interrupted, counts=TryCounts(2, 3, 2))
    assert (last.kind, last.counted) == (MoveKind.STOP, False)


def test_a_login_that_is_lost_never_counts_and_names_its_cure() -> None:
    move = of(failed(SignalKind.AUTH), counts=TryCounts(2, 3, 2))
    assert (move.kind, move.counted) == (MoveKind.STOP, False)
    assert move.reason.endswith("Run `claude /login`.")
    bare = recovery.move(failed(SignalKind.AUTH), changed=False, verdict=None, counts=FRESH)
    assert bare.reason == "The agent is not logged in."


def test_logging_in_cures_nothing_else() -> None:
    for stopped in (failed(SignalKind.CREDIT), failed(SignalKind.MODEL), Stopped(StopReason.UNSTARTED)):
        assert "login" not in of(stopped).reason
        assert of(stopped).reason.count(".") == 2


def test_an_error_that_the_agent_got_over_is_none() -> None:
    well = Stopped(StopReason.EXITED, 0, ended=True, failure=Signal(SignalKind.RATE_LIMIT))
    assert recovery.ending(well, changed=True) is recovery.EndingKind.REJECTED


def test_three_tasks_that_fail_in_the_same_way_stop_the_run() -> None:
    assert recovery.stop_after(["a", "a", "a"], left=True)
    assert recovery.stop_after(["b", "a", "a", "a"], left=True)
    assert not recovery.stop_after(["a", "a", "a"], left=False)
    assert not recovery.stop_after(["a", "a"], left=True)
    assert not recovery.stop_after(["a", "b", "a"], left=True)
    assert not recovery.stop_after(["", "", ""], left=True)


def test_failures_are_alike_when_their_reasons_are() -> None:
    other = Verdict((Finding(FindingKind.GATE, "The gate `ruff` failed (exit code 2).", "other tail"),))
    told = Verdict((*RED.findings, Finding(FindingKind.TICKS, "ticked", rejects=False)))
    scope = Verdict((*RED.findings, Finding(FindingKind.SCOPE, "1 path")))
    assert key(RED) == key(other) == key(told) == "a gate failed"
    assert key(scope) == "a gate failed, out of scope"
    assert recovery.same(CRASH, None, changed=True) == "did not end well"
    assert recovery.same(CRASH, None, changed=False) == "no delivery: exited"
    assert recovery.same(failed(SignalKind.NETWORK), None, changed=False) == "network"


def key(verdict: Verdict) -> str:
    return recovery.same(WELL, verdict, changed=True)


# ---------------------------------------------------------------- the kinds of failures


@pytest.mark.parametrize("kind", SignalKind)
def test_what_passes_and_what_is_refused_is_the_same_for_all(kind: SignalKind) -> None:
    ending = recovery.ending(failed(kind), changed=False)
    assert (ending is recovery.EndingKind.TRANSIENT) == (kind in TRANSIENT)
    assert (ending is recovery.EndingKind.REFUSED) == (kind in REFUSALS)
    assert (kind in recovery.SENTENCES) == (kind in TRANSIENT | REFUSALS)


@pytest.mark.parametrize("kind", sorted(FAILURES))
def test_a_failure_is_remembered_and_is_no_progress(kind: SignalKind) -> None:
    counter, watchdog = UsageCounter(), Watchdog(WatchdogLimits(), 0.0)
    counter.add(Signal(kind))
    assert counter.failure == Signal(kind)
    assert not watchdog.hear(Signal(kind), 1.0)


def test_an_error_that_passes_is_trouble_and_a_refusal_is_not() -> None:
    for kind in FAILURES:
        watchdog = Watchdog(WatchdogLimits(retries=2), 0.0)
        for second in range(4):
            watchdog.hear(Signal(kind), float(second))
        assert (watchdog.reason(4.0) is not None) == (kind not in REFUSALS), kind
