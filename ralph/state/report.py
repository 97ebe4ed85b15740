"""The journal, folded into what a report tells: attempts, tasks, headline numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ralph.agents import endings
from ralph.prd.model import Task
from ralph.state import events
from ralph.state.attempt_facts import found, stopped_of
from ralph.state.events import Event
from ralph.state.report_model import AttemptRecord, Note, Report, Result, RunLog, RunRecord, TaskState, TaskSummary

Step = tuple[float, str, Event]  # when, in which run, what
Key = tuple[str, str]  # (PRD, id): ids are those of one PRD


# ---------------------------------------------------------------- what happened


@dataclass
class _Seen:
    runs: dict[str, RunRecord] = field(default_factory=dict)
    tries: dict[tuple[str, int], AttemptRecord] = field(default_factory=dict)
    remarks: list[Note] = field(default_factory=list)
    since: dict[str, float] = field(default_factory=dict)  # run -> when it was started, or taken up again
    last: dict[str, float] = field(default_factory=dict)  # run -> when it was last heard of


def run_log(steps: Iterable[Step], *, alive: bool = False) -> RunLog:
    """All attempts and remarks, in order. `alive`: the last run goes on; else what is unfinished broke off."""
    seen, time, run = _Seen(), 0.0, ""
    for time, run, event in steps:
        _see(seen, time, run, event)
    for name in seen.runs:
        if not (alive and name == run):
            _break_off(seen, name)
    runs = tuple(replace(run, seconds=_lasted(seen, run)) for run in seen.runs.values())
    return RunLog(runs, tuple(seen.tries.values()), tuple(seen.remarks), time)


def _break_off(seen: _Seen, run: str) -> None:
    """What of it is not finished will not be."""
    for key, attempt in seen.tries.items():
        if attempt.run == run and attempt.result is Result.WORKING:
            seen.tries[key] = replace(attempt, result=Result.BROKE_OFF, ended=seen.last[run])


def _lasted(seen: _Seen, ran: RunRecord) -> float:
    """Seconds; a run that did not end went on until it was last heard of."""
    return ran.seconds + (0.0 if ran.ended else max(0.0, seen.last[ran.run] - seen.since[ran.run]))


def _see(seen: _Seen, time: float, run: str, event: Event) -> None:
    if isinstance(event, events.RunStarted):
        _started(seen, time, run, event)
    if run not in seen.runs:
        return  # the first gates, before a run is one
    seen.last[run] = time
    if isinstance(event, events.RunEnded):
        ran = replace(seen.runs[run], seconds=_lasted(seen, seen.runs[run]))
        seen.runs[run] = replace(ran, ended=time, code=event.code, why=event.why)
    elif isinstance(event, events.Chosen):
        seen.tries[run, event.n] = AttemptRecord(
            run,
            seen.runs[run].prd,
            event.n,
            event.attempt,
            event.task,
            event.text,
            event.purpose,
            begun=time,
            base=event.base,
        )
    elif (key := (run, getattr(event, "n", 0))) in seen.tries and not isinstance(event, events.Noted):
        seen.tries[key] = _learn(seen.tries[key], time, event)
    else:
        _remark(seen, time, run, event)


def _started(seen: _Seen, time: float, run: str, event: events.RunStarted) -> None:
    """A new run, or one that is taken up again: the time in which it was cut off does not count."""
    known = seen.runs.get(run)
    if known is None:
        seen.runs[run] = RunRecord(run, event.prd, event.agent, event.branch, event.home, time)
    else:
        seen.runs[run] = replace(known, seconds=_lasted(seen, known), ended=0.0, code=None, why="")
    seen.since[run] = time


def _learn(attempt: AttemptRecord, time: float, event: Event) -> AttemptRecord:
    if isinstance(event, events.AgentStarted):
        return replace(attempt, agent=event.agent)
    if isinstance(event, events.AgentReported):
        return replace(attempt, tokens=event.tokens, cost=event.cost, about=event.about)
    if isinstance(event, events.AgentStopped):
        return _stopped(attempt, event)
    if isinstance(event, events.GateRan):
        return replace(attempt, gates=(*attempt.gates, event))
    if isinstance(event, events.Reviewed):
        return replace(
            attempt,
            reviewer=event,
            tokens=attempt.tokens + event.tokens,
            cost=_sum(attempt.cost, event.cost),
            about=attempt.about or event.about,
        )
    if isinstance(event, events.Judged):
        result = Result.WORKING if event.accepted else Result.REJECTED
        return replace(attempt, findings=found(event), result=result)
    if isinstance(event, events.Recorded):
        return replace(attempt, ended=time, result=Result.ACCEPTED, commit=event.commit, proved=event.proved)
    if isinstance(event, events.SetAside):
        return _aside(attempt, time, event)
    return attempt


def _stopped(attempt: AttemptRecord, event: events.AgentStopped) -> AttemptRecord:
    stopped = stopped_of(event)
    never = bool(event.ended) and not event.seconds  # no agent was started
    failure = event.failure or ("" if event.why == "exited" else event.why)
    return replace(attempt, how="" if never else endings.how_it_ended(stopped) if not stopped.well else SAID_DONE,
                   claimed=stopped.well and not never and not attempt.purpose, failure=failure,
                   seconds=event.seconds, tokens=event.tokens, cost=event.cost, said=event.said,
                   tail=event.tail, about=event.about)  # fmt: skip


SAID_DONE = "The agent said that it was done."


def _aside(attempt: AttemptRecord, time: float, event: events.SetAside) -> AttemptRecord:
    result = attempt.result if attempt.result is Result.REJECTED else Result.BROKE_OFF
    asked = attempt.purpose not in ("", "check")
    if event.tokens:  # it was killed: no end of its agent told it
        attempt = replace(attempt, tokens=event.tokens, cost=event.cost, about=event.about)
    return replace(
        attempt,
        ended=time,
        result=Result.ASKED if asked else result,
        reason=event.reason,
        work=event.work,
        move=event.move,
        counted=event.counted,
        when=event.when or 0.0,
    )


# ---------------------------------------------------------------- between attempts


def _remark(seen: _Seen, time: float, run: str, event: Event) -> None:
    kind, text = _as_remark(event)
    if not kind:
        return
    about = seen.tries.get((run, getattr(event, "n", 0)))
    task = about.task if about else getattr(event, "task", "")
    name = "" if kind == "warning" else getattr(event, "text", "")
    commit = getattr(event, "commit", "")
    seen.remarks.append(Note(run, seen.runs[run].prd, time, kind, text, task, name, commit))
    if isinstance(event, events.Reopened):
        for key, attempt in seen.tries.items():
            if attempt.commit == event.commit:
                seen.tries[key] = replace(attempt, result=Result.TAKEN_BACK)


def _as_remark(event: Event) -> tuple[str, str]:
    """(a word, a sentence), or ("", "") for what is not worth one."""
    if isinstance(event, events.Parked | events.Reopened | events.Waiting | events.Paused):
        return event.NAME, event.reason
    if isinstance(event, events.Split):
        return event.NAME, f"into {len(event.into)} tasks: {'; '.join(event.into)}"
    if isinstance(event, events.AgentChanged):
        return event.NAME, f"{event.agent} does it now. {event.reason}"
    if isinstance(event, events.Skipped):
        return event.NAME, "Left out of this run by hand."
    return ("warning", event.text) if isinstance(event, events.Noted) and event.loud else ("", "")


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
        total = _sum(total, attempt.cost)
    return total


def _sum(number: float | None, other: float | None) -> float | None:
    return number if other is None else (number or 0.0) + other


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
    if (
        standing is TaskState.DONE
        and not mark
        and any(attempt.commit == commit and not attempt.proved for attempt in every)
    ):
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
        work=kept[-1] if kept else "", mark=mark,
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
