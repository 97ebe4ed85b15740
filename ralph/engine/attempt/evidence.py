"""The evidence of an attempt, gathered from its frozen commit, and the rules that it is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ralph import paths as sensitive
from ralph.agents.model import Stopped
from ralph.engine import gate_selection
from ralph.engine.attempt import base_checks
from ralph.engine.attempt.completion import merged
from ralph.engine.attempt.prd_edits import PrdOutcome
from ralph.engine.attempt.run_agent import protected
from ralph.engine.confirmations import is_confirmed
from ralph.engine.context import RunContext
from ralph.git.client import Git
from ralph.git.freeze import FrozenWork
from ralph.git.ignored import ignore_rules
from ralph.git.model import Change
from ralph.git.workspace import Workspace
from ralph.prd.model import Task
from ralph.state.attempt import CHECK
from ralph.verify import exceptions as named
from ralph.verify.content import added_content as added_content_rules
from ralph.verify.content import inline_tests, thin_work
from ralph.verify.content.added_content import Added
from ralph.verify.gate_code import gate_config as guarded
from ralph.verify.model import Evidence, Gate, Rules

MOST_FILES = 300  # changed files: work on more is not read
LARGEST = 500_000  # bytes of a changed file that is read
MOST_COMMITS = 50  # of the subtasks of a task
FILE_MODES = frozenset({"000000", "100644", "100755"})


def files_name(run: RunContext, task: Task, path: str) -> bool:
    """Whether the task's Files name a path."""
    return bool(task.fields.files) and sensitive.matches(run.patterns(task.fields.files), path)


def rules_for(run: RunContext, task: Task, commands: Sequence[Gate], base: str, changes: Sequence[Change]) -> Rules:
    """What this attempt is held against: all of it read from the base."""
    closures = [gate_selection.code_of(run, gate.command) for gate in commands]
    files = thin_work.named_files(task.text)
    tracked = run.git.tracked(run.state.tip, files)
    missing = tuple(path for path in files if path not in tracked)
    rules = Rules(
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
        missing=missing,
        subtasks_did_it=bool(task.fields.split) and not (task.leaf or missing) and _subtasks_worked(run, task),
        floors=run.state.floors,
        known_failures=run.state.known_failures,
        may_change_tests=is_confirmed(run, task.id),
        only_checked=run.state.history.current is not None and run.state.history.current.purpose == CHECK,
    )
    own = frozenset(path for path in rules.tests_touched if named.test_is_named(path, rules))
    return replace(rules, named_tests=own)


def _subtasks_worked(run: RunContext, task: Task) -> bool:
    """Return whether the commits of the subtasks hold more than documents, comments or nothing."""
    document = run.state.reading.prd
    ids = [child.id for child in document.tasks if child.parent == task.id] if document else []
    lines = (f"--grep=^Ralph-Task: {name.replace('.', '[.]')}$" for name in ids)  # T1, and not T10
    words = ("rev-list", "-n", str(MOST_COMMITS), *lines)
    commits = run.git.repo(*words, run.state.tip).decode().split() if ids else []
    own = frozenset(run.paths.both)
    changes = [change for commit in commits for change in run.git.changes(f"{commit}^", commit)
               if change.path not in own]  # fmt: skip
    return bool(changes) and thin_work.kind(changes, contents_of(run.git, changes), ()) is None


def gather(run: RunContext, space: Workspace, task: Task, frozen: FrozenWork, settled: PrdOutcome, stopped: Stopped,
           base_memory: bytes | None) -> Evidence:  # fmt: skip
    """Everything but the gates."""
    left = run.editor.read(run.paths.memory) if run.paths.memory else None
    changed = left != base_memory
    own = run.paths.memory in task.fields.files
    dropped = merged(run, base_memory, left)[1] if changed and not own else ()
    contents = contents_of(run.git, frozen.changes)
    configs = [change for change in frozen.changes if guarded.is_gate_config(change.path)]
    rules = ignore_rules(run.git, frozen.ignored.new) if frozen.ignored.new else {}
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
        ignored={path: rules.get(path.rstrip("/"), "") for path in frozen.ignored.new},
        protected_ignored=frozen.ignored.protected,
        programs=frozen.ignored.programs,
        hidden=frozen.hidden,
        obstacles=frozen.obstacles,
        config=frozen.config,
        refs=frozen.refs,
        untracked=frozen.untracked,
        kept=space.kept,
        stash=frozen.stash,
        texts={c.path: (run.git.blob(_id(c.old_blob)), run.git.blob(_id(c.new_blob))) for c in configs},
        contents=contents,
        added=added_content(run, frozen.changes, contents),
        earlier=_earlier(run),
        bent=_bent(run, task, contents),
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
        added
        for path, pair in contents.items()
        for added in added_content_rules.secrets(path, pair, known, in_base)
    )
    return (
        *secrets,
        *added_content_rules.files(changes, by_path, run.settings.max_file_size),
        *added_content_rules.links(changes, targets),
    )


def _bent(
    run: RunContext, task: Task, contents: Mapping[str, tuple[bytes, bytes]]
) -> Mapping[str, tuple[str, ...]]:
    """Return the changed expectations of tests in sources; of examples in document strings only if they are run."""
    found = inline_tests.bent(contents)
    if not any(inline_tests.is_doctest(line) for lines in found.values() for line in lines):
        return found
    commands = (*(gate.command for gate in run.state.gates), *task.fields.checks)
    if any("doctest" in command for command in commands) or run.git.holds(run.state.tip, "doctest"):
        return found
    kept = {
        path: tuple(line for line in lines if not inline_tests.is_doctest(line)) for path, lines in found.items()
    }
    return {path: lines for path, lines in kept.items() if lines}


def _earlier(run: RunContext) -> tuple[tuple[Change, ...], ...]:
    """Return the changes of this run's last commits, without PRD and memory file."""
    if not run.state.history.ticked:
        return ()
    words = ("rev-list", "--first-parent", "-n", "20", "-F", "--all-match",
             f"--grep=Ralph-Run: {run.id}", "--grep=Ralph-Task: ", run.state.tip)  # fmt: skip
    commits = run.git.repo(*words).decode().split()
    own = frozenset(run.paths.both)
    return tuple(
        tuple(change for change in run.git.changes(f"{commit}^", commit) if change.path not in own)
        for commit in commits
    )
