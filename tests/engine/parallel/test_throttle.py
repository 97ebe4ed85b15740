"""How many may run at once after a limit: half, once for those that hit it together, and slowly more again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ralph.engine.parallel.throttle import QUIET, SAME, SPREAD, Throttle


def test_as_many_as_were_asked_for_while_nothing_happens() -> None:
    assert Throttle().most(8) == 8
    assert Throttle().later(1e9, 8) == Throttle()
    assert Throttle().may_start(0.0)


def test_a_limit_halves_it_and_those_that_hit_it_together_halve_it_once() -> None:
    once = Throttle().slower(100.0, 8)
    assert once.most(8) == 4
    assert once.slower(100.0 + SAME - 1, 8).most(8) == 4
    assert once.slower(100.0 + SAME + 1, 8).most(8) == 2


def test_one_always_works() -> None:
    speed = Throttle()
    for hour in range(10):
        speed = speed.slower(hour * 3600.0, 3)
    assert speed.most(3) == 1


def test_one_more_for_each_quiet_period() -> None:
    speed = Throttle().slower(0.0, 4)
    assert speed.later(QUIET - 1, 4).most(4) == 2
    assert speed.later(QUIET, 4).most(4) == 3
    assert speed.later(QUIET, 4).later(2 * QUIET, 4) == Throttle(0, 2 * QUIET)


def test_a_limit_begins_the_quiet_period_anew() -> None:
    speed = Throttle().slower(0.0, 4).slower(SAME - 1, 4)
    assert speed.later(QUIET, 4).most(4) == 2


def test_starts_are_spread_while_it_is_slower() -> None:
    speed = Throttle(limit=2, started=100.0)
    assert not speed.may_start(100.0 + SPREAD - 0.1)
    assert speed.may_start(100.0 + SPREAD)


@given(st.integers(1, 20), st.lists(st.tuples(st.booleans(), st.floats(0.0, 2 * QUIET)), max_size=40))
def test_it_stays_between_one_and_what_was_asked_for(asked: int, steps: list[tuple[bool, float]]) -> None:
    speed, now = Throttle(), 0.0
    for hit, passed in steps:
        now += passed
        speed = speed.slower(now, asked) if hit else speed.later(now, asked)
        assert 1 <= speed.most(asked) <= asked
