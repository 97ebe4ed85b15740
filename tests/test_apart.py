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
DAILY, CI = 20, 4  # every so many of them are part of the default run, and of what CI runs beside it


def some(stories: list[dict[str, Any]]) -> list[Any]:
    """All of them: a few always, some in CI, the rest by hand (`pytest -m "long or slow" tests/test_apart.py`)."""
    marks = [
        [] if number % DAILY == 0 else [pytest.mark.slow] if number % CI == 0 else [pytest.mark.long]
        for number in range(len(stories))
    ]
    return [pytest.param(story, id=story["name"], marks=mark) for story, mark in zip(stories, marks, strict=True)]


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
