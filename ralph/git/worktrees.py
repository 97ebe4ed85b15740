"""A small pool of reusable worktrees, one for each parallel attempt.

A fresh checkout of 20,000 files takes seconds, updating an old one takes none. So the files stay in the user's
cache folder between runs, and git knows them as worktrees only during a run: `git worktree list` is clean
afterwards, also after a crash and the next start. The layout that is written here by hand is that of
gitrepository-layout(5); `git worktree add` would refuse an existing folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ralph.errors import RalphError
from ralph.git.checkout import WORKERS, away, check_out
from ralph.git.client import Git
from ralph.git.config import read_config
from ralph.git.repository import Repo

__all__ = ["WORKERS", "WorktreePool", "bring_along", "cache_folder", "check_out"]

SPACE = "Look at its permissions and at the space on the disk; XDG_CACHE_HOME moves it elsewhere."


class WorktreePool:
    """The worktrees of one checkout. Numbers count from 1; a worktree is created on first use."""

    def __init__(self, main: Git, cache: Path) -> None:
        where = main.where
        mark = hashlib.sha256(os.fsencode(where.git_dir)).hexdigest()[:8]
        self._main = main
        self.folder = cache / f"{where.root.name}-{mark}"
        self._name = f"ralph-{mark}-"

    def repo(self, number: int) -> Repo:
        """Return the location of the worktree with this number, existing or not."""
        where = self._main.where
        path = self.folder / str(number) / where.root.name
        return Repo(path, where.common / "worktrees" / f"{self._name}{number}", where.common)

    def open(self, number: int, commit: str, ignore: Sequence[str] = ()) -> Git:
        """Return a registered worktree, sealed like the checkout; paths in `ignore` do not count as work.

        Its files are unchanged since the last use.
        """
        repo = self.repo(number)
        try:
            _register(repo, commit)
            git = self._main.like(repo, b"".join(_rule(path) for path in ignore))
        except OSError as error:
            raise RalphError(f"no worktree can be made in {self.folder}: {error.strerror}", SPACE) from error
        git.spare = self.folder / "tmp" / str(number)
        return git

    def close(self, only: int = 0) -> None:
        """Unregister all worktrees or one from git; the files stay for the next run."""
        shutil.rmtree(self.folder / "tmp" / str(only or ""), ignore_errors=True)
        for admin in [self.repo(only).git_dir] if only else self._ours(self._main.where.common / "worktrees"):
            _put_by(admin / "modules", _kept_modules(self._main.where.common, admin))
            shutil.rmtree(admin, ignore_errors=True)
        with suppress(OSError):
            (self._main.where.common / "worktrees").rmdir()

    def forget(self) -> None:
        """Delete the files, too."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        for state in self._ours(self._main.where.common / "ralph" / "worktrees"):
            shutil.rmtree(state, ignore_errors=True)

    def _ours(self, folder: Path) -> list[Path]:
        """Return the folders inside it that are named like one of these worktrees."""
        names = re.compile(re.escape(self._name) + r"[1-9][0-9]*")
        return [path for path in folder.glob(f"{self._name}*") if names.fullmatch(path.name)]


def cache_folder(env: dict[str, str]) -> Path:
    """ralph's own folder among the user's caches."""
    folder = env.get("XDG_CACHE_HOME", "")
    return (Path(folder) if folder.startswith("/") else Path(env.get("HOME") or Path.home()) / ".cache") / "ralph"


def _rule(path: str) -> bytes:
    """Return a line of an ignore file that matches exactly this path."""
    quoted = re.sub(r"([\\*?\[\] ])", r"\\\1", path.strip("/"))
    return os.fsencode(f"/{quoted}\n")


# ---------------------------------------------------------------- registration in git


def _register(repo: Repo, commit: str) -> None:
    """Register a folder as a worktree of this repository. Rewritten each time: an agent may have changed it."""
    if not repo.root.exists():
        shutil.rmtree(repo.state, ignore_errors=True)  # the state of files that are gone, their set-up included
    for folder in (repo.root, repo.git_dir):
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            folder.unlink()
        folder.mkdir(parents=True, exist_ok=True)
    head = repo.git_dir / "HEAD"
    if head.is_symlink() or not head.is_file():
        _write(head, f"{commit}\n")
    _write(repo.git_dir / "commondir", "../..\n")
    _write(repo.git_dir / "gitdir", f"{repo.root}/.git\n")
    _write(repo.root / ".git", f"gitdir: {repo.git_dir}\n")
    _put_by(_kept_modules(repo.common, repo.git_dir), repo.git_dir / "modules")


def _write(file: Path, text: str) -> None:
    """Write a plain file with this content, replacing anything there."""
    content = os.fsencode(text)
    if file.is_symlink() or read_config(file) != content:
        away(file)
        file.write_bytes(content)


def _kept_modules(common: Path, admin: Path) -> Path:
    """Return the folder that keeps the submodules' git folders for the next run: their files in the worktree name
    it."""
    return common / "ralph" / "worktrees" / admin.name / "modules"


def _put_by(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)


# ---------------------------------------------------------------- ignored files that the project needs


def bring_along(root: Path, place: Path, link: Sequence[str], copy: Sequence[str]) -> list[str]:
    """Give a worktree the ignored files that the project needs: links and copies of the checkout's own.

    Return the names missing in the checkout. Existing links stay; a copied file follows the checkout's.
    """
    missing = []
    for name in (*link, *copy):
        source, target = root / name, place / name
        if not os.path.lexists(source):
            missing.append(name)
        else:
            try:
                _bring(source, target, linked=name in link)
            except OSError as error:
                raise _not_brought(name, place, error) from error
    return missing


def _bring(source: Path, target: Path, *, linked: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):
        if not linked and source.is_file() and target.is_file() and read_config(source) != read_config(target):
            _copy(source, target)
    elif linked:
        target.symlink_to(source)
    else:
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    """Copy to a temporary name first: half a copy, left by a kill, would look complete."""
    beside = target.with_name(f".{target.name}.ralph")
    away(beside)
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, beside, symlinks=True)
    else:
        shutil.copy2(source, beside, follow_symlinks=False)
    beside.replace(target)


def _not_brought(name: str, place: Path, error: OSError) -> RalphError:
    cure = "Look at `[worktree]` in ralph.toml: it is for paths of the checkout that git ignores."
    return RalphError(f"{name} can't be brought into the worktree {place}: {error.strerror or error}", cure)
