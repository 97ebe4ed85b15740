"""Judge what an attempt left, with the project's own gates, and build the commit of what is accepted."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from ralph.agents import sandbox
from ralph.agents.model import Stopped
from ralph.engine import commit as record
from ralph.engine import gate_selection
from ralph.engine.attempt.completion import PendingCompletion, place, take_out
from ralph.engine.attempt.criteria import confirm, open_criteria
from ralph.engine.attempt.evidence import gather, rules_for
from ralph.engine.attempt.gate_runs import GateRuns
from ralph.engine.attempt.gates import take_back_writes
from ralph.engine.attempt.prd_edits import PrdOutcome, untick_after_gates
from ralph.engine.context import RunContext
from ralph.engine.tick_proofs import parent_levels
from ralph.errors import RalphError
from ralph.git.freeze import FrozenWork
from ralph.git.workspace import Workspace
from ralph.immutable import immutable
from ralph.prd.model import Criterion, Task, id_prefix
from ralph.state.events import Judged
from ralph.text import clean, mask, one_line
from ralph.verify import levels, strength
from ralph.verify import rules as verdict
from ralph.verify.model import Evidence, Finding, FindingKind, Gate, Rules, Verdict
from ralph.verify.strength import Strength


@immutable
class Judgement:
    """The verdict; `placing` is set where it accepts: PRD and memory file are then in place."""

    verdict: Verdict
    evidence: Evidence
    placing: PendingCompletion | None = None
    tree: str = ""  # the tree that the gates saw
    proof: Strength | None = None

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels of the task and of the parents that are ticked with it."""
        return (self.proof.level, *self.proof.parents) if self.proof else ("",)


@immutable
class Examination:
    """The evidence and the rules of an attempt, and what the rules say that need no gate."""

    commands: tuple[Gate, ...]
    rules: Rules
    evidence: Evidence
    base_memory: bytes | None
    verdict: Verdict  # a rejection is final, an acceptance is not


def examine(
    run: RunContext, space: Workspace, task: Task, frozen: FrozenWork, settled: PrdOutcome, stopped: Stopped
) -> Examination:
    """Gather the evidence, and apply the rules that cost nothing."""
    commands, base_memory = gate_selection.gates_for(run, task), run.base_memory()
    rules = rules_for(run, task, commands, space.before.base, frozen.changes)
    evidence = gather(run, space, task, frozen, settled, stopped, base_memory)
    return Examination(commands, rules, evidence, base_memory, verdict.before_gates(evidence, rules))


def judge(
    run: RunContext, space: Workspace, task: Task, frozen: FrozenWork, settled: PrdOutcome, examined: Examination
) -> Judgement:
    """Run the gates on exactly what would be recorded, then the reviewer."""
    rules, evidence = examined.rules, examined.evidence
    if not examined.verdict.accepted:
        return Judgement(examined.verdict, evidence)
    placing = place(run, space.n, task, settled, examined.base_memory, _log_entry(task))
    if placing is None:
        gone = Finding(FindingKind.GONE, f"Its task is gone from {run.paths.prd}: nothing is ticked.")
        return Judgement(Verdict((gone,)), evidence)
    met: tuple[Criterion, ...] = ()
    try:
        evidence, tree = GateRuns(run, space, rules, examined.commands, placing).gathered(evidence)
        final = verdict.judge(evidence, rules)
        if final.accepted and run.settings.review_with and frozen.changes:
            findings, met = _reviewed(run, space, task, frozen, evidence, placing)
            final = Verdict((*final.findings, *findings))
        proof = _strength(run, task, evidence, rules, final, placing)
        if final.accepted and not levels.reaches(proof.level, rules.required):
            final = Verdict((*final.findings, _too_weak(proof, rules)))
    except RalphError:
        take_out(run, placing)
        raise
    if final.accepted:
        return Judgement(final, evidence, confirm(run, task, placing, evidence.gates, met), tree, proof)
    take_out(run, placing)
    return Judgement(final, evidence)


def _strength(
    run: RunContext, task: Task, evidence: Evidence, rules: Rules, final: Verdict, placing: PendingCompletion
) -> Strength:
    """Return how strongly the attempt is proven, if it is accepted, and the parents that it completes."""
    place = "fresh" if run.settings.gates_in == "clean" else "shared" if run.apart else "checkout"
    boxed = "yes" if sandbox.wanted(run.settings.sandbox) else "no"
    reviewer = run.settings.review_with if evidence.changes else ""
    proof = strength.strength(evidence, rules, final, strength.Circumstances(place, boxed, reviewer))
    if not task.leaf:
        below = parent_levels(run, placing.document, "", "", (placing.task,))[0]
        weakest = levels.weakest((below, proof.level) if evidence.changes else (below,))
        proof = replace(proof, level=levels.Level(weakest or levels.Level.NONE))
    parents = parent_levels(run, placing.document, placing.task.id, proof.level, placing.also)
    return replace(proof, parents=parents)


