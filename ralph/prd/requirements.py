"""Requirements of a task that must not fall while an agent can write the PRD: Check, Protected, Depends, Files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ralph.prd.diff import find_task
from ralph.prd.model import Fields, Prd, Task


def weakened(before: Prd, now: Prd) -> Mapping[str, Fields]:
    """Return the earlier fields of the open tasks that require less now, by their id now."""
    earlier = ((task, find_task(task, before, now)) for task in before.tasks if not task.done)
    return {
        later.id: task.fields
        for task, later in earlier
        if later is not None and requirements(with_requirements(later, task.fields)) != requirements(later)
    }


def with_requirements(task: Task, fields: Fields) -> Task:
    """Return the task with what it required before: its own commands and paths may only be added to them."""
    own = task.fields
    return replace(
        task,
        fields=replace(
            own,
            checks=_union(fields.checks, own.checks),
            protected=_union(fields.protected, own.protected),
            depends=_union(fields.depends, own.depends),
            split=own.split or fields.split,
            files=own.files
            if not fields.files or (own.files and set(own.files) <= set(fields.files))
            else fields.files,
        ),
    )


def requirements(task: Task) -> tuple[frozenset[str], ...]:
    """Return what the task requires, to compare."""
    own = task.fields
    split = (own.split,) if own.split else ()
    return tuple(frozenset(values) for values in (own.checks, own.protected, own.depends, own.files, split))


def missing(fields: Fields, task: Task) -> tuple[str, ...]:
    """Return what the earlier fields require and the task does not, as words: `Check: pytest`."""
    own = task.fields
    lost = {
        "Check": [value for value in fields.checks if value not in own.checks],
        "Protected": [value for value in fields.protected if value not in own.protected],
        "Depends": [value for value in fields.depends if value not in own.depends],
        "Files": list(fields.files) if with_requirements(task, fields).fields.files != own.files else [],
        "Split by ralph": [fields.split] if fields.split and not own.split else [],
    }
    return tuple(f"{name}: {', '.join(values)}" for name, values in lost.items() if values)


def _union(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*old, *new)))
