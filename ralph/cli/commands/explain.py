"""`ralph explain`: the attempts at one task in order, why each was turned down, and what was tried next."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ralph.cli.display.explain import page
from ralph.cli.locate import Location
from ralph.cli.output import say
from ralph.cli.report_data import facts, known, prd_of, safe, width, with_logs, with_stat
from ralph.errors import Exit, RalphError
from ralph.git.client import Git
from ralph.prd import document
from ralph.prd.lookup import Lookup
from ralph.prd.model import Prd, Task
from ralph.state.report import story, what_next
from ralph.state.report_model import AttemptRecord, Note, RunLog, TaskHistory


def explain(called: str, asked: str | None, *, as_json: bool) -> int:
    """Tell it. Refused where no run knows the task."""
    where, repo, found = known(asked)
    prd = prd_of(where, repo)
    task = _task(where, found, called, prd)
    about = story(found, task, prd)
    if about is None:
        raise RalphError(f"{task} was not tried yet", "`ralph status` shows where it stands.")
    git = Git(repo)
    steps = tuple(step if isinstance(step, Note) else with_logs(repo, with_stat(git, step)) for step in about.steps)
    about = safe(replace(about, steps=steps))
    if as_json:
        say(json.dumps(_json(about)))
        return Exit.DONE
    for line in page(about, width(), what_next):
        if not say(line):
            break
    return Exit.DONE


def _task(where: Location, found: RunLog, called: str, prd: str) -> str:
    """The id of a task of the PRD; or of a task that is gone from it, as the journal remembers it."""
    try:
        return document.resolve(where.prd(), called).id
    except RalphError:
        gone = {task.id for task in Lookup(Prd(b"", _remembered(found, prd))).called(called)}
        if len(gone) != 1:
            raise
        return gone.pop()


def _remembered(found: RunLog, prd: str) -> tuple[Task, ...]:
    """The tasks of a PRD that the journal has attempts at, each with every text that it had."""
    known = dict.fromkeys((attempt.task, attempt.text) for attempt in found.tries if attempt.prd == prd)
    return tuple(
        Task(task, text.startswith(task), number, line=0, offset=0, text=text, done=False)
        for number, (task, text) in enumerate(known, 1)
    )


def _json(about: TaskHistory) -> dict[str, Any]:
    return {
        "task": about.task, "text": about.text, "run": about.run, "state": about.standing.value,
        "seconds": about.seconds, "tokens": about.tokens, "cost": about.cost, "about": about.about,
        "steps": [_attempt(step) if isinstance(step, AttemptRecord) else _remark(step) for step in about.steps],
    }  # fmt: skip


def _attempt(attempt: AttemptRecord) -> dict[str, Any]:
    logs = [{"command": command, "tail": text} for command, text in attempt.logs]
    more = {"stat": attempt.stat, "next": what_next(attempt) or None, "logs": logs}
    return {"step": "attempt", **facts(attempt), **more}


def _remark(note: Note) -> dict[str, Any]:
    return {"step": note.kind, "time": note.time, "text": note.text, "commit": note.commit or None}
