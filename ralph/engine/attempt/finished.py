"""Finished attempt: frozen work that is judged in its turn and then committed or set aside."""

from __future__ import annotations

import time
from dataclasses import replace

from ralph.agents.model import Stopped, StopReason
from ralph.engine import prd_file, recovery
from ralph.engine import recovery_policy as policy
from ralph.engine.attempt import judge
from ralph.engine.attempt.completion import PendingCompletion
from ralph.engine.attempt.gates import GatesInterruptedError
from ralph.engine.attempt.job import AttemptOutcome, FinalScan, ReadyCommit, Rejected, Turn
from ralph.engine.attempt.prd_edits import PrdOutcome
from ralph.engine.context import RunContext
from ralph.engine.moves import Move
from ralph.git import workspace
from ralph.git.freeze import FrozenWork
from ralph.git.index import WorktreeStatus
from ralph.git.workspace import Workspace
from ralph.immutable import immutable
from ralph.prd import document as prd
from ralph.prd.model import Task
from ralph.state.events import SetAside
from ralph.text import one_line
from ralph.verify.model import Verdict


@immutable
class FinishedAttempt:
    """An attempt whose agent has ended and whose work is held by a ref."""

    run: RunContext
    turn: Turn
    space: Workspace
    task: Task
    end: Stopped
    frozen: FrozenWork
    held: str  # the ref of the work
    memory: bytes | None  # the memory file as the agent left it
    settled: PrdOutcome
    seen: tuple[float, WorktreeStatus]  # when (monotonic) the work tree was scanned, and what it held

    @property
    def leaves_work(self) -> bool:
        """Whether the attempt changed more than the PRD, or put something into a stash."""
        stashed = self.frozen.stash.new or self.frozen.stash.lost
        return bool(stashed) or any(change.path != self.run.paths.prd for change in self.frozen.left)

    def judged(self) -> AttemptOutcome:
        """Judge by the rules that need no gate; then, in its turn, by the gates."""
        examined = judge.examine(self.run, self.space, self.task, self.frozen, self.settled, self.end)
        if not examined.verdict.accepted:
            return self.set_aside(examined.verdict)
        try:
            return self._in_turn(examined)
        except GatesInterruptedError:
            if self.run.apart:
                raise  # the next run judges it in its worktree
            return replace(self, end=replace(self.end, why=StopReason.INTERRUPTED)).set_aside(None)

    def _in_turn(self, examined: judge.Examination) -> AttemptOutcome:
        """Judge the work on the tip. No other attempt moves the tip meanwhile."""
        run = self.run
        run.state.tip = self.turn.take()
        if run.state.tip != self.space.before.base:
            return self._on_new_tip()
        judged = self._judge(self.space, self.frozen, examined)
        if judged.placing is None:
            return self.set_aside(judged.verdict)
        return self._ready(self.frozen, judged, judged.placing)

    def _on_new_tip(self) -> AttemptOutcome:
        """Rebase the work on what was published meanwhile, and judge the result."""
        from ralph.engine.attempt.rebase import explain_meanwhile, on_the_tip

        run = self.run
        joined = on_the_tip(run, self.space, self.frozen, self.memory)
        if isinstance(joined, Verdict):
            return self.set_aside(joined)
        space, frozen = joined
        examined = judge.examine(run, space, self.task, frozen, self.settled, self.end)
        judged = self._judge(space, frozen, examined)
        if judged.placing is None:
            return self.set_aside(explain_meanwhile(run, judged.verdict, self.space.before.base))
        return self._ready(frozen, judged, judged.placing)

    def _judge(self, space: Workspace, frozen: FrozenWork, examined: judge.Examination) -> judge.Judgement:
        return judge.judge(self.run, space, self.task, frozen, self._settled_on_the_tip(), examined)

    def _ready(self, frozen: FrozenWork, judged: judge.Judgement, placing: PendingCompletion) -> ReadyCommit:
        """Build the commit. Hand edits of the PRD become a commit before it."""
        run, settled = self.run, self.settled
        if self.frozen.untracked:
            run.git.make_ref(self.space.kept, self.space.before.commit)
        run.note(judge.event(self.space.n, self.frozen, judged.verdict))
        parent = (
            judge.build_hand_edit(run, settled, self.task) if settled.by_hand and not run.apart else run.state.tip
        )
        commit = judge.build_commit(run, self.task, frozen, judged, placing, parent)
        scan = None if judged.evidence.gates or run.apart else self._final_scan(placing)
        proved = any(result.ok and not result.flaky for result in judged.evidence.gates)
        outcomes = {
            result.gate.command: result.outcome for result in judged.evidence.gates if result.ok and result.outcome
        }
        nothing = frozenset(run.state.without_tests)
        return ReadyCommit(commit, self.held, placing, nothing, proved, judged.levels, outcomes, scan)

    def _final_scan(self, placing: PendingCompletion) -> FinalScan:
        at, status = self.seen
        recorded = frozenset(change.path for change in self.frozen.changes) | placing.new.keys()
        return FinalScan(at, status, recorded, (self.space.wip, self.held))

    def _settled_on_the_tip(self) -> PrdOutcome:
        """Return the PRD outcome. In a worktree the PRD is the tip's: people edit another file."""
        if not self.run.apart:
            return self.settled
        fresh = prd.parse(self.run.editor.read(self.run.paths.prd) or b"", self.run.paths.prd)
        return PrdOutcome(fresh, self.settled.edit, by_hand=False)

    def set_aside(self, verdict: Verdict | None) -> Rejected:
        """Keep the work in its ref, roll the tree back, and decide the next move."""
        run, task, space = self.run, self.task, self.space
        if verdict is not None:
            run.note(judge.event(space.n, self.frozen, verdict))
        move, same, tree = self._decided(verdict)
        workspace.roll_back(run.git, space, self.frozen, frozenset({run.paths.prd}))
        if self.settled.by_hand:
            subject = f"docs(prd): changed while {one_line(task.id, 40)} ran"
            prd_file.commit_hand_edit(run, self.settled.prd.data, subject)
        if verdict is not None or task.id not in run.state.failures:
            run.state.failures[task.id] = (verdict.findings if verdict else (), self.end)
        run.note(SetAside(
            space.n, task.id, move.reason, move.counted, self.held, same, move.kind.value, tree, move.when
        ))  # fmt: skip
        self.turn.report_failure(task.id, run.state.failures[task.id])
        return Rejected(move)

    def _decided(self, verdict: Verdict | None) -> tuple[Move, str, str]:
        """Return the move, the signature of the failure, and the tree of the work."""
        run, end = self.run, self.end
        changed = self.leaves_work
        same, tree = policy.same(end, verdict, changed=changed), run.git.tree_of(self.frozen.work)
        counts = recovery.counts(run, self.task, end, tree, same, verdict)
        cure = run.worker(self.task).agent.CURE
        move = policy.move(end, changed=changed, verdict=verdict, counts=counts, cure=cure, now=time.time())
        return move, same, tree
