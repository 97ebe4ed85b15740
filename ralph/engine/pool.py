"""Attempts in progress, and how the loop acts on their outcomes.

`InPlacePool` is a pool of one: the attempt runs in this process and in the checkout. The pool of forked workers is
in `parallel`. In both only the loop's process writes the journal and moves the branch.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from ralph.agents.model import Stopped
from ralph.agents.usage import Spent
from ralph.engine import gate_selection, recovery
from ralph.engine.attempt import attempt
from ralph.engine.attempt.job import Answer, AttemptJob, AttemptOutcome, OnlyTurn, ReadyCommit
from ralph.engine.attempt.run_agent import choose
from ralph.engine.context import RunContext, RunResult
from ralph.engine.moves import Move, MoveKind
from ralph.engine.publish import publish
from ralph.prd.model import Prd, Task
from ralph.state.attempt import SPLIT
from ralph.state.events import Waiting

TICK = 0.2  # seconds between two checks for what ends a wait early


@dataclass
class AttemptPool(ABC):
    """Attempts in progress by number, and the state that the loop needs about them."""

    run: RunContext
    jobs: dict[int, AttemptJob] = field(default_factory=dict)
    answers: dict[str, Stopped] = field(default_factory=dict)  # by task id: the answer to the question about it
    result: RunResult | None = None  # decided; attempts in progress may finish
    is_ending: bool = False  # attempts in progress are being ended
    limit: str = ""  # the run's limit that is reached, as a sentence
    seen: tuple[object, ...] = ()  # the state in which no attempt could be started
    waiting_since: float = 0.0  # epoch seconds; 0: no wait

    @property
    def busy(self) -> frozenset[str]:
        """The ids of the tasks with an attempt in progress."""
        return frozenset(job.task.id for job in self.jobs.values())

    def begin(self, task: Task, prd: Prd, purpose: str = "") -> None:
        """Journal the choice of a task and start an attempt at it."""
        self.start(AttemptJob(choose(self.run, task, purpose), self.free_place(), task, prd, purpose))

    @abstractmethod
    def free_place(self) -> int:
        """Return the number of the work tree for the next attempt."""

    @abstractmethod
    def start(self, job: AttemptJob) -> None:
        """Start an attempt that is in the journal."""

    @abstractmethod
    def listen(self) -> None:
        """Read what attempts report. Wait up to a tick for it."""

    @abstractmethod
    def room(self) -> int:
        """Return how many more attempts may start now."""

    # ------------------------------------------------------------ outcomes

    def finish(self, n: int, outcome: AttemptOutcome) -> None:
        """Publish the commit, keep the answer, or act on the move."""
        job = self.jobs[n]
        if isinstance(outcome, ReadyCommit):
            publish(self.run, n, job.task.id, outcome)
            self.run.state.without_tests = set(outcome.nothing)
            gate_selection.keep_floors(self.run, outcome.outcomes)
        elif isinstance(outcome, Answer):
            self._answered(job, outcome.stopped)
        elif outcome.move is not None:
            self.decided(outcome.move)
        self.forget(n)

    def forget(self, n: int) -> None:
        """Remove an attempt that is over."""
        del self.jobs[n]

    def decided(self, move: Move) -> None:
        """End the run if the move of a failed attempt demands it."""
        if move.kind is MoveKind.STOP and self.result is None and not self.is_ending:
            self.result = recovery.stop(self.run, move)

    def _answered(self, job: AttemptJob, end: Stopped) -> None:
        """Keep the answer for the loop, which writes smaller tasks. A hand-over note is in the history already."""
        if job.purpose == SPLIT:
            self.answers[job.task.id] = end
        elif not end.well:
            self.unasked(job.task, end)

    def unasked(self, task: Task, end: Stopped) -> bool:
        """Handle a question that the agent did not answer. Return whether the run waits or ends."""
        move = recovery.unasked(self.run, task, end)
        if move.kind is MoveKind.STOP:
            self.result = recovery.stop(self.run, move)
        if move.kind is MoveKind.WAIT:
            self.wait_until(move.when or time.time(), move.reason, task.id)
        return move.kind in (MoveKind.STOP, MoveKind.WAIT)

    def wait_until(self, until: float, reason: str, task: str) -> None:
        """Start nothing before `until` (epoch seconds). End the run if its time is over earlier."""
        if result := self.result or recovery.too_long(self.run, reason, until):
            self.result = result
            return
        earlier, self.waiting_since = self.run.state.history.waiting, self.waiting_since or time.time()
        self.run.note(Waiting(reason, round(max(until, earlier.until if earlier else 0.0), 3), task))

    # ------------------------------------------------------------ for pools of several attempts

    def end(self) -> None:
        """End all attempts at once. The next run judges finished work."""
        self.is_ending = True

    def reach_limit(self, reason: str) -> None:
        """Let attempts end their agents because a limit of the run is reached. Their work is judged."""
        self.limit = reason

    def spent(self) -> Spent:
        """Return the usage of agents at work that the run does not count itself."""
        return Spent()

    @property
    def is_publishing(self) -> bool:
        """Whether an attempt holds the tip. Nothing else may move the branch then."""
        return False

    @abstractmethod
    def take_turn(self) -> None:
        """Let the next finished attempt be judged."""


class InPlacePool(AttemptPool):
    """One attempt at a time, in this process and in the checkout."""

    def free_place(self) -> int:
        return 0

    def start(self, job: AttemptJob) -> None:
        self.jobs[job.n] = job
        self.finish(job.n, attempt.attempt(self.run, job, OnlyTurn(self.run)))

    def listen(self) -> None:
        waiting = self.run.state.history.waiting
        if waiting is not None and (remaining := waiting.until - time.time()) > 0:
            time.sleep(min(remaining, TICK))

    def room(self) -> int:
        return 1

    def take_turn(self) -> None:
        """Do nothing: each attempt is judged before the next one starts."""
