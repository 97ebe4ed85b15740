"""The pool of worktrees: whatever an attempt left there, the next one finds exactly its commit."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from ralph.errors import RalphError
from ralph.git.client import Git
from ralph.git.index import scan
from ralph.git.repository import discover
from ralph.git.worktrees import WorktreePool, bring_along, cache_folder, check_out
from ralph.process import tree
from tests.conftest import Repository, spread
from tests.helpers.families import wait_until

FILES = {
    "src/a.py": "a = 1\n", "src/b.py": "b = 1\n", "src/deep/c.py": "c = 1\n", "docs/guide.md": "# Guide\n",
    "run.sh": "#!/bin/sh\n", ".gitignore": "*.log\nnode_modules/\n.env\n",
}  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def first(repo: Repository) -> str:
    """A commit with files of all kinds."""
    repo.write(FILES)
    (repo.path / "run.sh").chmod(0o755)
    (repo.path / "link").symlink_to("src/a.py")
    return repo.commit({}, "first")


@pytest.fixture
def second(repo: Repository, first: str) -> str:
    """The next one: a file changed, one gone, one new, a folder became a file."""
    (repo.path / "src/b.py").unlink()
    (repo.path / "src/deep/c.py").unlink()
    (repo.path / "src/deep").rmdir()
    return repo.commit({"src/a.py": "a = 2\n", "src/new.py": "n = 1\n", "src/deep": "a file now\n"}, "second")


@pytest.fixture
def pool(repo: Repository, second: str, cache: Path) -> WorktreePool:
    return WorktreePool(main(repo.path), cache)


def main(path: Path) -> Git:
    git = Git(discover(path))
    git.freeze()
    return git


def place(pool: WorktreePool, number: int = 1) -> Repository:
    """A worktree, for an agent's commands."""
    return Repository(pool.repo(number).root)


def listed(repo: Repository) -> list[str]:
    return [
        line for line in repo.git("worktree", "list", "--porcelain").splitlines() if line.startswith("worktree ")
    ]


def files(root: Path) -> dict[str, tuple[int, bytes]]:
    """Everything outside .git, folders included: what kind it is, and its content."""
    found = {}
    for one in sorted(root.rglob("*")):
        name = str(one.relative_to(root))
        if name != ".git" and not name.startswith(".git/"):
            content = os.fsencode(one.readlink()) if one.is_symlink() else b"" if one.is_dir() else one.read_bytes()
            found[name] = (one.lstat().st_mode, content)
    return found


def fresh(repo: Repository, commit: str, where: Path) -> dict[str, tuple[int, bytes]]:
    """What git itself makes of a commit."""
    repo.git("clone", "-q", "--no-checkout", str(repo.path), str(where))
    Repository(where).git("checkout", "-q", "--detach", commit)
    return files(where)


def there(pool: WorktreePool, commit: str, number: int = 1) -> Git:
    git = pool.open(number, commit)
    check_out(git, commit, number)
    return git


# ---------------------------------------------------------------- made, used, gone


@pytest.mark.parametrize("count", [0, 1, 3])
def test_git_knows_the_worktrees_while_they_are_used(
    repo: Repository, pool: WorktreePool, first: str, count: int, tmp_path: Path
) -> None:
    before = listed(repo)
    wanted = fresh(repo, first, tmp_path / "fresh")
    for number in range(1, count + 1):
        there(pool, first, number)
        assert files(pool.repo(number).root) == wanted
    assert len(listed(repo)) == 1 + count
    pool.close()
    assert listed(repo) == before
    assert not (repo.path / ".git/worktrees").exists()
    assert repo.git("status", "--porcelain") == ""
    repo.git("fsck", "--strict")


def test_the_folder_has_the_name_of_the_checkout(pool: WorktreePool, first: str) -> None:
    assert there(pool, first).where.root.name == "repo"


def test_a_warm_pool_keeps_files_and_what_is_known_about_them(pool: WorktreePool, first: str, second: str) -> None:
    root = there(pool, first).where.root
    (root / "x.log").write_text("ignored")
    kept = (root / "docs/guide.md").stat()
    pool.close()
    git = there(pool, second)
    assert (root / "docs/guide.md").stat() == kept
    assert git.index.exists()
    assert (root / "x.log").read_text() == "ignored"


