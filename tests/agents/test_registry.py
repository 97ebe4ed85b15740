"""The registry of agents: a new agent is a new file and its entry there. Everything else follows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Repository

ROOT = Path(__file__).parents[2]
PROGRAM = "#!/bin/sh\ncat > /dev/null\necho made > toy.txt\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of ralph to which `.github/CONTRIBUTING.md` was applied: it can drive the agent `toy`."""
    copy = tmp_path / "checkout"
    for name in ("ralph", "templates"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    agents = copy / "ralph/agents"
    adapter = (agents / "command.py").read_text()
    adapter = adapter.replace('NAME = "command"', 'NAME = "toy"').replace('PROGRAM = ""', 'PROGRAM = "toy-agent"')
    (agents / "toy.py").write_text(adapter)
    registry = (agents / "registry.py").read_text()
    (agents / "registry.py").write_text(registry.replace("claude, codex, command", "claude, codex, toy, command"))
    return copy


@pytest.fixture
def env(checkout: Path, tmp_path: Path) -> dict[str, str]:
    """The copy is what `python -m ralph` starts, and the agent is on PATH."""
    program = tmp_path / "bin/toy-agent"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    return {**os.environ, "PYTHONPATH": str(checkout), "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}


def test_a_new_agent_is_one_file_and_its_entry(repo: Repository, env: dict[str, str]) -> None:
    def ralph(*words: str, code: int = 0) -> str:
        argv = [sys.executable, "-m", "ralph", *words]
        done = subprocess.run(argv, cwd=repo.path, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    repo.commit({"PRD.md": "- [ ] T1 Add toy.txt\n  - Agent: toy\n  - Check: `test -f toy.txt`\n"}, "the project")
    assert "--claude --codex --toy" in " ".join(ralph("--help").split())
    assert ralph("--complete", "fish", "--to") == "words\n--toy\t--agent toy\n"
    assert ralph("--complete", "fish", "--agent=t") == "words\n--agent=toy\t\n"
    assert "toy" in ralph("doctor")
    assert "nothing to complain about" in ralph("lint")
    assert "Did you mean toy?" in ralph("--agent", "toi", code=2)
    assert "No agent is called" not in ralph("--toy", "--no-branch")
    assert "Ralph-Agent: toy" in repo.git("log", "-1", "--format=%B")
    assert repo.read("toy.txt") == "made\n"


def test_the_agent_of_a_task_is_started_although_another_is_the_usual_one(
    repo: Repository, env: dict[str, str]
) -> None:
    repo.commit({"PRD.md": "- [ ] T1 Add toy.txt\n  - Agent: toy\n  - Check: `test -f toy.txt`\n"}, "the project")
    argv = [sys.executable, "-m", "ralph", "--agent-command", "false", "--no-branch"]
    done = subprocess.run(argv, cwd=repo.path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ralph-Agent: toy" in repo.git("log", "-1", "--format=%B")


def test_an_unknown_agent_of_a_task_is_noted_and_the_usual_one_works(repo: Repository, env: dict[str, str]) -> None:
    repo.commit(
        {"PRD.md": "- [ ] T1 Add toy.txt\n  - Agent: gemini\n  - Check: `test -f toy.txt`\n"}, "the project"
    )
    argv = [sys.executable, "-m", "ralph", "--toy", "--no-branch"]
    done = subprocess.run(argv, cwd=repo.path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No agent is called gemini: toy does T1." in done.stdout + done.stderr
    assert "Ralph-Agent: toy" in repo.git("log", "-1", "--format=%B")
