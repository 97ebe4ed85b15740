"""Several attempts at once: the loop of the parent, which starts children, hears them, and alone records.

What a child is told and tells stands in `member`. Finished work comes in one at a time, through one door: while it
is open nobody else moves the tip, so what was tested there is what is published.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from ralph import clean, door, fitting, healing, loop, member, paper, steering
from ralph.core import governor, recovery, side_by_side
from ralph.core.history import Tally
from ralph.core.life import CHECK, HAND_OVER, SPLIT
from ralph.door import Built
from ralph.events import Event, Noted, Sent, SetAside, Waited, Waiting
from ralph.member import Errand, unpack
from ralph.model import Move, MoveKind, Prd, Stopped, Task
from ralph.parking import park
from ralph.run import Ending, Run
from ralph.system.children import Children, several
from ralph.system.runner import Message
from ralph.system.worktrees import Pool
from ralph.working import choose

TICK = 0.1  # seconds
ASKING = {MoveKind.SPLIT: SPLIT, MoveKind.HAND_OVER: HAND_OVER}


@dataclass
class Crew:
    """Who is out, and where. Numbers are those of attempts; places those of worktrees."""

    run: Run
    pool: Pool
    children: Children
    out: dict[int, Errand] = field(default_factory=dict)
    queue: list[int] = field(default_factory=list)  # who waits at the door
    inside: int = 0  # who is in it; 0: nobody
    spent: dict[int, tuple[int, float | None]] = field(default_factory=dict)
    answers: dict[str, Stopped] = field(default_factory=dict)  # task -> what was answered to the question about it
    lost: dict[int, int] = field(default_factory=dict)  # how often a child died, or could not go on
    ending: Ending | None = None  # decided; what runs may finish
    hurried: bool = False
    seen: tuple[object, ...] = ()  # what was looked at when nobody could be sent out
    waiting: float = 0.0  # since when, epoch seconds
    speed: governor.Speed = field(default_factory=governor.Speed)

    # ------------------------------------------------------------ sending out

    @property
    def busy(self) -> frozenset[str]:
        """The tasks that somebody is out for."""
        return frozenset(errand.task.id for errand in self.out.values())

    def free_place(self) -> int:
        """The lowest number of a worktree that nobody is in."""
        taken = {errand.place for errand in self.out.values()}
        return next(place for place in range(1, len(taken) + 2) if place not in taken)

    def send(self, errand: Errand) -> None:
        """Start a child. The journal knows its pid before it does anything."""
        run = self.run
        self.out[errand.n] = errand
        child = self.children.start(errand.n, member.work(run, self.pool, errand, fitting.fit))
        run.note(Sent(errand.n, child.pid, child.started, errand.place))
        child.go()

    def begin(self, task: Task, prd: Prd, purpose: str = "") -> None:
        """Choose a task, and send somebody out for it."""
        place = self.free_place()
        self.speed = replace(self.speed, started=time.time())
        self.send(Errand(choose(self.run, task, purpose), place, task, prd, purpose))

    # ------------------------------------------------------------ hearing

    def listen(self) -> None:
        """Take in what the children say; waits a moment for it."""
        for n, message in self.children.hear(TICK):
            if message is None:
                self.over(n)
            else:
                self._heard(n, message)

    def _heard(self, n: int, message: Message) -> None:
        match message["kind"]:
            case "event":
                self._event(n, unpack(message["data"]))
            case "spent":
                self.spent[n] = (message["tokens"], message["cost"])
            case "failed":
                self.run.failed[message["task"]] = unpack(message["data"])
            case "door":
                self.queue.append(n)
            case "built":
                self._built(n, unpack(message["data"]))
            case "answer":
                self._answer(self.out[n], unpack(message["data"]))
                self.done(n)
            case "refused":
                what, now = unpack(message["data"])
                self.run.say(f"{self.out[n].task.id}: {what}. {now}", loud=True)
            case "full":
                self.ending = loop.no_room(unpack(message["data"]))
                self.done(n)
            case _:  # set aside, or left for the next run
                self.done(n)

    def _answer(self, errand: Errand, end: Stopped) -> None:
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

    def _built(self, n: int, built: Built) -> None:
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
        if left is None:
            return
        if self.lost[n] < 2 and not self.hurried:
            self.send(replace(errand, left=left))
        else:
            self.give_up(n)

    def give_up(self, n: int) -> None:
        """Set it aside without looking: it can't be looked at."""
        left = self.run.history.running[n]
        counted = self.run.history.tallies.get(left.task, Tally()).uncounted + 1 >= recovery.PATIENCE
        self.run.note(SetAside(n, left.task, "its process died", counted=counted, same="lost"))

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
        for n in self.out:
            self.children.say(n, f"limit {reason[0].upper()}{reason[1:]}."[:900])


# ---------------------------------------------------------------- the loop


@contextmanager
def gathered(run: Run) -> Iterator[Crew]:
    """A crew that is gone at the end, with its worktrees."""
    pool = fitting.pool(run)
    try:
        with several() as children:
            yield Crew(run, pool, children)
    finally:
        pool.close()


def work(run: Run) -> Ending:
    """Take tasks until there is nothing left to try, several at a time."""
    run.git.beside = run.git.beside or run.tip
    with gathered(run) as crew:
        _take_up(crew)
        limited = ""
        while True:
            crew.listen()
            if run.hurried:
                crew.told_to_end()
            if not limited and (limited := _limit(crew)):
                crew.tell_limit(limited)
            if ending := _step(crew):
                return ending


def _take_up(crew: Crew) -> None:
    """What a killed run left is finished first, where it stands."""
    run = crew.run
    tasks = {task.id: task for task in paper.read(run).tasks}
    for n, left in run.history.running.items():
        task = tasks.get(left.task)
        if not left.place or task is None:
            crew.give_up(n)
            continue
        crew.send(Errand(n, left.place, task, run.seen or paper.read(run), left.purpose, left))


