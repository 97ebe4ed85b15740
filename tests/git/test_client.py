"""What git tells about objects never changes: it is asked once, as long as the answer is remembered."""

from __future__ import annotations

import shutil

import pytest

from ralph.git import client as door
from ralph.git.client import Git, GitError
from ralph.git.repository import discover
from tests.conftest import Repository


@pytest.fixture
def git(repo: Repository) -> Git:
    found = Git(discover(repo.path))
    found.freeze()
    return found


def test_an_object_is_asked_for_once_until_many_others_were(
    repo: Repository, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "ANSWERS", 3)
    base, tip = repo.git("rev-parse", "HEAD"), repo.commit({"a.txt": "one\n", "b.txt": "two\n"})
    answers = git.blob_at(tip, "a.txt"), git.blob_at(tip, "b.txt"), git.changes(base, tip)
    objects = git.where.common / "objects"
    shutil.move(objects, objects.with_name("away"))
    objects.mkdir()
    assert (git.blob_at(tip, "a.txt"), git.blob_at(tip, "b.txt"), git.changes(base, tip)) == answers
    shutil.rmtree(objects)
    shutil.move(objects.with_name("away"), objects)
    assert git.blob(answers[0]) == b"one\n"  # the fourth: the first is forgotten
    shutil.rmtree(objects)
    objects.mkdir()
    with pytest.raises(GitError):
        git.blob_at(tip, "a.txt")


def test_what_is_not_there_yet_is_asked_for_again(git: Git) -> None:
    blob = "587be6b4c3f93f93c489c0111bba5596147a26cb"  # of `x\n`
    assert git.blob(blob) == b""
    assert git.store(b"x\n") == blob
    assert git.blob(blob) == b"x\n"
