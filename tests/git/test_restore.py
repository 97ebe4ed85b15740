"""Locks that dead processes left go; one that a living git may hold stays. A rollback leaves no empty folder."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from ralph.git import restore as undo
from ralph.git.client import Git
from ralph.git.repository import discover
from tests.conftest import Repository
from tests.engine.test_stories import Play


@pytest.fixture
def locks(repo: Repository) -> dict[str, Path]:
    git = repo.path / ".git"
    found = {
        "own": git / "ralph/git/index.lock",
        "index": git / "index.lock",
        "ref": git / "refs/heads/ralph/x.lock",
    }
    for lock in found.values():
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    return found


def test_all_locks_go_where_no_git_runs(repo: Repository, locks: dict[str, Path]) -> None:
    undo.clear_locks(Git(discover(repo.path)))
    assert [name for name, lock in locks.items() if lock.exists()] == []


def test_a_lock_that_its_holder_releases_in_a_moment_is_left_to_it(
    repo: Repository, locks: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ralph in a linked worktree holds one without a git process."""
    monkeypatch.setattr(undo, "MOMENT", 60)
    for name in ("own", "index"):
        locks[name].unlink()
    found: list[bool] = []

    def release() -> None:
        found.append(locks["ref"].exists())
        locks["ref"].unlink(missing_ok=True)

    holder = threading.Timer(0.3, release)
    holder.start()
    undo.clear_locks(Git(discover(repo.path)))
    holder.join()
    assert found == [True]


def test_a_git_that_runs_here_keeps_its_locks(
    repo: Repository, locks: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that waits for an editor does. Only ralph works in ralph's own folder: that lock goes."""
    monkeypatch.setattr(undo, "PATIENCE", 0.1)
    with subprocess.Popen(["git", "cat-file", "--batch"], cwd=repo.path, stdin=subprocess.PIPE) as git:
        undo.clear_locks(Git(discover(repo.path)))
        assert git.poll() is None
        assert [name for name, lock in locks.items() if lock.exists()] == ["index", "ref"]


def test_a_file_in_read_only_folders_is_removed(tmp_path: Path) -> None:
    """As Go leaves its modules. Nothing is read-only for root, so another user removes it."""
    deep = tmp_path / "root/pkg/mod"
    deep.mkdir(parents=True)
    (deep / "go.mod").write_text("module x\n")
    for path in (*deep.iterdir(), deep, deep.parent, tmp_path / "root", tmp_path):
        path.chmod(0o755 if path in (tmp_path, tmp_path / "root") else 0o555)
        if os.getuid() == 0:
            os.chown(path, 65534, 65534)
    child = os.fork()
    if not child:
        os.chdir(tmp_path)  # the folders above it may be root's
        if os.getuid() == 0:
            os.setuid(65534)
        undo.remove(Path("root"), "pkg/mod/go.mod")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert list((tmp_path / "root").iterdir()) == []


@pytest.mark.parametrize("apart", [(), ("--isolate",)], ids=["in the checkout", "in a worktree"])
def test_a_rollback_leaves_no_empty_folder(repo: Repository, apart: tuple[str, ...]) -> None:
    """The folders of files that an attempt added go with them; one that holds something else stays."""
    agent = "mkdir -p new/deep kept; echo x > new/deep/one; echo x > kept/two; rm -r gone; echo broken; exit 1"
    files = {"gone/deep/three": "3\n", "kept/four": "4\n"}
    play = Play(repo, {"prd": "- [ ] T1 make one\n", "files": files, "agent": agent})
    play.apart = apart
    play.ralph("--max-retries", "0")
    assert play.boxes() == "p"
    cache = Path(os.environ["HOME"]) / ".cache"
    for root in (repo.path, *(place / "repo" for place in cache.glob("ralph/repo-*/1"))):
        found = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_dir()}
        assert {name for name in found if not name.startswith(".git")} == {"gone", "gone/deep", "kept"}, root
