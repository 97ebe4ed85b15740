"""What people want while it runs: pause, skip, stop, and a look at the work every so often."""

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

TICK = 0.2  # seconds between two looks at the control folder
UNATTENDED = (20, 8 * 3600.0)  # tasks, seconds: a checkpoint by default where nobody is at the terminal


def note_skips(run: RunContext, prd: Prd, besides: frozenset[str] = frozenset()) -> None:
    """Tell which tasks somebody wants left out, `besides` those that are worked on."""
    if not (wanted := run.control.skipped() - run.history.skipped - besides):
        return
    for task in prd.tasks:
        if task.id in wanted:
            run.note(Skipped(task.id, one_line(clean(task.text))))


def reason_to_pause(run: RunContext) -> str:
    """Somebody asked for it, or it is time for a look. "": neither."""
    asked = run.control.paused()
    return time_for_a_look(run) if asked is None else asked or "somebody asked for it"


def stand_still(run: RunContext, why: str) -> RunResult | None:
    """Start nothing until somebody resumes it. An Ending where nobody came."""
    checkpoint = run.control.paused() is None
    if checkpoint:
        run.control.pause(why)
    began, until = time.time(), time.time() + run.settings.max_wait
    run.note(Paused(why, checkpoint, round(until, 3)))
    while run.control.paused() is not None and not run.hurried and not run.control.stop_asked():
        if time.time() > until:
            return RunResult(Exit.STOPPED, "Paused, and nobody resumed it. The same command goes on from here.")
        time.sleep(TICK)
    run.looked = time.monotonic()
    run.note(Resumed(round(time.time() - began, 3)))
    return None


def time_for_a_look(run: RunContext) -> str:
    """Why a person should look now; "": no need."""
    tasks, seconds = pace(run)
    accepted = run.history.since_look
    if tasks and accepted >= tasks:
        why = f"{accepted} tasks were accepted since the last look"
    elif seconds and accepted and time.monotonic() - run.looked >= seconds:
        why = f"{seconds / 3600:g} h since the last look"
    else:
        return ""
    branch = short_name(run.branch)
    return f"{why}. What was done: `git log -p -{accepted} {branch}`. To go on: `ralph resume`."


def pace(run: RunContext) -> tuple[int, float]:
    """After how many tasks, and after how many seconds; 0: never."""
    said = run.settings.review_every
    if said:
        return (int(said), 0.0) if said.isdigit() else (0, parse_duration(said))
    return (0, 0.0) if sys.stdin is not None and sys.stdin.isatty() else UNATTENDED
