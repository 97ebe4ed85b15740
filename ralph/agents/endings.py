"""How a session ended, as a sentence."""

from __future__ import annotations

from ralph.agents.model import Stopped, Why

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
