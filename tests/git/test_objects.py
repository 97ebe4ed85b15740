"""Commit objects of ralph's own making are git's: same text, same id, and fsck has nothing to say."""

from __future__ import annotations

import pytest

from ralph.git.client import DATES, Git
from ralph.git.repository import discover
from tests.conftest import Repository


@pytest.mark.parametrize("objects", ["sha1", "sha256"])
@pytest.mark.parametrize("name", ["Ada Test", "Zoë Ünïcode", "A"])
def test_a_commit_is_the_one_that_git_makes(
    repo: Repository, monkeypatch: pytest.MonkeyPatch, objects: str, name: str
) -> None:
    repo.path.rename(repo.path.with_name("old"))
    repo.path.mkdir()
    repo.git("init", "-q", f"--object-format={objects}")
    repo.git("config", "user.name", name)
    repo.commit({"a": "1"})
    for date in DATES:
        monkeypatch.delenv(date)
    git = Git(discover.__wrapped__(repo.path))
    git.freeze()
    base = repo.git("rev-parse", "HEAD")
    made = git.commit(git.tree_of(base), [base, base], "subject\n\nbody ünïcode\n\nRalph-Task: T1\n")
    repo.git("fsck", "--strict", "--no-dangling")
    text = repo.git("cat-file", "commit", made)
    stamp = text.split("> ")[1].split("\n")[0]
    for date in DATES:
        monkeypatch.setenv(date, stamp)
    git = Git(discover.__wrapped__(repo.path))
    git.freeze()
    same = git.commit(git.tree_of(base), [base, base], "subject\n\nbody ünïcode\n\nRalph-Task: T1\n")
    assert repo.git("cat-file", "commit", same) == text
    assert same == made
