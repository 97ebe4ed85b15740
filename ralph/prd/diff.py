"""Two readings of a PRD: which task is which, and what differs. Nothing is guessed."""

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
    """How a PRD differs from an earlier reading. Ids are those of the later one, except of what vanished."""

    ticked: tuple[str, ...] = ()
    unticked: tuple[str, ...] = ()
    vanished: tuple[Task, ...] = ()  # open tasks that are gone
    appeared: tuple[Task, ...] = ()
    changed_checks: tuple[str, ...] = ()  # tasks with `Check:` commands that they did not have before
    criteria: tuple[Criterion, ...] = ()  # that became ticked
    rewrote: bool = False  # anything differs beyond the boxes of tasks


def find_task(task: Task, before: Prd, now: Prd) -> Task | None:
    """The same task in a later reading: by its id, else by its unchanged line where a line diff maps it.

    Of several equal texts the line diff tells which is which; else their order, while there are as many as before.
    """
    place = (task.id, task.offset)
    at = next((n for n, other in enumerate(before.tasks) if (other.id, other.offset) == place), None)
    if at is None:
        same = [other for other in now.tasks if other.id == task.id]
        return same[0] if len(same) == 1 else None
    found = _pairs(before, now).get(at)
    return None if found is None else now.tasks[found]


def difference(before: Prd, now: Prd) -> PrdDiff:
    """What differs between two readings. A box that appears ticked while an open task vanished became ticked, too:
    it may be the same one, reworded."""
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
    """The tasks of `now` that `difference` calls ticked, themselves: an id may stand there twice."""
    return _new_ticks(before, now, _pairs(before, now))


def _new_ticks(before: Prd, now: Prd, pairs: dict[int, int]) -> list[Task]:
    ticked = [now.tasks[m] for n, m in pairs.items() if now.tasks[m].done and not before.tasks[n].done]
    reworded = _appeared(now, pairs) if _vanished(before, pairs) else ()
    return ticked + [task for task in reworded if task.done]


def _vanished(before: Prd, pairs: dict[int, int]) -> tuple[Task, ...]:
    return tuple(task for n, task in enumerate(before.tasks) if n not in pairs and not task.done)


def _appeared(now: Prd, pairs: dict[int, int]) -> tuple[Task, ...]:
    found = set(pairs.values())
    return tuple(task for m, task in enumerate(now.tasks) if m not in found)


def _ids(tasks: Sequence[Task]) -> tuple[str, ...]:
    return tuple(task.id for task in sorted(tasks, key=lambda task: task.number))


def _pairs(before: Prd, now: Prd) -> dict[int, int]:
    """Place of a task before -> its place now, for those that are found."""
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
    """Id without its `#2` -> the places where it stands."""
    found: dict[str, list[int]] = {}
    for n, task in enumerate(prd.tasks):
        found.setdefault(task.id.partition("#")[0], []).append(n)
    return found


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
        if alone or task.text == now.tasks[free[line]].text:  # else it may be another that begins like this one
            pairs[n] = free.pop(line)
    return pairs


def _by_order(
    before: Prd, then: dict[str, list[int]], later: dict[str, list[int]], sure: dict[int, int]
) -> dict[int, int]:
    """Equal texts that moved, in order; only while there are as many of them as before."""
    taken = set(sure.values())
    pairs: dict[int, int] = {}
    for name, places in then.items():
        left = [n for n in places if n not in sure]
        free = [m for m in later.get(name, ()) if m not in taken]
        as_many = len(left) == len(free) and len(places) == len(later.get(name, ()))
        if as_many and not before.tasks[places[0]].written:
            pairs.update(zip(left, free, strict=True))
    return pairs


def _without_boxes(prd: Prd) -> bytes:
    data = bytearray(prd.data)
    for task in prd.tasks:
        data[task.offset] = ord(" ")
    return bytes(data)


# ---------------------------------------------------------------- lines


def same_lines(old: Sequence[bytes], new: Sequence[bytes]) -> dict[int, int]:
    """Which line of `old` is which of `new` (0-based): a patience diff, where gaps of more than 300 lines without a
    line that is unique in both stay unmapped."""
    found: dict[int, int] = {}
    for a, b, c, d in _gaps(old, new):
        low = _alike(old, new, a, b, c, d)
        found.update((a + n, c + n) for n in range(low))
        high = _alike(old, new, a + low, b, c + low, d, back=True)
        found.update((b - n, d - n) for n in range(1, high + 1))
        found.update(_compared(old, new, (a + low, b - high, c + low, d - high)))
    return found


def _gaps(old: Sequence[bytes], new: Sequence[bytes]) -> Iterator[tuple[int, int, int, int]]:
    """Ranges of old and new lines, cut in front of each anchor (a line that is unique in both, in rising order)."""
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
    """The longest part of the points in which the second number rises, too."""
    ends: list[int] = []  # ends[k]: the lowest last number of a rising part of length k + 1
    last: list[int] = []  # the point that has it
    behind: list[int] = []  # for each point the one before it in its part
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
    """How many lines are the same at the beginning (or the end) of two ranges."""
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
