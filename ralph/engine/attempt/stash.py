"""The stash list during an attempt: put vanished entries back, and find stash content in the work."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from ralph.engine.context import RunContext
from ralph.git import restore as undo
from ralph.git import stash
from ralph.git.freeze import FrozenWork
from ralph.git.model import Change, StashChange, StashEntry, StashMatch
from ralph.git.ref_names import SCRATCH, scratch
from ralph.git.stash_match import match
from ralph.git.workspace import Workspace
from ralph.text import clean, one_line


def settle_stash(run: RunContext, space: Workspace, task: str, frozen: FrozenWork) -> FrozenWork:
    """Put vanished stash entries back, report new ones, and return the frozen work with the evidence.

    Safe to repeat: the ref that holds the entries is dropped last.
    """
    then, now = space.stash, stash.note(run.git)
    if not then.entries and then.signature is not None and then.signature == now.signature:
        return frozen
    change = _change(run, space, task, frozen, now)
    listed = stash.put_back(run.git, then.entries, change.gone)
    _hold(run, space, change)
    frozen = _untracked_back(run, space, frozen, change)
    _tell(run, task, change, listed)
    if then.entries:
        run.git.drop_ref(f"{space.ref}/stash")
    return replace(frozen, stash=change)


def at_recovery(run: RunContext, ref: str, wip: str) -> stash.StashList:
    """Return the list before an interrupted attempt: from its ref, or without the attempt's own entries."""
    held = stash.held(run.git, ref)
    if held is None:
        held = tuple(entry for entry in stash.stash_entries(run.git) if _branch(entry) != wip)
    return stash.StashList(held)


def _branch(entry: StashEntry) -> str:
    return f"refs/heads/{entry.branch}"


def _is_agents(entry: StashEntry) -> bool:
    """Whether the entry was made on the branch of an attempt."""
    return _branch(entry).startswith(SCRATCH)


def _change(run: RunContext, space: Workspace, task: str, frozen: FrozenWork, now: stash.StashList) -> StashChange:
    then = space.stash.entries
    known, listed = {entry.sha for entry in then}, {entry.sha for entry in now.entries}
    new = tuple(entry for entry in now.entries if entry.sha not in known)
    vanished = tuple(entry for entry in then if entry.sha not in listed)
    passed = _passed(run, space, now, known | listed)
    own = _own(run, space, task)
    others = [entry for entry in (*new, *passed) if _is_agents(entry) and _branch(entry) not in own]
    candidates = [*(entry for entry in then if _branch(entry) not in own), *others]
    return StashChange(
        new=tuple(entry for entry in new if not run.apart or _branch(entry) == space.wip),
        gone=tuple(entry for entry in vanished if _goes_back(run, entry)),
        lost=() if frozen.changes else tuple(entry for entry in passed if _branch(entry) == space.wip),
        matches=_matches(run, candidates, frozen.changes, listed),
    )


def _own(run: RunContext, space: Workspace, task: str) -> frozenset[str]:
    """Return the branches of this attempt and of earlier ones at the same task."""
    tally = run.state.history.tallies.get(task)
    return frozenset((space.wip, *(scratch(run.id, n) for n in (tally.numbers if tally else ()))))


def _goes_back(run: RunContext, entry: StashEntry) -> bool:
    """Whether ralph puts the entry back. Entries of other attempts in progress are theirs."""
    return not _is_agents(entry) or (not run.apart and _branch(entry).startswith(f"{SCRATCH}{run.id}-"))


def _passed(run: RunContext, space: Workspace, now: stash.StashList, known: set[str]) -> tuple[StashEntry, ...]:
    """Return entries that were made and dropped meanwhile: two agents in worktrees may pop each other's."""
    then = space.stash
    if not then.since or (now.signature is not None and now.signature == then.signature):
        return ()
    return stash.passing(run.git, then.since, known)


def _matches(
    run: RunContext, candidates: Sequence[StashEntry], changes: Sequence[Change], listed: set[str]
) -> tuple[StashMatch, ...]:
    if not changes or not candidates:
        return ()
    contents = stash.contents(run.git, candidates)
    matches = (
        match(entry, contents.get(entry.sha, ()), changes, run.git.blob, gone=entry.sha not in listed)
        for entry in candidates
    )
    return tuple(other_match for other_match in matches if other_match.paths)


def _hold(run: RunContext, space: Workspace, change: StashChange) -> None:
    """Hold unlisted entries by a ref if their content is in the work or lost."""
    back = {entry.sha for entry in change.gone}
    matter = [
        other_match.entry
        for other_match in change.matches
        if other_match.gone and other_match.entry.sha not in back
    ]
    for entry in (*matter, *change.lost):
        run.git.make_ref(f"refs/ralph/{space.run}/saved/stash/{entry.sha[:12]}", entry.sha)


def _untracked_back(run: RunContext, space: Workspace, frozen: FrozenWork, change: StashChange) -> FrozenWork:
    """Restore untracked files that `git stash -u` moved into a new entry. Return the work without them."""
    missing = {path for path in frozen.untracked if not os.path.lexists(run.root / path)} - {*space.before.unsaved}
    if run.apart or not missing or not change.new:
        return frozen
    stashed = {path: new for files in stash.contents(run.git, change.new).values() for path, _, new in files}
    back = [
        other_change
        for other_change in frozen.left
        if other_change.path in missing and stashed.get(other_change.path) == other_change.old_blob
    ]
    if back:
        undo.restore(run.git, back)
        undo.restore_untracked(run.git, space.before)
    names = {other_change.path for other_change in back}
    return replace(frozen, untracked=tuple(path for path in frozen.untracked if path not in names))


# ---------------------------------------------------------------- messages


def _tell(run: RunContext, task: str, change: StashChange, listed: Sequence[StashEntry]) -> None:
    if change.gone:
        entries = "1 entry" if len(change.gone) == 1 else f"{len(change.gone)} entries"
        run.say(f"{entries} vanished from the stash list while {task} ran. ralph put back "
                f"{_names(change.gone, listed)}. If you dropped it yourself, run `git stash drop` again.",
                loud=True)  # fmt: skip
    if change.new:
        run.say(f"New in the stash list since {task} started: {_names(change.new, listed)}. ralph keeps it.")
    for entry in change.lost:
        ref = f"refs/ralph/{run.id}/saved/stash/{entry.sha[:12]}"
        run.say(f"The stash entry {stash_label(entry)} of {task} is no longer in the list. {ref} keeps it.")


def _names(entries: Sequence[StashEntry], listed: Sequence[StashEntry]) -> str:
    shown = [stash_label(entry, listed) for entry in entries[:5]]
    return ", ".join(shown) + (f" and {len(entries) - 5} more" if len(entries) > 5 else "")


def stash_label(entry: StashEntry, listed: Sequence[StashEntry] = ()) -> str:
    """Return `stash@{1} (message)`, or the commit instead of the position if the entry is unlisted."""
    place = next((i for i, other in enumerate(listed) if other.sha == entry.sha), None)
    name = entry.sha[:9] if place is None else f"stash@{{{place}}}"
    return f"{name} ({one_line(clean(entry.message), 60)})"
