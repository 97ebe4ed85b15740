"""What the journal tells about the attempts at one task: facts for the person who has to decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ralph.agents.model import Signal, SignalKind, Stopped, StopReason
from ralph.immutable import immutable
from ralph.state.events import (
    AgentStarted,
    AgentStopped,
    Chosen,
    Event,
    GateRan,
    Judged,
    Parked,
    Recorded,
    Reviewed,
    SetAside,
    Split,
)
from ralph.verify.model import Finding, FindingKind


@immutable
class AttemptFacts:
    """What is known of one attempt. A finding without detail is one of which only the sentence was kept."""

    n: int  # of the checkout: the name of its transcript
    attempt: int  # of the task, from 1
    agent: str = ""
    purpose: str = ""  # as in `Chosen`: what an agent was only asked for
    stopped: Stopped | None = None  # None: it never got so far
    findings: tuple[Finding, ...] = ()
    gates: tuple[GateRan, ...] = ()
    reviewer: Reviewed | None = None
    base: str = ""  # the commit that it started from
    work: str = ""  # the ref (or commit) that keeps its work; "": none
    stat: str = ""  # `git diff --stat base work`
    reason: str = ""  # why it was set aside


def attempts_of(
    task_id: str, events: Iterable[Event], *,
    details: Mapping[int, tuple[Finding, ...]] | None = None, stats: Mapping[int, str] | None = None,
) -> tuple[AttemptFacts, ...]:  # fmt: skip
    """The attempts of a task since it was last put into the queue, in order, as the journal tells them.

    `details` are findings that are still known as a whole, `stats` the `git diff --stat` of the work, by attempt.
    """
    found: dict[int, AttemptFacts] = {}
    over = False
    for event in events:
        if isinstance(event, Parked | Recorded | Split) and event.task == task_id:
            over = True
        elif isinstance(event, Chosen) and event.task == task_id:
            found, over = {} if over else found, False
            found[event.n] = AttemptFacts(event.n, event.attempt, purpose=event.purpose, base=event.base)
        elif (n := getattr(event, "n", None)) in found:
            found[n] = _learn(found[n], event)
    whole, shown = details or {}, stats or {}
    return tuple(
        replace(attempt, findings=whole.get(n, attempt.findings), stat=shown.get(n, attempt.stat))
        for n, attempt in found.items()
    )


def _learn(facts: AttemptFacts, event: Event) -> AttemptFacts:
    if isinstance(event, AgentStarted):
        return replace(facts, agent=event.agent)
    if isinstance(event, AgentStopped):
        return replace(facts, stopped=stopped_of(event))
    if isinstance(event, GateRan):
        return replace(facts, gates=(*facts.gates, event))
    if isinstance(event, Judged):
        return replace(facts, findings=found(event), work=facts.work or event.work)
    if isinstance(event, Reviewed):
        return replace(facts, reviewer=event)
    if isinstance(event, SetAside):
        return replace(facts, reason=event.reason, work=event.work or facts.work)
    return facts


def found(event: Judged) -> tuple[Finding, ...]:
    """The findings that the journal kept, without what showed them."""
    known = set(FindingKind)
    return tuple(
        Finding(FindingKind(kind), text, rejects=rejects) for kind, text, rejects in event.findings if kind in known
    )


def stopped_of(event: AgentStopped) -> Stopped:
    """How an agent ended, as far as the journal kept it."""
    failure = Signal(SignalKind(event.failure), event.message) if event.failure in set(SignalKind) else None
    why = StopReason(event.why) if event.why in set(StopReason) else StopReason.LOST
    stopped = Stopped(why, event.code, event.seconds, event.ended, failure, event.tokens, event.cost)
    return replace(stopped, said=event.said, tail=event.tail, actions=event.actions, output=event.output,
                   detail=event.detail, about=event.about)  # fmt: skip
