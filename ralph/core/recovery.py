"""How an attempt ended -> what to do next, in its simple form: retry, park, or stop the run.

An ending that is no delivery is not the task's fault: it uses up no try, but stops the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ralph.core import words
from ralph.model import Kind, Move, MoveKind, Stopped, Verdict, Why

PATIENCE = 3  # endings in a row without delivery that count as one try

TRANSIENT = {
    Kind.RATE_LIMIT: "The agent's rate limit is used up",
    Kind.OVERLOADED: "The agent's service is overloaded",
    Kind.NETWORK: "The agent could not reach its service",
}
REFUSED = {
    Kind.AUTH: "The agent is not logged in",
    Kind.CREDIT: "The agent's account has no credit left",
    Kind.MODEL: "The agent does not know this model",
}
CURES = {
    Kind.CREDIT: "Top up its account, or work with another agent.",
    Kind.MODEL: "Name another one: --model, or `Model:` in the task.",
}


class Ending(StrEnum):
    """The kinds of endings of an attempt that was not accepted."""

    REJECTED = "rejected"  # it delivered, and the verdict is no
    NO_DELIVERY = "no delivery"  # it never got to deliver: nobody's fault, or the service's
    REFUSED = "refused"  # no attempt can succeed before a human does something
    INTERRUPTED = "interrupted"
    LOST = "lost"  # ralph itself was ended; the attempt was found after a crash
    LIMIT = "limit"  # a limit of the run was reached


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened to this task before this attempt."""

    tries: int = 0  # that counted
    allowed: int = 3  # tries in all: 1 + --max-retries, or the task's Attempts
    uncounted: int = 0  # endings in a row that used up no try

    @property
    def last(self) -> bool:
        """No try is left after this one."""
        return self.tries + 1 >= self.allowed


OF_WHY = {
    Why.UNSTARTED: Ending.REFUSED,
    Why.REFUSED: Ending.REFUSED,
    Why.INTERRUPTED: Ending.INTERRUPTED,
    Why.LOST: Ending.LOST,
    Why.LIMIT: Ending.LIMIT,
}


def ending(stopped: Stopped, *, changed: bool) -> Ending:
    """`changed`: the attempt left the tree different from how it found it."""
    if stopped.why in OF_WHY:
        return OF_WHY[stopped.why]
    if stopped.well:
        return Ending.REJECTED
    if stopped.failure and stopped.failure.kind in REFUSED:
        return Ending.REFUSED
    if stopped.failure and stopped.failure.kind in TRANSIENT:
        return Ending.NO_DELIVERY
    return Ending.REJECTED if changed or _gave_up(stopped) else Ending.NO_DELIVERY


def move(
    stopped: Stopped, *, changed: bool, verdict: Verdict | None, counts: Counts, cure: str = ""
) -> Move:  # fmt: skip
    """What to do after an attempt that was not accepted.

    `verdict` is None where there was nothing to judge; `cure` is the sentence that tells how to log in. `Move.when`
    is the epoch time from which on the agent says that it will work.
    """
    kind = ending(stopped, changed=changed)
    if kind is Ending.REJECTED:
        return Move(MoveKind.PARK if counts.last else MoveKind.RETRY, summary(stopped, verdict))
    if kind is Ending.REFUSED:
        return Move(
            MoveKind.STOP, " ".join(one for one in (_refusal(stopped), _cure(stopped, cure)) if one), counted=False
        )
    third = counts.uncounted + 1 >= PATIENCE
    if third and counts.last and kind is not Ending.INTERRUPTED:
        reason = f"{PATIENCE} attempts in a row ended before anything was delivered. {_no_delivery(stopped)}"
        return Move(MoveKind.PARK, reason)
    what = MoveKind.RETRY if kind is Ending.LOST else MoveKind.STOP
    return Move(what, _no_delivery(stopped), _when(stopped), counted=third and not counts.last)


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
    if kind is not Ending.REJECTED:
        return stopped.failure.kind.value if stopped.failure else f"{kind.value}: {stopped.why.value}"
    reasons = sorted({finding.what.value for finding in verdict.reasons}) if verdict else []
    return ", ".join(reasons) or "did not end well"


def summary(stopped: Stopped, verdict: Verdict | None) -> str:
    """The reasons of a rejection on one line, for the PRD and the screen."""
    reasons = [" ".join(finding.text.split()) for finding in verdict.reasons] if verdict else []
    return " ".join(reasons) or words.how_it_ended(stopped)


# ---------------------------------------------------------------- what the endings mean


def _gave_up(stopped: Stopped) -> bool:
    """The agent itself reported that it failed, and named no error: that is an answer, if a poor one."""
    return stopped.why is Why.EXITED and stopped.ended is False and stopped.failure is None


def _no_delivery(stopped: Stopped) -> str:
    if stopped.failure and stopped.failure.kind in TRANSIENT and stopped.why not in OF_WHY:
        return f"{TRANSIENT[stopped.failure.kind]}{words.saying(stopped)}."
    return words.how_it_ended(stopped)


def _refusal(stopped: Stopped) -> str:
    if stopped.failure and stopped.failure.kind in REFUSED:
        return f"{REFUSED[stopped.failure.kind]}{words.saying(stopped)}."
    return f"{words.how_it_ended(stopped).rstrip('.')}{words.saying(stopped)}."


def _cure(stopped: Stopped, login: str) -> str:
    if stopped.why is Why.UNSTARTED:
        return "Start it once by hand to see why."
    return CURES.get(stopped.failure.kind, login) if stopped.failure else login


def _when(stopped: Stopped) -> float | None:
    return stopped.failure.resets_at if stopped.failure else None
