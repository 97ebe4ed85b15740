"""The scorecard in CI: random stories, always the same ones, and nothing on the card that must not be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import spread
from tests.scorecard.player import Outcome
from tests.scorecard.run import card, complaint
from tests.scorecard.stories import story

STORIES = int(os.environ.get("SCORECARD", "200"))  # `SCORECARD=1000 pytest -m slow tests/scorecard` plays more
EACH = 5
SHARDS = spread(range(-(-STORIES // EACH)), daily=100, ci=9)
PROGRAM = Path(__file__).parent / "run.py"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.mark.timeout(0)
@pytest.mark.parametrize("shard", SHARDS)
def test_random_stories(shard: int) -> None:
    """A process of its own: it forks, and what forks should have no threads."""
    words = [sys.executable, str(PROGRAM), "--json", "--stories", str(EACH), "--seed", str(1 + shard * EACH)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60 + 30 * EACH, check=False)
    assert done.stdout, done.stderr
    outcomes = [Outcome(**one) for one in json.loads(done.stdout)]
    assert len(outcomes) == EACH
    assert [complaint(one) for one in outcomes if not one.good] == []
    assert sum(one.starts for one in outcomes) > EACH


def test_a_story_is_the_same_whenever_it_is_told() -> None:
    assert [story(seed) for seed in range(50)] == [story(seed) for seed in range(50)]
    assert story(1) != story(2)


def test_the_stories_are_worth_it() -> None:
    """Enough of everything: tasks that must be done, kills, edits, both kinds of agents."""
    told = [story(seed) for seed in range(1, STORIES + 1)]
    assert sum(len(one.must_be_done) for one in told) > STORIES / 2
    assert sum(len(one.kills) for one in told) > STORIES / 4
    assert sum(len(one.edits) for one in told) > STORIES / 8
    assert {one.agent for one in told} == {"command", "claude"}
    played = {behaviour for one in told for plan in one.plans for behaviour in plan.behaviours}
    assert len(played) > 15


def test_the_card_names_what_is_wrong_and_how_to_see_it_again() -> None:
    outcomes = [Outcome(1, starts=3, recoverable=2), Outcome(7, false_done=["T1"], recoverable=2, lost=["T2"])]
    told = card(outcomes)
    assert "false done (must be 0)                   1" in told
    assert "recoverable tasks recovered              3 of 4" in told
    assert "seed 7: false_done: T1; lost: T2" in told
    assert "run.py --seed 7 --stories 1 --show" in told
    assert "seed 1:" not in told
