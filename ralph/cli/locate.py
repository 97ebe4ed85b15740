"""What the reading commands look at: the PRD, and the diary of the last run. All work while a run is going on."""

from __future__ import annotations

from pathlib import Path

from ralph.config import load
from ralph.errors import RalphError
from ralph.git.repository import Repo, discover
from ralph.immutable import immutable
from ralph.prd import document as prd
from ralph.prd.model import Prd
from ralph.state import journal, lock
from ralph.state.events import RunStarted
from ralph.state.journal import BadLineError, Entry, journal_path


@immutable
class Location:
    """`repo` is None outside of a git repository."""

    repo: Repo | None
    path: Path  # of the PRD
    entries: tuple[Entry, ...]  # of the journal; without those of newer versions
    damaged: str = ""  # why the journal can't be read

    @property
    def name(self) -> str:
        """The PRD's path in the repository; outside of one just its name."""
        return (self.repo and inside(self.path, self.repo.root)) or self.path.name

    @property
    def holder(self) -> int | None:
        """The pid of the ralph that works here now."""
        return lock.holder(self.repo.state / "lock") if self.repo else None

    def prd(self) -> Prd:
        return read_prd(self.path)


def inside(path: Path, root: Path) -> str:
    """Its path in there; "" for the top, and for what is not inside."""
    if not path.resolve().is_relative_to(root.resolve()):
        return ""
    found = path.resolve().relative_to(root.resolve()).as_posix()
    return "" if found == "." else found


def locate(asked: str | None, here: Path | None = None) -> Location:
    """The PRD that was asked for, else the configured one, else PRD.md, else that of the last run."""
    here = here or Path.cwd()
    try:
        repo = discover(here)
    except RalphError:
        repo = None
    settings = load(repo.root if repo else here, {"prd": asked})
    entries, damaged = _entries(repo)
    path = here / settings.prd
    if not path.exists() and "prd" not in settings.given and repo:
        path = next(
            (repo.root / entry.event.prd for entry in reversed(entries) if isinstance(entry.event, RunStarted)),
            path,
        )
    return Location(repo, path, entries, damaged)


def _entries(repo: Repo | None) -> tuple[tuple[Entry, ...], str]:
    if repo is None:
        return (), ""
    try:
        entries = journal.read_journal(journal_path(repo.state))
        return tuple(entry for entry in entries if entry.event is not None), ""
    except BadLineError as error:
        return (), f"the journal is damaged ({error}): the next run puts it aside"


def read_prd(path: Path) -> Prd:
    """The PRD of a file; RalphError for what is none."""
    if path.is_dir():
        raise RalphError("this is a folder", "Name a Markdown file: `--prd PRD.md`.", where=str(path))
    try:
        return prd.parse(path.read_bytes(), str(path))
    except FileNotFoundError:
        cure = "Write one (a line `- [ ] what to do` is enough), or name another file with `--prd PATH`."
        raise RalphError("there is no PRD", cure, where=str(path)) from None
    except OSError as error:
        raise RalphError(
            f"it can't be read: {error.strerror}", "Look at its permissions.", where=str(path)
        ) from error
