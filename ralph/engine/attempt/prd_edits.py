"""Edits of the PRD during an attempt, classified by evidence.

ralph never guesses an author. Edits that evidence ascribes to the agent are undone. Other edits stay, except new
ticks: a tick made while an agent ran is no evidence.
"""

from __future__ import annotations

from difflib import unified_diff

from ralph.agents.model import Stopped
from ralph.agents.shell_commands import only_reads
from ralph.engine import kept_requirements, prd_file
from ralph.engine.attempt.prd_edits_by_hand import HandEdits, typed_beside
from ralph.engine.context import RunContext
from ralph.git.freeze import FrozenWork
from ralph.immutable import immutable
from ralph.prd import document as prd
from ralph.prd.model import Prd, Task
from ralph.text import clean, one_line
from ralph.verify.model import PrdEdit


@immutable
class PrdOutcome:
    """The PRD after an attempt, and the edit that the evidence ascribes to the agent."""

    prd: Prd
    edit: PrdEdit
    by_hand: bool  # it differs from the attempt's start: it is committed before the task


def settle(run: RunContext, start: Prd, task: Task, stopped: Stopped, frozen: FrozenWork) -> PrdOutcome:
    """Undo the edits that don't stay and return the outcome. The frozen work holds all edits."""
    data = run.editor.read(run.paths.prd)
    if data == start.data:
        return PrdOutcome(start, PrdEdit(), by_hand=False)
    now = prd_file.parsed(run, data)
    back = f"To bring it in again: git show {frozen.work[:12]}:{run.paths.prd} > {run.paths.prd}"
    diff = _diff(start.data, data or b"", run.paths.prd) + "\n" + back
    if now is None:
        run.editor.put(run.paths.prd, start.data)
        return PrdOutcome(start, PrdEdit(True, (), True, diff), by_hand=False)
    named = run.paths.prd in task.fields.files
    if run.apart or (not named and _by_agent(run, task, stopped, frozen)):
        only_commits = not run.apart and not names_paper(stopped, run.paths.prd)
        typed = typed_beside(run, start, now, frozen) if only_commits else None
        return _take_back(run, start, now, task, typed, diff)
    edit = PrdEdit(False, prd.difference(start, now).ticked, False, diff)
    return _keep(run, start, now, task, edit)


def _take_back(run: RunContext, start: Prd, now: Prd, task: Task, typed: HandEdits | None, diff: str) -> PrdOutcome:
    """Undo the agent's edits and keep the hand edits in `typed`."""
    made, expected = (typed.made, typed.kept) if typed else (now, start)
    agents = prd.difference(start, made)
    edit = PrdEdit(True, agents.ticked, agents.rewrote, diff)
    run.editor.edit(run.paths.prd, lambda content: expected.data if content == now.data else content)
    return _keep(run, start, expected, task, edit) if typed else PrdOutcome(start, edit, by_hand=False)


def _keep(run: RunContext, start: Prd, now: Prd, task: Task, edit: PrdEdit) -> PrdOutcome:
    """Keep the edits without evidence of an author, but undo their ticks."""
    difference = prd.difference(start, now)
    run.state.reading.edited_at, once = prd_file.changed_at(run), prd_file.emptied_once(run, now)
    data = run.editor.edit(
        run.paths.prd, lambda fresh: prd_file.with_ticks(run, once, _unticked(run, start, fresh))
    ) or b""  # fmt: skip
    _tell_hand_edit(run, task, difference, now)
    kept_requirements.keep_requirements(run, start, now, task)
    if once:
        prd_file.tell_ticked_again(run, once)
    settled = prd.parse(data, run.paths.prd)
    return PrdOutcome(settled, edit, by_hand=data != start.data)


def untick(run: RunContext, start: Prd) -> None:
    """Undo every tick that is not in `start`."""
    run.editor.edit(run.paths.prd, lambda fresh: _unticked(run, start, fresh))


def take_back_ticks(run: RunContext, start: Prd, task: Task) -> None:
    """Undo new ticks in this checkout that ralph did not make, after an agent in a worktree changed its PRD."""

    def edit(fresh: bytes | None) -> bytes | None:
        now = prd_file.parsed(run, fresh)
        if now is None:
            return fresh
        ticked = [task.id for task in now.tasks if task.done and task.id in run.state.history.ticked]
        return prd.with_boxes(prd.without_new_ticks(start, now), ticked, done=True).data

    before = run.editor.read(run.paths.prd)
    if run.editor.edit(run.paths.prd, edit) != before:
        run.say(f"The agent of {task.id} ticked boxes in this checkout's {run.paths.prd}: they are empty again.",
                loud=True)  # fmt: skip


def untick_after_gates(run: RunContext, placed: bytes) -> None:
    """Undo ticks that appeared while gates ran, because gates run the agent's code. Keep other edits."""
    if run.editor.read(run.paths.prd) != placed:
        untick(run, prd.parse(placed, run.paths.prd))


def _unticked(run: RunContext, start: Prd, fresh: bytes | None) -> bytes | None:
    now = prd_file.parsed(run, fresh)
    return fresh if now is None else prd.without_new_ticks(start, now).data


def _by_agent(run: RunContext, task: Task, stopped: Stopped, frozen: FrozenWork) -> bool:
    """Whether the stream names the PRD or, for an agent without events, a commit of the attempt changed it."""
    if names_paper(stopped, run.paths.prd):
        return True
    if run.worker(task).agent.EVENTS or not frozen.commits:
        return False
    then = run.git.blob_at(run.state.tip, run.paths.prd)
    return any(run.git.blob_at(commit.sha, run.paths.prd) != then for commit in frozen.commits)


def names_paper(stopped: Stopped, path: str) -> bool:
    """Whether a write event in the stream names this file, or a shell command that may do more than read it."""
    name = path.rpartition("/")[2]
    return any(name == path or name.endswith("/" + path) for name in stopped.wrote) or any(
        name in command and not only_reads(command) for command in stopped.commands
    )


def _tell_hand_edit(run: RunContext, task: Task, difference: prd.PrdDiff, now: Prd) -> None:
    texts = {other_task.id: one_line(clean(other_task.text), 60) for other_task in now.tasks}
    for name in difference.ticked:
        run.say(f"“{texts.get(name, name)}” was ticked while {task.id} ran: the box goes back. "
                "Tick it again when no agent runs.", loud=True)  # fmt: skip
    for met in difference.criteria:
        run.say(f"Criterion “{one_line(clean(met.text), 60)}” was ticked while {task.id} ran: its box goes back. "
                "Tick it again when no agent runs.", loud=True)  # fmt: skip
    for lost in difference.vanished:
        run.state.vanished[lost.id] = one_line(clean(lost.text), 60)
        run.say(f"“{run.state.vanished[lost.id]}” vanished from {run.paths.prd} while {task.id} ran.", loud=True)
    for check in difference.changed_checks:
        commands = next((other.fields.checks for other in now.tasks if other.id == check), ())
        run.say(f"A Check of “{texts.get(check, check)}” is new or changed: {'; '.join(commands)}", loud=True)


def _diff(old: bytes, new: bytes, name: str) -> str:
    lines = unified_diff(old.decode(errors="replace").splitlines(), new.decode(errors="replace").splitlines(),
                         f"{name} (at the start)", f"{name} (as it was left)", lineterm="", n=1)  # fmt: skip
    return "\n".join(list(lines)[:200])
