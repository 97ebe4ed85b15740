"""Questions to an agent: a hand-over note or smaller tasks. Its changes of the work tree are undone.

A question is an attempt with a purpose: it is in the journal, recovered after a crash, and never committed.
"""

from __future__ import annotations

from ralph.agents.model import Stopped
from ralph.engine import prd_file
from ralph.engine.attempt import ignored_files, prd_edits, prompt, stash
from ralph.engine.context import RunContext
from ralph.git import restore as undo
from ralph.git import workspace
from ralph.git.freeze import freeze
from ralph.git.index import scan
from ralph.package_data import templates
from ralph.prd.model import Prd, Task
from ralph.state.events import SetAside


def set_aside(run: RunContext, space: workspace.Workspace, prd: Prd, task: Task, end: Stopped, reason: str) -> None:
    """Undo all changes and keep them in a ref."""
    undo.refuse_gone(run.git)
    run.git.seal()
    now = scan(run.git)
    frozen = freeze(
        run.git, space.before, now, run.paths, ours=space.ours, watched=space.watched, named=lambda _: False,
        message=f"what attempt {space.n} left, which was only asked",
        ignored=ignored_files.examine_ignored(run, space.n, now),
    )  # fmt: skip
    held = workspace.leave(run.git, space, frozen, now.refs, run.state.tip)
    stash.settle_stash(run, space, task.id, frozen)
    settled = prd_edits.settle(run, prd, task, end, frozen)
    workspace.roll_back(run.git, space, frozen, frozenset({run.paths.prd}))
    if settled.by_hand:
        prd_file.commit_hand_edit(run, settled.prd.data, "docs(prd): changed while an agent was asked")
    run.note(SetAside(space.n, task.id, reason, counted=False, work=held, move="asked"))


def hand_over(run: RunContext, task: Task) -> str:
    """Return the question for a hand-over note."""
    last = (run.last_failure(task) or ((), None))[1]
    return prompt.ask_handover(
        templates(), task=task, stopped=last, secrets=run.secrets,
    )  # fmt: skip


def split(run: RunContext, task: Task) -> str:
    """Return the question for smaller tasks."""
    return prompt.ask_split(
        templates(), task=task, previous=run.last_failure(task), secrets=run.secrets,
    )  # fmt: skip
