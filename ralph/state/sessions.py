"""What is known of detached runs: a sheet for each, in the user's state folder, whatever shows or showed it.

The sheet is written by who starts the run; the run itself adds its pid, and its exit code at its end. So a run
that has a sheet, no process and no exit code died: with a restart of the machine, or killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from ralph.errors import RalphError
from ralph.files import replace_file
from ralph.immutable import immutable
from ralph.process.tmux import Pane
from ralph.process.tree import alive, start_time

SAFE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,48}[A-Za-z0-9])?")
MOST = 1_000_000  # bytes of a sheet that are read


@immutable
class SessionFile:
    """One detached run. Nothing secret of its environment stays here."""

    name: str
    root: str  # of the repository
    state: str  # ralph's folder in it
    here: str  # where it was started
    words: tuple[str, ...]  # what stood behind `ralph start`, without its name
    began: float  # epoch seconds
    shown: Literal["tmux", "log"]


@immutable
class SessionState:
    """How it is with one of them now."""

    sheet: SessionFile
    state: Literal["alive", "ended", "dead"]
    pid: int | None = None
    code: int | None = None
    until: float | None = None  # when it ended, in epoch seconds


def state_folder(env: Mapping[str, str]) -> Path:
    """`$XDG_STATE_HOME/ralph`, else `~/.local/state/ralph`: no cleaner of temporary files comes there."""
    said = env.get("XDG_STATE_HOME", "")
    home = Path(said) if said.startswith("/") else Path(env.get("HOME") or Path.home()) / ".local" / "state"
    return home / "ralph"


def safe_name_part(text: str) -> str:
    """What is safe of a name: letters, digits, dashes."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:40].strip("-") or "ralph"


class Sessions:
    """The sheets in a folder."""

    def __init__(self, state: Path) -> None:
        self.state, self.folder = state, state / "sessions"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            state.chmod(0o700)
        except OSError as error:
            cure = "Look at its permissions, or set XDG_STATE_HOME to another folder."
            raise RalphError(f"it can't be made: {error.strerror}", cure, where=str(self.folder)) from error

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else starts one meanwhile."""
        descriptor = os.open(self.state / "start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def all(self) -> list[SessionFile]:
        """Every sheet that can be read, the newest last."""
        found = [_sheet(read_session_file(path)) for path in self.folder.glob("*.json")]
        return sorted((session for session in found if session), key=lambda session: session.began)

    def write(self, sheet: SessionFile) -> Path:
        """A new sheet; what an earlier one of that name left goes. Returns its path."""
        self.forget(sheet.name)
        path = self.folder / f"{sheet.name}.json"
        write(path, asdict(sheet))
        return path

    def forget(self, name: str) -> None:
        for ending in ("json", "pid", "code", "env"):
            with suppress(OSError):
                (self.folder / f"{name}.{ending}").unlink()

    def standing(self, sheet: SessionFile, pane: Pane | None) -> SessionState:
        """How it is with it. What the run itself noted counts before what tmux says."""
        end = read_session_file(self.folder / f"{sheet.name}.code")
        if isinstance(code := end.get("code"), int):
            until = end.get("time")
            return SessionState(sheet, "ended", code=code, until=until if isinstance(until, float) else None)
        noted = read_session_file(self.folder / f"{sheet.name}.pid")
        pid, started = noted.get("pid"), noted.get("started")
        if isinstance(pid, int) and isinstance(started, float) and alive(pid, started):
            return SessionState(sheet, "alive", pid)
        if pane is not None and not pane.dead:
            return SessionState(sheet, "alive", pane.pid)  # it has only just begun
        if pane is not None and pane.code is not None and pane.code >= 0:
            return SessionState(sheet, "ended", code=pane.code)
        return SessionState(sheet, "dead", code=pane.code if pane else None)


def note_begin(path: Path) -> None:
    """In the run: this process is the one of that sheet."""
    write(path.with_suffix(".pid"), {"pid": os.getpid(), "started": start_time(os.getpid())})


def of_process(state: Path, pid: int) -> SessionFile | None:
    """The sheet of the run that this process is, if it is a detached one."""
    for noted in (state / "sessions").glob("*.pid"):
        if read_session_file(noted) == {"pid": pid, "started": start_time(pid)}:
            return _sheet(read_session_file(noted.with_suffix(".json")))
    return None


def note_end(path: Path, code: int) -> None:
    """In the run: its exit code."""
    write(path.with_suffix(".code"), {"code": code, "time": time.time()})


def name_for(asked: str, root: Path, known: list[SessionFile]) -> str:
    """The name that was asked for, else the repository's; with a mark where another checkout has that one."""
    if asked:
        if not SAFE.fullmatch(asked):
            cure = f"Letters, digits and dashes, 50 at most: `{safe_name_part(asked)}`, for example."
            raise RalphError("this name is none that ralph gives to a session", cure)
        return asked
    name = safe_name_part(root.name)
    if any(sheet.name == name and sheet.root != str(root) for sheet in known):
        return f"{name}-{sha256(os.fsencode(root)).hexdigest()[:6]}"
    return name


def write(path: Path, said: Mapping[str, Any]) -> None:
    """The whole of it or nothing, for its owner's eyes only."""
    try:
        replace_file(path, json.dumps(said).encode())
    except OSError as error:
        cure = "Look at its permissions and at the space on the disk, then start again."
        raise RalphError(f"it can't be written: {error.strerror}", cure, where=str(path)) from error


def read_session_file(path: Path) -> dict[str, Any]:
    """What stands in such a file; nothing where it is none."""
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(MOST))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _sheet(said: dict[str, Any]) -> SessionFile | None:
    try:
        sheet = SessionFile(**{**said, "words": tuple(said["words"])})
    except (KeyError, TypeError):
        return None
    return sheet if SAFE.fullmatch(sheet.name) and sheet.shown in ("tmux", "log") else None
