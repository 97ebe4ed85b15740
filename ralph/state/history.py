"""The state of a checkout, folded from its journal: unfinished attempts, pending moves, tries of each task.

The loop needs it, one immutable step for each event. What people read comes from `projection.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from typing import Any

from ralph.agents.model import TRANSIENT
from ralph.immutable import immutable
from ralph.state import events
from ralph.state.attempt import CHECK, HAND_OVER, LAST, Attempt, State, advance
from ralph.state.events import Event
from ralph.state.projection import add_cost

OWED = ("wait", "hand over", "change the agent", "split", "skip", "park")  # moves other than a retry


@immutable
class TaskStats:
    """The tries of a task since it was last queued."""

    tried: int = 0  # counted tries
    uncounted: int = 0  # uncounted attempts since the last counted try
    attempts: int = 0
    numbers: tuple[int, ...] = ()  # of its attempts since it was last queued
    waits: int = 0  # waits in a row
    rung: int = 0  # of the ladder of agents: 0 is the first agent
    tree: str = ""  # the tree of the last try's work
    same: str = ""  # the signature of the last failure
    alike: int = 0  # tries in a row with the same tree and signature
    work: str = ""  # the ref of unfinished work that the next attempt continues
    note: str = ""  # the agent's hand-over note
    checked: bool = False  # a parent's own checks were tried without an agent
    tokens: int = 0
    cost: float | None = None
    about: bool = False  # tokens and cost are at least partly estimated
    stopped: events.AgentStopped | None = None  # of the last try
    judged: events.Judged | None = None


_Known = tuple[dict[str, TaskStats], dict[str, events.SetAside], frozenset[str]]  # tallies, owing, split


@immutable
class History:
    """The state of a checkout."""

    running: dict[int, Attempt] = field(default_factory=dict)  # unfinished attempts by number
    publishing: events.Publishing | None = None  # a commit outside an attempt whose publication may be unfinished
    run: events.RunStarted | None = None  # the unfinished run
    started: float = 0.0
    away: float = 0.0  # seconds in which this run was cut off
    n: int = 0
    tallies: dict[str, TaskStats] = field(default_factory=dict)
    ticked: frozenset[str] = frozenset()  # tasks recorded in this run
    ungated: frozenset[str] = frozenset()  # those of them without a green gate or Check
    levels: Mapping[str, str] = field(default_factory=dict)  # ticked task -> how strongly it is proven
    attempts: int = 0  # in this run
    tokens: int = 0
    unpriced: int = 0  # tokens without a known cost
    cost: float | None = None
    about: bool = False
    alike: tuple[str, ...] = ()  # signatures of the last parked tasks since one was accepted
    again: frozenset[str] = frozenset()  # tasks whose box was ticked again in this run
    owing: dict[str, events.SetAside] = field(default_factory=dict)  # by task: the pending move
    waiting: events.Waiting | None = None
    waited: float = 0.0  # seconds since an agent last answered
    split: frozenset[str] = frozenset()  # split tasks and their subtasks
    skipped: frozenset[str] = frozenset()  # tasks skipped in this run
    reopened: frozenset[str] = frozenset()  # tasks that were accepted in this run and reverted
    since_look: int = 0  # tasks accepted since the last checkpoint
    noted: frozenset[str] = frozenset()  # sentences that this run notes only once
    models: dict[tuple[str, str], events.Learned] = field(
        default_factory=dict
    )  # (agent, model) -> what it reported
    prd: str = ""  # the PRD of these tasks
    others: dict[str, _Known] = field(default_factory=dict)  # by PRD: the state of its tasks

    @property
    def current(self) -> Attempt | None:
        """The oldest unfinished attempt, or None."""
        return next(iter(self.running.values()), None)

    @property
    def owed(self) -> events.SetAside | None:
        """The oldest pending move, or None."""
        return next(iter(self.owing.values()), None)


def fold(history: History, time: float, run: str, event: Event) -> History:
    """Return the history after one event. Unknown events change nothing."""
    if isinstance(event, events.RunStarted):
        return _run_started(history, time, event)
    if isinstance(event, events.Publishing) and not event.n:
        return replace(history, publishing=event)
    if type(event) in STEPS:
        return STEPS[type(event)](history, event)
    return _attempt(history, time, run, event)


def replay(steps: Iterable[tuple[float, str, Event]]) -> History:
    history = History()
    for time, run, event in steps:
        history = fold(history, time, run, event)
    return history


def _run_started(history: History, time: float, event: events.RunStarted) -> History:
    if event.resumed and history.run is not None:
        return replace(history, run=event)
    history, none = _turned_to(history, event.prd), frozenset[str]()
    return replace(history, run=event, started=time, away=0.0, ticked=none, ungated=none, levels={}, attempts=0,
                   tokens=0, unpriced=0,
                   cost=None, about=False, alike=(), again=none, skipped=none, reopened=none, waited=0.0,
                   since_look=0, noted=none)  # fmt: skip


def _turned_to(history: History, prd: str) -> History:
    """Return the history for a PRD. Ids belong to one PRD, so the state of the others is kept aside."""
    if history.prd in ("", prd):
        return replace(history, prd=prd)
    others: dict[str, _Known] = {**history.others, history.prd: (history.tallies, history.owing, history.split)}
    tallies, owing, split = others.pop(prd, ({}, {}, frozenset()))
    return replace(history, prd=prd, others=others, tallies=tallies, owing=owing, split=split)


def _attempt(history: History, time: float, run: str, event: Event) -> History:
    if isinstance(event, events.GateRan) and not event.n:
        return history
    if isinstance(event, events.Chosen):
        return _chosen(history, time, run, event)
    current = history.running.get(getattr(event, "n", 0))
    if current is None:
        return history
    current = advance(current, time, event)
    history = _now(history, current)
    if isinstance(event, events.AgentStopped | events.Reviewed):
        return _spent(history, current.task, event)
    if isinstance(event, events.Recorded):
        names = {event.task, *event.also}
        ungated = history.ungated - names if event.proved else history.ungated | names
        return replace(_forget(history, event.task), ticked=history.ticked | names, ungated=ungated, alike=(),
                       levels={**history.levels, **event.levels},
                       waited=0.0, since_look=history.since_look + 1)  # fmt: skip
    if isinstance(event, events.SetAside):
        return _set_aside(_spent(history, current.task, event), event, current)
    return history


def _chosen(history: History, time: float, run: str, event: events.Chosen) -> History:
    attempt = Attempt(
        event.n, run, event.task, event.text, event.attempt, event.base, State.CHOSEN, time, purpose=event.purpose
    )
    tally = history.tallies.get(event.task, TaskStats())
    started = event.purpose != CHECK  # CHECK starts no agent
    history = _with(history, event.task, replace(
        tally, attempts=tally.attempts + started, numbers=(*tally.numbers, *[event.n] * started)
    ))  # fmt: skip
    history = history if event.purpose else _settled(history, event.task)
    return replace(_now(history, attempt), n=event.n, attempts=history.attempts + started)


def _now(history: History, attempt: Attempt) -> History:
    """Return the history with the attempt's new state, without finished attempts."""
    others = {n: other_attempt for n, other_attempt in history.running.items() if n != attempt.n}
    return replace(history, running=others if attempt.state in LAST else {**history.running, attempt.n: attempt})


