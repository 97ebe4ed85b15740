"""The last sentence of a finished run, which depends on the proofs of its ticks."""

from __future__ import annotations

from collections.abc import Sequence

from ralph.engine.context import RunContext
from ralph.prd.model import Prd, Task
from ralph.verify.levels import UNKNOWN, Level, counted
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
    if not run.git.head()[1]:
        return Ticks(unproven=tuple(task.id for task in tasks))
    log, reverts = run.git.together(
        ("repo", (*LOG, f"-{MOST}", "--follow", f"--format={FORM}", "HEAD", "--", run.paths.prd)),
        ("repo", ("log", "--topo-order", "-F", "--grep=This reverts commit", "--format=%H%x00%B%x00", "HEAD")),
    )
    return sorted_out(tasks, document, log.decode(errors="replace"), reverts.decode(errors="replace"))
