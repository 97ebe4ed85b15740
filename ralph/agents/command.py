"""Any program of the user's own (`--agent-command`): the shortest adapter, and the one to copy for a new agent.

An adapter is a module with the names of `ralph.agents.Agent`. It starts nothing: it says how to start its program
and what a line of its output means. To add an agent copy this file, fill it in, and list it in
`ralph/agents/__init__.py`. A recorded run of the CLI, with the signals you expect beside it, goes to
`fixtures/transcripts/<name>/`: the tests find it there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ralph.model import Launch, Order, Signal

NAME = "command"
PROGRAM = ""  # given by the user: nothing is looked for
EVENTS = False  # no stream of events: exit code 0 is its terminal event
REPORTS_COST = False
CURE = "Log in the way that your --agent-command wants it."
INSTALL = "check the path in --agent-command"


def launch(order: Order) -> Launch:
    """The user's words, then the words of --agent-arg."""
    unused = f"--model {order.model} is not passed on: write it into --agent-command."
    return Launch(argv=(*order.program, *order.args), said=(unused,) if order.model else ())


def read(line: str) -> tuple[Signal, ...]:  # noqa: ARG001
    """Its output is for people: nothing in it is ever taken for a fact."""
    return ()


def login(env: Mapping[str, str], files: Callable[[str], bool]) -> bool | None:  # noqa: ARG001
    """Nobody can tell."""
    return None
