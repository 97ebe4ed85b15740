"""Adapter for any program of the user (`--agent-command`): the shortest one, and the template for a new agent.

An adapter is a module with the names of `ralph.agents.registry.Agent`. It starts nothing: it defines how to start
its program and what a line of its output means. To add an agent, copy this file, fill it in, and list it in
`ralph/agents/registry.py`. Put a recorded run of the CLI, with the expected signals, into
`fixtures/transcripts/<name>/`: the tests find it there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ralph.agents.model import Launch, LaunchRequest, Signal

NAME = "command"
PROGRAM = ""  # the user names the program
EVENTS = False  # no stream of events: exit code 0 is its terminal event
REPORTS_COST = False
CURE = "Log in the way that your --agent-command wants it."
INSTALL = "check the path in --agent-command"
HOME: tuple[str, ...] = ()
PRICES: Mapping[str, tuple[float, float, float]] = {}
PRICED = ""
SESSIONS: tuple[str, ...] = ()


def launch(order: LaunchRequest) -> Launch:
    """Return the user's command with the words of `--agent-arg`, and notices about settings without effect."""
    unused = (
        (order.model, f"--model {order.model} is not passed on: write it into --agent-command."),
        (order.turns, "--max-turns is not passed on: ralph does not know how to tell it to this program."),
        (order.tools, "allow_tools has no effect: ralph does not know how to tell it to this program."),
        (order.commands, "allow_commands has no effect: ralph does not know how to tell it to this program."),
        (order.read_only, "This program can't be kept from writing: what it changes is taken back."),
    )
    return Launch(argv=(*order.program, *order.args), said=tuple(notice for setting, notice in unused if setting))


def window(model: str) -> int:  # noqa: ARG001
    """Return that it is not known."""
    return 0


def read(line: str) -> tuple[Signal, ...]:  # noqa: ARG001
    """Return no signals: the output is for people and never read as facts."""
    return ()


def login(env: Mapping[str, str], files: Callable[[str], bool]) -> bool | None:  # noqa: ARG001
    """Return that it is not known."""
    return None


def read_session(line: str) -> tuple[Signal, ...]:  # noqa: ARG001
    """Return no signals: there is no session file."""
    return ()
