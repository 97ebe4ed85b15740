"""The stash list, read, held and put back as git itself would write it."""

from __future__ import annotations

import threading
from itertools import permutations
from pathlib import Path

import pytest

from ralph.errors import RalphError
from ralph.git import stash
from ralph.git.client import Git
from ralph.git.model import StashEntry
from ralph.git.repository import discover
from tests.conftest import Repository

MESSAGES = ("one", "with: a colon", "zweites Stück", "four")


@pytest.fixture
def git(repo: Repository) -> Git:
    repo.commit({"a.txt": "base\n"})
    for number, message in enumerate(MESSAGES):
        repo.write({"a.txt": f"base\n{message}\n", f"new-{number}.txt": "new\n"})
        repo.git("stash", "push", "-q", "-u", "-m", message)
    door = Git(discover(repo.path))
    door.freeze()
    return door


def listed(repo: Repository) -> str:
    return repo.git("reflog", "--date=raw", "--format=%H %gn %ge %gd %gs", "refs/stash")


def test_reading_and_writing_a_log_are_each_others_inverse(git: Git, repo: Repository) -> None:
    log = (repo.path / ".git/logs/refs/stash").read_bytes()
    assert stash.written(stash.parse_entries(log)) == log
    assert [entry.message for entry in stash.stash_entries(git)] == [
        f"On main: {one}" for one in reversed(MESSAGES)
    ]


@pytest.mark.parametrize("dropped", [(0,), (3,), (1, 2), (0, 3), (0, 1, 2, 3)])
def test_dropped_entries_come_back_in_their_places(git: Git, repo: Repository, dropped: tuple[int, ...]) -> None:
    before, noted = listed(repo), stash.hold(git, "refs/ralph/r/1", git.sha("HEAD"))
    for place in sorted(dropped, reverse=True):
        repo.git("stash", "drop", "-q", f"stash@{{{place}}}")
    back = [noted.entries[place] for place in dropped]
    stash.put_back(git, noted.entries, back)
    stash.put_back(git, noted.entries, back)
    assert listed(repo) == before
    assert repo.git("rev-parse", "refs/stash") == noted.entries[0].sha


def test_what_the_ref_holds_is_the_list(git: Git, repo: Repository) -> None:
    noted = stash.hold(git, "refs/ralph/r/1", git.sha("HEAD"))
    repo.git("stash", "clear")
    repo.git("gc", "-q", "--prune=now")
    assert stash.held(git, "refs/ralph/r/1") == noted.entries
    assert stash.held(git, "refs/ralph/r/2") is None
    stash.put_back(git, noted.entries, noted.entries)
    repo.git("stash", "pop", "-q", "stash@{2}")
    assert repo.read("new-1.txt") == "new\n"


def test_new_entries_stay_on_top(git: Git, repo: Repository) -> None:
    noted = stash.note(git)
    repo.git("stash", "clear")
    repo.write({"a.txt": "new\n"})
    repo.git("stash", "-q")
    wanted = stash.put_back(git, noted.entries, noted.entries)
    assert wanted == stash.stash_entries(git)
    assert [entry.message for entry in wanted][1:] == [entry.message for entry in noted.entries]


def test_it_is_put_back_where_refs_are_no_files_by_gits_own_commands(git: Git, repo: Repository) -> None:
    noted = stash.note(git)
    repo.git("stash", "drop", "-q", "stash@{1}")
    stash._rebuilt(git, noted.entries, noted.entries)
    assert [(one.sha, one.message) for one in stash.stash_entries(git)] == [
        (one.sha, one.message) for one in noted.entries
    ]


def test_a_list_that_git_packed_is_the_same(git: Git, repo: Repository) -> None:
    noted, before = stash.note(git), listed(repo)
    repo.git("pack-refs", "--all")
    assert stash.stash_entries(git) == noted.entries
    repo.git("stash", "drop", "-q")
    repo.git("pack-refs", "--all")
    stash.put_back(git, noted.entries, noted.entries[:1])
    assert listed(repo) == before


def test_the_signature_tells_a_push_and_a_pop_that_leave_the_list_as_it_was(git: Git, repo: Repository) -> None:
    noted = stash.note(git)
    assert stash.note(git).signature == noted.signature
    repo.write({"a.txt": "x\n"})
    repo.git("stash", "-q")
    repo.git("stash", "pop", "-q")
    now = stash.note(git)
    assert now.entries == noted.entries
    assert now.signature != noted.signature


def test_an_entry_that_came_and_went_is_found_by_its_objects(git: Git, repo: Repository) -> None:
    noted = stash.note(git)
    repo.write({"a.txt": "x\n"})
    repo.git("switch", "-qc", "other")
    repo.git("stash", "-q")
    sha = repo.git("rev-parse", "refs/stash")
    repo.git("stash", "drop", "-q")
    repo.commit({"b.txt": "no stash\n"}, "On purpose: no stash")
    found = stash.passing(git, noted.since, {entry.sha for entry in noted.entries})
    assert [(entry.sha, entry.branch) for entry in found] == [(sha, "other")]


def test_contents_are_what_an_entry_brings(git: Git) -> None:
    entry = stash.stash_entries(git)[0]
    missing = StashEntry("1" * 40, "gone")
    held = stash.contents(git, [entry, missing])
    assert set(held) == {entry.sha}
    assert sorted(path for path, _, _ in held[entry.sha]) == ["a.txt", "new-3.txt"]
    assert git.blob(next(new for path, _, new in held[entry.sha] if path == "a.txt")) == b"base\nfour\n"


def test_a_lock_that_stays_is_an_error_with_a_cure(
    git: Git, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    noted = stash.note(git)
    repo.git("stash", "clear")
    monkeypatch.setattr(stash, "PATIENCE", 0.1)
    (repo.path / ".git/refs/stash.lock").touch()
    with pytest.raises(RalphError, match="can't be put back"):
        stash.put_back(git, noted.entries, noted.entries)
    assert stash.stash_entries(git) == ()


def test_a_lock_that_goes_is_waited_for(git: Git, repo: Repository) -> None:
    noted, before = stash.note(git), listed(repo)
    repo.git("stash", "clear")
    lock = repo.path / ".git/refs/stash.lock"
    lock.touch()
    timer = threading.Timer(0.1, lock.unlink)
    timer.start()
    stash.put_back(git, noted.entries, noted.entries)
    timer.join()
    assert listed(repo) == before


def test_every_subset_and_order_is_merged_without_a_loss() -> None:
    then = tuple(StashEntry(str(n)) for n in range(4))
    new = StashEntry("new")
    for size in range(5):
        for kept in permutations([*then, new], size):
            merged = stash.merged(kept, then, then)
            assert {*merged} == {*then, *kept}
            assert len(merged) == len({*merged})
            assert [entry for entry in merged if entry in kept] == list(kept)


def test_a_repository_without_a_stash_costs_nothing(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    door = Git(discover(repo.path))
    monkeypatch.setattr(Git, "_start", None)
    assert stash.hold(door, "refs/ralph/r/1", "").entries == ()
    assert not Path(repo.path / ".git/refs/ralph").exists()
