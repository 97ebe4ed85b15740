"""The PRD and the memory file while ralph works: read afresh, sorted by evidence, changed by exchange.

ralph never guesses who wrote a line. What an agent is shown to have written goes back; what nobody is shown to have
written stays, but a box that became ticked while an agent ran is not evidence and goes back too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from difflib import unified_diff

from ralph.core import archive, memory, plan, prd
from ralph.core.reading import only_reads
from ralph.errors import Exit, RalphError
from ralph.events import Moved, Placed, Publishing
from ralph.immutable import immutable
from ralph.model import Prd, PrdEdit, Stopped, Task
from ralph.run import Run
from ralph.system import record
from ralph.system.examine import Frozen
from ralph.system.files import template
from ralph.text import clean, mask, one_line
from ralph.typed import Typed, typed_beside

QUIET = 10.0  # seconds: a task that was not there before starts when nobody has typed for so long


@immutable
class Settled:
    """The PRD after an attempt: what stays, and what the evidence says of the rest."""

    prd: Prd
    edit: PrdEdit
    by_hand: bool  # it differs from the attempt's start: a commit of its own goes before the task's


# ---------------------------------------------------------------- reading


def read(run: Run) -> Prd:
    """The PRD as it is now. Edits by hand become a commit of their own."""
    data = run.papers.read(run.paths.prd)
    if data is None:
        raise RalphError(
            f"{run.paths.prd} is gone", "Put it back, then run the same command again.", code=Exit.STOPPED
        )
    last = run.seen
    now = last if last is not None and last.data == data else prd.parse(data, run.paths.prd)
    if run.seen is None:
        run.known = frozenset(task.id for task in now.tasks)
    elif data != run.wrote:
        run.edited = _changed_at(run)
        now = _tick_again(run, now)
    if run.seen is None or data != run.wrote:
        commit_hand_edit(run, now.data)
    run.seen, run.wrote = now, now.data
    if time.time() - run.edited >= QUIET:
        run.known |= {task.id for task in now.tasks}
    return now


def _changed_at(run: Run) -> float:
    try:
        return (run.root / run.paths.prd).stat().st_mtime
    except OSError:
        return time.time()


def _tick_again(run: Run, now: Prd) -> Prd:
    """An editor that saves its old buffer empties boxes: ticked again once. A second time it means: do it again."""
    once = _emptied_once(run, now)
    if not once:
        return now
    data = run.papers.edit(run.paths.prd, lambda fresh: _with_ticks(run, once, fresh)) or b""
    _tell_ticked_again(run, once)
    return prd.parse(data, run.paths.prd)


def _emptied_once(run: Run, now: Prd) -> list[Task]:
    """Boxes that were ticked in this run, are empty, and were not ticked again yet."""
    return [one for one in now.tasks if one.id in run.history.ticked - run.history.again and not one.done]


def _with_ticks(run: Run, tasks: list[Task], fresh: bytes | None) -> bytes | None:
    now = _parsed(run, fresh)
    return fresh if now is None else prd.with_boxes(now, [task.id for task in tasks], done=True).data


def _tell_ticked_again(run: Run, tasks: list[Task]) -> None:
    for task in tasks:
        run.note(Moved(f"ticked again: {one_line(clean(task.text), 60)}", "", why=task.id))
    run.say(
        "A box that was verified in this run was empty again, as when an editor saves an old buffer: "
        "it is ticked again. Empty it once more to have the task done again."
    )


def commit_hand_edit(run: Run, data: bytes, subject: str = "docs(prd): edited by hand") -> None:
    """A commit of the PRD alone, on the tip. The work tree is not touched."""
    _commit(run, run.paths.prd, data, subject)


def first_reading(run: Run, now: Prd) -> None:
    """What was edited or written by hand before the run: a commit of its own for each of the two files."""
    run.seen, run.wrote, run.known = now, now.data, frozenset(task.id for task in now.tasks)
    for path, topic in ((run.paths.prd, "prd"), (run.paths.memory, "memory")):
        data = run.papers.read(path) if path else None
        known = run.git.blob_at(run.tip, path) if data is not None else ""
        if data is not None and run.git.put(path, data) != known:
            _commit(run, path, data, f"docs({topic}): edited by hand" if known else f"docs({topic}): add")


def _commit(run: Run, path: str, data: bytes, subject: str) -> None:
    if run.git.put(path, data) == run.git.blob_at(run.tip, path):
        return  # only the line ends differ, and git's rules give them back
    commit = record.build_paper(run.git, tip=run.tip, path=path, content=data, message=subject + "\n")
    event = Publishing(0, commit, run.tip)
    record.publish(run.git, run.note, branch=run.branch, event=event)
    run.tip = commit
    record.settle(run.git, commit, (run.paths.prd, run.paths.memory))
    run.note(Moved(subject, commit))


def park(run: Run, task: Task, reason: str) -> str:
    """Write the reason under the task: a commit of its own, which is returned ("" where nothing changed)."""
    told = mask(clean(reason), run.secrets)
    subject = f"chore(prd): park {one_line(clean(task.id), 40)}"
    return _move(run, task, lambda fresh: prd.park(fresh, task.id, told), "park", subject, told)


def split(run: Run, task: Task, lines: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Write smaller tasks under a task: a commit of its own. Returns it and the new ids."""
    before = {one.id for one in prd.parse(run.papers.read(run.paths.prd) or b"", run.paths.prd).tasks}
    subject = f"chore(prd): split {one_line(clean(task.id), 40)}"
    commit = _move(run, task, lambda fresh: prd.add_subtasks(fresh, task.id, lines), "split", subject)
    after = prd.parse(run.papers.read(run.paths.prd) or b"", run.paths.prd).tasks
    new = tuple(one.id for one in after if one.parent == task.id and one.id not in before)
    run.known |= set(new)
    return commit, new


