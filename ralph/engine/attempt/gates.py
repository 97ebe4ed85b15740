"""Gates of an attempt: run on exactly the tree to be committed. Their writes are taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ralph.engine.context import RunContext
from ralph.errors import Exit, RalphError
from ralph.git import restore as undo
from ralph.git.index import scan, stage, write_tree
from ralph.git.workspace import Workspace
from ralph.state.events import GateRan, GateStarted
from ralph.text import clean, mask, one_line
from ralph.verify import gates
from ralph.verify.model import Gate, GateResult


class GatesInterruptedError(RalphError):
    """Ctrl-C, or the end of the run's time, while gates ran."""


def gates_on_the_index(
    run: RunContext, commands: Sequence[Gate], n: int, *, base_tests: bool = False
) -> tuple[GateResult, ...]:  # fmt: skip
    """Run the gates in the work tree, or with `gates_in = "clean"` in a fresh worktree of the index's content."""
    if run.settings.gates_in != "clean":
        return run_gates(run, commands, n, base_tests=base_tests)
    from ralph.engine.parallel import worktree_setup

    tree = write_tree(run.git)
    with worktree_setup.fresh(run) as place:
        worktree_setup.renew(place, run.git.commit(tree, [run.state.tip], "what the gates see"))
        try:
            return run_gates(place, commands, n, base_tests=base_tests)
        finally:
            run.state.history = place.state.history


def run_gates(
    run: RunContext, commands: Sequence[Gate], n: int, *, base_tests: bool = False
) -> tuple[GateResult, ...]:
    """Run all gates in order. Raise GatesInterruptedError if the run ends meanwhile."""
    results = []
    for number, gate in enumerate(commands, 1):
        log = run.folder / f"{n}.gate-{number}{'-base' if base_tests else ''}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        run.tell(GateStarted(n, one_line(clean(gate.command), 200)))
        result = gates.run_gate(
            gate,
            cwd=run.here,
            env=run.environment(),
            timeout=run.settings.gate_timeout,
            log=log,
            stop=lambda: run.hurried,
            secrets=run.secrets,
        )
        if run.hurried:
            raise GatesInterruptedError("interrupted while the gates ran", code=Exit.INTERRUPTED)
        result = replace(result, tail=mask(clean(result.tail), run.secrets))
        results.append(result)
        (run.state.without_tests.add if result.none else run.state.without_tests.discard)(gate.command)
        run.note(GateRan(n, one_line(clean(gate.command), 200), result.ok, round(result.seconds, 3), result.none,
                         result.timed_out, base_tests))  # fmt: skip
    return tuple(results)


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
