"""Commands and notes from other terminals: small files in ralph's state folder that the loop polls.

A poll without files costs microseconds: the loop polls between events, and five times a second while an agent
works. A command counts for the current run, a note until its task is accepted. Agents can write there, too: links,
pipes and folders are ignored, and only a few kilobytes of a file are read.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from ralph.errors import RalphError
from ralph.files import replace_file
from ralph.text import clean, tail

PATIENCE = 5.0  # seconds in which a run answers, as long as it is not frozen
GLANCE = 0.05
MOST_ORDER = 4_096  # bytes
MOST_NOTE = 4_000  # characters of all notes on a task, newest kept
MOST_NOTES = 65_536  # bytes of a note file that are read
PLAIN = re.compile(r"[A-Z0-9][A-Z0-9.-]{0,59}|[0-9a-f]{8}")  # one case each: some file systems ignore case
OTHER = re.compile(r"[^A-Za-z0-9.-]+")


def safe_name(task_id: str) -> str:
    """Return a unique file name for an id: the id if it is plain, otherwise its plain part and a hash."""
    if PLAIN.fullmatch(task_id):
        return task_id
    mark = hashlib.sha256(task_id.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{OTHER.sub('-', task_id).strip('.-')[:60]}-{mark}".lstrip("-")


class Control:
    """Commands and notes of other terminals for this checkout. `state` is ralph's state folder (`Repo.state`)."""

    def __init__(self, state: Path) -> None:
        self._orders, self._notes, self._review = state / "control", state / "notes", state / "review"
        self._accepted = state / "accepted"

    # ------------------------------------------------------------ read by the run

    def paused(self) -> str | None:
        """Return the reason of a pause, or None."""
        return _read(self._orders / "pause", MOST_ORDER)

    def stop_asked(self) -> Literal["after", "now"] | None:
        """Return `after` (the current attempt), `now`, or None without a request."""
        request = _read(self._orders / "stop", MOST_ORDER)
        return None if request is None else "now" if request == "now" else "after"

    def skipped(self) -> frozenset[str]:
        """Return the ids of the tasks to skip."""
        names = (name for name in _names(self._orders) if name.startswith("skip-"))
        return frozenset(task_id for name in names if (task_id := _read(self._orders / name, MOST_ORDER)))

    def clear(self) -> None:
        """Remove all commands, which were for an earlier run. Notes stay."""
        for name in _names(self._orders):
            with suppress(OSError):
                (self._orders / name).unlink()

    # ------------------------------------------------------------ written by commands, and at a checkpoint

    def pause(self, reason: str) -> None:
        """Let nothing start until `resume`. A later reason replaces an earlier one."""
        _write(self._orders / "pause", reason)

    def resume(self) -> bool:
        """Remove a pause. Return whether there was one."""
        return _taken_away(self._orders / "pause")

    def stop(self, *, now: bool) -> None:
        """End the run after its attempt, or now. A later `after` does not replace `now`."""
        if now or self.stop_asked() is None:
            _write(self._orders / "stop", "now" if now else "after")

    def skip(self, task_id: str) -> None:
        """Skip a task in this run."""
        _write(self._orders / f"skip-{safe_name(task_id)}", task_id)

    # ------------------------------------------------------------ notes and review files

    def add_note(self, task_id: str, text: str) -> None:
        """Append a person's note about a task."""
        _append(self._notes / f"{safe_name(task_id)}.md", f"{clean(text).strip()}\n\n")

    def accept(self, task_id: str, pid: int = 0) -> None:
        """Confirm that a task changes what tests expect, until it is done. `pid` is the process that asks for it,
        and 0 where no process has to be looked at any more."""
        _write(self._accepted / safe_name(task_id), f"{task_id}\n{pid}" if pid else task_id)

    def ask_to_accept(self, task_id: str) -> bool:
        """Write a confirmation while a run goes on. Return whether the run took it, within PATIENCE seconds."""
        self.accept(task_id, os.getpid())
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.acceptances().get(task_id) == 0:
                return True
            time.sleep(GLANCE)
        return False

    def acceptances(self) -> dict[str, int]:
        """Return the confirmed tasks, each with the process that asks for it, or 0."""
        texts = (_read(self._accepted / name, MOST_ORDER) for name in _names(self._accepted))
        rows = (text.partition("\n") for text in texts if text)
        return {task: int(pid) if pid.isdecimal() else 0 for task, _, pid in rows}

    def reject_acceptance(self, task_id: str) -> None:
        """Remove a confirmation."""
        with suppress(OSError):
            (self._accepted / safe_name(task_id)).unlink()

    def note_for(self, task_id: str) -> str:
        """Return the notes about a task, newest last, cut to the last 4,000 characters; "" if there are none."""
        notes = _read(self._notes / f"{safe_name(task_id)}.md", MOST_NOTES, from_end=True)
        return tail(notes or "", lines=200, chars=MOST_NOTE).strip()

    def review_path(self, task_id: str) -> Path:
        """Return the path of the review file of a parked task, which may not exist."""
        return self._review / f"{safe_name(task_id)}.md"

    def keep_review(self, task_id: str, text: str) -> Path:
        """Write the review file of a parked task, replacing an older one. Return its path."""
        path = self.review_path(task_id)
        _write(path, text)
        return path

    def forget(self, task_id: str) -> None:
        """Remove notes, confirmation and review file of an accepted task."""
        notes, accepted = self._notes / f"{safe_name(task_id)}.md", self._accepted / safe_name(task_id)
        for path in (notes, accepted, self.review_path(task_id)):
            with suppress(OSError):
                path.unlink()


# ---------------------------------------------------------------- files


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - five times a second
    except OSError:
        return []


def _read(path: Path, most: int, *, from_end: bool = False) -> str | None:
    """Return the first or last `most` bytes of a regular file as text, or None if there is none. Never wait."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        start = max(0, os.fstat(descriptor).st_size - most) if from_end else 0
        return os.pread(descriptor, most, start).decode(errors="replace")  # fails for anything but regular files
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _write(path: Path, text: str) -> None:
    """Write the text atomically, readable by its owner only."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode(errors="replace"))
    except OSError as error:
        raise _unwritable(path, error) from error


def _append(path: Path, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(text.encode(errors="replace"))
    except OSError as error:
        raise _unwritable(path, error) from error


def _taken_away(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unwritable(path, error) from error
    return True


def _unwritable(path: Path, error: OSError) -> RalphError:
    problem = f"ralph can't write into {path.parent}: {error.strerror}"
    return RalphError(problem, "Look at its permissions and at the space on the disk, then try again.")
