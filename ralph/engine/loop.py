"""The main loop: choose a task, attempt it, publish it or act on the failure, and choose again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ralph.config import Settings
from ralph.engine import (
    budget,
    checkpoints,
    daily_note,
    notifications,
    outcome,
    prd_file,
    recovery,
    red_base,
    startup,
)
from ralph.engine.confirmations import trust_confirmations, watch_confirmations
from ralph.engine.context import RunContext, RunResult
from ralph.engine.moves import MoveKind
from ralph.engine.parking import park
from ralph.engine.pool import AttemptPool, InPlacePool
from ralph.errors import NO_ROOM, Exit, RalphError
from ralph.prd import schedule
from ralph.prd.model import Prd, Task
from ralph.state.attempt import CHECK, HAND_OVER, SPLIT
from ralph.state.events import Event, RunEnded, SetAside, Waited

QUESTIONS = {MoveKind.SPLIT: SPLIT, MoveKind.HAND_OVER: HAND_OVER}


def run(
    settings: Settings, cwd: Path, tell: Callable[[Event], None], beat: Callable[[RunContext], None] | None = None
) -> int:  # fmt: skip
    """Work through the PRD. Return the exit code. Raise RalphError (exit 2) if nothing could be started.

    `tell` gets each event; `beat` is called several times a second while the run waits.
    """
    with (
        startup.open_run(settings, cwd, tell, beat) as this,
        daily_note.list_run(this),
        notifications.notifying(this),
    ):
        result = _result(this)
        spent = budget.spent(this)
        ended = RunEnded(
            result.code, result.why, round(this.seconds, 1), spent.tokens, spent.cost, spent.about
        )  # fmt: skip
        if not this.state.history.running:
            this.note(ended)
        else:
            tell(ended)  # not in the journal: the next start resumes what is unfinished
            this.state.notify(ended)
        return result.code


def _result(run: RunContext) -> RunResult:
    try:
        with _pool(run) as pool:
            return work(pool)
    except RalphError as error:
        return RunResult(error.code or Exit.STOPPED, f"{error.what}. {error.now}".strip())
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        return outcome.no_room(str(error.strerror))


@contextmanager
def _pool(run: RunContext) -> Iterator[AttemptPool]:
    """Yield the pool: one attempt in the checkout, or several in worktrees, which first resume interrupted ones."""
    if not run.settings.at_once and not any(unfinished.place for unfinished in run.state.history.running.values()):
        _forget_worktrees(run)
        yield InPlacePool(run)
        return
    from ralph.engine.parallel.pool import worker_pool

    with worker_pool(run) as pool:
        pool.take_up(prd_file.read_prd(run))
        yield pool


def _forget_worktrees(run: RunContext) -> None:
    """Remove registered worktrees of a killed parallel run."""
    if (run.git.where.common / "worktrees").is_dir():
        from ralph.engine.parallel import worktree_setup

        worktree_setup.pool(run).close()


def work(pool: AttemptPool) -> RunResult:
    """Start attempts until nothing is left to try. Return the result."""
    while True:
        pool.listen()
        if pool.run.hurried:
            pool.end()
        if not pool.limit and (limit := budget.reached_limit(pool.run, pool.spent())):
            pool.reach_limit(limit)
        if result := _step(pool):
            return result


def _step(pool: AttemptPool) -> RunResult | None:
    """Do what can be done now. Return the result if the run is over."""
    run = pool.run
    (watch_confirmations if pool.jobs else trust_confirmations)(run)
    reason = outcome.reason_to_stop(run) or pool.limit
    if pool.is_ending or reason or pool.result:
        return _wind_down(pool, reason)
    _end_wait(pool)
    if not pool.is_publishing:
        prd = prd_file.read_prd(run)
        checkpoints.note_skips(run, prd, besides=pool.busy)
        if result := _act_on_failures(pool, prd):
            pool.result = result
            return None
        pool.take_turn()
    if run.state.history.waiting is not None or pool.result:
        return None
    return _start(
        pool, run.state.reading.prd if pool.is_publishing and run.state.reading.prd else prd_file.read_prd(run)
    )


def _wind_down(pool: AttemptPool, reason: str) -> RunResult | None:
    """Start nothing more and let attempts finish. Return the result once there are none."""
    run = pool.run
    if pool.jobs:
        if not pool.is_publishing and not pool.is_ending:
            prd_file.read_prd(run)
            pool.take_turn()
        return None
    if not pool.is_ending:  # after Ctrl-C there is no time for it
        _prove(run)
    return pool.result or outcome.stopped(run, prd_file.read_prd(run), reason)


def _prove(run: RunContext) -> bool:
    """Run the final check after work in worktrees. Return False if it failed and a task is open again."""
    if not run.git.beside:
        return True
    from ralph.engine import final_check

    return final_check.prove(run)


# ---------------------------------------------------------------- choosing


def _start(pool: AttemptPool, prd: Prd) -> RunResult | None:
    """Start as many attempts as may run now. Return the result if no task is left."""
    run, room = pool.run, pool.room()
    seen = (id(prd), pool.busy, skipped := _skipped(run, prd), room > 0)
    if pool.jobs and seen == pool.seen:
        return None  # nothing changed since no attempt could be started
    tasks = _ready(pool, prd, skipped, room)
    if tasks and (_is_paused(pool) or room <= 0):
        return None
    for task in tasks:
        pool.begin(task, prd, CHECK if _is_checked_first(run, task) else "")
    pool.seen = seen if not tasks else ()
    if tasks or pool.jobs or run.state.history.owing or run.state.history.waiting:
        return None
    if prd_file.wait_for_quiet(run, prd) or not _prove(run):
        return None
    return outcome.finished(run, prd_file.read_prd(run))


def _is_checked_first(run: RunContext, task: Task) -> bool:
    """Return whether the Checks of a parent run without an agent: its subtasks are done."""
    return not task.leaf and bool(task.fields.checks) and not run.tally(task).checked


def _skipped(run: RunContext, prd: Prd) -> frozenset[str]:
    """Return the ids of tasks that can't start now: left out, with a pending move, just written, or not about the
    gates that are red."""
    new = frozenset(task.id for task in prd.tasks if task.id not in run.state.reading.startable)
    return new | run.left_out | frozenset(run.state.history.owing) | red_base.held_tasks(run, prd)


def _ready(pool: AttemptPool, prd: Prd, skipped: frozenset[str], room: int) -> Sequence[Task]:
    """Return the tasks to start: the next one in the checkout, or all that may run in parallel worktrees."""
    run = pool.run
    if isinstance(pool, InPlacePool):
        task = schedule.choose(prd, skip=skipped, only=run.settings.only)
        return (task,) if task else ()
    from ralph.prd import parallel_schedule

    return parallel_schedule.ready(
        prd, running=pool.busy, skip=skipped, only=run.settings.only, left=max(1, room), placed=run.patterns
    ).tasks


def _is_paused(pool: AttemptPool) -> bool:
    """Whether a person or a checkpoint pauses the run. Pause once no attempt is in progress."""
    reason = checkpoints.reason_to_pause(pool.run)
    if reason and not pool.jobs:
        pool.result = checkpoints.stand_still(pool.run, reason)
    return bool(reason)


def _end_wait(pool: AttemptPool) -> None:
    """End the wait at its time, or if its task is skipped."""
    run, waiting = pool.run, pool.run.state.history.waiting
    if waiting is None:
        return
    is_skipped = waiting.task in run.control.skipped()
    if is_skipped or time.time() >= waiting.until:
        seconds = round(time.time() - pool.waiting_since, 3) if pool.waiting_since else 0.0
        run.note(Waited(seconds, "the task was skipped" if is_skipped else ""))
        pool.waiting_since = 0.0


# ---------------------------------------------------------------- after a failed attempt


def _act_on_failures(pool: AttemptPool, prd: Prd) -> RunResult | None:
    """Make the pending moves of tasks without an attempt in progress. Return the result if one ends the run."""
    tasks = {task.id: task for task in prd.tasks}
    for name, owed in list(pool.run.state.history.owing.items()):
        if name not in pool.busy and (result := _act(pool, prd, tasks.get(name), owed)):
            return result
    return None


def _act(pool: AttemptPool, prd: Prd, task: Task | None, owed: SetAside) -> RunResult | None:
    run, kind = pool.run, MoveKind(owed.move)
    if task is None:
        recovery.forget(run, owed)
    elif kind is MoveKind.WAIT:
        pool.wait_until(owed.when or time.time(), owed.reason, owed.task)
    elif kind in QUESTIONS:
        return _ask(pool, task, prd, owed)
    else:
        return recovery.MOVES[kind](run, prd, task, owed)
    return None


def _ask(pool: AttemptPool, task: Task, prd: Prd, owed: SetAside) -> RunResult | None:
    """Ask an agent, and act on its answer once there is one."""
    run = pool.run
    end = pool.answers.pop(task.id, None)
    if end is None and pool.room() > 0 and run.state.history.waiting is None:
        pool.begin(task, prd, QUESTIONS[MoveKind(owed.move)])
        end = pool.answers.pop(task.id, None)  # in the checkout the answer exists at once
    if end is None:
        return None
    if end.well:
        return recovery.split_as(run, task, owed, end)
    return None if pool.unasked(task, end) else park(run, task, f"{owed.reason} {recovery.NOBODY}")
