"""`ralph review`: the parked tasks and their review files."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

from ralph.cli.commands.control import title
from ralph.cli.display.lines import sentence
from ralph.cli.locate import Location, locate
from ralph.cli.output import say
from ralph.engine.review_file import question_of
from ralph.errors import Exit, RalphError
from ralph.prd import document as prd
from ralph.prd.model import Task
from ralph.state.control import Control
from ralph.text import clean, mask, secrets_of


def review(called: str, asked: str | None, *, as_json: bool) -> int:
    """List the parked tasks, or show the review file of one. Return 0 if the PRD can be read."""
    where = locate(asked)
    if called:
        return _one(where, prd.resolve(where.prd(), called), called, as_json=as_json)
    parked = [task for task in where.prd().tasks if not task.done and task.fields.parked is not None]
    if as_json:
        say(json.dumps({"parked": [_facts(where, task) for task in parked]}))
        return Exit.DONE
    for line in page(where, parked):
        say(line)
    return Exit.DONE


def _one(where: Location, task: Task, called: str, *, as_json: bool) -> int:
    path = _file(where, task)
    if path is None and (task.done or task.fields.parked is None):
        raise RalphError(
            f"{title(task)} is not parked", "`ralph review` lists what is; `ralph status` shows the rest."
        )
    if as_json:
        say(json.dumps({**_facts(where, task), "review": _text(path)}))
        return Exit.DONE
    if path is None:
        what = f"there is no review file of {title(task)}: it was parked by hand, or in another checkout"
        name = shlex.quote(called)
        raise RalphError(what, f"Put it back with `ralph retry {name}`; `ralph logs {name}` may tell more.")
    say(_text(path).rstrip("\n"))
    return Exit.DONE


def page(where: Location, parked: list[Task]) -> list[str]:
    """Return text, reason, question and file of each parked task."""
    if not parked:
        return [f"{where.path.name}: nothing is parked."]
    shown = [f"{where.path.name}: {len(parked)} {'task is' if len(parked) == 1 else 'tasks are'} parked", ""]
    for task in parked:
        facts = _facts(where, task)
        shown.append(f"{task.number:>4} {sentence(task.text)}")
        shown += _row("reason", sentence(facts["reason"]))
        asks = sentence(facts["question"])
        shown += _row("question", asks if asks not in sentence(facts["reason"]) else "")
        shown += _row("file", facts["file"] or "")
    cure = 'Look: `ralph review TASK`. Put it back: `ralph retry TASK --note "what to do differently"`.'
    return [*shown, "", cure]


def _row(name: str, text: str) -> list[str]:
    return [f"     {name + ':':<10}{text}"] if text else []


def _facts(where: Location, task: Task) -> dict[str, Any]:
    path = _file(where, task)
    return {
        "id": task.id, "number": task.number, "line": task.line, "text": task.text,
        "reason": task.fields.parked or "", "question": question_of(_text(path)),
        "file": str(path) if path else None,
    }  # fmt: skip


def _file(where: Location, task: Task) -> Path | None:
    if where.repo is None:
        return None
    path = Control(where.repo.state).review_path(task.id)
    return path if path.is_file() else None


def _text(path: Path | None) -> str:
    """Return the text of the review file, cleaned."""
    text = path.read_text(encoding="utf-8", errors="replace") if path else ""
    return mask(clean(text), secrets_of(os.environ))
