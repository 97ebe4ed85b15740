"""Status: the PRD's tasks and the last run, as lines and as JSON."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from ralph.cli.display.lines import duration, sentence, with_level
from ralph.cli.display.summary import RunSummary
from ralph.immutable import immutable
from ralph.prd.model import Prd, Task
from ralph.state.events import RunStarted

BOX = {"done": "[x]", "open": "[ ]", "parked": "[P]", "running": "[>]"}


@immutable
class LastRun:
    """The last run of the journal. `pid` is the process that works on it now, or None.

    `pausing` is the reason of a requested pause while it runs, or None.
    """

    start: RunStarted
    outcome: RunSummary
    began: float  # epoch seconds
    seen: float  # of its last event
    pid: int | None = None
    pausing: str | None = None
    elsewhere: bool = False  # it works through another PRD than the shown one
    stopping: Literal["after", "now"] | None = None  # after its attempts, or now

    @property
    def state(self) -> str:
        """`running`, `ended` or `cut off`."""
        if self.pid is not None and self.outcome.ended is None:
            return "running"
        return "ended" if self.outcome.ended else "cut off"


def state_of(task: Task, run: LastRun | None) -> str:
    """Return `open`, `done`, `parked` or `running`."""
    going = run.outcome.running.values() if run and run.state == "running" and not run.elsewhere else ()
    if any(running.chosen.task == task.id for running in going):
        return "running"
    if task.done:
        return "done"
    return "parked" if task.fields.parked is not None else "open"


def to_json(prd: Prd, run: LastRun | None, now: float, levels: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of `ralph status --json`. `levels`: ticked task -> how strongly it is proven."""
    return {
        "tasks": [_task_json(task, run, levels) for task in prd.tasks],
        "near_misses": [{"line": miss.line, "text": miss.text, "why": miss.why} for miss in prd.near_misses],
        "run": _run_json(run, now) if run else None,
    }


def _task_json(task: Task, run: LastRun | None, levels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": task.id, "number": task.number, "line": task.line, "text": task.text, "state": state_of(task, run),
        "parent": task.parent, "depends": list(task.fields.depends), "files": list(task.fields.files),
        "proof": (task.done and levels.get(task.id)) or None,
    }  # fmt: skip


def _run_json(run: LastRun, now: float) -> dict[str, Any]:
    seen, start = run.outcome, run.start
    return {
        "id": start.run, "state": run.state, "pid": run.pid, "branch": start.branch, "home": start.home,
        "agent": start.agent, "prd": start.prd, "began": run.began, "seen": run.seen, "attempts": seen.attempts,
        "task": seen.current.task if seen.current else None,
        "attempt": seen.current.attempt if seen.current else None,
        "running": [attempt.to_json(now) for attempt in seen.running.values()] if run.state == "running" else [],
        "at_once": start.at_once,
        "done": seen.done, "parked": seen.parked, "tokens": seen.tokens, "cost": seen.cost, "about": seen.about,
        "code": seen.ended.code if seen.ended else None, "why": seen.ended.why if seen.ended else None,
        "waiting": {"why": seen.waiting.reason, "until": seen.waiting.until} if seen.waiting else None,
        "paused": {"why": seen.paused.reason, "until": seen.paused.until or None} if seen.paused else None,
        "pausing": run.pausing if not seen.paused else None, "stopping": run.stopping,
    }  # fmt: skip


def as_lines(name: str, prd: Prd, run: LastRun | None, now: float, levels: Mapping[str, str]) -> list[str]:
    """Return a line for each task, then the lines of the run. `levels`: as in `to_json`."""
    depth = _depths(prd)
    leaves = Counter(state_of(task, run) for task in prd.tasks if task.leaf)
    counted = ", ".join(
        f"{leaves[state]} {state}" for state in ("done", "running", "parked", "open") if leaves[state]
    )
    shown = [f"{name}: {counted or 'no task'}"]
    for task in prd.tasks:
        state = state_of(task, run)
        text = with_level(sentence(task.text), levels.get(task.id, "") if state == "done" else "")
        shown.append(f"{task.number:>4} {'  ' * depth[task.number]}{BOX[state]} {text}")
        if state == "parked" and task.fields.parked:
            shown.append(f"     {'  ' * depth[task.number]}    parked: {sentence(task.fields.parked)}")
    shown += [
        f"line {miss.line} looks like a task and is none ({miss.why}): {sentence(miss.text)}"
        for miss in prd.near_misses
    ]
    return [*shown, "", *(_run_lines(run, now) if run else ["No run yet."])]


def _depths(prd: Prd) -> dict[int, int]:
    """Return the depth of each task, by number."""
    by_id: dict[str, int] = {}
    by_number: dict[int, int] = {}
    for task in prd.tasks:
        depth = by_id.get(task.parent, 0) + 1 if task.parent is not None else 0
        by_id[task.id] = by_number[task.number] = depth
    return by_number


def _run_lines(run: LastRun, now: float) -> list[str]:
    seen, start = run.outcome, run.start
    through = f" through {start.prd}" if run.elsewhere else ""
    head = f"Run {start.run}{through} with {start.agent} on branch {start.branch}"
    if run.state == "running":
        went = f"running for {duration(now - run.began)} (pid {run.pid}), last sign {duration(now - run.seen)} ago"
        what = [line for attempt in seen.running.values() for line in attempt.as_lines(now)]
        return [f"{head}: {went}", *what, *_still(seen), *_ordered(run)]
    if seen.ended:
        return [f"{head}: ended {_clock(run.seen)}, exit {seen.ended.code}: {sentence(seen.ended.why)}"]
    return [f"{head}: cut off {_clock(run.seen)}; the same command continues it", *_still(seen)]


def _still(seen: RunSummary) -> list[str]:
    """Return the reason why the run does nothing now, and until when."""
    shown = []
    if seen.waiting:
        shown.append(f"  waiting until {_clock(seen.waiting.until)}: {sentence(seen.waiting.reason)}")
    if seen.paused:
        until = f" until {_clock(seen.paused.until)}, then it ends" if seen.paused.until else ""
        shown.append(f"  paused{until}: {sentence(seen.paused.reason)}")
        shown += [] if seen.paused.checkpoint else ["  `ralph resume` lets it go on."]
    return shown


def _ordered(run: LastRun) -> list[str]:
    """Return the pending requests of people."""
    going = len(run.outcome.running)
    when = f"after {'this attempt' if going == 1 else 'these attempts'}" if going else "before the next attempt"
    shown = []
    if run.pausing is not None and not run.outcome.paused:
        shown.append(f"  pauses {when}: {sentence(run.pausing) or 'somebody asked for it'}")
    if run.stopping:
        shown.append(f"  stops {'now' if run.stopping == 'now' else when}: somebody asked for it")
    return shown


def _clock(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
