"""What an attempt uses up, as far as its stream alone does not add it up: model calls, and the price of tokens."""

from __future__ import annotations

from collections.abc import Sequence

from ralph.model import Kind, Signal


class Turns:
    """How often the agent called its model: messages whose usage it reports, else what follows a tool's result."""

    def __init__(self) -> None:
        self._key, self._keys, self._rounds, self._fresh = "", 0, 0, True

    def add(self, signal: Signal) -> None:
        """Take one signal into account. A sub-agent's messages tell no context: they are no turns."""
        usage = signal.usage
        if usage and usage.key and usage.context and usage.key != self._key:
            self._key, self._keys = usage.key, self._keys + 1
        if signal.kind is Kind.TOOL_DONE:
            self._fresh = True
        elif self._fresh and signal.kind in (Kind.TEXT, Kind.TOOL, Kind.ALIVE):
            self._rounds, self._fresh = self._rounds + 1, False

    @property
    def count(self) -> int:
        """Model calls so far."""
        return self._keys or self._rounds


def priced(split: tuple[int, int, int], prices: Sequence[float]) -> float | None:
    """USD for (fresh input, cached input, output) tokens, at prices per million each; None without three prices."""
    if len(prices) != 3 or not sum(split):
        return None
    return sum(tokens * price for tokens, price in zip(split, prices, strict=True)) / 1_000_000
