"""How a session ended, as a sentence."""

from __future__ import annotations

from ralph.agents.model import Stopped, StopReason

ENDINGS = {
    StopReason.SILENT: "The agent made no progress for too long and was ended.",
    StopReason.PROMPT: "The agent waited for a person to answer and was ended.",
    StopReason.CIRCLES: "The agent went in circles and was ended.",
    StopReason.DRIFT: "The agent went on changing what is not its own and was ended.",
    StopReason.FULL: "The agent's context was nearly full.",
    StopReason.RETRYING: "The agent tried to reach its service again and again, and was ended.",
    StopReason.TASK_LIMIT: "A limit of the task was reached and the agent was ended.",
    StopReason.SKIPPED: "The task was skipped by hand.",
    StopReason.OVERRAN: "The agent ran over the time for one task and was ended.",
    StopReason.REFUSED: "The agent's service refused it and the agent was ended.",
    StopReason.LIMIT: "A limit of the run was reached and the agent was ended.",
    StopReason.INTERRUPTED: "The attempt was interrupted.",
    StopReason.LOST: "ralph itself was ended while the agent worked.",
    StopReason.UNSTARTED: "The agent could not be started.",
}


def how_it_ended(stopped: Stopped) -> str:
    """One sentence about a session's ending, without judging it."""
    if stopped.why is not StopReason.EXITED:
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
