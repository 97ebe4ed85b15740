"""How an agent of this run is started."""

from __future__ import annotations

import os

from ralph.agents.model import Launch, LaunchRequest
from ralph.agents.selection import AgentChoice
from ralph.engine import budget
from ralph.engine.context import RunContext


def launch_of(run: RunContext, worker: AgentChoice, *, read_only: bool = False) -> Launch:
    """Return how this worker is started. The user's own arguments go to the agent that the user chose."""
    settings = run.settings
    own = settings.agent_arg if worker.agent is run.workers[0].agent and not read_only else ()
    return worker.agent.launch(LaunchRequest(
        worker.program, worker.model, own, os.geteuid() == 0, budget.money_left(run),
        settings.max_turns, settings.allow_tools, settings.allow_commands, read_only,
    ))  # fmt: skip
