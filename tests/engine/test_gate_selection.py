"""What is known of the gates at the start of a run holds after a kill: honest work is not rejected for it."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.conftest import Repository
from tests.engine.test_stories import Play

NO_TESTS = f"{sys.executable} -m pytest -q -p no:cacheprovider"


def kills(repo: Repository) -> str:
    """Return an agent that kills ralph once, when it works at T2."""
    mark, journal = repo.path.parent / "killed", repo.path / ".git/ralph/journal.jsonl"
    pid = f"$(grep -o '\"pid\": *[0-9]*' {journal} | grep -o '[0-9]*' | head -1)"
    return f"good; [ $RALPH_TASK_ID = T1 ] || [ -e {mark} ] || {{ touch {mark}; kill -9 {pid}; sleep 60; }}"


@pytest.mark.parametrize(
    "apart", [(), pytest.param(("--isolate",), marks=pytest.mark.slow)], ids=["in the checkout", "in a worktree"]
)
@pytest.mark.parametrize(
    "flags", [("--gate", "false", "--baseline"), ("--gate", NO_TESTS)], ids=["red at the start", "without tests"]
)
def test_after_a_kill_a_gate_is_judged_as_before(
    repo: Repository, flags: tuple[str, ...], apart: tuple[str, ...]
) -> None:
    it = Play(repo, {"agent": kills(repo)})
    it.apart = apart
    words = ("--gate", "true", *flags, "--max-retries", "0")
    assert it.ralph(*words).returncode == -signal.SIGKILL
    assert it.boxes() == "x."
    done = it.ralph(*words)
    assert (it.boxes(), done.returncode) == ("xx", 0), done.stdout


def test_after_a_kill_the_inverse_of_an_earlier_task_is_still_none(repo: Repository) -> None:
    undoes = "elif [ -e ../killed ]; then git rm -q T1.txt"
    agent = f"if [ $RALPH_TASK_ID = T1 ]; then good; {undoes}; else {kills(repo)}; fi"
    it = Play(repo, {"agent": agent})
    assert it.ralph("--gate", "true", "--max-retries", "0").returncode == -signal.SIGKILL
    done = it.ralph("--gate", "true", "--max-retries", "0")
    assert it.boxes() == "xp", done.stdout
    assert "the inverse of an earlier task" in done.stdout
