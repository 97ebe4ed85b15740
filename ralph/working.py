"""Brief an agent and let it work: the prompt, the environment, the limits while it runs."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ralph.agents.limits import resets
from ralph.core import brief as briefing
from ralph.core import memory
from ralph.events import AgentReported, AgentStarted, AgentStopped, Chosen, WorkspaceReady
from ralph.model import Kind, Prd, Signal, Stopped, Task, Why
from ralph.paper import names_paper
from ralph.run import Run
from ralph.system import session, workspace
from ralph.system.files import templates
from ralph.system.workspace import Workspace
from ralph.text import clean, mask, one_line
from ralph.worker import Worker

SIGN_OF_LIFE = 30.0  # seconds


def begin(run: Run, task: Task, purpose: str = "", work: str = "") -> Workspace:
    """Choose it, in the journal, and give it its place; `work` is the unfinished work that it goes on from."""
    n = run.history.n + 1
    run.note(Chosen(n, task.id, one_line(clean(task.text)), run.tally(task).tried + 1, run.tip, purpose))
    space = workspace.prepare(run.git, run.id, n, run.branch, run.tip, run.paths, run.before, run.just_scanned())
    run.before = space.before
    run.note(WorkspaceReady(n, space.before.commit, space.before.unsaved, carried=bool(work)))
    if work and (lost := workspace.carry(run.git, space, work, run.paths)):
        run.say(f"Changed meanwhile, so the unfinished work of these is left out: {', '.join(lost[:5])}", loud=True)
    return space


def brief(run: Run, task: Task, prd: Prd, n: int) -> Path:
    """Write the prompt; returns its file (0600)."""
    tally, note = run.tally(task), run.control.note_for(task.id)
    rules = memory.rules(run.base_memory())
    text = briefing.brief(
        templates(),
        task=task,
        parents=parents(prd, task),
        gates=run.gates_for(task),
        rules=rules,
        protected=(*task.fields.protected, *run.settings.protected),
        prd_name=run.paths.prd,
        memory_name=run.paths.memory,
        attempt=tally.tried + 1,
        previous=run.failed.get(task.id),
        secrets=run.secrets,
        **{name: said for name, said in (("note", note), ("handover", tally.note)) if said},
    )
    return written(run, n, text)


def written(run: Run, n: int, text: str, name: str = "prompt") -> Path:
    """A prompt's file."""
    path = run.folder / f"{n}.{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    path.write_text(text, encoding="utf-8", errors="replace")
    return path


def parents(prd: Prd, task: Task) -> tuple[Task, ...]:
    """The tasks around this one, outermost first."""
    by_id = {one.id: one for one in prd.tasks}
    found: list[Task] = []
    above = task.parent
    while above is not None and above in by_id:
        found.insert(0, by_id[above])
        above = by_id[above].parent
    return tuple(found)


def let_work(run: Run, space: Workspace, task: Task, prompt: Path, *, read_only: bool = False) -> Stopped:
    """Start the agent and follow it to its end."""
    settings, worker = run.settings, run.worker(task)
    follower = Follower(run, space.n, task, worker)
    end = session.run(
        run.launch(worker, read_only=read_only),
        cwd=run.here,
        env=_environment(run, task, prompt),
        prompt=prompt,
        transcript=run.folder / f"{space.n}.log",
        read=worker.agent.read if worker.agent.EVENTS else None,
        silence=settings.silence,
        open_tool_silence=max(settings.silence, settings.gate_timeout),
        wall=task.fields.timeout or settings.task_timeout,
        started=follower.started,
        tell=follower.tell,
        stop=follower.stop,
    )
    return _with_reset(end)


def _with_reset(end: Stopped) -> Stopped:
    """Where the agent told its reset time only in words, read them against this machine's clock."""
    failure = end.failure
    if failure is None or failure.resets_at is not None:
        return end
    return replace(end, failure=replace(failure, resets_at=resets(failure.text, datetime.now().astimezone())))


def _environment(run: Run, task: Task, prompt: Path) -> Mapping[str, str]:
    tally = run.history.tallies[task.id]
    return {
        **os.environ,
        **session.NONINTERACTIVE,
        "RALPH_PROMPT_FILE": str(prompt),
        "RALPH_TASK_ID": task.id,
        "RALPH_RUN_ID": run.id,
        "RALPH_ATTEMPT": str(tally.tried + 1),
    }


class Follower:
    """Watches one attempt: what is spent, what is shown, when it must end."""

    def __init__(self, run: Run, n: int, task: Task, worker: Worker, *, quiet: bool = False) -> None:
        self._quiet = quiet  # not an attempt's own agent: the journal does not follow it
        self._run, self._n, self._task, self._worker = run, n, task, worker
        self._tally = session.Tally()
        self._last = time.monotonic()
        self._refused = False

    def started(self, pid: int, start: float) -> None:
        self._run.note(AgentStarted(self._n, pid, start, self._worker.name))

    def tell(self, signal: Signal) -> None:
        self._tally.add(signal)
        self._refused |= signal.kind in (Kind.AUTH, Kind.CREDIT)
        action = signal.kind is Kind.TOOL
        if action or time.monotonic() - self._last >= SIGN_OF_LIFE:
            self._report(signal)

    def _report(self, signal: Signal) -> None:
        self._last = time.monotonic()
        if self._quiet:
            return
        what = (
            " ".join(part for part in (signal.tool, signal.command or " ".join(signal.paths)) if part)
            or signal.text
        )
        shown = one_line(mask(clean(what), self._run.secrets), 120)
        self._run.note(AgentReported(self._n, shown, self._tally.tokens, self._tally.cost))

    def stop(self) -> Why | None:
        if self._run.hurried:
            return Why.INTERRUPTED
        if self._task.id in self._run.control.skipped():
            return Why.SKIPPED
        if self._refused:
            return Why.REFUSED  # it would ask again for minutes, in vain
        if time.monotonic() - self._last >= SIGN_OF_LIFE:
            self._report(Signal(Kind.TEXT))
        return Why.LIMIT if self._run.limit(self._tally.tokens, self._tally.cost) else None


def told(run: Run, n: int, end: Stopped) -> AgentStopped:
    """How it ended, for the journal: enough to judge the attempt after a crash."""
    failure = end.failure
    kind, message, resets = (failure.kind.value, failure.text, failure.resets_at) if failure else ("", "", None)
    named = tuple(path for path in sorted(run.paths.both) if names_paper(end, path))
    kept = {"said": end.said, "tail": end.tail, "actions": end.actions, "names": named, "output": end.output,
            "detail": end.detail}
    shown = {name: _masked(value, run.secrets) for name, value in kept.items()}
    return AgentStopped(n, end.why.value, end.code, round(end.seconds, 3), end.tokens, end.cost, end.ended, kind,
                        mask(message, run.secrets), resets, **shown)  # fmt: skip


def _masked(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        return mask(value, secrets)
    return tuple(mask(one, secrets) for one in value) if isinstance(value, tuple) else value
