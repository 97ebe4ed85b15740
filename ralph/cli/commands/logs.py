"""`ralph logs`: the diary of the last run as lines, or what the agent printed in a task's last attempt."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ralph.cli.display.line_prefix import LinePrefix
from ralph.cli.display.screen import as_json as event_json
from ralph.cli.display.screen import stamped
from ralph.cli.locate import Location, locate
from ralph.cli.output import say
from ralph.errors import Exit, RalphError
from ralph.git.repository import Repo
from ralph.prd import document as prd
from ralph.state import journal
from ralph.state.events import AgentReported, AgentStarted, Chosen, Noted, Sent, WorkspaceReady
from ralph.state.journal import BadLineError, Entry, journal_path
from ralph.text import clean, mask, secrets_of

BEFORE_ITS_END = (Chosen, Sent, WorkspaceReady, AgentStarted, AgentReported, Noted)  # of an agent
GLANCE = 0.3  # seconds between two looks at a file that grows


def logs(task: str, asked: str | None, *, follow: bool, verbose: bool, as_json: bool) -> int:
    """Show it. Refused where there is nothing yet, unless it waits for more."""
    where = locate(asked)
    if where.repo is None:
        raise RalphError("this is no git repository: there is no diary", "Go to where ralph was started.")
    if where.damaged:
        path = journal_path(where.repo.state)
        raise RalphError(where.damaged, "`ralph audit` reads git instead.", where=str(path))
    if task:
        return _transcript(where, where.repo, task, follow=follow)
    entries = last_run(where.entries)
    if not entries and not follow:
        raise RalphError("there was no run yet", "Start one: `ralph`.")
    shown: Iterable[Entry] = _growing(where.entries, journal_path(where.repo.state)) if follow else entries
    show(shown, verbose=verbose, as_json=as_json)
    return Exit.DONE


def last_run(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """All of the run that the journal's last line belongs to."""
    return tuple(entry for entry in entries if entry.run == entries[-1].run)


def show(entries: Iterable[Entry], *, verbose: bool, as_json: bool) -> None:
    """Print the entries. Stop when the output is closed."""
    day, teller = "", LinePrefix()
    for entry in entries:
        if entry.event is None:
            continue
        if as_json:
            shown = [event_json(entry.event, entry.time)]
        else:
            today = time.strftime("%A %Y-%m-%d", time.localtime(entry.time))
            shown = [] if today == day else [today]
            day = today
            shown += [stamped(line, entry.time) for line in teller.lines(entry.event, verbose)]
        if not all(say(line) for line in shown):
            return


def _growing(entries: tuple[Entry, ...], path: Path) -> Iterator[Entry]:
    """The last run, then what comes, until Ctrl-C."""
    yield from last_run(entries)
    last, size = entries[-1].seq if entries else 0, -1
    while True:
        now = path.stat().st_size if path.exists() else 0
        fresh = [entry for entry in read_entries(path) if entry.seq > last] if now != size else []
        yield from fresh
        last, size = fresh[-1].seq if fresh else last, now
        time.sleep(GLANCE)


def read_entries(path: Path) -> list[Entry]:
    """The entries of a journal; none where it is damaged."""
    try:
        return list(journal.read_journal(path))
    except BadLineError:
        return []


# ---------------------------------------------------------------- the transcript of one attempt


def _transcript(where: Location, repo: Repo, asked: str, *, follow: bool) -> int:
    task = prd.resolve(where.prd(), asked)
    tried = [(entry.run, entry.event.n) for entry in where.entries
             if isinstance(entry.event, Chosen) and entry.event.task == task.id]  # fmt: skip
    if not tried:
        raise RalphError(f"{task.id} was not tried yet", "`ralph status` shows where it stands.")
    run, n = tried[-1]
    path = repo.state / "runs" / run / f"{n}.log"
    if not path.exists():
        raise RalphError(f"there is no transcript of attempt {n}", "It was cleaned up, or never started.",
                         where=str(path))  # fmt: skip
    _print_file(path, lambda: follow and goes_on(where, journal_path(repo.state), n))
    return Exit.DONE


def goes_on(where: Location, path: Path, n: int) -> bool:
    """Whether that attempt's agent still works."""
    if where.holder is None:
        return False
    own = [
        entry.event for entry in read_entries(path) if entry.event is not None and getattr(entry.event, "n", 0) == n
    ]
    return any(isinstance(event, BEFORE_ITS_END) for event in own[-1:])


def _print_file(path: Path, more: Callable[[], bool]) -> None:
    """Print a file that may grow, line by line, cleaned and without secrets."""
    rest, secrets = b"", secrets_of(os.environ)
    with path.open("rb") as file:
        while (block := file.read(65_536)) or more():
            *whole, rest = (rest + block).split(b"\n")
            if not all(_say_raw(line, secrets) for line in whole):
                return
            if not block:
                time.sleep(GLANCE)
    if rest:
        _say_raw(rest, secrets)


def _say_raw(line: bytes, secrets: Sequence[str]) -> bool:
    return say(mask(clean(line.decode(errors="replace").rstrip("\r")), secrets))
