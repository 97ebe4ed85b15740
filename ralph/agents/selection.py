"""Who does the work: an agent, its program, its model. The one that was asked for, and the ladder after it."""

from __future__ import annotations

import shlex
import shutil
from functools import cache
from pathlib import Path

from ralph.agents import registry as agents
from ralph.agents.registry import Agent
from ralph.config import Settings
from ralph.errors import RalphError
from ralph.immutable import immutable


@immutable
class AgentChoice:
    """An agent as it is started. An empty model is the agent's own choice."""

    agent: Agent
    program: tuple[str, ...]
    model: str = ""

    @property
    def name(self) -> str:
        """As the trailer tells it: `codex (gpt-5)`."""
        return f"{self.agent.NAME} ({self.model})" if self.model else self.agent.NAME


def ladder(settings: Settings) -> tuple[AgentChoice, ...]:
    """Who tries, one after the other. RalphError where one of them is not there."""
    return (AgentChoice(*find_agent(settings), settings.model), *(parse_choice(text) for text in settings.fallback))


@cache
def parse_choice(text: str) -> AgentChoice:
    """The worker that people call `codex` or `claude:opus`."""
    name, _, model = text.strip().partition(":")
    agent = agents.get(name.strip())
    if not agent.PROGRAM:
        raise RalphError(f"`{text}` names no program", "Name an agent like `codex` or `claude:opus`.")
    return AgentChoice(agent, (_installed(agent),), model.strip())


def names_agent(text: str) -> bool:
    """Return whether the `Agent:` of a task names an agent that ralph knows, with or without a model."""
    return text.partition(":")[0].strip() in agents.NAMES


def find_agent(settings: Settings) -> tuple[Agent, tuple[str, ...]]:
    """The agent's adapter and the words of its program."""
    if settings.agent_command:
        return agents.get("command"), _program(tuple(shlex.split(settings.agent_command)))
    if settings.agent:
        agent = agents.get(settings.agent)
        return agent, (_installed(agent),)
    for agent in agents.ADAPTERS:
        if agent.PROGRAM and (found := shutil.which(agent.PROGRAM)):
            return agent, (found,)
    names = ", ".join(agent.PROGRAM for agent in agents.ADAPTERS if agent.PROGRAM)
    cure = "Install one, or name any program with `--agent-command CMD`. `ralph demo` needs none."
    raise RalphError(f"no agent was found on PATH (looked for {names})", cure)


def _installed(agent: Agent) -> str:
    found = shutil.which(agent.PROGRAM)
    if found is None:
        raise RalphError(f"{agent.PROGRAM} was not found on PATH", f"Install it: {agent.INSTALL}")
    return found


def _program(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words:
        raise RalphError("--agent-command is empty", "Name a program: `--agent-command './agent.sh --fast'`.")
    if shutil.which(words[0]) is not None:
        return words
    what = "is not executable" if Path(words[0]).exists() else "was not found"
    raise RalphError(
        f"the agent's program {words[0]} {what}", "Look at --agent-command; `chmod +x` makes a file executable."
    )
