"""Every story of fixtures/stories.toml: real git, a real pty, a scripted agent, and what must hold afterwards."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Repository, spread

FIXTURES = Path(__file__).parents[2] / "fixtures"
STORIES: list[dict[str, Any]] = tomllib.loads((FIXTURES / "stories.toml").read_text())["story"]
PRD = "- [ ] T1 make one\n- [ ] T2 make two\n"
GOOD = """good() { echo "work of $RALPH_TASK_ID" > "$RALPH_TASK_ID.txt"; git add "$RALPH_TASK_ID.txt"
git commit -q -m "work on $RALPH_TASK_ID"; echo "did $RALPH_TASK_ID"; }
"""
LIMIT = 120  # seconds for one run: generous, the machine is shared


class Play:
    """A repository, a scripted agent, and ralph run on it."""

    by_hand = 0  # boxes that a person ticks, in a commit of the PRD alone
    apart: tuple[str, ...] = ()  # flags that let agents work in worktrees

    def __init__(self, repo: Repository, story: Mapping[str, Any]) -> None:
        self.repo = repo
        repo.commit({"PRD.md": story.get("prd", PRD), **story.get("files", {})}, "the project")
        repo.write(story.get("untracked", {}))
        self.agent = repo.path.parent / "agent.sh"
        count = repo.path.parent / "agents-started"
        self.agent.write_text(f"{GOOD}\necho . >> {count}\ncat > {repo.path.parent}/prompt\n{story['agent']}\n")
        self.count = count
        self.start = repo.git("rev-parse", "HEAD")
        self.before = self.files()

    def ralph(self, *flags: str) -> subprocess.CompletedProcess[str]:
        own = [sys.executable, "-m", "ralph", "--agent-command", f"sh {self.agent}", "--no-split"]
        words = [*own, *self.apart, *flags]
        return subprocess.run(words, cwd=self.repo.path, capture_output=True, text=True, timeout=LIMIT, check=False)

    def files(self) -> dict[str, bytes]:
        root = self.repo.path
        return {
            str(one.relative_to(root)): one.read_bytes()
            for one in root.rglob("*")
            if one.is_file() and ".git" not in one.relative_to(root).parts
        }

    def journal(self) -> list[dict[str, Any]]:
        path = self.repo.path / ".git/ralph/journal.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def boxes(self) -> str:
        lines = self.repo.read("PRD.md").splitlines()
        found = []
        for number, line in enumerate(lines):
            if match := re.match(r"\s*- \[(.)\]", line):
                parked = any("Parked:" in below for below in _below(lines[number + 1 :]))
                found.append("x" if match[1] == "x" else "p" if parked else ".")
        return "".join(found)

    def attempts(self) -> int:
        return len(self.count.read_text().splitlines()) if self.count.exists() else 0

    def check_invariants(self) -> None:
        """What holds after every run, however it went: nothing is left behind and nothing half done."""
        git = self.repo.git
        assert git("symbolic-ref", "HEAD") == "refs/heads/ralph/PRD"
        for ref in self.repo.refs():
            allowed = ("refs/heads/main", "refs/heads/ralph/PRD", "refs/heads/mine", "refs/heads/side")
            assert ref in allowed or re.fullmatch(r"refs/ralph/[^/]+/(\d+/(work|gates)|saved/.*)", ref), ref
        assert not list((self.repo.path / ".git").rglob("*.lock"))
        assert not list((self.repo.path / ".git/ralph/tmp").glob("*"))
        assert not (self.repo.path.parent / "fired").exists()
        assert _alive(self.repo.path) == []
        numbers = [line["seq"] for line in self.journal()]
        assert numbers == list(range(1, len(numbers) + 1))
        for sha in git("log", "--format=%H", f"{self.start}..HEAD").splitlines():
            self.check_commit(sha)

    def check_commit(self, sha: str) -> None:
        """A tick stands in exactly the commit that has the work and the proof."""
        message = self.repo.git("log", "-1", "--format=%B", sha)
        ticked = re.findall(r"^\+\s*- \[x\]", self.repo.git("show", "--format=", sha, "--", "PRD.md"), re.MULTILINE)
        tasks = self.repo.git("log", "-1", "--format=%(trailers:key=Ralph-Task,valueonly)", sha).split()
        people = self.by_hand if message.startswith("docs(prd): edited by hand") else 0
        assert len(ticked) == len(tasks) + people, message
        assert len(re.findall(r"^Ralph-Task:", message, re.MULTILINE)) == len(tasks), message
        if tasks:
            assert self.repo.git("show", "--format=", "--name-only", sha).split() != ["PRD.md"]
            tree = self.repo.git("log", "-1", "--format=%(trailers:key=Ralph-Tree,valueonly)", sha).strip()
            assert tree == self.repo.git("rev-parse", f"{sha}^{{tree}}")


def _below(lines: list[str]) -> list[str]:
    """The lines nested under a box: up to the next box."""
    below = []
    for line in lines:
        if re.match(r"\s*- \[.\]", line):
            break
        below.append(line)
    return below


def _alive(repo: Path) -> list[str]:
    """Processes that work in the repository."""
    found = []
    for one in Path("/proc").iterdir():
        if one.name.isdigit() and int(one.name) != os.getpid():
            try:
                cwd = str((one / "cwd").readlink())
            except OSError:
                continue
            if cwd.startswith(str(repo)):
                found.append((one / "cmdline").read_bytes().decode().replace("\0", " "))
    return found


@pytest.mark.parametrize("story", spread(STORIES, daily=2, ids=itemgetter("name")))
def test_story(repo: Repository, story: dict[str, Any]) -> None:
    check_story(Play(repo, story), story)


def check_story(play: Play, story: Mapping[str, Any]) -> None:
    repo = play.repo
    done = play.ralph(*story.get("flags", []))
    told = f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in told
    assert play.boxes() == story["boxes"], told
    assert done.returncode == story["exit"], told
    play.check_invariants()
    if "commits" in story:
        subjects = [one for one in repo.subjects(f"{play.start}..HEAD") if not one.startswith("chore")]
        assert subjects == story["commits"]
    kinds = {finding[0] for line in play.journal() for finding in line.get("findings", [])}
    assert set(story.get("found", [])) <= kinds, kinds
    assert play.attempts() == story.get("attempts", play.attempts())
    assert story.get("prompt", "").lower() in (repo.path.parent / "prompt").read_text().lower()
    assert story.get("said", "") in told
    if "kept" in story:
        refs = [ref for ref in repo.refs() if ref.startswith("refs/ralph/")]
        assert any(repo.git("grep", "-q", story["kept"], ref, check=False) == "" and refs for ref in refs)
        assert any(story["kept"] in repo.git("grep", "-h", story["kept"], ref, check=False) for ref in refs)
    if story.get("clean", True):
        assert repo.git("status", "--porcelain") == ""
    for name, content in story.get("untracked", {}).items():
        if "x" not in story["boxes"]:
            assert repo.read(name) == content


def test_the_tree_is_as_before_after_a_rejected_attempt(repo: Repository) -> None:
    story = next(story for story in STORIES if story["name"] == "deletes everything it sees")
    play = Play(repo, story)
    play.ralph("--max-retries", "0")
    now = {name: data for name, data in play.files().items() if name != "PRD.md"}
    then = {name: data for name, data in play.before.items() if name != "PRD.md"}
    assert now == then


def test_one_revert_undoes_the_task_and_its_tick(repo: Repository) -> None:
    play = Play(repo, {"agent": "good"})
    play.ralph("--max-tasks", "1")
    assert play.boxes() == "x."
    repo.git("revert", "--no-edit", "HEAD")
    assert play.boxes() == ".."
    assert not (repo.path / "T1.txt").exists()


def test_what_a_gate_prints_of_a_secret_variable_stands_in_no_log(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "not-for-anybodys-eyes")
    play = Play(repo, {"agent": "good"})
    done = play.ralph("--max-tasks", "1", "--gate", 'echo "the token is $DEPLOY_TOKEN"')
    assert play.boxes() == "x.", done.stdout
    logs = list((repo.path / ".git/ralph/runs").rglob("*.gate-*.log"))
    assert logs
    assert {log.read_text() for log in logs} == {"the token is [masked]\n"}
    inside = [one for one in (repo.path / ".git/ralph").rglob("*") if one.is_file()]
    assert not [one for one in inside if b"not-for-anybodys-eyes" in one.read_bytes()]
