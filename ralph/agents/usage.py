"""What an attempt uses up while it goes on: model calls, tokens, money, and how far that is an estimate."""

from __future__ import annotations

from dataclasses import replace

from ralph.agents.model import Signal, SignalKind, Usage
from ralph.agents.prices import Prices, cost_of
from ralph.immutable import immutable
from ralph.text import tokens_in

KEYS = 10_000  # messages counted one by one; older ones become part of the sum
WORKS = (SignalKind.TEXT, SignalKind.TOOL, SignalKind.ALIVE)  # a model answered


class TurnCounter:
    """How often the agent called its model: messages whose usage it reports, else what follows a tool's result."""

    def __init__(self) -> None:
        self._key, self._keys, self._rounds, self._fresh = "", 0, 0, True

    def add(self, signal: Signal) -> None:
        """Take one signal into account. A sub-agent's messages tell no context: they are no turns."""
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
    """Tokens and USD; `about`: they are an estimate, at least in part. `cost` None: there is no price."""

    tokens: int = 0
    cost: float | None = None
    about: bool = False
    unpriced: int = 0  # tokens that no price is known for

    def plus(self, other: Spent) -> Spent:
        """Both together."""
        cost = self.cost if other.cost is None else (self.cost or 0.0) + other.cost
        unpriced = self.unpriced + other.unpriced
        return Spent(self.tokens + other.tokens, cost, self.about or other.about, unpriced)

    def less(self, other: Spent) -> Spent:
        """Without what is part of it."""
        cost = self.cost if other.cost is None else (self.cost or 0.0) - other.cost
        unpriced = self.unpriced - other.unpriced
        return Spent(self.tokens - other.tokens, cost, self.about or other.about, unpriced)


class UsageEstimator:
    """The running sum of one attempt. Bounded, however much is added.

    What the agent reports counts as it is. Messages that tell tokens and no money are priced; an agent that
    tells nothing is estimated by the size of its prompt (`prompt` bytes) and of what it wrote.
    """

    def __init__(self, prices: Prices, model: str = "", prompt: int = 0) -> None:
        self.model = model  # that the attempt works with, as far as that is known
        self._prices, self._prompt = prices, prompt
        self._whole = self._last = Spent()
        self._open: dict[str, tuple[Usage, Spent]] = {}  # by key: what a later report may replace
        self._wrote = 0  # bytes of text, of an agent that reports nothing
        self._reported = self._works = False

    def add(self, signal: Signal) -> None:
        """Take one signal into account."""
        if signal.kind in WORKS:
            self._works = True
            self._wrote += len(signal.text.encode(errors="replace")) + len(signal.command.encode(errors="replace"))
        if signal.usage is not None:
            self._count(signal.usage)

    def printed(self, size: int) -> None:
        """An agent without events has printed so many bytes in all."""
        self._works, self._wrote = True, size

    @property
    def spent(self) -> Spent:
        """All of it so far."""
        if not self._reported:
            return self._by_size() if self._works else Spent()
        return self._last if self._last.tokens > self._whole.tokens else self._whole

    def price_is_unknown(self) -> bool:
        """Whether the highest price of the agent stands in for that of the model."""
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
        """The same key again replaces what was told before; what was estimated adds up."""
        before, worth = self._open.pop(usage.key, (Usage(), Spent()))
        usage = replace(usage, wrote=before.wrote + usage.wrote)
        now = self._priced(usage)
        self._whole = self._whole.less(worth).plus(now)
        if usage.key:
            self._open[usage.key] = usage, now
        if len(self._open) > KEYS:
            self._open.pop(next(iter(self._open)))

    def _finish(self, usage: Usage) -> None:
        """The last word replaces all. Without money it counts where it is more than what was told one by one:
        a file of the session may tell the same, before or after it, and know of sub-agents besides."""
        self._reported = True
        if usage.cost is None:
            self._last = self._priced(usage)
            return
        self._open.clear()
        self._whole, self._last = self._priced(usage), Spent()

    def _priced(self, usage: Usage) -> Spent:
        """What one report amounts to: as reported, else by its price."""
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
