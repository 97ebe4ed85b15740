"""Hand edits of the PRD during an attempt whose only evidence against the agent are its commits.

A commit is evidence for its content, but not for what changed in the work tree after it. So only the committed part
is undone, box by box or by a three-way merge.
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
    """Two versions of the PRD."""

    made: Prd  # as the agent committed it last
    kept: Prd  # as it is, without the agent's part


def typed_beside(run: RunContext, start: Prd, now: Prd, frozen: FrozenWork) -> HandEdits | None:
    """Separate hand edits from the agent's. Return None if all are the agent's or both changed the same lines."""
    made = _committed(run, frozen)
    if made is None or made.data in (start.data, now.data):
        return None
    rest = _without(run, start, made, now)
    if rest is None or rest.data == start.data or _edit(made, now) != _edit(start, rest):
        return None
    return HandEdits(made, rest)


def _committed(run: RunContext, frozen: FrozenWork) -> Prd | None:
    """Return the PRD in the newest commit of the attempt, or None without commits or with rewritten ones."""
    if not frozen.commits or frozen.rewritten:
        return None
    last = frozen.commits[0].sha
    blob = run.git.blob_at(last, run.paths.prd)
    return _parsed(run, run.git.blob(blob)) if blob else None


def _without(run: RunContext, start: Prd, made: Prd, now: Prd) -> Prd | None:
    """Return the current PRD without the change from `start` to `made`, or None if they conflict."""
    if prd.without_new_ticks(start, made).data == start.data:
        return prd.without_new_ticks(start, now)
    text, conflicts = merge_texts(run.git, now.data, made.data, start.data)
    return _parsed(run, text) if conflicts == 0 else None


def _edit(before: Prd, after: Prd) -> tuple[Counter[tuple[str, Fields]], Counter[tuple[str, Fields]]]:
    """Return the tasks that an edit added and removed. Equal results for two edits: no task was lost or made up."""
    old, new = (Counter((task.text, task.fields) for task in other_prd.tasks) for other_prd in (before, after))
    return new - old, old - new


def _parsed(run: RunContext, data: bytes) -> Prd | None:
    try:
        return prd.parse(data, run.paths.prd)
    except RalphError:
        return None
