"""The Checks of a task, run once on the base before its agent starts: one that is green then proves nothing."""

from __future__ import annotations

import json

from ralph.engine.attempt.gates import run_once, take_back_writes
from ralph.engine.context import RunContext
from ralph.files import replace_file
from ralph.git.index import keep_index
from ralph.git.workspace import Workspace
from ralph.prd.model import Task
from ralph.text import clean, one_line
from ralph.verify.model import Gate, GateResult

NOT_STARTED = frozenset({126, 127})  # of the shell: the program can't be run, or was not found
PYTEST_ERRORS = frozenset({2, 3, 4, 5})  # interrupted (an import failed), internal, usage (no such file), no tests


def run_checks(run: RunContext, space: Workspace, task: Task, tree: str) -> None:
    """Run the Checks whose outcome on this base is not known. Report those that are green. Take back their writes.

    `tree` is what ralph's index holds.
    """
    known = run.state.base_checks
    late = frozenset(task.fields.late_checks)
    for number, command in enumerate(task.fields.checks, 1):
        key = (space.before.base, command)
        if command in late or key in known:
            continue
        gate = Gate(command, f"Check of {task.id}")
        result = run_once(run, gate, f"{space.n}.check-{number}", run.settings.prove_time)
        keep_index(run.git, tree)
        take_back_writes(run, space)
        known[key] = _is_red(result)
        _save(run, space, key)
        if result.ok:
            shown = one_line(clean(command), 100)
            run.say(f"The Check `{shown}` of {task.id} is green before the work: it proves nothing.", once=True)


def is_red_before(run: RunContext, task: Task, command: str) -> bool:
    """Return whether a Check fails before the first attempt. The caller takes back what it writes."""
    gate = Gate(command, f"Check of {task.id}")
    return _is_red(run_once(run, gate, "0.check", run.settings.prove_time))


def red_checks(run: RunContext, task: Task, base: str) -> frozenset[str]:
    """Return the Checks of the task that failed on this base."""
    return frozenset(command for command in task.fields.checks if run.state.base_checks.get((base, command)))


def load_checks(run: RunContext) -> None:
    """Read what the Checks of a run that was cut off said on their bases."""
    for path in sorted(run.folder.glob("*.checks.json")):
        try:
            for base, command, red in json.loads(path.read_text()):
                run.state.base_checks[str(base), str(command)] = bool(red)
        except (OSError, ValueError, TypeError):
            continue


def _save(run: RunContext, space: Workspace, key: tuple[str, str]) -> None:
    mine = [(base, command, red) for (base, command), red in run.state.base_checks.items() if base == key[0]]
    run.folder.mkdir(parents=True, exist_ok=True)
    replace_file(run.folder / f"{space.n}.checks.json", json.dumps(mine).encode())


def _is_red(result: GateResult) -> bool:
    """Return whether a Check ran and failed. A missing program, a time-out or no test is no failure."""
    ran = not (result.ok or result.none or result.timed_out)
    unknown = NOT_STARTED | (PYTEST_ERRORS if "pytest" in result.gate.command else frozenset())
    return ran and result.code not in unknown