def _too_weak(proof: Strength, rules: Rules) -> Finding:
    cure = "Look at the work: `ralph review` shows it."
    return Finding(FindingKind.WEAK, f"Its proof is `{proof.level}`, and `{rules.required}` is required. {cure}")


def _reviewed(
    run: RunContext,
    space: Workspace,
    task: Task,
    frozen: FrozenWork,
    evidence: Evidence,
    placing: PendingCompletion,
) -> tuple[list[Finding], tuple[Criterion, ...]]:
    """What a second agent has against it, and which criteria it confirms. It can only read; what it wrote all
    the same is taken back."""
    from ralph.engine.attempt import review as reviewing

    try:
        return reviewing.review_work(run, space, task, frozen, evidence.gates, open_criteria(run, task, placing))
    finally:
        take_back_writes(run, space)
        untick_after_gates(run, placing.new[run.paths.prd])


# ---------------------------------------------------------------- the commit


def build_commit(
    run: RunContext, task: Task, frozen: FrozenWork, judged: Judgement, placing: PendingCompletion, parent: str
) -> str:
    """The finished commit; no ref moves. The index holds the work with PRD and memory file in place."""

    def message(tree: str) -> record.CommitMessage:
        trailers = [("Ralph-Task", _trailer(other_task.id)) for other_task in (task, *placing.also)]
        trailers += [
            ("Ralph-Run", run.id),
            ("Ralph-Attempt", str(run.state.history.tallies[task.id].tried + 1)),
            ("Ralph-Agent", run.worker(task).name if frozen.changes else "none"),
            ("Ralph-Gates", gates_trailer(judged)),
            ("Ralph-Tree", tree),
            *([("Ralph-Proof", str(judged.proof))] if judged.proof else ()),
            *([("Ralph-Review", f"accepted by {run.settings.review_with}")] if _was_reviewed(run, frozen) else ()),
        ]
        commits = [replace(commit, body=mask(clean(commit.body), run.secrets)) for commit in frozen.commits]
        return record.CommitMessage(run.subject(task), trailers, commits)

    return record.build_task(run.git, judged.tree, parent, placing.new, message)


def _was_reviewed(run: RunContext, frozen: FrozenWork) -> bool:
    return bool(run.settings.review_with and frozen.changes)


def gates_trailer(judged: Judgement) -> str:
    """The gates that proved it, or `none`; and what the task was allowed to change of them."""
    proved = [one_line(clean(result.gate.command), 120) for result in judged.evidence.gates
              if result.ok and not result.flaky]  # fmt: skip
    excused = [one_line(clean(result.gate.command), 120) + " (red before)" for result in judged.evidence.gates
               if not result.ok and not result.none]  # fmt: skip
    excused += [one_line(clean(result.gate.command), 120) + " (flaky)" for result in judged.evidence.gates
                if result.ok and result.flaky]  # fmt: skip
    allowed = [
        one_line(f.text, 160) for f in judged.verdict.findings if f.what is FindingKind.GATE_FILES and not f.rejects
    ]
    return "; ".join((*(proved or (["none"] if not excused else [])), *excused, *allowed))


def _trailer(text: str) -> str:
    return one_line(clean(text), 120)


def _log_entry(task: Task) -> str:
    day = datetime.now().astimezone().strftime("%Y-%m-%d")
    text = one_line(clean(task.text), 120)
    return f"{day} {id_prefix(task, text)}{text}"


def build_hand_edit(run: RunContext, settled: PrdOutcome, task: Task) -> str:
    """A commit before the task's: what people changed in the PRD while it ran."""
    return record.build_paper(
        run.git,
        tip=run.state.tip,
        path=run.paths.prd,
        content=settled.prd.data,
        message=f"docs(prd): changed while {_trailer(task.id)} ran\n",
    )


def event(n: int, frozen: FrozenWork, verdict: Verdict) -> Judged:
    findings = tuple((finding.what.value, finding.text, finding.rejects) for finding in verdict.findings)
    return Judged(n, verdict.accepted, frozen.work, findings)
