"""Make a worktree of the pool equal to a commit, whatever was left in it.

It holds no files of the user: everything outside of the commit is removed, except what git ignores. The work of an
attempt was frozen before.
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
ROUNDS = 3  # a removed ignore file reveals the files that it hid, possibly another ignore file
STAYS = ("HEAD", "commondir", "gitdir", "index", "modules", "reftable")  # what _clear() keeps in git_dir


def check_out(git: Git, commit: str, n: int) -> WorktreeStatus:
    """Make a worktree equal to a commit except for ignored files; return its status afterwards.

    The agent's git sees a clean worktree, without a branch and without an unfinished operation.
    """
    try:
        _clear(git, n)
        git.point_head(commit)
        status = _equal(git, commit)
        lend_index(git)
    except (GitError, OSError) as error:
        reason = error.what if isinstance(error, GitError) else str(error)
        problem = f"the worktree {git.where.root} can't be made equal to {commit[:9]}: {reason}"
        raise RalphError(problem, "Look at the space on the disk, or delete it.", code=Exit.STOPPED) from error
    return status


def _clear(git: Git, n: int) -> None:
    """Remove everything that a fresh worktree does not have from its folder inside git's: half a merge, refs of a
    bisect, settings, and locks that a killed process left there or in ralph's folder."""
    clear_operations(git, n)
    for path in git.where.git_dir.iterdir():
        if path.name not in STAYS:
            away(path)
    for lock in git.own.glob("*.lock"):
        away(lock)


def _equal(git: Git, commit: str) -> WorktreeStatus:
    """Make the worktree equal to the commit. If that fails or does not help, repeat it without the cached file
    data."""
    with suppress(GitError, OSError):
        status = _brought(git, commit)
        if not status.paths:
            return status
    away(git.index)
    _open_up(git.where.root)
    return _brought(git, commit)


def _brought(git: Git, commit: str) -> WorktreeStatus:
    _read(git, commit)
    for _ in range(ROUNDS):
        status, hollow, buried = _look(git, commit)
        if not (status.paths or hollow or buried):
            return status
        for path in (*hollow, *buried):
            away(path)
        _clean(git, status)
    return _look(git, commit)[0]


def _read(git: Git, commit: str) -> None:
    """Set index and files to a commit. `-m` reads only the differences between the two and refuses if something is
    in the way; `--reset` reads every file and takes three times as long."""
    with suppress(GitError):
        git.tree("diff-index", "--cached", "--quiet", commit)
        return
    with suppress(GitError):
        git.tree(*WORKERS, "read-tree", "-m", "-u", commit)
        return
    git.tree(*WORKERS, "read-tree", "--reset", "-u", commit)


def _look(git: Git, commit: str) -> tuple[WorktreeStatus, list[Path], list[Path]]:
    """Return a scan, and what it misses: folders without a file, and repositories in a tracked folder."""
    changed, others, trees, refs = git.together(
        ("tree", ("diff-files", "--name-only", "-z")), ("tree", (*UNTRACKED, "--directory")),
        ("tree", ("ls-tree", "-r", "-d", "-z", commit)), ("repo", REFS),
    )  # fmt: skip
    untracked = git.tree(*UNTRACKED) if others else b""  # lists single files
    root, status = git.where.root, WorktreeStatus(split_zero(changed), split_zero(untracked), git.shown(refs))
    hollow = [root / path for path in split_zero(others) if path.endswith("/") and _is_hollow(root / path)]
    tracked = (entry.partition("\t") for entry in split_zero(trees))
    buried = (root / path / ".git" for meta, _, path in tracked if " tree " in meta)
    return status, hollow, [path for path in buried if os.path.lexists(path)]


def _is_hollow(folder: Path) -> bool:
    """Return whether there is no file below the folder, not even an ignored one."""
    for _, folders, files in os.walk(folder):
        if set(files) - {".git"}:
            return False
        folders[:] = [name for name in folders if name != ".git"]
    return True


def _clean(git: Git, status: WorktreeStatus) -> None:
    """Remove what an attempt or its gates left: delete new files, rewrite changed ones."""
    for path in status.untracked:
        if path.endswith("/"):
            away(git.where.root / path)
        else:
            remove(git.where.root, path)
    if status.changed:
        git.tree(*WORKERS, "checkout-index", "-f", "-u", "-z", "--stdin", data=join(status.changed))


def away(path: Path) -> None:
    """Remove the path; of a link the link itself."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _open_up(root: Path) -> None:
    """Make folders writable that some tools leave read-only."""
    for folder, _, _ in os.walk(root):
        with suppress(OSError):
            mode = os.lstat(folder).st_mode & 0o7777
            if mode & 0o700 != 0o700:
                os.chmod(folder, mode | 0o700)  # noqa: PTH101 - os.walk speaks in texts
