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
        """Return how to start one attempt without questions to the user. The prompt is its standard input.

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


ADAPTERS: tuple[Agent, ...] = (claude, codex, command)  # in the order in which PATH is searched for them
AGENTS: dict[str, Agent] = {agent.NAME: agent for agent in ADAPTERS}
NAMES = tuple(agent.NAME for agent in ADAPTERS if agent.PROGRAM)  # those that a flag or a task can name


def get(name: str) -> Agent:
    """Return the agent of that name. Raise RalphError with the known names if there is none."""
    if name in AGENTS:
        return AGENTS[name]
    known = ", ".join(f"--{known_name}" for known_name in NAMES)
    raise RalphError(f'No agent is called "{name}".', f"{_near(name)}ralph knows {known} and --agent-command.")


def _near(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, NAMES, n=1)
    return f"Did you mean {near[0]}? " if near else ""
