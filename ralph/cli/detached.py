"""`ralph start`, `attach`, `ls`, `tail`: the loop without a terminal that has to stay open."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ralph.cli import carried
from ralph.cli.output import say
from ralph.config import OPTIONS, load
from ralph.errors import Exit, RalphError
from ralph.system import lock
from ralph.system.git import discover
from ralph.system.sessions import Sessions, Sheet, Standing, name_for, state_folder
from ralph.system.tmux import INSTALL, Tmux
from ralph.text import clean, mask, secrets_of, tail

BEGINNING = 5.0  # seconds in which a run that is refused says so to who starts it
GLANCE = 0.05
MEANS = {
    Exit.DONE: "all done", Exit.PARKED: "something is parked", Exit.REFUSED: "refused",
    Exit.STOPPED: "stopped with work left", Exit.BUG: "a bug of ralph's", Exit.INTERRUPTED: "interrupted",
}  # fmt: skip


class Desk:
    """The sheets of this user's detached runs, and the tmux that shows them."""

    def __init__(self) -> None:
        state = state_folder(os.environ)
        self.sessions = Sessions(state)
        self.tmux = Tmux(state, os.environ)

    def all(self) -> list[Standing]:
        """Every run that was started here, and how it is with it; the newest last."""
        panes = self.tmux.panes()
        return [self.sessions.standing(one, panes.get(one.name)) for one in self.sessions.all()]

    def find(self, name: str) -> Standing:
        """The one of that name, else the newest of this checkout, else the only one that is alive."""
        known = self.all()
        if name:
            found = [one for one in known if one.sheet.name == name]
        else:
            found = _of_here(known) or [one for one in known if one.state == "alive"]
            found = found[-1:] if _of_here(known) else found
        if len(found) == 1:
            return found[0]
        what = f"no session is called `{clean(name)}`" if name else "no session belongs to this checkout"
        raise RalphError(what, "`ralph ls` shows them; `ralph start` starts one.")

    def said(self, sheet: Sheet) -> str:
        """What the run printed so far."""
        if sheet.shown == "tmux":
            return shown(self.tmux.text(sheet.name)) if self.tmux.installed else ""
        try:
            return shown(log_of(sheet).read_text(encoding="utf-8", errors="replace"))
        except OSError:
            return ""


def shown(text: str) -> str:
    """The end of what a run printed, for this terminal; without what tmux adds."""
    lines = [line.rstrip() for line in mask(clean(text), secrets_of(os.environ)).splitlines()]
    kept = [line for line in lines if not line.startswith("Pane is dead (")]
    return tail("\n".join(kept), lines=20)


def log_of(sheet: Sheet) -> Path:
    return Path(sheet.state) / "detached.log"


def _of_here(known: list[Standing]) -> list[Standing]:
    try:
        root = str(discover(Path.cwd()).root)
    except RalphError:
        return []
    return [one for one in known if one.sheet.root == root]


# ---------------------------------------------------------------- start


def start(name: str, flags: Mapping[str, Any], *, plain: bool) -> int:
    """Start the loop in tmux, or as a plain process; say how to see it and how to end it."""
    repo = discover(Path.cwd())
    load(repo.root, flags)  # what is wrong with the flags is told here
    desk = Desk()
    if not plain and not desk.tmux.installed:
        raise RalphError("tmux was not found on PATH", INSTALL)
    if pid := lock.holder(repo.state / "lock"):
        cure = "`ralph status` shows what it does, `ralph ls` the detached ones; `ralph stop` ends it."
        raise RalphError(f"another ralph holds this checkout (pid {pid})", cure)
    with desk.sessions.alone():
        called = name_for(name, repo.root, desk.sessions.all())
        _refuse_taken(desk, called)
        words = words_of(flags)
        sheet = Sheet(called, str(repo.root), str(repo.state), str(Path.cwd()), words, time.time(),
                      "log" if plain else "tmux")  # fmt: skip
        diary = _size(repo.state / "journal.jsonl")
        _launch(desk, sheet)
    return _tell_start(desk, sheet, lambda: _size(repo.state / "journal.jsonl") > diary)


def words_of(flags: Mapping[str, Any]) -> tuple[str, ...]:
    """The flags as they could have been typed."""
    words: list[str] = []
    for name, value in flags.items():
        flag = OPTIONS[name].flag_name
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        else:
            words += [f"{flag}={one}" for one in (value if isinstance(value, (list, tuple)) else [value])]
    return tuple(words)


def _refuse_taken(desk: Desk, name: str) -> None:
    """A session of that name that is alive; one that has ended makes room."""
    taken = next((one for one in desk.all() if one.sheet.name == name), None)
    pane = desk.tmux.panes().get(name)
    if (taken and taken.state == "alive") or (pane and not pane.dead):
        where = f" in {taken.sheet.root}" if taken else ""
        cure = f"See it with `ralph attach {name}`, or give this one another name: `ralph start NAME`."
        raise RalphError(f"a session called {name} is going on{where}", cure)
    if pane:
        desk.tmux.forget(name)


