"""What a run carries with it: where it works, with whom, how far it came. Built once by `start`, used by `loop`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Protocol, Self

from ralph import paths as sensitive
from ralph.agents.model import Launch, LaunchRequest, Stopped
from ralph.agents.prices import Prices
from ralph.agents.selection import AgentChoice, names_agent, parse_choice
from ralph.agents.usage import Spent
from ralph.config import MAX_COST, MAX_TOKENS, Settings
from ralph.engine import commit as record
from ralph.errors import Exit
from ralph.git import freeze as examine
from ralph.git.client import Git
from ralph.git.index import Snapshot, WorktreeStatus
from ralph.immutable import immutable
from ralph.prd.model import Prd, Task, id_prefix
from ralph.state.control import Control
from ralph.state.events import Event, Noted
from ralph.state.history import History, TaskStats, fold
from ralph.state.journal import Entry
from ralph.state.projection import findings_of, stopped_of
from ralph.text import clean, money, one_line, secrets_of
from ralph.verify import gates
from ralph.verify.model import Finding, Gate

FRESH = 1.0  # seconds


class EventSink(Protocol):
    """Where events are written down: the journal, or the parent's ear."""

    def write(self, event: Event) -> Entry:
        """Keep it; returns it with its time."""

    def close(self) -> None:
        """No more is written."""


