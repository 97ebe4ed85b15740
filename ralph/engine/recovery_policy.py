"""How an attempt ended -> what to do next: one table. The first row that fits decides.

An ending that is no delivery is not the task's fault: it uses up no try. What can't succeed before a human does
something stops the run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from ralph.agents import endings
from ralph.agents.model import REFUSALS, TRANSIENT, SignalKind, Stopped, StopReason
from ralph.engine.moves import Move, MoveKind
from ralph.immutable import immutable
from ralph.verify.model import FindingKind, Verdict

PATIENCE = 3  # endings in a row without delivery that count as one try
LONGEST_BACKOFF = 1800.0  # seconds
LONG = 1800.0  # seconds: for a longer wait another agent is better, where the ladder has one
MARGIN = 2.0  # seconds after the time that the agent told: clocks differ

SENTENCES = {  # about each failure that passes, or that a person has to cure
    SignalKind.RATE_LIMIT: "The agent's rate limit is used up",
    SignalKind.OVERLOADED: "The agent's service is overloaded",
    SignalKind.NETWORK: "The agent could not reach its service",
    SignalKind.AUTH: "The agent is not logged in",
    SignalKind.CREDIT: "The agent's account has no credit left",
    SignalKind.MODEL: "The agent does not know this model",
}
CURES = {
    SignalKind.CREDIT: "Top up its account, or work with another agent.",
    SignalKind.MODEL: "Name another one: --model, or `Model:` in the task.",
}


class EndingKind(StrEnum):
    """The kinds of endings of an attempt that was not accepted."""

    REJECTED = "rejected"  # it delivered, and the verdict is no
    QUESTION = "changes what tests expect"  # it delivered, and a person has to confirm it
    FOR_A_PERSON = "needs a person"  # it delivered, and no other try can help
    OVERTAKEN = "overtaken"  # it delivered, and others changed the same meanwhile
    NO_DELIVERY = "no delivery"  # it never got to deliver
    TRANSIENT = "limit or network"  # the service's fault, and it passes
    FULL = "context full"
    TASK_LIMIT = "limit of the task"
    REFUSED = "refused"  # no attempt can succeed before a human does something
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"
    LOST = "lost"  # ralph itself was ended; the attempt was found after a crash
    LIMIT = "limit of the run"


@immutable
class TryCounts:
    """What happened to this task before this attempt, and what could still be done. Times are seconds."""

    tries: int = 0  # that counted
    allowed: int = 3  # tries in all: 1 + --max-retries, or the task's Attempts
    uncounted: int = 0  # endings in a row that used up no try
    alike: int = 1  # tries in a row, this one included, that left the same and failed in the same way
    circle: int = 3  # so many of those are a circle
    rungs: int = 0  # agents of the ladder that were not tried
    may_split: bool = False
    asked: bool = False  # the attempt before changed what tests expect, too
    progress: bool = True  # it left more than the attempt that it went on from
    wait: float = 0.0  # how long the next wait would be
    waited: float = 0.0  # how long was waited since an agent last answered
    max_wait: float = 21600.0

    @property
    def last(self) -> bool:
        """No try is left after this one."""
        return self.tries + 1 >= self.allowed or self.alike >= self.circle

    @property
    def single(self) -> bool:
        """One try and a notification, nothing clever."""
        return self.allowed == 1


@immutable
class PolicyRow:
    """A line of the table: where `fits`, `move` is what is done."""

    said: str
    fits: Callable[[TryCounts], bool]
    move: MoveKind
    counted: bool


def _always(_: TryCounts) -> bool:
    return True


ESCALATE = (
    PolicyRow("a try is left", lambda c: not c.last, MoveKind.RETRY, counted=True),
    PolicyRow("one try was asked for", lambda c: c.single, MoveKind.PARK, counted=True),
    PolicyRow("the ladder has another agent", lambda c: c.rungs > 0, MoveKind.CHANGE, counted=True),
    PolicyRow("the task may be split", lambda c: c.may_split, MoveKind.SPLIT, counted=True),
    PolicyRow("else", _always, MoveKind.PARK, counted=True),
)
THIRD = f"it is not the {PATIENCE}rd in a row"

TABLE: dict[EndingKind, tuple[PolicyRow, ...]] = {
    EndingKind.REJECTED: ESCALATE,
    EndingKind.QUESTION: (
        PolicyRow("it was not asked before", lambda c: not c.asked and not c.last, MoveKind.RETRY, counted=True),
        PolicyRow("else", _always, MoveKind.PARK, counted=True),
    ),
    EndingKind.FOR_A_PERSON: (PolicyRow("always", _always, MoveKind.PARK, counted=True),),
    EndingKind.OVERTAKEN: (
        PolicyRow(THIRD, lambda c: c.uncounted + 1 < PATIENCE, MoveKind.RETRY, counted=False),
        *ESCALATE,
    ),
    EndingKind.NO_DELIVERY: (
        PolicyRow("one try was asked for", lambda c: c.single, MoveKind.PARK, counted=True),
        PolicyRow(THIRD, lambda c: c.uncounted + 1 < PATIENCE, MoveKind.RETRY, counted=False),
        *(row for row in ESCALATE if row.move is not MoveKind.SPLIT),
    ),
    EndingKind.TRANSIENT: (
        PolicyRow(
            "it would be long, and the ladder has another agent",
            lambda c: c.wait > LONG and c.rungs > 0,
            MoveKind.CHANGE,
            counted=False,
        ),
        PolicyRow(
            "--max-wait has room for it", lambda c: c.waited + c.wait <= c.max_wait, MoveKind.WAIT, counted=False
        ),
        PolicyRow("the ladder has another agent", lambda c: c.rungs > 0, MoveKind.CHANGE, counted=False),
        PolicyRow("else", _always, MoveKind.STOP, counted=False),
    ),
    EndingKind.FULL: (
        PolicyRow("there was progress", lambda c: c.progress and not c.single, MoveKind.HAND_OVER, counted=False),
        PolicyRow("a try is left", lambda c: not c.last, MoveKind.HAND_OVER, counted=True),
        *ESCALATE[1:],
    ),
    EndingKind.TASK_LIMIT: (PolicyRow("always", _always, MoveKind.PARK, counted=True),),
    EndingKind.REFUSED: (PolicyRow("always", _always, MoveKind.STOP, counted=False),),
    EndingKind.SKIPPED: (PolicyRow("always", _always, MoveKind.SKIP, counted=False),),
    EndingKind.INTERRUPTED: (
        PolicyRow(
            f"{THIRD}, or the last try",
            lambda c: c.uncounted + 1 < PATIENCE or c.last,
            MoveKind.STOP,
            counted=False,
        ),
        PolicyRow("else", _always, MoveKind.STOP, counted=True),
    ),
    EndingKind.LOST: (
        PolicyRow(THIRD, lambda c: c.uncounted + 1 < PATIENCE, MoveKind.RETRY, counted=False),
        PolicyRow("a try is left", lambda c: not c.last, MoveKind.RETRY, counted=True),
        PolicyRow("else", _always, MoveKind.PARK, counted=True),
    ),
    EndingKind.LIMIT: (PolicyRow("always", _always, MoveKind.STOP, counted=False),),
}

OF_WHY = {
    StopReason.UNSTARTED: EndingKind.REFUSED,
    StopReason.REFUSED: EndingKind.REFUSED,
    StopReason.INTERRUPTED: EndingKind.INTERRUPTED,
    StopReason.LOST: EndingKind.LOST,
    StopReason.LIMIT: EndingKind.LIMIT,
    StopReason.TASK_LIMIT: EndingKind.TASK_LIMIT,
    StopReason.SKIPPED: EndingKind.SKIPPED,
    StopReason.FULL: EndingKind.FULL,
    StopReason.CIRCLES: EndingKind.REJECTED,
    StopReason.PROMPT: EndingKind.REJECTED,
    StopReason.DRIFT: EndingKind.REJECTED,
}


def ending(stopped: Stopped, *, changed: bool) -> EndingKind:
    """`changed`: the attempt left the tree different from how it found it."""
    if stopped.why in OF_WHY:
        return OF_WHY[stopped.why]
    if stopped.well:
        return EndingKind.REJECTED
    if stopped.failure and stopped.failure.kind in REFUSALS:
        return EndingKind.REFUSED
    if stopped.why is StopReason.RETRYING or (stopped.failure and stopped.failure.kind in TRANSIENT):
        return EndingKind.TRANSIENT
    return EndingKind.REJECTED if changed or _gave_up(stopped) else EndingKind.NO_DELIVERY


def move(
    stopped: Stopped, *, changed: bool, verdict: Verdict | None, counts: TryCounts, cure: str = "", now: float = 0.0
) -> Move:  # fmt: skip
    """What to do after an attempt that was not accepted.

    `verdict` is None where there was nothing to judge; `cure` is the sentence that tells how to log in; `now` is
    epoch time. `Move.when` is the epoch time from which on it is worth to try again.
    """
    kind = _only(verdict) or ending(stopped, changed=changed)
    row = next(row for row in TABLE[kind] if row.fits(counts))
    when = now + counts.wait if row.move is MoveKind.WAIT else _resets(stopped)
    return Move(row.move, _reason(kind, row.move, stopped, verdict, counts, cure), when, row.counted)


ONLY = {FindingKind.CLASH: EndingKind.OVERTAKEN, FindingKind.EXPECTS: EndingKind.QUESTION,
        FindingKind.UNREVIEWED: EndingKind.FOR_A_PERSON, FindingKind.WEAK: EndingKind.FOR_A_PERSON}  # fmt: skip


def _only(verdict: Verdict | None) -> EndingKind | None:
    """Return the ending of work with which only one thing is wrong: it does not fit any more, or it needs a yes."""
    kinds = {finding.what for finding in verdict.reasons} if verdict else set()
    return ONLY.get(next(iter(kinds))) if len(kinds) == 1 else None


def next_wait(stopped: Stopped, *, waits: int, first: float, chance: float, now: float) -> float:
    """Seconds to wait: exponential with jitter, or until the time that the agent told, whichever is later.

    `waits` is how many there were in a row, `first` the first one's length, `chance` a random number from 0 to 1.
    """
    backoff = min(first * 2.0 ** min(waits, 30), LONGEST_BACKOFF) * (0.75 + 0.5 * chance)
    told = _resets(stopped)
    until = 0.0 if told is None else told - now + MARGIN * (1 + chance)
    return max(backoff, until)


def stop_after(parked: Sequence[str], *, left: bool) -> Move | None:
    """Three tasks in a row that failed in the same way stop the run, if a task is left that could still run.

    `parked` are the keys (`same`) of the tasks that failed for good since one was accepted, the newest last.
    """
    last = parked[-PATIENCE:]
    if not left or len(last) < PATIENCE or not last[0] or len(set(last)) > 1:
        return None
    reason = f"{PATIENCE} tasks in a row failed in the same way ({last[0]}): look at the first of them."
    return Move(MoveKind.STOP, reason, counted=False)


def same(stopped: Stopped, verdict: Verdict | None, *, changed: bool) -> str:
    """A short text that is equal for two attempts that failed in the same way; SetAside.same keeps it."""
    kind = ending(stopped, changed=changed)
    if kind is not EndingKind.REJECTED:
        return stopped.failure.kind.value if stopped.failure else f"{kind.value}: {stopped.why.value}"
    reasons = sorted({finding.what.value for finding in verdict.reasons}) if verdict else []
    return ", ".join(reasons) or (
        "did not end well" if stopped.why is StopReason.EXITED else f"ended by ralph: {stopped.why.value}"
    )


def summary(stopped: Stopped, verdict: Verdict | None) -> str:
    """The reasons of a rejection on one line, for the PRD and the screen."""
    reasons = [" ".join(finding.text.split()) for finding in verdict.reasons] if verdict else []
    return " ".join(reasons) or endings.how_it_ended(stopped)


def table_as_text() -> str:
    """The table as Markdown, for the architecture page."""
    lines = ["| ending | when | ralph does | uses up a try |", "|---|---|---|---|"]
    for kind, rows in TABLE.items():
        lines += [f"| {kind} | {row.said} | {row.move} | {'yes' if row.counted else 'no'} |" for row in rows]
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- the sentence


def _reason(
    kind: EndingKind, what: MoveKind, stopped: Stopped, verdict: Verdict | None, counts: TryCounts, cure: str
) -> str:
    if kind is EndingKind.REFUSED:
        return " ".join(name for name in (_refusal(stopped), _cure(stopped, cure)) if name)
    if kind is EndingKind.QUESTION and what is MoveKind.PARK:
        return f"A question: {summary(stopped, verdict)} Or leave it out with `ralph skip`."
    if kind in (EndingKind.REJECTED, EndingKind.OVERTAKEN, EndingKind.QUESTION, EndingKind.FOR_A_PERSON):
        return summary(stopped, verdict)
    reason = _no_delivery(stopped)
    if kind is EndingKind.TRANSIENT and what is MoveKind.STOP:
        return f"{reason} The wait would be longer than --max-wait allows."
    if kind in (EndingKind.NO_DELIVERY, EndingKind.LOST) and what is MoveKind.PARK and not counts.single:
        return f"{PATIENCE} attempts in a row ended before anything was delivered. {reason}"
    return reason


def _gave_up(stopped: Stopped) -> bool:
    """The agent itself reported that it failed, and named no error: that is an answer, if a poor one."""
    return stopped.why is StopReason.EXITED and stopped.ended is False and stopped.failure is None


def _no_delivery(stopped: Stopped) -> str:
    if stopped.failure and stopped.failure.kind in TRANSIENT and stopped.why not in OF_WHY:
        return f"{SENTENCES[stopped.failure.kind]}{endings.saying(stopped)}."
    return endings.how_it_ended(stopped)


def _refusal(stopped: Stopped) -> str:
    if stopped.failure and stopped.failure.kind in REFUSALS:
        return f"{SENTENCES[stopped.failure.kind]}{endings.saying(stopped)}."
    return f"{endings.how_it_ended(stopped).rstrip('.')}{endings.saying(stopped)}."


def _cure(stopped: Stopped, login: str) -> str:
    if stopped.why is StopReason.UNSTARTED:
        return "Start it once by hand to see why."
    return CURES.get(stopped.failure.kind, login) if stopped.failure else login


def _resets(stopped: Stopped) -> float | None:
    return stopped.failure.resets_at if stopped.failure else None
