"""Between parent and child: how values cross, and the run as a child sees it."""

from __future__ import annotations

import base64
import pickle
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ralph.agents.model import Stopped
from ralph.agents.usage import Spent
from ralph.engine.context import RunContext, StopSignal, notify_nobody
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

TICK = 0.2  # seconds between two looks at what the parent says
REPORTS = 0.2  # seconds between two reports of what is used up


def pack(value: object) -> str:
    """A value for the way between two processes of the same program."""
    return base64.b64encode(pickle.dumps(value)).decode()


def unpack(text: str) -> Any:
    return pickle.loads(base64.b64decode(text))  # noqa: S301 - from a fork of our own, over a socket pair


class ParentChannel:
    """The child's way to its parent: a diary, a stop, and the door."""

    def __init__(self, link: Link, run: str) -> None:
        self._line, self._run = WorkerLine(link), run
        self._reported = 0.0
        self._spent: Spent | None = None  # not told yet
        self._tip = ""
        self.limit = ""

    def write(self, event: Event) -> Entry:
        """Every event is the parent's to keep. No older report follows an end, which tells what was spent."""
        if isinstance(event, AgentStopped | Reviewed | SetAside):
            self._spent = None
        self._line.tell(kind="event", data=pack(event))
        return Entry(0, time.time(), self._run, event)

    def close(self) -> None:
        """Nothing is open here."""

    def told(self, event: Event) -> None:
        """What nobody keeps, but who watches may see. All else is told when it is kept."""
        if isinstance(event, GateStarted):
            self._line.tell(kind="event", data=pack(event))

    def wants_the_end(self) -> bool:
        """Whether it asked for the end; also takes in what else it said."""
        self._line.look()
        self._take()
        self._report()
        return self._line.ended

    def _take(self, patience: float = 0.0) -> None:
        while (said := self._line.answer(patience)) is not None:
            word, _, rest = said.partition(" ")
            if word == "limit":
                self.limit = rest
            elif word == "enter":
                self._tip = rest
            patience = 0.0

    def spending(self, spent: Spent) -> None:
        """Tell what the agent at work used up so far, a few times a second."""
        self._spent = spent
        self._report()

    def _report(self) -> None:
        if self._spent is not None and time.monotonic() - self._reported >= REPORTS:
            spent, self._spent, self._reported = self._spent, None, time.monotonic()
            self._line.tell(kind="spent", data=pack(spent))

    def report_failure(self, task: str, failure: tuple[tuple[Finding, ...], Stopped]) -> None:
        """What the next prompt is to quote."""
        self._line.tell(kind="failed", task=task, data=pack(failure))

    def report_prd_edit(self) -> None:
        """The agent changed the checkout's own PRD."""
        self._line.tell(kind="meddled")

    def take(self) -> str:
        """Wait for the turn at the door; returns the tip, which nobody moves meanwhile. WaitingEndedError."""
        self._line.tell(kind="door")
        while not self._tip:
            if self.wants_the_end():
                raise WaitingEndedError("interrupted before it could be judged", code=Exit.INTERRUPTED)
            self._take(TICK)
        return self._tip


class WaitingEndedError(RalphError):
    """The run ends: what is finished and frozen is judged by the next one."""


class ParentStopSignal(StopSignal):
    """Ctrl-C as a child hears it: from its parent."""

    def __init__(self, parent: ParentChannel) -> None:
        super().__init__()
        self._parent = parent

    def __bool__(self) -> bool:
        return self._parent.wants_the_end()


@dataclass
class WorkerContext(RunContext):
    """The run as a child sees it: another place, another diary, the parent's limits."""

    parent: ParentChannel | None = None

    def limit(self, going: Spent | None = None) -> str:
        """The parent knows what all of them use up together."""
        del going
        return self.parent.limit if self.parent else ""


def worker_context(run: RunContext, git: Git, parent: ParentChannel, n: int, start: Prd) -> WorkerContext:
    """The run in a worktree."""
    git.other_branches = partial(other_checkouts.branches, git.where)
    git.hides = lambda name: is_hidden_ref(name, run.branch, run.id, n)
    there = run.elsewhere(git)
    own = {field: getattr(there, field) for field in there.__dataclass_fields__}
    return WorkerContext(
        **{
            **own,
            "journal": parent,
            "tell": parent.told,
            "stop": ParentStopSignal(parent),
            "seen": start,
            "wrote": start.data,
            "history": replace(run.history, running={n: run.history.running[n]}),
            "before": None,
            "scanned": None,
            "parent": parent,
            "spending": parent.spending,
            "ring": notify_nobody,
        }
    )


def is_hidden_ref(name: str, branch: str, run: str, n: int) -> bool:
    """Refs that move while others work."""
    if name.startswith(SCRATCH):
        return name != scratch(run, n)
    return name == branch or (name.startswith("refs/ralph/") and not name.endswith(f"/{n}/before"))
