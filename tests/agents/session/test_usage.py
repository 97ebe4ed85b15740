"""What usages add up to, told in any order: as if all of them were summed up anew each time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralph.agents.model import Signal, SignalKind, Usage
from ralph.agents.session import usage as tally
from ralph.agents.session.usage import UsageCounter

USAGES = st.builds(
    Usage,
    tokens=st.integers(0, 1000),
    cost=st.none() | st.integers(0, 100).map(float),  # whole: a sum of them is exact
    key=st.sampled_from(["", "", "a", "b", "c"]),
    final=st.sampled_from([False] * 9 + [True]),
)


def summed(usages: list[Usage]) -> tuple[int, float | None]:
    """The same without any cleverness."""
    single: list[Usage] = []
    keyed: dict[str, Usage] = {}
    for one in usages:
        if one.final:
            known = [each.cost for each in (*single, *keyed.values()) if each.cost is not None]
            cost = one.cost if one.cost is not None else sum(known) if known else None
            single, keyed = [Usage(one.tokens, cost)], {}
        elif one.key:
            keyed[one.key] = one
        else:
            single.append(one)
    every = [*single, *keyed.values()]
    costs = [one.cost for one in every if one.cost is not None]
    return sum(one.tokens for one in every), sum(costs) if costs else None


@given(st.lists(USAGES, max_size=30))
def test_usages_add_up(usages: list[Usage]) -> None:
    told = UsageCounter()
    for one in usages:
        told.add(Signal(SignalKind.USAGE, usage=one))
    assert (told.tokens, told.cost) == summed(usages)


def test_many_messages_are_no_many_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "KEYS", 3)
    told = UsageCounter()
    for number in range(10):
        told.add(Signal(SignalKind.USAGE, usage=Usage(1, 0.5, key=f"message {number}")))
    assert (told.tokens, told.cost, len(told._by_key)) == (10, 5.0, 2)
