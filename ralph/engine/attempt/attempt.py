"""One attempt, from the agent's start to a commit that is ready to publish. The same in every work tree.

In a worktree the attempt waits for its turn. No other attempt moves the branch during the turn, so the gates test
exactly what is published.
"""

from __future__ import annotations

import time

from ralph.agents.model import Stopped, StopReason
from ralph.agents.shell_commands import only_reads
from ralph.engine import gate_selection
from ralph.engine import recovery_policy as policy
from ralph.engine.attempt import ask as asking
from ralph.engine.attempt import base_checks, ignored_files, stash
from ralph.engine.attempt.evidence import files_name
from ralph.engine.attempt.finished import FinishedAttempt
from ralph.engine.attempt.job import Answer, AttemptJob, AttemptOutcome, Turn
from ralph.engine.attempt.prd_edits import settle
from ralph.engine.attempt.run_agent import brief, let_work, prepare, stopped_event, write_prompt
from ralph.engine.confirmations import watch_confirmations
from ralph.engine.context import RunContext
from ralph.git import restore, workspace
from ralph.git.freeze import freeze
from ralph.git.index import keep_index, scan, write_tree
from ralph.git.workspace import Workspace
from ralph.prd.model import Prd, Task
from ralph.state.attempt import CHECK, HAND_OVER


def attempt(run: RunContext, job: AttemptJob, turn: Turn) -> AttemptOutcome:
    """Attempt a task once, or ask an agent about it."""
    if job.purpose not in ("", CHECK):
        return ask(run, job)
    space = prepare(run, job.n, job.task, "" if job.purpose else run.tally(job.task).work)
    gate_selection.look_again(run)
    index = write_tree(run.git)
    if job.purpose != CHECK:
        base_checks.run_checks(run, space, job.task, index)
    end = _work(run, space, job)
    if not run.apart:  # else the parent does it: other agents may work
        watch_confirmations(run, is_last=True)
    run.note(stopped_event(run, space.n, end))
    if keep_index(run.git, index):
        run.say("While the agent worked, ralph's own index was changed. It was built again.", loud=True)
    return finish(run, space, job.task, job.prd, end, turn)


def _work(run: RunContext, space: Workspace, job: AttemptJob) -> Stopped:
    """Run the agent. Run none for a parent whose subtasks are done: its own checks may prove it."""
    if job.purpose == CHECK:
        return Stopped(StopReason.EXITED, 0, ended=True, said="Nobody was asked: all tasks below it are done.")
    return let_work(run, space, job.task, brief(run, job.task, job.prd, space.n))


def ask(run: RunContext, job: AttemptJob) -> Answer:
    """Ask for a hand-over note or smaller tasks. The loop acts on the answer."""
    task, purpose = job.task, job.purpose
    question = asking.hand_over(run, task) if purpose == HAND_OVER else asking.split(run, task)
    space = prepare(run, job.n, task, run.tally(task).work if purpose == HAND_OVER else "")
    end = let_work(run, space, task, write_prompt(run, space.n, question), read_only=True)
    run.note(stopped_event(run, space.n, end))
    asking.set_aside(run, space, job.prd, task, end, f"asked for: {purpose}")
    return Answer(end)


def finish(
    run: RunContext, space: Workspace, task: Task, start: Prd, end: Stopped, turn: Turn,
    tips: list[str] | None = None,
) -> AttemptOutcome:  # fmt: skip
    """Freeze the work and judge it. Recovery calls it for an interrupted attempt, too.

    `start` is the PRD at the attempt's start; `tips` are the tips of the agent's commits, if known.
    """
    if _edited_checkout_prd(run, end):
        turn.report_prd_edit()
    restore.refuse_gone(run.git)
    run.git.seal()
    at, now = time.monotonic(), scan(run.git)
    frozen = freeze(
        run.git, space.before, now, run.paths, ours=space.ours, watched=space.watched, tips=tips,
        named=lambda path: files_name(run, task, path), message=f"work of attempt {space.n}",
        ignored=ignored_files.examine_ignored(run, space.n, now),
    )  # fmt: skip
    held = workspace.leave(run.git, space, frozen, now.refs, run.state.tip)
    frozen = stash.settle_stash(run, space, task.id, frozen)
    left = run.editor.read(run.paths.memory) if run.paths.memory else None
    settled = settle(run, start, task, end, frozen)
    finished = FinishedAttempt(run, turn, space, task, end, frozen, held, left, settled, (at, now))
    if policy.ending(end, changed=finished.leaves_work) is not policy.EndingKind.REJECTED:
        return finished.set_aside(None)
    return finished.judged()


def _edited_checkout_prd(run: RunContext, end: Stopped) -> bool:
    """Whether the stream shows that the agent left its worktree and changed the PRD that people edit."""
    if run.checkout is None:
        return False
    path = str(run.checkout.where.root / run.paths.prd)
    return path in end.wrote or any(path in command and not only_reads(command) for command in end.commands)
