"""What an agent's terminal shows: whether it is new, or a spinner, a counter, the same lines again and again."""

from __future__ import annotations

import re
from collections import Counter

REMEMBERED = 5_000  # lines
STRETCH = 20  # different lines: fewer that come again are a poll, a progress bar, dots

# A word begins with a letter; so `py311` is one, and `12s`, `45%`, `3/10`, `0x7f` and spinner glyphs are none.
_HASH = r"(?=[a-f]*\d)[0-9a-f]{7,}\b"
_UNIT = r"(?<=\d )(?:[mnµu]?s|secs?|min|h|[kKMG]i?B)\b"
_WORD = re.compile(rf"(?<!\w)(?!{_HASH}|{_UNIT})[^\W\d_]\w*")


def essence(line: str) -> str:
    """Its words: without numbers, times, hashes, glyphs and punctuation, which change while nothing else does."""
    return " ".join(_WORD.findall(line))


def essences(text: str) -> list[str]:
    """The essence of each line that has one."""
    return [words for line in text.splitlines() if (words := essence(line))]


class ScreenText:
    """The lines of a terminal, told now and then as the last few of them. Memory is bounded."""

    def __init__(self) -> None:
        self._seen: dict[int, None] = {}  # hashes, the one that was not seen for longest first
        self._window: list[str] = []
        self._again: Counter[str] = Counter()  # lines that came since something new did

    def show(self, text: str) -> bool:
        """Take what stands last on the terminal now; True where a line of it is new."""
        window = _whole(text)
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
        """How often a stretch of lines came since something new did: each of STRETCH different lines so often."""
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


def _whole(text: str) -> list[str]:
    """Lines that are surely whole: the first may have lost its beginning, and the last is still being written."""
    lines = essences(text)
    return lines[1:-1] or lines[:1]


def _appended(before: list[str], now: list[str]) -> list[str]:
    """What follows the longest overlap of the two windows."""
    for size in range(min(len(before), len(now)), 0, -1):
        if before[-size] == now[0] and before[-size:] == now[:size]:
            return now[size:]
    return now
