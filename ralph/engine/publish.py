"""Publish finished work: move ralph's branch once, then bring the checkout along."""

from __future__ import annotations

from collections.abc import Callable

from ralph.engine import commit as record
from ralph.engine.attempt.job import ReadyCommit
from ralph.engine.context import RunContext
from ralph.errors import Exit, RalphError
from ralph.git.fast_forward import fast_forward_checkout
from ralph.git.index import lend_index
from ralph.git.merge import merge_texts
from ralph.git.model import Change
from ralph.git.ref_names import short_name
from ralph.prd import document as prd
from ralph.prd.model import Prd
from ralph.state.events import Publishing, Recorded


def hold_tip(run: RunContext) -> None:
    """Raise RalphError, which stops the run, if another program moved the branch or switched the checkout."""
    head, commit = run.git.head()
    name = short_name(run.branch)
    if head != run.branch:
        there = short_name(head) or commit[:9]
        cure = f"Go back with `git switch {name}`, then run the same command again: it goes on from there."
        raise RalphError(f"the checkout was switched to {there} while agents worked", cure, code=Exit.STOPPED)
    if commit != run.tip:
        cure = f"Look at it with `git log {name}`. Where it is right, the same command goes on from there."
        what = f"{name} was moved from {run.tip[:9]} to {commit[:9]} while agents worked, and not by ralph"
        raise RalphError(what, cure, code=Exit.STOPPED)


def publish(run: RunContext, n: int, task: str, ready: ReadyCommit) -> None:
    """Move the branch with one compare-and-swap, bring the checkout along, note it."""
    old, placing = run.tip, ready.placing
    event = Publishing(n, ready.commit, old)
    record.publish(run.git, run.note, branch=run.branch, event=event, drop=[ready.held] if ready.held else [])
    run.tip = ready.commit
    run.memory = (ready.commit, placing.new.get(run.paths.memory)) if run.paths.memory else run.memory
    ticked = (task, *(parent.id for parent in placing.also))
    if run.git.beside:
        bring_checkout(run, old, ready.commit, lambda fresh: prd.with_boxes(fresh, ticked, done=True))
    else:  # the attempt worked in the checkout: only the index is behind
        lend_index(run.git)
    run.accepted += 1
    if scan := ready.scan:
        run.saw(scan.status, scan.at, new=scan.recorded, gone=scan.gone)
    run.failed.pop(task, None)
    run.note(Recorded(n, task, ready.commit, ticked[1:], ready.proved))
    run.control.forget(task)


def bring_checkout(
    run: RunContext, old: str, new: str, again: Callable[[Prd], Prd], *, cut_off: bool = False
) -> None:
    """The checkout goes from one commit to the next. What people changed in it stays; safe to repeat.

    `again` makes the change of the PRD on a version that somebody edited meanwhile. `cut_off`: it was begun before.
    """
    papers = {change.path: change for change in run.git.changes(old, new) if change.path in run.paths.both}
    kept = fast_forward_checkout(run.git, old, new, papers, cut_off=cut_off)
    run.git.beside = new
    for change in papers.values():
        _bring_paper(run, change, old, new, again)
    if kept:
        names = ", ".join(kept[:5]) + (", ..." if len(kept) > 5 else "")
        run.say(f"Changed in this checkout, so it stays as it is here: {names}", loud=True)


def _bring_paper(run: RunContext, change: Change, old: str, new: str, again: Callable[[Prd], Prd]) -> None:
    """PRD or memory file: the new text where nobody edited it, else the same change made to the edited one."""
    path = change.path
    before = run.git.checked_out(old, path) if change.status != "A" else None
    after = run.git.checked_out(new, path) if change.status != "D" else None

    def edit(found: bytes | None) -> bytes | None:
        if found in (before, after):
            return after
        if path == run.paths.prd:
            return _changed(run, found, again)
        return merge_texts(run.git, found or b"", before or b"", after or b"", union=True)[0]

    run.papers.edit(path, edit)
    if path == run.paths.prd:
        run.wrote = after or b""


def _changed(run: RunContext, found: bytes | None, again: Callable[[Prd], Prd]) -> bytes | None:
    try:
        return again(prd.parse(found or b"", run.paths.prd)).data
    except RalphError:
        return found  # a person is in the middle of an edit: the commit holds the change
