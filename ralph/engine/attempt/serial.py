"""One attempt in the checkout, from the prompt to the commit or the rollback."""

from __future__ import annotations

import time
from dataclasses import replace

from ralph.agents.model import Stopped, StopReason
from ralph.engine import prd_file as paper
from ralph.engine import recovery as healing
from ralph.engine import recovery_policy as recovery
from ralph.engine.attempt import judge as judging
from ralph.engine.attempt import prd_edits as settling
from ralph.engine.attempt import stash as stashes
from ralph.engine.attempt.gates import GatesInterruptedError
from ralph.engine.attempt.run_agent import begin, brief, let_work, told
from ralph.engine.context import RunContext
from ralph.engine.moves import Move
from ralph.git import restore as undo
from ralph.git import workspace
from ralph.git.freeze import FrozenWork, freeze
from ralph.git.index import scan
from ralph.git.workspace import Workspace
from ralph.prd.model import Prd, Task
from ralph.state.attempt import CHECK
from ralph.state.events import Recorded, SetAside
from ralph.text import one_line
from ralph.verify.model import Verdict


def attempt(run: RunContext, task: Task, prd: Prd) -> Move | None:
    """One try at one task. None: it was accepted; else what was decided, which is in the journal, too."""
    if not task.leaf and not run.tally(task).checked:
        return check(run, task, prd)
    space = begin(run, task, work=run.tally(task).work)
    run.look_for_gates()
    end = let_work(run, space, task, brief(run, task, prd, space.n))
    run.note(told(run, space.n, end))
    return finish(run, space, task, prd, end)


def check(run: RunContext, task: Task, prd: Prd) -> Move | None:
    """All that was below this task is done: its own checks may prove it without an agent."""
    space = begin(run, task, CHECK)
    run.look_for_gates()
    end = Stopped(StopReason.EXITED, 0, ended=True, said="Nobody was asked: all tasks below it are done.")
    run.note(told(run, space.n, end))
    return finish(run, space, task, prd, end)


def finish(
    run: RunContext, space: Workspace, task: Task, prd: Prd, end: Stopped, tips: list[str] | None = None
) -> Move | None:
    """Examine what is there, judge it, and record it or set it aside. Also where a killed run is taken up again."""
    undo.refuse_gone(run.git)
    run.git.seal()
    at, now = time.monotonic(), scan(run.git)
    frozen = freeze(
        run.git, space.before, now, run.paths, ours=space.ours, watched=space.watched, tips=tips,
        named=lambda path: judging.names(run, task, path), message=f"work of attempt {space.n}",
    )  # fmt: skip
    held = workspace.leave(run.git, space, frozen, now.refs, run.tip)
    frozen = stashes.settle(run, space, task.id, frozen)
    settled = settling.settle(run, prd, task, end, frozen)
    changed = leaves_work(run, frozen)
    if recovery.ending(end, changed=changed) is not recovery.Outcome.REJECTED:
        return set_aside(run, space, task, frozen, settled, end, None, held)
    try:
        judged = judging.judge(run, space, task, frozen, settled, end)
    except GatesInterruptedError:
        return set_aside(run, space, task, frozen, settled, replace(end, why=StopReason.INTERRUPTED), None, held)
    run.note(judging.event(space.n, frozen, judged.verdict))
    if judged.placing is None:
        return set_aside(run, space, task, frozen, settled, end, judged.verdict, held)
    parent = judging.build_hand_edit(run, settled, task) if settled.by_hand else run.tip
    commit = judging.build_commit(run, task, frozen, judged, judged.placing, parent)
    judging.publish(run, space.n, commit, held, judged.placing.new.get(run.paths.memory))
    run.accepted += 1
    if not judged.evidence.gates:
        recorded = frozenset(change.path for change in frozen.changes) | judged.placing.new.keys()
        run.saw(now, at, new=recorded, gone=(space.wip, held))
    run.failed.pop(task.id, None)
    also = tuple(one.id for one in judged.placing.also)
    run.note(Recorded(space.n, task.id, commit, also, any(one.ok for one in judged.evidence.gates)))
    run.control.forget(task.id)
    return None


def leaves_work(run: RunContext, frozen: FrozenWork) -> bool:
    """Whether the attempt changed more than the PRD, or put something into a stash."""
    stashed = frozen.stash.new or frozen.stash.lost
    return bool(stashed) or any(change.path != run.paths.prd for change in frozen.left)


def set_aside(
    run: RunContext, space: Workspace, task: Task, frozen: FrozenWork, settled: settling.PrdOutcome, end: Stopped,
    verdict: Verdict | None, held: str,
) -> Move:  # fmt: skip
    """Keep the work in its ref, make the tree as it was before, and decide what to do."""
    changed = leaves_work(run, frozen)
    same, tree = recovery.same(end, verdict, changed=changed), run.git.tree_of(frozen.work)
    counts = healing.counts(run, task, end, tree, same, verdict)
    cure = run.worker(task).agent.CURE
    move = recovery.move(end, changed=changed, verdict=verdict, counts=counts, cure=cure, now=time.time())
    workspace.roll_back(run.git, space, frozen, frozenset({run.paths.prd}))
    if settled.by_hand:
        paper.commit_hand_edit(run, settled.prd.data, f"docs(prd): changed while {one_line(task.id, 40)} ran")
    if verdict is not None or task.id not in run.failed:
        run.failed[task.id] = (verdict.findings if verdict else (), end)
    run.note(SetAside(
        space.n, task.id, move.reason, move.counted, held, same, move.kind.value, tree, move.when
    ))  # fmt: skip
    return move
