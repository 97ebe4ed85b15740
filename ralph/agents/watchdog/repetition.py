"""Detection of repetition: the same steps with the same results, or the same message again and again.

Only consecutive repetitions count. Any difference ends one: an edit, an advancing counter, a call without known
arguments. Deliberate waiting (`sleep 30; tail log`) counts only after a long time.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from functools import lru_cache

from ralph.agents.model import Signal
from ralph.agents.watchdog.screen import essences
from ralph.immutable import immutable
from ralph.text import one_line

PERIOD = 10  # most steps in one round
OPEN = 100  # remembered calls without a result

COUNTER = re.compile(
    r"(?<![\w/.-])\d+ ?/ ?\d+(?![\w/])|\d+(?:\.\d+)? ?%|\b\d+ of \d+\b"
    r"|\b\d+ (?:tests? )?(?:fail|pass|error|warning|remain|left|pending|complete|done)",
    re.IGNORECASE,
)
WAITS = re.compile(r"(?:^|[^a-z])(?:sleep|wait|watch|poll)|(?:Bash|Task)Output", re.IGNORECASE)
LOOKS = re.compile(r"(?:^|[_.]|Task)(?:get|check|status|state|list|monitor)", re.IGNORECASE)  # a look at a job


@immutable
class ToolStep:
    """A tool call and its result. `told`: the stream has enough to distinguish it from other calls of the tool."""

    call: tuple[str, ...]
    result: str
    told: bool
    waits: bool
    name: str


class RepeatedSteps:
    """Repetition in the last tool calls of an agent. Memory is bounded."""

    def __init__(self, circles: int, similarity: float, waiting: float, now: float) -> None:
        self._circles, self._similarity, self._waiting = circles, similarity, waiting
        self._open: deque[Signal] = deque(maxlen=OPEN)
        self._last: deque[ToolStep] = deque(maxlen=PERIOD)
        self._same = [0] * (PERIOD + 1)  # by period: consecutive steps that equal the one a period before
        self._since = [now] * (PERIOD + 1)

    @property
    def open(self) -> int:
        """The number of calls without a result."""
        return len(self._open)

    def begin(self, signal: Signal) -> None:
        """Add a tool call."""
        self._open.append(signal)

    def end(self, signal: Signal, now: float) -> None:
        """Add the result of the oldest open call."""
        if not self._open:
            return
        step = _step(self._open.popleft(), signal)
        for period, before in enumerate(reversed(self._last), start=1):
            if same(before, step, self._similarity):
                self._same[period] += 1
            else:
                self._same[period], self._since[period] = 0, now
        self._last.append(step)

    def circle(self, now: float) -> str:
        """Return the repeated steps as text for people, or ""."""
        for period in range(1, len(self._last) + 1):
            if self._same[period] >= period * (self._circles - 1) and self._long_enough(period, now):
                names = "; ".join(f"`{step.name}`" for step in list(self._last)[-period:])
                times = self._same[period] // period + 1
                return f"{one_line(names, 300)}, {times} times in a row with the same result"
        return ""

    def _long_enough(self, period: int, now: float) -> bool:
        waits = any(step.waits for step in list(self._last)[-period:])
        return not waits or now - self._since[period] >= self._waiting


def _step(call: Signal, done: Signal) -> ToolStep:
    """Return a step. A successful edit is distinguishable only if its text is more than its path; a failed one is
    distinguished by its result."""
    failed = done.ok is False and bool(done.text)
    told = failed or bool(call.command) or call.text not in ("", ", ".join(call.paths))
    name = one_line(call.command or f"{call.tool} {' '.join(call.paths) or call.text}", 100)
    waits = WAITS.search(f"{call.tool} {call.command}") or (not call.paths and LOOKS.search(call.tool))
    return ToolStep((call.tool, call.command, call.text, *call.paths), done.text, told, bool(waits), name)


def same(step: ToolStep, other: ToolStep, similarity: float) -> bool:
    """Whether call and result are the same, apart from numbers that mean no progress."""
    if not (step.told and other.told and step.call == other.call):
        return False
    if step.result == other.result:
        return True
    lines, others = _lines(step.result), _lines(other.result)
    return (
        bool(lines)
        and alike(lines, others, similarity)
        and COUNTER.findall(step.result) == COUNTER.findall(other.result)
    )


@lru_cache(maxsize=2 * PERIOD)
def _lines(result: str) -> list[str]:
    return essences(result)


def alike(sequence: Sequence[str], other: Sequence[str], similarity: float) -> bool:
    """Whether two lists have at least this share (0 to 1) of their elements in common, in order (Indel)."""
    from rapidfuzz.distance import Indel

    return Indel.normalized_similarity(sequence, other, score_cutoff=similarity) >= similarity


class RepeatedMessages:
    """Repetition in an agent's messages without tool calls between them. Memory is bounded."""

    def __init__(self, circles: int, similarity: float) -> None:
        self._circles, self._similarity = circles, similarity
        self._last = ""
        self._times = 0

    def say(self, text: str) -> None:
        """Add a message of the agent."""
        again = bool(text.strip()) and alike(self._last.split(), text.split(), self._similarity)
        self._times = self._times + 1 if again else 1
        self._last = text

    def act(self) -> None:
        """Reset the repetition after a tool call."""
        self._last, self._times = "", 0

    def circle(self) -> str:
        """Return the repeated message as text for people, or ""."""
        if self._times < self._circles:
            return ""
        return f"it said “{one_line(self._last, 100)}” {self._times} times in a row and did nothing between"
