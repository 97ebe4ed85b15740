"""An attempt's workspace: what it leaves is frozen whole, and the tree becomes what it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ralph.errors import RalphError
from ralph.git.client import Git
from ralph.git.freeze import FrozenWork, OwnFiles, freeze
from ralph.git.index import fill, refresh, scan
from ralph.git.repository import discover
from ralph.git.workspace import Workspace, leave, prepare, roll_back
from tests.conftest import Repository

PAPERS = OwnFiles("PRD.md", "CLAUDE.md")
BRANCH = "refs/heads/main"


@pytest.fixture
def git(repo: Repository) -> Git:
    repo.commit({"PRD.md": "- [ ] a\n", "src/a.py": "a = 1\n", "src/b.py": "b = 1\n", "run.sh": "#!/bin/sh\n"})
    (repo.path / "run.sh").chmod(0o755)
    repo.git("commit", "-qam", "executable")
    door = Git(discover(repo.path))
    door.freeze()
    fill(door, repo.git("rev-parse", "HEAD"))
    refresh(door)
    return door


def begin(git: Git) -> Workspace:
    return prepare(git, "r", 1, BRANCH, git.sha(BRANCH), PAPERS, None)


def end(git: Git, space: Workspace, named: Callable[[str], bool] = lambda _: False) -> FrozenWork:
    now = scan(git)
    frozen = freeze(
        git, space.before, now, PAPERS, ours=space.ours, watched=space.watched, named=named, message="work"
    )
    leave(git, space, frozen, now.refs, space.before.base)
    return frozen


def state(path: Path) -> dict[str, tuple[int, bytes]]:
    """Every file outside .git: mode and content (a link's target)."""
    found = {}
    for one in sorted(path.rglob("*")):
        if ".git" in one.relative_to(path).parts or one.is_dir():
            continue
        content = str(one.readlink()).encode() if one.is_symlink() else one.read_bytes()
        found[str(one.relative_to(path))] = (one.lstat().st_mode, content)
    return found


def changed(frozen: FrozenWork) -> dict[str, str]:
    return {change.path: change.status for change in frozen.changes}


def test_the_agent_stands_on_a_scratch_branch_and_ralphs_branch_stays(git: Git, repo: Repository) -> None:
    space = begin(git)
    assert repo.git("symbolic-ref", "HEAD") == "refs/heads/ralph-wip/r-1"
    repo.commit({"src/a.py": "a = 2\n"}, "work")
    assert repo.git("rev-parse", "main") == space.before.base
    frozen = end(git, space)
    assert repo.git("symbolic-ref", "HEAD") == BRANCH
    assert [commit.subject for commit in frozen.commits] == ["work"]
    assert "refs/heads/ralph-wip/r-1" not in repo.refs()


@pytest.mark.parametrize("committed", [True, False])
def test_work_is_frozen_whether_it_was_committed_or_not(git: Git, repo: Repository, committed: bool) -> None:
    space = begin(git)
    repo.write({"src/a.py": "a = 2\n", "src/new.py": "n = 1\n"})
    (repo.path / "src/b.py").unlink()
    if committed:
        repo.git("add", "-A")
        repo.git("commit", "-qm", "work")
    frozen = end(git, space)
    assert changed(frozen) == {"src/a.py": "M", "src/new.py": "A", "src/b.py": "D"}
    assert repo.git("show", f"{frozen.work}:src/new.py") == "n = 1"


def test_nothing_changed_is_empty(git: Git, repo: Repository) -> None:
    space = begin(git)
    os.utime(repo.path / "src/a.py")
    frozen = end(git, space)
    assert frozen.empty
    assert frozen.work == space.before.commit


def mess(repo: Repository) -> None:
    """Everything that an attempt can do to a tree."""
    repo.write({"src/a.py": "broken", "new/deep/file.txt": "x", "notes.txt": "overwritten"})
    (repo.path / "src/b.py").unlink()
    (repo.path / "run.sh").chmod(0o644)
    (repo.path / "secret.txt").unlink()
    (repo.path / "link").symlink_to("/etc/passwd")
    repo.write({".gitignore": "hidden/\n", "hidden/conftest.py": "x"})
    repo.git("add", "-A")
    repo.git("commit", "-qm", "mess")
    repo.git("update-index", "--assume-unchanged", "src/a.py")


def test_rolling_back_makes_the_tree_exactly_as_before(git: Git, repo: Repository) -> None:
    repo.write({"notes.txt": "mine", "secret.txt": "s3cret"})
    (repo.path / "secret.txt").chmod(0o600)
    then = state(repo.path)
    space = begin(git)
    mess(repo)
    frozen = end(git, space)
    roll_back(git, space, frozen, frozenset())
    assert state(repo.path) == then
    assert repo.git("status", "--porcelain") == "?? notes.txt\n?? secret.txt"
    assert repo.git("show", "refs/ralph/r/1/work:notes.txt") == "overwritten"
    assert repo.git("show", "refs/ralph/r/1/work^1:secret.txt") == "s3cret"
    assert not (repo.path / "hidden").exists()


def test_rolling_back_twice_or_from_half_way_is_the_same(git: Git, repo: Repository) -> None:
    repo.write({"notes.txt": "mine", "secret.txt": "s3cret"})
    then = state(repo.path)
    space = begin(git)
    mess(repo)
    frozen = end(git, space)
    (repo.path / "src/a.py").write_text("a = 1\n")  # half of it was taken back already
    roll_back(git, space, frozen, frozenset())
    roll_back(git, space, frozen, frozenset())
    assert state(repo.path) == then


def test_a_folder_in_place_of_a_file_and_the_other_way_round(git: Git, repo: Repository) -> None:
    then = state(repo.path)
    space = begin(git)
    repo.git("rm", "-rq", "src")
    repo.write({"src": "now a file"})
    (repo.path / "run.sh").unlink()
    repo.write({"run.sh/inner": "now a folder"})
    frozen = end(git, space)
    roll_back(git, space, frozen, frozenset())
    assert state(repo.path) == then


def test_files_untracked_before_are_not_work_unless_named(git: Git, repo: Repository) -> None:
    repo.write({"notes.txt": "mine", "draft.py": "1"})
    space = begin(git)
    repo.write({"notes.txt": "changed", "draft.py": "2"})
    frozen = end(git, space, named=lambda path: path == "draft.py")
    assert changed(frozen) == {"draft.py": "A"}
    assert frozen.untracked == ("notes.txt",)


def test_hidden_files_are_seen(git: Git, repo: Repository) -> None:
    space = begin(git)
    repo.write({".gitignore": "*.secret\n", "x.secret": "1", ".git/info/exclude": "y.txt\n", "y.txt": "1"})
    frozen = end(git, space)
    assert frozen.hidden == ("x.secret",)
    assert "y.txt" in changed(frozen)
    assert any("info/exclude" in one for one in frozen.config)


def test_what_git_cannot_record_is_named(git: Git, repo: Repository) -> None:
    space = begin(git)
    repo.write({"src/a.py": "<<<<<<< ours\n1\n=======\n2\n>>>>>>> theirs\n"})
    inner = Repository(repo.path / "inner")
    inner.path.mkdir()
    inner.git("init", "-q")
    inner.commit({"x": "1"})
    (git.where.git_dir / "MERGE_HEAD").write_text(space.before.base + "\n")
    frozen = end(git, space)
    assert len(frozen.obstacles) == 3
    roll_back(git, space, frozen, frozenset())
    assert not inner.path.exists()
    assert not (git.where.git_dir / "MERGE_HEAD").exists()


def test_rewritten_history_is_seen_and_ralphs_branch_put_back(git: Git, repo: Repository) -> None:
    space = begin(git)
    repo.git("checkout", "-q", "main")
    repo.git("reset", "-q", "--hard", "HEAD~1")
    repo.commit({"src/a.py": "a = 9\n"}, "forged")
    frozen = end(git, space)
    assert "no longer part" in frozen.rewritten
    assert repo.git("rev-parse", "main") == space.before.base


def test_commits_elsewhere_are_told_and_not_undone(git: Git, repo: Repository) -> None:
    space = begin(git)
    repo.git("checkout", "-qb", "elsewhere")
    repo.commit({"src/a.py": "a = 2\n"}, "there")
    repo.git("checkout", "-q", "ralph-wip/r-1")
    frozen = end(git, space)
    assert frozen.changes == ()
    assert frozen.refs == ("elsewhere is new, at " + repo.git("rev-parse", "elsewhere")[:9],)
    assert "refs/heads/elsewhere" in repo.refs()


def test_deleted_branches_are_held(git: Git, repo: Repository) -> None:
    repo.git("branch", "precious")
    old = repo.git("rev-parse", "precious")
    space = begin(git)
    repo.git("branch", "-D", "precious")
    frozen = end(git, space)
    assert frozen.refs[0].startswith("precious was deleted")
    assert repo.git("rev-parse", "refs/ralph/r/saved/heads/precious") == old


def test_planted_hooks_filters_and_config_do_not_fire(git: Git, repo: Repository, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    evil = tmp_path / "evil.sh"
    evil.write_text(f"#!/bin/sh\necho $0 $@ >> {marker}\ncat\n")
    evil.chmod(0o755)
    space = begin(git)
    for hook in ("post-checkout", "pre-commit", "reference-transaction", "post-index-change", "update"):
        (git.where.git_dir / "hooks").mkdir(exist_ok=True)
        (git.where.git_dir / "hooks" / hook).symlink_to(evil)
    repo.write({".gitattributes": "* filter=evil diff=evil merge=evil\n", "src/a.py": "a = 2\n"})
    for key in ("filter.evil.clean", "filter.evil.smudge", "core.fsmonitor", "diff.evil.textconv", "diff.external",
                "gpg.program", "core.pager", "core.editor"):  # fmt: skip
        repo.git("config", key, str(evil))
    repo.git("config", "commit.gpgSign", "true")
    repo.git("config", "core.hooksPath", str(git.where.git_dir / "hooks"))
    marker.unlink(missing_ok=True)  # the test's own git calls set it off
    frozen = end(git, space)
    roll_back(git, space, frozen, frozenset())
    assert not marker.exists()
    assert frozen.config


def test_a_file_that_changed_while_no_agent_ran_stops_the_run(git: Git, repo: Repository) -> None:
    repo.write({"src/a.py": "mine\n"})
    with pytest.raises(RalphError, match=r"src/a\.py"):
        begin(git)
