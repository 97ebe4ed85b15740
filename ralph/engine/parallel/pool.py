"""Pool of forked workers: starts attempts in worktrees, reads their messages, and lets one at a time be judged.

During an attempt's turn no other attempt moves the tip, so the tested tree is the published one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce

from ralph.agents.usage import Spent
from ralph.engine import outcome, publish
from ralph.engine import recovery_policy as policy
from ralph.engine.attempt import prd_edits
from ralph.engine.attempt.job import AttemptJob
from ralph.engine.attempt.usage import recount
from ralph.engine.confirmations import watch_confirmations
from ralph.engine.context import RunContext
from ralph.engine.moves import Move, MoveKind
from ralph.engine.parallel import worker, worktree_setup
from ralph.engine.parallel.channel import unpack
from ralph.engine.parallel.throttle import Throttle
from ralph.engine.pool import AttemptPool
from ralph.git.worktrees import WorktreePool
from ralph.prd.model import Prd, Task
from ralph.process.supervisor import WorkerMessage
from ralph.process.workers import WorkerProcesses, several
from ralph.state.events import AgentStopped, Event, GateStarted, Noted, Reviewed, Sent, SetAside
from ralph.state.history import TaskStats

TICK = 0.1  # seconds


@dataclass
class WorkerPool(AttemptPool):
    """Attempts in worktrees of their own, each in a forked process."""

    worktrees: WorktreePool = field(kw_only=True)
    children: WorkerProcesses = field(kw_only=True)
    queue: list[int] = field(default_factory=list)  # finished attempts waiting for their turn
    inside: int = 0  # the attempt that has its turn; 0: none
    usage: dict[int, Spent] = field(default_factory=dict)  # of agents at work, as last reported
    lost: dict[int, int] = field(default_factory=dict)  # how often the process of an attempt died
    throttle: Throttle = field(default_factory=Throttle)

    # ------------------------------------------------------------ starting

    def free_place(self) -> int:
        """Return the lowest number of a worktree without an attempt."""
        taken = {job.place for job in self.jobs.values()}
        return next(place for place in range(1, len(taken) + 2) if place not in taken)

    def begin(self, task: Task, prd: Prd, purpose: str = "") -> None:
        self.throttle = replace(self.throttle, started=time.time())
        super().begin(task, prd, purpose)

    def start(self, job: AttemptJob) -> None:
        """Start a child. Its pid is in the journal before it does anything."""
        self.jobs[job.n] = job
        self.run.state.in_progress = self.spent()
        child = self.children.start(job.n, worker.work(self.run, self.worktrees, job, worktree_setup.fit))
        self.run.note(Sent(job.n, child.pid, child.started, job.place))
        child.go()

    def room(self) -> int:
        run, settings = self.run, self.run.settings
        wanted = max(1, settings.at_once)
        self.throttle = self.throttle.later(time.time(), wanted)
        most = self.throttle.most(wanted) - len(self.jobs)
        if settings.max_tasks:
            most = min(most, settings.max_tasks - run.state.accepted - len(self.jobs))
        most = min(most, settings.max_iterations - run.state.history.attempts)
        if self.throttle.limit:
            most = min(most, 1)
        return most if self.throttle.may_start(time.time()) else 0

    # ------------------------------------------------------------ messages

    def listen(self) -> None:
        for n, message in self.children.hear(TICK):
            if message is None:
                self._gone(n)
            else:
                self._read(n, message)

    def _read(self, n: int, message: WorkerMessage) -> None:
        match message["kind"]:
            case "event":
                self._note(n, unpack(message["data"]))
            case "spent":
                self.usage[n] = unpack(message["data"])
            case "failed":
                self.run.state.failures[message["task"]] = unpack(message["data"])
            case "door":
                self.queue.append(n)
            case "meddled":
                prd_edits.take_back_ticks(self.run, self.jobs[n].prd, self.jobs[n].task)
            case "outcome":
                self.finish(n, unpack(message["data"]))
            case "refused":
                problem, hint = unpack(message["data"])
                self.run.say(f"{self.jobs[n].task.id}: {problem}. {hint}", loud=True)
            case "full":
                self.result = outcome.no_room(unpack(message["data"]))
                self.forget(n)
            case _:  # left for the next run
                self.forget(n)

    def _note(self, n: int, event: Event) -> None:
        if isinstance(event, GateStarted):
            self.run.tell(event)  # shown live, not in the journal
        else:
            self.run.note(replace(event, n=n) if isinstance(event, Noted) else event)
        if isinstance(event, AgentStopped | Reviewed | SetAside):
            self.usage.pop(n, None)  # it is in the journal now

    def decided(self, move: Move) -> None:
        """Act on a move, and start fewer agents after a rate limit: they share one account."""
        super().decided(move)
        if move.kind is MoveKind.WAIT:
            self._slow_down()

    def _slow_down(self) -> None:
        wanted = max(1, self.run.settings.at_once)
        before, self.throttle = self.throttle, self.throttle.slower(time.time(), wanted)
        if self.throttle.limit != before.limit:
            self.run.say(f"A limit was hit, so from now on at most {self.throttle.most(wanted)} at once.")

    def forget(self, n: int) -> None:
        super().forget(n)
        watch_confirmations(self.run, is_last=not self.jobs)
        self.usage.pop(n, None)
        self.inside = 0 if self.inside == n else self.inside
        self.queue = [waiting for waiting in self.queue if waiting != n]

    # ------------------------------------------------------------ processes that died

    def _gone(self, n: int) -> None:
        """Resume an attempt whose process died, once in another process. After that set it aside."""
        if n not in self.jobs:
            return
        job = self.jobs[n]
        self.forget(n)
        unfinished = self.run.state.history.running.get(n)
        self.lost[n] = self.lost.get(n, 0) + 1
        if unfinished is None or self.run.hurried:
            return  # the next start resumes it
        if self.lost[n] < 2:
            self.start(replace(job, left=unfinished))
        else:
            self.give_up(n)

    def give_up(self, n: int) -> None:
        """Set aside an attempt that can't be examined."""
        unfinished = self.run.state.history.running[n]
        counted = self.run.state.history.tallies.get(unfinished.task, TaskStats()).uncounted + 1 >= policy.PATIENCE
        spent = recount(self.run, unfinished)
        self.run.note(SetAside(
            n, unfinished.task, "its process died", counted=counted, same="lost",
            tokens=spent.tokens, cost=spent.cost, about=spent.about,
        ))  # fmt: skip

    def take_up(self, prd: Prd) -> None:
        """Resume the attempts of a killed run in their worktrees."""
        tasks = {task.id: task for task in prd.tasks}
        for n, current in self.run.state.history.running.items():
            gone = Task(current.task, written=False, number=0, line=0, offset=0, text=current.text, done=False)
            if current.place:
                self.start(
                    AttemptJob(n, current.place, tasks.get(current.task, gone), prd, current.purpose, current)
                )
            else:
                self.give_up(n)

    # ------------------------------------------------------------ one turn at a time

    @property
    def is_publishing(self) -> bool:
        return bool(self.inside)

    def take_turn(self) -> None:
        """Give the turn to the waiting attempt whose task is first in the PRD."""
        if self.inside or not self.queue:
            return
        self.inside = min(self.queue, key=lambda n: (self.jobs[n].task.number, n))
        self.queue.remove(self.inside)
        publish.hold_tip(self.run)
        self.children.say(self.inside, f"enter {self.run.state.tip}")

    # ------------------------------------------------------------ ending

    def end(self) -> None:
        if not self.is_ending:
            super().end()
            self.children.end()

    def reach_limit(self, reason: str) -> None:
        super().reach_limit(reason)
        for n in self.jobs:
            self.children.say(n, f"limit {reason}"[:900])

    def spent(self) -> Spent:
        return reduce(Spent.plus, self.usage.values(), Spent())


@contextmanager
def worker_pool(run: RunContext) -> Iterator[WorkerPool]:
    """Yield a pool. End its processes and remove its worktrees on exit."""
    import pexpect.fdpexpect  # noqa: F401 - here, so that not each child has to import it

    run.git.beside = run.git.beside or run.state.tip
    worktrees = worktree_setup.pool(run)
    try:
        with several() as children:
            yield WorkerPool(run, worktrees=worktrees, children=children)
    finally:
        worktrees.close()
