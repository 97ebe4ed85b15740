"""The fixed part of a run: where it works, with which agents and settings. `start` builds it once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, Self

from ralph import paths
from ralph.agents.selection import AgentChoice, names_agent, parse_choice
from ralph.agents.usage import Spent
from ralph.config import Settings
from ralph.engine.commit import FileEditor
from ralph.engine.run_state import Failure, RunState
from ralph.engine.stop_signal import StopSignal
from ralph.errors import Exit
from ralph.git.client import Git
from ralph.git.freeze import OwnFiles
from ralph.immutable import immutable
from ralph.prd.model import Task, id_prefix
from ralph.state.control import Control
from ralph.state.events import Event, Noted
from ralph.state.history import TaskStats, fold
from ralph.state.journal import Entry
from ralph.state.projection import findings_of, stopped_of
from ralph.text import clean, one_line, secrets_of


class EventSink(Protocol):
    """Where events are recorded: the journal, or the channel to the process that owns it."""

    def write(self, event: Event) -> Entry:
        """Record the event. Return it with its time."""

    def close(self) -> None:
        """Record no more."""


@dataclass(frozen=True)
class RunContext:
    """One run. Only its `state` changes."""

    settings: Settings
    id: str
    git: Git
    here: Path  # where ralph was started: agents and gates run here
    paths: OwnFiles  # PRD and memory file, as paths in the repository
    editor: FileEditor
    workers: tuple[AgentChoice, ...]  # the agent that the user chose, then the ladder
    control: Control  # the orders from other terminals
    journal: EventSink
    tell: Callable[[Event], None]
    stop: StopSignal
    state: RunState
    secrets: tuple[str, ...] = field(default_factory=lambda: secrets_of(os.environ))
    checkout: Git | None = None  # the user's, where `git` is a worktree's
    spending: Callable[[Spent], None] | None = None  # gets the usage of the attempt in progress
    parent_limit: Callable[[], str] | None = None  # in a worker: the limit that the parent reports, or ""
    clock: float = field(default_factory=time.monotonic)  # when this process started the run ...
    began: float = field(default_factory=time.time)  # ... in epoch seconds

    def note(self, event: Event) -> None:
        """Write an event to the journal, fold it into the history, show it, and send its notifications."""
        state = self.state
        if isinstance(event, Noted) and event.once and event.text in state.history.noted:
            return
        entry = self.journal.write(event)
        state.history = fold(state.history, entry.time, self.id, event)
        self.tell(event)
        for complaint in state.notify(event):
            self.say(complaint, loud=True)

    def say(self, text: str, *, loud: bool = False, detail: str = "", once: bool = False) -> None:
        self.note(Noted(text, loud, detail, once=once))

    @property
    def hurried(self) -> bool:
        """Whether what is in progress has to end now."""
        return bool(self.stop) or self.control.stop_asked() == "now"

    @property
    def root(self) -> Path:
        return self.git.where.root

    @property
    def folder(self) -> Path:
        """The folder of this run's transcripts and prompts."""
        return self.state_folder / "runs" / self.id

    @property
    def state_folder(self) -> Path:
        """ralph's own folder for this checkout."""
        return (self.checkout or self.git).where.state

    @property
    def apart(self) -> bool:
        """Whether this is an attempt in a worktree. There only the agent writes, and HEAD is detached."""
        return self.checkout is not None

    def elsewhere(self, git: Git) -> Self:
        """Return the same run in another work tree of the repository. Its state goes on by itself."""
        here = git.where.root / self.here.relative_to(self.root)
        checkout = self.checkout or self.git
        return replace(self, git=git, checkout=checkout, here=here, editor=FileEditor(git), state=self.state.copy())

    @property
    def stands_on(self) -> str:
        """The branch that the work tree's HEAD belongs on, or "" where it is detached between attempts."""
        return "" if self.apart else self.state.branch

    @property
    def seconds(self) -> float:
        """The time since the run began, without the time in which it was cut off; the clock may be set."""
        history = self.state.history
        before = max(0.0, self.began - history.started - history.away) if history.started else 0.0
        return before + time.monotonic() - self.clock

    def tally(self, task: Task) -> TaskStats:
        """Return what happened to this task so far."""
        return self.state.history.tallies.get(task.id, TaskStats())

    def last_failure(self, task: Task) -> Failure | None:
        """Return the findings of the last try and its end; after a restart, what the journal kept of them."""
        if task.id in self.state.failures:
            return self.state.failures[task.id]
        tally = self.tally(task)
        if tally.stopped is None:
            return None
        return findings_of(tally.judged) if tally.judged else (), stopped_of(tally.stopped)

    def worker(self, task: Task) -> AgentChoice:
        """Return the agent that works on this task now: the one that the task names, then the ladder."""
        rung = min(self.tally(task).rung, len(self.workers) - 1)
        if rung:
            return self.workers[rung]
        first = parse_choice(task.fields.agent) if names_agent(task.fields.agent) else self.workers[0]
        return replace(first, model=task.fields.model) if task.fields.model else first

    @property
    def left_out(self) -> frozenset[str]:
        """Ids of tasks that are not tried in this run."""
        return frozenset(self.state.unparkable) | self.state.history.skipped | self.control.skipped()

    def subject(self, task: Task) -> str:
        """Return the first line of the task's commit."""
        text = one_line(clean(task.text), 100)
        named = id_prefix(task, text) + text
        return one_line(self.settings.subject.replace("{task}", named).replace("{id}", task.id), 120)

    def patterns(self, patterns: tuple[str, ...]) -> tuple[str, ...]:
        """Return patterns of the PRD, which are relative to its folder, as patterns of the repository."""
        folder = self.paths.prd.rpartition("/")[0]
        return tuple(paths.placed(folder, pattern) for pattern in patterns)

    def base_memory(self) -> bytes | None:
        """Return the memory file at the tip: what an agent left in it does not count."""
        state = self.state
        if state.memory[0] != state.tip:
            blob = self.paths.memory and self.git.blob_at(state.tip, self.paths.memory)
            state.memory = (state.tip, self.git.blob(blob) if blob else None)
        return state.memory[1]

    def environment(self) -> dict[str, str]:
        """Return the environment of gates and agents."""
        return {**os.environ, "PWD": str(self.here)} if self.apart else dict(os.environ)


@immutable
class RunResult:
    """How a run ends."""

    code: Exit
    why: str
