"""Locks that dead processes left go; one that a living git may hold stays."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from conftest import Repository

from ralph.system import undo
from ralph.system.git import Git
from ralph.system.repository import discover


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


def test_a_git_that_runs_here_keeps_its_locks(
    repo: Repository, locks: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that waits for an editor does. Only ralph works in ralph's own folder: that lock goes."""
    monkeypatch.setattr(undo, "PATIENCE", 0.1)
    with subprocess.Popen(["git", "cat-file", "--batch"], cwd=repo.path, stdin=subprocess.PIPE) as git:
        undo.clear_locks(Git(discover(repo.path)))
        assert git.poll() is None
        assert [name for name, lock in locks.items() if lock.exists()] == ["index", "ref"]
