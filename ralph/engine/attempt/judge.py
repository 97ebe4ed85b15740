"""Judge what an attempt left, with the project's own gates, and build the commit of what is accepted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from ralph import paths as sensitive
from ralph.agents import sandbox
from ralph.agents.model import Stopped
from ralph.engine import commit as record
from ralph.engine import gate_selection
from ralph.engine.attempt import base_checks
from ralph.engine.attempt.completion import PendingCompletion, merged, place, take_out
from ralph.engine.attempt.criteria import confirm, open_criteria
from ralph.engine.attempt.gates import confirmed, gates_on_the_index, take_back_writes
from ralph.engine.attempt.prd_edits import PrdOutcome, untick_after_gates
from ralph.engine.attempt.run_agent import protected
from ralph.engine.context import RunContext
from ralph.engine.tick_proofs import parent_levels
from ralph.errors import RalphError
from ralph.git import restore as undo
from ralph.git.client import Git
from ralph.git.freeze import FrozenWork, config_changed
from ralph.git.index import keep_index, lend_index, write_tree
from ralph.git.model import Change
from ralph.git.workspace import Workspace
from ralph.immutable import immutable
from ralph.prd.model import Criterion, Task, id_prefix
from ralph.state.attempt import CHECK
from ralph.state.events import Judged
from ralph.text import clean, mask, one_line
from ralph.verify import added_content as added_content_rules
from ralph.verify import floor, levels, strength, thin_work
from ralph.verify import gate_config as guarded
from ralph.verify import rules as verdict
from ralph.verify.added_content import Added
from ralph.verify.model import Evidence, Finding, FindingKind, Gate, GateResult, Rules, Verdict
from ralph.verify.strength import Strength

FORMATS = re.compile(
    r"--fix\b|--write\b|(?<![-\w])format\b(?! --check)|\bfmt\b|\bgofmt -w|\bblack\b|\bprettier\b|pre-commit"
    r"|rustfmt|--update-?snapshots?"
)
MOST_FILES = 300  # changed files: work on more is not read
LARGEST = 500_000  # bytes of a changed file that is read
FILE_MODES = frozenset({"000000", "100644", "100755"})


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
        evidence, tree = _with_gates(run, space, evidence, rules, examined.commands, placing)
        final = verdict.judge(evidence, rules)
        if final.accepted and run.settings.review_with and frozen.changes:
            findings, met = _reviewed(run, space, task, frozen, evidence, placing)
            final = Verdict((*final.findings, *findings))
        proof = _strength(run, evidence, rules, final, placing)
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
    run: RunContext, evidence: Evidence, rules: Rules, final: Verdict, placing: PendingCompletion
) -> Strength:
    """Return how strongly the attempt is proven, if it is accepted, and the parents that it completes."""
    place = "fresh" if run.settings.gates_in == "clean" else "worktree" if run.apart else "checkout"
    boxed = "yes" if sandbox.wanted(run.settings.sandbox) else "no"
    reviewer = run.settings.review_with if evidence.changes else ""
    proof = strength.strength(evidence, rules, final, strength.Circumstances(place, boxed, reviewer))
    parents = parent_levels(run, placing.document, placing.task.id, proof.level, placing.also)
    return replace(proof, parents=parents)


def _too_weak(proof: Strength, rules: Rules) -> Finding:
    cure = "Look at the work: `ralph review` shows it."
    return Finding(FindingKind.WEAK, f"Its proof is `{proof.level}`, and `{rules.required}` is required. {cure}")


def files_name(run: RunContext, task: Task, path: str) -> bool:
    """Whether the task's Files name a path."""
    return bool(task.fields.files) and sensitive.matches(run.patterns(task.fields.files), path)