def _settled(history: History, task: str) -> History:
    """Return the history without a pending move of this task."""
    return replace(history, owing={name: owed for name, owed in history.owing.items() if name != task})


def _spent(history: History, task: str, event: events.AgentStopped | events.Reviewed | events.SetAside) -> History:
    tokens, cost = event.tokens, event.cost
    if not tokens and cost is None:
        return history
    tally = history.tallies.get(task, TaskStats())
    tally = replace(
        tally, tokens=tally.tokens + tokens, cost=add_cost(tally.cost, cost), about=tally.about or event.about
    )
    return replace(_with(history, task, tally), tokens=history.tokens + tokens, cost=add_cost(history.cost, cost),
                   unpriced=history.unpriced + (tokens if cost is None else 0),
                   about=history.about or event.about)  # fmt: skip


def _with(history: History, task: str, tally: TaskStats) -> History:
    return replace(history, tallies={**history.tallies, task: tally})


def _set_aside(history: History, event: events.SetAside, attempt: Attempt) -> History:
    tally = history.tallies.get(event.task, TaskStats())
    if attempt.purpose == CHECK:
        return _with(history, event.task, replace(tally, checked=True))
    if attempt.purpose:
        return _answered(history, attempt, tally)
    if attempt.judged is not None or tally.stopped is None:  # an earlier verdict says more than an interruption
        tally = replace(tally, stopped=attempt.stopped, judged=attempt.judged)
    history = _settled(_with(history, event.task, _after(tally, event)), event.task)
    if event.move in OWED:
        history = replace(history, owing={**history.owing, event.task: event})
    return history if event.move == "wait" else replace(history, waited=0.0)


