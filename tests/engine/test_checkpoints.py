"""A checkpoint after some time: `--review-every` with a duration."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Repository
from tests.engine.test_recovery import Healing, check_story

TWO: dict[str, Any] = {"prd": "- [ ] T1 make one\n- [ ] T2 make two\n", "agent": ["good"], "boxes": "xx", "exit": 0}
RESUMES = [{"at": "paused", "do": "ralph resume"}]
NOTHING_DONE = {"agent": ["lies"], "by_task": {"T2": ["good"]}, "boxes": "px", "exit": 1}
PACES: dict[str, tuple[str, dict[str, Any]]] = {
    "the time is over": ("0.1s", {"meanwhile": RESUMES, "moves": ["paused", "resumed"]}),
    "the time is not over": ("1h", {"moves": []}),
    "the time is over, and nothing was accepted": ("0.1s", {**NOTHING_DONE, "moves": ["park", "parked"]}),
}


@pytest.mark.parametrize("pace", PACES)
def test_a_person_should_look_when_there_is_something_to_see_and_the_time_is_over(
    repo: Repository, pace: str
) -> None:
    every, more = PACES[pace]
    story = {**TWO, **more, "settings": {"split": False}, "flags": ["--review-every", every, "--max-retries", "0"]}
    if "paused" in story["moves"]:
        story["said"] = [
            "h since the last look. What was done: `git log -p -1 ralph/PRD`. To go on: `ralph resume`."
        ]
    check_story(Healing(repo, story), story)
