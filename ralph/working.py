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
from ralph.events import AgentReported, AgentStarted, AgentStopped
from ralph.model import Kind, Prd, Signal, Stopped, Task, Why
from ralph.paper import names_paper
from ralph.run import Run
from ralph.system import session
from ralph.system.files import templates
from ralph.system.workspace import Workspace
from ralph.text import clean, mask, one_line

SIGN_OF_LIFE = 30.0  # seconds


def brief(run: Run, task: Task, prd: Prd, n: int) -> Path:
    """Write the prompt; returns its file (0600)."""
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
        attempt=run.history.tallies[task.id].tried + 1,
        previous=run.failed.get(task.id),
        secrets=run.secrets,
    )
    path = run.folder / f"{n}.prompt.md"
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


def let_work(run: Run, space: Workspace, task: Task, prompt: Path) -> Stopped:
    """Start the agent and follow it to its end."""
    settings = run.settings
    follower = _Follower(run, space.n)
    end = session.run(
        run.launch(task),
        cwd=run.here,
        env=_environment(run, task, prompt),
        prompt=prompt,
        transcript=run.folder / f"{space.n}.log",
        read=run.agent.read if run.agent.EVENTS else None,
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


class _Follower:
    """Watches one attempt: what is spent, what is shown, when it must end."""

    def __init__(self, run: Run, n: int) -> None:
        self._run, self._n = run, n
        self._tally = session.Tally()
        self._last = time.monotonic()
        self._refused = False

    def started(self, pid: int, start: float) -> None:
        self._run.note(AgentStarted(self._n, pid, start, self._run.agent.NAME))

    def tell(self, signal: Signal) -> None:
        self._tally.add(signal)
        self._refused |= signal.kind in (Kind.AUTH, Kind.CREDIT)
        action = signal.kind is Kind.TOOL
        if action or time.monotonic() - self._last >= SIGN_OF_LIFE:
            self._report(signal)

    def _report(self, signal: Signal) -> None:
        self._last = time.monotonic()
        what = (
            " ".join(part for part in (signal.tool, signal.command or " ".join(signal.paths)) if part)
            or signal.text
        )
        shown = one_line(mask(clean(what), self._run.secrets), 120)
        self._run.note(AgentReported(self._n, shown, self._tally.tokens, self._tally.cost))

    def stop(self) -> Why | None:
        if self._run.stop:
            return Why.INTERRUPTED
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
    kept = {"said": end.said, "tail": end.tail, "actions": end.actions, "names": named, "output": end.output}
    shown = {name: _masked(value, run.secrets) for name, value in kept.items()}
    return AgentStopped(n, end.why.value, end.code, round(end.seconds, 3), end.tokens, end.cost, end.ended, kind,
                        mask(message, run.secrets), resets, **shown)  # fmt: skip


def _masked(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        return mask(value, secrets)
    return tuple(mask(one, secrets) for one in value) if isinstance(value, tuple) else value
