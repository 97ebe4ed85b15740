"""The user's checkout goes along with ralph's branch, and whatever somebody changed in it stays as it is.

Used where agents work in worktrees: the checkout is the user's alone, uncommitted work included. A file follows
where it is what the old commit says; the index follows entry by entry, so what is staged stays staged.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ralph.git import restore as undo
from ralph.git.client import Git
from ralph.git.index import fill, join, split_zero
from ralph.git.model import Change


def fast_forward_checkout(
    git: Git, old: str, new: str, leave: Iterable[str] = (), *, cut_off: bool = False
) -> tuple[str, ...]:
    """Files and index go from one commit to another; ralph's index holds `old` and then `new`.

    `leave` are files that somebody else brings along: only their index entries follow. Returns the paths that stay
    as they are, because they were changed here. Safe to repeat after a kill; then it was `cut_off`.
    """
    changes, left = git.changes(old, new), set(leave)
    kept = _kept(git, [change for change in changes if change.path not in left])
    entries = _entries(git, changes)
    followed = {change.path for change in changes if entries.get(change.path, ()) in (_old(change), _new(change))}
    if cut_off:  # the index follows last
        begun = [
            change for change in changes if change.path in kept and entries.get(change.path, ()) == _old(change)
        ]
        kept -= {change.path for change in begun if _half_brought(git, change, new)}
    moved = [change for change in changes if change.path not in kept and change.path not in left]
    undo.restore(git, [change.backwards for change in moved])
    fill(git, new)
    _follow(git, [change for change in changes if change.path in followed])
    return tuple(sorted(kept))


def _kept(git: Git, changes: list[Change]) -> set[str]:
    """Paths that hold something else than the old commit says, and not yet what the new one says."""
    if not changes:
        return set()
    paths = [change.path for change in changes]
    touched = set(split_zero(git.tree("diff-files", "--name-only", "-z", "--", *paths)))
    touched |= {change.path for change in changes if change.status == "A" and _there(git, change.path)}
    return {change.path for change in changes if change.path in touched and not _is_new(git, change)}


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


def _half_brought(git: Git, change: Change, new: str) -> bool:
    """It is not there, or just the beginning of it is: a kill came between its going and its coming."""
    path = git.where.root / change.path
    if not os.path.lexists(path) or not change.new_blob.strip("0"):
        return not os.path.lexists(path)
    regular = path.is_file() and not path.is_symlink()
    return regular and git.checked_out(new, change.path).startswith(path.read_bytes())


# ---------------------------------------------------------------- the user's index


@contextmanager
def theirs(git: Git) -> Iterator[None]:
    """Inside, ralph's own git folder works with the user's index: no configuration of theirs acts."""
    kept, git.index = git.index, git.where.git_dir / "index"
    try:
        yield
    finally:
        git.index = kept


def _entries(git: Git, changes: Iterable[Change]) -> dict[str, tuple[str, ...]]:
    """What the user's index says of these paths: mode and blob."""
    if not (paths := [change.path for change in changes]):
        return {}
    with theirs(git):
        listed = split_zero(git.tree("ls-files", "-s", "-z", "--", *paths))
    return {path: tuple(meta.split()[:2]) for meta, _, path in (name.partition("\t") for name in listed)}


def _old(change: Change) -> tuple[str, ...]:
    return (change.old_mode, change.old_blob) if change.old_blob.strip("0") else ()


def _new(change: Change) -> tuple[str, ...]:
    return (change.new_mode, change.new_blob) if change.new_blob.strip("0") else ()


def _follow(git: Git, changes: list[Change]) -> None:
    """Give these entries the new commit's content, with the stat data of files that have it."""
    if not changes:
        return
    lines = (
        f"{change.new_mode} {change.new_blob}\t{change.path}"
        if change.new_blob.strip("0")
        else f"0 {git.zero}\t{change.path}"
        for change in changes
    )
    with theirs(git):
        git.tree("update-index", "-z", "--index-info", data=join(lines))
        _take_stat(git, [change.path for change in changes if change.new_blob.strip("0")])


def _take_stat(git: Git, paths: list[str]) -> None:
    """Only of these: a look at all of 20,000 files takes five times as long. Where git refuses, as behind a link or
    beside a sparse checkout, it looks at them later."""
    words = ("add", "--refresh", "--pathspec-from-file=-", "--pathspec-file-nul")
    if paths:
        git.tree(*words, data=join(paths), ok=(0, 1, 128))
