"""All that happened to one task, in order: what each attempt came to, and what was tried next."""

from __future__ import annotations

from dataclasses import replace

from ralph.state.report import costs, report
from ralph.state.report_model import AttemptRecord, Note, RunLog, TaskHistory, TaskState

NEXT = {
    ("retry", True): "It was tried again: a try was left.",
    ("retry", False): "It was tried again, and no try was used up.",
    ("wait", False): "It waited, then the same again; no try was used up.",
    ("hand over", True): "Another one went on from where it stood, with a hand-over note; a try was used up.",
    ("hand over", False): "Another one went on from where it stood, with a hand-over note: there was progress.",
    ("change the agent", True): "Its tries were used up, so another agent took it.",
    ("change the agent", False): "Another agent took it; no try was used up.",
    ("split", True): "Its tries were used up, so an agent was asked for smaller tasks.",
    ("split", False): "An agent was asked for smaller tasks.",
    ("skip", False): "It was left out of this run.",
    ("park", True): "It was left to a human.",
    ("park", False): "It was left to a human.",
    ("stop", True): "The run ended; a try was used up.",
    ("stop", False): "The run ended; no try was used up.",
}


def what_next(attempt: AttemptRecord) -> str:
    """What followed an attempt that was set aside, and why: a sentence, or nothing."""
    return NEXT.get((attempt.move, attempt.counted), "")


def story(what: RunLog, task: str, prd: str = "") -> TaskHistory | None:
    """The story of a task in the newest run that knows it; None: no run tried it. `prd`: only runs of that PRD."""
    every: list[AttemptRecord | Note] = [*what.tries, *what.remarks]
    known = [attempt for attempt in every if attempt.task == task and prd in ("", attempt.prd)]
    if not known:
        return None
    order = {run.run: number for number, run in enumerate(what.runs)}
    run = max((attempt.run for attempt in known), key=lambda name: order.get(name, -1))
    own = [attempt for attempt in known if attempt.run == run]
    tries = [attempt for attempt in own if isinstance(attempt, AttemptRecord)]
    texts = [attempt.text for attempt in tries] + [note.name for note in own if isinstance(note, Note)]
    steps = tuple(sorted(own, key=_when))
    return TaskHistory(task, next(filter(None, texts), ""), run, steps, _standing(what, task, own[0].prd, run),
                 sum(attempt.seconds for attempt in tries), sum(attempt.tokens for attempt in tries), costs(tries),
                 any(attempt.about for attempt in tries))  # fmt: skip


def _when(attempt: AttemptRecord | Note) -> float:
    return attempt.time if isinstance(attempt, Note) else attempt.begun


def _standing(what: RunLog, task: str, prd: str, run: str) -> TaskState:
    tries = tuple(attempt for attempt in what.tries if attempt.run == run)
    only = replace(what, tries=tries, remarks=tuple(remark for remark in what.remarks if remark.run == run))
    rows = {(row.prd, row.task): row.standing for row in report(only).rows}
    return rows.get((prd, task), TaskState.OPEN)