def _move(
    run: Run, task: Task, change: Callable[[Prd], Prd], word: str, subject: str, body: str = ""
) -> str:  # fmt: skip
    """An edit of the PRD that is ralph's own: a commit with a trailer that says so."""

    def edit(found: bytes | None) -> bytes | None:
        fresh = prd.parse(found or b"", run.paths.prd)
        there = any(one.id == task.id for one in fresh.tasks)
        return change(fresh).data if there else found

    old = run.papers.read(run.paths.prd)
    new = edit(old)
    if old is None or new is None or new == old:
        return ""
    if old != run.wrote:
        commit_hand_edit(run, old)  # a revert of the move must not take a person's words along
    said = f"{one_line(body)}\n\n" if body else ""
    message = f"{subject}\n\n{said}Ralph-Run: {run.id}\nRalph-Move: {word}\n"
    commit = record.build_paper(run.git, tip=run.tip, path=run.paths.prd, content=new, message=message)
    event = Publishing(0, commit, run.tip, ((run.paths.prd, run.git.put(run.paths.prd, old), ""),))
    record.publish(run.git, run.note, branch=run.branch, event=event)
    run.tip = commit
    run.wrote = run.papers.edit(run.paths.prd, edit) or b""
    record.settle(run.git, commit, (run.paths.prd, run.paths.memory))
    run.note(Moved(subject, commit))
    return commit


def wait_for_quiet(run: Run, now: Prd) -> bool:
    """Only tasks that were just typed are left: wait until nobody has typed for a while. True: look again."""
    if plan.choose(now, skip=run.left_out, only=run.settings.only) is None:
        return False
    while (left := run.edited + QUIET - time.time()) > 0 and not run.hurried:
        time.sleep(min(left, 0.2))
    run.known |= {task.id for task in now.tasks}
    return True


# ---------------------------------------------------------------- after an attempt


def settle(run: Run, start: Prd, task: Task, stopped: Stopped, frozen: Frozen) -> Settled:
    """Put back what does not stay, and say what was there. The frozen work holds all of it."""
    data = run.papers.read(run.paths.prd)
    if data == start.data:
        return Settled(start, PrdEdit(), by_hand=False)
    now = _parsed(run, data)
    back = f"To bring it in again: git show {frozen.work[:12]}:{run.paths.prd} > {run.paths.prd}"
    diff = _diff(start.data, data or b"", run.paths.prd) + "\n" + back
    if now is None:
        run.papers.put(run.paths.prd, start.data)
        return Settled(start, PrdEdit(True, (), True, diff), by_hand=False)
    named = run.paths.prd in task.fields.files
    if run.apart or (not named and _by_agent(run, task, stopped, frozen)):
        only_commits = not run.apart and not names_paper(stopped, run.paths.prd)
        typed = typed_beside(run, start, now, frozen) if only_commits else None
        return _take_back(run, start, now, task, typed, diff)
    edit = PrdEdit(False, prd.difference(start, now).ticked, False, diff)
    return _keep(run, start, now, task, edit)


