"""Pauses and skips during a run: requests of a person, and periodic checkpoints."""

from __future__ import annotations

import sys
import time

from ralph.config_values import parse_duration
from ralph.engine.context import RunContext, RunResult
from ralph.errors import Exit
from ralph.git.ref_names import short_name
from ralph.prd.model import Prd
from ralph.state.events import Paused, Resumed, Skipped
from ralph.text import clean, one_line

TICK = 0.2  # seconds between two reads of the control folder
UNATTENDED = (20, 8 * 3600.0)  # tasks, seconds: default checkpoints without a terminal


def note_skips(run: RunContext, prd: Prd, besides: frozenset[str] = frozenset()) -> None:
    """Journal newly skipped tasks, but not those of `besides`, which are in progress."""
    if not (wanted := run.control.skipped() - run.state.history.skipped - besides):
        return
    for task in prd.tasks:
        if task.id in wanted:
            run.note(Skipped(task.id, one_line(clean(task.text))))


def reason_to_pause(run: RunContext) -> str:
    """Return the reason of a requested pause or a due checkpoint, or ""."""
    request = run.control.paused()
    return time_for_a_look(run) if request is None else request or "somebody asked for it"


def stand_still(run: RunContext, why: str) -> RunResult | None:
    """Wait until the run is resumed. Return a result if the maximum wait is over."""
    checkpoint = run.control.paused() is None
    if checkpoint:
        run.control.pause(why)
    began, until = time.time(), time.time() + run.settings.max_wait
    run.note(Paused(why, checkpoint, round(until, 3)))
    while run.control.paused() is not None and not run.hurried and not run.control.stop_asked():
        if time.time() > until:
            return RunResult(Exit.STOPPED, "Paused, and nobody resumed it. The same command goes on from here.")
        time.sleep(TICK)
    run.state.looked_at = time.monotonic()
    run.note(Resumed(round(time.time() - began, 3)))
    return None


def time_for_a_look(run: RunContext) -> str:
    """Return the reason of a due checkpoint, or ""."""
    tasks, seconds = pace(run)
    accepted = run.state.history.since_look
    if tasks and accepted >= tasks:
        why = f"{accepted} tasks were accepted since the last look"
    elif seconds and accepted and time.monotonic() - run.state.looked_at >= seconds:
        why = f"{seconds / 3600:g} h since the last look"
    else:
        return ""
    branch = short_name(run.state.branch)
    return f"{why}. What was done: `git log -p -{accepted} {branch}`. To go on: `ralph resume`."


def pace(run: RunContext) -> tuple[int, float]:
    """Return the tasks and the seconds between two checkpoints; 0: never."""
    setting = run.settings.review_every
    if setting:
        return (int(setting), 0.0) if setting.isdigit() else (0, parse_duration(setting))
    return (0, 0.0) if sys.stdin is not None and sys.stdin.isatty() else UNATTENDED
