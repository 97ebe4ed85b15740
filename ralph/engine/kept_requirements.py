"""What tasks required before an attempt, kept for the rest of a run: an agent could write the PRD meanwhile."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from ralph.engine.confirmations import is_confirmed
from ralph.engine.context import RunContext
from ralph.files import replace_file
from ralph.prd import requirements
from ralph.prd.model import Fields, Prd, Task
from ralph.text import clean, one_line

KEPT = "requirements.json"  # in the folder of the run


def keep_requirements(run: RunContext, before: Prd, now: Prd, task: Task) -> None:
    """Keep what tasks required before an attempt, for the rest of the run, and report it.

    An agent could write the PRD. `ralph accept` confirms the change.
    """
    lost_requirements = requirements.weakened(before, now)
    for name, fields in lost_requirements.items():
        kept = run.state.kept_fields.setdefault(name, fields)
        changed = next(other for other in now.tasks if other.id == name)
        for lost in requirements.missing(kept, changed):
            was = one_line(clean(lost), 100)
            run.say(f"{name} said `{was}`, and no longer does: that changed while {task.id} ran, so it still holds "
                    f"in this run. `ralph accept {name}` confirms the change.", loud=True)  # fmt: skip
    if lost_requirements:
        run.folder.mkdir(parents=True, exist_ok=True)
        data = {name: asdict(fields) for name, fields in run.state.kept_fields.items()}
        replace_file(run.folder / KEPT, json.dumps(data).encode())


def load_requirements(run: RunContext) -> None:
    """Read what a run that was cut off kept."""
    with suppress(OSError, ValueError, TypeError):
        for name, fields in json.loads((run.folder / KEPT).read_bytes()).items():
            values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value
                                      for key, value in fields.items()}  # fmt: skip
            run.state.kept_fields[name] = Fields(**values)


def with_kept(run: RunContext, now: Prd) -> Prd:
    """Return the PRD with the requirements that changed during an attempt and that no person confirmed."""
    kept = {name: fields for name, fields in run.state.kept_fields.items() if not is_confirmed(run, name)}
    if not kept:
        return now
    tasks = (
        requirements.with_requirements(task, kept[task.id]) if task.id in kept and not task.done else task
        for task in now.tasks
    )
    return replace(now, tasks=tuple(tasks))
