"""Tick and memory entry, put in place before the gates run, and taken out on red."""

from __future__ import annotations

from collections.abc import Mapping

from ralph.engine.attempt import prd_edits as settling
from ralph.engine.attempt.prd_edits import PrdOutcome
from ralph.engine.context import RunContext
from ralph.engine.kept_requirements import with_kept
from ralph.immutable import immutable
from ralph.memory import archive
from ralph.memory import file as memory
from ralph.package_data import template
from ralph.prd import document as prd
from ralph.prd.model import Prd, Task, task_title
from ralph.state.events import Placed
from ralph.text import clean, one_line


@immutable
class PendingCompletion:
    """PRD and memory file as the commit will hold them, and what to put back on red."""

    new: Mapping[str, bytes]
    old: Mapping[str, bytes | None]
    document: Prd  # the PRD in `new`
    task: Task  # as the PRD has it now
    also: tuple[Task, ...] = ()  # parents ticked with the task


def place(
    run: RunContext, n: int, task: Task, settled: PrdOutcome, old_memory: bytes | None, entry: str
) -> PendingCompletion | None:
    """Put tick and memory entry in place, before the gates run. None: the task is gone from the PRD."""
    found = prd.find_task(task, run.state.reading.prd or settled.prd, settled.prd)
    if found is None:
        return None
    also = prd.parents_done_with(with_kept(run, settled.prd), found.id)
    ticked = prd.tick(settled.prd, found.id)
    ticked = prd.with_boxes(ticked, [parent.id for parent in also], done=True)
    new = {run.paths.prd: ticked.data}
    old: dict[str, bytes | None] = {run.paths.prd: settled.prd.data}
    if run.paths.memory:
        old[run.paths.memory] = left = run.editor.read(run.paths.memory)
        whole = remembered(run, ticked, old_memory, left, task, entry)
        new[run.paths.memory] = whole
        _archive(run, whole, new, old)
    run.note(Placed(n, tuple(new)))
    run.editor.swap(run.paths.prd, settled.prd.data, ticked.data)
    for path, content in new.items():
        if path != run.paths.prd:
            run.editor.swap(path, old[path], content)
    run.state.reading.data = ticked.data
    return PendingCompletion(new, old, ticked, found, also)


def _archive(run: RunContext, whole: bytes, new: dict[str, bytes], old: dict[str, bytes | None]) -> None:
    """Move old entries of a long log to the archive file, unless a file of that name is the user's own."""
    path = archive.beside(run.paths.memory)
    older = run.editor.read(path)
    shorter, longer = archive.compact(whole, run.settings.memory_size, older)
    if longer is None or longer == older:
        return
    strange = older is not None and not run.git.blob_at(run.state.tip, path)
    if not strange and path not in run.git.ignored([path]):
        new[run.paths.memory], new[path], old[path] = shorter, longer, older


def take_out(run: RunContext, placing: PendingCompletion) -> None:
    """The gates are red: take out what was placed. What a person saved meanwhile stays, but for the tick."""
    settling.untick(run, prd.parse(placing.old[run.paths.prd] or b"", run.paths.prd))
    for path, content in placing.new.items():
        if path != run.paths.prd:
            run.editor.swap(path, content, placing.old[path])
    run.state.reading.data = placing.old[run.paths.prd] or b""


def merged(run: RunContext, base: bytes | None, left: bytes | None) -> tuple[bytes | None, tuple[str, ...]]:
    """The memory file with what an agent may add, and what of its edit is dropped."""
    return memory.merge_agent(base, left, starter=template("memory"), secrets=run.secrets)


def remembered(run: RunContext, now: Prd, base: bytes | None, left: bytes | None, task: Task, entry: str) -> bytes:
    """The memory file with what the agent may add, the new entry and the next tasks."""
    kept = left if run.paths.memory in task.fields.files else merged(run, base, left)[0]
    still = (
        other_task
        for other_task in now.tasks
        if other_task.leaf and not other_task.done and other_task.fields.parked is None
    )
    queue = [one_line(clean(task_title(other_task)), 120) for other_task in still]
    return memory.record(kept, starter=template("memory"), entry=entry, queue=queue)
