"""Registry of this user's detached runs, with their states and possible commands."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from ralph.errors import Exit, RalphError
from ralph.git.repository import discover
from ralph.process.tmux import Tmux
from ralph.state.sessions import SessionFile, Sessions, SessionState, state_folder
from ralph.text import clean, mask, secrets_of, tail

MEANS = {
    Exit.DONE: "all done", Exit.PARKED: "something is parked", Exit.REFUSED: "refused",
    Exit.STOPPED: "stopped with work left", Exit.BUG: "a bug of ralph's", Exit.INTERRUPTED: "interrupted",
}  # fmt: skip


class SessionManager:
    """The session files of this user's detached runs, and the tmux that shows them."""

    def __init__(self) -> None:
        state = state_folder(os.environ)
        self.sessions = Sessions(state)
        self.tmux = Tmux(state, os.environ)

    def all(self) -> list[SessionState]:
        """Return every run with its state, newest last."""
        panes = self.tmux.panes()
        return [self.sessions.standing(session, panes.get(session.name)) for session in self.sessions.all()]

    def find(self, name: str) -> SessionState:
        """Return the session of that name, or the newest of this checkout, or the only live one.

        Raise RalphError if there is none.
        """
        known = self.all()
        if name:
            found = [state for state in known if state.sheet.name == name]
        else:
            found = _of_here(known) or [state for state in known if state.state == "alive"]
            found = found[-1:] if _of_here(known) else found
        if len(found) == 1:
            return found[0]
        what = f"no session is called `{clean(name)}`" if name else "no session belongs to this checkout"
        raise RalphError(what, "`ralph ls` shows them; `ralph start` starts one.")

    def said(self, sheet: SessionFile) -> str:
        """Return the output of the run so far."""
        if sheet.shown == "tmux":
            return shown(self.tmux.text(sheet.name)) if self.tmux.installed else ""
        try:
            return shown(log_of(sheet).read_text(encoding="utf-8", errors="replace"))
        except OSError:
            return ""


def shown(text: str) -> str:
    """Return the end of a run's output for this terminal, without tmux's additions."""
    lines = [line.rstrip() for line in mask(clean(text), secrets_of(os.environ)).splitlines()]
    kept = [line for line in lines if not line.startswith("Pane is dead (")]
    return tail("\n".join(kept), lines=20)


def log_of(sheet: SessionFile) -> Path:
    return Path(sheet.state) / "detached.log"


def _of_here(known: list[SessionState]) -> list[SessionState]:
    try:
        root = str(discover(Path.cwd()).root)
    except RalphError:
        return []
    return [state for state in known if state.sheet.root == root]


def bytes_of(path: Path) -> int:
    """Return the size of a file in bytes, or 0 if it does not exist."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


# ---------------------------------------------------------------- texts


def state_of(state: SessionState) -> str:
    """Return the state in a few words."""
    if state.state == "alive":
        return f"alive (pid {state.pid})"
    if state.state == "ended":
        return f"ended (exit {state.code}: {_meaning(state.code)})"
    return f"dead (signal {-state.code})" if state.code else "dead"


def _meaning(code: int | None) -> str:
    return next((said for other_exit, said in MEANS.items() if other_exit == code), "unknown")


def cure_of(state: SessionState) -> str:
    """Return the command that helps now."""
    name = state.sheet.name
    see = f"ralph attach {name}" if state.sheet.shown == "tmux" else f"ralph tail {name}"
    if state.state == "alive":
        return f"{see} · ralph stop {name}"
    if state.state == "ended" and state.code == Exit.DONE:
        return f"ralph tail {name} shows its end · ralph ls --clean takes it off this list"
    if state.state == "ended" and state.code == Exit.PARKED:
        return "ralph review, in that folder, shows what waits for you"
    if state.state == "ended" and state.code in (Exit.REFUSED, Exit.BUG):
        return f"ralph tail {name} shows why · ralph ls --clean takes it off this list"
    return f"it goes on with: {again(state.sheet)}"


def again(sheet: SessionFile) -> str:
    """Return the command that starts the run again."""
    plain = ["--detach"] if sheet.shown == "log" else []
    words = shlex.join(["ralph", "start", sheet.name, *plain, *sheet.words])
    return mask(clean(f"cd {shlex.quote(sheet.here)} && {words}"), secrets_of(os.environ))
