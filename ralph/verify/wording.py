"""Shared wording: gates and commits as parts of sentences for people."""

from __future__ import annotations

from collections.abc import Sequence

from ralph.git.model import Commit, StashEntry
from ralph.text import list_lines, show_name
from ralph.verify.model import GateResult

CONFIRM = "Keep them, or let a person confirm it with `ralph accept`."


def stash_entry(entry: StashEntry) -> str:
    """Return a stash entry as people find it: id and message."""
    return f"{entry.sha[:9]} ({entry.message})"


def gate(result: GateResult) -> str:
    """Return the gate as the subject of a sentence."""
    kind = "The task's own check" if result.gate.source.startswith("Check") else "The gate"
    return f"{kind} `{show_name(result.gate.command)}`"


def commits(made: Sequence[Commit]) -> str:
    """Return the list of the commits on the agent's own branch, so that people can find them."""
    return (
        "Its own commits:\n" + list_lines([f"{commit.sha[:10]} {commit.subject}" for commit in made], most=10)
        if made
        else ""
    )