def _launch(desk: Desk, sheet: Sheet) -> None:
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


def _tell_start(desk: Desk, sheet: Sheet, works: Callable[[], bool]) -> int:
    """Wait a moment: a run that is refused says so here, with its exit code."""
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
    say(f"  {'ralph stop':<{width}} end it, in this folder; --now: at once")
    return Exit.DONE


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


# ---------------------------------------------------------------- to see it


def attach(name: str) -> int:
    """Show a session in this terminal; only an error returns."""
    desk = Desk()
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


def listed(*, forget: bool, as_json: bool) -> int:
    """The detached runs of this user. `forget`: those that are over go from the list, and their panes."""
    desk = Desk()
    known = desk.all()
    if forget:
        for one in known:
            if one.state != "alive":
                desk.tmux.forget(one.sheet.name)
                desk.sessions.forget(one.sheet.name)
        known = [one for one in known if one.state == "alive"]
    if as_json:
        say(json.dumps([_as_json(one) for one in known]))
        return Exit.DONE
    for line in as_lines(known, time.time()):
        say(clean(line))
    return Exit.DONE


def as_lines(known: list[Standing], now: float) -> Iterator[str]:
    """For each one how it is with it, and what can be done."""
    if not known:
        yield "No detached run. `ralph start` starts one."
    width = max((len(one.sheet.name) for one in known), default=0)
    for one in known:
        sheet = one.sheet
        yield f"{sheet.name:<{width}}  {_state(one)}, started {_ago(now - sheet.began)} ago in {clean(sheet.root)}"
        yield f"{'':<{width}}  {_cure(one)}"


def _state(one: Standing) -> str:
    if one.state == "alive":
        return f"alive (pid {one.pid})"
    if one.state == "ended":
        return f"ended (exit {one.code}: {_meaning(one.code)})"
    return f"dead (signal {-one.code})" if one.code else "dead"


def _meaning(code: int | None) -> str:
    return next((said for one, said in MEANS.items() if one == code), "unknown")


def _cure(one: Standing) -> str:
    name = one.sheet.name
    see = f"ralph attach {name}" if one.sheet.shown == "tmux" else f"ralph tail {name}"
    if one.state == "alive":
        return f"{see} · ralph stop, in that folder"
    if one.state == "ended" and one.code == Exit.DONE:
        return f"ralph tail {name} shows its end · ralph ls --clean takes it off this list"
    if one.state == "ended" and one.code == Exit.PARKED:
        return "ralph review, in that folder, shows what waits for you"
    if one.state == "ended" and one.code in (Exit.REFUSED, Exit.BUG):
        return f"ralph tail {name} shows why · ralph ls --clean takes it off this list"
    return f"it goes on with: {again(one.sheet)}"


def again(sheet: Sheet) -> str:
    """What to type to start that run again."""
    plain = ["--detach"] if sheet.shown == "log" else []
    words = shlex.join(["ralph", "start", sheet.name, *plain, *sheet.words])
    return mask(clean(f"cd {shlex.quote(sheet.here)} && {words}"), secrets_of(os.environ))


def _ago(seconds: float) -> str:
    from ralph.show.lines import duration

    return duration(max(0.0, seconds))


def _as_json(one: Standing) -> dict[str, Any]:
    sheet = one.sheet
    return {
        "name": sheet.name, "state": one.state, "pid": one.pid, "code": one.code, "root": sheet.root,
        "began": sheet.began, "tmux": sheet.shown == "tmux", "again": again(sheet),
    }  # fmt: skip


# ---------------------------------------------------------------- its lines


def follow(name: str, *, wait: bool) -> int:
    """The lines of a session's run from its journal, until it is over; where there are none, what it printed."""
    from ralph.cli.logs import _show

    desk = Desk()
    sheet = desk.find(name).sheet
    seen = [0]
    _show(_entries(desk, sheet, seen, wait=wait), verbose=True, as_json=False)
    now = desk.find(sheet.name)
    if not seen[0] and (said := desk.said(sheet)):
        say(said)
    if now.state != "alive":
        say(f"{sheet.name}: {_state(now)}. {_cure(now)}")
    return Exit.DONE


def _entries(desk: Desk, sheet: Sheet, seen: list[int], *, wait: bool) -> Iterator[Any]:
    """What the run's journal has since the session began, then what comes."""
    from ralph.cli.logs import GLANCE as PAUSE
    from ralph.cli.logs import _read

    path, last, size = Path(sheet.state) / "journal.jsonl", 0, -1
    while True:
        one = desk.find(sheet.name)  # asked before the last look: nothing is missed
        until = one.until or float("inf")
        if (now := _size(path)) != size:
            size = now
            for entry in _read(path):
                if entry.seq > last and sheet.began <= entry.time <= until:
                    last = entry.seq
                    seen[0] += 1
                    yield entry
        if not wait or one.state != "alive":
            return
        time.sleep(PAUSE)
