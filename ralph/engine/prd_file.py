"""Reads and edits of the PRD during a run. Hand edits are committed; ralph's own edits are exchanges."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ralph.engine import commit as record
from ralph.engine import kept_requirements, red_base
from ralph.engine.context import RunContext
from ralph.errors import Exit, RalphError
from ralph.prd import document as prd
from ralph.prd import schedule as plan
from ralph.prd.model import Prd, Task
from ralph.state.events import Moved, Publishing
from ralph.text import clean, mask, one_line

QUIET = 10.0  # seconds without an edit after which a new task may start


def read_prd(run: RunContext) -> Prd:
    """Return the current PRD. Commit hand edits. Raise RalphError (exit 3) if the file is missing."""
    data = run.editor.read(run.paths.prd)
    if data is None:
        raise RalphError(
            f"{run.paths.prd} is gone", "Put it back, then run the same command again.", code=Exit.STOPPED
        )
    last = run.state.reading.prd
    now = last if last is not None and last.data == data else prd.parse(data, run.paths.prd)
    if run.state.reading.prd is None:
        run.state.reading.startable = frozenset(task.id for task in now.tasks)
    elif data != run.state.reading.data:
        run.state.reading.edited_at = changed_at(run)
        now = _tick_again(run, now)
    if run.state.reading.prd is None or data != run.state.reading.data:
        commit_hand_edit(run, now.data)
    now = kept_requirements.with_kept(run, now)
    run.state.reading.prd, run.state.reading.data = now, now.data
    if time.time() - run.state.reading.edited_at >= QUIET:
        run.state.reading.startable |= {task.id for task in now.tasks}
    return now


def changed_at(run: RunContext) -> float:
    try:
        return (run.root / run.paths.prd).stat().st_mtime
    except OSError:
        return time.time()


def _tick_again(run: RunContext, now: Prd) -> Prd:
    """Tick boxes again that were emptied for the first time. A second time means: do the task again.

    An editor that saves its old buffer empties boxes.
    """
    once = emptied_once(run, now)
    if not once:
        return now
    data = run.editor.edit(run.paths.prd, lambda fresh: with_ticks(run, once, fresh)) or b""
    tell_ticked_again(run, once)
    return prd.parse(data, run.paths.prd)


def emptied_once(run: RunContext, now: Prd) -> list[Task]:
    """Return the tasks that this run ticked, that are empty now, and that were not ticked again yet."""
    return [
        task
        for task in now.tasks
        if task.id in run.state.history.ticked - run.state.history.again and not task.done
    ]


def with_ticks(run: RunContext, tasks: list[Task], fresh: bytes | None) -> bytes | None:
    """Return the PRD with these boxes ticked, or unchanged if it is not valid."""
    now = parsed(run, fresh)
    return fresh if now is None else prd.with_boxes(now, [task.id for task in tasks], done=True).data


def tell_ticked_again(run: RunContext, tasks: list[Task]) -> None:
    """Journal the ticks, so that they are made once, and report them."""
    for task in tasks:
        run.note(Moved(f"ticked again: {one_line(clean(task.text), 60)}", "", why=task.id))
    run.say(
        "A box that ralph ticked in this run was empty again, as when an editor saves an old buffer: "
        "it is ticked again. Empty it once more to have the task done again."
    )


def commit_hand_edit(run: RunContext, data: bytes, subject: str = "docs(prd): edited by hand") -> None:
    """Commit the PRD alone on the tip. Leave the work tree alone."""
    _commit(run, run.paths.prd, data, subject)


def first_reading(run: RunContext, now: Prd) -> None:
    """Commit edits of PRD and memory file from before the run, each in its own commit."""
    run.state.reading.start_from(now)
    for path, topic in ((run.paths.prd, "prd"), (run.paths.memory, "memory")):
        data = run.editor.read(path) if path else None
        known = run.git.blob_at(run.state.tip, path) if data is not None else ""
        if data is not None and run.git.put(path, data) != known:
            _commit(run, path, data, f"docs({topic}): edited by hand" if known else f"docs({topic}): add")


def _commit(run: RunContext, path: str, data: bytes, subject: str) -> None:
    if run.git.put(path, data) == run.git.blob_at(run.state.tip, path):
        return  # only line endings differ, and git restores them on checkout
    commit = record.build_paper(run.git, tip=run.state.tip, path=path, content=data, message=subject + "\n")
    event = Publishing(0, commit, run.state.tip)
    record.publish(run.git, run.note, branch=run.state.branch, event=event)
    run.state.tip = commit
    record.settle_index(run.git, commit, (run.paths.prd, run.paths.memory))
    run.note(Moved(subject, commit))


def park_in_prd(run: RunContext, task: Task, reason: str) -> str:
    """Write the reason under the task. Return the commit, or "" if nothing changed."""
    masked = mask(clean(reason), run.secrets)
    subject = f"chore(prd): park {one_line(clean(task.id), 40)}"
    return _move(run, task, lambda fresh: prd.park(fresh, task.id, masked), "park", subject, masked)


def split(run: RunContext, task: Task, lines: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Write smaller tasks under a task. Return the commit and the new ids."""
    before = {other_task.id for other_task in prd.parse(run.editor.read(run.paths.prd) or b"", run.paths.prd).tasks}
    subject = f"chore(prd): split {one_line(clean(task.id), 40)}"

    def add(fresh: Prd) -> Prd:
        return prd.add_subtasks(prd.mark_split(fresh, task.id), task.id, lines)

    commit = _move(run, task, add, "split", subject)
    after = prd.parse(run.editor.read(run.paths.prd) or b"", run.paths.prd).tasks
    new = tuple(
        other_task.id for other_task in after if other_task.parent == task.id and other_task.id not in before
    )
    run.state.reading.startable |= set(new)
    return commit, new


