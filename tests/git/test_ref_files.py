"""Refs that ralph makes and drops as files are the ones that git makes and drops."""

from __future__ import annotations

import pytest

from ralph.git.client import Git
from ralph.git.repository import discover
from tests.conftest import Repository

NAME = "refs/heads/ralph-wip/7"


@pytest.fixture(params=["files", "reftable"])
def git(repo: Repository, request: pytest.FixtureRequest) -> Git:
    repo.commit({"a": "1"})
    if request.param == "reftable":
        repo.git("refs", "migrate", "--ref-format=reftable", check=False)
        if not (repo.path / ".git/reftable").is_dir():
            pytest.skip("this git keeps refs in files only")
    return Git(discover.__wrapped__(repo.path))


def test_a_ref_is_made_and_dropped(repo: Repository, git: Git) -> None:
    head = repo.git("rev-parse", "HEAD").strip()
    git.make_ref(NAME, head)
    assert repo.git("rev-parse", NAME).strip() == head
    git.drop_ref(NAME)
    assert NAME not in git.refs()
    repo.git("branch", "ralph-wip")  # nothing is left in its way
    repo.git("fsck", "--strict")


def test_a_packed_ref_is_dropped(repo: Repository, git: Git) -> None:
    git.make_ref(NAME, repo.git("rev-parse", "HEAD").strip())
    repo.git("pack-refs", "--all")
    git.make_ref(NAME, repo.commit({"b": "2"}))  # now it stands in both places
    git.drop_ref(NAME)
    assert NAME not in git.refs()


def test_the_log_of_a_dropped_branch_goes_with_it(repo: Repository, git: Git) -> None:
    repo.git("branch", "ralph-wip/7")
    git.drop_ref(NAME)
    assert not (repo.path / ".git/logs/refs/heads/ralph-wip").exists()


def test_what_is_in_the_way_is_told_by_git(repo: Repository, git: Git) -> None:
    repo.git("branch", "ralph-wip")
    with pytest.raises(Exception, match="ralph-wip"):
        git.make_ref(NAME, repo.git("rev-parse", "HEAD").strip())
    assert NAME not in git.refs()
    assert not list((repo.path / ".git").rglob("*.lock"))
