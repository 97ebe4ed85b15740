"""The parallel schedule: which tasks may run at the same time, and why the others wait.

Besides the obstacles of the serial schedule (`schedule.py`), a task waits for possible common files with a running
task, for the order of groups, and for the order of phases. Groups and phases are sequences of steps: the tasks of
one step may run together, and a step begins once no earlier step has a task that runs or could run. A task that
can't run (parked, or waiting for such a task) delays only its dependents.

- Groups: all tasks with the same `Group` are a step; steps follow the order of their first tasks. Tasks without a
  group are in no step.

- Phases: if a document marks a task with `[P]`, all others run one by one. Consecutive marked tasks are a step,
  each other task is one, and no step goes beyond its phase. For a task with a group the group counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from ralph.immutable import immutable
from ralph.prd import schedule as plan
from ralph.prd.lookup import Lookup
from ralph.prd.model import Prd, Task
from ralph.prd.scope_overlap import common

_MARKED = re.compile(r"(?:[A-Z]*[\d.X-]+\w*[.:)]?\s)?(?:\[[^\]]*\]\s?)*?\[P\](?:\s|$)")
_PHASE = re.compile(r"\bphase\b", re.IGNORECASE)
_Patterns = tuple[str, ...]
Wave = tuple[tuple[Task, str], ...]  # each with the reason it is in no earlier wave; "" in the first


@immutable
class Choice:
    """The tasks to start now, in document order, and each other open task that doesn't run, with a one-sentence
    reason."""

    tasks: tuple[Task, ...]
    waiting: tuple[tuple[Task, str], ...]


@immutable
class Waves:
    """The waves if each task took equally long; each task with the reason it is in no earlier wave.

    `never` lists the tasks that can't run, with the reason.
    """

    waves: tuple[Wave, ...]
    never: tuple[tuple[Task, str], ...]


@immutable
class _Step:
    row: str  # "group" or "phase"
    number: int
    title: str


def ready(
    prd: Prd,
    *,
    left: int,
    running: frozenset[str] = frozenset(),
    skip: frozenset[str] = frozenset(),
    only: str = "",
    placed: Callable[[_Patterns], _Patterns] = tuple,
) -> Choice:
    """Return at most `left` tasks that may start beside the `running` ids.

    `skip` and `only` as in `schedule.choose`. `placed` makes patterns of the PRD relative to the repository.
    """
    return _Table(prd, running, skip, only, placed).choose(left)


def waves(
    prd: Prd,
    *,
    at_once: int,
    skip: frozenset[str] = frozenset(),
    only: str = "",
    placed: Callable[[_Patterns], _Patterns] = tuple,
) -> Waves:
    """Return the waves with `at_once` agents, if each task were accepted immediately."""
    rounds: list[Wave] = []
    why: dict[str, str] = {}
    while (choice := ready(prd, left=at_once, skip=skip, only=only, placed=placed)).tasks:
        rounds.append(tuple((task, why.get(task.id, "")) for task in choice.tasks))
        why = {task.id: reason for task, reason in choice.waiting}
        prd = _accepted(prd, {task.id for task in choice.tasks})
    return Waves(tuple(rounds), choice.waiting)


def _accepted(prd: Prd, ids: set[str]) -> Prd:
    """Return the PRD with these tasks done. Its bytes stay the same: nothing reads them here."""
    return replace(prd, tasks=tuple(replace(task, done=task.done or task.id in ids) for task in prd.tasks))


class _Table:
    """One choice: the running tasks, the tasks that could run, and all steps."""

    def __init__(
        self, prd: Prd, running: frozenset[str], skip: frozenset[str], only: str,
        placed: Callable[[_Patterns], _Patterns],
    ) -> None:  # fmt: skip
        self._lookup = Lookup(prd)
        self._placed = placed
        self._steps = _steps(self._lookup)
        self._busy = [task for task in prd.tasks if task.id in running]
        units = (task for task in plan.open_units(self._lookup, only) if task.id not in running)
        self._told = [(task, plan.obstacle(self._lookup, task, skip, running)) for task in units]
        self._first = self._first_steps()

    def _first_steps(self) -> dict[str, Task]:
        """Return row -> the task that delays all later steps: from the first step with a task that runs or could
        run."""
        able = [task for task, obstacle in self._told if not obstacle] + self._busy
        first: dict[str, Task] = {}
        for task in able:
            step = self._steps.get(task.id)
            if step and (step.row not in first or step.number < self._steps[first[step.row].id].number):
                first[step.row] = task
        return first

    def choose(self, left: int) -> Choice:
        """Choose in one pass over the document; each started task may make later ones wait."""
        tasks: list[Task] = []
        waiting: list[tuple[Task, str]] = []
        for task, obstacle in self._told:
            reason = obstacle or self._out_of_step(task)
            if not reason:
                reason = self._clash(task, tasks) if len(tasks) < left else "no agent is free"
            if reason:
                waiting.append((task, reason))
            else:
                tasks.append(task)
        return Choice(tuple(tasks), tuple(waiting))

    def _clash(self, task: Task, started: Sequence[Task]) -> str:
        own = self._placed(task.fields.files)
        if not own:
            return ""
        for others, state in ((self._busy, "which is running"), (started, "which goes first")):
            for other in others:
                if common(own, self._placed(other.fields.files)):
                    files = self._overlapping(task, other)
                    return f"its files {files} may clash with those of {plan.task_name(other)}, {state}"
        return ""

    def _overlapping(self, task: Task, other: Task) -> str:
        """Return the first pattern of the task that may overlap, as the PRD spells it."""
        its = self._placed(other.fields.files)
        return next((pattern for pattern in task.fields.files if common(self._placed((pattern,)), its)), "")

    def _out_of_step(self, task: Task) -> str:
        step = self._steps.get(task.id)
        if step is None:
            return ""
        for other in (*self._busy, self._first[step.row]):
            its = self._steps.get(other.id)
            if its and its.row == step.row and its.number != step.number:
                return _waits_for(step, plan.task_name(other), its, runs=other in self._busy)
        return ""


def _waits_for(step: _Step, other: str, its: _Step, *, runs: bool) -> str:
    does = "is running" if runs else "goes first"
    if step.row == "group":
        return f"{other} of group {its.title} {does}"
    if its.title != step.title:
        return f"{other}{f' of “{its.title}”' if its.title else ''} {does}"
    return f"{other} {does}, and without [P] one task goes after the other"


# ---------------------------------------------------------------- steps


def _steps(lookup: Lookup) -> dict[str, _Step]:
    """Return task id -> step. Tasks without a required order have none."""
    grouped = lookup.tasks if any(task.fields.group for task in lookup.tasks) else ()
    groups = {task.id: group for task in grouped if (group := _group(lookup, task))}
    marked = {task.id for task in lookup.tasks if "[P]" in task.text and _MARKED.match(task.text)}
    by_phase = [task for task in lookup.tasks if task.id not in groups and task.is_unit] if marked else []
    numbers = {group: n for n, group in enumerate(dict.fromkeys(groups.values()))}
    steps = {task_id: _Step("group", numbers[group], group) for task_id, group in groups.items()}
    return steps | dict(_phases(by_phase, marked))


def _group(lookup: Lookup, task: Task) -> str:
    """Return the group of a task, or that of its nearest parent."""
    return next(
        (other_task.fields.group for other_task in (task, *lookup.above(task)) if other_task.fields.group), ""
    )


def _phases(tasks: Iterable[Task], marked: set[str]) -> Iterator[tuple[str, _Step]]:
    number, before = 0, None
    places: dict[tuple[str, ...], tuple[str, ...]] = {}
    for task in tasks:
        place = places.get(task.headings) or places.setdefault(task.headings, _place(task.headings))
        if task.id not in marked or place != before:
            number += 1
        before = place if task.id in marked else None
        yield task.id, _Step("phase", number, place[-1] if place else "")


def _place(headings: tuple[str, ...]) -> tuple[str, ...]:
    """Return the headings down to the innermost phase; () if the task is in no phase."""
    deep = max((n for n, title in enumerate(headings, 1) if _PHASE.search(title)), default=0)
    return headings[:deep]
