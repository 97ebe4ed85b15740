"""Other checkouts of the same repository, each with its own lock, journal and run.

They share branches and ralph's refs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ralph.errors import RalphError
from ralph.git.repository import Repo
from ralph.state import journal
from ralph.state.events import RunEnded, RunStarted


def branches(repo: Repo) -> frozenset[str]:
    """Return the full names of the branches that unfinished runs of other checkouts commit to."""
    ours = repo.common / "ralph"
    linked = [ours / "worktrees" / path.name for path in (repo.common / "worktrees").glob("*")]
    names = (_branch(journal.journal_path(state)) for state in (ours, *linked) if state != repo.state)
    return frozenset(f"refs/heads/{name}" for name in names if name)


def _branch(path: Path) -> str:
    """Return the branch of the last run in a journal, or "" if it ended."""
    branch = ""
    for entry in _entries(path):
        if isinstance(entry.event, RunStarted):
            branch = entry.event.branch
        elif isinstance(entry.event, RunEnded):
            branch = ""
    return branch


def _entries(path: Path) -> Iterator[journal.Entry]:
    """Yield entries up to a damaged line, none of a newer ralph's journal: the ralph there reports it."""
    try:
        yield from journal.read_journal(path)
    except (journal.BadLineError, RalphError, OSError):
        return
