"""What was decided after a failed attempt, done: wait, hand over, change the agent, split, skip, park.

The journal holds the decision before it is done, so a killed run finds it there and goes on with it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from ralph.agents.model import Stopped
from ralph.engine import prd_file as paper
from ralph.engine import recovery_policy as recovery
from ralph.engine.attempt import agent_question as question
from ralph.engine.attempt.run_agent import protected
from ralph.engine.context import RunContext, RunResult
from ralph.engine.moves import Move, MoveKind
from ralph.engine.parking import park
from ralph.engine.recovery_policy import TryCounts
from ralph.errors import Exit, RalphError
from ralph.prd import subtasks as split
from ralph.prd.document import parse
from ralph.prd.model import Prd, Task
from ralph.state.events import AgentChanged, SetAside, Skipped, Split
from ralph.text import clean, one_line, time_of_day
from ralph.verify.model import FindingKind, Verdict

TICK = 0.2  # seconds between two looks at what ends a wait early
NOBODY = "Nobody could be asked to split it."


def _was_asked(run: RunContext, task: Task) -> bool:
    """Return whether the attempt before this one changed what tests expect."""
    before = run.last_failure(task)
    return before is not None and any(finding.what is FindingKind.EXPECTS for finding in before[0])


def counts(
    run: RunContext, task: Task, stopped: Stopped, tree: str = "", same: str = "", verdict: Verdict | None = None
) -> TryCounts:  # fmt: skip
    """What happened to this task, and what could still be done. `tree` and `same` are this attempt's.

    A task about which the agent asks something is for a human, not for smaller tasks.
    """
    asks = verdict is not None and bool(question.asked(stopped, verdict.findings))
    tally, settings = run.tally(task), run.settings
    chance = random.random()  # noqa: S311 - jitter
    wait = recovery.next_wait(
        stopped, waits=tally.waits, first=settings.backoff, chance=chance, now=time.time()
    )  # fmt: skip
    return TryCounts(
        tries=tally.tried,
        allowed=task.fields.attempts or settings.max_retries + 1,
        uncounted=tally.uncounted,
        alike=tally.alike + 1 if (tree, same) == (tally.tree, tally.same) else 1,
        circle=settings.circles,
        rungs=len(run.workers) - 1 - tally.rung,
        may_split=settings.split
        and task.leaf
        and not asks
        and not {task.id, task.parent} & run.state.history.split,
        asked=_was_asked(run, task),
        progress=tree != tally.tree,
        wait=wait,
        waited=run.state.history.waited,
        max_wait=settings.max_wait,
    )


def forget(run: RunContext, owed: SetAside) -> None:
    """Nothing is owed to a task that is gone."""
    run.note(Skipped(owed.task, "it is gone from the PRD"))


def too_long(run: RunContext, reason: str, until: float) -> RunResult | None:
    """The run's time is over before the wait is."""
    if until - time.time() <= run.settings.max_time - run.seconds:
        return None
    left = f"--max-time ends the run before {time_of_day(until, time.time())}, until when it would have to wait"
    return RunResult(Exit.STOPPED, f"{reason} {left}. Start again after that: the same command goes on from here.")


# ---------------------------------------------------------------- other ways to go on


def _change(run: RunContext, _: Prd, task: Task, owed: SetAside) -> RunResult | None:
    following = run.workers[run.tally(task).rung + 1]
    run.note(AgentChanged(task.id, following.name, owed.reason))
    return None


def split_as(run: RunContext, task: Task, owed: SetAside, end: Stopped) -> RunResult | None:
    """Write what the agent answered under the task."""
    prd = paper.read_prd(run)
    answer = split.parse(end.said, task, prd.tasks, protected=protected(run, task), papers=run.paths.both)
    if isinstance(answer, split.SplitRefusal):
        return park(run, task, f"{owed.reason} It could not be split: {answer.reason}")
    try:
        commit, ids = paper.split(run, task, split.lines(answer))
    except RalphError as error:
        return park(run, task, f"{owed.reason} It could not be split: {error.what}.")
    texts = tuple(
        one_line(clean(other_task.text))
        for other_task in parse(run.state.reading.data).tasks
        if other_task.id in ids
    )
    run.note(Split(task.id, one_line(clean(task.text)), texts, ids, commit))
    run.state.failures.pop(task.id, None)  # its own attempt afterwards is a new beginning
    return None


def unasked(run: RunContext, task: Task, end: Stopped) -> Move:
    """What follows where an agent could not even be asked."""
    cure = run.worker(task).agent.CURE
    return recovery.move(
        end, changed=False, verdict=None, counts=counts(run, task, end), cure=cure, now=time.time()
    )  # fmt: skip


def _skip(run: RunContext, _: Prd, task: Task, __: SetAside) -> RunResult | None:
    run.note(Skipped(task.id, one_line(clean(task.text))))
    return None


def _park(run: RunContext, _: Prd, task: Task, owed: SetAside) -> RunResult | None:
    findings, stopped = run.last_failure(task) or ((), None)
    return park(run, task, owed.reason, question.asked(stopped, findings) if stopped else "")


def stop(run: RunContext, move: Move) -> RunResult:
    """The run is over: why, and from when on it is worth to start again."""
    when = f" Start again after {time_of_day(move.when, time.time())}: the same" if move.when else " The same"
    return RunResult(
        Exit.INTERRUPTED if run.stop else Exit.STOPPED, f"{move.reason}{when} command goes on from here."
    )


MOVES: dict[MoveKind, Callable[[RunContext, Prd, Task, SetAside], RunResult | None]] = {
    MoveKind.CHANGE: _change,
    MoveKind.SKIP: _skip,
    MoveKind.PARK: _park,
}