def test_it_goes_there_and_back_again(
    repo: Repository, pool: WorktreePool, first: str, second: str, tmp_path: Path
) -> None:
    wanted = {one: fresh(repo, one, tmp_path / one) for one in (first, second)}
    for commit in (first, second, first, second):
        git = there(pool, commit)
        assert files(git.where.root) == wanted[commit]
        assert scan(git).paths == ()


def test_forget_takes_the_files_too(repo: Repository, pool: WorktreePool, first: str, cache: Path) -> None:
    there(pool, first)
    pool.forget()
    assert list(cache.iterdir()) == []
    assert list((repo.path / ".git/ralph/worktrees").iterdir()) == []


def test_what_is_left_of_a_crash_goes_with_the_next_close(
    repo: Repository, pool: WorktreePool, first: str, cache: Path
) -> None:
    there(pool, first, 2)
    WorktreePool(main(repo.path), cache).close()
    assert len(listed(repo)) == 1


# ---------------------------------------------------------------- the agent's own git


def test_git_as_the_agent_runs_it(repo: Repository, pool: WorktreePool, first: str) -> None:
    there(pool, first)
    here = place(pool)
    assert here.git("status", "--porcelain") == ""
    assert here.subjects() == ["first", "start"]
    here.write({"src/a.py": "a = 9\n"})
    assert here.git("diff", "--name-only") == "src/a.py"
    here.git("checkout", "-q", "-b", "mine")
    here.git("commit", "-qam", "work")
    assert repo.git("show", "--name-only", "--format=", "mine") == "src/a.py"
    assert repo.git("symbolic-ref", "HEAD") == "refs/heads/main"


def test_the_next_attempt_stands_on_its_commit_and_on_no_branch(
    pool: WorktreePool, first: str, second: str
) -> None:
    there(pool, first)
    here = place(pool)
    here.git("checkout", "-q", "-b", "mine")
    there(pool, second)
    assert here.git("rev-parse", "--abbrev-ref", "HEAD") == "HEAD"
    assert here.git("rev-parse", "HEAD") == second
    assert here.git("rev-parse", "mine") == first
    assert here.git("status", "--porcelain") == ""


# ---------------------------------------------------------------- whatever it left

Mess = Callable[[Repository], object]


def steps(*messes: Mess) -> Mess:
    """One after the other."""

    def mess(here: Repository) -> None:
        for one in messes:
            one(here)

    return mess


def edit_unseen(here: Repository) -> None:
    file = here.path / "src/a.py"
    old = file.stat()
    file.write_text("a = 7\n")
    os.utime(file, ns=(old.st_atime_ns, old.st_mtime_ns))


def delete_everything(here: Repository) -> None:
    for one in here.path.iterdir():
        shutil.rmtree(one) if one.is_dir() and not one.is_symlink() else one.unlink()


def become_a_file(here: Repository) -> None:
    shutil.rmtree(here.path)
    here.path.write_text("")


def turn_link(here: Repository) -> None:
    (here.path / "link").unlink()
    (here.path / "link").symlink_to("nowhere")


def replace_by_folder(name: str) -> Mess:
    def mess(here: Repository) -> None:
        (here.path / name).unlink()
        here.write({f"{name}/inside/x.txt": "x"})

    return mess


def replace_by_file(name: str) -> Mess:
    def mess(here: Repository) -> None:
        shutil.rmtree(here.path / name)
        (here.path / name).write_text("a file")

    return mess


def replace_by_link(name: str) -> Mess:
    def mess(here: Repository) -> None:
        kept = here.path.parent / "elsewhere"
        (here.path / name).rename(kept)
        (here.path / name).symlink_to(kept)

    return mess


def ignore_everything(here: Repository) -> None:
    here.write(
        {".gitignore": "*.py\nmore/\n", "src/hidden.py": "h", "more/.gitignore": "*.txt\n", "more/x.txt": "x"}
    )


def nested(name: str, **content: str) -> Mess:
    def mess(here: Repository) -> None:
        (here.path / name).mkdir(exist_ok=True)
        inner = Repository(here.path / name)
        inner.git("init", "-q")
        inner.commit({"inner.txt": "x", **content}, "inner")

    return mess


def broken_nested(here: Repository) -> None:
    here.write({"sub/.git": "gitdir: /nowhere\n", "sub/x.txt": "x", "bare/.git": "gitdir: /nowhere\n"})


