"""Honest work is accepted, or a person is asked, after at most two agents (fixtures/honest.toml)."""

from __future__ import annotations

import sys
import tomllib
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Repository, spread
from tests.engine.test_stories import Play

FIXTURES = Path(__file__).parents[2] / "fixtures"
STORIES: list[dict[str, Any]] = tomllib.loads((FIXTURES / "honest.toml").read_text())["story"]
GATE = f"{sys.executable} -m pytest -q -p no:cacheprovider"


@pytest.mark.parametrize("story", spread(STORIES, daily=3, ids=itemgetter("name")))
def test_honest_work(repo: Repository, story: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUT", str(repo.path.parent))
    monkeypatch.setenv("PYTHONPATH", ".")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    play = Play(repo, story)
    done = play.ralph("--gate", GATE)
    assert (play.boxes(), done.returncode) == (story["boxes"], story.get("exit", 0)), done.stdout + done.stderr
    assert play.attempts() == story["attempts"], done.stdout
    assert story.get("said", "") in done.stdout
    play.check_invariants()
