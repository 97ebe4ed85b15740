"""The same tests with the version of Claude Code before the newest, which people have for a while."""

from __future__ import annotations

import pytest

from tests.agents.test_real_streams import (
    rig,
    test_a_busy_model_is_tried_again_and_then_told,
    test_a_stream_that_breaks_off,
    test_a_used_up_limit_tells_when_it_ends,
    test_claude_tells_how_full_its_context_is,
    test_tokens_and_money_are_told_at_the_end,
    test_work_is_seen_as_it_is_done,
)
from tests.engine.test_real_agents import (
    driving,
    test_a_full_context_is_handed_over,
    test_a_refused_login_stops_at_once_with_the_cure,
    test_ctrl_c_ends_it_and_the_same_command_goes_on,
    test_two_tasks_become_two_proven_commits,
)
from tests.helpers.realclients import Client, require

__all__ = [
    "driving", "rig", "test_a_busy_model_is_tried_again_and_then_told", "test_a_full_context_is_handed_over",
    "test_a_refused_login_stops_at_once_with_the_cure", "test_a_stream_that_breaks_off",
    "test_a_used_up_limit_tells_when_it_ends", "test_claude_tells_how_full_its_context_is",
    "test_ctrl_c_ends_it_and_the_same_command_goes_on", "test_tokens_and_money_are_told_at_the_end",
    "test_two_tasks_become_two_proven_commits", "test_work_is_seen_as_it_is_done",
]  # fmt: skip

pytestmark = pytest.mark.real


@pytest.fixture
def client() -> Client:
    return require("claude-previous")
