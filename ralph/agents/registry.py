"""The agents that ralph can drive: what an adapter is, and which there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ralph.agents import claude, codex, command
from ralph.agents.model import Launch, LaunchRequest, Signal
from ralph.errors import RalphError


class Agent(Protocol):
    """One agent CLI, in five pure functions and ten facts: a module. `command.py` is the tutorial."""

    NAME: str  # as in --agent NAME and the trailer Ralph-Agent
    PROGRAM: str  # looked up on PATH; empty: the user gives it
    EVENTS: bool  # prints events that `read` knows; False: exit code 0 is its terminal event
    REPORTS_COST: bool  # its usage has US dollars
    CURE: str  # how to log in, a sentence
    INSTALL: str  # what to type to get it
    HOME: tuple[str, ...]  # its own files, which a sandbox lets it write: below the home folder, or `$NAME`
    PRICES: Mapping[str, tuple[float, float, float]]  # model -> USD per million tokens: input, cached input, output
    PRICED: str  # the day on which these prices were looked up: 2026-11-30

    def launch(self, order: LaunchRequest) -> Launch:
        """How to start one attempt that asks nobody anything. The prompt will be its standard input.

        What the order asks and this agent can't do is a sentence in `said`; nothing is left out in silence.
        """

    SESSIONS: tuple[str, ...]  # where it keeps files about its sessions, by day: as in HOME, the first that is set

    def read_session(self, line: str) -> tuple[Signal, ...]:
        """What a line of such a file tells of usage: sums of the session so far. As `read`, without any text."""

    def window(self, model: str) -> int:
        """How many tokens the window of that model holds; 0: not known."""

    def read(self, line: str) -> tuple[Signal, ...]:
        """What one decoded line of its pty output means. Keeps no state and never raises.

        Errors are read from error-typed events, or from whole lines that are no JSON: never from what the agent
        says or what its tools print. The text of a RETRY begins with what went wrong: `overloaded: ...`.
        """

    def login(self, env: Mapping[str, str], files: Callable[[str], bool]) -> bool | None:
        """A guess, without starting it: True, it seems logged in; False, no trace of a login; None, can't be told.

        `files` tells whether a path relative to the home folder (or an absolute one) exists. A guess is at most
        worth a warning: only the agent's own answer stops a run.
        """


# in the order in which they are looked for on PATH; `command` is never looked for
AGENTS: dict[str, Agent] = {agent.NAME: agent for agent in (claude, codex, command)}

KNOWN_LATER = ("opencode", "gemini", "qwen", "cursor", "copilot", "amp", "droid", "aider", "mini")


def get(name: str) -> Agent:
    """The agent of that name; RalphError with a next step for a name that has no adapter."""
    if name in AGENTS:
        return AGENTS[name]
    if name in KNOWN_LATER:
        raise RalphError(f"ralph can't drive {name} yet.", f"Use {_ready()}, or --agent-command '{name} ...'.")
    raise RalphError(f'No agent is called "{name}".', f"{_near(name)}ralph knows {_ready()} and --agent-command.")


def _ready() -> str:
    return ", ".join(f"--{agent.NAME}" for agent in AGENTS.values() if agent.PROGRAM)


def _near(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, AGENTS, n=1)
    return f"Did you mean {near[0]}? " if near else ""
