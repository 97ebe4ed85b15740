"""Criteria of a task that are proven: their boxes are ticked in the commit of the task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ralph.engine import commit as record
from ralph.engine.attempt.completion import PendingCompletion
from ralph.engine.context import RunContext
from ralph.errors import RalphError
from ralph.prd import criteria
from ralph.prd import document as prd
from ralph.prd.model import Criterion, Prd, Task
from ralph.text import clean, one_line
from ralph.verify import criteria as verify_criteria
from ralph.verify.model import GateResult


def open_criteria(run: RunContext, task: Task, placing: PendingCompletion) -> tuple[Criterion, ...]:
    """Return the criteria that a reviewer may confirm: those of the task at the attempt's start."""
    placed = _placed(run, placing)
    start = run.state.reading.prd or placed
    current = prd.find_task(task, start, placed)
    return criteria.to_confirm(placed, current.id, start) if placed.criteria and current else ()


def confirm(
    run: RunContext,
    task: Task,
    placing: PendingCompletion,
    results: Sequence[GateResult],
    by_reviewer: Sequence[Criterion],
) -> PendingCompletion:
    """Tick the criteria that a check or the reviewer proved. Return the completion with the new PRD bytes."""
    placed = _placed(run, placing)
    candidates = open_criteria(run, task, placing)
    above = [
        criterion
        for parent in placing.also
        for criterion in criteria.to_confirm(placed, parent.id, run.state.reading.prd or placed)
    ]
    proven = verify_criteria.proven((*candidates, *above), results)
    met = tuple(criterion for criterion in (*candidates, *above) if criterion in proven or criterion in by_reviewer)
    if not met:
        return placing
    new = prd.confirm(placed, met, placed).data
    run.editor.edit(run.paths.prd, lambda fresh: _ticked(run, met, placed, fresh))
    run.state.reading.data = new
    placing = replace(placing, new={**placing.new, run.paths.prd: new})
    record.stage_papers(run.git, run.editor, placing.new)
    _tell(run, task, met, len(candidates) + len(above))
    return placing


def _placed(run: RunContext, placing: PendingCompletion) -> Prd:
    return prd.parse(placing.new[run.paths.prd], run.paths.prd)


def _ticked(run: RunContext, met: Sequence[Criterion], placed: Prd, fresh: bytes | None) -> bytes | None:
    """Return the PRD as it is now with the criteria ticked, or unchanged if it is not valid."""
    try:
        return fresh if fresh is None else prd.confirm(prd.parse(fresh, run.paths.prd), met, placed).data
    except RalphError:
        return fresh


def _tell(run: RunContext, task: Task, met: Sequence[Criterion], of: int) -> None:
    names = "; ".join(f"“{one_line(clean(entry.text), 60)}”" for entry in met)
    run.say(f"{len(met)} of {of} open criteria of {one_line(clean(task.id), 40)} are confirmed: {names}.")
