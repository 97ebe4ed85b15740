"""The serial schedule: the next task, and why the others can't be worked on."""

from __future__ import annotations

from collections.abc import Iterator

from ralph.prd.lookup import Lookup
from ralph.prd.model import Prd, Task


def choose(prd: Prd, *, skip: frozenset[str] = frozenset(), only: str = "") -> Task | None:
    """Return the next task in document order that can be worked on; None if there is none.

    `skip`: ids to leave out. `only`: the id of a task, or of a parent of the tasks to consider.
    """
    lookup = Lookup(prd)
    return next((task for task in open_units(lookup, only) if not obstacle(lookup, task, skip)), None)


def waiting(prd: Prd, *, skip: frozenset[str] = frozenset(), only: str = "") -> tuple[tuple[Task, str], ...]:
    """Return the open tasks that can't be worked on, with reasons such as `depends on T3, which is parked`."""
    lookup = Lookup(prd)
    reasons = ((task, obstacle(lookup, task, skip)) for task in open_units(lookup, only))
    return tuple((task, reason) for task, reason in reasons if reason)


def status(prd: Prd, running: str = "") -> list[tuple[Task, str]]:
    """Return every task with its state: open, done, parked (also through a parent) or running."""
    lookup = Lookup(prd)
    return [(task, _state(lookup, task, running)) for task in prd.tasks]


def open_units(lookup: Lookup, only: str) -> Iterator[Task]:
    """Yield the open units of work: leaves, and parents that get attempts once all subtasks are done."""
    for task in lookup.tasks:
        if task.done or not task.is_unit or not (task.leaf or _below_done(lookup, task)):
            continue
        if not only or task.id == only or any(parent.id == only for parent in lookup.above(task)):
            yield task


def _below_done(lookup: Lookup, task: Task) -> bool:
    return all(lookup.finished[child.id] for child in lookup.children[task.id])


def obstacle(lookup: Lookup, task: Task, skip: frozenset[str], running: frozenset[str] = frozenset()) -> str:
    """Return why a task can't be worked on now, beside the running ones; "" if it can."""
    if task.id in skip:
        return "skipped in this run"
    for holder in (task, *lookup.above(task)):
        if holder.fields.parked is not None:
            reason = f"parked: {holder.fields.parked}"
            return reason if holder is task else f"{task_name(holder)} above it is {reason}"
        if holder is not task and (holder.id in skip or holder.id in running):
            return f"{task_name(holder)} above it is {'skipped in this run' if holder.id in skip else 'running'}"
        for wanted in holder.fields.depends:
            if reason := _unmet(lookup, wanted, skip, running):
                return f"depends on {reason}"
    return ""


def _unmet(lookup: Lookup, wanted: str, skip: frozenset[str], running: frozenset[str]) -> str:
    tasks = lookup.called(wanted)
    if len(tasks) != 1:
        return f"“{wanted}”, which is {'no task' if not tasks else 'the beginning of several tasks'}"
    task = tasks[0]
    if task.id in running:
        return f"{task_name(task)}, which is running"
    if lookup.finished[task.id]:
        return ""
    state = "skipped in this run" if task.id in skip else _state(lookup, task, "")
    return f"{task_name(task)}, which is {'not finished' if state == 'done' else state}"


def _state(lookup: Lookup, task: Task, running: str) -> str:
    if task.done:
        return "done"
    if task.id == running:
        return "running"
    parked = any(holder.fields.parked is not None for holder in (task, *lookup.above(task)))
    return "parked" if parked else "open"


def task_name(task: Task) -> str:
    """Return a task's name for a sentence: its id, or the beginning of its text."""
    return task.id if task.written else f"“{task.text[:50]}”"
