"""`ralph start` and `ralph attach`: the loop in the background."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ralph.cli.commands import background_run as carried
from ralph.cli.commands.session_registry import SessionManager, bytes_of, log_of
from ralph.cli.output import say
from ralph.config import OPTIONS, load
from ralph.errors import Exit, RalphError
from ralph.git.repository import discover
from ralph.process.logout import ends_at_logout
from ralph.process.tmux import INSTALL
from ralph.state import lock
from ralph.state.journal import journal_path
from ralph.state.sessions import SessionFile, name_for
from ralph.text import clean

BEGINNING = 5.0  # seconds to wait for a refusal of the run
GLANCE = 0.05


def start(name: str, flags: Mapping[str, Any], *, plain: bool) -> int:
    """Start the loop in tmux or as a plain process. Print how to show and end it."""
    repo = discover(Path.cwd())
    load(repo.root, flags)  # errors in the flags are reported here
    desk = SessionManager()
    if not plain and not desk.tmux.installed:
        raise RalphError("tmux was not found on PATH", INSTALL)
    if pid := lock.holder(repo.state / "lock"):
        cure = "`ralph status` shows what it does, `ralph ls` the detached ones; `ralph stop` ends it."
        raise RalphError(f"another ralph holds this checkout (pid {pid})", cure)
    with desk.sessions.alone():
        called = name_for(name, repo.root, desk.sessions.all())
        _refuse_taken(desk, called)
        words = words_of(flags)
        sheet = SessionFile(called, str(repo.root), str(repo.state), str(Path.cwd()), words, time.time(),
                      "log" if plain else "tmux")  # fmt: skip
        diary = bytes_of(journal_path(repo.state))
        _launch(desk, sheet)
    return _tell_start(desk, sheet, lambda: bytes_of(journal_path(repo.state)) > diary)


def words_of(flags: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the flags as command-line words."""
    words: list[str] = []
    for name, value in flags.items():
        flag = OPTIONS[name].flag_name
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        else:
            words += [f"{flag}={entry}" for entry in (value if isinstance(value, (list, tuple)) else [value])]
    return tuple(words)


def _refuse_taken(desk: SessionManager, name: str) -> None:
    """Return the live session of that name, or None. Remove an ended one."""
    taken = next((state for state in desk.all() if state.sheet.name == name), None)
    pane = desk.tmux.panes().get(name)
    if (taken and taken.state == "alive") or (pane and not pane.dead):
        where = f" in {taken.sheet.root}" if taken else ""
        cure = f"See it with `ralph attach {name}`, or give this one another name: `ralph start NAME`."
        raise RalphError(f"a session called {name} is going on{where}", cure)
    if pane:
        desk.tmux.forget(name)


def _launch(desk: SessionManager, sheet: SessionFile) -> None:
    path = desk.sessions.write(sheet)
    try:
        if sheet.shown == "tmux":
            desk.tmux.start(sheet.name, carried.pane_words(path, sheet.words))
        else:
            carried.detach(path, sheet.words, log_of(sheet))
    except (RalphError, OSError) as error:
        desk.sessions.forget(sheet.name)
        if isinstance(error, RalphError):
            raise
        raise RalphError(f"the run could not be started: {error}", "Look at the space on the disk.") from error


def _tell_start(desk: SessionManager, sheet: SessionFile, works: Callable[[], bool]) -> int:
    """Wait a moment for a refusal of the run, and report it with its exit code."""
    deadline = time.monotonic() + BEGINNING
    while (now := desk.find(sheet.name)).state != "ended" and not works() and time.monotonic() < deadline:
        time.sleep(GLANCE)
    if now.state == "ended" and now.code:
        said = desk.said(sheet)
        say(said, error=True)
        say(f"ralph: the session {sheet.name} has ended already, exit code {now.code}", error=True)
        return now.code
    if now.state == "dead":
        what = f"the session {sheet.name} died at its start"
        raise RalphError(what, f"`ralph tail {sheet.name}` shows what it said.", code=Exit.STOPPED)
    name = sheet.name
    plain = "" if sheet.shown == "tmux" else ", without tmux"
    say(f"{name}: started in {clean(sheet.root)}{plain}. This terminal may close.")
    width = len(name) + 14
    if sheet.shown == "tmux":
        say(f"  {f'ralph attach {name}':<{width}} see it; Ctrl-b d leaves it")
    say(f"  {f'ralph tail {name}':<{width}} follow its lines")
    say(f"  {f'ralph stop {name}':<{width}} end it; --now: at once")
    if found := ends_at_logout(now.pid or os.getpid()):
        say(f"WARNING: {found[0]}. {found[1]}", error=True)
    return Exit.DONE


# ---------------------------------------------------------------- attach


def attach(name: str) -> int:
    """Show a session in this terminal. Return only on an error."""
    desk = SessionManager()
    found = desk.find(name)
    called = found.sheet.name
    if found.sheet.shown == "log":
        raise RalphError(f"{called} runs without tmux", f"`ralph tail {called}` follows its lines.")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise RalphError("attach needs a terminal", f"`ralph tail {called}` prints the lines of it.")
    if called not in desk.tmux.panes():
        what = f"tmux shows nothing called {called} any more"
        raise RalphError(what, f"`ralph tail {called}` and `ralph ls` tell what is known of it.")
    words = desk.tmux.attach_words(called)
    outside = ("TMUX", "TMUX_PANE")  # one tmux inside another is fine
    env = {key: value for key, value in os.environ.items() if key not in outside}
    os.execve(words[0], words, env)
