"""What an attempt spends: counted while its agent works, and once more where ralph was killed meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path

from ralph.agents import registry as agents
from ralph.agents.model import ModelUse, Signal
from ralph.agents.selection import AgentChoice
from ralph.agents.session_file import SessionFiles, place
from ralph.agents.usage import Spent, UsageEstimator
from ralph.engine.context import RunContext
from ralph.state.attempt import Attempt
from ralph.state.events import AgentReported, Learned

LOOK = 0.5  # seconds between two looks at what the agent writes about its session
PIECE = 1_000_000  # bytes of a line of a transcript
LINES = 1_000_000  # of a transcript
DAY = 86_400.0  # seconds: an attempt is shorter


class AttemptUsage:
    """What one agent spends, from its first signal to its end."""

    def __init__(
        self, run: RunContext, worker: AgentChoice, prompt: Path | None = None, log: Path | None = None,
        env: Mapping[str, str] | None = None, since: float | None = None,
    ) -> None:  # fmt: skip
        self._run, self._worker, self._log = run, worker, log
        self._tell = run.spending if since is None else None  # a session that is over is not at work
        self._spending = UsageEstimator(run.prices(worker), worker.model, _size(prompt))
        self._files = _session_files(run, worker, env or os.environ, since)
        self._looked = 0.0

    @property
    def spent(self) -> Spent:
        """All of it so far."""
        return self._spending.spent

    @property
    def model(self) -> str:
        """That it works with, as far as that is known."""
        return self._spending.model

    def add(self, signal: Signal) -> None:
        """One signal of the agent."""
        if not self._worker.agent.EVENTS:
            return  # what stands on its terminal is told again and again: `look` knows how much it printed
        before = self.spent
        self._spending.add(signal)
        if signal.session and self._files is not None:
            self._files.begin(signal.session)
        for use in signal.usage.models if signal.usage else ():
            self._learn(use)
        self._told(before)

    def look(self) -> None:
        """What the agent wrote meanwhile about its session; without events, how much it printed. Twice a second."""
        if time.monotonic() - self._looked < LOOK:
            return
        self._looked, before = time.monotonic(), self.spent
        if not self._worker.agent.EVENTS and (size := _size(self._log)):
            self._spending.printed(size)
        for signal in self._files.look() if self._files else ():
            self._spending.add(signal)
        self._told(before)

    def finished(self, output: int = 0) -> Spent:
        """All that it spent; `output` bytes is what it printed."""
        if not self._worker.agent.EVENTS and output:
            self._spending.printed(output)
        for signal in self._files.whole() if self._files else ():
            self._spending.add(signal)
        if self.spent.about and self._spending.price_is_unknown():
            self._run.say(unknown_price(self._worker.agent.NAME, self.model), loud=True, once=True)
        return self.spent

    def _told(self, before: Spent) -> None:
        if self._tell is not None and self.spent != before:
            self._tell(self.spent)

    def _learn(self, use: ModelUse) -> None:
        """Keep what the agent reports of its model, where that is new."""
        run, worker = self._run, self._worker
        window = 0 if use.window == run.window(worker, use.model) else use.window
        price = run.prices(worker).learn(use) or ()
        if window or price:
            run.note(Learned(worker.agent.NAME, use.model, window, price))


def unknown_price(agent: str, model: str) -> str:
    """What a run says once about a model."""
    name = f"the model {model}" if model else f"the model that {agent} chose"
    return (
        f"The price of {name} is not known, so the highest price of {agent} is taken for the estimate. "
        "Set it in [prices] of ralph.toml."
    )


def recount(run: RunContext, current: Attempt) -> Spent:
    """What an attempt spent whose end ralph did not see: from its transcript, and from its last sign of life."""
    if not current.agent or current.stopped is not None:
        return Spent()
    known = _reported(current.reported)
    again = _counted(run, current, f"{current.n}.log", "prompt")
    return again if again.tokens >= known.tokens else known


def recount_review(run: RunContext, current: Attempt) -> Spent:
    """The same of a review of its work."""
    if current.stopped is None or current.reviewed or not run.settings.review_with:
        return Spent()
    return _counted(run, current, f"{current.n}.review.log", "review", run.settings.review_with)


def _counted(run: RunContext, current: Attempt, log: str, prompt: str, reviewer: str = "") -> Spent:
    folder = run.state / "runs" / current.run
    path = folder / log
    worker = _worker(reviewer or current.agent)
    if worker is None or not path.is_file():
        return Spent()
    count = AttemptUsage(run, worker, folder / f"{current.n}.{prompt}.md", path, since=path.stat().st_mtime - DAY)
    with suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        for line in islice(iter(lambda: file.readline(PIECE), ""), LINES):
            for signal in worker.agent.read(line):
                count.add(signal)
    return count.finished(_size(path))


def _worker(name: str) -> AgentChoice | None:
    """The worker of a name in the journal: `claude`, `codex (gpt-5)`; or in the settings: `claude:opus`."""
    agent, _, model = name.replace(":", " (").partition(" (")
    return AgentChoice(agents.AGENTS[agent], (), model.rstrip(")")) if agent in agents.AGENTS else None


def _reported(event: AgentReported | None) -> Spent:
    if event is None:
        return Spent()
    return Spent(event.tokens, event.cost, event.about, 0 if event.cost is not None else event.tokens)


def _session_files(
    run: RunContext, worker: AgentChoice, env: Mapping[str, str], since: float | None
) -> SessionFiles | None:
    found = (place(folder, env, run.here) for folder in worker.agent.SESSIONS)
    folder = next((path for path in found if path is not None), None)
    return None if folder is None else SessionFiles(folder, worker.agent.read_session, since)


def _size(path: Path | None) -> int:
    try:
        return path.stat().st_size if path else 0
    except OSError:
        return 0
