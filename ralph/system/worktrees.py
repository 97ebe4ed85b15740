"""A small pool of worktrees: one for each attempt that runs at the same time, used again and again.

A fresh checkout of 20,000 files takes seconds, bringing an old one along takes none. So the files stay in the
user's cache folder between runs, and only while a run goes on git knows them as worktrees: `git worktree list` is
clean afterwards, also after a crash and the next start. The layout that is written here by hand is the one of
gitrepository-layout(5); `git worktree add` would refuse a folder that is there already.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ralph.errors import RalphError
from ralph.system.git import Git, Repo
from ralph.system.snapshot import Scan, join, refresh, scan
from ralph.system.undo import clear_operations, remove

WORKERS = ("-c", "checkout.workers=8", "-c", "checkout.thresholdForParallelism=200")


class Pool:
    """The worktrees of one checkout. Numbers count from 1; a place is made when it is first asked for."""

    def __init__(self, main: Git, cache: Path) -> None:
        where = main.where
        mark = hashlib.sha256(os.fsencode(where.git_dir)).hexdigest()[:8]
        self._main = main
        self.folder = cache / f"{where.root.name}-{mark}"
        self._name = f"ralph-{mark}-"

    def repo(self, number: int) -> Repo:
        """Where the worktree of this number is, or will be."""
        where = self._main.where
        path = self.folder / str(number) / where.root.name
        return Repo(path, where.common / "worktrees" / f"{self._name}{number}", where.common)

    def open(self, number: int, commit: str, ignore: Sequence[str] = ()) -> Git:
        """A worktree that git knows, sealed like the checkout; paths in `ignore` are no work, either.

        Its files are as they were left.
        """
        repo = self.repo(number)
        try:
            _register(repo, commit)
        except OSError as error:
            cure = "Look at its permissions and at the space on the disk; XDG_CACHE_HOME moves it elsewhere."
            raise RalphError(f"no worktree can be made in {self.folder}: {error.strerror}", cure) from error
        git = self._main.like(repo, b"".join(os.fsencode(f"/{path.strip('/')}\n") for path in ignore))
        git.spare = self.folder / "tmp" / str(number)
        return git

    def close(self) -> None:
        """git knows none of them any more; the files stay for the next run."""
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)
        for admin in self._known():
            shutil.rmtree(admin, ignore_errors=True)
        with suppress(OSError):
            (self._main.where.common / "worktrees").rmdir()

    def _known(self) -> list[Path]:
        return list((self._main.where.common / "worktrees").glob(f"{self._name}*"))

    def forget(self) -> None:
        """The files go, too."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        for state in (self._main.where.common / "ralph" / "worktrees").glob(f"{self._name}*"):
            shutil.rmtree(state, ignore_errors=True)


def cache_folder(env: dict[str, str]) -> Path:
    """ralph's own folder among the user's caches."""
    said = env.get("XDG_CACHE_HOME", "")
    return (Path(said) if said.startswith("/") else Path(env.get("HOME") or Path.home()) / ".cache") / "ralph"


def _register(repo: Repo, commit: str) -> None:
    """What makes a folder a worktree of this repository. Written anew each time: an agent may have found it."""
    if repo.root.is_symlink() or (repo.root.exists() and not repo.root.is_dir()):
        repo.root.unlink()
    repo.root.mkdir(parents=True, exist_ok=True)
    repo.git_dir.mkdir(parents=True, exist_ok=True)
    head = repo.git_dir / "HEAD"
    if not head.exists():
        head.write_text(f"{commit}\n")
    (repo.git_dir / "commondir").write_text("../..\n")
    (repo.git_dir / "gitdir").write_text(f"{repo.root}/.git\n")
    link = repo.root / ".git"
    wanted = f"gitdir: {repo.git_dir}\n"
    if link.is_dir() and not link.is_symlink():
        shutil.rmtree(link)
    if link.is_symlink() or not link.exists() or link.read_text(errors="replace") != wanted:
        link.unlink(missing_ok=True)
        link.write_text(wanted)


def check_out(git: Git, commit: str, n: int) -> Scan:
    """Make a worktree equal to a commit: all that git does not ignore. Returns how it was found to be then."""
    _clear_locks(git)
    clear_operations(git, n)
    git.point_head(commit)
    git.tree(*WORKERS, "read-tree", "--reset", "-u", commit)
    now = scan(git)
    if now.paths:
        _clean(git, now)
        now = scan(git)
    return now


def _clean(git: Git, now: Scan) -> None:
    """What an attempt or its gates left: changed files are written again, new ones go."""
    for path in now.untracked:
        if path.endswith("/"):
            shutil.rmtree(git.where.root / path, ignore_errors=True)
        else:
            remove(git.where.root, path)
    refresh(git)
    changed = scan(git).changed
    for path in changed:
        _make_room(git.where.root / path)
    git.tree("checkout-index", "-f", "-u", "-z", "--stdin", data=join(changed))
    refresh(git)


def _make_room(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)


def _clear_locks(git: Git) -> None:
    """Locks that a killed process left in the worktree's own folder and in ralph's for it."""
    for folder in (git.where.git_dir, git.own):
        for lock in folder.glob("*.lock"):
            lock.unlink(missing_ok=True)


def bring_along(root: Path, place: Path, link: Sequence[str], copy: Sequence[str]) -> list[str]:
    """Give a worktree what git ignores and the project needs: links and copies of the checkout's own.

    Returns the names that the checkout does not have. What the worktree has already stays.
    """
    missing = []
    for name in (*link, *copy):
        source, target = root / name, place / name
        if not (source.exists() or source.is_symlink()):
            missing.append(name)
            continue
        if target.exists() or target.is_symlink():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if name in link:
            target.symlink_to(source)
        elif source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy2(source, target, follow_symlinks=False)
    return missing
