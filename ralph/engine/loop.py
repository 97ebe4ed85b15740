"""The whole program on one page: read, choose, brief, work, examine, judge, record. Then choose again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ralph.config import Settings
from ralph.engine import checkpoints as steering
from ralph.engine import daily_note as noting
from ralph.engine import notifications as notifying
from ralph.engine import prd_file as paper
from ralph.engine import recovery as healing
from ralph.engine import startup as start
from ralph.engine.attempt.serial import attempt
from ralph.engine.context import RunContext, RunResult
from ralph.engine.moves import MoveKind
from ralph.engine.outcome import finished, no_room, reason_to_stop, stopped
from ralph.errors import NO_ROOM, Exit, RalphError
from ralph.prd import schedule as plan
from ralph.prd.model import Prd, Task
from ralph.state.events import Event, RunEnded


def run(
    settings: Settings, cwd: Path, tell: Callable[[Event], None], beat: Callable[[RunContext], None] | None = None
) -> int:  # fmt: skip
    """Work through the PRD. Returns the exit code; raises RalphError (exit 2) where nothing could be started.

    `tell` gets what happens; `beat` is called several times a second while the run waits for something.
    """
    with start.open_run(settings, cwd, tell, beat) as this, noting.listed(this), notifying.ringing(this):
        try:
            ending = _how(this)(this)
        except RalphError as error:
            ending = RunResult(error.code or Exit.STOPPED, f"{error.what}. {error.now}".strip())
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            ending = no_room(str(error.strerror))
        spent = this.spent
        ended = RunEnded(
            ending.code, ending.why, round(this.seconds, 1), spent.tokens, spent.cost, spent.about
        )  # fmt: skip
        if not this.history.running:
            this.note(ended)
        else:
            tell(ended)  # not in the journal: the next start takes up what is unfinished
            this.ring(ended)
        return ending.code


def _how(run: RunContext) -> Callable[[RunContext], RunResult]:
    """One after the other here, or in worktrees."""
    if not run.settings.at_once and not any(one.place for one in run.history.running.values()):
        _forget_worktrees(run)
        return work
    from ralph.engine.parallel import loop as parallel

    return parallel.work


def _forget_worktrees(run: RunContext) -> None:
    """A killed run with several agents may have left some that git knows."""
    if (run.git.where.common / "worktrees").is_dir():
        from ralph.engine.parallel import worktree_setup as fitting

        fitting.pool(run).close()


def work(run: RunContext) -> RunResult:
    """Take tasks until there is nothing left to try."""
    while True:
        prd = paper.read(run)
        if reason := reason_to_stop(run):
            return stopped(run, prd, reason)
        if run.history.waiting or run.history.owed:
            if ending := healing.go_on(run):
                return ending
            continue
        steering.note_skips(run, prd)
        task = choose(run, prd)
        if task is None:
            if not paper.wait_for_quiet(run, prd):
                return finished(run, prd)
            continue
        if why := steering.reason_to_pause(run):
            if ending := steering.stand_still(run, why):
                return ending
            continue
        move = attempt(run, task, prd)
        if move is not None and move.kind is MoveKind.STOP:
            return healing.stop(run, move)


def choose(run: RunContext, prd: Prd) -> Task | None:
    """The next task that may be tried; one that was just typed waits until its author is done typing."""
    new = frozenset(task.id for task in prd.tasks if task.id not in run.known)
    return plan.choose(prd, skip=new | run.left_out, only=run.settings.only)


# ---------------------------------------------------------------- endings


# ---------------------------------------------------------------- taking up a run that was killed
