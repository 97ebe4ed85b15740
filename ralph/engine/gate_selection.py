"""Which gates judge an attempt, and what they execute."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress

from ralph.engine.context import RunContext
from ralph.files import replace_file
from ralph.prd.model import Task
from ralph.verify import floor, gates
from ralph.verify.gate_code.closure import Closure, closure_of
from ralph.verify.model import Gate, GateResult
from ralph.verify.outcomes.model import Outcome
from ralph.verify.outcomes.runners import runs_a_selection

FLOORS, GATES = "floors.json", "gates.json"  # in the folder of the run


def find_gates(run: RunContext) -> tuple[Gate, ...]:
    """Return the gates that the user set, else those that the tree has now."""
    if run.settings.gate is not None:
        return tuple(Gate(command, "--gate") for command in run.settings.gate)
    return gates.detect_gates(run.here)


def look_again(run: RunContext) -> None:
    """Find the gates again, from the base: a young project grows its tests. A gate that was found stays.

    Report tests that can't run, once.
    """
    found = find_gates(run)
    commands = {gate.command for gate in found}
    gone = tuple(gate for gate in run.state.gates if gate.command not in commands)
    run.state.gates = (*found, *gone)
    for gate in gone:
        if gate.command not in run.state.reported_missing:
            run.say(
                f"The gate `{gate.command}` is no longer found in the project. It stays in this run.", loud=True
            )
            run.state.reported_missing.add(gate.command)
    for missing in gates.missing(run.here) if run.settings.gate is None else ():
        if missing.what not in run.state.reported_missing:
            run.say(f"{missing.what}. {missing.cure}", loud=True)
            run.state.reported_missing.add(missing.what)


def selections(run: RunContext) -> tuple[str, ...]:
    """Return the gates that run only some of the tests, as they choose (testmon, `--onlyChanged`)."""
    commands = (gate.command for gate in run.state.gates)
    return tuple(command for command in commands if runs_a_selection(command, code_of(run, command).texts))


def code_of(run: RunContext, command: str) -> Closure:
    """Return what a gate executes, read from the tip. It is followed once for each tip."""
    tip = run.state.tip or run.git.head()[1]
    key = (tip, command)
    if key not in run.state.code:
        if not any(known == tip for known, _ in run.state.code):
            run.state.code.clear()
            run.state.files = run.git.files_of(tip)
        run.state.code[key] = _followed(run, tip, command)
    return run.state.code[key]


def _followed(run: RunContext, tip: str, command: str) -> Closure:
    root, here, tracked = run.root.resolve(), run.here.resolve(), run.state.files
    folder = here.relative_to(root).as_posix() if here.is_relative_to(root) else ""

    def read(path: str) -> bytes | None:
        return run.git.blob(run.git.blob_at(tip, path)) if path in tracked else None

    return closure_of([command.replace(f"{root}/", "")], "" if folder == "." else folder, read, tracked)


def gates_for(run: RunContext, task: Task) -> tuple[Gate, ...]:
    """Return the run's gates and the task's own checks, each command once."""
    checks = (Gate(command, f"Check of {task.id}") for command in task.fields.checks)
    return tuple({gate.command: gate for gate in (*run.state.gates, *checks)}.values())


def keep_floors(run: RunContext, outcomes: Mapping[str, Outcome]) -> None:
    """Take these outcomes as the floors. A gate that is green now must stay so."""
    if not outcomes:
        _save_gates(run)
        return
    run.state.floors.update(outcomes)
    green = {command for command, outcome in outcomes.items() if not outcome.failed}
    run.state.red_at_start -= green
    for command in green:
        run.state.known_failures.pop(command, None)
    run.folder.mkdir(parents=True, exist_ok=True)
    replace_file(run.folder / FLOORS, floor.dump(run.state.floors).encode())
    _save_gates(run)


def keep_red(run: RunContext, red: Iterable[GateResult]) -> None:
    """Take these gates as red at the start, with the tests that failed, where their names are known."""
    run.state.red_at_start = frozenset(result.gate.command for result in red)
    run.state.known_failures.update({
        result.gate.command: result.outcome.failed_names
        for result in red if result.outcome and result.outcome.failures_named
    })  # fmt: skip
    _save_gates(run)


def load_floors(run: RunContext) -> None:
    """Read the floors of a run that was cut off, which gates were red at its start, and which had no test yet."""
    with suppress(OSError):
        run.state.floors.update(floor.load((run.folder / FLOORS).read_text()))
    with suppress(OSError, ValueError, KeyError, AttributeError):
        saved = json.loads((run.folder / GATES).read_bytes())
        run.state.red_at_start = frozenset(saved["red"])
        run.state.known_failures.update({name: frozenset(tests) for name, tests in saved["red"].items() if tests})
        run.state.without_tests |= set(saved["without tests"])


def _save_gates(run: RunContext) -> None:
    """Save what a later start can't find out: the work of this run may have changed it."""
    state, path = run.state, run.folder / GATES
    red = {name: sorted(state.known_failures.get(name, ())) for name in sorted(state.red_at_start)}
    data = json.dumps({"red": red, "without tests": sorted(state.without_tests)}).encode()
    if red or state.without_tests or path.exists():
        run.folder.mkdir(parents=True, exist_ok=True)
        replace_file(path, data)
