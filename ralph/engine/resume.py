"""Recovery of an interrupted run: finish publications, judge finished attempts, set aside the rest.

The table in `state.attempt` lists what each state needs. Each step may be interrupted and repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from ralph.agents.model import Signal, SignalKind, Stopped, StopReason
from ralph.engine import commit as record
from ralph.engine import gate_selection
from ralph.engine import recovery_policy as recovery
from ralph.engine.attempt import ignored_files, prd_edits, stash
from ralph.engine.attempt.attempt import finish
from ralph.engine.attempt.job import AttemptOutcome, OnlyTurn, ReadyCommit, Rejected, Turn
from ralph.engine.attempt.usage import recount, recount_review
from ralph.engine.context import RunContext
from ralph.engine.publish import bring_checkout, publish
from ralph.errors import Exit, RalphError
from ralph.git import restore as undo
from ralph.git import workspace
from ralph.git.freeze import FrozenWork, RepoFingerprint, freeze, watch
from ralph.git.ignored import put_back
from ralph.git.index import Snapshot, Stat, fill, refresh, scan, split_zero, stage, stat_files, write_tree
from ralph.git.ref_names import scratch
from ralph.git.workspace import Workspace
from ralph.prd import document as prd
from ralph.prd.model import Prd, Task
from ralph.process import command as proc
from ralph.state.attempt import CHECK, Attempt, State
from ralph.state.events import AgentStopped, Moved, Publishing, Recorded, Reviewed, SetAside
from ralph.state.history import TaskStats
from ralph.text import one_line
from ralph.verify import levels
from ralph.verify.proof import passed

REPAIR = 30.0  # seconds after the last sign of life: later changes are a person's repair
ROUNDS = 2  # removing an ignore file reveals what it hid
UNKNOWN: Stat = (-1, -1, -1, 0o100644)


def finish_move(run: RunContext, event: Publishing) -> None:
    """Finish the publication of a commit outside an attempt (a parked task, a hand edit)."""
    if not _published(run, event):
        return
    if run.git.beside:
        bring_checkout(run, event.parent, event.commit, lambda fresh: fresh, cut_off=True)
        run.note(Moved("finished what was being published", event.commit))
        return
    for path, old, _ in event.files:
        content = run.editor.read(path)
        if content is not None and run.git.put(path, content) == old:  # not updated yet
            run.editor.swap(path, content, run.git.blob(f"{event.commit}:{path}"))
    _forget_index(run)
    run.note(Moved("finished what was being published", event.commit))


def finish_recording(run: RunContext, current: Attempt) -> bool:
    """Finish the publication of an accepted task. Return False if that is no longer possible."""
    event = current.publishing
    if event is None or not _published(run, event):
        return False
    held = f"refs/ralph/{current.run}/{current.n}/"
    run.git.update_refs(*(f"delete {name}" for name in run.git.refs() if name.startswith(held)))
    _forget_index(run)
    tasks = run.git.trailers(event.commit, "Ralph-Task")
    _note_recorded(run, current, event.commit, tasks)
    return True


def _note_recorded(run: RunContext, current: Attempt, commit: str, tasks: tuple[str, ...]) -> None:
    also = tuple(task for task in tasks if task != current.task)
    proved = passed("; ".join(run.git.trailers(commit, "Ralph-Gates")))
    value = "; ".join(run.git.trailers(commit, "Ralph-Proof"))
    run.note(Recorded(
        current.n, current.task, commit, also, proved, levels.of_trailer(value), levels.of_parents(value)
    ))  # fmt: skip


def _published(run: RunContext, event: Publishing) -> bool:
    now = run.git.sha(run.state.branch)
    if now == event.parent:
        run.git.update_refs(f"update {run.state.branch} {event.commit} {event.parent}")
        now = event.commit
    run.state.tip = now
    return now == event.commit or run.git.is_ancestor(event.commit, now)


def _forget_index(run: RunContext) -> None:
    undo.clear_locks(run.git)
    fill(run.git, run.state.tip)
    refresh(run.git)
    record.settle_index(run.git, run.state.tip)


def finish_apart(run: RunContext, current: Attempt) -> None:
    """End the processes of an attempt in a worktree, and finish its publication. The pool resumes the rest."""
    run.say(f"The last run was cut off in attempt {current.n} ({one_line(current.text, 60)}): {current.state}.")
    proc.end_tree(*current.child)
    proc.end_tree(current.pid, current.started)
    event = current.publishing
    clear_locks(run, current)
    fill(run.git, event.parent if event else run.state.tip)
    refresh(run.git)
    if event is None or not _published(run, event):
        return
    tasks = run.git.trailers(event.commit, "Ralph-Task")
    again = partial(prd.with_boxes, ids=tasks, done=True)
    bring_checkout(run, event.parent, event.commit, again, cut_off=True)
    held = f"refs/ralph/{current.run}/{current.n}/work"
    run.git.update_refs(*([f"delete {held}"] if held in run.git.refs() else []))
    _note_recorded(run, current, event.commit, tasks)


def clear_locks(run: RunContext, current: Attempt) -> None:
    """Remove locks of a killed git on the index and on the refs of this attempt."""
    held = (f"refs/ralph/{current.run}/{current.n}/{name}" for name in ("before", "work", "gates", "stash"))
    branch = () if run.apart else (run.state.branch,)
    undo.clear_locks(run.git, [*branch, scratch(current.run, current.n), *held])


def undo_choice(run: RunContext, current: Attempt) -> None:
    """Undo an attempt without a started agent: only its refs exist."""
    refs = run.git.refs()
    run.git.point_head(run.stands_on or run.state.tip)
    held = f"refs/ralph/{current.run}/{current.n}"
    ours = (scratch(current.run, current.n), f"{held}/before", f"{held}/stash")
    run.git.update_refs(*(f"delete {name}" for name in ours if name in refs))
    run.note(SetAside(current.n, current.task, "interrupted before the agent started", counted=False))


def workspace_of(run: RunContext, current: Attempt) -> tuple[Workspace, Prd, Task | None]:
    """Return the workspace, the PRD at the attempt's start and the task in it, from journal and git.

    The task is None if that PRD does not hold it.
    """
    start = prd.parse(run.git.blob(f"{current.base}:{run.paths.prd}"), run.paths.prd)
    task = next((task for task in start.tasks if task.id == current.task), None)
    refs = run.git.refs()
    before = _before(run, current)
    own = {} if run.apart else {run.state.branch: current.base}
    watched = RepoFingerprint({**refs, **own}, watch(run.git, refs).files)
    space = Workspace(current.n, current.run, run.stands_on, before, watched)
    return replace(space, stash=stash.at_recovery(run, space.ref, space.wip)), start, task


def _before(run: RunContext, current: Attempt) -> Snapshot:
    """Return the snapshot before the attempt. Unchanged untracked files get their current stat data."""
    saved = tuple(change.path for change in run.git.changes(current.base, current.before))
    fill(run.git, current.before)
    refresh(run.git)
    changed = set(split_zero(run.git.tree("diff-files", "--name-only", "-z")))
    now = stat_files(run.root, (*saved, *current.unsaved))
    untracked: Mapping[str, Stat] = {
        path: UNKNOWN if path in changed or path not in now else now[path] for path in (*saved, *current.unsaved)
    }
    fill(run.git, current.base)
    tree = run.git.tree_of(current.before)
    return Snapshot(current.base, current.before, tree, untracked, current.unsaved)


def back_to_work(run: RunContext, space: Workspace, start: Prd, placed: tuple[str, ...]) -> list[str] | None:
    """Make the tree equal to the frozen work again: gates may have written since.

    Return the tips of the agent's commits, or None if nothing was frozen. Hold the differences by a ref, and remove
    the content that ralph had `placed`.
    """
    if run.paths.prd in placed:
        prd_edits.untick(run, start)
    work = run.git.sha(f"{space.ref}/work")
    if not work:
        return None if run.git.sha(space.wip) else []
    fill(run.git, work)
    refresh(run.git)
    now = scan(run.git)
    stage(run.git, {*now.changed, *placed})
    tree = write_tree(run.git)
    wrote = [change for change in run.git.changes(work, tree) if change.path != run.paths.prd]
    if wrote:
        held = run.git.commit(tree, [work], f"what was written after attempt {space.n} was frozen")
        run.git.update_refs(f"update {space.ref}/gates {held}")
        undo.restore(run.git, wrote)
    fill(run.git, space.before.base)
    return run.git.tree("rev-list", "--parents", "-1", work).decode().split()[2:]


def as_frozen(run: RunContext, space: Workspace) -> list[str] | None:
    """Restore the frozen files in a worktree, which a rebase may have changed. Return as `back_to_work`."""
    git, work = run.git, run.git.sha(f"{space.ref}/work")
    if not work and git.sha(space.wip):
        return None  # not frozen: it is as the agent left it
    tips = git.tree("rev-list", "--parents", "-1", work).decode().split()[2:] if work else []
    work = work or space.before.commit
    for _ in range(ROUNDS):
        fill(git, work)
        refresh(git)
        stage(git, scan(git).paths)
        undo.restore(git, git.changes(work, write_tree(git)))
    fill(git, space.before.base)
    return tips


def refuse_later_repairs(run: RunContext, current: Attempt) -> None:
    """Raise RalphError if files changed more than REPAIR seconds after the last sign of life: a person's work."""
    if run.settings.resume:
        return
    now = scan(run.git)
    later = [
        path
        for path, (_, time, _, _) in stat_files(run.root, now.paths).items()
        if time / 1e9 > current.time + REPAIR
    ]
    if later:
        raise RalphError(
            f"the last run was cut off while an agent worked, and files changed since: {', '.join(later[:10])}",
            "If that is the agent's work: `ralph resume --set-aside` keeps it in a ref and makes the tree as "
            "before. If it is yours: `ralph resume --keep` leaves the files as they are.",
            code=Exit.REFUSED,
        )