def half_a_merge(here: Repository) -> None:
    here.git("checkout", "-q", "-b", "one")
    here.commit({"src/a.py": "a = 'one'\n"})
    here.git("checkout", "-q", "-b", "two", "HEAD~1")
    here.commit({"src/a.py": "a = 'two'\n"})
    here.git("merge", "one", check=False)
    assert "UU src/a.py" in here.git("status", "--porcelain")


def half_a_rebase(here: Repository) -> None:
    half_a_merge(here)
    here.git("merge", "--abort")
    here.git("rebase", "one", check=False)
    assert "rebase in progress" in here.git("status")


def bisect(here: Repository) -> None:
    here.git("bisect", "start", "HEAD", "HEAD~1")


def sparse(here: Repository) -> None:
    here.git("sparse-checkout", "set", "docs")
    assert not (here.path / "src").exists()


def locks(here: Repository) -> None:
    git_dir = Path(here.git("rev-parse", "--absolute-git-dir"))
    for folder in (git_dir, git_dir.parents[1] / "ralph/worktrees" / git_dir.name / "git"):
        for name in ("index.lock", "HEAD.lock", "config.lock"):
            (folder / name).write_text("")


def git_is_a_folder(here: Repository) -> None:
    (here.path / ".git").unlink()
    here.git("init", "-q")
    here.commit({"src/a.py": "mine"}, "a repository of its own")


def head_is_rubbish(here: Repository) -> None:
    Path(here.git("rev-parse", "--absolute-git-dir"), "HEAD").write_text("rubbish")


def head_is_a_folder(here: Repository) -> None:
    head = Path(here.git("rev-parse", "--absolute-git-dir"), "HEAD")
    head.unlink()
    head.mkdir()


def no_admin_folder(here: Repository) -> None:
    shutil.rmtree(here.git("rev-parse", "--absolute-git-dir"))


def _own(here: Repository) -> Path:
    git_dir = Path(here.git("rev-parse", "--absolute-git-dir"))
    return git_dir.parents[1] / "ralph/worktrees" / git_dir.name


MESSES: dict[str, Mess] = {
    "nothing": lambda _: None,
    "a file edited": lambda here: here.write({"src/a.py": "a = 7\n"}),
    "a file edited, with its size and time": edit_unseen,
    "a file deleted": lambda here: (here.path / "src/a.py").unlink(),
    "a folder deleted": lambda here: shutil.rmtree(here.path / "src"),
    "everything deleted": delete_everything,
    "new files and folders": lambda here: here.write({"new.py": "", "new/deep/x.py": "x", "src/n.py": "n"}),
    "an empty folder": lambda here: (here.path / "src/empty/more").mkdir(parents=True),
    "names with blanks": lambda here: here.write({" a b /c\td\n.txt": "x", "*": "x", "[a]?": "x", "#x": "x"}),
    "a name that is no text": lambda here: here.write({os.fsdecode(b"\xff\xfe.txt"): "x"}),
    "a file became a folder": replace_by_folder("src/a.py"),
    "a folder became a file": replace_by_file("src"),
    "a file became a link": replace_by_link("src/a.py"),
    "a folder became a link": replace_by_link("src"),
    "a link became a file": steps(
        lambda here: (here.path / "link").unlink(), lambda here: here.write({"link": "x"})
    ),
    "a link points elsewhere": turn_link,
    "no longer executable": lambda here: (here.path / "run.sh").chmod(0o644),
    "executable now": lambda here: (here.path / "src/a.py").chmod(0o755),
    "ignore files that hide": ignore_everything,
    "a nested repository": nested("lib"),
    "a nested repository in a tracked folder": nested("src"),
    "nested repositories that are broken": broken_nested,
    "staged": steps(lambda here: here.write({"src/a.py": "x", "n.py": "n"}), lambda here: here.git("add", "-A")),
    "committed": lambda here: here.commit({"src/a.py": "x", "n.py": "n"}),
    "on a branch": steps(
        lambda here: here.git("checkout", "-q", "-b", "b"), lambda here: here.commit({"src/a.py": "x"})
    ),
    "half a merge": half_a_merge,
    "half a rebase": half_a_rebase,
    "a bisect": bisect,
    "a sparse checkout": sparse,
    "assumed unchanged": steps(
        lambda here: here.git("update-index", "--assume-unchanged", "src/a.py"),
        lambda here: here.write({"src/a.py": "x"}),
    ),
    "locks": locks,
    "its .git is broken": lambda here: (here.path / ".git").write_text("gitdir: /nowhere\n"),
    "its .git is gone": lambda here: (here.path / ".git").unlink(),
    "its .git is a folder": git_is_a_folder,
    "its .git is a link": steps(
        lambda here: (here.path / ".git").unlink(), lambda here: (here.path / ".git").symlink_to("src")
    ),
    "its HEAD is rubbish": head_is_rubbish,
    "its HEAD is a folder": head_is_a_folder,
    "its folder in git is gone": no_admin_folder,
    "all of it is gone": lambda here: shutil.rmtree(here.path),
    "it is a file": become_a_file,
    "ralph's index is gone": lambda here: (_own(here) / "git/index").unlink(),
    "ralph's index is torn": lambda here: (_own(here) / "git/index").write_bytes(b"DIRC\0\0"),
    "all of ralph's state is gone": lambda here: shutil.rmtree(_own(here)),
}  # fmt: skip


