"""Ask an agent for words: a hand-over note, smaller tasks. It works where the task works, and all it changes goes.

An asking is an attempt with a purpose: the journal knows it, a crash is taken up, and nothing of it is recorded.
"""

from __future__ import annotations

from ralph.agents.model import Stopped
from ralph.engine import prd_file as paper
from ralph.engine.attempt import prd_edits as settling
from ralph.engine.attempt import prompt as briefing
from ralph.engine.attempt import stash as stashes
from ralph.engine.context import RunContext
from ralph.git import restore as undo
from ralph.git import workspace
from ralph.git.freeze import freeze
from ralph.git.index import scan
from ralph.package_data import templates
from ralph.prd.model import Prd, Task
from ralph.state.events import SetAside


def set_aside(run: RunContext, space: workspace.Workspace, prd: Prd, task: Task, end: Stopped, reason: str) -> None:
    """Nothing of it stays, but in its ref."""
    undo.refuse_gone(run.git)
    run.git.seal()
    now = scan(run.git)
    frozen = freeze(
        run.git, space.before, now, run.paths, ours=space.ours, watched=space.watched, named=lambda _: False,
        message=f"what attempt {space.n} left, which was only asked",
    )  # fmt: skip
    held = workspace.leave(run.git, space, frozen, now.refs, run.tip)
    stashes.settle_stash(run, space, task.id, frozen)
    settled = settling.settle(run, prd, task, end, frozen)
    workspace.roll_back(run.git, space, frozen, frozenset({run.paths.prd}))
    if settled.by_hand:
        paper.commit_hand_edit(run, settled.prd.data, "docs(prd): changed while an agent was asked")
    run.note(SetAside(space.n, task.id, reason, counted=False, work=held, move="asked"))


def hand_over(run: RunContext, task: Task) -> str:
    """The question for a hand-over note."""
    last = (run.last_failure(task) or ((), None))[1]
    return briefing.ask_handover(
        templates(), task=task, stopped=last, secrets=run.secrets,
    )  # fmt: skip


def split(run: RunContext, task: Task) -> str:
    """The question for smaller tasks."""
    return briefing.ask_split(
        templates(), task=task, previous=run.last_failure(task), secrets=run.secrets,
    )  # fmt: skip
