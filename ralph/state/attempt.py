"""State machine of an attempt: one table for the live run and for the recovery after a crash.

States only move forward; a retry is a new attempt. All data of an attempt comes from the journal.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from ralph.immutable import immutable
from ralph.state import events
from ralph.state.events import Event


class State(StrEnum):
    """The state of an attempt."""

    CHOSEN = "chosen"
    PREPARED = "prepared"
    WORKING = "working"
    STOPPED = "stopped"
    JUDGED = "judged"
    RECORDED = "recorded"
    SET_ASIDE = "set aside"


CHECK, HAND_OVER, SPLIT = "check", "hand over", "split"  # purposes of attempts that do not count as tries
LAST = (State.RECORDED, State.SET_ASIDE)
ANY = (State.CHOSEN, State.PREPARED, State.WORKING, State.STOPPED, State.JUDGED)

TABLE: dict[tuple[State | None, type[Event]], State] = {
    (None, events.Chosen): State.CHOSEN,
    (State.CHOSEN, events.Sent): State.CHOSEN,
    (State.CHOSEN, events.WorkspaceReady): State.PREPARED,
    (State.PREPARED, events.AgentStarted): State.WORKING,
    (State.WORKING, events.AgentReported): State.WORKING,
    (State.WORKING, events.AgentStopped): State.STOPPED,
    (State.PREPARED, events.AgentStopped): State.STOPPED,  # it could not be started
    (State.STOPPED, events.Placed): State.STOPPED,
    (State.STOPPED, events.GateRan): State.STOPPED,
    (State.STOPPED, events.Reviewed): State.STOPPED,
    (State.STOPPED, events.Judged): State.JUDGED,
    (State.JUDGED, events.Placed): State.JUDGED,  # judged again after a crash
    (State.JUDGED, events.GateRan): State.JUDGED,
    (State.JUDGED, events.Reviewed): State.JUDGED,
    (State.JUDGED, events.Judged): State.JUDGED,
    (State.JUDGED, events.Publishing): State.JUDGED,
    (State.JUDGED, events.Recorded): State.RECORDED,
    **{(state, events.Sent): state for state in (State.PREPARED, State.WORKING, State.STOPPED, State.JUDGED)},
    **{(state, events.SetAside): State.SET_ASIDE for state in ANY},
}

WAKING = {
    State.CHOSEN: "set aside: nothing was made yet",
    State.PREPARED: "undo the workspace, set aside",
    State.WORKING: "end what is left of it, undo the workspace, set aside",
    State.STOPPED: "freeze, examine and judge again (harmless twice)",
    State.JUDGED: "finish recording, or finish setting aside (safe to repeat)",
}


class InvalidTransition(Exception):  # noqa: N818 - it is a bug of ralph's, never a user's error
    """An event that the table does not allow in this state."""


@immutable
class Attempt:
    """One attempt, from its journal events."""

    n: int
    run: str
    task: str
    text: str
    attempt: int
    base: str
    state: State
    time: float = 0.0  # of its last event, epoch seconds
    before: str = ""
    unsaved: tuple[str, ...] = ()
    pid: int = 0
    started: float = 0.0
    stopped: events.AgentStopped | None = None
    placed: tuple[str, ...] = ()
    judged: events.Judged | None = None
    publishing: events.Publishing | None = None
    purpose: str = ""
    carried: bool = False  # the workspace holds the work of an earlier attempt
    place: int = 0  # the number of its worktree; 0: the checkout
    child: tuple[int, float] = (0, 0.0)  # pid and start time of its worker process, if it has one
    agent: str = ""
    reported: events.AgentReported | None = None  # its last report
    reviewed: bool = False  # since its agent ended


def advance(attempt: Attempt, time: float, event: Event) -> Attempt:
    """Return the attempt after one more event. Raise InvalidTransition if the table does not allow it."""
    state = TABLE.get((attempt.state, type(event)))
    if state is None:
        raise InvalidTransition(f"{type(event).__name__} after {attempt.state}")
    return _learn(replace(attempt, state=state, time=time), event)


def _learn(attempt: Attempt, event: Event) -> Attempt:
    if isinstance(event, events.Sent):
        return replace(attempt, place=event.place, child=(event.pid, event.started))
    if isinstance(event, events.WorkspaceReady):
        return replace(attempt, before=event.before, unsaved=event.unsaved, carried=event.carried)
    if isinstance(event, events.AgentStarted):
        return replace(attempt, pid=event.pid, started=event.started, agent=event.agent)
    if isinstance(event, events.AgentReported):
        return replace(attempt, reported=event)
    if isinstance(event, events.AgentStopped):
        return replace(attempt, stopped=event)
    if isinstance(event, events.Reviewed):
        return replace(attempt, reviewed=True)
    if isinstance(event, events.Placed):
        return replace(attempt, placed=event.files)
    if isinstance(event, events.Judged):
        return replace(attempt, judged=event)
    if isinstance(event, events.Publishing):
        return replace(attempt, publishing=event)
    return attempt


def table_as_text() -> str:
    """Return the table as Markdown."""
    rows = ["| state | what happened | next |", "|---|---|---|"]
    for (state, event), after in TABLE.items():
        rows.append(f"| {state or '-'} | {event.__name__} | {after} |")
    rows += ["", "| waking up in | ralph does |", "|---|---|"]
    rows += [f"| {state} | {answer} |" for state, answer in WAKING.items()]
    return "\n".join(rows) + "\n"