@pytest.mark.parametrize("onto", ["the same", pytest.param("the next", marks=pytest.mark.slow)])
@pytest.mark.parametrize("mess", spread(MESSES, daily=6, ci=2))
def test_whatever_was_left_it_is_the_commit(
    repo: Repository, pool: WorktreePool, first: str, second: str, tmp_path: Path, mess: str, onto: str
) -> None:
    there(pool, first)
    MESSES[mess](place(pool))
    commit = first if onto == "the same" else second
    git = pool.open(1, commit)
    found = check_out(git, commit, 2)
    assert files(git.where.root) == fresh(repo, commit, tmp_path / "fresh")
    assert found.paths == scan(git).paths == ()
    here = place(pool)
    assert here.git("status", "--porcelain", "--ignored") == ""
    assert here.git("status").splitlines() == [
        "Not currently on any branch.",
        "nothing to commit, working tree clean",
    ]
    assert here.git("rev-parse", "HEAD") == commit
    assert here.git("rev-parse", "--absolute-git-dir") == str(git.where.git_dir)
    here.git("commit", "-q", "--allow-empty", "-m", "still usable")
    assert repo.git("status", "--porcelain") == ""


def test_ignored_files_stay(pool: WorktreePool, first: str, second: str) -> None:
    there(pool, first)
    kept = {"x.log": "1", "new/deep/y.log": "2", "node_modules/m/index.js": "3", ".env": "4"}
    place(pool).write({**kept, "new/deep/gone.txt": "x"})
    there(pool, second)
    assert {name: place(pool).read(name) for name in kept} == kept
    assert not (place(pool).path / "new/deep/gone.txt").exists()


def test_what_lies_behind_a_link_is_not_touched(
    pool: WorktreePool, first: str, second: str, tmp_path: Path
) -> None:
    theirs = Repository(tmp_path / "theirs")
    theirs.write({"a.py": "theirs", "b.py": "theirs", "deep/c.py": "theirs", "other.py": "theirs"})
    before = files(theirs.path)
    there(pool, first)
    shutil.rmtree(place(pool).path / "src")
    (place(pool).path / "src").symlink_to(theirs.path)
    (place(pool).path / "more").symlink_to(theirs.path)
    there(pool, second)
    assert files(theirs.path) == before
    assert place(pool).read("src/a.py") == "a = 2\n"


def test_unfinished_twice_by_the_same_number(pool: WorktreePool, first: str) -> None:
    for round_ in range(2):
        there(pool, first)
        here = place(pool)
        git_dir = Path(here.git("rev-parse", "--absolute-git-dir"))
        (git_dir / "rebase-merge").mkdir()
        (git_dir / "rebase-merge" / f"todo-{round_}").write_text("x")
    there(pool, first)
    assert "in progress" not in place(pool).git("status")


