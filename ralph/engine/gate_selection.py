"""Which gates judge an attempt."""

from __future__ import annotations

from ralph.engine.context import RunContext
from ralph.prd.model import Task
from ralph.verify import gates
from ralph.verify.model import Gate


def find_gates(run: RunContext) -> tuple[Gate, ...]:
    """Return the gates that the user set, else those that the tree has now."""
    if run.settings.gate is not None:
        return tuple(Gate(command, "--gate") for command in run.settings.gate)
    return gates.detect_gates(run.here)


def look_again(run: RunContext) -> None:
    """Find the gates again, from the base: a young project grows its tests. Report tests that can't run, once."""
    run.state.gates = find_gates(run)
    for missing in gates.missing(run.here) if run.settings.gate is None else ():
        if missing.what not in run.state.reported_missing:
            run.say(f"{missing.what}. {missing.cure}", loud=True)
            run.state.reported_missing.add(missing.what)


def gates_for(run: RunContext, task: Task) -> tuple[Gate, ...]:
    """Return the run's gates and the task's own checks, each command once."""
    checks = (Gate(command, f"Check of {task.id}") for command in task.fields.checks)
    return tuple({gate.command: gate for gate in (*run.state.gates, *checks)}.values())
