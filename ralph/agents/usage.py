"""Usage of a running attempt: model calls, tokens and money, exact or estimated."""

from __future__ import annotations

from dataclasses import replace

from ralph.agents.model import Signal, SignalKind, Usage
from ralph.agents.prices import Prices, cost_of
from ralph.immutable import immutable
from ralph.text import tokens_in

KEYS = 10_000  # messages counted one by one; older ones become part of the sum
WORKS = (SignalKind.TEXT, SignalKind.TOOL, SignalKind.ALIVE)  # a model answered


class TurnCounter:
    """Counts the agent's model calls: by messages with usage, otherwise by output after a tool result."""

    def __init__(self) -> None:
        self._key, self._keys, self._rounds, self._fresh = "", 0, 0, True

    def add(self, signal: Signal) -> None:
        """Count one signal. A sub-agent's messages have no context and are not turns."""
        usage = signal.usage
        if usage and usage.key and usage.context and usage.key != self._key:
            self._key, self._keys = usage.key, self._keys + 1
        if signal.kind is SignalKind.TOOL_DONE:
            self._fresh = True
        elif self._fresh and signal.kind in (SignalKind.TEXT, SignalKind.TOOL, SignalKind.ALIVE):
            self._rounds, self._fresh = self._rounds + 1, False

    @property
    def count(self) -> int:
        """Model calls so far."""
        return self._keys or self._rounds


@immutable
class Spent:
    """Tokens and USD. `about`: at least partly estimated. `cost` is None if no price is known."""

    tokens: int = 0
    cost: float | None = None
    about: bool = False
    unpriced: int = 0  # tokens without a known price

    def plus(self, other: Spent) -> Spent:
        """Return the sum."""
        cost = self.cost if other.cost is None else (self.cost or 0.0) + other.cost
        unpriced = self.unpriced + other.unpriced
        return Spent(self.tokens + other.tokens, cost, self.about or other.about, unpriced)

    def less(self, other: Spent) -> Spent:
        """Return the difference."""
        cost = self.cost if other.cost is None else (self.cost or 0.0) - other.cost
        unpriced = self.unpriced - other.unpriced
        return Spent(self.tokens - other.tokens, cost, self.about or other.about, unpriced)


class UsageEstimator:
    """The running sum of one attempt, in bounded memory.

    Reported costs count as they are. Messages with tokens but no cost are priced. An agent without reports is
    estimated by the size of its prompt (`prompt` bytes) and of its output.
    """

    def __init__(self, prices: Prices, model: str = "", prompt: int = 0) -> None:
        self.model = model  # in use; "" if unknown
        self._prices, self._prompt = prices, prompt
        self._whole = self._last = Spent()
        self._open: dict[str, tuple[Usage, Spent]] = {}  # by key: what a later report may replace
        self._wrote = 0  # bytes of text, of an agent that reports nothing
        self._reported = self._works = False

    def add(self, signal: Signal) -> None:
        """Count one signal."""
        if signal.kind in WORKS:
            self._works = True
            self._wrote += len(signal.text.encode(errors="replace")) + len(signal.command.encode(errors="replace"))
        if signal.usage is not None:
            self._count(signal.usage)

    def printed(self, size: int) -> None:
        """Set the number of bytes that an agent without events has printed in all."""
        self._works, self._wrote = True, size

    @property
    def spent(self) -> Spent:
        """The usage so far."""
        if not self._reported:
            return self._by_size() if self._works else Spent()
        return self._last if self._last.tokens > self._whole.tokens else self._whole

    def price_is_unknown(self) -> bool:
        """Whether the agent's highest price stands in for the model's."""
        return self._prices.known(self.model) is None and self._prices.highest() is not None

    def _count(self, usage: Usage) -> None:
        if usage.model and (usage.window or not usage.key or not self.model):
            self.model = usage.model
        if usage.final:
            self._finish(usage)
        elif usage.tokens or usage.wrote or usage.cost is not None:
            self._reported = self._reported or bool(usage.tokens)
            self._keep(usage)

    def _keep(self, usage: Usage) -> None:
        """Add a report. It replaces an earlier one with its key, but estimates add up."""
        before, worth = self._open.pop(usage.key, (Usage(), Spent()))
        usage = replace(usage, wrote=before.wrote + usage.wrote)
        now = self._priced(usage)
        self._whole = self._whole.less(worth).plus(now)
        if usage.key:
            self._open[usage.key] = usage, now
        if len(self._open) > KEYS:
            self._open.pop(next(iter(self._open)))

    def _finish(self, usage: Usage) -> None:
        """Replace the sum by the final report. Without a cost it counts only if it exceeds the sum of the messages:
        a session file may report the same before or after it, and include sub-agents."""
        self._reported = True
        if usage.cost is None:
            self._last = self._priced(usage)
            return
        self._open.clear()
        self._whole, self._last = self._priced(usage), Spent()

    def _priced(self, usage: Usage) -> Spent:
        """Return the usage of one report, with its own cost or by the known price."""
        fresh, cached, output = usage.split
        more = max(0, usage.wrote - output)
        tokens = usage.tokens + more
        if usage.cost is not None:
            return Spent(tokens, usage.cost, about=bool(more))
        price = self._prices.of(usage.model, self.model)
        if price is None or not tokens:
            return Spent(tokens, None, bool(more), tokens)
        split = (fresh or max(0, usage.tokens - cached - output), cached, output + more)
        return Spent(tokens, cost_of(split, usage.written, price), about=True)

    def _by_size(self) -> Spent:
        given, wrote = tokens_in(self._prompt), tokens_in(self._wrote)
        price, tokens = self._prices.of(self.model), given + wrote
        if price is None:
            return Spent(tokens, None, about=True, unpriced=tokens)
        return Spent(tokens, cost_of((given, 0, wrote), 0, price), about=True)
