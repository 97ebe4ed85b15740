"""Watch an agent at work: its signals, looks at the work tree and a clock in, a reason to end it out.

All that is kept is bounded. Times are seconds of one clock that never goes back. What an agent says is trusted for
nothing here but for being new or not.
"""

from __future__ import annotations

from collections.abc import Mapping

from ralph.agents.model import FAILURES, TRANSIENT, Signal, SignalKind, StopReason, Usage
from ralph.agents.usage import TurnCounter
from ralph.agents.watchdog.drift import DriftDetector
from ralph.agents.watchdog.prompts import PromptDetector
from ralph.agents.watchdog.repetition import RepeatedMessages, RepeatedSteps
from ralph.agents.watchdog.screen import ScreenText
from ralph.immutable import immutable
from ralph.text import clean, join_names, one_line

TROUBLE = TRANSIENT | {SignalKind.RETRY, SignalKind.ERROR}
NO_PROGRESS = FAILURES | {SignalKind.RETRY, SignalKind.USAGE}  # each model call of a loop reports usage
SHARE = 4  # a terminal that shows nothing new for so large a part of the silence limit may be a circle


@immutable
class WatchdogLimits:
    """When an attempt is ended. Limits of the task are for all its attempts together; None: there is none."""

    silence: float = 600.0  # seconds without progress
    open_patience: float = 900.0  # the same while a tool call is open
    prompt: float = 5.0  # seconds that a prompt stands
    circles: int = 3
    similarity: float = 0.85
    fill: float = 0.8  # of the model's window
    retries: int = 15  # errors in a row: Claude gives up by itself after 10 retries, with a better word
    retry_time: float = 300.0
    tokens: int | None = None
    cost: float | None = None  # USD
    turns: int | None = None  # model calls of this attempt
    events: bool = True  # the agent has a stream of events; False: TEXT is the end of its terminal
    answers: tuple[tuple[str, str], ...] = ()  # a text at the end of the terminal, what to type then


@immutable
class EndReason:
    """Why an attempt has to end. `detail` is one sentence for people: what was seen, with numbers; no advice."""

    why: StopReason
    detail: str