def _limit(crew: Crew) -> str:
    """The limit of the run that all of them reach together."""
    tokens = sum(spent[0] for spent in crew.spent.values())
    known = [spent[1] for spent in crew.spent.values() if spent[1] is not None]
    return crew.run.limit(tokens, sum(known) if known else None)


def _step(crew: Crew) -> Ending | None:
    """What can be done now, besides listening."""
    run = crew.run
    reason = loop.reason_to_stop(run)
    if crew.hurried or reason or crew.ending:
        if _finishing(crew):
            return None
        if not crew.hurried:  # who presses Ctrl-C has no time for it
            clean.prove(run)
        return crew.ending or loop.stopped(run, paper.read(run), reason)
    idle = _waited(crew)
    if not crew.inside:
        prd = paper.read(run)
        steering.note_skips(run, prd, besides=crew.busy)
        if ending := _pay(crew, prd):
            crew.ending = ending
            return None
        crew.open_door()
    return _start(crew, run.seen if crew.inside and run.seen else paper.read(run)) if idle else None


def _finishing(crew: Crew) -> bool:
    """Nothing new starts; what runs comes to its end."""
    if not crew.inside and not crew.hurried:
        paper.read(crew.run)
        crew.open_door()
    return bool(crew.out)


def _start(crew: Crew, prd: Prd) -> Ending | None:
    """Send out as many as may run now; an Ending where nothing is left."""
    run, room = crew.run, _room(crew)
    seen = (id(prd), crew.busy, skipped := _skipped(crew, prd), room > 0)
    if crew.out and seen == crew.seen:
        return None  # nothing changed since nobody could be sent out
    choice = side_by_side.ready(
        prd, running=crew.busy, skip=skipped, only=run.settings.only, left=max(1, room), placed=run.patterns
    )  # fmt: skip
    if choice.tasks and (_paused(crew) or room <= 0):
        return None
    for task in choice.tasks:
        crew.begin(task, prd, "" if task.leaf or run.tally(task).checked else CHECK)
    crew.seen = seen if not choice.tasks else ()
    if crew.out or run.history.owing or run.history.waiting:
        return None
    return None if paper.wait_for_quiet(run, prd) or not clean.prove(run) else loop.finished(run, paper.read(run))


def _skipped(crew: Crew, prd: Prd) -> frozenset[str]:
    """What is not started now: left out, owed something, or just being typed."""
    run = crew.run
    new = frozenset(task.id for task in prd.tasks if task.id not in run.known)
    return new | run.left_out | frozenset(run.history.owing)


def _room(crew: Crew) -> int:
    """How many more may start."""
    run, settings = crew.run, crew.run.settings
    asked = max(1, settings.at_once)
    crew.speed = crew.speed.later(time.time(), asked)
    most = crew.speed.most(asked) - len(crew.out)
    if settings.max_tasks:
        most = min(most, settings.max_tasks - run.accepted - len(crew.out))
    most = min(most, settings.max_iterations - run.history.attempts)
    if crew.speed.limit:
        most = min(most, 1)
    return most if crew.speed.may_start(time.time()) else 0


def _waited(crew: Crew) -> bool:
    """No wait is going on."""
    run, waiting = crew.run, crew.run.history.waiting
    if waiting is None:
        return True
    if time.time() < waiting.until and waiting.task not in run.control.skipped():
        return False
    run.note(Waited(round(time.time() - crew.waiting, 3) if crew.waiting else 0.0))
    crew.waiting = 0.0
    return True


def _paused(crew: Crew) -> bool:
    """Nothing starts: somebody wants it so. When nobody is out any more the run stands still."""
    run = crew.run
    if not (why := steering.reason_to_pause(run)):
        return False
    if not crew.out:
        crew.ending = steering.stand_still(run, why)
    return True


# ---------------------------------------------------------------- what is owed


def _pay(crew: Crew, prd: Prd) -> Ending | None:
    """Do what was decided after failed attempts, or send somebody out to ask for it."""
    run = crew.run
    tasks = {task.id: task for task in prd.tasks}
    for name, owed in list(run.history.owing.items()):
        if name in crew.busy:
            continue
        task, kind = tasks.get(name), MoveKind(owed.move)
        if task is None:
            healing.forget(run, owed)
        elif kind is MoveKind.WAIT:
            _wait(crew, owed)
        elif kind in ASKING:
            ending = _ask(crew, task, prd, owed, kind)
            if ending:
                return ending
        elif ending := healing.MOVES[kind](run, prd, task, owed):
            return ending
    return None


def _wait(crew: Crew, owed: SetAside) -> None:
    """Nobody starts before then; who runs goes on."""
    run = crew.run
    until = owed.when or time.time()
    if crew.ending or (ending := healing.too_long(run, owed.reason, until)):
        crew.ending = crew.ending or ending
        return
    already, crew.waiting = run.history.waiting, crew.waiting or time.time()
    run.note(Waiting(owed.reason, round(max(until, already.until if already else 0.0), 3), owed.task))


def _ask(crew: Crew, task: Task, prd: Prd, owed: SetAside, kind: MoveKind) -> Ending | None:
    """Send somebody out with the question; when the answer is there, do what it says."""
    run = crew.run
    end = crew.answers.pop(task.id, None)
    if end is None:
        if _room(crew) > 0 and run.history.waiting is None:
            crew.begin(task, prd, ASKING[kind])
        return None
    if end.well:
        return healing.split_as(run, task, owed, end)
    return None if crew.unasked(task, end) else park(run, task, f"{owed.reason} {healing.NOBODY}")
