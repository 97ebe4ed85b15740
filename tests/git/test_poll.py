"""Looks at the work tree while an agent works: what changed is seen, and nobody waits for it."""

from __future__ import annotations

import shutil
import time

import pytest

from ralph.git.client import Git
from ralph.git.index import Stat, fill, refresh
from ralph.git.poll import GONE, WorktreePoller, polling
from ralph.git.repository import discover
from tests.conftest import Repository

LIMIT = 30.0  # seconds


@pytest.fixture
def git(repo: Repository) -> Git:
    repo.commit({"a.txt": "a\n", "b.txt": "b\n", ".gitignore": "*.log\n"})
    git = Git(discover.__wrapped__(repo.path))
    git.freeze()
    fill(git, repo.git("rev-parse", "HEAD"))
    refresh(git)
    return git


def seen(looker: WorktreePoller) -> dict[str, Stat]:
    """The next look that is complete."""
    deadline = time.monotonic() + LIMIT
    while (found := looker.poll()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return found


def test_changed_new_and_deleted_files_are_seen(repo: Repository, git: Git) -> None:
    with polling(git, every=0.0) as looker:
        assert seen(looker) == {}
        repo.write({"a.txt": "changed\n", "new.txt": "n\n", "noise.log": "x\n"})
        (repo.path / "b.txt").unlink()
        found = seen(looker)
    assert sorted(found) == ["a.txt", "b.txt", "new.txt"]
    assert found["b.txt"] == GONE


def test_a_file_that_changes_again_looks_different(repo: Repository, git: Git) -> None:
    with polling(git, every=0.0) as looker:
        repo.write({"new.txt": "one\n"})
        before = seen(looker)["new.txt"]
        repo.write({"new.txt": "one and two\n"})
        assert seen(looker)["new.txt"] != before


def test_many_files_are_no_deadlock(repo: Repository, git: Git) -> None:
    """More names than a pipe holds: the answer is taken in parts."""
    repo.write({f"{'long-name' * 20}-{n}.txt": "" for n in range(600)})
    with polling(git, every=0.0) as looker:
        assert len(seen(looker)) == 600


def test_a_look_is_due_only_now_and_then(git: Git) -> None:
    with polling(git, every=60.0) as looker:
        assert all(looker.poll() is None for _ in range(100))


def test_a_repository_that_is_gone_is_not_looked_at(repo: Repository, git: Git) -> None:
    with polling(git, every=0.0) as looker:
        shutil.move(repo.path / ".git", repo.path.parent / "moved")
        deadline = time.monotonic() + 1.0
        try:
            while time.monotonic() < deadline:
                assert looker.poll() is None
        finally:
            shutil.move(repo.path.parent / "moved", repo.path / ".git")


def test_a_look_that_is_going_on_is_ended(git: Git) -> None:
    with polling(git, every=0.0) as looker:
        looker.poll()
        running = list(looker._running)
        assert running
    assert all(one._process.returncode is not None for one in running)
