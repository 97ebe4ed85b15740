"""`--dry-run`: the tasks in their order, with scopes, gates and prompts. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from ralph.agents.selection import find_agent
from ralph.config import Settings
from ralph.engine import preflight, startup
from ralph.engine.attempt import prompt
from ralph.engine.attempt.run_agent import parents
from ralph.git.repository import discover
from ralph.memory import file as memory
from ralph.package_data import templates
from ralph.prd import document as prd
from ralph.prd import parallel_schedule
from ralph.prd import schedule as plan
from ralph.prd.lint.model import LintFacts
from ralph.prd.model import Prd, Task
from ralph.text import clean, one_line, secrets_of
from ralph.verify import gates
from ralph.verify.model import Gate


def dry_run(settings: Settings, cwd: Path) -> str:
    """Return the plan as text. Raise RalphError if a check that changes nothing would refuse the start."""
    root = discover(cwd).root
    path = startup.find_prd(settings, cwd, root)
    document = prd.parse((root / path).read_bytes(), settings.prd)
    prd.check(document, settings.prd)
    agent, program = find_agent(settings)
    preflight.refuse_missing(settings, cwd)
    detected = _gates(settings, cwd)
    lines = [f"{settings.prd} with {agent.NAME} ({' '.join(program)})", *_gate_lines(detected), ""]
    only = prd.resolve(document, settings.only).id if settings.only else ""
    if settings.parallel:
        order, lines_of_tasks = _side_by_side(document, path, only, settings.max_parallel)
    else:
        order = tuple(_order(document, only))
        lines_of_tasks = [line for place, task in enumerate(order, 1) for line in _task_lines(place, task)]
    if not order:
        return "\n".join([*lines, "Nothing to do: no open task can be started.", *lines_of_tasks])
    lines += lines_of_tasks
    for task in order if settings.verbose else order[:1]:
        title = f"--- the prompt for {one_line(clean(task.text), 60)} ---"
        lines += ["", title, "", _prompt(settings, root, path, document, task, detected)]
    if len(order) > 1 and not settings.verbose:
        lines += ["", "(--verbose shows the other prompts)"]
    return "\n".join(lines)


def _gates(settings: Settings, cwd: Path) -> tuple[Gate, ...]:
    if settings.gate is not None:
        return tuple(Gate(command, "--gate") for command in settings.gate)
    return gates.detect_gates(cwd)


def _gate_lines(detected: tuple[Gate, ...]) -> list[str]:
    if not detected:
        return ["gates: none: only git would be looked at"]
    return ["gates:", *(f"  {gate.command}  ({gate.source})" for gate in detected)]


def _order(document: Prd, only: str) -> Iterator[Task]:
    """Yield the tasks in order, as if each were accepted."""
    while task := plan.choose(document, only=only):
        yield task
        document = prd.tick(document, task.id)


def _side_by_side(document: Prd, path: str, only: str, at_once: int) -> tuple[tuple[Task, ...], list[str]]:
    """Return the tasks in start order, and the lines of the waves and of the tasks that can't start."""
    schedule = parallel_schedule.waves(document, at_once=at_once, only=only, placed=LintFacts(path).patterns)
    order = tuple(task for wave in schedule.waves for task, _ in wave)
    lines = list(_wave_lines(schedule.waves))
    if order:
        lines += ["", f"At most {at_once} at once. A task starts when nothing holds it up, not with its wave."]
    if schedule.never:
        lines += ["", "can't be started:", *(_never(task, reason) for task, reason in schedule.never)]
    return order, lines


def _wave_lines(waves: tuple[parallel_schedule.Wave, ...]) -> Iterator[str]:
    places = count(1)
    for number, wave in enumerate(waves, 1):
        yield f"wave {number}:"
        for task, reason in wave:
            yield from _task_lines(next(places), task)
            if reason:
                yield f"       waited: {one_line(clean(reason), 100)}"


def _never(task: Task, reason: str) -> str:
    return f"  {one_line(clean(task.text), 60)}: {one_line(clean(reason), 100)}"


def _task_lines(place: int, task: Task) -> Iterator[str]:
    yield f"{place:3}. {one_line(clean(task.text), 100)}"
    fields = {"files": task.fields.files, "protected": task.fields.protected, "check": task.fields.checks,
            "depends": task.fields.depends}  # fmt: skip
    for name, values in fields.items():
        if values:
            yield f"       {name}: {one_line(clean(', '.join(values)), 100)}"


def _prompt(
    settings: Settings, root: Path, path: str, document: Prd, task: Task, detected: tuple[Gate, ...]
) -> str:
    name = startup.find_memory(settings, root)
    data = (root / name).read_bytes() if name and (root / name).exists() else None
    checks = tuple(Gate(command, f"Check of {task.id}") for command in task.fields.checks)
    return prompt.brief(
        templates(), task=task, parents=parents(document, task), gates=(*detected, *checks),
        rules=memory.rules(data),
        protected=(*task.fields.protected, *settings.protected), prd_name=path, memory_name=name, attempt=1,
        previous=None, secrets=secrets_of(os.environ),
    )  # fmt: skip
