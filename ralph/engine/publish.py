"""Publish finished work: move ralph's branch once, then update the checkout."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    """Raise RalphError (exit 3) if another program moved the branch or switched the checkout."""
    head, commit = run.git.head()
    name = short_name(run.state.branch)
    if head != run.state.branch:
        current = short_name(head) or commit[:9]
        cure = f"Go back with `git switch {name}`, then run the same command again: it goes on from there."
        raise RalphError(f"the checkout was switched to {current} while agents worked", cure, code=Exit.STOPPED)
    if commit != run.state.tip:
        cure = f"Look at it with `git log {name}`. Where it is right, the same command goes on from there."
        message = f"{name} was moved from {run.state.tip[:9]} to {commit[:9]} while agents worked, and not by ralph"
        raise RalphError(message, cure, code=Exit.STOPPED)


def publish(run: RunContext, n: int, task: str, ready: ReadyCommit) -> None:
    """Move the branch by compare-and-swap, update the checkout and journal the event."""
    old, completion = run.state.tip, ready.placing
    event = Publishing(n, ready.commit, old)
    record.publish(run.git, run.note, branch=run.state.branch, event=event, drop=[ready.held] if ready.held else [])
    run.state.tip = ready.commit
    run.state.memory = (
        (ready.commit, completion.new.get(run.paths.memory)) if run.paths.memory else run.state.memory
    )
    ticked = (task, *(parent.id for parent in completion.also))
    if run.git.beside:
        bring_checkout(run, old, ready.commit, lambda fresh: prd.with_boxes(fresh, ticked, done=True))
    else:  # the attempt worked in the checkout: only the index is behind
        lend_index(run.git)
    run.state.accepted += 1
    if scan := ready.scan:
        run.state.keep_scan(scan.status, scan.at, new=scan.recorded, gone=scan.gone)
    run.state.failures.pop(task, None)
    run.note(Recorded(n, task, ready.commit, ticked[1:], ready.proved, *recorded_levels(ready.levels)))
    run.control.forget(task)
    run.state.confirmed -= {task}


def recorded_levels(found: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return (level of the task, levels of its parents) as `Recorded` holds them: plain strings."""
    first, *parents = map(str, found)
    return first, tuple(parents)


def bring_checkout(
    run: RunContext, old: str, new: str, again: Callable[[Prd], Prd], *, cut_off: bool = False
) -> None:
    """Update the checkout from one commit to the next. Keep what people changed in it. Safe to repeat.

    `again` applies the change of the PRD to an edited version. `cut_off`: an update was interrupted before.
    """
    papers = {change.path: change for change in run.git.changes(old, new) if change.path in run.paths.both}
    unchanged = fast_forward_checkout(run.git, old, new, papers, cut_off=cut_off)
    run.git.beside = new
    for change in papers.values():
        _bring_paper(run, change, old, new, again)
    if unchanged:
        names = ", ".join(unchanged[:5]) + (", ..." if len(unchanged) > 5 else "")
        run.say(f"Changed in this checkout, so it stays as it is here: {names}", loud=True)


def _bring_paper(run: RunContext, change: Change, old: str, new: str, again: Callable[[Prd], Prd]) -> None:
    """Update the PRD or memory file: the new text, or the same change applied to an edited version."""
    path = change.path
    before = run.git.checked_out(old, path) if change.status != "A" else None
    after = run.git.checked_out(new, path) if change.status != "D" else None

    def edit(content: bytes | None) -> bytes | None:
        if content in (before, after):
            return after
        if path == run.paths.prd:
            return _changed(run, content, again)
        return merge_texts(run.git, content or b"", before or b"", after or b"", union=True)[0]

    run.editor.edit(path, edit)
    if path == run.paths.prd:
        run.state.reading.data = after or b""


def _changed(run: RunContext, content: bytes | None, again: Callable[[Prd], Prd]) -> bytes | None:
    try:
        return again(prd.parse(content or b"", run.paths.prd)).data
    except RalphError:
        return content  # an edit is in progress and not valid: the commit holds the change