def rules_for(run: RunContext, task: Task, commands: Sequence[Gate], base: str, changes: Sequence[Change]) -> Rules:
    """What this attempt is held against: all of it read from the base."""
    closures = [gate_selection.code_of(run, gate.command) for gate in commands]
    files = thin_work.named_files(task.text)
    tracked = run.git.tracked(run.state.tip, files)
    return Rules(
        scope=run.patterns(task.fields.files),
        protected=protected(run, task),
        prd=run.paths.prd,
        memory=run.paths.memory,
        text=f"{task.text}\n{task.body}",
        tracked=frozenset().union(*(closure.scripts for closure in closures)),
        read_by_gates=frozenset().union(*(closure.data for closure in closures)),
        baseline=run.state.red_at_start,
        standing=frozenset(gate.command for gate in run.state.gates if gate.command not in run.state.without_tests),
        checks=frozenset(task.fields.checks),
        strict=run.settings.strict,
        proving_checks=base_checks.red_checks(run, task, base),
        tests_touched=frozenset(change.path for change in changes if sensitive.is_test(change.path)),
        required=task.fields.proof or run.settings.require_proof,
        missing=tuple(path for path in files if path not in tracked),
        floors=run.state.floors,
        known_failures=run.state.known_failures,
        may_change_tests=run.control.accepts(task.id),
        only_checked=run.state.history.current is not None and run.state.history.current.purpose == CHECK,
    )


def gather(run: RunContext, space: Workspace, task: Task, frozen: FrozenWork, settled: PrdOutcome, stopped: Stopped,
           base_memory: bytes | None) -> Evidence:  # fmt: skip
    """Everything but the gates."""
    left = run.editor.read(run.paths.memory) if run.paths.memory else None
    changed = left != base_memory
    own = run.paths.memory in task.fields.files
    dropped = merged(run, base_memory, left)[1] if changed and not own else ()
    contents = contents_of(run.git, frozen.changes)
    configs = [change for change in frozen.changes if guarded.is_gate_config(change.path)]
    return Evidence(
        base=space.before.base,
        work=frozen.work,
        stopped=stopped,
        changes=frozen.changes,
        commits=frozen.commits,
        prd=settled.edit,
        memory_changed=changed,
        memory_dropped=dropped,
        rewritten=frozen.rewritten,
        hidden=frozen.hidden,
        obstacles=frozen.obstacles,
        config=frozen.config,
        refs=frozen.refs,
        untracked=frozen.untracked,
        stash=frozen.stash,
        texts={c.path: (run.git.blob(_id(c.old_blob)), run.git.blob(_id(c.new_blob))) for c in configs},
        contents=contents,
        added=added_content(run, frozen.changes, contents),
        earlier=_earlier(run),
    )


def _id(blob: str) -> str:
    return blob if blob.strip("0") else ""


def contents_of(git: Git, changes: Sequence[Change]) -> dict[str, tuple[bytes, bytes]]:
    """Return the contents of changed files before and after, without large files and without links."""
    if len(changes) > MOST_FILES:
        return {}
    wanted = [change for change in changes if {change.old_mode, change.new_mode} <= FILE_MODES]
    blobs = git.small_blobs(
        [_id(blob) for change in wanted for blob in (change.old_blob, change.new_blob)], LARGEST
    )
    return {
        change.path: (blobs[_id(change.old_blob)], blobs[_id(change.new_blob)])
        for change in wanted
        if _id(change.old_blob) in blobs and _id(change.new_blob) in blobs
    }


def added_content(
    run: RunContext, changes: Sequence[Change], contents: Mapping[str, tuple[bytes, bytes]]
) -> tuple[Added, ...]:
    """Return the secrets, core dumps, large files and links that the work adds."""
    sizes = run.git.blob_sizes(_id(change.new_blob) for change in changes)
    by_path = {change.path: sizes.get(_id(change.new_blob), 0) for change in changes}
    targets = {change.path: run.git.blob(_id(change.new_blob)) for change in changes
               if change.new_mode == added_content_rules.LINK}  # fmt: skip
    known = [value for value in run.secrets if any(value.encode() in new for _, new in contents.values())]
    in_base = [value for value in known if run.git.holds(run.state.tip, value)]
    secrets = (
        one for path, pair in contents.items() for one in added_content_rules.secrets(path, pair, known, in_base)
    )
    return (
        *secrets,
        *added_content_rules.files(changes, by_path, run.settings.max_file_size),
        *added_content_rules.links(changes, targets),
    )


