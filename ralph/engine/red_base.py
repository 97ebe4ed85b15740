"""A base whose gates are red: without `--baseline` it starts only tasks that are about the failures.

Such a task names a test that fails in each red gate, or its file, as a path or in code; or its Check is red.
"""

from __future__ import annotations

from collections.abc import Mapping

from ralph.engine.context import RunContext
from ralph.prd import schedule
from ralph.prd.model import Prd, Task
from ralph.text import join_names, one_line
from ralph.verify import expectations


def is_about(task: Task, failures: Mapping[str, frozenset[str]]) -> bool:
    """Return whether a task names a failure of each gate. `failures`: command -> tests that fail."""
    text = f"{task.text}\n{task.body}\n{' '.join(task.fields.files)}"
    return all(any(expectations.is_named(name, text) for name in tests) for tests in failures.values())


def held_tasks(run: RunContext, prd: Prd) -> frozenset[str]:
    """Return the tasks that do not start while gates are red as at the start: they are not about the failures."""
    if not run.state.red_at_start or run.settings.baseline:
        return frozenset()
    failures = {command: run.state.known_failures.get(command, frozenset()) for command in run.state.red_at_start}
    return frozenset(task.id for task in prd.tasks if not (_has_early_check(task) or is_about(task, failures)))


def why_held(run: RunContext, prd: Prd) -> str:
    """Return a sentence if a task is only held by red gates, or ""."""
    held = held_tasks(run, prd)
    task = schedule.choose(prd, skip=run.left_out, only=run.settings.only)
    if task is None or task.id not in held:
        return ""
    gates = join_names([one_line(command, 100) for command in sorted(run.state.red_at_start)])
    return f"Gates are still red: {gates}. {task.id} is not about what fails; `--baseline` starts it all the same."


def _has_early_check(task: Task) -> bool:
    return bool(set(task.fields.checks) - set(task.fields.late_checks))
