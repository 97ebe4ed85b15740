"""The life of an attempt: one table, one fold. The live run and the recovery after a crash use the same.

It only moves forward; a retry is a new attempt. What an attempt knows of itself is what the journal tells.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ralph import events
from ralph.events import Event


class State(StrEnum):
    """Where an attempt stands."""

    CHOSEN = "chosen"
    PREPARED = "prepared"
    WORKING = "working"
    STOPPED = "stopped"
    JUDGED = "judged"
    RECORDED = "recorded"
    SET_ASIDE = "set aside"


LAST = (State.RECORDED, State.SET_ASIDE)
ANY = (State.CHOSEN, State.PREPARED, State.WORKING, State.STOPPED, State.JUDGED)

TABLE: dict[tuple[State | None, type[Event]], State] = {
    (None, events.Chosen): State.CHOSEN,
    (State.CHOSEN, events.WorkspaceReady): State.PREPARED,
    (State.PREPARED, events.AgentStarted): State.WORKING,
    (State.WORKING, events.AgentReported): State.WORKING,
    (State.WORKING, events.AgentStopped): State.STOPPED,
    (State.PREPARED, events.AgentStopped): State.STOPPED,  # it could not be started
    (State.STOPPED, events.Placed): State.STOPPED,
    (State.STOPPED, events.GateRan): State.STOPPED,
    (State.STOPPED, events.Judged): State.JUDGED,
    (State.JUDGED, events.Placed): State.JUDGED,  # judged again after a crash
    (State.JUDGED, events.GateRan): State.JUDGED,
    (State.JUDGED, events.Judged): State.JUDGED,
    (State.JUDGED, events.Publishing): State.JUDGED,
    (State.JUDGED, events.Recorded): State.RECORDED,
    **{(state, events.SetAside): State.SET_ASIDE for state in ANY},
}

WAKING = {
    State.CHOSEN: "set aside: nothing was made yet",
    State.PREPARED: "undo the workspace, set aside",
    State.WORKING: "end what is left of it, undo the workspace, set aside",
    State.STOPPED: "freeze, examine and judge again (harmless twice)",
    State.JUDGED: "finish recording, or finish setting aside (safe to repeat)",
}


class WrongTurn(Exception):  # noqa: N818 - it is a bug of ralph's, never a user's error
    """An event that can't follow."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, as the journal tells it."""

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


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a task was tried since it was last put into the queue."""

    tried: int = 0  # counted tries
    uncounted: int = 0  # endings that were no delivery, since the last counted try
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class History:
    """What the journal says, folded."""

    current: Attempt | None = None  # an attempt that is not finished
    publishing: events.Publishing | None = None  # a move of ralph's own that may not be finished
    run: events.RunStarted | None = None  # a run that did not end
    started: float = 0.0
    n: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    ticked: frozenset[str] = frozenset()  # tasks recorded in this run
    attempts: int = 0  # in this run
    tokens: int = 0
    cost: float | None = None
    last: str = ""  # what tells whether the last failure is like another
    alike: tuple[str, ...] = ()  # that, of the last tasks that failed for good, since one was accepted
    again: frozenset[str] = frozenset()  # boxes that were ticked again once in this run


def fold(history: History, time: float, run: str, event: Event) -> History:
    """One step. Unknown events change nothing."""
    if isinstance(event, events.RunStarted):
        return _run_started(history, time, event)
    if isinstance(event, events.RunEnded):
        return replace(history, run=None)
    if isinstance(event, events.Publishing) and not event.n:
        return replace(history, publishing=event)
    if isinstance(event, events.Moved):
        again = history.again | {event.why} if event.why else history.again
        return replace(history, publishing=None, again=again)
    if isinstance(event, events.Parked):
        alike = (*history.alike, history.last)[-3:]
        return replace(_forget(history, event.task), publishing=None, alike=alike)
    if isinstance(event, events.Noted):
        return history
    return _attempt(history, time, run, event)


def replay(steps: Iterable[tuple[float, str, Event]]) -> History:
    history = History()
    for time, run, event in steps:
        history = fold(history, time, run, event)
    return history


def _run_started(history: History, time: float, event: events.RunStarted) -> History:
    if event.resumed and history.run is not None:
        return replace(history, run=event)
    return replace(history, run=event, started=time, ticked=frozenset(), attempts=0, tokens=0, cost=None, alike=(),
                   again=frozenset())  # fmt: skip


def _attempt(history: History, time: float, run: str, event: Event) -> History:
    if isinstance(event, events.GateRan) and not event.n:
        return history
    if isinstance(event, events.Chosen):
        return _chosen(history, time, run, event)
    current = history.current
    if current is None:
        return history
    state = TABLE.get((current.state, type(event)))
    if state is None:
        raise WrongTurn(f"{type(event).__name__} after {current.state}")
    current = _learn(replace(current, state=state, time=time), event)
    history = replace(history, current=None if state in LAST else current)
    if isinstance(event, events.AgentStopped):
        cost = history.cost if event.cost is None else (history.cost or 0.0) + event.cost
        return replace(history, tokens=history.tokens + event.tokens, cost=cost)
    if isinstance(event, events.Recorded):
        recorded = history.ticked | {event.task, *event.also}
        return replace(_forget(history, event.task), ticked=recorded, alike=())
    if isinstance(event, events.SetAside):
        return _set_aside(history, event)
    return history


def _chosen(history: History, time: float, run: str, event: events.Chosen) -> History:
    attempt = Attempt(event.n, run, event.task, event.text, event.attempt, event.base, State.CHOSEN, time)
    tally = history.tallies.get(event.task, Tally())
    tallies = {**history.tallies, event.task: replace(tally, attempts=tally.attempts + 1)}
    return replace(history, current=attempt, n=event.n, attempts=history.attempts + 1, tallies=tallies)


def _learn(attempt: Attempt, event: Event) -> Attempt:
    if isinstance(event, events.WorkspaceReady):
        return replace(attempt, before=event.before, unsaved=event.unsaved)
    if isinstance(event, events.AgentStarted):
        return replace(attempt, pid=event.pid, started=event.started)
    if isinstance(event, events.AgentStopped):
        return replace(attempt, stopped=event)
    if isinstance(event, events.Placed):
        return replace(attempt, placed=event.files)
    if isinstance(event, events.Judged):
        return replace(attempt, judged=event)
    if isinstance(event, events.Publishing):
        return replace(attempt, publishing=event)
    return attempt


def _set_aside(history: History, event: events.SetAside) -> History:
    tally = history.tallies.get(event.task, Tally())
    if event.counted:
        tally = replace(tally, tried=tally.tried + 1, uncounted=0)
    else:
        tally = replace(tally, uncounted=tally.uncounted + 1)
    return replace(history, tallies={**history.tallies, event.task: tally}, last=event.same)


def _forget(history: History, task: str) -> History:
    return replace(history, tallies={name: tally for name, tally in history.tallies.items() if name != task})


def table_as_text() -> str:
    """The table as Markdown, for the architecture page."""
    rows = ["| state | what happened | next |", "|---|---|---|"]
    for (state, event), after in TABLE.items():
        rows.append(f"| {state or '-'} | {event.__name__} | {after} |")
    rows += ["", "| waking up in | ralph does |", "|---|---|"]
    rows += [f"| {state} | {answer} |" for state, answer in WAKING.items()]
    return "\n".join(rows) + "\n"