def _earlier(run: RunContext) -> tuple[tuple[Change, ...], ...]:
    """Return the changes of this run's last commits, without PRD and memory file."""
    if not run.state.accepted:
        return ()
    words = ("rev-list", "--first-parent", "-n", "20", "-F", "--all-match",
             f"--grep=Ralph-Run: {run.id}", "--grep=Ralph-Task: ", run.state.tip)  # fmt: skip
    commits = run.git.repo(*words).decode().split()
    own = frozenset(run.paths.both)
    return tuple(
        tuple(change for change in run.git.changes(f"{commit}^", commit) if change.path not in own)
        for commit in commits
    )


# ---------------------------------------------------------------- gates


def _with_gates(run: RunContext, space: Workspace, evidence: Evidence, rules: Rules, commands: Sequence[Gate],
                placing: PendingCompletion) -> tuple[Evidence, str]:  # fmt: skip
    """Run the gates on the tree to be committed and, if the attempt changed tests, with the base's tests.

    Return the evidence and the tree, which is fixed before the first gate runs.
    """
    record.stage_papers(run.git, run.editor, placing.new)
    lend_index(run.git)
    tree = write_tree(run.git)
    if not commands:
        return evidence, tree
    results = gates_on_the_index(run, commands, space.n)
    wrote = _after_gates(run, space, placing, tree)
    results = _confirmed(run, space, results, rules, placing, tree)
    evidence = replace(evidence, gates=results, gate_wrote=wrote, gates_format=_gates_format(run, commands))
    restored = verdict.tests_to_restore(evidence, rules)
    if restored and not any(verdict.is_red(result, rules) for result in results):
        evidence = replace(evidence, base_tests=_with_base_tests(run, space, evidence, rules, commands, placing))
        keep_index(run.git, tree)
    config = config_changed(space.watched, run.git, space.watched.refs)
    return replace(evidence, config=tuple(dict.fromkeys((*evidence.config, *config)))), tree


def _with_base_tests(run: RunContext, space: Workspace, evidence: Evidence, rules: Rules, commands: Sequence[Gate],
                     placing: PendingCompletion) -> tuple[GateResult, ...]:  # fmt: skip
    """Run the gates with the base's versions of the tests that the attempt added, changed or removed."""
    restored = verdict.tests_to_restore(evidence, rules)
    changes = [change for change in evidence.changes if change.path in restored]
    undo.restore(run.git, changes)
    tree = write_tree(run.git)
    results = gates_on_the_index(run, commands, space.n, base_tests=True)
    _after_gates(run, space, placing, tree)
    results = _confirmed(run, space, results, rules, placing, tree)
    undo.restore(run.git, [change.backwards for change in changes])
    return results


def _gates_format(run: RunContext, commands: Sequence[Gate]) -> bool:
    """Return whether a gate rewrites files on purpose: a formatter, or a linter that repairs."""
    texts = [text for gate in commands for text in (gate.command, *gate_selection.code_of(run, gate.command).texts)]
    return any(FORMATS.search(text) for text in texts)


def _confirmed(run: RunContext, space: Workspace, results: Sequence[GateResult], rules: Rules,
               placing: PendingCompletion, tree: str) -> tuple[GateResult, ...]:  # fmt: skip
    """Run gates that are red, or that report less than before, once more on the same tree."""

    def is_doubtful(result: GateResult) -> bool:
        return verdict.is_red(result, rules) or (result.ok and bool(floor.shortfall(result, rules)))

    if not any(is_doubtful(result) for result in results):
        return tuple(results)
    final = confirmed(run, results, is_doubtful, space.n)
    _after_gates(run, space, placing, tree)
    return final


def _after_gates(run: RunContext, space: Workspace, placing: PendingCompletion, tree: str) -> tuple[str, ...]:
    """Take back what the gates wrote, into the index and the PRD, too. Return the paths."""
    if keep_index(run.git, tree):
        run.say("While the gates ran, ralph's own index was changed. It was built again.", loud=True)
    wrote = take_back_writes(run, space)
    untick_after_gates(run, placing.new[run.paths.prd])
    return wrote


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
