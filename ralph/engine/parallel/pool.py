"""Who is out: the children that are sent, heard, and let in through the door, one at a time.

What a child is told and tells stands in `member` and `wire`. While one is inside the door nobody else moves the
tip, so what was tested there is what is published.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce

from ralph.agents.model import Stopped
from ralph.agents.usage import Spent
from ralph.engine import outcome
from ralph.engine import recovery as healing
from ralph.engine import recovery_policy as recovery
from ralph.engine.attempt import prd_edits as settling
from ralph.engine.attempt.run_agent import choose
from ralph.engine.attempt.usage import recount
from ralph.engine.context import RunContext, RunResult
from ralph.engine.moves import Move, MoveKind
from ralph.engine.parallel import attempt as member
from ralph.engine.parallel import merge_queue as door
from ralph.engine.parallel import throttle as governor
from ralph.engine.parallel import worktree_setup as fitting
from ralph.engine.parallel.attempt import AttemptJob
from ralph.engine.parallel.merge_queue import ReadyCommit
from ralph.engine.parallel.worker import unpack
from ralph.git.worktrees import WorktreePool
from ralph.prd.model import Prd, Task
from ralph.process.supervisor import WorkerMessage
from ralph.process.workers import WorkerProcesses, several
from ralph.state.attempt import SPLIT
from ralph.state.events import AgentStopped, Event, GateStarted, Noted, Reviewed, Sent, SetAside, Waiting
from ralph.state.history import TaskStats

TICK = 0.1  # seconds


@dataclass
class WorkerPool:
    """Who is out, and where. Numbers are those of attempts; places those of worktrees."""

    run: RunContext
    pool: WorktreePool
    children: WorkerProcesses
    out: dict[int, AttemptJob] = field(default_factory=dict)
    queue: list[int] = field(default_factory=list)  # who waits at the door
    inside: int = 0  # who is in it; 0: nobody
    spent: dict[int, Spent] = field(default_factory=dict)  # by agents at work, as last told
    answers: dict[str, Stopped] = field(default_factory=dict)  # task -> what was answered to the question about it
    lost: dict[int, int] = field(default_factory=dict)  # how often a child died, or could not go on
    ending: RunResult | None = None  # decided; what runs may finish
    hurried: bool = False
    limited: str = ""  # the limit of the run that all of them together reached
    seen: tuple[object, ...] = ()  # what was looked at when nobody could be sent out
    waiting: float = 0.0  # since when, epoch seconds
    speed: governor.Throttle = field(default_factory=governor.Throttle)

    # ------------------------------------------------------------ sending out

    @property
    def busy(self) -> frozenset[str]:
        """The tasks that somebody is out for."""
        return frozenset(errand.task.id for errand in self.out.values())

    @property
    def going(self) -> Spent:
        """What all agents at work have used up so far."""
        return reduce(Spent.plus, self.spent.values(), Spent())

    def free_place(self) -> int:
        """The lowest number of a worktree that nobody is in."""
        taken = {errand.place for errand in self.out.values()}
        return next(place for place in range(1, len(taken) + 2) if place not in taken)

    def send(self, errand: AttemptJob) -> None:
        """Start a child. The journal knows its pid before it does anything."""
        run = self.run
        run.beside = self.going
        self.out[errand.n] = errand
        child = self.children.start(errand.n, member.work(run, self.pool, errand, fitting.fit))
        run.note(Sent(errand.n, child.pid, child.started, errand.place))
        child.go()

    def begin(self, task: Task, prd: Prd, purpose: str = "") -> None:
        """Choose a task, and send somebody out for it."""
        place = self.free_place()
        self.speed = replace(self.speed, started=time.time())
        self.send(AttemptJob(choose(self.run, task, purpose), place, task, prd, purpose))

    # ------------------------------------------------------------ hearing

    def listen(self) -> None:
        """Take in what the children say; waits a moment for it."""
        for n, message in self.children.hear(TICK):
            if message is None:
                self.over(n)
            else:
                self._heard(n, message)

    def _heard(self, n: int, message: WorkerMessage) -> None:
        match message["kind"]:
            case "event":
                self._event(n, unpack(message["data"]))
            case "spent":
                self.spent[n] = unpack(message["data"])
            case "failed":
                self.run.failed[message["task"]] = unpack(message["data"])
            case "door":
                self.queue.append(n)
            case "built":
                self._built(n, unpack(message["data"]))
            case "meddled":
                settling.take_back_ticks(self.run, self.out[n].prd, self.out[n].task)
            case "answer":
                self._answer(self.out[n], unpack(message["data"]))
                self.done(n)
            case "refused":
                what, now = unpack(message["data"])
                self.run.say(f"{self.out[n].task.id}: {what}. {now}", loud=True)
            case "full":
                self.ending = outcome.no_room(unpack(message["data"]))
                self.done(n)
            case _:  # set aside, or left for the next run
                self.done(n)

    def _answer(self, errand: AttemptJob, end: Stopped) -> None:
        """Smaller tasks are written when the door is free; a hand-over note is in the history already."""
        if errand.purpose == SPLIT:
            self.answers[errand.task.id] = end
        elif not end.well:
            self.unasked(errand.task, end)

    def unasked(self, task: Task, end: Stopped) -> bool:
        """Somebody could not even be asked. Whether that is tried again later, or ends the run."""
        move = healing.unasked(self.run, task, end)
        if move.kind is MoveKind.STOP:
            self.ending = healing.stop(self.run, move)
        if move.kind is MoveKind.WAIT:
            self.waiting = self.waiting or time.time()
            self.run.note(Waiting(move.reason, round(move.when or time.time(), 3), task.id))
        return move.kind in (MoveKind.STOP, MoveKind.WAIT)

    def _event(self, n: int, event: Event) -> None:
        if isinstance(event, GateStarted):
            self.run.tell(event)  # kept nowhere
            return
        if isinstance(event, AgentStopped | Reviewed | SetAside):
            self.spent.pop(n, None)  # the journal tells it now
        self.run.note(replace(event, n=n) if isinstance(event, Noted) else event)
        if isinstance(event, SetAside):
            self._aside(event)

    def _aside(self, event: SetAside) -> None:
        if event.move == MoveKind.STOP and self.ending is None and not self.hurried:
            self.ending = healing.stop(self.run, Move(MoveKind.STOP, event.reason, event.when, event.counted))
        if event.move == MoveKind.WAIT:
            self._slow_down()

    def _slow_down(self) -> None:
        """They share one account: what one of them hit, the others will."""
        asked = max(1, self.run.settings.at_once)
        before, self.speed = self.speed, self.speed.slower(time.time(), asked)
        if self.speed.limit != before.limit:
            self.run.say(f"A limit was hit, so from now on at most {self.speed.most(asked)} at once.")

    def _built(self, n: int, built: ReadyCommit) -> None:
        """It passed: this is the moment in which its task is done."""
        door.publish(self.run, n, self.out[n].task, built)
        self.run.nothing = set(built.nothing)
        self.done(n)

    def done(self, n: int) -> None:
        """It came to its end; its place is free."""
        del self.out[n]
        self.spent.pop(n, None)
        self.inside = 0 if self.inside == n else self.inside
        self.queue = [one for one in self.queue if one != n]

    def over(self, n: int) -> None:
        """A child is gone. If that was not its end, somebody looks at what it left: once, then it is set aside."""
        if n not in self.out:
            return
        errand = self.out[n]
        self.done(n)
        left = self.run.history.running.get(n)
        self.lost[n] = self.lost.get(n, 0) + 1
        if left is None or self.run.hurried:
            return  # who ends a run has no time for it: the next start takes it up
        if self.lost[n] < 2:
            self.send(replace(errand, left=left))
        else:
            self.give_up(n)

    def give_up(self, n: int) -> None:
        """Set it aside without looking: it can't be looked at."""
        left = self.run.history.running[n]
        counted = self.run.history.tallies.get(left.task, TaskStats()).uncounted + 1 >= recovery.PATIENCE
        spent = recount(self.run, left)
        self.run.note(SetAside(
            n, left.task, "its process died", counted=counted, same="lost",
            tokens=spent.tokens, cost=spent.cost, about=spent.about,
        ))  # fmt: skip

    # ------------------------------------------------------------ the door

    def open_door(self) -> None:
        """Let the next one in: the one that stands first in the PRD, of those that wait."""
        if self.inside or not self.queue:
            return
        self.inside = min(self.queue, key=lambda n: (self.out[n].task.number, n))
        self.queue.remove(self.inside)
        door.hold_tip(self.run)
        self.children.say(self.inside, f"enter {self.run.tip}")

    # ------------------------------------------------------------ ending

    def told_to_end(self) -> None:
        """End all that runs, at once; what is finished waits for the next run."""
        if not self.hurried:
            self.hurried = True
            self.children.end()

    def tell_limit(self, reason: str) -> None:
        """A limit of the run is reached: every child ends its agent, and what is finished is judged."""
        self.limited = reason
        for n in self.out:
            self.children.say(n, f"limit {reason}"[:900])


@contextmanager
def gathered(run: RunContext) -> Iterator[WorkerPool]:
    """A crew that is gone at the end, with its worktrees."""
    pool = fitting.pool(run)
    try:
        with several() as children:
            yield WorkerPool(run, pool, children)
    finally:
        pool.close()
