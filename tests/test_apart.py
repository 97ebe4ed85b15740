"""The stories of one agent at a time, told again with --isolate: in a worktree the same must come out of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import test_healing
import test_stories
from conftest import Repository

STORIES = [story for story in test_stories.STORIES if not story.get("here")]
HEALING = [story for story in test_healing.STORIES if not story.get("here")]
DAILY = 12  # every so many of them are part of the default run


def some(stories: list[dict[str, Any]]) -> list[Any]:
    """All of them, most marked slow."""
    return [
        pytest.param(story, id=story["name"], marks=[pytest.mark.slow] if number % DAILY else [])
        for number, story in enumerate(stories)
    ]


@pytest.mark.parametrize("story", some(STORIES))
def test_story(repo: Repository, story: Mapping[str, Any]) -> None:
    play = test_stories.Play(repo, story)
    play.apart = ("--isolate",)
    test_stories.check_story(play, story)


@pytest.mark.parametrize("story", some(HEALING))
def test_healing_story(repo: Repository, story: Mapping[str, Any]) -> None:
    play = test_healing.Healing(repo, story)
    play.apart = ("--isolate",)
    test_healing.check_story(play, story)
