"""Tasks by what people call them: id, number, beginning of the text. And which of them are finished."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property

from ralph.errors import RalphError
from ralph.prd.model import Prd, Task

WRITTEN_ID = re.compile(r"(T\d+|\d+(?:\.\d+)+|[A-Z]+-\d+)(?=[\s:)]|\.(?!\d)|$)")
_LAST = chr(0x10FFFF)


class Lookup:
    """Answers about one reading of a PRD. What is costly is worked out when it is first asked for."""

    def __init__(self, prd: Prd) -> None:
        self.tasks = prd.tasks
        self.by_id = {task.id: task for task in reversed(prd.tasks)}

    def above(self, task: Task) -> Iterator[Task]:
        """The tasks that it stands under, innermost first."""
        parent = task.parent
        while parent is not None:
            above = self.by_id[parent]
            yield above
            parent = above.parent

    @cached_property
    def children(self) -> dict[str, list[Task]]:
        """Task id -> the tasks right below it."""
        found: dict[str, list[Task]] = {}
        for task in self.tasks:
            if task.parent is not None:
                found.setdefault(task.parent, []).append(task)
        return found

    @cached_property
    def finished(self) -> dict[str, bool]:
        """Task id -> all its leaves are ticked, and its own box where it gets attempts."""
        result: dict[str, bool] = {}
        open_below: set[str] = set()
        for task in reversed(self.tasks):
            own = task.done or not task.is_unit
            result[task.id] = own and task.id not in open_below
            if task.parent is not None and not result[task.id]:
                open_below.add(task.parent)
        return result

    def called(self, name: str) -> list[Task]:
        """The tasks that a name may mean: one, none or several. An id wins, then a whole text, then a beginning."""
        name = " ".join(name.split())
        for known in (name, name.upper(), name.lower()):
            if known in self.by_id:
                return [self.by_id[known]]
        return (self._starting(name) or self._by_leading_id(name)) if name else []

    def _starting(self, name: str) -> list[Task]:
        key = name.casefold()
        at = bisect_left(self._beginnings, (key, -1))
        numbers: dict[int, str] = {}
        while at < len(self._beginnings) and self._beginnings[at][0].startswith(key):
            text, number = self._beginnings[at]
            numbers.setdefault(number, text)
            at += 1
        whole = [number for number, text in numbers.items() if text == key]
        return [self.tasks[number - 1] for number in sorted(whole or numbers)]

    def _by_leading_id(self, name: str) -> list[Task]:
        leading = WRITTEN_ID.match(name)
        return [self.by_id[leading[1]]] if leading and leading[1] in self.by_id else []

    @cached_property
    def _beginnings(self) -> list[tuple[str, int]]:
        """Each text with its number, sorted; also without the id in front."""
        texts = [(task.text.casefold(), task.number) for task in self.tasks]
        bare = [
            (task.text[len(task.id) :].lstrip(" :.)").casefold(), task.number)
            for task in self.tasks
            if task.written and task.text.startswith(task.id)
        ]
        return sorted(texts + bare)


def resolve(prd: Prd, name: str) -> Task:
    """The task that someone means by an id, a number of `ralph status`, or the beginning of its text.

    RalphError when it is none, or when several begin like that (they are named).
    """
    lookup = Lookup(prd)
    if name not in lookup.by_id and name.isdecimal() and 0 < int(name) <= len(prd.tasks):
        return prd.tasks[int(name) - 1]
    found = lookup.called(name)
    if len(found) == 1:
        return found[0]
    if not found:
        raise RalphError(
            f"there is no task “{name}”", "Give an id, a number from `ralph status`, or its first words."
        )
    some = ", ".join(f"{task.number} “{task.text[:40]}”" for task in found[:5])
    raise RalphError(f"“{name}” may be any of {len(found)} tasks: {some}", "Give the number, or more of the text.")


def parents_done_with(prd: Prd, task_id: str) -> tuple[Task, ...]:
    """Return the open parents that are finished once that task is: innermost first, to be ticked together with it.

    A parent that gets attempts of its own, and a parked one, are not among them, nor what is above those.
    """
    lookup = Lookup(prd)
    last, result = task_id, list[Task]()
    for parent in lookup.above(lookup.by_id[task_id]):
        others = (child for child in lookup.children[parent.id] if child.id != last)
        if not all(lookup.finished[child.id] for child in others):
            break
        if not parent.done and (parent.is_unit or parent.fields.parked is not None):
            break
        result += [] if parent.done else [parent]
        last = parent.id
    return tuple(result)
