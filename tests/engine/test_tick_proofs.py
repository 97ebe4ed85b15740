"""What the last sentence of a run claims: proven only where each tick is, as `ralph audit` says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import Repository
from tests.engine.test_stories import GOOD, Play

TWO = "# Plan\n\n- [ ] T1 make one\n- [ ] make two\n"
ONE = "- [ ] T1 make one\n"
AGENT = "echo $RALPH_TASK_ID > $RALPH_TASK_ID.txt"


def play(repo: Repository, prd: str, agent: str = AGENT) -> Play:
    return Play(repo, {"prd": prd, "agent": agent})


def end(it: Play, *flags: str) -> tuple[int, str]:
    """(exit code, the last sentence of a run)."""
    done = it.ralph(*flags)
    line = next(line for line in done.stdout.splitlines() if line[9:].startswith("end "))
    return done.returncode, line[9:].removeprefix("end ").strip().rpartition(" (")[0]


def unproven(it: Play) -> int:
    """How many ticks `ralph audit` finds without a proof."""
    words = [sys.executable, "-m", "ralph", "audit", "--json"]
    said = subprocess.run(words, cwd=it.repo.path, capture_output=True, text=True, check=False).stdout
    return sum(not tick["proven"] for tick in json.loads(said)["ticks"])


def test_gates_prove_it_and_it_stays_verified(repo: Repository) -> None:
    it = play(repo, TWO)
    assert end(it, "--gate", "true") == (0, "Every task is done: 2 by exit code.")
    assert end(it, "--gate", "true") == (0, "Nothing to do. Every task is done: 2 by exit code.")
    assert unproven(it) == 0


def test_a_check_proves_its_task(repo: Repository) -> None:
    it = play(repo, "- [ ] T1 make one\n  - Check: `test -e T1.txt`\n")
    assert end(it) == (0, "Every task is proven.")


@pytest.mark.parametrize("flags", [(), ("--isolate",)])
def test_with_no_gate_and_no_check_nothing_is_called_verified(repo: Repository, flags: tuple[str, ...]) -> None:
    it = play(repo, TWO)
    said = it.ralph(*flags).stdout
    assert "done, nothing proved it" in said
    assert "Every task is done, nothing proved it: no gate and no Check passed." in said
    assert "T1 make one (nothing proved it)" in said
    assert "verified" not in said.replace(str(repo.path.parent), "")
    again = "Nothing to do. Every task is done, nothing proved it: no gate and no Check passed."
    assert end(it, *flags) == (0, again)
    assert unproven(it) == 2


def test_a_gate_that_was_red_before_proves_nothing(repo: Repository) -> None:
    it = play(repo, ONE)
    assert end(it, "--gate", "false", "--baseline") == (
        0, "Every task is done, nothing proved it: no gate and no Check passed.",
    )  # fmt: skip
    assert unproven(it) == 1


def test_some_are_proved_and_some_are_not(repo: Repository) -> None:
    it = play(repo, "- [ ] T1 make one\n  - Check: `test -e T1.txt`\n- [ ] T2 make two\n")
    assert end(it) == (0, "Every task is done: 1 proven, 1 not proven.")


@pytest.mark.parametrize("how", ["in the first commit", "in a commit", "in no commit"])
def test_a_box_ticked_by_hand_is_counted(repo: Repository, how: str) -> None:
    it = play(repo, ONE.replace("[ ]", "[x]") if how == "in the first commit" else ONE)
    if how != "in the first commit":
        repo.write({"PRD.md": ONE.replace("[ ]", "[x]")})
    if how == "in a commit":
        repo.git("commit", "-qam", "tick")
    assert end(it) == (0, "Nothing to do. 1 box is ticked without proof: `ralph audit`.")
    assert unproven(it) == 1


def test_boxes_ticked_by_hand_are_named_after_a_run_that_worked(repo: Repository) -> None:
    it = play(repo, "- [x] T1 a\n- [x] T2 b\n- [ ] T3 c\n")
    assert end(it, "--gate", "true") == (
        0,
        "Every task is done: 1 by exit code. 2 boxes are ticked without proof: `ralph audit`.",
    )
    assert unproven(it) == 2


def test_a_proven_box_that_is_emptied_and_ticked_by_hand_is_not_proven(repo: Repository) -> None:
    it = play(repo, TWO)
    end(it, "--gate", "true")
    ticked = repo.read("PRD.md")
    repo.commit({"PRD.md": ticked.replace("[x] T1", "[ ] T1")}, "again")
    repo.write({"PRD.md": ticked})
    assert (
        end(it, "--gate", "true")[1]
        == "Nothing to do. Every task is done: 1 by exit code. 1 box is ticked without proof: `ralph audit`."
    )
    repo.git("commit", "-qam", "by hand")
    assert (
        end(it, "--gate", "true")[1]
        == "Nothing to do. Every task is done: 1 by exit code. 1 box is ticked without proof: `ralph audit`."
    )
    assert unproven(it) == 1


OTHER = "git switch -q main && git commit -q --allow-empty -m other"
HARMLESS = {
    "a text is edited": "sed -i 's/make one/make 1/' PRD.md && git commit -qam edited",
    "lines move": "sort -o PRD.md PRD.md && git commit -qam sorted",
    "the PRD is renamed": "git mv PRD.md plan.md && git commit -qm rename",
    "it is merged": f"{OTHER} && git merge -q --no-ff -m m ralph/PRD",
    "it is squashed": "git switch -q main && git merge --squash -q ralph/PRD && git commit -q --no-edit",
    "it is rebased": f"{OTHER} && git switch -q - && git rebase -q main",
}


@pytest.mark.parametrize("how", HARMLESS)
def test_what_audit_still_calls_proven_stays_verified(repo: Repository, how: str) -> None:
    it = play(repo, TWO, f"{GOOD}good")
    end(it, "--gate", "true")
    subprocess.run(["sh", "-c", HARMLESS[how]], cwd=repo.path, check=True, capture_output=True)
    name = "plan.md" if how == "the PRD is renamed" else "PRD.md"
    assert end(it, "--gate", "true", "--prd", name) == (0, "Nothing to do. Every task is done: 2 by exit code.")
    assert how == "the PRD is renamed" or unproven(it) == 0


def test_a_task_of_another_prd_with_the_same_id_proves_nothing(repo: Repository) -> None:
    it = play(repo, ONE)
    end(it, "--gate", "true")
    repo.commit({"other.md": "- [x] T1 something else\n"}, "another")
    assert end(it, "--prd", "other.md")[1] == "Nothing to do. 1 box is ticked without proof: `ralph audit`."


def test_work_that_was_reverted_while_its_box_stayed_is_not_verified(repo: Repository) -> None:
    it = play(repo, ONE)
    end(it, "--gate", "true")
    commit = repo.git("rev-parse", "HEAD")
    repo.git("revert", "--no-commit", commit)
    repo.git("checkout", "-q", commit, "--", "PRD.md")
    repo.git("commit", "-q", "-m", f"Revert it\n\nThis reverts commit {commit}.")
    assert end(it, "--gate", "true")[1] == "Nothing to do. 1 box is ticked without proof: `ralph audit`."
    assert unproven(it) == 1
    repo.git("revert", "--no-edit", "HEAD")
    assert end(it, "--gate", "true")[1] == "Nothing to do. Every task is done: 1 by exit code."


def test_only_one_task(repo: Repository) -> None:
    it = play(repo, TWO)
    assert end(it, "--gate", "true", "--only", "T1") == (0, "T1 is done: 1 by exit code.")
    assert end(it, "--only", "T1") == (0, "Nothing to do. T1 is done: 1 by exit code.")


def test_a_killed_run_knows_what_was_proved(repo: Repository) -> None:
    it = play(repo, TWO)
    end(it, "--max-tasks", "1")
    assert end(it, "--gate", "true")[1] == "Every task is done: 1 by exit code, 1 not proven."


PARENT = """- [ ] T1 both
  - [ ] T2 first
    - Check: `test -e T2.txt`
  - [ ] T3 second
