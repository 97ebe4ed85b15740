"""Fast-forward the user's checkout to ralph's branch, without touching local changes.

Used if agents work in worktrees: the checkout is the user's alone, uncommitted work included. A file is updated if
it equals the old commit; the index is updated entry by entry, so staged changes stay staged.
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
    """Move files and index from one commit to another; ralph's index holds `old` and then `new`.

    Of the files in `leave`, another module updates the content: only their index entries move. Return the paths
    that stay unchanged because of local changes. Safe to repeat after a kill, with `cut_off`.
    """
    changes, excluded = git.changes(old, new), set(leave)
    skipped = _locally_changed(git, [change for change in changes if change.path not in excluded])
    entries = _entries(git, changes)
    followed = {change.path for change in changes if entries.get(change.path, ()) in (_old(change), _new(change))}
    if cut_off:  # the index is updated last
        begun = [
            change for change in changes if change.path in skipped and entries.get(change.path, ()) == _old(change)
        ]
        skipped -= {change.path for change in begun if _half_brought(git, change, new)}
    moved = [change for change in changes if change.path not in skipped and change.path not in excluded]
    undo.restore(git, [change.backwards for change in moved])
    fill(git, new)
    _follow(git, [change for change in changes if change.path in followed])
    return tuple(sorted(skipped))


def _locally_changed(git: Git, changes: list[Change]) -> set[str]:
    """Return the paths whose content differs from both commits."""
    if not changes:
        return set()
    paths = [change.path for change in changes]
    touched = set(split_zero(git.tree("diff-files", "--name-only", "-z", "--", *paths)))
    touched |= {change.path for change in changes if change.status == "A" and _exists(git, change.path)}
    return {change.path for change in changes if change.path in touched and not _is_new(git, change)}


def _exists(git: Git, path: str) -> bool:
    """Return whether the path exists, or a folder above it is a file."""
    return os.path.lexists(git.where.root / path) or any(
        (git.where.root / above).is_symlink() or (git.where.root / above).is_file()
        for above in list((git.where.root / path).relative_to(git.where.root).parents)[:-1]
    )


def _is_new(git: Git, change: Change) -> bool:
    """Return whether the path already has the new content, from before a kill."""
    path = git.where.root / change.path
    if not change.new_blob.strip("0"):
        return not os.path.lexists(path)
    return path.is_file() and not path.is_symlink() and git.put(change.path, path.read_bytes()) == change.new_blob


def _half_brought(git: Git, change: Change, new: str) -> bool:
    """Return whether the path is missing or holds only the beginning of the new content: a kill came in between."""
    path = git.where.root / change.path
    if not os.path.lexists(path) or not change.new_blob.strip("0"):
        return not os.path.lexists(path)
    regular = path.is_file() and not path.is_symlink()
    return regular and git.checked_out(new, change.path).startswith(path.read_bytes())


# ---------------------------------------------------------------- the user's index


@contextmanager
def theirs(git: Git) -> Iterator[None]:
    """Let ralph's own git folder use the user's index while the block runs: none of their configuration applies."""
    index, git.index = git.index, git.where.git_dir / "index"
    try:
        yield
    finally:
        git.index = index


def _entries(git: Git, changes: Iterable[Change]) -> dict[str, tuple[str, ...]]:
    """Return mode and blob of these paths in the user's index."""
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
    """Give these index entries the new commit's content, with the stat data of files that have it."""
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
    """Refresh only these entries: refreshing all of 20,000 takes five times as long. If git refuses, as behind a
    link or with a sparse checkout, it refreshes them later."""
    call = ("add", "--refresh", "--pathspec-from-file=-", "--pathspec-file-nul")
    if paths:
        git.tree(*call, data=join(paths), ok=(0, 1, 128))
