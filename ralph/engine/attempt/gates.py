"""Gates of an attempt: run on exactly the tree to be committed. Their writes are taken back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ralph.engine import gate_selection
from ralph.engine.context import RunContext
from ralph.errors import Exit, RalphError
from ralph.git import restore as undo
from ralph.git.index import scan, stage, write_tree
from ralph.git.workspace import Workspace
from ralph.state.events import GateRan, GateStarted
from ralph.text import clean, mask, one_line
from ralph.verify import gates
from ralph.verify.model import Gate, GateResult
from ralph.verify.outcomes.model import Outcome, lower
from ralph.verify.outcomes.report import REPORT, read_junit, request
from ralph.verify.outcomes.runners import LONGEST, read_output, runners_of, runs_a_selection


class GatesInterruptedError(RalphError):
    """Ctrl-C, or the end of the run's time, while gates ran."""


@contextmanager
def place_of_gates(run: RunContext) -> Iterator[RunContext]:
    """Yield where gates run: the work tree, or with `gates_in = "clean"` a fresh worktree of the index."""
    if run.settings.gates_in != "clean":
        yield run
        return
    from ralph.engine.parallel import worktree_setup

    tree = write_tree(run.git)
    with worktree_setup.fresh(run) as place:
        worktree_setup.renew(place, run.git.commit(tree, [run.state.tip], "what the gates see"))
        try:
            yield place
        finally:
            run.state.history = place.state.history


def gates_on_the_index(
    run: RunContext, commands: Sequence[Gate], n: int, *, base_tests: bool = False
) -> tuple[GateResult, ...]:  # fmt: skip
    """Run the gates on what would be recorded."""
    with place_of_gates(run) as place:
        return run_gates(place, commands, n, base_tests=base_tests)


def run_gates(
    run: RunContext, commands: Sequence[Gate], n: int, *, base_tests: bool = False
) -> tuple[GateResult, ...]:
    """Run all gates in order. Raise GatesInterruptedError if the run ends meanwhile."""
    results = []
    for number, gate in enumerate(commands, 1):
        run.tell(GateStarted(n, one_line(clean(gate.command), 200)))
        name = f"{n}.gate-{number}{'-base' if base_tests else ''}"
        result = run_once(run, gate, name, run.settings.gate_timeout)
        results.append(result)
        (run.state.without_tests.add if result.none else run.state.without_tests.discard)(gate.command)
        run.note(GateRan(n, one_line(clean(gate.command), 200), result.ok, round(result.seconds, 3), result.none,
                         result.timed_out, base_tests))  # fmt: skip
    return tuple(results)


def run_once(run: RunContext, gate: Gate, name: str, timeout: float) -> GateResult:
    """Run a gate and read what it reported, from its report and from its output. `name` is that of its log.

    Raise GatesInterruptedError if the run ends meanwhile.
    """
    code = gate_selection.code_of(run, gate.command)
    runners = runners_of(gate.command, code.texts)
    log, report = run.folder / f"{name}.log", run.folder / f"{name}.report"
    report.mkdir(parents=True, exist_ok=True)
    asked = {} if gate.command in run.state.unreportable else request(runners, str(report), os.environ)
    try:
        result = gates.run_gate(
            gate, cwd=run.here, env={**run.environment(), **asked}, timeout=timeout, log=log,
            stop=lambda: run.hurried, secrets=run.secrets,
        )  # fmt: skip
        if run.hurried:
            raise GatesInterruptedError("interrupted while the gates ran", code=Exit.INTERRUPTED)
        counted = () if runs_a_selection(gate.command, code.texts) else runners
        outcome = lower(_report(report), read_output(counted, _output(log), code.texts)) if counted else None
    finally:
        shutil.rmtree(report, ignore_errors=True)
    return replace(result, tail=mask(clean(result.tail), run.secrets), outcome=outcome)


def _report(folder: Path) -> Outcome | None:
    try:
        return read_junit((folder / REPORT).read_bytes())
    except OSError:
        return None


def _output(log: Path) -> str:
    """Return the end of a gate's output."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LONGEST))
            return file.read(LONGEST).decode(errors="replace")
    except OSError:
        return ""


def confirmed(
    run: RunContext, results: Sequence[GateResult], doubtful: Callable[[GateResult], bool], n: int
) -> tuple[GateResult, ...]:
    """Run each doubtful gate once more on the same tree. One that is good then is flaky, and that result counts."""
    if not any(_may_be_chance(result, doubtful) for result in results):
        return tuple(results)
    final = []
    with place_of_gates(run) as place:
        for number, result in enumerate(results, 1):
            final.append(_again(place, result, doubtful, f"{n}.gate-{number}-again"))
    return tuple(final)


def _again(run: RunContext, result: GateResult, doubtful: Callable[[GateResult], bool], name: str) -> GateResult:
    """Run a doubtful gate once more; without a request for a report if there was none, which may have broken it."""
    command = result.gate.command
    if not _may_be_chance(result, doubtful):
        return result
    asked = result.outcome is None and command not in run.state.unreportable
    if asked:
        run.state.unreportable.add(command)
    again = run_once(run, result.gate, name, run.settings.gate_timeout)
    if not doubtful(again):
        return replace(again, flaky=True)
    if asked:
        run.state.unreportable.discard(command)
    return result


def _may_be_chance(result: GateResult, doubtful: Callable[[GateResult], bool]) -> bool:
    return doubtful(result) and not result.none and not result.timed_out


def take_back_writes(run: RunContext, space: Workspace | None) -> tuple[str, ...]:
    """Restore tracked files that the gates changed, after holding them by a ref. Return all paths they wrote.

    New files stay.
    """
    tree = write_tree(run.git)
    now = scan(run.git)
    changed = [path for path in now.changed if path not in run.paths.both]  # people may edit these at any time
    stage(run.git, changed)
    wrote = run.git.changes(tree, write_tree(run.git)) if changed else ()
    if wrote and space is not None:
        commit = run.git.commit(
            write_tree(run.git), [space.before.commit], f"what the gates of attempt {space.n} wrote"
        )
        run.git.update_refs(f"update {space.ref}/gates {commit}")
    undo.restore(run.git, wrote)
    known = set(space.before.untracked) if space is not None else set()
    new = tuple(path for path in now.untracked if path not in known and path not in run.paths.both)
    return (*(change.path for change in wrote), *new)
