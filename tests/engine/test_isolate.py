"""The stories of one agent at a time, told again with --isolate: in a worktree the same must come out of them."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

import pytest

from tests.conftest import Repository, spread
from tests.engine import test_recovery as test_healing
from tests.engine import test_stories

STORIES = [story for story in test_stories.STORIES if not story.get("here")]
HEALING = [story for story in test_healing.STORIES if not story.get("here")]


@pytest.mark.parametrize("story", spread(STORIES, daily=40, ci=10, ids=itemgetter("name")))
def test_story(repo: Repository, story: Mapping[str, Any]) -> None:
    play = test_stories.Play(repo, story)
    play.apart = ("--isolate",)
    test_stories.check_story(play, story)


@pytest.mark.parametrize("story", spread(HEALING, daily=40, ci=20, ids=itemgetter("name")))
def test_healing_story(repo: Repository, story: Mapping[str, Any]) -> None:
    play = test_healing.Healing(repo, story)
    play.apart = ("--isolate",)
    test_healing.check_story(play, story)