def _move(
    run: RunContext, task: Task, change: Callable[[Prd], Prd], word: str, subject: str, body: str = ""
) -> str:  # fmt: skip
    """Edit the PRD and commit it with a Ralph-Move trailer. Return the commit, or "" if nothing changed."""

    def edit(content: bytes | None) -> bytes | None:
        fresh = prd.parse(content or b"", run.paths.prd)
        there = any(other_task.id == task.id for other_task in fresh.tasks)
        return change(fresh).data if there else content

    old = run.editor.read(run.paths.prd)
    new = edit(old)
    if old is None or new is None or new == old:
        return ""
    if old != run.state.reading.data:
        commit_hand_edit(run, old)  # a revert of the move must not revert a person's edit
    paragraph = f"{one_line(body)}\n\n" if body else ""
    message = f"{subject}\n\n{paragraph}Ralph-Run: {run.id}\nRalph-Move: {word}\n"
    commit = record.build_paper(run.git, tip=run.state.tip, path=run.paths.prd, content=new, message=message)
    event = Publishing(0, commit, run.state.tip, ((run.paths.prd, run.git.put(run.paths.prd, old), ""),))
    record.publish(run.git, run.note, branch=run.state.branch, event=event)
    run.state.tip = commit
    run.state.reading.data = run.editor.edit(run.paths.prd, edit) or b""
    record.settle_index(run.git, commit, (run.paths.prd, run.paths.memory))
    run.note(Moved(subject, commit))
    return commit


def wait_for_quiet(run: RunContext, now: Prd) -> bool:
    """Wait until the PRD is unchanged for QUIET seconds if only new tasks are left. Return True if it waited."""
    skipped = run.left_out | red_base.held_tasks(run, now)
    if plan.choose(now, skip=skipped, only=run.settings.only) is None:
        return False
    while (remaining := run.state.reading.edited_at + QUIET - time.time()) > 0 and not run.hurried:
        time.sleep(min(remaining, 0.2))
    run.state.reading.startable |= {task.id for task in now.tasks}
    return True


def parsed(run: RunContext, data: bytes | None) -> Prd | None:
    """Return the parsed PRD, or None if it is missing or not valid."""
    try:
        return prd.parse(data, run.paths.prd) if data is not None else None
    except RalphError:
        return None
