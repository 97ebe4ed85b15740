"""Other checkouts of the same repository, where another ralph may work: each has a lock, a journal and a run of its
own. Branches and ralph's refs are shared by all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from ralph.errors import RalphError
from ralph.git.repository import Repo
from ralph.state import journal
from ralph.state.events import RunEnded, RunStarted

SCRATCH = "refs/heads/ralph-wip/"


def scratch(run: str, n: int) -> str:
    """The full name of an attempt's own branch."""
    return f"{SCRATCH}{run}-{n}"


def is_foreign(name: str, own: Collection[str]) -> bool:
    """Whether a ref is ralph's, but of a run that is none of `own`: it comes and goes as another checkout wants."""
    if name.startswith(SCRATCH):
        return name.removeprefix(SCRATCH).rpartition("-")[0] not in own
    return name.startswith("refs/ralph/") and name.split("/")[2] not in own


def branches(repo: Repo) -> frozenset[str]:
    """Full names of the branches that unfinished runs of other checkouts record on, wherever their HEAD stands."""
    ours = repo.common / "ralph"
    linked = [ours / "worktrees" / one.name for one in (repo.common / "worktrees").glob("*")]
    found = (_branch(state / "journal.jsonl") for state in (ours, *linked) if state != repo.state)
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
        yield from journal.read(path)
    except (journal.BadLineError, RalphError, OSError):
        return
