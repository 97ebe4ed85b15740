"""What a model's tokens cost: as the user set it, as the agent itself reported it, else by a table with a date."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache

from ralph.agents.model import ModelUse

Price = tuple[float, ...]  # USD per million tokens: input, cached input, output

WRITE = 1.25  # times the input price: what it costs to put input into a cache
OLD = 180  # days after which a table of prices is named as old
ENOUGH = 1_000  # tokens from which on a report tells a price
SAME = 0.02  # so much of a difference between two reports is none

# what stands around the name of a model: the provider before it, its window, a date, a version after it
AROUND = re.compile(
    r"^.*/|^(?:[a-z]{2,6}\.)?anthropic\.|\[1m\]$|@\d{8}$|-v\d+(?::\d+)?$|-\d{8}(?=-v\d|$)|-\d{4}-\d\d-\d\d$"
)


@lru_cache(maxsize=1_000)
def plain_model(model: str) -> str:
    """The model without what providers write around its name: `us.anthropic.claude-opus-4-8-v1:0` and the like."""
    return AROUND.sub("", AROUND.sub("", model.strip().lower()))


NONE: Mapping[str, Price] = {}


class Prices:
    """The prices that are known for one agent, by model.

    `table` are list prices; what the agent itself `reported` comes before them, and what the user has `given`
    (`[prices]`) before both. Names are compared without what providers write around them.
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
        """The price of this very model."""
        return self._known.get(plain_model(model)) if model else None

    def highest(self) -> Price | None:
        """The highest list price of the agent: for a model that is not known."""
        return max(self._table.values(), key=sum, default=None)

    def of(self, *models: str) -> Price | None:
        """The price of the first of these models that is known, else the highest; None: nothing is known."""
        return next((price for model in models if (price := self.known(model))), None) or self.highest()

    def learn(self, use: ModelUse) -> Price | None:
        """The price that a report tells, if that is news. Its sum is spread as the known price is."""
        spread = self._table.get(plain_model(use.model)) or self.highest()
        if not use.cost or spread is None or sum(use.split) < ENOUGH:
            return None
        rate = use.cost / cost_of(use.split, use.written, spread)
        price = tuple(round(entry * rate, 6) for entry in spread)
        before = self.known(use.model)
        near = before is not None and abs(price[2] - before[2]) <= SAME * before[2]
        return None if near else price


def cost_of(split: tuple[int, int, int], written: int, price: Price) -> float:
    """USD for (fresh input, cached input, output) tokens; `written` of the fresh ones went into the cache."""
    fresh, cached, output = split
    whole = (fresh + min(written, fresh) * (WRITE - 1)) * price[0] + cached * price[1] + output * price[2]
    return whole / 1_000_000


def is_old(priced: str, today: date) -> bool:
    """Whether a table of this date (`2026-11-30`) has become old."""
    return bool(priced) and (today - date.fromisoformat(priced)).days > OLD
