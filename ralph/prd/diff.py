"""Compare two versions of a PRD: match their tasks and list the differences. Nothing is guessed."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

from ralph.immutable import immutable
from ralph.prd import criteria
from ralph.prd.model import Criterion, Prd, Task

_EOL = re.compile(rb"\r\n|\r|\n")
_SMALL = 300  # lines on each side of a gap that is compared line by line


@immutable
class PrdDiff:
    """The differences of a PRD from an earlier version. Ids are those of the later one, except in `vanished`."""

    ticked: tuple[str, ...] = ()
    unticked: tuple[str, ...] = ()
    vanished: tuple[Task, ...] = ()  # open tasks that no longer exist
    appeared: tuple[Task, ...] = ()
    changed_checks: tuple[str, ...] = ()  # tasks with new `Check:` commands
    criteria: tuple[Criterion, ...] = ()  # newly ticked
    rewrote: bool = False  # anything but the boxes of tasks differs


def find_task(task: Task, before: Prd, now: Prd) -> Task | None:
    """Return the same task in a later version, by its id or by its unchanged line; None if neither matches.

    A line diff tells equal texts apart; if it can't, their order does, while their number is unchanged.
    """
    place = (task.id, task.offset)
    at = next((n for n, other in enumerate(before.tasks) if (other.id, other.offset) == place), None)
    if at is None:
        same = [other for other in now.tasks if other.id == task.id]
        return same[0] if len(same) == 1 else None
    match = _pairs(before, now).get(at)
    return None if match is None else now.tasks[match]


def difference(before: Prd, now: Prd) -> PrdDiff:
    """Return the differences between two versions. A new box that is ticked counts as ticked."""
    if before.data == now.data:
        return PrdDiff()
    pairs = _pairs(before, now)
    matched = [(before.tasks[n], now.tasks[m]) for n, m in pairs.items()]
    appeared = _appeared(now, pairs)
    checks = [(old.fields.checks, new) for old, new in matched] + [((), task) for task in appeared]
    return PrdDiff(
        ticked=_ids(_new_ticks(before, now, pairs)),
        unticked=_ids([new for old, new in matched if old.done and not new.done]),
        vanished=_vanished(before, pairs),
        appeared=appeared,
        changed_checks=_ids([new for old, new in checks if not set(new.fields.checks) <= set(old)]),
        criteria=criteria.new_ticks(before, now),
        rewrote=_without_boxes(before) != _without_boxes(now),
    )


def new_ticks(before: Prd, now: Prd) -> list[Task]:
    """Return the tasks of `now` that `difference` reports as ticked. An id may occur twice."""
    return _new_ticks(before, now, _pairs(before, now))


def _new_ticks(before: Prd, now: Prd, pairs: dict[int, int]) -> list[Task]:
    ticked = [now.tasks[m] for n, m in pairs.items() if now.tasks[m].done and not before.tasks[n].done]
    return ticked + [task for task in _appeared(now, pairs) if task.done]


def _vanished(before: Prd, pairs: dict[int, int]) -> tuple[Task, ...]:
    return tuple(task for n, task in enumerate(before.tasks) if n not in pairs and not task.done)


def _appeared(now: Prd, pairs: dict[int, int]) -> tuple[Task, ...]:
    matched = set(pairs.values())
    return tuple(task for m, task in enumerate(now.tasks) if m not in matched)


def _ids(tasks: Sequence[Task]) -> tuple[str, ...]:
    return tuple(task.id for task in sorted(tasks, key=lambda task: task.number))


def _pairs(before: Prd, now: Prd) -> dict[int, int]:
    """Return index before -> index now of the matched tasks."""
    if len(before.tasks) == len(now.tasks) and _without_boxes(before) == _without_boxes(now):
        return {n: n for n in range(len(now.tasks))}
    then, later = _by_name(before), _by_name(now)
    once = {
        name: (then[name][0], later[name][0]) for name in then if len(then[name]) == 1 == len(later.get(name, ()))
    }
    pairs = dict(once.values())
    unsure = [n for name, places in then.items() if name not in once for n in places]
    if unsure:
        pairs |= _by_lines(before, now, sorted(unsure), pairs)
        pairs |= _by_order(before, then, later, pairs)
    return pairs


def _by_name(prd: Prd) -> dict[str, list[int]]:
    """Return id without its `#2` -> the indexes of the tasks that have it."""
    places: dict[str, list[int]] = {}
    for n, task in enumerate(prd.tasks):
        places.setdefault(task.id.partition("#")[0], []).append(n)
    return places


def _by_lines(before: Prd, now: Prd, unsure: list[int], sure: dict[int, int]) -> dict[int, int]:
    old, new = _EOL.split(_without_boxes(before)), _EOL.split(_without_boxes(now))
    lines, taken, later = same_lines(old, new), set(sure.values()), _by_name(now)
    free = {task.line - 1: m for m, task in enumerate(now.tasks) if m not in taken}
    pairs: dict[int, int] = {}
    for n in unsure:
        task, line = before.tasks[n], lines.get(before.tasks[n].line - 1, -1)
        if line not in free:
            continue
        alone = task.id.partition("#")[0] not in later and old.count(new[line]) == 1 == new.count(new[line])
        if alone or task.text == now.tasks[free[line]].text:  # else it may be another with this beginning
            pairs[n] = free.pop(line)
    return pairs


def _by_order(
    before: Prd, then: dict[str, list[int]], later: dict[str, list[int]], sure: dict[int, int]
) -> dict[int, int]:
    """Match equal texts that moved, in order, only while their number is unchanged."""
    taken = set(sure.values())
    pairs: dict[int, int] = {}
    for name, places in then.items():
        remaining = [n for n in places if n not in sure]
        free = [m for m in later.get(name, ()) if m not in taken]
        as_many = len(remaining) == len(free) and len(places) == len(later.get(name, ()))
        if as_many and not before.tasks[places[0]].written:
            pairs.update(zip(remaining, free, strict=True))
    return pairs


def _without_boxes(prd: Prd) -> bytes:
    data = bytearray(prd.data)
    for task in prd.tasks:
        data[task.offset] = ord(" ")
    return bytes(data)


# ---------------------------------------------------------------- lines


def same_lines(old: Sequence[bytes], new: Sequence[bytes]) -> dict[int, int]:
    """Return a 0-based map of the lines of `old` to those of `new`: a patience diff. Gaps of more than 300 lines
    without a line that is unique in both stay unmapped."""
    pairs: dict[int, int] = {}
    for a, b, c, d in _gaps(old, new):
        low = _alike(old, new, a, b, c, d)
        pairs.update((a + n, c + n) for n in range(low))
        high = _alike(old, new, a + low, b, c + low, d, back=True)
        pairs.update((b - n, d - n) for n in range(1, high + 1))
        pairs.update(_compared(old, new, (a + low, b - high, c + low, d - high)))
    return pairs


def _gaps(old: Sequence[bytes], new: Sequence[bytes]) -> Iterator[tuple[int, int, int, int]]:
    """Yield ranges of old and new lines, cut before each anchor (a line unique in both, in rising order)."""
    a = c = 0
    for n, m in _anchors(old, new):
        yield a, n, c, m
        a, c = n, m
    yield a, len(old), c, len(new)


def _anchors(old: Sequence[bytes], new: Sequence[bytes]) -> list[tuple[int, int]]:
    count, count_new = Counter(old), Counter(new)
    place = {line: m for m, line in enumerate(new)}
    unique = [(n, place[line]) for n, line in enumerate(old) if count[line] == 1 == count_new[line]]
    return _rising(unique)


def _rising(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest subsequence of the points in which the second number rises."""
    ends: list[int] = []  # ends[k]: the lowest last number of a subsequence of length k + 1
    last: list[int] = []  # the index of that point
    behind: list[int] = []  # for each point the previous one in its subsequence
    for at, (_, number) in enumerate(points):
        k = bisect_left(ends, number)
        behind.append(last[k - 1] if k else -1)
        ends[k : k + 1] = [number]
        last[k : k + 1] = [at]
    chain: list[tuple[int, int]] = []
    at = last[-1] if last else -1
    while at >= 0:
        chain.append(points[at])
        at = behind[at]
    return chain[::-1]


def _alike(
    old: Sequence[bytes], new: Sequence[bytes], a: int, b: int, c: int, d: int, *, back: bool = False
) -> int:
    """Return how many lines are equal at the beginning (or the end) of two ranges."""
    most = min(b - a, d - c)
    if back:
        return next((n for n in range(most) if old[b - 1 - n] != new[d - 1 - n]), most)
    return next((n for n in range(most) if old[a + n] != new[c + n]), most)


def _compared(
    old: Sequence[bytes], new: Sequence[bytes], gap: tuple[int, int, int, int]
) -> Iterator[tuple[int, int]]:
    from difflib import SequenceMatcher

    a, b, c, d = gap
    if not (0 < b - a <= _SMALL and 0 < d - c <= _SMALL):
        return
    matcher = SequenceMatcher(None, old[a:b], new[c:d], autojunk=False)
    for n, m, size in matcher.get_matching_blocks():
        yield from ((a + n + k, c + m + k) for k in range(size))
