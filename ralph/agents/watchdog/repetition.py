"""Whether an agent goes in circles: the same steps with the same results, the same message again and again.

Only what is the same in a row counts, and whatever differs breaks it: an edit, a counter that advances, a call of
which nobody told what it was asked to do. Waiting on purpose (`sleep 30; tail log`) is no circle for a long time.
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

PERIOD = 10  # steps of one round at most
OPEN = 100  # calls without a result that are remembered

COUNTER = re.compile(
    r"(?<![\w/.-])\d+ ?/ ?\d+(?![\w/])|\d+(?:\.\d+)? ?%|\b\d+ of \d+\b"
    r"|\b\d+ (?:tests? )?(?:fail|pass|error|warning|remain|left|pending|complete|done)",
    re.IGNORECASE,
)
WAITS = re.compile(r"(?:^|[^a-z])(?:sleep|wait|watch|poll)|(?:Bash|Task)Output", re.IGNORECASE)
LOOKS = re.compile(r"(?:^|[_.]|Task)(?:get|check|status|state|list|monitor)", re.IGNORECASE)  # a look at a job


@immutable
class ToolStep:
    """A tool call and its result. `told`: the stream says enough to tell it from another call of the tool."""

    call: tuple[str, ...]
    result: str
    told: bool
    waits: bool
    name: str


class RepeatedSteps:
    """The last tool calls of an agent. Memory is bounded."""

    def __init__(self, circles: int, similarity: float, waiting: float, now: float) -> None:
        self._circles, self._similarity, self._waiting = circles, similarity, waiting
        self._open: deque[Signal] = deque(maxlen=OPEN)
        self._last: deque[ToolStep] = deque(maxlen=PERIOD)
        self._same = [0] * (PERIOD + 1)  # by period: so many steps in a row were as the one a period before
        self._since = [now] * (PERIOD + 1)

    @property
    def open(self) -> int:
        """Calls without a result."""
        return len(self._open)

    def begin(self, signal: Signal) -> None:
        """A tool is called."""
        self._open.append(signal)

    def end(self, signal: Signal, now: float) -> None:
        """The oldest open call has its result."""
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
        """What is done again and again, for people; "" while there is no circle."""
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
    """An edit that went well is told only if its text is more than its path; why one failed is its result."""
    failed = done.ok is False and bool(done.text)
    told = failed or bool(call.command) or call.text not in ("", ", ".join(call.paths))
    name = one_line(call.command or f"{call.tool} {' '.join(call.paths) or call.text}", 100)
    waits = WAITS.search(f"{call.tool} {call.command}") or (not call.paths and LOOKS.search(call.tool))
    return ToolStep((call.tool, call.command, call.text, *call.paths), done.text, told, bool(waits), name)


def same(step: ToolStep, other: ToolStep, similarity: float) -> bool:
    """The same call with the same result, as far as numbers that mean no progress are left out."""
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
    """Whether two lists have so large a share of their elements in common, in the same order (Indel)."""
    from rapidfuzz.distance import Indel

    return Indel.normalized_similarity(sequence, other, score_cutoff=similarity) >= similarity


class RepeatedMessages:
    """What an agent says without doing anything between. Memory is bounded."""

    def __init__(self, circles: int, similarity: float) -> None:
        self._circles, self._similarity = circles, similarity
        self._last = ""
        self._times = 0

    def say(self, text: str) -> None:
        """A message of the agent."""
        again = bool(text.strip()) and alike(self._last.split(), text.split(), self._similarity)
        self._times = self._times + 1 if again else 1
        self._last = text

    def act(self) -> None:
        """It did something: what it says next is about that."""
        self._last, self._times = "", 0

    def circle(self) -> str:
        """What is said again and again, for people; "" while nothing is."""
        if self._times < self._circles:
            return ""
        return f"it said “{one_line(self._last, 100)}” {self._times} times in a row and did nothing between"