def _take_back(run: Run, start: Prd, now: Prd, task: Task, typed: Typed | None, diff: str) -> Settled:
    """What the agent is shown to have written goes; what people `typed` beside it stays."""
    made, kept = (typed.made, typed.kept) if typed else (now, start)
    agents = prd.difference(start, made)
    edit = PrdEdit(True, agents.ticked, agents.rewrote, diff)
    run.papers.edit(run.paths.prd, lambda there: kept.data if there == now.data else there)
    return _keep(run, start, kept, task, edit) if typed else Settled(start, edit, by_hand=False)


def _keep(run: Run, start: Prd, now: Prd, task: Task, edit: PrdEdit) -> Settled:
    """What nobody is shown to have written stays, but for ticks."""
    found = prd.difference(start, now)
    run.edited, once = _changed_at(run), _emptied_once(run, now)
    data = run.papers.edit(
        run.paths.prd, lambda fresh: _with_ticks(run, once, _unticked(run, start, fresh))
    ) or b""  # fmt: skip
    _tell_hand_edit(run, task, found, now)
    if once:
        _tell_ticked_again(run, once)
    settled = prd.parse(data, run.paths.prd)
    return Settled(settled, edit, by_hand=data != start.data)


def untick(run: Run, start: Prd) -> None:
    """Take out every tick that was not there at the start."""
    run.papers.edit(run.paths.prd, lambda fresh: _unticked(run, start, fresh))


def take_back_ticks(run: Run, start: Prd, task: Task) -> None:
    """An agent in a worktree changed the PRD here: what became ticked, and not by ralph, is empty again."""

    def edit(fresh: bytes | None) -> bytes | None:
        now = _parsed(run, fresh)
        if now is None:
            return fresh
        kept = [one.id for one in now.tasks if one.done and one.id in run.history.ticked]
        return prd.with_boxes(prd.without_new_ticks(start, now), kept, done=True).data

    before = run.papers.read(run.paths.prd)
    if run.papers.edit(run.paths.prd, edit) != before:
        run.say(f"The agent of {task.id} ticked boxes in this checkout's {run.paths.prd}: they are empty again.",
                loud=True)  # fmt: skip


def untick_after_gates(run: Run, placed: bytes) -> None:
    """A box that became ticked while gates ran goes back: gates run what an agent wrote. All else stays."""
    if run.papers.read(run.paths.prd) != placed:
        untick(run, prd.parse(placed, run.paths.prd))


def _unticked(run: Run, start: Prd, fresh: bytes | None) -> bytes | None:
    now = _parsed(run, fresh)
    return fresh if now is None else prd.without_new_ticks(start, now).data


def _parsed(run: Run, data: bytes | None) -> Prd | None:
    try:
        return prd.parse(data, run.paths.prd) if data is not None else None
    except RalphError:
        return None


def _by_agent(run: Run, task: Task, stopped: Stopped, frozen: Frozen) -> bool:
    """Its stream names the file; or, for an agent without events, a commit of the attempt changed it."""
    if names_paper(stopped, run.paths.prd):
        return True
    if run.worker(task).agent.EVENTS or not frozen.commits:
        return False
    then = run.git.blob_at(run.tip, run.paths.prd)
    return any(run.git.blob_at(commit.sha, run.paths.prd) != then for commit in frozen.commits)


def names_paper(stopped: Stopped, path: str) -> bool:
    """Whether a write event in the stream names this file, or a shell command that may do more than read it."""
    name = path.rpartition("/")[2]
    return any(one == path or one.endswith("/" + path) for one in stopped.wrote) or any(
        name in command and not only_reads(command) for command in stopped.commands
    )


def _tell_hand_edit(run: Run, task: Task, found: prd.Difference, now: Prd) -> None:
    texts = {one.id: one_line(clean(one.text), 60) for one in now.tasks}
    for one in found.ticked:
        run.say(f"“{texts.get(one, one)}” was ticked while {task.id} ran: the box goes back. "
                "Tick it again when no agent runs.", loud=True)  # fmt: skip
    for met in found.criteria:
        run.say(f"Criterion “{one_line(clean(met.text), 60)}” was ticked while {task.id} ran: its box goes back. "
                "Tick it again when no agent runs.", loud=True)  # fmt: skip
    for lost in found.vanished:
        run.vanished[lost.id] = one_line(clean(lost.text), 60)
        run.say(f"“{run.vanished[lost.id]}” vanished from {run.paths.prd} while {task.id} ran.", loud=True)
    for one in found.changed_checks:
        commands = next((other.fields.checks for other in now.tasks if other.id == one), ())
        run.say(f"A Check of “{texts.get(one, one)}” is new or changed: {'; '.join(commands)}", loud=True)


