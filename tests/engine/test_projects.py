"""Honest agents on projects shaped like public ones, and on ralph: each task is accepted at the first attempt.

The projects are in fixtures/projects: a repository, its PRD, and `agent.sh`, which does a task as engineers would.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import Repository
from tests.engine.test_stories import Play

ROOT = Path(__file__).parents[2]
PROJECTS = ROOT / "fixtures" / "projects"
NEEDS = {"python": "sh", "node": "npm", "rust": "cargo"}
MOST_STARTS = 2  # agents for one task


def play_of(repo: Repository, folder: Path) -> Play:
    """The project as a repository of its own, with the Python that runs this test in its commands."""
    shutil.copytree(folder / "project", repo.path, dirs_exist_ok=True)
    for path in (repo.path / "PRD.md", repo.path / "ralph.toml"):
        path.write_text(path.read_text().replace("$PYTHON", sys.executable))
    prd = repo.read("PRD.md")
    return Play(repo, {"prd": prd, "agent": (folder / "agent.sh").read_text()})


def gate_runs(it: Play) -> dict[str, int]:
    """How often all gates ran for each accepted attempt: once, and once more for each reason."""
    tasks = {line["n"]: line["task"] for line in it.journal() if line["event"] == "chosen"}
    ran = [line for line in it.journal() if line["event"] == "gate ran" and line["n"]]
    runs = Counter((line["n"], line["command"]) for line in ran)
    return {task: max(count for (n, _), count in runs.items() if n == number) for number, task in tasks.items()}


@pytest.mark.long
@pytest.mark.parametrize("apart", [(), ("--isolate",)], ids=["checkout", "worktree"])
@pytest.mark.parametrize("name", NEEDS)
def test_honest_work_on_a_project(
    repo: Repository, name: str, apart: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} was not found")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    if (toolchains := Path(pwd.getpwuid(os.getuid()).pw_dir) / ".rustup").exists():
        monkeypatch.setenv("RUSTUP_HOME", str(toolchains))
    it = play_of(repo, PROJECTS / name)
    it.apart = apart
    done = it.ralph()
    assert set(it.boxes()) == {"x"}, done.stdout + done.stderr
    assert it.attempts() == len(it.boxes()), done.stdout
    assert max(gate_runs(it).values()) <= MOST_STARTS, (gate_runs(it), done.stdout)
    it.check_invariants()


@pytest.mark.long
def test_honest_work_on_ralph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "clone", "-q", str(ROOT), str(tmp_path / "repo")], check=True)
    repo = Repository(tmp_path / "repo")
    repo.git("checkout", "-q", "-B", "main")
    monkeypatch.setenv("PYTHONPATH", ".")
    own = PROJECTS / "ralph"
    it = Play(repo, {"prd": (own / "PRD.md").read_text(), "agent": (own / "agent.sh").read_text()})
    gate = f"{sys.executable} -m pytest -q -p no:cacheprovider tests/test_text.py tests/test_paths.py"
    done = it.ralph("--gate", gate, "--gate", f"{sys.executable} -m ruff check ralph/text.py")
    assert it.boxes() == "xxx", done.stdout + done.stderr
    assert it.attempts() == 3, json.dumps(it.journal()[-8:], indent=1)
