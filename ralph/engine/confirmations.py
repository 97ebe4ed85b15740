"""Which confirmations of `ralph accept` count: an agent can write the same files, or call the command.

A confirmation that was there while no agent worked counts. While one works, the command waits until the run has
seen that its process is alive and belongs to no attempt.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress

from ralph.engine.context import RunContext
from ralph.files import replace_file
from ralph.process import tree

CONFIRMED = "confirmed.json"  # in the folder of the run


def trust_confirmations(run: RunContext) -> None:
    """Take all that is there: no agent works now."""
    _set(run, frozenset(run.control.acceptances()))


def watch_confirmations(run: RunContext, *, is_last: bool = False) -> None:
    """Confirm what a process outside of every attempt asks for. `is_last`: no agent works now: drop the rest."""
    for task, pid in run.control.acceptances().items():
        if task in run.state.confirmed:
            continue
        if pid and _is_command(pid) and pid not in tree.descendants(os.getpid()):
            _set(run, run.state.confirmed | {task})
            run.control.accept(task)
        elif is_last:
            run.control.reject_acceptance(task)
            run.say(f"`ralph accept {task}` came from an agent, or while one worked: it is ignored. If it was you, "
                    "give the command again.", loud=True)  # fmt: skip


def is_confirmed(run: RunContext, task: str) -> bool:
    """Return whether a person confirmed that this task changes what is expected."""
    return task in run.state.confirmed and task in run.control.acceptances()


def load_confirmations(run: RunContext) -> None:
    """Read what was confirmed before a kill. What came since may be of the agent that worked then."""
    with suppress(OSError, ValueError, TypeError):
        run.state.confirmed = frozenset(map(str, json.loads((run.folder / CONFIRMED).read_bytes())))
    if run.state.history.running:
        watch_confirmations(run, is_last=True)


def _is_command(pid: int) -> bool:
    """Return whether this process is the command `ralph accept`. Agents start it only among their processes."""
    words = tree.arguments(pid)
    return "accept" in words and any(word.rpartition("/")[2] == "ralph" for word in words)


def _set(run: RunContext, confirmed: frozenset[str]) -> None:
    if confirmed != run.state.confirmed:
        run.state.confirmed = confirmed
        run.folder.mkdir(parents=True, exist_ok=True)
        replace_file(run.folder / CONFIRMED, json.dumps(sorted(confirmed)).encode())
