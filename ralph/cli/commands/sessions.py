"""`ralph ls` and `ralph tail`: the detached runs and their lines."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ralph.cli.commands.logs import GLANCE, read_entries, show
from ralph.cli.commands.session_registry import SessionManager, again, bytes_of, cure_of, state_of
from ralph.cli.display.lines import duration
from ralph.cli.output import say
from ralph.errors import Exit
from ralph.state.journal import journal_path
from ralph.state.sessions import SessionFile, SessionState
from ralph.text import clean


def listed(*, forget: bool, as_json: bool) -> int:
    """List the detached runs of this user. `forget`: remove finished ones and their panes."""
    desk = SessionManager()
    known = desk.all()
    if forget:
        for state in known:
            if state.state != "alive":
                desk.tmux.forget(state.sheet.name)
                desk.sessions.forget(state.sheet.name)
        known = [state for state in known if state.state == "alive"]
    if as_json:
        say(json.dumps([_as_json(state) for state in known]))
        return Exit.DONE
    for line in session_lines(known, time.time()):
        say(clean(line))
    return Exit.DONE


def session_lines(known: list[SessionState], now: float) -> Iterator[str]:
    """Return the state of each run, and the possible commands."""
    if not known:
        yield "No detached run. `ralph start` starts one."
    width = max((len(state.sheet.name) for state in known), default=0)
    for other_state in known:
        sheet = other_state.sheet
        ago = duration(max(0.0, now - sheet.began))
        yield f"{sheet.name:<{width}}  {state_of(other_state)}, started {ago} ago in {clean(sheet.root)}"
        yield f"{'':<{width}}  {cure_of(other_state)}"


def _as_json(state: SessionState) -> dict[str, Any]:
    sheet = state.sheet
    return {
        "name": sheet.name, "state": state.state, "pid": state.pid, "code": state.code, "root": sheet.root,
        "began": sheet.began, "tmux": sheet.shown == "tmux", "again": again(sheet),
    }  # fmt: skip


# ---------------------------------------------------------------- lines of a run


def follow(name: str, *, wait: bool) -> int:
    """Print the lines of a session's run until it ends: from its journal or, if that has none, its output."""
    desk = SessionManager()
    sheet = desk.find(name).sheet
    seen = [0]
    show(_entries(desk, sheet, seen, wait=wait), verbose=True, as_json=False)
    now = desk.find(sheet.name)
    if not seen[0] and (said := desk.said(sheet)):
        say(said)
    if now.state != "alive":
        say(f"{sheet.name}: {state_of(now)}. {cure_of(now)}")
    return Exit.DONE


def _entries(desk: SessionManager, sheet: SessionFile, seen: list[int], *, wait: bool) -> Iterator[Any]:
    """Yield the journal's events since the session began, then new ones."""
    path, last, size = journal_path(Path(sheet.state)), 0, -1
    while True:
        state = desk.find(sheet.name)  # read before the last poll, so that nothing is missed
        until = state.until or float("inf")
        if (now := bytes_of(path)) != size:
            size = now
            for entry in read_entries(path):
                if entry.seq > last and sheet.began <= entry.time <= until:
                    last = entry.seq
                    seen[0] += 1
                    yield entry
        if not wait or state.state != "alive":
            return
        time.sleep(GLANCE)