def _answered(history: History, attempt: Attempt, tally: TaskStats) -> History:
    """Return the history after a question: keep a hand-over note. After a temporary failure it is asked again."""
    stopped = attempt.stopped
    if attempt.purpose != HAND_OVER or stopped is None or stopped.failure in TRANSIENT:
        return history
    well = stopped.why == "exited" and stopped.code == 0 and stopped.ended is True
    return _settled(_with(history, attempt.task, replace(tally, note=stopped.said if well else "")), attempt.task)


def _after(tally: TaskStats, event: events.SetAside) -> TaskStats:
    alike = tally.alike + 1 if event.tree and (event.tree, event.same) == (tally.tree, tally.same) else 1
    work, note = (event.work, tally.note) if event.move == "hand over" else ("", "")
    tally = replace(tally, tree=event.tree, same=event.same, alike=alike, work=work, note=note)
    if event.move == "wait":
        return replace(tally, waits=tally.waits + 1)
    if event.counted:
        return replace(tally, tried=tally.tried + 1, uncounted=0, waits=0)
    uncounted = tally.uncounted if event.move == "hand over" else tally.uncounted + 1
    return replace(tally, uncounted=uncounted, waits=0)


def _forget(history: History, task: str) -> History:
    return replace(history, tallies={name: tally for name, tally in history.tallies.items() if name != task})


# ---------------------------------------------------------------- events outside of attempts


def _ended(history: History, _: events.RunEnded) -> History:
    return replace(history, run=None)


def _continued(history: History, event: events.Continued) -> History:
    return replace(history, away=history.away + event.away)


def _moved(history: History, event: events.Moved) -> History:
    again = history.again | {event.why} if event.why else history.again
    return replace(history, publishing=None, again=again)


def _parked(history: History, event: events.Parked) -> History:
    alike = (*history.alike, history.tallies.get(event.task, TaskStats()).same)[-3:]
    return replace(_settled(_forget(history, event.task), event.task), publishing=None, alike=alike)


def _reopened(history: History, event: events.Reopened) -> History:
    ticked, again = history.ticked - {event.task}, history.again - {event.task}
    return replace(history, ticked=ticked, again=again, reopened=history.reopened | {event.task})


def _split(history: History, event: events.Split) -> History:
    parts = history.split | {event.task, *event.ids}
    return replace(_settled(_forget(history, event.task), event.task), publishing=None, split=parts)


def _changed_agent(history: History, event: events.AgentChanged) -> History:
    tally = history.tallies.get(event.task, TaskStats())
    return _settled(_with(history, event.task, replace(tally, rung=tally.rung + 1, uncounted=0)), event.task)


def _waiting(history: History, event: events.Waiting) -> History:
    owed = history.owing.get(event.task)
    history = _settled(history, event.task) if owed and owed.move == "wait" else history
    return replace(history, waiting=event)


def _waited(history: History, event: events.Waited) -> History:
    return replace(history, waiting=None, waited=history.waited + event.seconds)


def _skipped(history: History, event: events.Skipped) -> History:
    return replace(_settled(history, event.task), skipped=history.skipped | {event.task})


def _resumed(history: History, _: events.Resumed) -> History:
    return replace(history, since_look=0)


def _noted(history: History, event: events.Noted) -> History:
    return replace(history, noted=history.noted | {event.text}) if event.once else history


def _learned(history: History, event: events.Learned) -> History:
    """Return the history with the newest report of a model; missing values keep their old ones."""
    key = event.agent, event.model
    known = history.models.get(key, event)
    learned = replace(event, window=event.window or known.window, price=event.price or known.price)
    return replace(history, models={**history.models, key: learned})


def _unchanged(history: History, _: Event) -> History:
    return history


STEPS: dict[type[Event], Callable[[History, Any], History]] = {
    events.RunEnded: _ended, events.Continued: _continued, events.Moved: _moved, events.Parked: _parked,
    events.Split: _split, events.Reopened: _reopened,
    events.AgentChanged: _changed_agent, events.Waiting: _waiting, events.Waited: _waited,
    events.Skipped: _skipped, events.Paused: _unchanged, events.Resumed: _resumed, events.Noted: _noted,
    events.Learned: _learned,
}  # fmt: skip
