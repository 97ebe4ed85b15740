"""Words for people: sessions, gates and lists of paths as short sentences, the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence

from ralph.model import Commit, GateResult, Stopped, Why

ENDINGS = {
    Why.SILENT: "The agent made no progress for too long and was ended.",
    Why.PROMPT: "The agent waited for a person to answer and was ended.",
    Why.CIRCLES: "The agent went in circles and was ended.",
    Why.DRIFT: "The agent went on changing what is not its own and was ended.",
    Why.FULL: "The agent's context was nearly full.",
    Why.RETRYING: "The agent tried to reach its service again and again, and was ended.",
    Why.TASK_LIMIT: "A limit of the task was reached and the agent was ended.",
    Why.SKIPPED: "The task was skipped by hand.",
    Why.OVERRAN: "The agent ran over the time for one task and was ended.",
    Why.REFUSED: "The agent's service refused it and the agent was ended.",
    Why.LIMIT: "A limit of the run was reached and the agent was ended.",
    Why.INTERRUPTED: "The attempt was interrupted.",
    Why.LOST: "ralph itself was ended while the agent worked.",
    Why.UNSTARTED: "The agent could not be started.",
}


def how_it_ended(stopped: Stopped) -> str:
    """One sentence about a session's ending, without judging it."""
    if stopped.why is not Why.EXITED:
        return stopped.detail or ENDINGS[stopped.why]
    if stopped.code is not None and stopped.code < 0:
        return f"The agent was killed by signal {-stopped.code}."
    if stopped.ended is False:
        return f"The agent reported a failure (exit code {stopped.code}){saying(stopped)}."
    if stopped.ended is None and stopped.code == 0:
        return "The agent stopped without saying that it was finished."
    return f"The agent ended with exit code {stopped.code}{saying(stopped)}."


def saying(stopped: Stopped) -> str:
    """`: what the agent's own error says`, or nothing."""
    return f": {stopped.failure.text.strip().rstrip('.')}" if stopped.failure and stopped.failure.text else ""


def gate(result: GateResult) -> str:
    """The gate as the subject of a sentence."""
    kind = "The task's own check" if result.gate.source.startswith("Check") else "The gate"
    return f"{kind} `{name(result.gate.command)}`"


def commits(made: Sequence[Commit]) -> str:
    """What the agent's own branch shows, for those who wonder where its commits went."""
    return "Its own commits:\n" + lines([f"{one.sha[:10]} {one.subject}" for one in made], most=10) if made else ""


def count(things: Sequence[str], noun: str) -> str:
    return f"{len(things)} {noun}{'s' if len(things) != 1 else ''}"


def names(every: Sequence[str], most: int = 5) -> str:
    """`a, b, c and 4 more`."""
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(name(one) for one in every[:most]) + more


def lines(every: Sequence[str], most: int = 50) -> str:
    """One a line, and how many were left out."""
    more = [f"... and {len(every) - most} more"] if len(every) > most else []
    return "\n".join([*(name(one) for one in every[:most]), *more])


def name(text: str) -> str:
    """A path may hold a newline or an escape sequence: then it is shown as Python would write it."""
    return text if text.isprintable() else repr(text)
