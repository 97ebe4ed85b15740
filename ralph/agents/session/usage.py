"""What a stream of signals adds up to: tokens and money, the last words, tools, paths and commands, the end."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from ralph.agents.model import FAILURES, Signal, SignalKind, Usage

SAID = 4000  # characters
ACTION = 200  # characters of one action
ACTIONS = 10
NAMED = 500  # paths, and commands
KEYS = 10_000  # messages counted one by one; older ones become part of the sum


class UsageCounter:
    """The running total of one session. Bounded, however much is added."""

    def __init__(self) -> None:
        self.said = ""
        self.failure: Signal | None = None  # the last one that the agent did not get over
        self.ended: bool | None = None
        self.open_tools = 0  # tool calls without a result yet
        self.tokens = 0
        self.cost: float | None = None  # USD; None as long as the agent has not told any
        self._priced, self._spent = 0, 0.0  # messages that told their cost, and its sum
        self._by_key: dict[str, Usage] = {}
        self._actions: deque[str] = deque(maxlen=ACTIONS)
        self._wrote: dict[str, None] = {}
        self._commands: dict[str, None] = {}

    def add(self, signal: Signal) -> None:
        """Take one signal into account."""
        if signal.usage is not None:
            self._count(signal.usage)
        if signal.kind is SignalKind.TEXT and signal.text.strip():
            self.said = signal.text[-SAID:]
        elif signal.kind is SignalKind.TOOL:
            self._use(signal)
        elif signal.kind is SignalKind.TOOL_DONE:
            self.open_tools = max(0, self.open_tools - 1)
        elif signal.kind is SignalKind.ENDED:
            self._end(signal)
        elif signal.kind in FAILURES:
            self._fail(signal)

    @property
    def actions(self) -> tuple[str, ...]:
        """The last tool calls, one line each."""
        return tuple(self._actions)

    @property
    def wrote(self) -> tuple[str, ...]:
        """Paths that tool calls wrote, in the order of the first write."""
        return tuple(self._wrote)

    @property
    def commands(self) -> tuple[str, ...]:
        """Shell commands that were run, in order, each once."""
        return tuple(self._commands)

    def _count(self, usage: Usage) -> None:
        """Add it up. The same key again replaces what was told before; the last word replaces all."""
        if usage.final:
            self._begin_again(usage.tokens, self.cost if usage.cost is None else usage.cost)
            return
        before = self._by_key.get(usage.key, Usage()) if usage.key else Usage()
        if usage.key:
            self._by_key[usage.key] = usage
        self.tokens += usage.tokens - before.tokens
        self._priced += (usage.cost is not None) - (before.cost is not None)
        self._spent += (usage.cost or 0.0) - (before.cost or 0.0)
        self.cost = self._spent if self._priced else None
        if len(self._by_key) > KEYS:
            self._begin_again(self.tokens, self.cost)

    def _begin_again(self, tokens: int, cost: float | None) -> None:
        """So much was spent; of single messages nothing is known any more."""
        self._by_key = {}
        self.tokens, self.cost = tokens, cost
        self._priced, self._spent = int(cost is not None), cost or 0.0

    def _fail(self, signal: Signal) -> None:
        """The last failure counts; a reset time that an earlier one of its kind told is kept."""
        known = self.failure
        if known is not None and known.kind is signal.kind and signal.resets_at is None:
            signal = replace(signal, resets_at=known.resets_at)
        self.failure = signal

    def _use(self, signal: Signal) -> None:
        self.open_tools += 1
        self.failure = None  # it went on working
        self._actions.append(action(signal))
        _note(self._wrote, signal.paths)
        _note(self._commands, (signal.command,) if signal.command else ())

    def _end(self, signal: Signal) -> None:
        self.ended = signal.ok
        self.open_tools = 0
        self.said = signal.text[-SAID:] or self.said
        if signal.ok:
            self.failure = None


def action(signal: Signal) -> str:
    """A tool call in one line: its name and what it is about."""
    about = signal.command or ", ".join(signal.paths) or signal.text
    line = " ".join(f"{signal.tool}: {about}".split()) if about else signal.tool
    return line if len(line) <= ACTION else line[: ACTION - 1] + "…"


def _note(names: dict[str, None], new: tuple[str, ...]) -> None:
    names.update(dict.fromkeys(name for name in new if name in names or len(names) < NAMED))
    while len(names) > NAMED:
        names.popitem()
