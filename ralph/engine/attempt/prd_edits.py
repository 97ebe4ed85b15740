"""The PRD after an attempt, sorted by evidence.

ralph never guesses who wrote a line. What an agent is shown to have written goes back; what nobody is shown to have
written stays, but a box that became ticked while an agent ran is not evidence and goes back too.
"""

from __future__ import annotations

from difflib import unified_diff

from ralph.agents.model import Stopped
from ralph.agents.shell_commands import only_reads
from ralph.engine import prd_file as paper
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
    """The PRD after an attempt: what stays, and what the evidence says of the rest."""

    prd: Prd
    edit: PrdEdit
    by_hand: bool  # it differs from the attempt's start: a commit of its own goes before the task's


def settle(run: RunContext, start: Prd, task: Task, stopped: Stopped, frozen: FrozenWork) -> PrdOutcome:
    """Put back what does not stay, and say what was there. The frozen work holds all of it."""
    data = run.papers.read(run.paths.prd)
    if data == start.data:
        return PrdOutcome(start, PrdEdit(), by_hand=False)
    now = paper.parsed(run, data)
    back = f"To bring it in again: git show {frozen.work[:12]}:{run.paths.prd} > {run.paths.prd}"
    diff = _diff(start.data, data or b"", run.paths.prd) + "\n" + back
    if now is None:
        run.papers.put(run.paths.prd, start.data)
        return PrdOutcome(start, PrdEdit(True, (), True, diff), by_hand=False)
    named = run.paths.prd in task.fields.files
    if run.apart or (not named and _by_agent(run, task, stopped, frozen)):
        only_commits = not run.apart and not names_paper(stopped, run.paths.prd)
        typed = typed_beside(run, start, now, frozen) if only_commits else None
        return _take_back(run, start, now, task, typed, diff)
    edit = PrdEdit(False, prd.difference(start, now).ticked, False, diff)
    return _keep(run, start, now, task, edit)


def _take_back(run: RunContext, start: Prd, now: Prd, task: Task, typed: HandEdits | None, diff: str) -> PrdOutcome:
    """What the agent is shown to have written goes; what people `typed` beside it stays."""
    made, kept = (typed.made, typed.kept) if typed else (now, start)
    agents = prd.difference(start, made)
    edit = PrdEdit(True, agents.ticked, agents.rewrote, diff)
    run.papers.edit(run.paths.prd, lambda there: kept.data if there == now.data else there)
    return _keep(run, start, kept, task, edit) if typed else PrdOutcome(start, edit, by_hand=False)


def _keep(run: RunContext, start: Prd, now: Prd, task: Task, edit: PrdEdit) -> PrdOutcome:
    """What nobody is shown to have written stays, but for ticks."""
    found = prd.difference(start, now)
    run.edited, once = paper.changed_at(run), paper.emptied_once(run, now)
    data = run.papers.edit(
        run.paths.prd, lambda fresh: paper.with_ticks(run, once, _unticked(run, start, fresh))
    ) or b""  # fmt: skip
    _tell_hand_edit(run, task, found, now)
    if once:
        paper.tell_ticked_again(run, once)
    settled = prd.parse(data, run.paths.prd)
    return PrdOutcome(settled, edit, by_hand=data != start.data)


def untick(run: RunContext, start: Prd) -> None:
    """Take out every tick that was not there at the start."""
    run.papers.edit(run.paths.prd, lambda fresh: _unticked(run, start, fresh))


def take_back_ticks(run: RunContext, start: Prd, task: Task) -> None:
    """An agent in a worktree changed the PRD here: what became ticked, and not by ralph, is empty again."""

    def edit(fresh: bytes | None) -> bytes | None:
        now = paper.parsed(run, fresh)
        if now is None:
            return fresh
        kept = [task.id for task in now.tasks if task.done and task.id in run.history.ticked]
        return prd.with_boxes(prd.without_new_ticks(start, now), kept, done=True).data

    before = run.papers.read(run.paths.prd)
    if run.papers.edit(run.paths.prd, edit) != before:
        run.say(f"The agent of {task.id} ticked boxes in this checkout's {run.paths.prd}: they are empty again.",
                loud=True)  # fmt: skip


def untick_after_gates(run: RunContext, placed: bytes) -> None:
    """A box that became ticked while gates ran goes back: gates run what an agent wrote. All else stays."""
    if run.papers.read(run.paths.prd) != placed:
        untick(run, prd.parse(placed, run.paths.prd))


def _unticked(run: RunContext, start: Prd, fresh: bytes | None) -> bytes | None:
    now = paper.parsed(run, fresh)
    return fresh if now is None else prd.without_new_ticks(start, now).data


def _by_agent(run: RunContext, task: Task, stopped: Stopped, frozen: FrozenWork) -> bool:
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
    return any(name == path or name.endswith("/" + path) for name in stopped.wrote) or any(
        name in command and not only_reads(command) for command in stopped.commands
    )


def _tell_hand_edit(run: RunContext, task: Task, found: prd.PrdDiff, now: Prd) -> None:
    texts = {other_task.id: one_line(clean(other_task.text), 60) for other_task in now.tasks}
    for name in found.ticked:
        run.say(f"“{texts.get(name, name)}” was ticked while {task.id} ran: the box goes back. "
                "Tick it again when no agent runs.", loud=True)  # fmt: skip
    for met in found.criteria:
        run.say(f"Criterion “{one_line(clean(met.text), 60)}” was ticked while {task.id} ran: its box goes back. "
                "Tick it again when no agent runs.", loud=True)  # fmt: skip
    for lost in found.vanished:
        run.vanished[lost.id] = one_line(clean(lost.text), 60)
        run.say(f"“{run.vanished[lost.id]}” vanished from {run.paths.prd} while {task.id} ran.", loud=True)
    for check in found.changed_checks:
        commands = next((other.fields.checks for other in now.tasks if other.id == check), ())
        run.say(f"A Check of “{texts.get(check, check)}” is new or changed: {'; '.join(commands)}", loud=True)


def _diff(old: bytes, new: bytes, name: str) -> str:
    lines = unified_diff(old.decode(errors="replace").splitlines(), new.decode(errors="replace").splitlines(),
                         f"{name} (at the start)", f"{name} (as it was left)", lineterm="", n=1)  # fmt: skip
    return "\n".join(list(lines)[:200])
