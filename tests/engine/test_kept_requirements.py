"""What a task required before an attempt holds in its run, also after a kill, until a person confirms it."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.conftest import Repository
from tests.engine.test_stories import Play

PRD = "- [ ] T1 make one\n- [ ] T2 make two\n  - Check: `test -e two.txt`\n"
WEAKENS = "good; sed -i '/Check/d' PRD.md"
KILLS = "kill -9 $(grep -o '\"pid\": *[0-9]*' .git/ralph/journal.jsonl | grep -o '[0-9]*' | head -1); sleep 60"
HELD = "T2 said `Check: test -e two.txt`, and no longer does"


def test_a_check_that_vanished_still_holds(repo: Repository) -> None:
    it = Play(repo, {"prd": PRD, "agent": WEAKENS})
    done = it.ralph("--gate", "true", "--max-retries", "0")
    assert (it.boxes(), done.returncode) == ("xp", 1), done.stdout
    assert HELD in done.stdout


def test_it_holds_after_a_kill(repo: Repository) -> None:
    agent = f"{WEAKENS}; [ $RALPH_TASK_ID = T1 ] || [ -e ../killed ] || {{ touch ../killed; {KILLS}; }}"
    it = Play(repo, {"prd": PRD, "agent": agent})
    assert it.ralph("--gate", "true", "--max-retries", "0").returncode == -signal.SIGKILL
    assert it.boxes() == "x."
    done = it.ralph("--gate", "true", "--max-retries", "0")
    assert (it.boxes(), done.returncode) == ("xp", 1), done.stdout


def test_a_person_confirms_the_change(repo: Repository) -> None:
    """The command is given while the agent of T1 works, from outside of its processes."""
    waits = "touch ../ready; until [ -e ../confirmed ]; do sleep 0.02; done"
    it = Play(repo, {"prd": PRD, "agent": f"{WEAKENS}; [ $RALPH_TASK_ID = T2 ] || {{ {waits}; }}"})
    near = repo.path.parent
    ralph = f"{sys.executable} -m ralph"
    person = f"until [ -e {near}/ready ]; do sleep 0.02; done; {ralph} accept T2; touch {near}/confirmed"
    with subprocess.Popen(["sh", "-c", person], cwd=repo.path, stdout=subprocess.DEVNULL):
        done = it.ralph("--gate", "true", "--max-retries", "0")
    assert (it.boxes(), done.returncode) == ("xx", 0), done.stdout