def abandon(run: RunContext, space: Workspace, current: Attempt, start: Prd, task: Task | None) -> None:
    """Set aside an attempt that was interrupted while its agent worked: hold the work by a ref and roll back."""
    now = scan(run.git)
    frozen = freeze(run.git, space.before, now, run.paths, ours=space.ours, watched=space.watched,
                    named=lambda _: False, message=f"work of attempt {current.n}, which was cut off",
                    ignored=ignored_files.examine_ignored(run, current.n, now))  # fmt: skip
    held = workspace.leave(run.git, space, frozen, now.refs, run.state.tip)
    stash.settle_stash(run, space, current.task, frozen)
    if run.settings.resume == "keep":
        run.say(f"The files of attempt {current.n} stay as they are; they are also held by {held or 'no ref'}.")
    else:
        _settle_and_undo(run, space, frozen, start, task)
    tally = run.state.history.tallies.get(current.task, TaskStats())
    counted = tally.uncounted + 1 >= recovery.PATIENCE
    spent = recount(run, current)
    run.note(SetAside(
        current.n, current.task, "interrupted", counted=counted, work=held,
        tokens=spent.tokens, cost=spent.cost, about=spent.about,
    ))  # fmt: skip


def count_review(run: RunContext, current: Attempt) -> None:
    """Journal the usage of an interrupted review. The review runs again."""
    spent = recount_review(run, current)
    if spent.tokens:
        run.note(Reviewed(
            current.n, run.settings.review_with, None, "It was cut off.", 0.0, spent.tokens, spent.cost, spent.about
        ))  # fmt: skip