class Watchdog:
    """One attempt, watched. `now` is the time of its start, `window` the model's, in tokens (0: not known)."""

    def __init__(self, limits: WatchdogLimits, now: float, window: int = 0) -> None:
        self._limits, self._window, self._context = limits, window, 0
        self._screen, self._asking, self._drift = ScreenText(), PromptDetector(limits.answers, now), DriftDetector()
        self._steps = RepeatedSteps(limits.circles, limits.similarity, limits.silence, now)
        self._messages = RepeatedMessages(limits.circles, limits.similarity)
        self._turns = TurnCounter()
        self._worked = self._ended = False
        self._troubles, self._trouble, self._trouble_since = 0, "", now
        self.last_progress = now

    # ---------------------------------------------------------------- in

    def hear(self, signal: Signal, now: float) -> bool:
        """Take a signal; True where it is progress.

        Each event is, but for reports of usage, errors and retries. What only stands on a terminal is where it
        shows words that were not there before.
        """
        on_screen = signal.kind is SignalKind.SCREEN or (signal.kind is SignalKind.TEXT and not self._limits.events)
        progress = self._show(signal, now) if on_screen else self._event(signal, now)
        if progress:
            self.last_progress = now
        return progress

    def saw(self, strangers: Mapping[str, object]) -> str:
        """A look at the work tree: each changed path that is out of scope or protected, with something that differs
        when it changes again. A sentence to show, once; else "". Paths of one look only are temporary files."""
        return self._drift.look(strangers)

    # ---------------------------------------------------------------- out

    def reason(self, now: float, tokens: int = 0, cost: float | None = None) -> EndReason | None:
        """Why it has to end now. `tokens` and `cost` are what the task has used so far, this attempt included."""
        if self._ended:
            return None
        found = self._over(tokens, cost)
        return EndReason(StopReason.TASK_LIMIT, found) if found else self._seen(now)

    def silent(self, now: float) -> EndReason | None:
        """Whether it made no progress for too long: for a caller that has no second opinion."""
        patience = self._limits.silence
        if self._steps.open:
            patience = max(patience, self._limits.open_patience)
        if now - self.last_progress <= patience:
            return None
        return EndReason(StopReason.SILENT, f"The agent made no progress for {now - self.last_progress:,.0f} s.")

    def answer(self, now: float) -> str | None:
        """What to type now, where an answer of the user's fits the prompt that stands there. It counts as typed."""
        return None if self._ended else self._asking.type(now, self._limits.prompt)

    # ---------------------------------------------------------------- signals

    def _show(self, signal: Signal, now: float) -> bool:
        self._asking.show(signal.text, now)
        return self._screen.show(signal.text)

    def _event(self, signal: Signal, now: float) -> bool:
        self._turns.add(signal)
        if signal.usage is not None:
            self._count(signal.usage)
        if signal.kind in TROUBLE:
            self._troubled(signal, now)
        if signal.kind in NO_PROGRESS:
            return False
        self._do(signal, now)
        self._asking.busy(now, gone=not self._steps.open)
        self._troubles = 0
        return True

    def _do(self, signal: Signal, now: float) -> None:
        match signal.kind:
            case SignalKind.TOOL:
                self._steps.begin(signal)
                self._messages.act()
            case SignalKind.TOOL_DONE:
                self._steps.end(signal, now)
                self._worked = True
            case SignalKind.TEXT:
                self._messages.say(signal.text)
            case SignalKind.ENDED:
                self._ended = True

    def _count(self, usage: Usage) -> None:
        self._context = usage.context or self._context
        self._window = usage.window or self._window

    def _troubled(self, signal: Signal, now: float) -> None:
        if self._troubles == 0:
            self._trouble_since = now
        self._troubles += 1
        self._trouble = one_line(clean(signal.text))

    # ---------------------------------------------------------------- reasons

    def _seen(self, now: float) -> EndReason | None:
        for why, look in (
            (StopReason.DRIFT, self._drifting),
            (StopReason.PROMPT, self._asked),
            (StopReason.CIRCLES, self._circling),
            (StopReason.RETRYING, self._retrying),
            (StopReason.FULL, self._full),
        ):
            if detail := look(now):
                return EndReason(why, detail)
        return None

    def _over(self, tokens: int, cost: float | None) -> str:
        limits, turns = self._limits, self._turns.count
        if limits.tokens is not None and tokens >= limits.tokens:
            return f"The task has used {tokens:,} tokens; its limit is {limits.tokens:,}."
        if limits.cost is not None and cost is not None and cost >= limits.cost:
            return f"The task has cost ${cost:,.2f}; its limit is ${limits.cost:,.2f}."
        if limits.turns is not None and turns > limits.turns:
            return f"The agent called its model {turns:,} times; the limit of an attempt is {limits.turns:,}."
        return ""

    def _drifting(self, _: float) -> str:
        paths = self._drift.further
        return f"The agent went on changing what is not its own: {join_names(paths)}." if paths else ""

    def _asked(self, now: float) -> str:
        quiet = self._asking.quiet(now)
        if quiet < self._limits.prompt or not (asked := self._asking.waiting()) or self._asking.rule() is not None:
            return ""
        times = f"; {self._asking.given} answers did not help" if self._asking.given else ""
        return f"The agent waited for a person: `{asked}` stood there for {quiet:.0f} s{times}."

    def _circling(self, now: float) -> str:
        circle = self._steps.circle(now) or self._messages.circle() or self._printing(now)
        return f"The agent went in circles: {circle}." if circle else ""

    def _printing(self, now: float) -> str:
        quiet = now - self.last_progress
        if self._limits.events or quiet < self._limits.silence / SHARE:
            return ""
        rounds = self._screen.rounds()
        return f"the same lines {rounds} times in {quiet:.0f} s" if rounds >= self._limits.circles else ""

    def _retrying(self, now: float) -> str:
        since = now - self._trouble_since
        if not self._troubles or (self._troubles < self._limits.retries and since < self._limits.retry_time):
            return ""
        errors = f"{self._troubles} error{'s' if self._troubles > 1 else ''}"
        last = f"; the last one: {self._trouble.rstrip('.')}" if self._trouble else ""
        return f"The agent made no progress but {errors} in {since:.0f} s{last}."

    def _full(self, _: float) -> str:
        """Rather not in the middle of a tool call, and not before there is something to keep."""
        fill = self._context / self._window if self._window else 0.0
        late = (1 + self._limits.fill) / 2
        if not self._worked or fill < (late if self._steps.open else self._limits.fill):
            return ""
        return f"The agent's context is {fill:.0%} full ({self._context:,} of {self._window:,} tokens)."
