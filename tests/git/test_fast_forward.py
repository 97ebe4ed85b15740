"""The checkout goes along with the branch: what somebody changed stays, and what a kill left half done is done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from ralph.git import index as snapshot
from ralph.git.client import Git
from ralph.git.fast_forward import fast_forward_checkout
from ralph.git.repository import discover
from tests.conftest import Repository

OLD, NEW = b"one\ntwo\n", b"one\ntwo\nthree\n"


@dataclass(frozen=True)
class Found:
    """How a kill, or a person, left a file, and what becomes of it when it is brought along again."""

    name: str
    was: bytes | None  # in the old commit
    found: bytes | None
    will: bytes | None  # in the new commit
    then: bytes | None
    index: str = "old"  # where the user's index stands


CASES = [
    Found("not begun: it follows", OLD, OLD, NEW, NEW),
    Found("done: it stays so", OLD, NEW, NEW, NEW, "new"),
    Found("taken away, and not written: a kill came between", OLD, None, NEW, NEW),
    Found("half written", OLD, b"one\ntw", NEW, NEW),
    Found("a new file, half written", None, b"one", NEW, NEW),
    Found("a file that goes is gone, and the index does not know it", OLD, None, None, None),
    Found("edited by a person: it stays", OLD, b"mine\n", NEW, b"mine\n"),
    Found("a person's own file where a new one comes: it stays", None, b"mine\n", NEW, b"mine\n"),
    Found("edited by a person where it goes: it stays", OLD, b"mine\n", None, b"mine\n"),
    Found("taken away by a person after it was brought: it stays so", OLD, None, NEW, None, "new"),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_cut_off(repo: Repository, case: Found) -> None:
    git, old, new = stand(repo, case)
    kept = fast_forward_checkout(git, old, new, cut_off=True)
    assert content(repo.path / "file") == case.then
    assert content(repo.path / "other") == b"new\n"
    assert kept == (("file",) if case.then != case.will else ())


def test_what_a_person_took_away_stays_so(repo: Repository) -> None:
    """Where nothing was cut off, nobody but a person can have done it."""
    git, old, new = stand(repo, Found("", OLD, None, NEW, None))
    assert fast_forward_checkout(git, old, new) == ("file",)
    assert content(repo.path / "file") is None


def test_the_users_index_knows_the_files_that_came(repo: Repository) -> None:
    """Their own git need not read them: `diff-files` goes by times alone."""
    git, old, new = stand(repo, Found("", OLD, OLD, NEW, NEW))
    assert fast_forward_checkout(git, old, new) == ()
    assert repo.git("diff-files", "--name-only") == ""
    assert repo.git("status", "--porcelain") == ""


def test_behind_a_link_of_a_person_nothing_is_looked_at(repo: Repository) -> None:
    old = repo.commit({"sub/file": "old\n", "other": "old\n"})
    new = repo.commit({"sub/file": "new\n", "other": "new\n"})
    repo.git("reset", "-q", "--hard", old)
    repo.git("update-ref", "HEAD", new)
    (repo.path / "sub").rename(repo.path.parent / "elsewhere")
    (repo.path / "sub").symlink_to(repo.path.parent / "elsewhere")
    git = Git(discover(repo.path))
    git.freeze()
    snapshot.fill(git, old)
    snapshot.refresh(git)
    assert fast_forward_checkout(git, old, new) == ("sub/file",)
    assert (repo.read("sub/file"), repo.read("other")) == ("old\n", "new\n")


def stand(repo: Repository, case: Found) -> tuple[Git, str, str]:
    """A checkout whose branch moved, and whose files are in between."""
    old = commit(repo, case.was, "old\n")
    new = commit(repo, case.will, "new\n")
    repo.git("reset", "-q", "--hard", old)
    if case.index == "new":
        repo.git("read-tree", new)
    repo.git("update-ref", "HEAD", new)
    put(repo.path / "file", case.found)
    git = Git(discover(repo.path))
    git.freeze()
    git.seal()
    snapshot.fill(git, old)
    snapshot.refresh(git)
    return git, old, new


def commit(repo: Repository, data: bytes | None, other: str) -> str:
    put(repo.path / "file", data)
    return repo.commit({"other": other})


def put(path: Path, data: bytes | None) -> None:
    path.unlink(missing_ok=True)
    if data is not None:
        path.write_bytes(data)


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
