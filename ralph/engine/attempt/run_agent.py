"""Runs an agent: its prompt, environment and sandbox."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ralph.agents import sandbox
from ralph.agents.model import Launch, Stopped
from ralph.agents.selection import AgentChoice
from ralph.agents.session import session
from ralph.engine import gate_selection
from ralph.engine.attempt import ignored_files
from ralph.engine.attempt import prompt as briefing
from ralph.engine.attempt.monitor import AttemptMonitor
from ralph.engine.attempt.prd_edits import names_paper
from ralph.engine.context import RunContext
from ralph.engine.launch import launch_of
from ralph.git import workspace
from ralph.git.poll import polling
from ralph.git.workspace import Workspace
from ralph.memory import file as memory
from ralph.package_data import templates
from ralph.prd.model import Prd, Task
from ralph.state.events import AgentStopped, Chosen, WorkspaceReady
from ralph.text import clean, mask, one_line


def choose(run: RunContext, task: Task, purpose: str = "") -> int:
    """Journal the choice of a task. Return the number of the attempt."""
    n = run.state.history.n + 1
    run.note(Chosen(n, task.id, one_line(clean(task.text)), run.tally(task).tried + 1, run.state.tip, purpose))
    return n


def prepare(run: RunContext, n: int, task: Task, work: str = "") -> Workspace:
    """Return the workspace of a chosen attempt, with the unfinished `work` in it."""
    space = workspace.prepare(
        run.git, run.id, n, run.stands_on, run.state.tip, run.paths, run.state.snapshot, run.state.just_scanned()
    )  # fmt: skip
    run.state.snapshot = space.before
    ignored_files.record_ignored(run, space, task, protected(run, task))
    run.note(WorkspaceReady(n, space.before.commit, space.before.unsaved, carried=bool(work)))
    if work and (lost := workspace.carry(run.git, space, work, run.paths)):
        run.say(f"Changed meanwhile, so the unfinished work of these is left out: {', '.join(lost[:5])}", loud=True)
    return space


def brief(run: RunContext, task: Task, prd: Prd, n: int) -> Path:
    """Write the prompt. Return its file (mode 0600)."""
    tally, note = run.tally(task), run.control.note_for(task.id)
    rules = memory.rules(run.base_memory())
    text = briefing.brief(
        templates(),
        task=task,
        parents=parents(prd, task),
        gates=gate_selection.gates_for(run, task),
        rules=rules,
        protected=(*task.fields.protected, *run.settings.protected),
        prd_name=run.paths.prd,
        memory_name=run.paths.memory,
        attempt=tally.tried + 1,
        previous=run.last_failure(task),
        secrets=run.secrets,
        note=note,
        handover=tally.note if tally.work else "",
        subtasks=[part for part in prd.tasks if task.fields.split and part.parent == task.id],
    )
    return write_prompt(run, n, text)


def write_prompt(run: RunContext, n: int, text: str, name: str = "prompt") -> Path:
    """Write a prompt to its file in the run's folder (mode 0600). Return the path."""
    path = run.folder / f"{n}.{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    path.write_text(text, encoding="utf-8", errors="replace")
    return path


def parents(prd: Prd, task: Task) -> tuple[Task, ...]:
    """Return the parents of a task, outermost first."""
    by_id = {other_task.id: other_task for other_task in prd.tasks}
    chain: list[Task] = []
    above = task.parent
    while above is not None and above in by_id:
        chain.insert(0, by_id[above])
        above = by_id[above].parent
    return tuple(chain)


def let_work(run: RunContext, space: Workspace, task: Task, prompt: Path, *, read_only: bool = False) -> Stopped:
    """Run the agent to its end."""
    settings, worker = run.settings, run.worker(task)
    env = _environment(run, task, prompt)
    with (
        polling(run.git) as looker,
        sandboxed(run, launch_of(run, worker, read_only=read_only), worker, env) as launch,
    ):
        follower = AttemptMonitor(
            run, space.n, task, worker, looker=looker, known=space.before.untracked, protected=protected(run, task)
        )
        wall = task.fields.timeout or settings.task_timeout
        return follower.follow(launch, env, prompt, run.folder / f"{space.n}.log", wall)


@contextmanager
def sandboxed(run: RunContext, launch: Launch, worker: AgentChoice, env: Mapping[str, str]) -> Iterator[Launch]:
    """Yield the launch, sandboxed if the settings ask for it. Delete the sandbox's /tmp on exit."""
    if run.settings.sandbox == "off" or not sandbox.wanted(run.settings.sandbox):
        yield launch
        return
    where, folder = run.git.where, run.git.where.state / "tmp" / "sandbox"
    try:
        argv = sandbox.wrap(
            launch.argv, {**env, **launch.env}, root=where.root, here=run.here, git_dir=where.git_dir,
            common=where.common, home_paths=worker.agent.HOME, extra=run.settings.sandbox_paths, tmp=folder,
        )  # fmt: skip
        yield replace(launch, argv=argv)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def protected(run: RunContext, task: Task) -> tuple[str, ...]:
    """Return the patterns, from the repository's root, that this task must not change."""
    always = (*run.settings.protected, *memory.rules(run.base_memory()).protected)
    return (*run.patterns(task.fields.protected), *always)


def _environment(run: RunContext, task: Task, prompt: Path) -> Mapping[str, str]:
    tally = run.state.history.tallies[task.id]
    return {
        **run.environment(),
        **session.NONINTERACTIVE,
        "RALPH_PROMPT_FILE": str(prompt),
        "RALPH_TASK_ID": task.id,
        "RALPH_RUN_ID": run.id,
        "RALPH_ATTEMPT": str(tally.tried + 1),
    }


def stopped_event(run: RunContext, n: int, end: Stopped) -> AgentStopped:
    """Return the agent's end for the journal: enough to judge the attempt after a crash."""
    failure = end.failure
    kind, message, resets = (failure.kind.value, failure.text, failure.resets_at) if failure else ("", "", None)
    named = tuple(path for path in sorted(run.paths.both) if names_paper(end, path))
    texts = {
        "said": end.said,
        "tail": end.tail,
        "actions": end.actions,
        "names": named,
        "output": end.output,
        "detail": end.detail,
    }
    shown = {name: _masked(value, run.secrets) for name, value in texts.items()}
    return AgentStopped(n, end.why.value, end.code, round(end.seconds, 3), end.tokens, end.cost, end.ended, kind,
                        mask(message, run.secrets), resets, **shown, about=end.about)  # fmt: skip


def _masked(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        return mask(value, secrets)
    return tuple(mask(entry, secrets) for entry in value) if isinstance(value, tuple) else value
