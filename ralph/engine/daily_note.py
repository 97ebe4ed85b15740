"""The daily note lists a run while it goes on, with the command that starts it again should it die.

A note is nobody's work: for ralph the file of the day does not differ from what git knows (`Git.unseen`), so it is
neither judged nor committed nor taken back, and never a reason to refuse a start.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from ralph.engine.context import RunContext
from ralph.errors import RalphError
from ralph.memory import daily_note as daily
from ralph.memory.daily_note import NoteEntry
from ralph.text import mask

KEPT = "daily.json"  # in ralph's own folder: what a note holds of this checkout's run


def overlook(run: RunContext) -> None:
    """Before anything is looked at: the line of a run that died goes, and the note is nobody's work."""
    mine = _remembered(run)
    today = daily.path(_now())
    run.git.unseen = frozenset([mine.path] if mine else []) | frozenset([today] if run.settings.again else [])
    if mine:
        _take_out(run, mine)


@contextmanager
def list_run(run: RunContext) -> Iterator[None]:
    """Until the end of the block it stands in the note, where that is wanted."""
    if not run.settings.again:
        yield
        return
    try:
        _put_in(run)
    except (RalphError, OSError) as error:
        run.say(f"{daily.path(_now())} is left alone: {_why(error)}.", loud=True)
    try:
        yield
    finally:
        if mine := _remembered(run):
            _take_out(run, mine)


def _put_in(run: RunContext) -> None:
    from ralph.state import sessions

    now = _now()
    note = daily.path(now)
    _refuse_links(run.root, note)
    text = mask(daily.entry(run.settings.session, now, run.settings.again), run.secrets)

    def edit(data: bytes | None) -> bytes:
        after, mine = daily.added(data, note, text)
        sessions.write(_sheet(run), asdict(mine))  # before the note has it: a kill loses nothing
        return after

    run.git.unseen |= {note}
    (run.root / note).parent.mkdir(exist_ok=True)
    run.papers.edit(note, edit)


def _refuse_links(root: Path, note: str) -> None:
    """ralph writes into this repository and nowhere else."""
    folder = (root / note).parent
    if folder.is_symlink() or (root / note).is_symlink():
        raise RalphError("it is a link, or lies behind one", "")
    if (folder / ".git").exists():
        raise RalphError("it lies in a repository of its own", "")


def _take_out(run: RunContext, mine: NoteEntry) -> None:
    """What cannot be taken out stays there: a run does not fail for it."""
    said = ""
    try:
        _refuse_links(run.root, mine.path)
        if _committed(run, mine):
            said = f"{mine.path} was committed with the line of a run that is over: take it out by hand."
        else:
            run.papers.edit(mine.path, lambda data: daily.taken_out(data, mine))
    except (RalphError, OSError) as error:
        said = f"The line of a run could not be taken out of {mine.path}: {_why(error)}."
    _sheet(run).unlink(missing_ok=True)
    with suppress(OSError):  # the folder is not empty, or the disk is full
        if mine.new:
            (run.root / mine.path).parent.rmdir()
    with suppress(OSError):
        if said:
            run.say(said, loud=True)


def _committed(run: RunContext, mine: NoteEntry) -> bool:
    """A line that HEAD holds: without it the file would differ from HEAD, by nobody's will."""
    blob = run.git.blob_at(run.git.head()[1], mine.path)
    return bool(blob) and mine.line.encode(errors="surrogateescape") in run.git.blob(blob).splitlines()


def _remembered(run: RunContext) -> NoteEntry | None:
    try:
        return NoteEntry(**json.loads(_sheet(run).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _sheet(run: RunContext) -> Path:
    return run.state / KEPT


def _why(error: RalphError | OSError) -> str:
    return error.what if isinstance(error, RalphError) else str(error.strerror)


def _now() -> datetime:
    return datetime.now().astimezone()
