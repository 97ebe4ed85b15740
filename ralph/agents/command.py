"""Any program of the user's own (`--agent-command`): the shortest adapter, and the one to copy for a new agent.

An adapter is a module with the names of `ralph.agents.registry.Agent`. It starts nothing: it says how to start its
program and what a line of its output means. To add an agent copy this file, fill it in, and list it in
`ralph/agents/registry.py`. A recorded run of the CLI, with the signals you expect beside it, goes to
`fixtures/transcripts/<name>/`: the tests find it there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ralph.agents.model import Launch, LaunchRequest, Signal

NAME = "command"
PROGRAM = ""  # given by the user: nothing is looked for
EVENTS = False  # no stream of events: exit code 0 is its terminal event
REPORTS_COST = False
CURE = "Log in the way that your --agent-command wants it."
INSTALL = "check the path in --agent-command"
HOME: tuple[str, ...] = ()
PRICES: Mapping[str, tuple[float, float, float]] = {}
PRICED = ""
SESSIONS: tuple[str, ...] = ()


def launch(order: LaunchRequest) -> Launch:
    """The user's words, then the words of --agent-arg. It can't be told anything else, which is said."""
    unused = (
        (order.model, f"--model {order.model} is not passed on: write it into --agent-command."),
        (order.turns, "--max-turns is not passed on: ralph does not know how to tell it to this program."),
        (order.tools, "allow_tools has no effect: ralph does not know how to tell it to this program."),
        (order.commands, "allow_commands has no effect: ralph does not know how to tell it to this program."),
        (order.read_only, "This program can't be kept from writing: what it changes is taken back."),
    )
    return Launch(argv=(*order.program, *order.args), said=tuple(said for asked, said in unused if asked))


def window(model: str) -> int:  # noqa: ARG001
    """Nobody can tell."""
    return 0


def read(line: str) -> tuple[Signal, ...]:  # noqa: ARG001
    """Its output is for people: nothing in it is ever taken for a fact."""
    return ()


def login(env: Mapping[str, str], files: Callable[[str], bool]) -> bool | None:  # noqa: ARG001
    """Nobody can tell."""
    return None


def read_session(line: str) -> tuple[Signal, ...]:  # noqa: ARG001
    """It keeps no file that ralph reads."""
    return ()
