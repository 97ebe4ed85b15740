"""Prices of models: set by the user, reported by the agent, or from a dated table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache

from ralph.agents.model import ModelUse

Price = tuple[float, ...]  # USD per million tokens: input, cached input, output

WRITE = 1.25  # times the input price: the cost of writing input to a cache
OLD = 180  # days after which a price table is reported as old
ENOUGH = 1_000  # least tokens of a report from which a price is derived
SAME = 0.02  # relative difference of two reported prices that is ignored

# parts around a model's name: the provider before it; window, date and version after it
AROUND = re.compile(
    r"^.*/|^(?:[a-z]{2,6}\.)?anthropic\.|\[1m\]$|@\d{8}$|-v\d+(?::\d+)?$|-\d{8}(?=-v\d|$)|-\d{4}-\d\d-\d\d$"
)


@lru_cache(maxsize=1_000)
def plain_model(model: str) -> str:
    """Return the model without the parts that providers add, as in `us.anthropic.claude-opus-4-8-v1:0`."""
    return AROUND.sub("", AROUND.sub("", model.strip().lower()))


NONE: Mapping[str, Price] = {}


class Prices:
    """The known prices of one agent, by model.

    `reported` prices of the agent override the list prices in `table`; those that the user has `given` (`[prices]`)
    override both. Names are compared without the parts that providers add.
    """

    def __init__(
        self, table: Mapping[str, Price] = NONE, reported: Mapping[str, Price] = NONE,
        given: Mapping[str, Price] = NONE,
    ) -> None:  # fmt: skip
        self._table = table
        self._known = {
            plain_model(name): entry for source in (table, reported, given) for name, entry in source.items()
        }

    def known(self, model: str) -> Price | None:
        """Return the price of this model, or None."""
        return self._known.get(plain_model(model)) if model else None

    def highest(self) -> Price | None:
        """Return the agent's highest list price, for an unknown model, or None."""
        return max(self._table.values(), key=sum, default=None)

    def of(self, *models: str) -> Price | None:
        """Return the price of the first known model, or the highest price, or None without any price."""
        return next((price for model in models if (price := self.known(model))), None) or self.highest()

    def learn(self, use: ModelUse) -> Price | None:
        """Return the price in a report if it is new, or None. Distribute its sum as the list price does."""
        spread = self._table.get(plain_model(use.model)) or self.highest()
        if not use.cost or spread is None or sum(use.split) < ENOUGH:
            return None
        rate = use.cost / cost_of(use.split, use.written, spread)
        price = tuple(round(entry * rate, 6) for entry in spread)
        before = self.known(use.model)
        near = before is not None and abs(price[2] - before[2]) <= SAME * before[2]
        return None if near else price


def cost_of(split: tuple[int, int, int], written: int, price: Price) -> float:
    """Return USD for (fresh input, cached input, output) tokens; `written` of the fresh ones went to the cache."""
    fresh, cached, output = split
    millionths = (fresh + min(written, fresh) * (WRITE - 1)) * price[0] + cached * price[1] + output * price[2]
    return millionths / 1_000_000


def is_old(priced: str, today: date) -> bool:
    """Whether a table of this date (`2026-11-30`) is old."""
    return bool(priced) and (today - date.fromisoformat(priced)).days > OLD
