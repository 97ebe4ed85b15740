"""The protocol between the parent and a forked worker, and the worker's view of the run."""

from __future__ import annotations

import base64
import pickle
import time
from dataclasses import replace
from functools import partial
from typing import Any

from ralph.agents.model import Stopped
from ralph.agents.usage import Spent
from ralph.engine.context import RunContext
from ralph.engine.run_state import notify_nobody
from ralph.engine.stop_signal import StopSignal
from ralph.errors import Exit, RalphError
from ralph.git.client import Git
from ralph.git.ref_names import SCRATCH, scratch
from ralph.prd.model import Prd
from ralph.process.supervisor import Link
from ralph.process.workers import WorkerLine
from ralph.state import other_checkouts
from ralph.state.events import AgentStopped, Event, GateStarted, Reviewed, SetAside
from ralph.state.journal import Entry
from ralph.verify.model import Finding

TICK = 0.2  # seconds between two reads of the parent's messages
REPORTS = 0.2  # seconds between two usage reports


def pack(value: object) -> str:
    """Return a value as text for another process of the same program."""
    return base64.b64encode(pickle.dumps(value)).decode()


def unpack(text: str) -> Any:
    return pickle.loads(base64.b64decode(text))  # noqa: S301 - from a fork of our own, over a socket pair


class ParentChannel:
    """The child's connection to its parent: journal, stop signal and turn."""

    def __init__(self, link: Link, run: str) -> None:
        self._line, self._run = WorkerLine(link), run
        self._reported = 0.0
        self._spent: Spent | None = None  # not reported yet
        self._tip = ""
        self.limit = ""

    def write(self, event: Event) -> Entry:
        """Send an event for the parent's journal. Drop a usage report that an end supersedes."""
        if isinstance(event, AgentStopped | Reviewed | SetAside):
            self._spent = None
        self._line.tell(kind="event", data=pack(event))
        return Entry(0, time.time(), self._run, event)

    def close(self) -> None:
        """Do nothing: the parent owns the journal."""

    def told(self, event: Event) -> None:
        """Send an event that is only shown live. Other events are shown when `write` journals them."""
        if isinstance(event, GateStarted):
            self._line.tell(kind="event", data=pack(event))

    def wants_the_end(self) -> bool:
        """Read the parent's messages and return whether it asked for the end."""
        self._line.look()
        self._take()
        self._report()
        return self._line.ended

    def _take(self, patience: float = 0.0) -> None:
        while (message := self._line.answer(patience)) is not None:
            word, _, rest = message.partition(" ")
            if word == "limit":
                self.limit = rest
            elif word == "enter":
                self._tip = rest
            patience = 0.0

    def spending(self, spent: Spent) -> None:
        """Report the usage of the agent at work, a few times a second."""
        self._spent = spent
        self._report()

    def _report(self) -> None:
        if self._spent is not None and time.monotonic() - self._reported >= REPORTS:
            spent, self._spent, self._reported = self._spent, None, time.monotonic()
            self._line.tell(kind="spent", data=pack(spent))

    def report_failure(self, task: str, failure: tuple[tuple[Finding, ...], Stopped]) -> None:
        """Send the findings that the next prompt quotes."""
        self._line.tell(kind="failed", task=task, data=pack(failure))

    def report_prd_edit(self) -> None:
        """Report that the agent changed the PRD of the user's checkout."""
        self._line.tell(kind="meddled")

    def take(self) -> str:
        """Wait for the turn and return the tip, which stays until the outcome. Raise WaitingEndedError if the run
        ends first."""
        self._line.tell(kind="door")
        while not self._tip:
            if self.wants_the_end():
                raise WaitingEndedError("interrupted before it could be judged", code=Exit.INTERRUPTED)
            self._take(TICK)
        return self._tip


class WaitingEndedError(RalphError):
    """The run ends before the turn. The next run judges the frozen work."""


class ParentStopSignal(StopSignal):
    """Ctrl-C in a child, which its parent reports."""

    def __init__(self, parent: ParentChannel) -> None:
        super().__init__()
        self._parent = parent

    def __bool__(self) -> bool:
        return self._parent.wants_the_end()


def worker_context(run: RunContext, git: Git, parent: ParentChannel, n: int, start: Prd) -> RunContext:
    """Return the context of the run in a worktree."""
    git.other_branches = partial(other_checkouts.branches, git.where)
    git.hides = lambda name: is_hidden_ref(name, run.state.branch, run.id, n)
    context = run.elsewhere(git)
    state = replace(
        context.state,
        history=replace(run.state.history, running={n: run.state.history.running[n]}),
        reading=replace(context.state.reading, prd=start, data=start.data),
        snapshot=None,
        last_scan=None,
        notify=notify_nobody,
    )
    return replace(
        context,
        state=state,
        journal=parent,
        tell=parent.told,
        stop=ParentStopSignal(parent),
        spending=parent.spending,
        parent_limit=lambda: parent.limit,
    )


def is_hidden_ref(name: str, branch: str, run: str, n: int) -> bool:
    """Whether other attempts may move this ref."""
    if name.startswith(SCRATCH):
        return name != scratch(run, n)
    return name == branch or (name.startswith("refs/ralph/") and not name.endswith(f"/{n}/before"))
