"""The loop of several attempts at once: what can be done now, who can be sent out, what is owed.

The children do the attempts (`crew`, `member`); here is decided, and only here something is recorded.
"""

from __future__ import annotations

import time

from ralph.engine import checkpoints as steering
from ralph.engine import final_check as clean
from ralph.engine import outcome
from ralph.engine import prd_file as paper
from ralph.engine import recovery as healing
from ralph.engine.context import RunContext, RunResult
from ralph.engine.moves import MoveKind
from ralph.engine.parallel.attempt import AttemptJob
from ralph.engine.parallel.pool import WorkerPool, gathered
from ralph.engine.parking import park
from ralph.prd import parallel_schedule as side_by_side
from ralph.prd.model import Prd, Task
from ralph.state.attempt import CHECK, HAND_OVER, SPLIT
from ralph.state.events import SetAside, Waited, Waiting

ASKING = {MoveKind.SPLIT: SPLIT, MoveKind.HAND_OVER: HAND_OVER}


def work(run: RunContext) -> RunResult:
    """Take tasks until there is nothing left to try, several at a time."""
    import pexpect.fdpexpect  # noqa: F401 - here, so that the children need not import it, each

    run.git.beside = run.git.beside or run.tip
    with gathered(run) as crew:
        _take_up(crew)
        while True:
            crew.listen()
            if run.hurried:
                crew.told_to_end()
            if not crew.limited and (limit := _limit(crew)):
                crew.tell_limit(limit)
            if ending := _step(crew):
                return ending


def _take_up(crew: WorkerPool) -> None:
    """What a killed run left is finished first, where it stands."""
    run = crew.run
    now = paper.read(run)
    tasks = {task.id: task for task in now.tasks}
    for n, left in run.history.running.items():
        gone = Task(left.task, written=False, number=0, line=0, offset=0, text=left.text, done=False)
        if left.place:
            crew.send(AttemptJob(n, left.place, tasks.get(left.task, gone), now, left.purpose, left))
        else:
            crew.give_up(n)


def _limit(crew: WorkerPool) -> str:
    """The limit of the run that all of them reach together."""
    return crew.run.limit(crew.going)


def _step(crew: WorkerPool) -> RunResult | None:
    """What can be done now, besides listening."""
    run = crew.run
    reason = outcome.reason_to_stop(run) or crew.limited
    if crew.hurried or reason or crew.ending:
        if _finishing(crew):
            return None
        if not crew.hurried:  # who presses Ctrl-C has no time for it
            clean.prove(run)
        return crew.ending or outcome.stopped(run, paper.read(run), reason)
    idle = _waited(crew)
    if not crew.inside:
        prd = paper.read(run)
        steering.note_skips(run, prd, besides=crew.busy)
        if ending := _pay(crew, prd):
            crew.ending = ending
            return None
        crew.open_door()
    return _start(crew, run.seen if crew.inside and run.seen else paper.read(run)) if idle else None


def _finishing(crew: WorkerPool) -> bool:
    """Nothing new starts; what runs comes to its end."""
    if not crew.inside and not crew.hurried:
        paper.read(crew.run)
        crew.open_door()
    return bool(crew.out)


def _start(crew: WorkerPool, prd: Prd) -> RunResult | None:
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
    return (
        None if paper.wait_for_quiet(run, prd) or not clean.prove(run) else outcome.finished(run, paper.read(run))
    )


def _skipped(crew: WorkerPool, prd: Prd) -> frozenset[str]:
    """What is not started now: left out, owed something, or just being typed."""
    run = crew.run
    new = frozenset(task.id for task in prd.tasks if task.id not in run.known)
    return new | run.left_out | frozenset(run.history.owing)


def _room(crew: WorkerPool) -> int:
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


def _waited(crew: WorkerPool) -> bool:
    """No wait is going on."""
    run, waiting = crew.run, crew.run.history.waiting
    if waiting is None:
        return True
    if time.time() < waiting.until and waiting.task not in run.control.skipped():
        return False
    run.note(Waited(round(time.time() - crew.waiting, 3) if crew.waiting else 0.0))
    crew.waiting = 0.0
    return True


def _paused(crew: WorkerPool) -> bool:
    """Nothing starts: somebody wants it so. When nobody is out any more the run stands still."""
    run = crew.run
    if not (why := steering.reason_to_pause(run)):
        return False
    if not crew.out:
        crew.ending = steering.stand_still(run, why)
    return True


# ---------------------------------------------------------------- what is owed


def _pay(crew: WorkerPool, prd: Prd) -> RunResult | None:
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


def _wait(crew: WorkerPool, owed: SetAside) -> None:
    """Nobody starts before then; who runs goes on."""
    run = crew.run
    until = owed.when or time.time()
    if crew.ending or (ending := healing.too_long(run, owed.reason, until)):
        crew.ending = crew.ending or ending
        return
    already, crew.waiting = run.history.waiting, crew.waiting or time.time()
    run.note(Waiting(owed.reason, round(max(until, already.until if already else 0.0), 3), owed.task))


def _ask(crew: WorkerPool, task: Task, prd: Prd, owed: SetAside, kind: MoveKind) -> RunResult | None:
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
