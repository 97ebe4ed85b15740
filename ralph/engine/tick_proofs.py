"""The proofs of the ticks of a run: its last sentence, and the levels of parents."""

from __future__ import annotations

from collections.abc import Sequence

from ralph.engine.context import RunContext
from ralph.prd.model import Prd, Task
from ralph.verify.levels import UNKNOWN, Level, counted, weakest
from ralph.verify.proof import NONE_GREEN
from ralph.verify.tick_proofs import FORM, Ticks, sorted_out

LOG = ("log", "--topo-order", "--no-show-signature", "--no-color", "--no-ext-diff", "--no-textconv", "-p", "-U0")
MOST = 5_000  # commits of the PRD that are read


def sentence(run: RunContext, document: Prd) -> str:
    """Return the sentence: how many ticks are proven how strongly. It says "proven" only if every tick is."""
    only = run.settings.only
    done = [task for task in document.tasks if task.done and only in ("", task.id)]
    ticks = prove_ticks(run, document, done)
    idle = "" if run.state.history.run else "Nothing to do. "
    subject = only or "Every task"
    if len(ticks.ungated) == len(done) and not ticks.unproven:
        return f"{idle}{subject} is done, nothing proved it: {NONE_GREEN}."
    strengths = [*ticks.levels.values(), *[Level.NONE] * len(ticks.ungated)]
    parts = []
    if strengths and set(strengths) == {Level.RED_GREEN} and not ticks.unproven:
        parts = [f"{subject} is proven."]
    elif strengths:
        parts = [f"{subject} is done: {counted(strengths)}."]
    parts += _unproven(len(ticks.unproven))
    return idle + " ".join(parts)


def parent_levels(
    run: RunContext, document: Prd, task: str, level: str, parents: Sequence[Task]
) -> tuple[str, ...]:
    """Return the level of each parent that is ticked with a task of this level: that of its weakest subtask.

    `document` is the PRD as it will be committed; `parents` are innermost first.
    """
    if not parents:
        return ()
    known = {task: level}
    below = {parent.id: [child for child in document.tasks if child.parent == parent.id] for parent in parents}
    others = {child.id: child for children in below.values() for child in children}
    rest = [child for name, child in others.items() if name != task and name not in below]
    ticks = prove_ticks(run, document, rest)
    known |= {child.id: ticks.levels.get(child.id, Level.NONE) for child in rest}
    for parent in parents:
        known[parent.id] = weakest(known[child.id] for child in below[parent.id])
    return tuple(known[parent.id] for parent in parents)


def _unproven(number: int) -> list[str]:
    if not number:
        return []
    return [f"{'1 box is' if number == 1 else f'{number} boxes are'} ticked without proof: `ralph audit`."]


def prove_ticks(run: RunContext, document: Prd, done: Sequence[Task]) -> Ticks:
    """Return which ticks have no proof: from this run's history, and for older ticks from git's."""
    history = run.state.history
    own, ungated = (history.ticked, history.ungated) if history.run else (frozenset(), frozenset())
    others = [task for task in done if task.id not in own]
    older = _in_history(run, document, others) if others else Ticks()
    mine = {task.id: history.levels.get(task.id, UNKNOWN) for task in done if task.id in own - ungated}
    return Ticks(
        tuple(task.id for task in done if task.id in ungated) + older.ungated,
        older.unproven,
        {**older.levels, **mine},
    )


def _in_history(run: RunContext, document: Prd, tasks: Sequence[Task]) -> Ticks:
    """Look for the proofs in git's history, with two git calls for any number of tasks."""
    tip = run.state.tip
    if not tip:
        return Ticks(unproven=tuple(task.id for task in tasks))
    log, reverts = run.git.together(
        ("repo", (*LOG, f"-{MOST}", "--follow", f"--format={FORM}", tip, "--", run.paths.prd)),
        ("repo", ("log", "--topo-order", "-F", "--grep=This reverts commit", "--format=%H%x00%B%x00", tip)),
    )
    return sorted_out(tasks, document, log.decode(errors="replace"), reverts.decode(errors="replace"))