class StopSignal:
    """Whether Ctrl-C, TERM or HUP arrived. A handler counts them and each wait checks the count.

    Waits check it at least five times a second. `beat` is called then, and drives the live view.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.beat: Callable[[], None] | None = None

    def __bool__(self) -> bool:
        if self.beat is not None:
            self.beat()
        return self.asked > 0

    @contextmanager
    def listening(self) -> Iterator[StopSignal]:
        names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        old = {name: signal.signal(name, self._heard) for name in names}
        try:
            yield self
        finally:
            for name, handler in old.items():
                signal.signal(name, handler)

    def _heard(self, _number: int, _frame: FrameType | None) -> None:
        self.asked += 1


def notify_nobody(_event: Event) -> Sequence[str]:
    """Send no notification."""
    return ()


@dataclass
class RunContext:
    """One run. Mutable where it says how far it came, and only `note` changes `history`."""

    settings: Settings
    id: str
    git: Git
    here: Path  # where ralph was started: agents and gates run here
    paths: examine.OwnFiles  # PRD and memory file, as paths in the repository
    papers: record.FileEditor
    workers: tuple[AgentChoice, ...]  # the one that was asked for, then the ladder
    control: Control  # what other terminals want
    branch: str  # ralph's branch, full ref name
    journal: EventSink
    tell: Callable[[Event], None]
    history: History
    stop: StopSignal
    tip: str = ""  # the last proven commit: where the branch stands
    gates: tuple[Gate, ...] = ()
    red: frozenset[str] = frozenset()  # commands that were red at the start (--baseline)
    nothing: set[str] = field(default_factory=set)  # commands that had nothing to run when they were last asked
    reported: set[str] = field(default_factory=set)  # sentences on tests that can't run
    own_sources: set[tuple[str, ...]] = field(default_factory=set)  # links, and a gate that loads nothing by them
    seen: Prd | None = None  # the PRD at the last reading
    known: frozenset[str] = frozenset()  # ids of tasks that may start
    wrote: bytes = b""  # the PRD as ralph knows it: read, or written by itself
    edited: float = 0.0  # when the PRD was last seen to change by another hand (file time)
    home: str = ""  # the branch that the user was on, short
    before: Snapshot | None = None
    vanished: dict[str, str] = field(default_factory=dict)  # open tasks that went away while an agent ran
    failed: dict[str, tuple[tuple[Finding, ...], Stopped]] = field(default_factory=dict)  # task -> its last failure
    memory: tuple[str, bytes | None] = ("", None)  # a commit, and the memory file there
    secrets: tuple[str, ...] = field(default_factory=lambda: secrets_of(os.environ))
    skipped: set[str] = field(default_factory=set)  # tasks that could not even be parked
    scanned: tuple[float, WorktreeStatus] | None = None  # when (monotonic), and what was seen
    ring: Callable[[Event], Sequence[str]] = (
        notify_nobody  # who is told when a human is needed; what went wrong with it
    )
    checkout: Git | None = None  # the user's, where `git` is a worktree's
    proven: str = ""  # the tip that was last proven in a fresh checkout
    spending: Callable[[Spent], None] | None = None  # who wants to know what an attempt uses up
    beside: Spent = field(default_factory=Spent)  # what attempts that go on now have used up so far
    accepted: int = 0
    looked: float = field(default_factory=time.monotonic)  # when a person last looked at the work
    clock: float = field(default_factory=time.monotonic)

    def note(self, event: Event) -> None:
        """Write an event to the journal, fold it into the history, show it, and send its notifications."""
        if isinstance(event, Noted) and event.once and event.text in self.history.noted:
            return
        entry = self.journal.write(event)
        self.history = fold(self.history, entry.time, self.id, event)
        self.tell(event)
        for complaint in self.ring(event):
            self.say(complaint, loud=True)

    @property
    def hurried(self) -> bool:
        """What is going on has to end now."""
        return bool(self.stop) or self.control.stop_asked() == "now"

    def say(self, text: str, *, loud: bool = False, detail: str = "", once: bool = False) -> None:
        self.note(Noted(text, loud, detail, once=once))

    @property
    def root(self) -> Path:
        return self.git.where.root

    @property
    def folder(self) -> Path:
        """Transcripts and prompts of this run."""
        return self.state / "runs" / self.id

    @property
    def state(self) -> Path:
        """ralph's own folder for this checkout."""
        return (self.checkout or self.git).where.state

    @property
    def apart(self) -> bool:
        """Whether this is an attempt in a worktree. There only the agent writes, and HEAD is detached."""
        return self.checkout is not None

    def elsewhere(self, git: Git) -> Self:
        """The same run in another work tree of the repository."""
        here = git.where.root / self.here.relative_to(self.root)
        return replace(self, git=git, checkout=self.checkout or self.git, here=here, papers=record.FileEditor(git))

    @property
    def stands_on(self) -> str:
        """The branch that the work tree's HEAD belongs on; "" where it is detached between attempts."""
        return "" if self.apart else self.branch

    @property
    def seconds(self) -> float:
        """Since the run began, restarts after a crash included."""
        before = max(0.0, time.time() - self.history.started) if self.history.started else 0.0
        return max(before, time.monotonic() - self.clock)

    def limit(self, going: Spent | None = None) -> str:
        """The limit that is reached, as a sentence; "" while there is none. `going`: by attempts that still run."""
        whole = self.spent.plus(going or Spent())
        if self.max_cost is not None and (whole.cost or 0.0) >= self.max_cost:
            spent = money(whole.cost or 0.0, whole.about)
            return f"the money limit is reached: {spent} of ${self.max_cost:.2f} (--max-cost)"
        used = whole.tokens if self.settings.max_tokens else whole.unpriced  # the default is for these alone
        if self.max_tokens is not None and used >= self.max_tokens:
            return f"the token limit is reached: {used:,} of {self.max_tokens:,} (--max-tokens)"
        if self.seconds >= self.settings.max_time:
            return f"the time limit of the run is reached: {self.settings.max_time / 3600:g} h (--max-time)"
        return ""

    @property
    def spent(self) -> Spent:
        """What the attempts of this run have used up, those aside that still run."""
        history = self.history
        return Spent(history.tokens, history.cost, history.about, history.unpriced)

    @property
    def max_cost(self) -> float | None:
        """USD; by default only where the cost of an agent can at least be estimated."""
        known = any(self.can_price(worker) for worker in self.workers)
        return self.settings.max_cost or (MAX_COST if known else None)

    @property
    def max_tokens(self) -> int | None:
        """Tokens; by default only where the cost of an agent can't even be estimated."""
        known = all(self.can_price(worker) for worker in self.workers)
        return self.settings.max_tokens or (None if known else MAX_TOKENS)

    def can_price(self, worker: AgentChoice) -> bool:
        """Whether this worker reports its cost, or its tokens have a price."""
        agent = worker.agent
        return agent.REPORTS_COST or bool(agent.PRICES) or self.prices(worker).of(worker.model) is not None

    def prices(self, worker: AgentChoice) -> Prices:
        """What is known of the prices of this worker's agent."""
        learned = {model: learned.price for (name, model), learned in self.history.models.items()
                   if name == worker.agent.NAME and learned.price}  # fmt: skip
        return Prices(worker.agent.PRICES, learned, dict(self.settings.prices))

    def window(self, worker: AgentChoice, model: str) -> int:
        """How many tokens the model's window holds: as this worker's agent reported it once, else by its name."""
        learned = self.history.models.get((worker.agent.NAME, model))
        return (learned.window if learned else 0) or worker.agent.window(model)

    def tally(self, task: Task) -> TaskStats:
        """What happened to this task so far."""
        return self.history.tallies.get(task.id, TaskStats())

    def last_failure(self, task: Task) -> tuple[tuple[Finding, ...], Stopped] | None:
        """What was found in the last try, and how it ended; after a restart what the journal kept of it."""
        if task.id in self.failed:
            return self.failed[task.id]
        tally = self.tally(task)
        if tally.stopped is None:
            return None
        return findings_of(tally.judged) if tally.judged else (), stopped_of(tally.stopped)

    def worker(self, task: Task) -> AgentChoice:
        """Who does this task now: the one that it names, then the ladder."""
        rung = min(self.tally(task).rung, len(self.workers) - 1)
        if rung:
            return self.workers[rung]
        first = parse_choice(task.fields.agent) if names_agent(task.fields.agent) else self.workers[0]
        return replace(first, model=task.fields.model) if task.fields.model else first

    @property
    def left_out(self) -> frozenset[str]:
        """Tasks that are not tried in this run."""
        return frozenset(self.skipped) | self.history.skipped | self.control.skipped()

    def launch(self, worker: AgentChoice, *, read_only: bool = False) -> Launch:
        """How this worker is started."""
        settings = self.settings
        own = settings.agent_arg if worker.agent is self.workers[0].agent and not read_only else ()
        spent = self.spent.plus(self.beside).cost or 0.0
        left = None if self.max_cost is None else max(0.01, self.max_cost - spent)
        return worker.agent.launch(LaunchRequest(
            worker.program, worker.model, own,
            os.geteuid() == 0, left, settings.max_turns, settings.allow_tools, settings.allow_commands, read_only,
        ))  # fmt: skip

    def subject(self, task: Task) -> str:
        """The first line of the task's commit."""
        text = one_line(clean(task.text), 100)
        named = id_prefix(task, text) + text
        return one_line(self.settings.subject.replace("{task}", named).replace("{id}", task.id), 120)

    def patterns(self, said: tuple[str, ...]) -> tuple[str, ...]:
        """Patterns of the PRD, which are relative to its folder, as patterns of the repository."""
        folder = self.paths.prd.rpartition("/")[0]
        return tuple(sensitive.placed(folder, name) for name in said)

    def look_for_gates(self) -> None:
        """Look again, from the base: a young project grows its tests. Report tests that can't run, once."""
        self.gates = self.found_gates()
        missing = gates.missing(self.here) if self.settings.gate is None else ()
        for other_missing in missing:
            if other_missing.what not in self.reported:
                self.say(f"{other_missing.what}. {other_missing.cure}", loud=True)
                self.reported.add(other_missing.what)

    def found_gates(self) -> tuple[Gate, ...]:
        """The gates that the user set, else those of the tree as it is now."""
        if self.settings.gate is not None:
            return tuple(Gate(command, "--gate") for command in self.settings.gate)
        return gates.detect_gates(self.here)

    def gates_for(self, task: Task) -> tuple[Gate, ...]:
        """The run's gates and the task's own checks, each command once."""
        checks = (Gate(command, f"Check of {task.id}") for command in task.fields.checks)
        return tuple({gate.command: gate for gate in (*self.gates, *checks)}.values())

    def base_memory(self) -> bytes | None:
        """The memory file at the tip: what it tells is read from there, not from what an agent left."""
        if self.memory[0] != self.tip:
            there = self.paths.memory and self.git.blob_at(self.tip, self.paths.memory)
            self.memory = (self.tip, self.git.blob(there) if there else None)
        return self.memory[1]

    def just_scanned(self) -> WorktreeStatus | None:
        """Return the last scan of the work tree if it is less than FRESH seconds old, once; else None."""
        at, seen = self.scanned or (0.0, None)
        self.scanned = None
        return seen if time.monotonic() - at < FRESH else None

    def saw(self, seen: WorktreeStatus, at: float, *, new: frozenset[str], gone: Sequence[str]) -> None:
        """Keep a look for the next task: `new` paths are recorded now, `gone` refs deleted, the tip has moved."""
        refs = {name: sha for name, sha in seen.refs.items() if name not in gone} | {self.branch: self.tip}
        self.scanned = (at, WorktreeStatus((), tuple(path for path in seen.untracked if path not in new), refs))

    def environment(self) -> dict[str, str]:
        """What gates and agents inherit."""
        return {**os.environ, "PWD": str(self.here)} if self.apart else dict(os.environ)


@immutable
class RunResult:
    """How a run ends."""

    code: Exit
    why: str