"""


@pytest.mark.parametrize("flags", [(), ("--isolate",)])
def test_a_parent_is_as_strong_as_its_weakest_subtask(repo: Repository, flags: tuple[str, ...]) -> None:
    """In the trailer, the journal, on the screen, and in the status."""
    it = play(repo, PARENT)
    said = it.ralph("--gate", "true", *flags).stdout
    assert "Every task is done: 1 proven, 2 by exit code." in said
    assert "(gates ended with 0), and with it T1 (gates ended with 0)" in said
    assert repo.git("log", "-1", "--format=%(trailers:key=Ralph-Proof)").endswith("; parents=exit-code")
    words = [sys.executable, "-m", "ralph", "status", "--json"]
    shown = subprocess.run(words, cwd=repo.path, capture_output=True, text=True, check=True).stdout
    proofs = {task["id"]: task["proof"] for task in json.loads(shown)["tasks"]}
    assert proofs == {"T1": "exit-code", "T2": "red-green", "T3": "exit-code"}
    words[3:] = ["audit", "--json"]
    shown = subprocess.run(words, cwd=repo.path, capture_output=True, text=True, check=True).stdout
    assert {tick["task"]: tick["level"] for tick in json.loads(shown)["ticks"]} == proofs


def test_a_parent_with_a_subtask_that_was_ticked_by_hand_is_not_proven(repo: Repository) -> None:
    it = play(repo, PARENT.replace("[ ] T2", "[x] T2"))
    assert end(it, "--gate", "true")[1] == (
        "Every task is done: 1 by exit code, 1 not proven. 1 box is ticked without proof: `ralph audit`."
    )


def test_a_parent_remembers_subtasks_of_an_earlier_run(repo: Repository) -> None:
    it = play(repo, PARENT)
    assert end(it, "--gate", "true", "--max-tasks", "1")[0] == 3
    repo.commit({"elsewhere.txt": "x"}, "by hand")
    assert end(it, "--gate", "true")[1] == "Every task is done: 1 proven, 2 by exit code."


def test_work_of_another_task_is_not_taken_for_that_of_a_subtask(repo: Repository) -> None:
    """T10 wrote code, T1 only a document: an agent's word that nothing is missing is not enough."""
    prd = "- [ ] T10 code\n- [ ] T9 both\n  - Split by ralph: x\n  - [ ] T1 a part\n"
    agent = "case $RALPH_TASK_ID in T10) echo x > code.py;; T1) echo x > a.md;; *) echo Nothing is missing.;; esac"
    it = play(repo, prd, agent)
    done = it.ralph("--gate", "true", "--max-retries", "0")
    assert it.boxes() == "xpx", done.stdout
