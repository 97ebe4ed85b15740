"""Criteria in real runs: ticked with their task where a check or the reviewer confirmed them, and nowhere else."""

from __future__ import annotations

import pytest

from tests.conftest import Repository, spread
from tests.engine.test_crashes import run as killed
from tests.engine.test_prd_file import WORK
from tests.engine.test_stories import Play

PRD = """\
# Plan

- [ ] T1 one
  - Done when:
    * [ ] `sh check.sh` is green
    * [ ] it is blue
  - Out of scope:
    * [ ] `sh check.sh`
- [ ] T2 two
  - Check: `test -e T2.txt`
  - Acceptance criteria:
    * [ ] there is a file: `test -e T2.txt`
    * [x] it was planned
"""
GATE = ("--gate", "sh check.sh")
BLUE = "* [ ] it is blue"


def play(repo: Repository, agent: str = "", prd: str = PRD, check: str = "! grep -qs broken *.txt\n") -> Play:
    return Play(repo, {"prd": prd, "agent": f"{WORK}\n{agent}", "files": {"check.sh": check}})


def confirmed(*texts: str, prd: str = PRD) -> str:
    for text in texts:
        prd = prd.replace(f"[ ] {text}", f"[x] {text}", 1)
    return prd


def test_what_a_check_confirms_is_ticked_in_the_commit_of_its_task(repo: Repository) -> None:
    made = play(repo)
    done = made.ralph(*GATE)
    assert done.returncode == 0, done.stdout
    first, both = ("T1 one", "`sh check.sh` is green"), ("T2 two", "there is a file")
    assert repo.read("PRD.md") == confirmed(*first, *both)
    assert repo.git("show", "HEAD^:PRD.md") + "\n" == confirmed(*first)
    assert "1 of 2 open criteria of T1 are confirmed: “`sh check.sh` is green”." in " ".join(done.stdout.split())
    made.check_invariants()
    assert repo.git("status", "--porcelain") == ""
    repo.git("revert", "--no-edit", "HEAD")
    assert repo.read("PRD.md") == confirmed(*first)


def test_a_parent_that_is_ticked_with_its_last_task_has_criteria_too(repo: Repository) -> None:
    prd = "- [ ] T1 all\n  - Done when:\n    * [ ] `sh check.sh`\n  - [ ] T2 one\n"
    made = play(repo, prd=prd)
    assert made.ralph(*GATE).returncode == 0
    assert "[ ]" not in repo.read("PRD.md")


def test_a_rejected_attempt_confirms_nothing(repo: Repository) -> None:
    made = play(repo, "echo broken > $RALPH_TASK_ID.txt")
    assert made.ralph(*GATE, "--max-retries", "0").returncode == 1
    assert repo.read("PRD.md").count("[x]") == 1


def test_a_gate_that_was_red_before_and_is_excused_confirms_nothing(repo: Repository) -> None:
    made = play(repo, check="exit 1\n")
    done = made.ralph(*GATE, "--baseline", "--only", "T1")
    assert "[x] T1 one" in repo.read("PRD.md"), done.stdout
    assert "* [ ] `sh check.sh` is green" in repo.read("PRD.md")


@pytest.mark.parametrize("where", ["while the agent works", "while the gates run"])
def test_a_criterion_that_is_ticked_meanwhile_goes_back(repo: Repository, where: str) -> None:
    """Nobody is shown to have ticked it; an agent may have."""
    tick = r"sed -i 's/\* \[ \] it is blue/* [x] it is blue/' PRD.md"
    works = where == "while the agent works"
    made = play(repo, tick if works else "", check="true\n" if works else f"{tick}\n")
    done = made.ralph(*GATE)
    assert done.returncode == 0, done.stdout
    assert BLUE in repo.read("PRD.md")
    assert BLUE in repo.git("show", "HEAD:PRD.md")
    if works:
        assert "Criterion “it is blue” was ticked while T1 ran: its box goes back." in done.stdout


def test_a_criterion_that_is_written_while_an_agent_works_is_for_the_next_time(repo: Repository) -> None:
    made = play(repo, "sed -i 's/    . . . it is blue/&\\n    * [ ] `sh check.sh` is quick/' PRD.md")
    assert made.ralph(*GATE, "--only", "T1").returncode == 0
    assert "* [ ] `sh check.sh` is quick" in repo.read("PRD.md")
    assert "* [x] `sh check.sh` is green" in repo.read("PRD.md")


def test_what_is_typed_while_the_gates_run_stays_beside_the_ticks(repo: Repository) -> None:
    made = play(repo, check="grep -q typed PRD.md || sed -i 's/# Plan/# Plan, typed/' PRD.md\n")
    assert made.ralph(*GATE).returncode == 0
    done = confirmed("T1 one", "`sh check.sh` is green", "T2 two", "there is a file")
    assert repo.read("PRD.md") == done.replace("# Plan", "# Plan, typed")


@pytest.mark.parametrize("part", spread(range(4), daily=4, ci=2))
def test_killed_anywhere_the_ticks_are_the_same(tmp_path_factory: pytest.TempPathFactory, part: int) -> None:
    """No commit but that of the task holds them."""
    prd = "- [ ] T1 one\n  - Done when:\n    * [ ] `sh gate.sh`\n    * [ ] it is blue\n"
    number = part + 1
    while True:
        repo = Repository(tmp_path_factory.mktemp("killed") / "repo")
        repo.path.mkdir()
        repo.git("init", "-q")
        made = Play(repo, {"prd": prd, "agent": WORK, "files": {"gate.sh": "exit 0\n"}})
        first = killed(made, "journal", number)
        assert (killed(made) if first == -9 else first) == 0
        assert repo.read("PRD.md") == confirmed("T1 one", "`sh gate.sh`", prd=prd)
        assert repo.subjects() == ["feat: T1 one", "the project"]
        if first != -9:
            break
        number += 4
