"""What the last sentence of a finished run may claim: which of the ticks have a proof."""

from __future__ import annotations

from collections.abc import Sequence

from ralph.engine.context import RunContext
from ralph.prd.model import Prd, Task
from ralph.verify.proof import NONE_GREEN
from ralph.verify.tick_proofs import FORM, Ticks, sorted_out

LOG = ("log", "--topo-order", "--no-show-signature", "--no-color", "--no-ext-diff", "--no-textconv", "-p", "-U0")
MOST = 5_000  # commits of the PRD that are looked at


def sentence(run: RunContext, now: Prd) -> str:
    """Say that all is done, and what of it nothing proves. "Verified" only where every tick has a proof."""
    only = run.settings.only
    done = [task for task in now.tasks if task.done and only in ("", task.id)]
    ticks = prove_ticks(run, now, done)
    idle = "" if run.history.run else "Nothing to do. "
    subject = only or "Every task"
    if not ticks.ungated and not ticks.unproven:
        return f"{idle}{subject} is verified."
    parts = [] if idle and not ticks.ungated else [_done(subject, len(ticks.ungated), len(done))]
    parts += _unproven(len(ticks.unproven))
    return idle + " ".join(parts)


def _done(subject: str, ungated: int, of: int) -> str:
    if ungated == of:
        return f"{subject} is done, nothing proved it: {NONE_GREEN}."
    return f"{subject} is done." + (f" Nothing proved {ungated} of {of}: {NONE_GREEN}." if ungated else "")


def _unproven(number: int) -> list[str]:
    if not number:
        return []
    return [f"{'1 box is' if number == 1 else f'{number} boxes are'} ticked without proof: `ralph audit`."]


def prove_ticks(run: RunContext, now: Prd, done: Sequence[Task]) -> Ticks:
    """Which of these ticks have no proof. This run knows its own; for the others git's history is asked."""
    own, ungated = (run.history.ticked, run.history.ungated) if run.history.run else (frozenset(), frozenset())
    others = [task for task in done if task.id not in own]
    found = _in_history(run, now, others) if others else Ticks()
    return Ticks(tuple(task.id for task in done if task.id in ungated) + found.ungated, found.unproven)


def _in_history(run: RunContext, now: Prd, tasks: Sequence[Task]) -> Ticks:
    """Two calls of git, whatever the number of tasks."""
    if not run.git.head()[1]:
        return Ticks(unproven=tuple(task.id for task in tasks))
    log, reverts = run.git.together(
        ("repo", (*LOG, f"-{MOST}", "--follow", f"--format={FORM}", "HEAD", "--", run.paths.prd)),
        ("repo", ("log", "--topo-order", "-F", "--grep=This reverts commit", "--format=%H%x00%B%x00", "HEAD")),
    )
    return sorted_out(tasks, now, log.decode(errors="replace"), reverts.decode(errors="replace"))
