"""What an attempt spends, from what its agent reports and from what it does not."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.agents import usage as spending
from ralph.agents.model import ModelUse, Signal, SignalKind, Usage
from ralph.agents.prices import Prices, cost_of, is_old, plain_model
from ralph.agents.registry import AGENTS
from ralph.agents.usage import Spent, UsageEstimator

TABLE = {"big": (5.0, 0.5, 25.0), "small": (1.0, 0.1, 5.0)}


def near(value: float) -> Any:
    return pytest.approx(value)


def after(*usages: Usage, model: str = "big", prompt: int = 0, prices: Prices | None = None) -> Spent:
    one = UsageEstimator(prices or Prices(TABLE), model, prompt)
    for usage in usages:
        one.add(Signal(SignalKind.USAGE, usage=usage))
    return one.spent


def test_a_message_is_priced_by_what_is_fresh_cached_and_written() -> None:
    told = after(Usage(1_000_000, key="m1", split=(600_000, 300_000, 100_000), written=200_000))
    assert told == Spent(1_000_000, near(0.8 * 5 - 0.15 * 5 + 0.15 + 2.5), about=True)


def test_the_same_message_again_replaces_it_and_what_it_wrote_adds_up() -> None:
    """Claude repeats its usage with each block, and its count of output tokens is a placeholder."""
    block = Usage(1_001, key="m1", split=(1_000, 0, 1), wrote=100)
    assert after(block).tokens == 1_100
    assert after(block, block).tokens == 1_200
    assert after(block, Usage(1_500, key="m1", split=(1_000, 0, 500))).tokens == 1_500


def test_the_last_word_is_no_estimate() -> None:
    told = after(Usage(1_001, key="m1", split=(1_000, 0, 1), wrote=9), Usage(2_000, 0.25, final=True))
    assert told == Spent(2_000, 0.25)


def test_a_last_word_without_money_leaves_what_a_session_file_knows_beyond_it() -> None:
    """A sub-agent of Codex has a thread of its own; the end of the turn counts the main one only."""
    main, other = Usage(1_000, key="main", split=(1_000, 0, 0)), Usage(500, key="other", split=(500, 0, 0))
    last = Usage(1_000, final=True, split=(1_000, 0, 0))
    assert (
        after(main, other, last).tokens
        == after(main, last, other).tokens
        == after(last, main, other).tokens
        == 1_500
    )
    assert after(Usage(900, final=True, split=(900, 0, 0))) == Spent(900, near(0.0045), about=True)


def test_a_message_of_another_model_has_its_price() -> None:
    one = Usage(1_000_000, key="m1", split=(1_000_000, 0, 0), model="small")
    assert after(one).cost == pytest.approx(1.0)
    assert after(Usage(1_000_000, key="m1", split=(1_000_000, 0, 0), model="scripted")).cost == pytest.approx(5.0)


def test_an_unknown_model_has_the_highest_price_of_its_agent() -> None:
    one = UsageEstimator(Prices(TABLE), "new-model")
    one.add(Signal(SignalKind.USAGE, usage=Usage(1_000_000, split=(1_000_000, 0, 0))))
    assert (one.spent.cost, one.price_is_unknown()) == (near(5.0), True)
    assert not UsageEstimator(Prices(TABLE), "small").price_is_unknown()
    assert not UsageEstimator(Prices(), "whatever").price_is_unknown(), "no price stands in for another"


def test_without_any_report_it_is_estimated_by_size() -> None:
    one = UsageEstimator(Prices(TABLE), "big", prompt=4_000)
    assert one.spent == Spent()
    one.add(Signal(SignalKind.AUTH, "Not logged in"))
    assert one.spent == Spent(), "nobody was paid for a refused login"
    one.add(Signal(SignalKind.TEXT, "x" * 400))
    assert one.spent == Spent(1_100, near(1_000 * 5e-6 + 100 * 25e-6), about=True)
    one.add(Signal(SignalKind.USAGE, usage=Usage(7, 1.0, final=True)))
    assert one.spent == Spent(7, 1.0)


def test_without_a_price_there_are_only_tokens() -> None:
    one = UsageEstimator(Prices(), prompt=4_000)
    one.printed(400)
    assert one.spent == Spent(1_100, None, about=True, unpriced=1_100)


USAGES = st.builds(
    Usage,
    tokens=st.integers(0, 1000),
    cost=st.none() | st.integers(0, 100).map(float),
    key=st.sampled_from(["", "a", "b", "c"]),
    wrote=st.integers(0, 50),
    split=st.tuples(*[st.integers(0, 300)] * 3),
)


@given(st.lists(USAGES, max_size=30))
def test_the_sum_is_that_of_the_newest_reports(usages: list[Usage]) -> None:
    wrote = {key: sum(one.wrote for one in usages if one.key == key) for key in "abc"}
    newest = {one.key: one for one in usages if one.key}
    whole = [Usage(one.tokens, split=one.split, wrote=wrote[key]) for key, one in newest.items()]
    single = [one for one in usages if not one.key]
    tokens = sum(one.tokens + max(0, one.wrote - one.split[2]) for one in [*whole, *single])
    told = after(*usages)
    assert not any(one.tokens for one in usages) or told.tokens == tokens
    assert told.cost is None or told.cost >= -1e-9


def test_many_messages_are_no_many_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spending, "KEYS", 3)
    one = UsageEstimator(Prices(TABLE), "big")
    for number in range(10):
        one.add(Signal(SignalKind.USAGE, usage=Usage(1, 0.5, key=f"message {number}")))
    assert (one.spent.tokens, one.spent.cost, len(one._open)) == (10, 5.0, 3)


# ---------------------------------------------------------------- prices


def test_the_users_price_comes_first_then_the_report_then_the_table() -> None:
    reported, given = {"big": (6.0, 0.6, 30.0)}, {"big": (7.0, 0.7, 35.0)}
    assert Prices(TABLE).known("big") == TABLE["big"]
    assert Prices(TABLE, reported).known("big") == reported["big"]
    assert Prices(TABLE, reported, given).known("big") == given["big"]
    assert Prices(TABLE, reported).highest() == TABLE["big"]


NAMES = """
claude-opus-4-8[1m]                            claude-opus-4-8
claude-sonnet-4-5-20250929                     claude-sonnet-4-5
us.anthropic.claude-sonnet-4-5-20250929-v1:0   claude-sonnet-4-5
anthropic.claude-opus-5-5                      claude-opus-5-5
claude-opus-5-5@20260922                       claude-opus-5-5
openai/gpt-6.1-sol                             gpt-6.1-sol
gpt-5.5-2026-04-23                             gpt-5.5
gpt-5.5-turbo                                  gpt-5.5-turbo
"""


@pytest.mark.parametrize("row", NAMES.strip().splitlines())
def test_what_providers_write_around_a_name(row: str) -> None:
    name, model = row.split()
    assert plain_model(name) == model


def test_a_report_teaches_the_price_of_a_model() -> None:
    split = (100_000, 200_000, 10_000)
    prices = Prices(TABLE)
    dearer = ModelUse("big", split, 0, cost_of(split, 0, (10.0, 1.0, 50.0)))
    assert prices.learn(dearer) == pytest.approx((10.0, 1.0, 50.0))
    assert prices.learn(ModelUse("new", split, 0, dearer.cost)) == pytest.approx((10.0, 1.0, 50.0))
    assert prices.learn(ModelUse("big", split, 0, cost_of(split, 0, TABLE["big"]))) is None, "no news"
    assert prices.learn(ModelUse("big", (10, 0, 10), 0, 5.0)) is None, "too little to tell"
    assert prices.learn(ModelUse("big", split, 0, None)) is None


def test_claude_models_cost_what_claude_code_says() -> None:
    """Measured: `costUSD` of a real run, 2.1.332."""
    price = Prices(AGENTS["claude"].PRICES).known("claude-opus-5-5")
    assert price is not None
    assert cost_of((3_900, 1_500, 102), 300, price) == pytest.approx(0.01824)


def test_a_table_becomes_old() -> None:
    assert not is_old("2026-11-30", date(2027, 5, 29))
    assert is_old("2026-11-30", date(2027, 5, 30))
    assert not is_old("", date(2036, 1, 1))
