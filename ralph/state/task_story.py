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


def what_next(one: AttemptRecord) -> str:
    """What followed an attempt that was set aside, and why: a sentence, or nothing."""
    return NEXT.get((one.move, one.counted), "")


def story(what: RunLog, task: str, prd: str = "") -> TaskHistory | None:
    """The story of a task in the newest run that knows it; None: no run tried it. `prd`: only runs of that PRD."""
    every: list[AttemptRecord | Note] = [*what.tries, *what.remarks]
    known = [one for one in every if one.task == task and prd in ("", one.prd)]
    if not known:
        return None
    order = {one.run: number for number, one in enumerate(what.runs)}
    run = max((one.run for one in known), key=lambda name: order.get(name, -1))
    own = [one for one in known if one.run == run]
    tries = [one for one in own if isinstance(one, AttemptRecord)]
    texts = [one.text for one in tries] + [one.name for one in own if isinstance(one, Note)]
    steps = tuple(sorted(own, key=_when))
    return TaskHistory(task, next(filter(None, texts), ""), run, steps, _standing(what, task, own[0].prd, run),
                 sum(one.seconds for one in tries), sum(one.tokens for one in tries), costs(tries),
                 any(one.about for one in tries))  # fmt: skip


def _when(one: AttemptRecord | Note) -> float:
    return one.time if isinstance(one, Note) else one.begun


def _standing(what: RunLog, task: str, prd: str, run: str) -> TaskState:
    tries = tuple(one for one in what.tries if one.run == run)
    only = replace(what, tries=tries, remarks=tuple(one for one in what.remarks if one.run == run))
    rows = {(row.prd, row.task): row.standing for row in report(only).rows}
    return rows.get((prd, task), TaskState.OPEN)
