"""What a report tells: attempts, tasks and headline numbers; and all that happened to one task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ralph.prd.model import Task
from ralph.state.projection import Key, add_cost
from ralph.state.report_model import (
    AttemptRecord,
    Note,
    Report,
    Result,
    RunLog,
    TaskHistory,
    TaskState,
    TaskSummary,
)

# ---------------------------------------------------------------- the report


def report(
    what: RunLog, tasks: Sequence[tuple[str, Task]] = (), *, since: float = 0.0, alive: bool = False
) -> Report:
    """What is told of the time since then. `tasks` are those of the PRDs, as they stand now, with their PRD."""
    tries = tuple(attempt for attempt in what.tries if (attempt.ended or what.latest) >= since)
    remarks = tuple(remark for remark in what.remarks if remark.time >= since)
    runs = tuple(run for run in what.runs if (run.ended or what.latest) >= since)
    begun = max(since, min((run.begun for run in runs), default=since))
    ended = max((run.ended or what.latest for run in runs), default=what.latest)
    return Report(
        begun, ended, runs, _rows(what, tries, remarks, tasks), tries, remarks, _failures(tries),
        seconds=sum(min(run.seconds, (run.ended or what.latest) - max(run.begun, since)) for run in runs),
        worked=sum(attempt.seconds for attempt in tries),
        tokens=sum(attempt.tokens for attempt in tries),
        cost=costs(tries),
        false_claims=sum(attempt.false_claim for attempt in tries),
        alive=alive,
        about=any(attempt.about for attempt in tries),
    )  # fmt: skip


def costs(tries: Iterable[AttemptRecord | TaskSummary]) -> float | None:
    """What is known of the money; None: nothing is."""
    total: float | None = None
    for attempt in tries:
        total = add_cost(total, attempt.cost)
    return total


def kinds(attempt: AttemptRecord) -> tuple[str, ...]:
    """Why an attempt failed, each kind once."""
    if attempt.result not in (Result.REJECTED, Result.BROKE_OFF) or attempt.purpose:
        return ()
    found_out = tuple(dict.fromkeys(finding.what.value for finding in attempt.findings if finding.rejects))
    return found_out or ((attempt.failure or "interrupted"),)


def _failures(tries: Iterable[AttemptRecord]) -> tuple[tuple[str, int], ...]:
    counted = Counter(kind for attempt in tries for kind in kinds(attempt))
    return tuple(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])))


# ---------------------------------------------------------------- tasks


def _rows(
    what: RunLog, tries: Sequence[AttemptRecord], remarks: Sequence[Note], tasks: Sequence[tuple[str, Task]]
) -> tuple[TaskSummary, ...]:
    """Tasks of the PRD in its order, then those that are gone from it. What was ticked before is left out."""
    now = {(prd, task.id): task for prd, task in tasks}
    names = {(attempt.prd, attempt.task): attempt.text for attempt in what.tries}
    names |= {(remark.prd, remark.task): remark.name for remark in remarks if remark.task and remark.name}
    touched = dict.fromkeys([*((attempt.prd, attempt.task) for attempt in tries),
                             *((remark.prd, remark.task) for remark in remarks if remark.task)])  # fmt: skip
    waiting = [key for key, task in now.items() if task.leaf and not task.done]
    order = [*(key for key in now if key in touched or key in waiting), *(key for key in touched if key not in now)]
    return tuple(_row(key, what, tries, now.get(key), names.get(key, "")) for key in order)


def _row(key: Key, what: RunLog, tries: Sequence[AttemptRecord], task: Task | None, text: str) -> TaskSummary:
    every = [attempt for attempt in what.tries if (attempt.prd, attempt.task) == key]
    own = [attempt for attempt in tries if (attempt.prd, attempt.task) == key]
    real = [attempt for attempt in every if not attempt.purpose]
    standing, reason, commit = _stands(
        every, [remark for remark in what.remarks if (remark.prd, remark.task) == key]
    )
    standing, mark = _as_it_is_now(standing, task)
    accepted = next((attempt for attempt in every if attempt.commit and attempt.commit == commit), None)
    proof = accepted.level if accepted and standing is TaskState.DONE and not mark else ""
    if standing is TaskState.DONE and not mark and accepted and not accepted.proved:
        mark = "nothing proved it"
    if standing is TaskState.PARKED and task is not None and task.fields.parked:
        reason = task.fields.parked
    failed = real[-1].findings if real and standing not in (TaskState.DONE, TaskState.SPLIT) else ()
    kept = [attempt.work for attempt in real if attempt.work]
    return TaskSummary(
        key[1], (task.text if task else "") or text, key[0], standing,
        tries=sum(not attempt.purpose for attempt in own),
        seconds=sum((attempt.ended or what.latest) - attempt.begun for attempt in own),
        tokens=sum(attempt.tokens for attempt in own),
        cost=costs(own),
        about=any(attempt.about for attempt in own),
        commit=commit, reason="" if standing is TaskState.DONE else reason, findings=failed,
        work=kept[-1] if kept else "", mark=mark, proof=proof,
    )  # fmt: skip


def _stands(tries: Sequence[AttemptRecord], remarks: Sequence[Note]) -> tuple[TaskState, str, str]:
    """(where a task stands, why, its commit), as the journal tells."""
    every: list[AttemptRecord | Note] = [*tries, *(remark for remark in remarks if remark.kind in ENDS)]
    last = max(every, key=_when, default=None)
    if isinstance(last, Note):
        return ENDS[last.kind], last.text, last.commit if last.kind == "split" else ""
    if last is None:
        return TaskState.OPEN, "", ""
    if last.result is Result.ACCEPTED:
        return TaskState.DONE, "", last.commit
    return TaskState.WORKING if last.result is Result.WORKING else TaskState.OPEN, last.reason, ""


ENDS = {"parked": TaskState.PARKED, "split": TaskState.SPLIT, "reopened": TaskState.OPEN, "skipped": TaskState.OPEN}


def _when(attempt: AttemptRecord | Note) -> float:
    return attempt.time if isinstance(attempt, Note) else attempt.ended or float("inf")


def _as_it_is_now(standing: TaskState, task: Task | None) -> tuple[TaskState, str]:
    """What the PRD says now counts more than what the journal said then."""
    if task is None or standing in (TaskState.WORKING, TaskState.SPLIT):
        return standing, ""
    if task.done:
        return TaskState.DONE, "" if standing is TaskState.DONE else "ticked by hand"
    if task.fields.parked is not None:
        return TaskState.PARKED, ""
    if standing is TaskState.DONE:
        return TaskState.OPEN, "its box is empty again"
    return TaskState.OPEN, "put back since" if standing is TaskState.PARKED else ""


# ---------------------------------------------------------------- one task


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
    steps = tuple(sorted(own, key=_began))
    return TaskHistory(task, next(filter(None, texts), ""), run, steps, _standing(what, task, own[0].prd, run),
                 sum(attempt.seconds for attempt in tries), sum(attempt.tokens for attempt in tries), costs(tries),
                 any(attempt.about for attempt in tries))  # fmt: skip


def _began(attempt: AttemptRecord | Note) -> float:
    return attempt.time if isinstance(attempt, Note) else attempt.begun


def _standing(what: RunLog, task: str, prd: str, run: str) -> TaskState:
    tries = tuple(attempt for attempt in what.tries if attempt.run == run)
    only = replace(what, tries=tries, remarks=tuple(remark for remark in what.remarks if remark.run == run))
    rows = {(row.prd, row.task): row.standing for row in report(only).rows}
    return rows.get((prd, task), TaskState.OPEN)
