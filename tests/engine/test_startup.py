"""Every case of fixtures/refusals.toml, the branch that is taken, two ralphs at once: real git, real processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import tomllib
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.conftest import Repository, spread

FIXTURES = Path(__file__).parents[2] / "fixtures"
CASES: list[dict[str, Any]] = tomllib.loads((FIXTURES / "refusals.toml").read_text())["case"]
PRD = "- [ ] T1 make one\n"
AGENT = 'echo "$RALPH_TASK_ID" > "$RALPH_TASK_ID.txt"; echo did it\n'
LIMIT = 120  # seconds for one run: generous, the machine is shared


class Project:
    """A repository with a PRD and an agent that does what it is asked."""

    def __init__(self, repo: Repository, prd: str = PRD) -> None:
        self.repo, self.out = repo, repo.path.parent
        repo.commit({"PRD.md": prd}, "the project")
        (self.out / "agent.sh").write_text(AGENT)

    def setup(self, script: str) -> None:
        env = {**os.environ, "OUT": str(self.out)}
        subprocess.run(["sh", "-euc", script], cwd=self.repo.path, env=env, check=True, timeout=LIMIT)

    def ralph(self, *flags: str, cwd: Path | None = None, path: str = "$PATH", agent: bool = True) -> Done:
        words = ["--agent-command", f"sh '{self.out}/agent.sh'"] if agent else []
        env = {**os.environ, "PATH": path.replace("$OUT", str(self.out)).replace("$PATH", os.environ["PATH"])}
        argv = [sys.executable, "-m", "ralph", *words, *flags]
        there = cwd or self.repo.path
        return subprocess.run(argv, cwd=there, env=env, capture_output=True, text=True, timeout=LIMIT, check=False)

    def everything(self, *, but: str = ".git/ralph") -> dict[str, tuple[int, bytes]]:
        """Every file and link with its mode and content, those of git included."""
        root = self.repo.path
        found = {str(one.relative_to(root)): one for one in root.rglob("*") if one.is_symlink() or not one.is_dir()}
        return {name: _content(one) for name, one in sorted(found.items()) if not name.startswith(but)}

    def steady(self, text: str) -> str:
        text = text.replace(str(self.out), "OUT").replace(f"pid {os.getpid()}", "pid PID")
        text = re.sub(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "since WHEN", text)
        return re.sub(r"\(\d+\.\d+s\)", "(TIME)", re.sub(r"\d\d:\d\d:\d\d ", "", text))


Done = subprocess.CompletedProcess[str]


def _content(path: Path) -> tuple[int, bytes]:
    mode = path.lstat().st_mode
    if path.is_symlink():
        return mode, os.fsencode(path.readlink())
    return mode, path.read_bytes() if path.is_file() else b""


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize("case", spread(CASES, daily=4, ci=2, ids=itemgetter("name")))
def test_case(repo: Repository, case: dict[str, Any], snapshot: SnapshotAssertion) -> None:
    project = Project(repo, case.get("prd", PRD))
    project.setup(case.get("setup", "true"))
    before, file = project.everything(), case.get("file", "PRD.md")
    flags, cwd = case.get("flags", []), repo.path / case.get("from", ".")
    done = project.ralph(*flags, cwd=cwd, path=case.get("path", "$PATH"), agent=case.get("agent", True))
    assert "Traceback" not in done.stdout + done.stderr
    if case.get("works"):
        assert (done.returncode, done.stderr) == (0, "")
        assert (repo.path / file).read_bytes() == before[file][1].replace(b"[ ]", b"[x]")
        assert repo.git("status", "--porcelain") == ""
        return
    assert done.returncode == case.get("exit", 2), done.stdout + done.stderr
    assert project.everything() == before
    assert project.steady(done.stderr if done.returncode == 2 else done.stdout) == snapshot


def test_what_red_gates_wrote_is_taken_back_and_kept(repo: Repository) -> None:
    """The uncommitted edit of the PRD is the user's: it stays."""
    project = Project(repo)
    repo.write({"PRD.md": PRD + "- [ ] T2 mine\n"})
    before = project.everything(but=".git")
    done = project.ralph("--gate", "echo junk >> README.md; exit 1")
    assert done.returncode == 2
    assert "The gates changed README.md" in done.stdout
    assert project.everything(but=".git") == before
    (held,) = set(repo.refs()) - {"refs/heads/main"}
    assert repo.git("show", f"{held}:README.md") == "# A project\njunk"


@pytest.mark.parametrize("folder", ['it\'s "a" $HOME repo', "äß 計画", "-f * [a]", "two\nlines\n"])
def test_a_repository_of_any_name(tmp_path: Path, folder: str) -> None:
    path = tmp_path / "any" / folder
    path.mkdir(parents=True)
    repo = Repository(path)
    repo.git("init", "-q")
    done = Project(repo).ralph("--gate", "test -e README.md || test -e PRD.md")
    assert (done.returncode, done.stderr) == (0, "")
    assert repo.read("PRD.md") == PRD.replace("[ ]", "[x]")


def test_git_itself_refuses_before_anything_changed(repo: Repository) -> None:
    """An error of git's is no stopped run: exit 2."""
    project = Project(repo)
    (repo.path / ".git/index").write_bytes(b"no index")
    before = project.everything()
    done = project.ralph()
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "index" in done.stderr
    assert project.everything() == before


# ---------------------------------------------------------------- two at once


