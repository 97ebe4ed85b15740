"""One attempt in a process and a worktree of its own, from its choice to a commit that is ready to be published.

The parent (`crew`) hears every event and is the only one who records. A finished attempt waits at the door: there
it is put on top of what came in meanwhile, and judged as that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from ralph.agents.model import Stopped, StopReason
from ralph.agents.shell_commands import only_reads
from ralph.engine import recovery_policy as recovery
from ralph.engine import resume as waking
from ralph.engine.attempt import ask as asking
from ralph.engine.attempt import judge as judging
from ralph.engine.attempt import prd_edits as settling
from ralph.engine.attempt import serial
from ralph.engine.attempt import stash as stashes
from ralph.engine.attempt.gates import GatesInterruptedError
from ralph.engine.attempt.prd_edits import PrdOutcome
from ralph.engine.attempt.run_agent import brief, let_work, prepare, told, written
from ralph.engine.context import RunContext
from ralph.engine.parallel.merge_queue import ReadyCommit
from ralph.engine.parallel.rebase import in_company, on_the_tip
from ralph.engine.parallel.worker import ParentChannel, WaitingEndedError, WorkerContext, away, pack
from ralph.errors import NO_ROOM, RalphError
from ralph.git import restore as undo
from ralph.git import workspace, worktrees
from ralph.git.freeze import FrozenWork, freeze
from ralph.git.index import scan
from ralph.git.workspace import Workspace
from ralph.immutable import immutable
from ralph.prd import document as prd
from ralph.prd.model import Prd, Task
from ralph.process import command as proc
from ralph.process.supervisor import Link, WorkerMessage
from ralph.state.attempt import CHECK, HAND_OVER, Attempt, State
from ralph.verify.model import Verdict


@immutable
class AttemptJob:
    """What a child is sent out for. `left`: an attempt that a crash left behind."""

    n: int
    place: int  # the number of its worktree
    task: Task
    prd: Prd
    purpose: str = ""
    left: Attempt | None = None


# ---------------------------------------------------------------- the whole attempt


def work(
    run: RunContext, pool: worktrees.WorktreePool, errand: AttemptJob, ready: Callable[[RunContext], None]
) -> Callable[[Link], WorkerMessage]:
    """What a forked child does. Its last message says what came out: a commit, an answer, or nothing more."""

    def live(link: Link) -> WorkerMessage:
        parent = ParentChannel(link, run.id)
        git = pool.open(errand.place, run.tip, run.settings.brought)
        mine = away(run, git, parent, errand.n, errand.prd)
        try:
            return _done(mine, errand, parent, ready)
        except (WaitingEndedError, GatesInterruptedError):
            return {"kind": "later"}
        except RalphError as error:
            return {"kind": "refused", "data": pack((error.what, error.now))}
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            return {"kind": "full", "data": pack(str(error.strerror))}

    return live


def _done(
    run: WorkerContext, errand: AttemptJob, parent: ParentChannel, ready: Callable[[RunContext], None]
) -> WorkerMessage:
    if errand.left is not None:
        return take_up(run, errand.left, parent)
    seen = time.monotonic(), worktrees.check_out(run.git, run.tip, errand.n)
    errand = replace(errand, prd=prd.parse(run.papers.read(run.paths.prd) or b"", run.paths.prd))
    run.seen, run.wrote = errand.prd, errand.prd.data
    ready(run)
    run.scanned = None if run.settings.setup else seen  # a set-up may leave files that git shows
    if errand.purpose not in ("", CHECK):
        return asked(run, errand)
    return attempt(run, errand, parent)


def attempt(run: WorkerContext, errand: AttemptJob, parent: ParentChannel) -> WorkerMessage:
    """One try at one task: see `loop.attempt`."""
    task = errand.task
    space = prepare(run, errand.n, "" if errand.purpose else run.tally(task).work)
    run.look_for_gates()
    if errand.purpose == CHECK:
        end = Stopped(StopReason.EXITED, 0, ended=True, said="Nobody was asked: all tasks below it are done.")
    else:
        end = let_work(run, space, task, brief(run, task, errand.prd, space.n))
    run.note(told(run, space.n, end))
    return finish(run, space, task, errand.prd, end, parent)


def asked(run: WorkerContext, errand: AttemptJob) -> WorkerMessage:
    """Only words are wanted; the parent does with them what is to be done."""
    task, purpose = errand.task, errand.purpose
    question = asking.hand_over(run, task) if purpose == HAND_OVER else asking.split(run, task)
    space = prepare(run, errand.n, run.tally(task).work if purpose == HAND_OVER else "")
    end = let_work(run, space, task, written(run, space.n, question), read_only=True)
    run.note(told(run, space.n, end))
    asking.set_aside(run, space, errand.prd, task, end, f"asked for: {purpose}")
    return {"kind": "answer", "data": pack(end)}


def take_up(run: WorkerContext, current: Attempt, parent: ParentChannel) -> WorkerMessage:
    """What a crash left: finished work is judged, unfinished work is kept in a ref."""
    proc.end_tree(current.pid, current.started)
    waking.clear_locks(run, current)
    if current.state is State.CHOSEN or (current.state is State.PREPARED and not current.carried):
        waking.undo_choice(run, current)
        return {"kind": "aside"}
    space, start, task = waking.workspace_of(run, current)
    run.seen, run.wrote = start, start.data
    if task is None or current.stopped is None or current.purpose not in ("", CHECK):
        waking.abandon(run, space, current, start, task)
        return {"kind": "aside"}
    run.look_for_gates()
    waking.count_review(run, current)
    tips = waking.as_frozen(run, space)
    return finish(run, space, task, start, waking.stopped_of(current.stopped), parent, tips)


# ---------------------------------------------------------------- examine, join, judge


def finish(
    run: WorkerContext,
    space: Workspace,
    task: Task,
    start: Prd,
    end: Stopped,
    parent: ParentChannel,
    tips: list[str] | None = None,
) -> WorkerMessage:
    """Examine it where it was made; then, when it is its turn, judge it on top of all that came in."""
    if _meddled(run, end):
        parent.meddled()
    undo.refuse_gone(run.git)
    run.git.seal()
    now = scan(run.git)
    frozen = freeze(
        run.git, space.before, now, run.paths, ours=space.ours, watched=space.watched, tips=tips,
        named=lambda path: judging.names(run, task, path), message=f"work of attempt {space.n}",
    )  # fmt: skip
    held = workspace.leave(run.git, space, frozen, now.refs, run.tip)
    frozen = stashes.settle(run, space, task.id, frozen)
    left = run.papers.read(run.paths.memory) if run.paths.memory else None
    settled = settling.settle(run, start, task, end, frozen)
    return FinishedAttempt(run, parent, space, task, end, frozen, held, left, settled).examined()


@immutable
class FinishedAttempt:
    """What an attempt left, frozen: on its way to a commit, or aside."""

    run: WorkerContext
    parent: ParentChannel
    space: Workspace
    task: Task
    end: Stopped
    frozen: FrozenWork
    held: str  # the ref of the work
    memory: bytes | None  # the memory file as the agent left it
    settled: PrdOutcome

    def examined(self) -> WorkerMessage:
        """What needs no gates is decided here, before anybody waits at the door."""
        run, end, frozen = self.run, self.end, self.frozen
        changed = serial.leaves_work(run, frozen)
        if recovery.ending(end, changed=changed) is not recovery.Outcome.REJECTED:
            return self._aside(None)
        early = judging.early(run, self.space, self.task, frozen, self.settled, end)
        return self._at_the_door() if early.accepted else self._aside(early)

    def _at_the_door(self) -> WorkerMessage:
        """While this waits for its turn and is judged, nobody else moves the tip."""
        run = self.run
        run.tip = self.parent.enter()
        joined = on_the_tip(run, self.space, self.frozen, self.memory)
        if isinstance(joined, Verdict):
            return self._aside(joined)
        space, frozen = joined
        there = prd.parse(run.papers.read(run.paths.prd) or b"", run.paths.prd)
        judged = judging.judge(
            run, space, self.task, frozen, PrdOutcome(there, self.settled.edit, by_hand=False), self.end
        )
        if judged.placing is None:
            return self._aside(in_company(run, judged.verdict, self.space.before.base))
        run.note(judging.event(space.n, self.frozen, judged.verdict))
        commit = judging.build_commit(run, self.task, frozen, judged, judged.placing, run.tip)
        return {
            "kind": "built",
            "data": pack(
                ReadyCommit(
                    commit,
                    self.held,
                    judged.placing,
                    frozenset(run.nothing),
                    any(one.ok for one in judged.evidence.gates),
                )
            ),
        }

    def _aside(self, verdict: Verdict | None) -> WorkerMessage:
        run, task = self.run, self.task
        if verdict is not None:
            run.note(judging.event(self.space.n, self.frozen, verdict))
        serial.set_aside(run, self.space, task, self.frozen, self.settled, self.end, verdict, self.held)
        if task.id in run.failed:
            self.parent.failed(task.id, run.failed[task.id])
        return {"kind": "aside"}


def _meddled(run: WorkerContext, end: Stopped) -> bool:
    """Its stream shows that it reached out of its worktree and changed the PRD that people write on."""
    if run.checkout is None:
        return False
    theirs = str(run.checkout.where.root / run.paths.prd)
    return theirs in end.wrote or any(theirs in one and not only_reads(one) for one in end.commands)
