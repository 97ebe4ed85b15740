"""Usage of an attempt: counted while its agent works, and recounted if ralph was killed meanwhile."""

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
from ralph.engine import budget
from ralph.engine.context import RunContext
from ralph.state.attempt import Attempt
from ralph.state.events import AgentReported, Learned

LOOK = 0.5  # seconds between two reads of the agent's session files
PIECE = 1_000_000  # bytes of a transcript line
LINES = 1_000_000  # lines of a transcript
DAY = 86_400.0  # seconds; longer than any attempt


class AttemptUsage:
    """The usage of one agent, from its first signal to its end."""

    def __init__(
        self, run: RunContext, worker: AgentChoice, prompt: Path | None = None, log: Path | None = None,
        env: Mapping[str, str] | None = None, since: float | None = None,
    ) -> None:  # fmt: skip
        self._run, self._worker, self._log = run, worker, log
        self._tell = run.spending if since is None else None  # usage of a session that is over is not reported live
        self._spending = UsageEstimator(budget.prices(run, worker), worker.model, _size(prompt))
        self._files = _session_files(run, worker, env or os.environ, since)
        self._looked = 0.0

    @property
    def spent(self) -> Spent:
        """The usage so far."""
        return self._spending.spent

    @property
    def model(self) -> str:
        """The model in use; "" if unknown."""
        return self._spending.model

    def add(self, signal: Signal) -> None:
        """Count one signal of the agent."""
        if not self._worker.agent.EVENTS:
            return  # a terminal repaints its text: `look` counts the printed bytes
        before = self.spent
        self._spending.add(signal)
        if signal.session and self._files is not None:
            self._files.begin(signal.session)
        for use in signal.usage.models if signal.usage else ():
            self._learn(use)
        self._told(before)

    def look(self) -> None:
        """Count what the agent wrote to its session files or, without events, printed. Run every LOOK seconds."""
        if time.monotonic() - self._looked < LOOK:
            return
        self._looked, before = time.monotonic(), self.spent
        if not self._worker.agent.EVENTS and (size := _size(self._log)):
            self._spending.printed(size)
        for signal in self._files.look() if self._files else ():
            self._spending.add(signal)
        self._told(before)

    def finished(self, output: int = 0) -> Spent:
        """Return the whole usage; `output` is the number of bytes that the agent printed."""
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
        """Journal a window or price that the agent reports, if it is new."""
        run, worker = self._run, self._worker
        window = 0 if use.window == budget.window(run, worker, use.model) else use.window
        price = budget.prices(run, worker).learn(use) or ()
        if window or price:
            run.note(Learned(worker.agent.NAME, use.model, window, price))


def unknown_price(agent: str, model: str) -> str:
    """Return the warning about a model with an unknown price."""
    name = f"the model {model}" if model else f"the model that {agent} chose"
    return (
        f"The price of {name} is not known, so the highest price of {agent} is taken for the estimate. "
        "Set it in [prices] of ralph.toml."
    )


def recount(run: RunContext, current: Attempt) -> Spent:
    """Return the usage of an attempt whose end ralph missed, from its transcript or last report."""
    if not current.agent or current.stopped is not None:
        return Spent()
    known = _reported(current.reported)
    counted = _counted(run, current, f"{current.n}.log", "prompt")
    return counted if counted.tokens >= known.tokens else known


def recount_review(run: RunContext, current: Attempt) -> Spent:
    """Return the usage of a review whose end ralph missed."""
    if current.stopped is None or current.reviewed or not run.settings.review_with:
        return Spent()
    return _counted(run, current, f"{current.n}.review.log", "review", run.settings.review_with)


def _counted(run: RunContext, current: Attempt, log: str, prompt: str, reviewer: str = "") -> Spent:
    folder = run.state_folder / "runs" / current.run
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
    """Return the agent of a name in the journal (`codex (gpt-5)`) or in the settings (`claude:opus`), or None."""
    agent, _, model = name.replace(":", " (").partition(" (")
    return AgentChoice(agents.AGENTS[agent], (), model.rstrip(")")) if agent in agents.AGENTS else None


def _reported(event: AgentReported | None) -> Spent:
    if event is None:
        return Spent()
    return Spent(event.tokens, event.cost, event.about, 0 if event.cost is not None else event.tokens)


def _session_files(
    run: RunContext, worker: AgentChoice, env: Mapping[str, str], since: float | None
) -> SessionFiles | None:
    folders = (place(folder, env, run.here) for folder in worker.agent.SESSIONS)
    folder = next((path for path in folders if path is not None), None)
    return None if folder is None else SessionFiles(folder, worker.agent.read_session, since)


def _size(path: Path | None) -> int:
    try:
        return path.stat().st_size if path else 0
    except OSError:
        return 0