def test_a_commit_that_does_not_exist_is_told(pool: WorktreePool, first: str) -> None:
    git = pool.open(1, first)
    with pytest.raises(RalphError, match="can't be made equal to 0123456"):
        check_out(git, "0123456789" * 4, 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_folders_that_nobody_may_write_into(pool: WorktreePool, first: str) -> None:
    there(pool, first)
    place(pool).write({"new/x.txt": "x"})
    for name in ("new", "src"):
        (place(pool).path / name).chmod(0o555)
    there(pool, first)
    assert not (place(pool).path / "new").exists()


# ---------------------------------------------------------------- cut off


SLOW = """
import sys
from pathlib import Path
from ralph.process import tree
from ralph.git.client import Git
from ralph.git.repository import discover
from ralph.git.worktrees import WorktreePool, check_out
main = Git(discover(Path(sys.argv[1])))
main.freeze()
check_out(WorktreePool(main, Path(sys.argv[2])).open(1, sys.argv[3]), sys.argv[3], 1)
"""


WHEN = {"f103.txt": "early", "f1193.txt": "late", "": "in the crowd"}
SMUDGE = """case $(echo {stop}/*) in */$(basename "$1")) touch {stop}.reached; sleep 1000;; esac; cat"""


@pytest.mark.parametrize("at", spread(["f103.txt", "f1193.txt", ""], daily=3, ids=WHEN.__getitem__))
def test_killed_in_the_middle_of_writing_files(repo: Repository, cache: Path, tmp_path: Path, at: str) -> None:
    """The first time that it is filled, and on the way from one commit to another. Files with a filter are written
    first, one by one; the others by several processes."""
    stop, script = tmp_path / "stop", tmp_path / "smudge.sh"
    stop.mkdir()
    script.write_text(SMUDGE.format(stop=stop))
    old = repo.commit({f"d{n % 20}/f{n}.txt": f"old {n}\n" for n in range(2000)}, "old")
    new = repo.commit({f"d{n % 20}/f{n}.txt": f"new {n}\n" for n in range(1, 2001)}, "new")
    repo.write({".git/info/attributes": "*1?3.txt filter=slow\n"})
    repo.git("config", "filter.slow.smudge", f"sh {script} %f")
    pool = WorktreePool(main(repo.path), cache)
    for commit, word in ((old, "old"), (new, "new")):
        reached = stop.with_suffix(".reached")
        seen = reached.exists if at else partial(holds, pool.repo(1).root / "d7/f7.txt", word)
        (stop / (at or "nothing")).write_text("")
        kill_when(seen, repo.path, cache, commit)
        assert not at or holds(pool.repo(1).root / "d19/f19.txt", word) is False
        for one in (stop / (at or "nothing"), reached):
            one.unlink(missing_ok=True)
        there(pool, commit)
        assert files(pool.repo(1).root) == fresh(repo, commit, tmp_path / commit)
        assert place(pool).git("status", "--porcelain") == ""


def holds(file: Path, word: str) -> bool:
    return file.exists() and file.read_text().startswith(word)


def kill_when(true: Callable[[], bool], *words: object) -> None:
    """Start a check-out; once something is true, kill it and its git."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    started = subprocess.Popen([sys.executable, "-c", SLOW, *map(str, words)], env=env)
    try:
        assert wait_until(lambda: true() or started.poll() is not None)
    finally:
        tree.send(signal.SIGKILL, {started.pid, *tree.descendants(started.pid)})
        started.wait()


# ---------------------------------------------------------------- all kinds of repositories


def test_paths_with_blanks_and_without_any_encoding(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"a \xff project")
    path.mkdir()
    odd = Repository(path)
    odd.git("init", "-q")
    commit = odd.commit({os.fsdecode(b"b \xfe/c d.txt"): "x", "tab\there\n": "y"}, "start")
    pool = WorktreePool(main(path), tmp_path / os.fsdecode(b"my \xfd cache"))
    git = there(pool, commit)
    place(pool).write({os.fsdecode(b"b \xfe/c d.txt"): "changed", os.fsdecode(b"\xfc"): "new"})
    assert check_out(git, commit, 2).paths == ()
    assert files(git.where.root) == {k: v for k, v in files(path).items() if k != ".git"}
    assert place(pool).git("status", "--porcelain") == ""
    assert (path / ".git/worktrees").exists()
    pool.close()
    assert not (path / ".git/worktrees").exists()


def test_a_submodule_is_an_empty_folder_until_somebody_fills_it(
    repo: Repository, cache: Path, tmp_path: Path
) -> None:
    commit = with_submodule(repo, tmp_path)
    pool = WorktreePool(main(repo.path), cache)
    git = there(pool, commit)
    assert list((git.where.root / "sub").iterdir()) == []
    (git.where.root / "sub").rmdir()
    assert check_out(git, commit, 2).paths == ()
    assert (git.where.root / "sub").is_dir()


def test_a_filled_submodule_serves_the_next_run_too(repo: Repository, cache: Path, tmp_path: Path) -> None:
    commit = with_submodule(repo, tmp_path)
    pool = WorktreePool(main(repo.path), cache)
    fill = ("-c", "protocol.file.allow=always", "submodule", "update", "--init", "-q")
    for _ in range(2):
        git = there(pool, commit)
        place(pool).git(*fill)
        assert place(pool).read("sub/lib.py") == "lib = 1\n"
        assert check_out(git, commit, 2).paths == ()
        assert place(pool).git("status", "--porcelain") == ""
        pool.close()
        assert len(listed(repo)) == 1


def with_submodule(repo: Repository, tmp_path: Path) -> str:
    (tmp_path / "library").mkdir()
    library = Repository(tmp_path / "library")
    library.git("init", "-q")
    library.commit({"lib.py": "lib = 1\n"}, "library")
    repo.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.path), "sub")
    return repo.commit({}, "with a submodule")


def test_a_checkout_that_is_a_worktree_itself(repo: Repository, first: str, cache: Path, tmp_path: Path) -> None:
    repo.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    side = WorktreePool(main(tmp_path / "side"), cache)
    assert scan(there(side, first)).paths == ()
    assert len(listed(repo)) == 3
    side.close()
    assert len(listed(repo)) == 2
    assert Repository(tmp_path / "side").git("status", "--porcelain") == ""


def test_two_checkouts_of_one_repository_have_pools_of_their_own(
    repo: Repository, pool: WorktreePool, first: str, second: str, cache: Path, tmp_path: Path
) -> None:
    repo.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "other/repo"))
    side = WorktreePool(main(tmp_path / "other/repo"), cache)
    one, two = there(pool, first), there(side, second)
    assert one.where.root != two.where.root
    assert one.where.git_dir != two.where.git_dir
    side.forget()
    assert scan(one).paths == ()
    assert place(pool).git("rev-parse", "HEAD") == first
    assert set(listed(repo)) == {
        f"worktree {path}" for path in (repo.path, tmp_path / "other/repo", one.where.root)
    }


def test_the_users_own_worktrees_are_not_touched(
    repo: Repository, pool: WorktreePool, first: str, cache: Path, tmp_path: Path
) -> None:
    name = pool.repo(1).git_dir.name.removesuffix("1")
    mine = [tmp_path / one for one in ("ralph-mine", f"{name}mine", f"{name}1-of-mine", f"{name}0")]
    for path in mine:
        repo.git("worktree", "add", "-q", "--detach", str(path))
        (path / "mine.txt").write_text("not committed")
    before = [files(path) for path in mine]
    there(pool, first)
    pool.forget()
    assert [files(path) for path in mine] == before
    assert set(listed(repo)) == {f"worktree {path}" for path in (repo.path, *mine)}
    for path in mine:
        assert Repository(path).git("status", "--porcelain") == "?? mine.txt"


def test_settings_that_the_user_has_hold_there_too(repo: Repository, cache: Path, first: str) -> None:
    """Line endings and ignore rules of their own are those that were frozen for the checkout."""
    repo.git("config", "core.autocrlf", "true")
    repo.write({".git/info/exclude": "scratch/\n"})
    pool = WorktreePool(main(repo.path), cache)
    git = there(pool, first)
    assert (git.where.root / "src/a.py").read_bytes() == b"a = 1\r\n"
    place(pool).write({"scratch/x": "x"})
    assert scan(git).paths == ()


# ---------------------------------------------------------------- a cache that can't be used


def test_a_cache_folder_that_is_in_nobodys_reach(repo: Repository, first: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RalphError) as told:
        WorktreePool(main(repo.path), tmp_path / "file").open(1, first)
    assert "no worktree can be made in" in told.value.what
    assert "XDG_CACHE_HOME moves it elsewhere" in told.value.now


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_cache_folder_that_is_read_only(repo: Repository, first: str, cache: Path) -> None:
    cache.mkdir(mode=0o555)
    with pytest.raises(RalphError, match=r"no worktree can be made in .*: Permission denied"):
        WorktreePool(main(repo.path), cache).open(1, first)


@pytest.mark.parametrize(
    ("env", "where"),
    [
        ({"XDG_CACHE_HOME": "/somewhere", "HOME": "/home/ada"}, "/somewhere/ralph"),
        ({"XDG_CACHE_HOME": "not/absolute", "HOME": "/home/ada"}, "/home/ada/.cache/ralph"),
        ({"HOME": "/home/ada"}, "/home/ada/.cache/ralph"),
    ],
)
def test_where_the_cache_is(env: dict[str, str], where: str) -> None:
    assert str(cache_folder(env)) == where


# ---------------------------------------------------------------- what git ignores and the project needs


@pytest.fixture
def needs(repo: Repository, second: str) -> Repository:
    repo.write({"node_modules/m/index.js": "m", ".env": "KEY=1\n", "data/big.log": "d"})
    return repo


def test_links_and_copies(needs: Repository, pool: WorktreePool, first: str) -> None:
    git = there(pool, first)
    missing = bring_along(needs.path, git.where.root, ("node_modules", "nothing"), (".env", "data/big.log", "more"))
    assert missing == ["nothing", "more"]
    assert (git.where.root / "node_modules").readlink() == needs.path / "node_modules"
    assert not (git.where.root / ".env").is_symlink()
    assert place(pool).read(".env") == "KEY=1\n"
    assert place(pool).read("data/big.log") == "d"


def test_a_link_is_no_work_although_the_rule_means_a_folder(
    needs: Repository, pool: WorktreePool, first: str
) -> None:
    seen = {}
    for ignore in ((), ("node_modules",), ("node_modules/",)):
        git = pool.open(1, first, ignore)
        check_out(git, first, 1)
        bring_along(needs.path, git.where.root, ("node_modules",), ())
        seen[ignore] = scan(git).untracked
    assert seen == {(): ("node_modules",), ("node_modules",): (), ("node_modules/",): ()}


@pytest.mark.parametrize("name", ["a b", "a*b", "[ab]", "!a", "#a", "a?", "b\\c", "a ", "deep/a"])
def test_an_ignored_name_means_itself_and_nothing_else(pool: WorktreePool, first: str, name: str) -> None:
    git = pool.open(1, first, (name,))
    check_out(git, first, 1)
    others = {"aXb", "a", "b", "aa", "ab", "sub/a b"}
    place(pool).write(dict.fromkeys((name, *others), "x"))
    assert set(scan(git).untracked) == others


def test_links_stay_and_lead_nowhere_else_when_it_is_checked_out_again(
    needs: Repository, pool: WorktreePool, first: str, second: str
) -> None:
    for commit in (first, second, first):
        git = pool.open(1, commit, ("node_modules", ".env"))
        check_out(git, commit, 1)
        assert bring_along(needs.path, git.where.root, ("node_modules",), (".env",)) == []
    assert needs.read("node_modules/m/index.js") == "m"


def test_a_copied_file_is_the_checkouts_again_for_the_next_attempt(
    needs: Repository, pool: WorktreePool, first: str
) -> None:
    git = there(pool, first)
    for changed in (place(pool), needs):
        bring_along(needs.path, git.where.root, (), (".env",))
        changed.write({".env": "KEY=2\n"})
        bring_along(needs.path, git.where.root, (), (".env",))
        assert place(pool).read(".env") == needs.read(".env")


def test_a_folder_is_copied_once_and_whole(needs: Repository, pool: WorktreePool, first: str) -> None:
    git = there(pool, first)
    half = git.where.root / ".node_modules.ralph"  # as a kill leaves it
    half.mkdir()
    (half / "half").write_text("")
    bring_along(needs.path, git.where.root, (), ("node_modules",))
    assert files(git.where.root / "node_modules") == files(needs.path / "node_modules")
    assert not half.exists()
    place(pool).write({"node_modules/m/index.js": "the worktree's own"})
    bring_along(needs.path, git.where.root, (), ("node_modules",))
    assert place(pool).read("node_modules/m/index.js") == "the worktree's own"


def test_what_stands_in_the_way_of_a_link_is_told(needs: Repository, pool: WorktreePool, first: str) -> None:
    git = there(pool, first)
    (needs.path / "run.sh").unlink()
    needs.write({"run.sh/inside": "x"})
    with pytest.raises(RalphError, match=r"run.sh/inside can't be brought into the worktree .*: "):
        bring_along(needs.path, git.where.root, ("run.sh/inside",), ())
