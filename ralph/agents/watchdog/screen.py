"""Progress on an agent's terminal: tells new lines from spinners, counters and repeated lines."""

from __future__ import annotations

import re
from collections import Counter

REMEMBERED = 5_000  # lines
STRETCH = 20  # different lines; fewer repeated ones are a poll, a progress bar or dots

# A word begins with a letter: `py311` is a word; `12s`, `45%`, `3/10`, `0x7f` and spinner glyphs are not.
_HASH = r"(?=[a-f]*\d)[0-9a-f]{7,}\b"
_UNIT = r"(?<=\d )(?:[mnµu]?s|secs?|min|h|[kKMG]i?B)\b"
_WORD = re.compile(rf"(?<!\w)(?!{_HASH}|{_UNIT})[^\W\d_]\w*")


def essence(line: str) -> str:
    """Return the words of a line, without numbers, times, hashes, glyphs and punctuation."""
    return " ".join(_WORD.findall(line))


def essences(text: str) -> list[str]:
    """Return the essence of each line that has words."""
    return [words for line in text.splitlines() if (words := essence(line))]


class ScreenText:
    """The lines of a terminal, from snapshots of its last lines. Memory is bounded."""

    def __init__(self) -> None:
        self._seen: dict[int, None] = {}  # hashes, least recently seen first
        self._window: list[str] = []
        self._again: Counter[str] = Counter()  # lines since the last new one

    def show(self, text: str) -> bool:
        """Add a snapshot. Return True if it has a new line."""
        window = _complete_lines(text)
        if not window:
            return False
        lines = _appended(self._window, window)
        self._window = window
        self._again.update(lines)
        fresh = [line for line in lines if self._fresh(line)]
        if fresh:
            self._again.clear()
        return bool(fresh)

    def rounds(self) -> int:
        """Return how often each of STRETCH different lines was repeated since the last new line."""
        often = sorted(self._again.values(), reverse=True)
        return often[STRETCH - 1] if len(often) >= STRETCH else 0

    def _fresh(self, line: str) -> bool:
        key = hash(line)
        known = key in self._seen
        self._seen.pop(key, None)
        self._seen[key] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return not known


def _complete_lines(text: str) -> list[str]:
    """Return the complete lines: the first may be cut, and the last may be unfinished."""
    lines = essences(text)
    return lines[1:-1] or lines[:1]


def _appended(before: list[str], now: list[str]) -> list[str]:
    """Return the lines after the longest overlap of the two windows."""
    for size in range(min(len(before), len(now)), 0, -1):
        if before[-size] == now[0] and before[-size:] == now[:size]:
            return now[size:]
    return now