def test_the_second_ralph_says_who_holds_the_checkout(repo: Repository, snapshot: SnapshotAssertion) -> None:
    project = Project(repo)
    works, go = project.out / "works", project.out / "go"
    os.mkfifo(go)
    (project.out / "agent.sh").write_text(f"touch '{works}'; cat '{go}'\n{AGENT}")
    words = [sys.executable, "-m", "ralph", "--agent-command", f"sh '{project.out}/agent.sh'"]
    with subprocess.Popen(words, cwd=repo.path, stdout=subprocess.DEVNULL) as first:
        while not works.exists():
            assert first.poll() is None
            time.sleep(0.01)
        before = project.everything(but="")
        second = project.ralph()
        now = project.everything(but="")
        go.write_text("go\n")
        assert first.wait(LIMIT) == 0
    assert now == before
    assert second.returncode == 2
    told = second.stderr.replace(f"pid {first.pid},", "pid FIRST,")
    assert project.steady(told) == snapshot


# ---------------------------------------------------------------- the branch


def standing(repo: Repository) -> str:
    return repo.git("symbolic-ref", "--short", "HEAD")


def test_a_branch_of_its_own_on_the_default_branch(repo: Repository) -> None:
    project = Project(repo)
    main = repo.git("rev-parse", "main")
    assert project.ralph().returncode == 0
    assert standing(repo) == "ralph/PRD"
    assert repo.git("rev-parse", "main") == main
    assert repo.subjects("main..ralph/PRD") == ["feat: T1 make one"]


@pytest.mark.parametrize(
    ("before", "flags", "branch"),
    [
        ("git checkout -qb mine", [], "mine"),
        ("true", ["--no-branch"], "main"),
        ("true", ["--branch", "work/it"], "work/it"),
        ("git checkout -qb mine", ["--branch", "other"], "other"),
        ("git branch -m trunk", [], "ralph/PRD"),
        ("git branch -m start; git config --global init.defaultBranch start", [], "ralph/PRD"),
        ("git branch -m dev; git update-ref refs/remotes/origin/dev HEAD; "
         "git symbolic-ref refs/remotes/origin/HEAD refs/remotes/origin/dev", [], "ralph/PRD"),
        ("git branch ralph", [], "ralph-PRD"),
        ("git branch ralph/PRD/x", [], "ralph/PRD-2"),
        ("git mv PRD.md 'my..plan~.lock.md'; git commit -qm moved", ["--prd", "my..plan~.lock.md"],
         "ralph/my-plan-"),
        ("git branch ralph/PRD; git commit -q --allow-empty -m later", [], "ralph/PRD"),
        ("git checkout -qb ralph/PRD; git commit -q --allow-empty -m ahead; git checkout -q main", [], "ralph/PRD"),
        ("git checkout -qb ralph/PRD; git commit -q --allow-empty -m ahead; git checkout -q main; "
         "git commit -q --allow-empty -m apart", [], "ralph/PRD-2"),
        ("git checkout -qb ralph/PRD; echo '- [ ] T2 two' >> PRD.md; git commit -qam ahead; git checkout -q main",
         [], "ralph/PRD-2"),
        ("git checkout -qb ralph/PRD; git commit -q --allow-empty -m ahead; git checkout -q main; "
         "echo 'More words.' >> PRD.md", [], "ralph/PRD-2"),
        ("git worktree add -q -b ralph/PRD $OUT/beside", [], "ralph/PRD-2"),
    ],
    ids=["elsewhere", "no-branch", "named", "named-elsewhere", "trunk", "init.defaultBranch", "origin-HEAD",
         "ralph-exists", "no-room", "odd-stem", "behind", "ahead", "diverged", "ahead-with-another-PRD",
         "ahead-and-edited-here", "in-another-worktree"],
)  # fmt: skip
def test_which_branch(repo: Repository, before: str, flags: list[str], branch: str) -> None:
    project = Project(repo)
    project.setup(before)
    was = {name: repo.git("rev-parse", name) for name in repo.refs() if not name.endswith(branch)}
    done = project.ralph(*flags)
    assert (done.returncode, done.stderr) == (0, "")
    assert standing(repo) == branch
    assert repo.subjects()[0].startswith("feat: ")
    assert repo.git("status", "--porcelain") == ""
    assert {name: repo.git("rev-parse", name) for name in was} == was
    assert (f"this is {branch}" in done.stdout) is branch.endswith("-2")


def test_back_on_main_the_same_command_goes_on_where_ralph_was(repo: Repository) -> None:
    """The files of ralph's branch come along; nothing that was done is done again, and no tick is taken back."""
    project = Project(repo, PRD + "- [ ] T2 make two\n")
    assert project.ralph("--max-tasks", "1").returncode == 3
    repo.git("switch", "-q", "main")
    assert not (repo.path / "T1.txt").exists()
    assert project.ralph().returncode == 0
    assert standing(repo) == "ralph/PRD"
    assert repo.subjects("main..HEAD") == ["feat: T2 make two", "feat: T1 make one"]
    assert repo.read("PRD.md") == (PRD + "- [ ] T2 make two\n").replace("[ ]", "[x]")


def test_a_file_in_the_way_of_ralphs_branch_is_never_overwritten(repo: Repository) -> None:
    project = Project(repo, PRD + "- [ ] T2 make two\n")
    project.ralph("--max-tasks", "1")
    repo.git("switch", "-q", "main")
    repo.write({"T1.txt": "mine\n"})
    before = project.everything()
    done = project.ralph()
    assert (done.returncode, "T1.txt" in done.stderr) == (2, True)
    assert project.everything() == before


def test_only_one_task_by_number_or_by_its_text(repo: Repository) -> None:
    project = Project(repo, PRD + "- [ ] Write two\n- [ ] Write three\n")
    assert project.ralph("--only", "3").returncode == 0
    assert project.ralph("--only", "write two").returncode == 0
    assert repo.subjects()[:2] == ["feat: Write two", "feat: Write three"]
    assert repo.read("PRD.md").startswith(PRD)
