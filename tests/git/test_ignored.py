"""Ignored files: which are looked at, which rule ignores them, and how they are kept out of the work tree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ralph import paths
from ralph.git import ignored
from ralph.git.client import Git
from ralph.git.ignored import IgnoredWork, Names
from ralph.git.index import scan, stat_of
from ralph.git.repository import discover
from tests.conftest import Repository

NAMES = Names(paths.is_installed, paths.is_built)


@pytest.fixture
def git(repo: Repository) -> Git:
    repo.commit({".gitignore": "lib/\n*.dat\ndist/\nnode_modules/\nenv/\nvendor/\n", "a.txt": "a\n"}, "the project")
    made = Git(discover(repo.path))
    made.freeze(caches=paths.CACHES)
    return made


def seen(git: Git) -> list[str]:
    return sorted(ignored.stat_ignored(git, scan(git).ignored, NAMES))


def test_files_in_ignored_folders_are_seen_one_by_one(git: Git, repo: Repository) -> None:
    repo.write({"lib/a.txt": "", "src/lib/deep/b.txt": "", "x.dat": "", "seen.txt": ""})
    assert seen(git) == ["lib/a.txt", "src/lib/deep/b.txt", "x.dat"]


def test_caches_dependencies_and_virtual_environments_are_not_looked_at(git: Git, repo: Repository) -> None:
    repo.write({"node_modules/a/index.js": "", "lib/node_modules/b.js": "", "vendor/c.php": "",
                "env/pyvenv.cfg": "", "env/bin/python": "", "__pycache__/d.pyc": "", "lib/e.pyc": "",
                ".pytest_cache/f": ""})  # fmt: skip
    assert seen(git) == []


def test_what_a_build_writes_is_one_entry(git: Git, repo: Repository) -> None:
    repo.write({"dist/a.js": "", "lib/dist/b.js": "", "lib/c.js": ""})
    assert seen(git) == ["dist/", "lib/c.js", "lib/dist/"]


def test_a_folder_with_very_many_files_is_one_entry(
    git: Git, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ignored, "MOST", 2)
    repo.write({f"lib/{number}.txt": "" for number in range(3)})
    assert seen(git) == ["lib/"]


def test_a_repository_in_an_ignored_folder_is_not_looked_at(git: Git, repo: Repository) -> None:
    repo.write({"lib/other/a.txt": ""})
    repo.git("init", "-q", "lib/other")
    assert seen(git) == []


def test_what_is_in_a_folder_that_was_one_entry_is_not_new() -> None:
    assert ignored.written_since(["dist/", "lib/a", "x"], ["lib/a"]) == ("dist/", "x")
    assert ignored.written_since(["dist/", "data/a", "x"], ["dist/", "data/"]) == ("x",)


def test_the_rule_that_ignores_a_path_is_named(git: Git, repo: Repository) -> None:
    repo.write({"lib/a.txt": "", "ä b.dat": "", "src/.gitignore": "*.tmp\n", "src/x.tmp": "", ":(top)y.dat": ""})
    names = ["lib/a.txt", "ä b.dat", "src/x.tmp", "a.txt", ":(top)y.dat"]
    assert ignored.ignore_rules(git, names) == {
        "lib/a.txt": ".gitignore:1: lib/", "ä b.dat": ".gitignore:2: *.dat", "src/x.tmp": "src/.gitignore:1: *.tmp",
        ":(top)y.dat": ".gitignore:2: *.dat",
    }  # fmt: skip


def test_files_added_by_force_are_found(git: Git, repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.write({"lib/a.txt": "", "lib/b.txt": "", "dist/c.js": ""})
    repo.git("add", "-f", "lib/a.txt", "dist/c.js")
    assert ignored.staged_by_force(git, ["lib/a.txt", "lib/b.txt", "dist/"]) == ("lib/a.txt",)
    assert ignored.staged_by_force(git, []) == ()
    monkeypatch.setattr(ignored, "MOST_NAMED", 1)
    assert ignored.staged_by_force(git, ["lib/a.txt", "lib/b.txt", "dist/"]) == ("lib/a.txt",)


def test_files_are_moved_away_and_put_back(git: Git, repo: Repository) -> None:
    """Also over what was written meanwhile, and once more after a kill."""
    repo.write({"lib/deep/a.txt": "a", "x.dat": "x", "dist/b.js": "b"})
    (repo.path / "lib/link").symlink_to("nowhere")
    before = stat_of(repo.path / "lib/deep/a.txt")
    ignored.move_away(git, ["lib/deep/a.txt", "x.dat", "dist/", "lib/link", "gone.dat"])
    assert sorted(path.name for path in repo.path.iterdir()) == [".git", ".gitignore", "README.md", "a.txt"]
    repo.write({"lib/deep/a.txt": "of a gate", "dist/other.js": "of a gate"})
    ignored.put_back(git)
    ignored.put_back(git)
    assert (repo.read("lib/deep/a.txt"), repo.read("x.dat"), repo.read("dist/b.js")) == ("a", "x", "b")
    assert stat_of(repo.path / "lib/deep/a.txt") == before
    assert (repo.path / "lib/link").readlink() == Path("nowhere")
    assert os.listdir(repo.path / "dist") == ["b.js"]  # noqa: PTH208
    assert not list((repo.path / ".git/ralph").glob("aside*"))


def test_protected_files_get_their_content_back(git: Git, repo: Repository, tmp_path: Path) -> None:
    repo.write({"lib/same": "1", "lib/touched": "1", "lib/changed": "1", "lib/gone": "1", "lib/large": "1" * 99})
    names = ["lib/same", "lib/touched", "lib/changed", "lib/gone", "lib/large"]
    stats = {name: stat for name in names if (stat := stat_of(repo.path / name)) is not None}
    copies, trash = tmp_path / "copies", tmp_path / "trash"
    ignored.copy_files(git, stats, copies, 50)
    repo.write({"lib/touched": "1", "lib/changed": "2", "lib/large": "2" * 99, "lib/made": "2"})
    (repo.path / "lib/gone").unlink()
    changed = [name for name in names if ignored.is_changed(git, name, stats[name], copies)]
    assert changed == ["lib/changed", "lib/gone", "lib/large"]
    ignored.restore_protected(git, IgnoredWork(("lib/made",), (), (*changed, "lib/made"), (), copies), trash)
    assert [repo.read(name) for name in names] == ["1", "1", "1", "1", "2" * 99]
    assert not (repo.path / "lib/made").exists()
    assert [(trash / name).read_text() for name in ("lib/changed", "lib/made")] == ["2", "2"]
    assert copies.stat().st_mode & 0o077 == 0
