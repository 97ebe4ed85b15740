"""`ralph pause`, `resume`, `skip`, `retry`, `stop`: orders for the run that is going on in this checkout."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ralph.cli.commands.status import last_run
from ralph.cli.display.lines import sentence
from ralph.cli.locate import Location, locate
from ralph.cli.output import say
from ralph.errors import Exit, RalphError
from ralph.files import edit_file
from ralph.git.repository import Repo
from ralph.immutable import immutable
from ralph.prd import document as prd
from ralph.prd.model import Prd, Task, id_prefix
from ralph.state.control import Control
from ralph.state.events import Chosen
from ralph.text import clean, one_line

BEGINNING = 5.0  # seconds in which a session that was just started takes the lock of its checkout
GLANCE = 0.05


@immutable
class ActiveRun:
    """A run that is going on. `where` names the PRD that it works through."""

    where: Location
    repo: Repo
    pid: int
    attempts: tuple[Chosen, ...] = ()  # those that are going on
    name: str = ""  # of its session
    again: str = ""  # how that is started again

    @property
    def control(self) -> Control:
        return Control(self.repo.state)

    def __str__(self) -> str:
        return f"{self.name or 'The run here'} (pid {self.pid})"


def going_on(asked: str | None, here: Path | None = None) -> ActiveRun | None:
    """The run of this checkout, or None. RalphError where it works through another PRD than the one asked for."""
    where = locate(asked, here)
    pid = where.holder
    if where.repo is None or pid is None:
        return None
    run = last_run(where)
    if run is None or run.outcome.ended is not None:
        return ActiveRun(where, where.repo, pid)  # it has only just begun
    path = where.repo.root / run.start.prd
    if asked and where.path.resolve() != path.resolve():
        raise RalphError(f"the run that is going on here works through {run.start.prd}", "Leave --prd out.")
    going = tuple(attempt.chosen for attempt in run.outcome.running.values())
    return ActiveRun(replace(where, path=path), where.repo, pid, going)


def _running(asked: str | None) -> ActiveRun:
    going = going_on(asked)
    if going is None:
        raise RalphError("no run is going on here", "`ralph status` shows where it stands; `ralph` starts one.")
    return going


# ---------------------------------------------------------------- the run


def pause(asked: str | None) -> int:
    """Nothing more is started until `ralph resume`."""
    going = _running(asked)
    going.control.pause("asked for with `ralph pause`")
    say(f"{going} pauses {_when(going.attempts)}. `ralph resume` lets it go on, `ralph stop` ends it.")
    return Exit.DONE


def resume(flags: Mapping[str, Any], how: str) -> int:
    """Let a paused run go on; where none is going on, take up what a crash left (`how`: set-aside, keep, "")."""
    going = going_on(flags.get("prd"))
    if going is None or how:
        from ralph.cli.commands.run import run

        return run(flags, resume=how)
    if any(value for name, value in flags.items() if name != "prd"):
        what = f"a run is going on here (pid {going.pid}), with the flags that it was started with"
        raise RalphError(what, "`ralph resume` alone lets it go on when it is paused; `ralph stop` ends it.")
    if not going.control.resume():
        raise RalphError(f"the run here (pid {going.pid}) is not paused", "`ralph status` shows what it does.")
    say(f"{going} goes on.")
    return Exit.DONE


def stop(name: str, asked: str | None, *, now: bool) -> int:
    """The run here ends, or that of a session in any folder; after its attempt or now."""
    if name and asked:
        raise RalphError("a session's name and --prd are both given", "The name alone says which run it is.")
    going = _of_session(name) if name else _running(asked)
    going.control.stop(now=now)
    on = f"It goes on with `{going.again}`." if name else "The same command continues it."
    if now:
        say(f"{going} ends now{_lost(going.attempts)}. {on}")
    else:
        at_once = f"`ralph stop{f' {name}' if name else ''} --now`"
        say(f"{going} ends {_when(going.attempts)}. {on} At once: {at_once}.")
    return Exit.DONE


def _of_session(name: str) -> ActiveRun:
    """The run of a session that is alive. One that has only just begun is waited for."""
    from ralph.cli.commands.session_registry import SessionManager, again, cure_of, state_of

    desk, deadline = SessionManager(), time.monotonic() + BEGINNING
    while (state := desk.find(name)).state == "alive":
        going = going_on(None, Path(state.sheet.here))
        if going is not None and going.pid == state.pid:
            return replace(going, name=name, again=again(state.sheet))
        if time.monotonic() > deadline:
            raise RalphError(f"{name} has not begun to work", f"`ralph tail {name}` shows what it does.")
        time.sleep(GLANCE)
    raise RalphError(f"{name} is over: {state_of(state)}", f"{cure_of(state)}.")


def _when(attempts: Sequence[Chosen]) -> str:
    if not attempts:
        return "before it starts anything more"
    if len(attempts) == 1:
        return f"when its attempt at {_named(attempts[0])} is over"
    return f"when its {len(attempts)} attempts are over ({', '.join(map(_named, attempts))})"


def _lost(attempts: Sequence[Chosen]) -> str:
    if not attempts:
        return ""
    names = ", ".join(map(_named, attempts))
    if len(attempts) == 1:
        return f"; the attempt at {names} is set aside and uses up no try"
    return (
        f"; the attempts at {names} are set aside and use up no try; one that has ended is judged by the next run"
    )


def _named(attempt: Chosen) -> str:
    return f"“{sentence(one_line(attempt.text, 60))}”"


# ---------------------------------------------------------------- one task


def skip(called: str, asked: str | None) -> int:
    """The task is left out of the run that is going on."""
    going = _running(asked)
    task = prd.resolve(going.where.prd(), called)
    if task.done:
        raise RalphError(f"{title(task)} is ticked already", "`ralph status` shows what is open.")
    if task.fields.parked is not None:
        raise RalphError(f"{title(task)} is parked", "It is not tried before somebody says `ralph retry`.")
    going.control.skip(task.id)
    say(f"{title(task)} is left out of this run; its box stays empty. Tasks that depend on it wait.")
    if any(attempt.task == task.id for attempt in going.attempts):
        say("The attempt at it ends now and uses up no try; what it made is kept in a ref.")
    return Exit.DONE


def accept(called: str, asked: str | None) -> int:
    """Confirm that a task changes what tests expect, until it is done. Put it back if it is parked."""
    going = going_on(asked)
    where = going.where if going else locate(asked)
    if where.repo is None:
        raise RalphError("this is no git repository", "Go to where the PRD's repository is.")
    now = where.prd()
    task = prd.resolve(now, called)
    if task.done:
        raise RalphError(f"{title(task)} is ticked already", "`ralph status` shows what is open.")
    control = Control(where.repo.state)
    if not going:
        control.accept(task.id)
    elif not control.ask_to_accept(task.id):
        say(f"{going} has not answered. If no agent works now, the command counts before the next attempt.")
        return Exit.DONE
    say(f"{title(task)} may change what tests expect.")
    if task.fields.parked is not None:
        unpark(where.path, task.id, where.repo.state / "accept")
        say("It is back in the queue: its `- Parked:` line is gone.")
    say(f"{going} takes it up in its turn." if going else _next_step(asked))
    return Exit.DONE


def _next_step(asked: str | None) -> str:
    return f"Next: `ralph{f' --prd {shlex.quote(asked)}' if asked else ''}`, with the flags that you use."


def retry(called: str, asked: str | None, *, note: str) -> int:
    """A parked task is put back, and the note goes into its next prompt."""
    going = going_on(asked)
    where = going.where if going else locate(asked)
    if where.repo is None:
        raise RalphError(
            "this is no git repository: nothing is parked here", "Go to where the PRD's repository is."
        )
    now = where.prd()
    task = prd.resolve(now, called)
    _refuse_pointless(now, task, note)
    if note.strip():
        Control(where.repo.state).add_note(task.id, note)
    if task.fields.parked is None:
        say(f"{title(task)} is not parked: it is tried in its turn. The note is kept for its next prompt.")
    else:
        unpark(where.path, task.id, where.repo.state / "retry")
        noted = " The note goes into its next prompt." if note.strip() else ""
        say(f"{title(task)} is back in the queue: its `- Parked:` line is gone.{noted}")
    if going:
        say(f"{going} takes it up in its turn.")
    else:
        say(_next_step(asked))
    return Exit.DONE


def _refuse_pointless(now: Prd, task: Task, note: str) -> None:
    if task.done:
        raise RalphError(f"{title(task)} is ticked", "Empty its box to have it done again.")
    above = {other_task.id: other_task for other_task in now.tasks}
    parent = above.get(task.parent or "")
    while task.fields.parked is None and parent is not None:
        if parent.fields.parked is not None:
            cure = f"Put that one back: `ralph retry {parent.id}`."
            raise RalphError(f"{title(task)} waits for {title(parent)}, which is parked", cure)
        parent = above.get(parent.parent or "")
    if task.fields.parked is None and not note.strip():
        raise RalphError(
            f"{title(task)} is not parked", "It is tried in its turn; `--note TEXT` tells its agent more."
        )


def unpark(path: Path, task_id: str, spare: Path) -> None:
    """Take the `- Parked:` lines of a task out of the PRD, as a person would; what others save meanwhile stays."""

    def without(data: bytes | None) -> bytes | None:
        return None if data is None else prd.unpark(prd.parse(data, str(path)), task_id).data

    try:
        edit_file(path.resolve(), without, spare)  # a link stays one: its target is exchanged
    finally:
        with suppress(OSError):
            spare.rmdir()


def title(task: Task) -> str:
    """A task in the middle of a sentence."""
    text = one_line(clean(task.text), 60)
    return f"{id_prefix(task, text)}“{text}”"
