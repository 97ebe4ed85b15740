"""What is known of models: how much their windows hold, what their tokens cost."""

from __future__ import annotations

from datetime import date

import pytest

from ralph.agents.registry import AGENTS

WINDOWS = """
claude   claude-opus-4-8[1m]          1000000
claude   claude-sonnet-4-5[1m]        1000000
claude   claude-opus-4-8              1000000
claude   claude-sonnet-5              1000000
claude   claude-fable-5-20260801      1000000
claude   claude-sonnet-4-5             200000
claude   claude-sonnet-4-5-20250929    200000
claude   claude-haiku-4-5-20251001     200000
claude   claude-3-7-sonnet-20250219    200000
claude   claude-opus-5                1000000
claude   claude-opus-5-5              1000000
claude   claude-sonnet-5-5            1000000
claude   claude-haiku-5-5             1000000
claude   claude-fable-5-1             1000000
claude   claude-fable-5-2             1000000
claude   claude-opus-9                1000000
claude   claude-opus-4-6               200000
claude   claude-opus-4-20250514        200000
claude   claude-3-5-haiku-20241022     200000
claude   us.anthropic.claude-opus-4-8 1000000
claude   us.anthropic.claude-sonnet-4-5-20250929-v1:0 200000
claude   claude-opus-5-5@20260922     1000000
claude   claude-poem-1                      0
claude   scripted                           0
claude   opus                               0
claude   gpt-5.5                            0
codex    gpt-6.1-terra                 500000
codex    gpt-5.5                       272000
codex    gpt-5.5-turbo                      0
codex    claude-opus-4-8                    0
command  anything                           0
"""


@pytest.mark.parametrize("row", WINDOWS.strip().splitlines())
def test_the_window_of(row: str) -> None:
    agent, model, size = row.split()
    assert AGENTS[agent].window(model) == int(size)


@pytest.mark.parametrize("agent", AGENTS.values(), ids=lambda agent: agent.NAME)
def test_cached_input_is_cheaper_than_fresh_and_output_dearer(agent: object) -> None:
    prices = getattr(agent, "PRICES")  # noqa: B009
    assert all(0 < cached < fresh < output < 1_000 for fresh, cached, output in prices.values())


def test_each_agent_of_a_known_vendor_has_a_table_with_a_date() -> None:
    assert {agent.NAME for agent in AGENTS.values() if agent.PRICES} == {"claude", "codex"}
    assert all(
        bool(agent.PRICES) == bool(agent.PRICED and date.fromisoformat(agent.PRICED)) for agent in AGENTS.values()
    )
