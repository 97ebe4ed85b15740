"""What people typed into the PRD beside an agent whose commits alone show what it did there.

A commit is evidence for what stands in it. What differs between the agent's last commit and the work tree is shown
by nothing: so only the agent's part is taken out, box by box or by a merge of three texts.
"""

from __future__ import annotations

from collections import Counter

from ralph.engine.context import RunContext
from ralph.errors import RalphError
from ralph.git.freeze import FrozenWork
from ralph.git.merge import merge_texts
from ralph.immutable import immutable
from ralph.prd import document as prd
from ralph.prd.model import Fields, Prd


@immutable
class HandEdits:
    """Two readings of the PRD."""

    made: Prd  # what the agent committed last
    kept: Prd  # what people made of it, without the agent's part


def typed_beside(run: RunContext, start: Prd, now: Prd, frozen: FrozenWork) -> HandEdits | None:
    """Tell them apart. None where all of it is the agent's, or both changed the same lines."""
    made = _committed(run, frozen)
    if made is None or made.data in (start.data, now.data):
        return None
    kept = _without(run, start, made, now)
    if kept is None or kept.data == start.data or _edit(made, now) != _edit(start, kept):
        return None
    return HandEdits(made, kept)


def _committed(run: RunContext, frozen: FrozenWork) -> Prd | None:
    """The PRD in the newest commit of the attempt; None where there is none, or the commits tell no one story."""
    if not frozen.commits or frozen.rewritten:
        return None
    last = frozen.commits[0].sha
    there = run.git.blob_at(last, run.paths.prd)
    return _parsed(run, run.git.blob(there)) if there else None


def _without(run: RunContext, start: Prd, made: Prd, now: Prd) -> Prd | None:
    """The PRD as it is, without what leads from the start to what was committed."""
    if prd.without_new_ticks(start, made).data == start.data:
        return prd.without_new_ticks(start, now)
    text, conflicts = merge_texts(run.git, now.data, made.data, start.data)
    return _parsed(run, text) if conflicts == 0 else None


def _edit(before: Prd, after: Prd) -> tuple[Counter[tuple[str, Fields]], Counter[tuple[str, Fields]]]:
    """Which tasks an edit added, and which it took away: where both are the same, no task was lost or made up."""
    old, new = (Counter((task.text, task.fields) for task in other_prd.tasks) for other_prd in (before, after))
    return new - old, old - new


def _parsed(run: RunContext, data: bytes) -> Prd | None:
    try:
        return prd.parse(data, run.paths.prd)
    except RalphError:
        return None
