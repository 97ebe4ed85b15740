"""The journal, folded into runs, attempts and notes: what every report, page and review file reads.

The loop folds it once more (`history.py`), for what it owes and what it counts. A run that goes on is shown
from its events (`cli/display/summary.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ralph.agents import endings
from ralph.agents.model import Signal, SignalKind, Stopped, StopReason
from ralph.state import events
from ralph.state.events import Event
from ralph.state.report_model import AttemptRecord, Note, Result, RunLog, RunRecord
from ralph.verify.model import Finding, FindingKind

Step = tuple[float, str, Event]  # when, in which run, what
Key = tuple[str, str]  # (PRD, id): ids are those of one PRD


# ---------------------------------------------------------------- what happened


@dataclass
class _Seen:
    runs: dict[str, RunRecord] = field(default_factory=dict)
    tries: dict[tuple[str, int], AttemptRecord] = field(default_factory=dict)
    remarks: list[Note] = field(default_factory=list)
    over: set[Key] = field(default_factory=set)  # tasks that wait for nothing: their next attempt is a fresh one
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
    if isinstance(event, events.Continued):
        _continue(seen, time, run)
    seen.last[run] = time
    if isinstance(event, events.RunEnded):
        ran = replace(seen.runs[run], seconds=_lasted(seen, seen.runs[run]))
        seen.runs[run] = replace(ran, ended=time, code=event.code, why=event.why)
    elif isinstance(event, events.Chosen):
        _choose(seen, time, run, event)
    elif (key := (run, getattr(event, "n", 0))) in seen.tries and not isinstance(event, events.Noted):
        seen.tries[key] = _learn(seen.tries[key], time, event)
    else:
        _remark(seen, time, run, event)
    if isinstance(event, events.Parked | events.Recorded | events.Split):
        seen.over.add((seen.runs[run].prd, event.task))


def _choose(seen: _Seen, time: float, run: str, event: events.Chosen) -> None:
    key = seen.runs[run].prd, event.task
    seen.tries[run, event.n] = AttemptRecord(
        run, key[0], event.n, event.attempt, event.task, event.text, event.purpose, begun=time, base=event.base,
        fresh=key in seen.over,
    )  # fmt: skip
    seen.over.discard(key)


def _started(seen: _Seen, time: float, run: str, event: events.RunStarted) -> None:
    """A new run, or one that is taken up again: the time in which it was cut off does not count."""
    known = seen.runs.get(run)
    if known is None:
        seen.runs[run] = RunRecord(run, event.prd, event.agent, event.branch, event.home, time)
    else:
        _continue(seen, time, run)
    seen.since[run] = time


def _continue(seen: _Seen, time: float, run: str) -> None:
    known = seen.runs[run]
    seen.runs[run] = replace(known, seconds=_lasted(seen, known), ended=0.0, code=None, why="")
    seen.since[run] = time


def _learn(attempt: AttemptRecord, time: float, event: Event) -> AttemptRecord:
    if isinstance(event, events.AgentStarted):
        return replace(attempt, agent=event.agent)
    if isinstance(event, events.AgentReported):
        spent = event.tokens, event.cost, event.about  # of most reports, nothing is new
        known = attempt.tokens, attempt.cost, attempt.about
        return attempt if spent == known else replace(attempt, tokens=spent[0], cost=spent[1], about=spent[2])
    if isinstance(event, events.AgentStopped):
        return _stopped(attempt, event)
    if isinstance(event, events.GateRan):
        return replace(attempt, gates=(*attempt.gates, event))
    if isinstance(event, events.Reviewed):
        return replace(
            attempt,
            reviewer=event,
            tokens=attempt.tokens + event.tokens,
            cost=add_cost(attempt.cost, event.cost),
            about=attempt.about or event.about,
        )
    if isinstance(event, events.Judged):
        result = Result.WORKING if event.accepted else Result.REJECTED
        return replace(attempt, findings=findings_of(event), result=result, judged=attempt.judged or event.work)
    if isinstance(event, events.Recorded):
        return replace(attempt, ended=time, result=Result.ACCEPTED, commit=event.commit,
                       proved=event.proved, level=event.level)  # fmt: skip
    if isinstance(event, events.SetAside):
        return _aside(attempt, time, event)
    return attempt


def _stopped(attempt: AttemptRecord, event: events.AgentStopped) -> AttemptRecord:
    stopped = stopped_of(event)
    never = bool(event.ended) and not event.seconds  # no agent was started
    failure = event.failure or ("" if event.why == "exited" else event.why)
    return replace(attempt, how="" if never else endings.how_it_ended(stopped) if not stopped.well else SAID_DONE,
                   claimed=stopped.well and not never and not attempt.purpose, failure=failure,
                   seconds=event.seconds, tokens=event.tokens, cost=event.cost, about=event.about,
                   stopped=stopped)  # fmt: skip


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


# ---------------------------------------------------------------- parts of it


def tries_since_queued(what: RunLog, task: str, prd: str) -> tuple[AttemptRecord, ...]:
    """Return the attempts at a task since it was last put into the queue, in order."""
    own = [attempt for attempt in what.tries if (attempt.prd, attempt.task) == (prd, task)]
    first = max((number for number, attempt in enumerate(own) if attempt.fresh), default=0)
    return tuple(own[first:])


def add_cost(number: float | None, other: float | None) -> float | None:
    """Return the sum of two costs; None means that a cost is not known."""
    return number if other is None else (number or 0.0) + other


def findings_of(event: events.Judged) -> tuple[Finding, ...]:
    """Return the findings that the journal kept, without what showed them."""
    known = set(FindingKind)
    return tuple(
        Finding(FindingKind(kind), text, rejects=rejects) for kind, text, rejects in event.findings if kind in known
    )


def stopped_of(event: events.AgentStopped) -> Stopped:
    """Return how an agent ended, as far as the journal kept it."""
    failure = Signal(SignalKind(event.failure), event.message) if event.failure in set(SignalKind) else None
    why = StopReason(event.why) if event.why in set(StopReason) else StopReason.LOST
    stopped = Stopped(why, event.code, event.seconds, event.ended, failure, event.tokens, event.cost)
    return replace(stopped, said=event.said, tail=event.tail, actions=event.actions, output=event.output,
                   detail=event.detail, about=event.about)  # fmt: skip
