"""Make a worktree of the pool equal to a commit, whatever was left in it.

Nobody's own files are there: what is not in the commit goes, but for what git ignores. What an attempt made was
frozen before.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from ralph.errors import Exit, RalphError
from ralph.git.client import Git, GitError
from ralph.git.index import UNTRACKED, WorktreeStatus, join, lend_index, split_zero
from ralph.git.parse import REFS
from ralph.git.restore import clear_operations, remove

WORKERS = ("-c", "checkout.workers=8", "-c", "checkout.thresholdForParallelism=200")
ROUNDS = 3  # an ignore file that goes shows what it hid, and that may be an ignore file again
STAYS = ("HEAD", "commondir", "gitdir", "index", "modules", "reftable")  # in the folder that git has for a worktree


def check_out(git: Git, commit: str, n: int) -> WorktreeStatus:
    """Make a worktree equal to a commit: all that git does not ignore. Returns how it was found to be then.

    The agent's git sees a clean worktree, without a branch, without anything unfinished.
    """
    try:
        _clear(git, n)
        git.point_head(commit)
        now = _equal(git, commit)
        lend_index(git)
    except (GitError, OSError) as error:
        said = error.what if isinstance(error, GitError) else str(error)
        what = f"the worktree {git.where.root} can't be made equal to {commit[:9]}: {said}"
        raise RalphError(what, "Look at the space on the disk, or delete it.", code=Exit.STOPPED) from error
    return now


def _clear(git: Git, n: int) -> None:
    """Away with all that git keeps for one worktree and a fresh one does not have: half a merge, refs of a bisect,
    settings, locks that a killed process left there or in ralph's folder for it."""
    clear_operations(git, n)
    for path in git.where.git_dir.iterdir():
        if path.name not in STAYS:
            away(path)
    for lock in git.own.glob("*.lock"):
        away(lock)


def _equal(git: Git, commit: str) -> WorktreeStatus:
    """Once as usual. If that fails, or does not help, then without what was known about the files before."""
    with suppress(GitError, OSError):
        now = _brought(git, commit)
        if not now.paths:
            return now
    away(git.index)
    _open_up(git.where.root)
    return _brought(git, commit)


def _brought(git: Git, commit: str) -> WorktreeStatus:
    _read(git, commit)
    for _ in range(ROUNDS):
        now, hollow, buried = _look(git, commit)
        if not (now.paths or hollow or buried):
            return now
        for path in (*hollow, *buried):
            away(path)
        _clean(git, now)
    return _look(git, commit)[0]


def _read(git: Git, commit: str) -> None:
    """Index and files go to a commit. `-m` looks only at what differs between the two, and refuses where something
    is in the way; `--reset` looks at every file and takes three times as long."""
    with suppress(GitError):
        git.tree("diff-index", "--cached", "--quiet", commit)
        return
    with suppress(GitError):
        git.tree(*WORKERS, "read-tree", "-m", "-u", commit)
        return
    git.tree(*WORKERS, "read-tree", "--reset", "-u", commit)


def _look(git: Git, commit: str) -> tuple[WorktreeStatus, list[Path], list[Path]]:
    """A scan, and what it does not show: folders without a file, repositories that begin in a tracked folder."""
    changed, others, trees, refs = git.together(
        ("tree", ("diff-files", "--name-only", "-z")), ("tree", (*UNTRACKED, "--directory")),
        ("tree", ("ls-tree", "-r", "-d", "-z", commit)), ("repo", REFS),
    )  # fmt: skip
    untracked = git.tree(*UNTRACKED) if others else b""  # which tells single files
    root, now = git.where.root, WorktreeStatus(split_zero(changed), split_zero(untracked), git.shown(refs))
    hollow = [root / path for path in split_zero(others) if path.endswith("/") and _is_hollow(root / path)]
    tracked = (entry.partition("\t") for entry in split_zero(trees))
    buried = (root / path / ".git" for meta, _, path in tracked if " tree " in meta)
    return now, hollow, [path for path in buried if os.path.lexists(path)]


def _is_hollow(folder: Path) -> bool:
    """No file is below it, not even an ignored one."""
    for _, folders, files in os.walk(folder):
        if set(files) - {".git"}:
            return False
        folders[:] = [name for name in folders if name != ".git"]
    return True


def _clean(git: Git, now: WorktreeStatus) -> None:
    """What an attempt or its gates left: new files go, changed ones are written again."""
    for path in now.untracked:
        if path.endswith("/"):
            away(git.where.root / path)
        else:
            remove(git.where.root, path)
    if now.changed:
        git.tree(*WORKERS, "checkout-index", "-f", "-u", "-z", "--stdin", data=join(now.changed))


def away(path: Path) -> None:
    """Remove whatever has this name; of a link the link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _open_up(root: Path) -> None:
    """Folders that nobody may write into, as some tools leave them."""
    for folder, _, _ in os.walk(root):
        with suppress(OSError):
            mode = os.lstat(folder).st_mode & 0o7777
            if mode & 0o700 != 0o700:
                os.chmod(folder, mode | 0o700)  # noqa: PTH101 - os.walk speaks in texts
