"""What a commit says of the gates that proved it."""

from __future__ import annotations

import pytest

from tests.conftest import Repository
from tests.engine.test_stories import Play

GREEN, RED = "test -e state.txt", "ls | grep -q fixed"
GATES = {
    "all are green": ([GREEN], GREEN),
    "one was red before": ([GREEN, RED], f"{GREEN}; {RED} (red before)"),
    "all were red before": ([RED], f"{RED} (red before)"),
    "there is none": ([], "none"),
}


@pytest.mark.parametrize("case", GATES)
def test_a_commit_names_what_was_green_and_what_was_red_before(repo: Repository, case: str) -> None:
    gates, trailer = GATES[case]
    play = Play(repo, {"prd": "- [ ] T1 make one\n", "files": {"state.txt": "broken\n"}, "agent": "good"})
    done = play.ralph("--baseline", *(word for gate in gates for word in ("--gate", gate)))
    assert (play.boxes(), done.returncode) == ("x", 0), done.stdout + done.stderr
    assert repo.git("log", "-1", "--format=%(trailers:key=Ralph-Gates,valueonly)").strip() == trailer


def test_what_was_red_before_and_is_green_now_proves_the_work(repo: Repository) -> None:
    agent = "good; touch fixed.txt"
    play = Play(repo, {"prd": "- [ ] T1 make one\n", "files": {"state.txt": "broken\n"}, "agent": agent})
    assert play.ralph("--baseline", "--gate", RED).returncode == 0
    assert repo.git("log", "-1", "--format=%(trailers:key=Ralph-Gates,valueonly)").strip() == RED
