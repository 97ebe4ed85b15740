"""Marks in sources that take something out of the checks (skip, xfail, noqa ...), and assertions that are gone.

Compared over the whole attempt: a marked line that moved to another file is not new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ralph import conventions, paths
from ralph.conventions import Marks
from ralph.text import one_line

Texts = Mapping[str, tuple[bytes, bytes]]

MOST_LINES = 5  # named for one file
MOST_WIDTH = 80
MOST_LINE = 1000  # longer lines are generated


def knows(path: str) -> bool:
    """Return whether the marks of this file's language are known."""
    return _marks(path) is not None


def new_marks(texts: Texts) -> Mapping[str, tuple[str, ...]]:
    """Return the marked lines that came with the attempt, by file: not those that only moved or got other code."""
    marked = {path: (_marked(path, old), _marked(path, new)) for path, (old, new) in texts.items()}
    gone: Counter[str] = Counter()
    for old, new in marked.values():
        gone += old - new
    added: dict[str, tuple[str, ...]] = {}
    for path, (old, new) in marked.items():
        if fresh := _unexplained(new - old, gone):
            added[path] = tuple(one_line(line, MOST_WIDTH) for line in _lines_with(texts[path][1], fresh, path))
    return added


def fewer_asserts(texts: Texts) -> Mapping[str, tuple[int, int]]:
    """Return the files with tests that still exist and hold fewer assertions, before and after. Assertions that
    moved to another changed file are not gone."""
    counts = {path: (_asserts(path, old), _asserts(path, new)) for path, (old, new) in texts.items()}
    if sum(new - old for old, new in counts.values()) >= 0:
        return {}
    return {path: (old, new) for path, (old, new) in counts.items() if new < old and texts[path][1]}


def _unexplained(added: Counter[str], gone: Counter[str]) -> list[str]:
    """Return the added marks without those that left another place; these are taken from `gone`."""
    fresh: list[str] = []
    for mark in added.elements():
        if gone[mark]:
            gone[mark] -= 1
        else:
            fresh.append(mark)
    return fresh


def _marked(path: str, data: bytes) -> Counter[str]:
    """Count the marks themselves: the code beside a mark may change."""
    marks = _marks(path)
    if marks is None:
        return Counter()
    return Counter(mark for line in _lines(data) for mark in _marks_in(line, marks))


def _marks_in(line: str, marks: Marks) -> list[str]:
    """Return the marks of a line with what they name (`noqa: E501`), without blanks."""
    found = [
        (match.start(), match[0]) for pattern in (marks.silences, marks.skips) for match in pattern.finditer(line)
    ]
    return ["".join(mark.split()) for _, mark in sorted(found)]


def _lines_with(data: bytes, fresh: list[str], path: str) -> list[str]:
    """Return some lines of the new text that hold these marks, from the end: additions often stand there."""
    marks = _marks(path)
    held = [line.strip() for line in _lines(data) if marks and set(fresh) & set(_marks_in(line, marks))]
    return held[-min(MOST_LINES, len(fresh)) :]


def _asserts(path: str, data: bytes) -> int:
    marks = _marks(path)
    if marks is None or not (paths.is_test(path) or marks.inline.search(data.decode("utf-8", "replace"))):
        return 0
    return sum(1 for line in _lines(data) if marks.asserts.search(line))


def _lines(data: bytes) -> list[str]:
    return [line for line in data.decode("utf-8", "replace").splitlines() if len(line) <= MOST_LINE]


def _marks(path: str) -> Marks | None:
    return conventions.marks().get(path.rpartition("/")[2].rpartition(".")[2])
