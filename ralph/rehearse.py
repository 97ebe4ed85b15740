"""`--dry-run`: what would be done, in which order, with which scopes, gates and prompts. Nothing is changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ralph import start
from ralph.config import Settings
from ralph.core import brief as briefing
from ralph.core import memory, plan, prd
from ralph.model import Gate, Prd, Task
from ralph.system import gates
from ralph.system.files import templates
from ralph.system.git import discover
from ralph.text import clean, one_line, secrets_of
from ralph.worker import find_agent
from ralph.working import parents


def dry_run(settings: Settings, cwd: Path) -> str:
    """The rehearsal as text. RalphError for what would refuse the start and can be told without a change."""
    root = discover(cwd).root
    path = start.find_prd(settings, cwd, root)
    now = prd.parse((root / path).read_bytes(), settings.prd)
    prd.check(now, settings.prd)
    agent, program = find_agent(settings)
    found = _gates(settings, cwd)
    lines = [f"{settings.prd} with {agent.NAME} ({' '.join(program)})", *_gate_lines(found), ""]
    order = tuple(_order(now, prd.resolve(now, settings.only).id if settings.only else ""))
    if not order:
        return "\n".join([*lines, "Nothing to do: no open task can be started."])
    for place, task in enumerate(order, 1):
        lines += _task_lines(place, task)
    for task in order if settings.verbose else order[:1]:
        title = f"--- the prompt for {one_line(clean(task.text), 60)} ---"
        lines += ["", title, "", _prompt(settings, root, path, now, task, found)]
    if len(order) > 1 and not settings.verbose:
        lines += ["", "(--verbose shows the other prompts)"]
    return "\n".join(lines)


def _gates(settings: Settings, cwd: Path) -> tuple[Gate, ...]:
    if settings.gate is not None:
        return tuple(Gate(command, "--gate") for command in settings.gate)
    return gates.find(cwd)


def _gate_lines(found: tuple[Gate, ...]) -> list[str]:
    if not found:
        return ["gates: none: only git would be looked at"]
    return ["gates:", *(f"  {gate.command}  ({gate.source})" for gate in found)]


def _order(now: Prd, only: str) -> Iterator[Task]:
    """The tasks one after the other, as if each were accepted."""
    while task := plan.choose(now, only=only):
        yield task
        now = prd.tick(now, task.id)


def _task_lines(place: int, task: Task) -> Iterator[str]:
    yield f"{place:3}. {one_line(clean(task.text), 100)}"
    said = {"files": task.fields.files, "protected": task.fields.protected, "check": task.fields.checks,
            "depends": task.fields.depends}  # fmt: skip
    for name, values in said.items():
        if values:
            yield f"       {name}: {one_line(clean(', '.join(values)), 100)}"


def _prompt(settings: Settings, root: Path, path: str, now: Prd, task: Task, found: tuple[Gate, ...]) -> str:
    name = start.find_memory(settings, root)
    kept = (root / name).read_bytes() if name and (root / name).exists() else None
    checks = tuple(Gate(command, f"Check of {task.id}") for command in task.fields.checks)
    return briefing.brief(
        templates(), task=task, parents=parents(now, task), gates=(*found, *checks), rules=memory.rules(kept),
        protected=(*task.fields.protected, *settings.protected), prd_name=path, memory_name=name, attempt=1,
        previous=None, secrets=secrets_of(os.environ),
    )  # fmt: skip
