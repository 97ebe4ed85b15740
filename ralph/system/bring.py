"""The user's checkout goes along with ralph's branch, and whatever somebody changed in it stays as it is.

Used where agents work in worktrees: the checkout is the user's alone, uncommitted work included. A file follows
where it is what the old commit says; the index follows entry by entry, so what is staged stays staged.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ralph.model import Change
from ralph.system import undo
from ralph.system.git import Git
from ralph.system.snapshot import fill, join, split


def bring(git: Git, old: str, new: str, leave: Iterable[str] = ()) -> tuple[str, ...]:
    """Files and index go from one commit to another; ralph's index holds `old` and then `new`.

    `leave` are files that somebody else brings along: only their index entries follow. Returns the paths that stay
    as they are, because they were changed here. Safe to repeat after a kill.
    """
    changes, left = git.changes(old, new), set(leave)
    kept = _kept(git, [one for one in changes if one.path not in left])
    followed = _standing_at_old(git, changes)
    moved = [one for one in changes if one.path not in kept and one.path not in left]
    undo.restore(git, [one.backwards for one in moved])
    fill(git, new)
    _follow(git, [one for one in changes if one.path in followed])
    return tuple(sorted(kept))


def _kept(git: Git, changes: list[Change]) -> set[str]:
    """Paths that hold something else than the old commit says, and not yet what the new one says."""
    if not changes:
        return set()
    paths = [one.path for one in changes]
    touched = set(split(git.tree("diff-files", "--name-only", "-z", "--", *paths)))
    touched |= {one.path for one in changes if one.status == "A" and _there(git, one.path)}
    return {one.path for one in changes if one.path in touched and not _is_new(git, one)}


def _there(git: Git, path: str) -> bool:
    """Something has this name, or a folder on the way to it is a file."""
    return os.path.lexists(git.where.root / path) or any(
        (git.where.root / above).is_symlink() or (git.where.root / above).is_file()
        for above in list((git.where.root / path).relative_to(git.where.root).parents)[:-1]
    )


def _is_new(git: Git, change: Change) -> bool:
    """It was brought along already, before a kill."""
    path = git.where.root / change.path
    if not change.new_blob.strip("0"):
        return not os.path.lexists(path)
    return path.is_file() and not path.is_symlink() and git.put(change.path, path.read_bytes()) == change.new_blob


# ---------------------------------------------------------------- the user's index


@contextmanager
def theirs(git: Git) -> Iterator[None]:
    """Inside, ralph's own git folder works with the user's index: no configuration of theirs acts."""
    kept, git.index = git.index, git.where.git_dir / "index"
    try:
        yield
    finally:
        git.index = kept


def _standing_at_old(git: Git, changes: Iterable[Change]) -> set[str]:
    """The paths whose entry is the old commit's: nothing of them is staged. Also those that are the new one's."""
    changes = list(changes)
    with theirs(git):
        listed = split(git.tree("ls-files", "-s", "-z", "--", *(one.path for one in changes))) if changes else ()
    entries = {path: tuple(meta.split()[:2]) for meta, _, path in (one.partition("\t") for one in listed)}
    return {
        one.path
        for one in changes
        if entries.get(one.path, ()) in (_entry(one.old_mode, one.old_blob), _entry(one.new_mode, one.new_blob))
    }


def _entry(mode: str, blob: str) -> tuple[str, ...]:
    return (mode, blob) if blob.strip("0") else ()


def _follow(git: Git, changes: list[Change]) -> None:
    """Give these entries the new commit's content, with the stat data of files that have it."""
    if not changes:
        return
    lines = (
        f"{one.new_mode} {one.new_blob}\t{one.path}" if one.new_blob.strip("0") else f"0 {'0' * 40}\t{one.path}"
        for one in changes
    )
    with theirs(git):
        git.tree("update-index", "-z", "--index-info", data=join(lines))
        git.tree("update-index", "-q", "--refresh", ok=(0, 1))