def _settle_and_undo(run: RunContext, space: Workspace, frozen: FrozenWork, start: Prd, task: Task | None) -> None:
    if task is not None:
        prd_edits.settle(run, start, task, Stopped(StopReason.LOST), frozen)
    workspace.roll_back(run.git, space, frozen, frozenset({run.paths.prd}))


def stopped_of(event: AgentStopped) -> Stopped:
    """Return the agent's end from its journal event."""
    failure = None
    if event.failure:
        failure = Signal(SignalKind(event.failure), event.message, resets_at=event.resets_at)
    return replace(
        Stopped(StopReason(event.why), event.code, event.seconds, event.ended, failure, event.tokens, event.cost),
        said=event.said, tail=event.tail, actions=event.actions, wrote=event.names, output=event.output,
        about=event.about,
    )  # fmt: skip


def recover(run: RunContext) -> None:
    """Finish or set aside the attempts of a killed run."""
    if run.state.history.publishing is not None:
        finish_move(run, run.state.history.publishing)
    for current in list(run.state.history.running.values()):
        if current.place:
            finish_apart(run, current)
        else:
            _recover(run, current)
            record.settle_index(run.git, run.state.tip)  # hand edits may have been committed before the kill


def _recover(run: RunContext, current: Attempt) -> None:
    """Recover an attempt in the checkout."""
    run.say(f"The last run was cut off in attempt {current.n} ({one_line(current.text, 60)}): {current.state}.")
    proc.end_tree(current.pid, current.started)
    proc.end_leftovers(current.run)
    undo.refuse_gone(run.git)
    clear_locks(run, current)
    if current.state is State.JUDGED and finish_recording(run, current):
        return
    outcome = take_up(run, current, OnlyTurn(run))
    if isinstance(outcome, ReadyCommit):
        publish(run, current.n, current.task, outcome)


def take_up(run: RunContext, current: Attempt, turn: Turn) -> AttemptOutcome:
    """Judge the finished work of an interrupted attempt, or keep its unfinished work in a ref."""
    proc.end_tree(current.pid, current.started)
    clear_locks(run, current)
    put_back(run.git)
    if current.state is State.CHOSEN or (current.state is State.PREPARED and not current.carried):
        undo_choice(run, current)
        return Rejected()
    space, start, task = workspace_of(run, current)
    run.state.reading.prd, run.state.reading.data = start, start.data
    if task is None or current.stopped is None or current.purpose not in ("", CHECK):
        if not run.apart:
            refuse_later_repairs(run, current)
        abandon(run, space, current, start, task)
        return Rejected()
    gate_selection.look_again(run)
    count_review(run, current)
    tips = as_frozen(run, space) if run.apart else back_to_work(run, space, start, current.placed)
    return finish(run, space, task, start, stopped_of(current.stopped), turn, tips)
