"""Other checkouts of the same repository, where another ralph may work: each has a lock, a journal and a run of its
own. Branches and ralph's refs are shared by all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ralph.errors import RalphError
from ralph.git.repository import Repo
from ralph.state import journal
from ralph.state.events import RunEnded, RunStarted


def branches(repo: Repo) -> frozenset[str]:
    """Full names of the branches that unfinished runs of other checkouts record on, wherever their HEAD stands."""
    ours = repo.common / "ralph"
    linked = [ours / "worktrees" / path.name for path in (repo.common / "worktrees").glob("*")]
    found = (_branch(journal.journal_path(state)) for state in (ours, *linked) if state != repo.state)
    return frozenset(f"refs/heads/{name}" for name in found if name)


def _branch(path: Path) -> str:
    """That of the last run there, unless it ended."""
    going = ""
    for entry in _entries(path):
        if isinstance(entry.event, RunStarted):
            going = entry.event.branch
        elif isinstance(entry.event, RunEnded):
            going = ""
    return going


def _entries(path: Path) -> Iterator[journal.Entry]:
    """Up to a damaged line, none if a newer ralph wrote any: its own ralph will say so."""
    try:
        yield from journal.read_journal(path)
    except (journal.BadLineError, RalphError, OSError):
        return
