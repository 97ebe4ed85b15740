"""Monitor of an agent at work: its usage, its display, and the reasons to end it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ralph import paths as sensitive
from ralph.agents import sandbox
from ralph.agents.model import Launch, Signal, SignalKind, Stopped, StopReason
from ralph.agents.reset_times import resets
from ralph.agents.selection import AgentChoice
from ralph.agents.session import session
from ralph.agents.usage import Spent
from ralph.agents.watchdog.watchdog import Watchdog, WatchdogLimits
from ralph.engine import budget
from ralph.engine.attempt.usage import AttemptUsage
from ralph.engine.confirmations import watch_confirmations
from ralph.engine.context import RunContext
from ralph.git.index import Stat
from ralph.git.poll import WorktreePoller
from ralph.prd.model import Task
from ralph.state.events import AgentReported, AgentStarted
from ralph.text import clean, mask, one_line

SIGN_OF_LIFE = 30.0  # seconds
ORDERS = 0.05  # seconds between two checks for commands from other terminals
SHOWN = 0.2  # seconds between two displayed tool calls
MOMENT = 0.3  # seconds between an agent's last usage and its end


class AttemptMonitor:
    """Watches one attempt: its usage, its display, and when it must end.

    `known` are the untracked files at the start; `protected` are patterns of paths that the agent must not change.
    Without a `looker` the work tree is not watched, and nothing is displayed.
    """

    def __init__(
        self, run: RunContext, n: int, task: Task, worker: AgentChoice, *, looker: WorktreePoller | None = None,
        known: Mapping[str, Stat] | None = None, protected: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self._run, self._n, self._task, self._worker = run, n, task, worker
        self._looker, self._known = looker, known or {}
        self._scope, self._protected = run.patterns(task.fields.files), protected
        self._tally = session.UsageCounter()
        self._last = time.monotonic()
        self._watch = Watchdog(_limits(run, worker), self._last, budget.window(run, worker, worker.model))
        self._before = run.tally(task)
        self._refused, self._looked = False, 0.0
        self._over = 0.0  # monotonic time since which a limit of the run is reached; 0: none
        self._window = budget.window(run, worker, worker.model)
        self._count = AttemptUsage(run, worker)

    def follow(self, launch: Launch, env: Mapping[str, str], prompt: Path, log: Path, wall: float) -> Stopped:
        """Run the agent to its end, for at most `wall` seconds."""
        settings, agent = self._run.settings, self._worker.agent
        self._count = AttemptUsage(self._run, self._worker, prompt, log, {**env, **launch.env})
        end = session.run_session(
            launch,
            cwd=self._run.here,
            env=env,
            prompt=prompt,
            transcript=log,
            read=agent.read if agent.EVENTS else None,
            silence=settings.silence,
            open_tool_silence=max(settings.silence, settings.gate_timeout),
            wall=wall,
            started=self.started,
            tell=self.tell,
            stop=self.stop,
            answer=self.answer,
            secrets=self._run.secrets,
        )
        return _with_reset(self.finished(end))

    def started(self, pid: int, start: float) -> None:
        if self._looker is not None:
            self._run.note(AgentStarted(self._n, pid, start, self._worker.name))

    def tell(self, signal: Signal) -> bool:
        """Handle one signal of the agent. Return whether it is progress."""
        self._tally.add(signal)
        self._count.add(signal)
        signal = self._with_window(signal)
        self._refused |= signal.kind in (SignalKind.AUTH, SignalKind.CREDIT)
        if time.monotonic() - self._last >= (SHOWN if signal.kind is SignalKind.TOOL else SIGN_OF_LIFE):
            self._report(signal)
        return self._watch.hear(signal, time.monotonic())

    def _with_window(self, signal: Signal) -> Signal:
        """Return the signal with the size of the model's window that the agent reported. Warn if it is unknown."""
        usage = signal.usage
        if usage is None:
            return signal
        if usage.model and not usage.key and not usage.final:
            usage = replace(usage, window=budget.window(self._run, self._worker, usage.model) or usage.window)
        self._window = usage.window or self._window
        if usage.context and not self._window:
            self._run.say(unknown_window(self._count.model), loud=True, once=True)
        return replace(signal, usage=usage)

    def _report(self, signal: Signal) -> None:
        self._last = time.monotonic()
        if self._looker is None:
            return
        action = (
            " ".join(part for part in (signal.tool, signal.command or " ".join(signal.paths)) if part)
            or signal.text.strip().rpartition("\n")[2]
        )
        shown = one_line(mask(clean(action), self._run.secrets), 120)
        spent = self._count.spent
        self._run.note(AgentReported(self._n, shown, spent.tokens, _cents(spent.cost), spent.about))

    def stop(self) -> tuple[StopReason, str] | None:
        """Return the reason to end the agent now and its detail, or None."""
        if why := self._ordered():
            return why, ""
        if time.monotonic() - self._last >= SIGN_OF_LIFE:
            self._report(Signal(SignalKind.TEXT))
        if limit := self._limit():
            return StopReason.LIMIT, f"{limit[:1].upper()}{limit[1:]}."
        self._look()
        task_total = Spent(self._before.tokens, self._before.cost).plus(self._count.spent)
        reason = self._watch.reason(time.monotonic(), task_total.tokens, task_total.cost)
        return (reason.why, mask(clean(reason.detail), self._run.secrets)) if reason else None

    def _limit(self) -> str:
        """Return the reached limit of the run, or "". Wait a moment for an agent that is ending."""
        self._count.look()
        limit = "" if self._tally.ended is not None else budget.reached_limit(self._run, self._count.spent)
        self._over = (self._over or time.monotonic()) if limit else 0.0
        return limit if limit and time.monotonic() - self._over > MOMENT else ""

    def _ordered(self) -> StopReason | None:
        """Return what a person asked for, or None. Rate-limited: each check reads files."""
        if self._run.stop:
            return StopReason.INTERRUPTED
        if time.monotonic() - self._looked >= ORDERS:
            self._looked = time.monotonic()
            if self._run.hurried:
                return StopReason.INTERRUPTED
            if not self._run.apart:  # in a worker, its parent does it
                watch_confirmations(self._run)
            if self._task.id in self._run.control.skipped():
                return StopReason.SKIPPED
        return StopReason.REFUSED if self._refused else None  # it would ask again for minutes, in vain

    def answer(self) -> str | None:
        """Return what to type into the agent's terminal now by a rule of the user, or None."""
        typed = self._watch.answer(time.monotonic())
        if typed is not None:
            self._run.say(f"{self._task.id}: typed `{one_line(mask(clean(typed), self._run.secrets), 40)}`.")
        return typed

    def _look(self) -> None:
        """Report changes of the work tree outside the scope to the watchdog."""
        if self._looker is None or not (self._scope or self._protected):
            return
        if (seen := self._looker.poll()) is None:
            return
        changed = {path: stat for path, stat in seen.items() if self._known.get(path) != stat}
        strangers = {path: stat for path, stat in changed.items() if self._strange(path)}
        if warning := self._watch.saw(strangers):
            self._run.say(f"{self._task.id}: {warning}", loud=True)

    def _strange(self, path: str) -> bool:
        if path in self._run.paths.both:
            return False  # they have rules of their own
        outside = bool(self._scope) and not sensitive.matches(self._scope, path)
        return outside or sensitive.matches(self._protected, path)

    def finished(self, end: Stopped) -> Stopped:
        """How it ended, and what it spent: as reported, else estimated."""
        if self._run.settings.sandbox != "off":
            end = replace(end, code=sandbox.exit_code(end.code))
        spent = self._count.finished(end.output)
        return replace(end, tokens=spent.tokens, cost=_cents(spent.cost), about=spent.about)


def _cents(cost: float | None) -> float | None:
    """Return USD rounded for the journal."""
    return None if cost is None else round(cost, 6)


def unknown_window(model: str) -> str:
    """Return the warning about a model with an unknown context window."""
    return (
        f"The size of the context window of {one_line(clean(model), 60) or 'the model'} is not known. Until the "
        "agent reports it at the end of an attempt, ralph does not hand over a context that is nearly full."
    )


def _limits(run: RunContext, worker: AgentChoice) -> WatchdogLimits:
    settings = run.settings
    return WatchdogLimits(
        silence=settings.silence,
        open_patience=max(settings.silence, settings.gate_timeout),
        circles=settings.circles,
        similarity=settings.similarity,
        fill=settings.context_fill,
        tokens=settings.max_task_tokens,
        cost=settings.max_task_cost,
        turns=settings.max_turns,
        events=worker.agent.EVENTS,
        answers=settings.answers,
    )


def _with_reset(end: Stopped) -> Stopped:
    """Return the end with its reset time. If the agent gave it only in words, parse them with the local clock."""
    failure = end.failure
    if failure is None or failure.resets_at is not None:
        return end
    return replace(end, failure=replace(failure, resets_at=resets(failure.text, datetime.now().astimezone())))
