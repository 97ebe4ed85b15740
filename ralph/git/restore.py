"""Restore the work tree path by path. A ref holds everything before it is removed."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ralph.errors import Exit, RalphError
from ralph.git.client import Git
from ralph.git.index import Snapshot, Stat, join, unstage
from ralph.git.model import Change
from ralph.process import tree

# Unfinished operations of git: file or folder in the git folder -> what goes on, and the command that gives it up.
OPERATIONS = {
    "MERGE_HEAD": ("a merge", "git merge --abort"),
    "CHERRY_PICK_HEAD": ("a cherry-pick", "git cherry-pick --abort"),
    "REVERT_HEAD": ("a revert", "git revert --abort"),
    "rebase-merge": ("a rebase", "git rebase --abort"),
    "rebase-apply": ("a rebase", "git rebase --abort"),
    "BISECT_LOG": ("a bisect", "git bisect reset"),
}
TRACES = (*OPERATIONS, "sequencer", "MERGE_MSG", "MERGE_MODE", "AUTO_MERGE", "REBASE_HEAD", "SQUASH_MSG")

PATIENCE = 3.0  # seconds for a git that still works with a lock
TICK = 0.02
KEPT = 10  # attempts whose trash is kept
MOMENT = 1.0  # seconds; no live process holds the lock of a ref longer


def restore(git: Git, changes: Iterable[Change], keep: frozenset[str] = frozenset()) -> None:
    """Undo changes (old -> new): the work tree and the index get the old side of each, except for `keep`."""
    wanted = [change for change in changes if change.path not in keep]
    if not wanted:
        return
    for change in wanted:
        if change.new_blob.strip("0"):
            remove(git.where.root, change.path)
    old = [change for change in wanted if change.old_blob.strip("0")]
    gone = [change.path for change in wanted if not change.old_blob.strip("0")]
    unstage(git, gone)
    lines = (os.fsencode(f"{change.old_mode} {change.old_blob}\t{change.path}") + b"\0" for change in old)
    git.tree("update-index", "-z", "--replace", "--index-info", data=b"".join(lines))
    git.tree("checkout-index", "-f", "-u", "-z", "--stdin", data=join(change.path for change in old))


def remove(root: Path, path: str) -> None:
    """Remove a file and the folders that this empties. Never follow a link or remove a full folder.

    Raise RalphError (exit 3) if the system does not allow it.
    """
    target = root / path
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
        _unlink(root, target)
    prune(root, target.parent)


def _unlink(root: Path, target: Path) -> None:
    """Remove a file, also from a folder that an agent made read-only (as Go does with its modules)."""
    try:
        target.unlink()
    except PermissionError:
        for folder in target.relative_to(root).parents[:-1]:
            with contextlib.suppress(OSError):
                (root / folder).chmod(0o755)
        try:
            target.unlink()
        except PermissionError as error:
            message = f"{target} can't be removed: {error.strerror}"
            cure = "Remove it by hand, then run the same command again."
            raise RalphError(message, cure, code=Exit.STOPPED) from None


def prune(root: Path, folder: Path) -> None:
    while folder != root and root in folder.parents:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def restore_untracked(git: Git, before: Snapshot) -> None:
    """Remove untracked files from the index and restore their modes, after `restore`."""
    unstage(git, before.untracked)
    for path, stat in before.untracked.items():
        _restore_mode(git.where.root / path, stat)


def _restore_mode(path: Path, stat: Stat) -> None:
    with contextlib.suppress(OSError):
        if not path.is_symlink():
            path.chmod(stat[3] & 0o7777)


def trash(git: Git, paths: Iterable[str], n: int) -> Path:
    """Move paths that can't be frozen (hidden by the attempt's rules, nested repositories) out of the work tree."""
    place = git.where.state / "trash" / str(n)
    for path in paths:
        source, target = git.where.root / path, place / path
        if source.is_symlink() or source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(OSError):
                source.rename(target)
            prune(git.where.root, source.parent)
    keep_newest(place.parent)
    return place


def keep_newest(folder: Path, count: int = KEPT) -> None:
    """Delete the oldest of folders that are named by numbers."""
    folders = sorted((path for path in folder.glob("*") if path.name.isdigit()), key=lambda path: int(path.name))
    for old in folders[:-count]:
        shutil.rmtree(old, ignore_errors=True)


def clear_operations(git: Git, n: int) -> None:
    """Move an unfinished merge or rebase out of git's folder, and remove locks of dead processes."""
    place = git.where.state / "trash" / str(n) / "git"
    for name in TRACES:
        source = git.where.git_dir / name
        if source.exists():
            place.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(place / name, ignore_errors=True)  # a folder can't replace one that is not empty
            source.rename(place / name)


def clear_locks(git: Git, names: Iterable[str] = ()) -> tuple[str, ...]:
    """Remove lock files of dead processes; return their names. Call only when no process of the agent lives.

    Those in ralph's own git folder are always removed; the others unless another git works here. In a linked
    worktree only its own and those of the refs in `names`: live processes may hold the rest. A ralph in a linked
    worktree holds the lock of a ref without a git process, for a moment: only old ones are removed.
    """
    own, shared = list(git.own.glob("*.lock")), _shared_locks(git, names)
    gone = [*own, *(lock for lock in shared if _is_old(lock))] if _may_remove(git, own, shared) else own
    for lock in gone:
        lock.unlink(missing_ok=True)
    return tuple(str(lock.relative_to(git.where.common)) for lock in gone)


def _shared_locks(git: Git, names: Iterable[str]) -> list[Path]:
    where = git.where
    refs = _locks_below(where.common / "refs") if where.git_dir == where.common else ()
    named = (where.common / f"{name}.lock" for name in names)
    return [*where.git_dir.glob("*.lock"), *refs, *(lock for lock in named if lock.exists())]


def _locks_below(folder: Path) -> Iterator[Path]:
    """Yield the lock files below a folder whose subfolders may vanish meanwhile (`rglob` raises then)."""
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names if name.endswith(".lock"))


def _may_remove(git: Git, own: list[Path], shared: list[Path]) -> bool:
    return bool(own or shared) and _quiet(git.where.root)


def _is_old(lock: Path) -> bool:
    """Return whether a lock is older than MOMENT, waiting until it is or is gone."""
    deadline = time.monotonic() + MOMENT
    with contextlib.suppress(FileNotFoundError):
        while time.monotonic() < deadline:
            if time.time() - lock.stat().st_mtime > MOMENT:
                return True
            time.sleep(TICK)
        return lock.exists()
    return False


def _quiet(root: Path) -> bool:
    """Return whether no git works there, waiting briefly: a git whose ralph was killed soon ends."""
    deadline = time.monotonic() + PATIENCE
    while at_work := tree.at_work("git", root):
        if time.monotonic() > deadline:
            break
        time.sleep(TICK)
    return not at_work


def differences(now: Mapping[str, Stat], then: Mapping[str, Stat]) -> tuple[str, ...]:
    """Return paths whose stat data differs, or that vanished."""
    return tuple(path for path, old in then.items() if now.get(path) != old)


def refuse_gone(git: Git) -> None:
    """Raise RalphError if the repository itself is gone."""
    if not (git.where.git_dir / "HEAD").exists():
        raise RalphError(
            f"the repository is gone: {git.where.git_dir} was moved or deleted",
            "Put it back where it was, then run the same command again: nothing else was touched.",
            code=Exit.STOPPED,
        )
