"""`--dry-run`: what would be done, in which order, with which scopes, gates and prompts. Nothing is changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from ralph.agents.selection import find_agent
from ralph.config import Settings
from ralph.engine import preflight as questions
from ralph.engine import startup as start
from ralph.engine.attempt import prompt as briefing
from ralph.engine.attempt.run_agent import parents
from ralph.git.repository import discover
from ralph.memory import file as memory
from ralph.package_data import templates
from ralph.prd import document as prd
from ralph.prd import parallel_schedule as side_by_side
from ralph.prd import schedule as plan
from ralph.prd.lint.model import LintFacts
from ralph.prd.model import Prd, Task
from ralph.text import clean, one_line, secrets_of
from ralph.verify import gates
from ralph.verify.model import Gate


def dry_run(settings: Settings, cwd: Path) -> str:
    """The rehearsal as text. RalphError for what would refuse the start and can be told without a change."""
    root = discover(cwd).root
    path = start.find_prd(settings, cwd, root)
    now = prd.parse((root / path).read_bytes(), settings.prd)
    prd.check(now, settings.prd)
    agent, program = find_agent(settings)
    questions.refuse_missing(settings, cwd)
    found = _gates(settings, cwd)
    lines = [f"{settings.prd} with {agent.NAME} ({' '.join(program)})", *_gate_lines(found), ""]
    only = prd.resolve(now, settings.only).id if settings.only else ""
    if settings.parallel:
        order, told = _side_by_side(now, path, only, settings.max_parallel)
    else:
        order = tuple(_order(now, only))
        told = [line for place, task in enumerate(order, 1) for line in _task_lines(place, task)]
    if not order:
        return "\n".join([*lines, "Nothing to do: no open task can be started.", *told])
    lines += told
    for task in order if settings.verbose else order[:1]:
        title = f"--- the prompt for {one_line(clean(task.text), 60)} ---"
        lines += ["", title, "", _prompt(settings, root, path, now, task, found)]
    if len(order) > 1 and not settings.verbose:
        lines += ["", "(--verbose shows the other prompts)"]
    return "\n".join(lines)


def _gates(settings: Settings, cwd: Path) -> tuple[Gate, ...]:
    if settings.gate is not None:
        return tuple(Gate(command, "--gate") for command in settings.gate)
    return gates.detect_gates(cwd)


def _gate_lines(found: tuple[Gate, ...]) -> list[str]:
    if not found:
        return ["gates: none: only git would be looked at"]
    return ["gates:", *(f"  {gate.command}  ({gate.source})" for gate in found)]


def _order(now: Prd, only: str) -> Iterator[Task]:
    """The tasks one after the other, as if each were accepted."""
    while task := plan.choose(now, only=only):
        yield task
        now = prd.tick(now, task.id)


def _side_by_side(now: Prd, path: str, only: str, at_once: int) -> tuple[tuple[Task, ...], list[str]]:
    """The tasks in the order in which they would start, and the waves told; last what can't be started."""
    found = side_by_side.waves(now, at_once=at_once, only=only, placed=LintFacts(path).patterns)
    order = tuple(task for wave in found.waves for task, _ in wave)
    told = list(_wave_lines(found.waves))
    if order:
        told += ["", f"At most {at_once} at once. A task starts when nothing holds it up, not with its wave."]
    if found.never:
        told += ["", "can't be started:", *(_never(task, reason) for task, reason in found.never)]
    return order, told


def _wave_lines(waves: tuple[side_by_side.Wave, ...]) -> Iterator[str]:
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