def _diff(old: bytes, new: bytes, name: str) -> str:
    lines = unified_diff(old.decode(errors="replace").splitlines(), new.decode(errors="replace").splitlines(),
                         f"{name} (at the start)", f"{name} (as it was left)", lineterm="", n=1)  # fmt: skip
    return "\n".join(list(lines)[:200])


# ---------------------------------------------------------------- placing


@immutable
class Placing:
    """PRD and memory file as the commit will hold them, and what to put back on red."""

    new: Mapping[str, bytes]
    old: Mapping[str, bytes | None]
    also: tuple[Task, ...] = ()  # parents ticked with the task


def place(run: Run, n: int, task: Task, settled: Settled, old_memory: bytes | None, entry: str) -> Placing | None:
    """Put tick and memory entry in place, before the gates run. None: the task is gone from the PRD."""
    found = prd.find(task, run.seen or settled.prd, settled.prd)
    if found is None:
        return None
    also = tuple(parent for parent in prd.parents_done_with(settled.prd, found.id) if not parent.fields.checks)
    ticked = prd.tick(settled.prd, found.id)
    ticked = prd.with_boxes(ticked, [parent.id for parent in also], done=True)
    new = {run.paths.prd: ticked.data}
    old: dict[str, bytes | None] = {run.paths.prd: settled.prd.data}
    if run.paths.memory:
        old[run.paths.memory] = left = run.papers.read(run.paths.memory)
        whole = remembered(run, ticked, old_memory, left, task, entry)
        new[run.paths.memory] = whole
        _archive(run, whole, new, old)
    run.note(Placed(n, tuple(new)))
    run.papers.swap(run.paths.prd, settled.prd.data, ticked.data)
    for path, content in new.items():
        if path != run.paths.prd:
            run.papers.swap(path, old[path], content)
    run.wrote = ticked.data
    return Placing(new, old, also)


def _archive(run: Run, whole: bytes, new: dict[str, bytes], old: dict[str, bytes | None]) -> None:
    """Where the log has grown long its old entries go to a file beside it, unless that is somebody's own."""
    path = archive.beside(run.paths.memory)
    older = run.papers.read(path)
    shorter, longer = archive.compact(whole, run.settings.memory_size, older)
    if longer is None or longer == older:
        return
    strange = older is not None and not run.git.blob_at(run.tip, path)
    if not strange and path not in run.git.ignored([path]):
        new[run.paths.memory], new[path], old[path] = shorter, longer, older


def take_out(run: Run, placing: Placing) -> None:
    """The gates are red: take out what was placed. What a person saved meanwhile stays, but for the tick."""
    untick(run, prd.parse(placing.old[run.paths.prd] or b"", run.paths.prd))
    for path, content in placing.new.items():
        if path != run.paths.prd:
            run.papers.swap(path, content, placing.old[path])
    run.wrote = placing.old[run.paths.prd] or b""


def name(task: Task) -> str:
    """A task in one line, with its written id."""
    return task.text if not task.written or task.text.startswith(task.id) else f"{task.id} {task.text}"


def merged(run: Run, base: bytes | None, left: bytes | None) -> tuple[bytes | None, tuple[str, ...]]:
    """The memory file with what an agent may add, and what of its edit is dropped."""
    return memory.merge_agent(base, left, starter=template("memory"), secrets=run.secrets)


def remembered(run: Run, now: Prd, base: bytes | None, left: bytes | None, task: Task, entry: str) -> bytes:
    """The memory file with what the agent may add, the new entry and the next tasks."""
    kept = left if run.paths.memory in task.fields.files else merged(run, base, left)[0]
    still = (one for one in now.tasks if one.leaf and not one.done and one.fields.parked is None)
    queue = [one_line(clean(name(one)), 120) for one in still]
    return memory.record(kept, starter=template("memory"), entry=entry, queue=queue)
