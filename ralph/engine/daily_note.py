"""The line of a run in the daily note, with the command that starts the run again if it dies.

The note is no attempt's work: ralph hides it from its own git status (`Git.unseen`). So it is neither judged, nor
committed, nor rolled back, and never a reason to refuse a start.
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

KEPT = "daily.json"  # in ralph's state folder: the entry of this checkout's run


def overlook(run: RunContext) -> None:
    """Hide the note from git status, and remove the line of a run that died."""
    entry = _remembered(run)
    today = daily.path(_now())
    run.git.unseen = frozenset([entry.path] if entry else []) | frozenset([today] if run.settings.again else [])
    if entry:
        _take_out(run, entry)


@contextmanager
def list_run(run: RunContext) -> Iterator[None]:
    """List the run in the note until the end of the block, if the settings ask for it."""
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
        if entry := _remembered(run):
            _take_out(run, entry)


def _put_in(run: RunContext) -> None:
    from ralph.state import sessions

    now = _now()
    note = daily.path(now)
    _refuse_links(run.root, note)
    text = mask(daily.entry(run.settings.session, now, run.settings.again), run.secrets)

    def edit(data: bytes | None) -> bytes:
        after, entry = daily.added(data, note, text)
        sessions.write(_sheet(run), asdict(entry))  # before the note is written: a kill loses nothing
        return after

    run.git.unseen |= {note}
    (run.root / note).parent.mkdir(exist_ok=True)
    run.editor.edit(note, edit)


def _refuse_links(root: Path, note: str) -> None:
    """Raise RalphError if the note is outside this repository, because ralph writes nowhere else."""
    folder = (root / note).parent
    if folder.is_symlink() or (root / note).is_symlink():
        raise RalphError("it is a link, or lies behind one", "")
    if (folder / ".git").exists():
        raise RalphError("it lies in a repository of its own", "")


def _take_out(run: RunContext, entry: NoteEntry) -> None:
    """Remove the entry. Report a failure, but do not fail the run."""
    message = ""
    try:
        _refuse_links(run.root, entry.path)
        if _committed(run, entry):
            message = f"{entry.path} was committed with the line of a run that is over: take it out by hand."
        else:
            run.editor.edit(entry.path, lambda data: daily.taken_out(data, entry))
    except (RalphError, OSError) as error:
        message = f"The line of a run could not be taken out of {entry.path}: {_why(error)}."
    _sheet(run).unlink(missing_ok=True)
    with suppress(OSError):  # the folder is not empty, or the disk is full
        if entry.new:
            (run.root / entry.path).parent.rmdir()
    with suppress(OSError):
        if message:
            run.say(message, loud=True)


def _committed(run: RunContext, entry: NoteEntry) -> bool:
    """Whether HEAD holds the line: removing it would make the file differ from HEAD."""
    blob = run.git.blob_at(run.git.head()[1], entry.path)
    return bool(blob) and entry.line.encode(errors="surrogateescape") in run.git.blob(blob).splitlines()


def _remembered(run: RunContext) -> NoteEntry | None:
    try:
        return NoteEntry(**json.loads(_sheet(run).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _sheet(run: RunContext) -> Path:
    return run.state_folder / KEPT


def _why(error: RalphError | OSError) -> str:
    return error.what if isinstance(error, RalphError) else str(error.strerror)


def _now() -> datetime:
    return datetime.now().astimezone()
