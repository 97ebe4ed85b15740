"""Rows of the live view, from events and a clock. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

from ralph.cli.display.columns import Cell, Row, bar, cut, label_cell, narrow, shortened
from ralph.cli.display.lines import LABEL, count, duration, used
from ralph.cli.display.running import Running
from ralph.cli.display.summary import RunSummary
from ralph.immutable import immutable
from ralph.state import events
from ralph.state.events import Event
from ralph.text import clean, mask, money, one_line, time_of_day

LEAST, MOST = 20, 120  # columns of a row
BAR = 40  # most columns of the bar
OLD = 10.0  # seconds after which an action is shown with its age
DEEP = re.compile(r"(?<!\S)/\S*/(?=[^/\s]+/[^/\s]+)")  # all of a path but its last two names
ROOMY = 76  # least columns for tokens beside the cost
LOW = 0.1  # remaining share of a limit that is shown as a warning
ASKED = {"check": "its own checks", "hand over": "a hand-over note", "split": "smaller tasks"}
HELP = (
    ("p", "pause: nothing more starts until p again, or `ralph resume`"),
    ("s", "skip the task that runs (the oldest of several): not in this run"),
    ("q", "stop when what runs is over; the same command continues"),
    ("^C", "end now; what runs is set aside and uses up no try"),
    ("^Z", "lay it aside, `fg` brings it back; `ralph logs` has all lines"),
)


@immutable
class LiveFacts:
    """State without events: the PRD as last read, usage, limits and requests."""

    done: int = 0  # leaf tasks
    parked: int = 0
    open: int = 0
    seconds: float = 0.0
    max_time: float = 0.0
    attempts: int = 0
    max_attempts: int = 0
    tokens: int = 0  # of attempts whose agent has ended
    max_tokens: int | None = None
    cost: float | None = None
    max_cost: float | None = None
    about: bool = False  # tokens and cost are at least partly estimated
    pausing: bool = False
    stopping: str = ""  # "after" the attempts, or "now"


@immutable
class KeyState:
    """State of the keyboard. `answer` is ralph's reply to the last key."""

    keys: bool = True  # keys can be pressed
    answer: str = ""
    help: bool = False


IDLE = KeyState()


@dataclass
class GateProgress:
    """The gates of one attempt: the finished ones, and the running one."""

    ended: dict[str, str] = field(default_factory=dict)  # by command: the result
    now: str = ""
    since: float = 0.0

    def see(self, event: Event, when: float) -> None:
        if isinstance(event, events.GateStarted):
            if event.command in self.ended:  # a second round, with the tests as they were before
                self.ended.clear()
            self.now, self.since = event.command, when
        elif isinstance(event, events.GateRan):
            came = "nothing to run" if event.none else "passed" if event.ok else "RED"
            self.now, self.ended[event.command] = "", came

    def sentence(self, now: float) -> str:
        """Return text as `npm test for 12s; ruff check passed`, or ""."""
        shown = [f"{self.now} for {_time(now - self.since)}"] if self.now else []
        for came in ("RED", "passed", "nothing to run"):
            commands = [command for command, how in self.ended.items() if how == came]
            shown += [f"{', '.join(commands)} {came}"] if commands else []
        return "; ".join(shown)


class LiveState:
    """State of a run. `see` takes its events in order; `rows` returns the display at any time."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self.secrets = secrets  # never shown
        self._run = RunSummary()
        self._checks: dict[int, GateProgress] = {}  # by attempt; 0: before the first task, and at the end
        self._acted: dict[int, float] = {}  # when an agent last did something
        self._stopped: set[int] = set()  # attempts whose agent has ended

    def see(self, event: Event, when: float) -> None:
        """Take the next event and its time in epoch seconds."""
        self._run.see(event, when)
        n = getattr(event, "n", 0)
        if isinstance(event, events.GateStarted | events.GateRan):
            self._checks.setdefault(n, GateProgress()).see(event, when)
        elif isinstance(event, events.AgentStarted | events.AgentReported):
            if not isinstance(event, events.AgentReported) or event.action:
                self._acted[n] = when
        elif isinstance(event, events.AgentStopped):
            self._stopped.add(n)
            self._checks.pop(n, None)
        elif isinstance(event, events.RunStarted | events.Chosen):
            self._checks.pop(0, None)

    # ------------------------------------------------------------ the rows

    def rows(self, facts: LiveFacts, now: float, width: int, height: int, hand: KeyState = IDLE) -> list[Row]:
        """Return the rows: at most half the terminal's height, narrower than it. `now` is epoch seconds."""
        wide, most = max(LEAST, min(width - 1, MOST)), max(2, height // 2)
        head, tasks = [self._head(facts, wide)], self._tasks(facts, wide)
        still, left = self._still(facts, now, wide), [self._left(facts, wide)]
        below = self._below(facts, hand, wide)
        attempts = self._attempts(now, wide)
        while len(head + tasks + still + left + below) + min(len(attempts), 2) > most and (head or left):
            (left or head).clear()
        room = most - len(head + tasks + still + left + below)
        return [*head, *tasks, *shortened(attempts, room, wide), *still, *left, *below][:most]

    def _head(self, facts: LiveFacts, wide: int) -> Row:
        """Return the heading with agent, branch, time and usage of the run."""
        start = self._run.started
        agent = "your command" if start and start.agent == "command" else start.agent if start else ""
        who = f" {start.branch} with {agent} " if start else " before the first task "
        took = f" {_spent(facts.seconds, *self._spent(facts))} " if facts.seconds >= 1 else ""
        who = cut(self._safe(who), max(0, wide - cell_len(took) - 6))
        fill = "─" * max(0, wide - 4 - cell_len(who) - cell_len(took))
        row = (Cell("──", "dim"), Cell(who), Cell(fill, "dim"), Cell(took), Cell("──", "dim"))
        return narrow(row, wide)

    def _spent(self, facts: LiveFacts) -> tuple[int, float | None, bool]:
        """Return the usage, with the reports of agents at work."""
        going = [running for n, running in self._run.running.items() if n not in self._stopped]
        costs = [entry for entry in (facts.cost, *(each.cost for each in going)) if entry is not None]
        about = facts.about or any(running.about for running in going)
        return facts.tokens + sum(running.tokens for running in going), sum(costs) if costs else None, about

    def _tasks(self, facts: LiveFacts, wide: int) -> list[Row]:
        total = facts.done + facts.parked + facts.open
        if not total:
            return []
        said = f"{facts.done} of {total} done" + (f", {facts.parked} parked" if facts.parked else "")
        room = min(BAR, wide - LABEL - len(said) - 2)
        shown = bar(room, facts.done, facts.parked, total) if room >= 8 else ()
        return [narrow((label_cell("tasks"), *shown, Cell(said)), wide)]

    def _attempts(self, now: float, wide: int) -> list[Row]:
        rows = [row for n, running in self._run.running.items() for row in self._attempt(n, running, now, wide)]
        own = self._checks.get(0)
        if own and own.now:
            rows.append(narrow((label_cell("gates"), Cell(self._safe(own.sentence(now)))), wide))
        return rows

    def _attempt(self, n: int, running: Running, now: float, wide: int) -> list[Row]:
        """Return two rows of an attempt: task and usage, and the current activity."""
        chosen, several = running.chosen, self._run.started is not None and self._run.started.at_once > 1
        text, name = self._safe(chosen.text), "task"
        if several:
            name = cut(self._safe(chosen.task), LABEL - 1)
            text = text.removeprefix(chosen.task).lstrip(" :.-") or text
        tried = ASKED.get(chosen.purpose, chosen.purpose) or f"try {chosen.attempt}"
        tokens = running.tokens if wide >= ROOMY or running.cost is None else 0
        numbers = f"  {tried}, {_spent(now - running.since, tokens, running.cost, running.about)}"
        text = cut(text, max(0, wide - LABEL - cell_len(numbers)))
        gap = " " * max(0, wide - LABEL - cell_len(text) - cell_len(numbers))
        first = (label_cell(name, "bold"), Cell(text, "bold"), Cell(gap + numbers))
        return [narrow(first, wide), self._doing(n, running, now, wide)]

    def _doing(self, n: int, running: Running, now: float, wide: int) -> Row:
        """Return the agent's last action, with its age if it is old, or the gates."""
        checks = self._checks.get(n)
        if checks and (said := checks.sentence(now)):
            red = "RED" in checks.ended.values()
            return narrow((label_cell(), Cell(f"gates: {self._safe(said)}", "red" if red else "")), wide)
        seen = now - self._acted.get(n, now)
        age = f" ({_time(seen)} ago)" if n not in self._stopped and seen >= OLD else ""
        doing, room = self._safe(running.doing), max(0, wide - LABEL - len(age))
        if cell_len(doing) > room:
            doing = DEEP.sub("…/", doing)  # the end of a path tells more than its beginning
        return narrow((label_cell(), Cell(cut(doing, room)), Cell(age, "dim")), wide)

    def _still(self, facts: LiveFacts, now: float, wide: int) -> list[Row]:
        """Return the reasons why nothing starts, now or soon."""
        waiting, paused, several = self._run.waiting, self._run.paused, len(self._run.running) > 1
        said = []
        if waiting:
            until = f"{_time(waiting.until - now)} more, until {time_of_day(waiting.until, now)}"
            said.append(("waiting", f"{until}: {waiting.reason}"))
        if paused:
            until = f" until {time_of_day(paused.until, now)}, then the run ends" if paused.until else ""
            said.append(("paused", f"{paused.reason},{until}" if until else paused.reason))
        elif facts.pausing:
            said.append(("pauses", _when(len(self._run.running), several)))
        if facts.stopping:
            said.append(("stops", "now" if facts.stopping == "now" else _when(len(self._run.running), several)))
        return [narrow((label_cell(name, "yellow"), Cell(self._safe(text), "yellow")), wide) for name, text in said]

    def _left(self, facts: LiveFacts, wide: int) -> Row:
        """Return the row of the remaining limits."""
        tokens, cost, about = self._spent(facts)
        left = []
        if facts.max_cost is not None:
            rest = facts.max_cost - (cost or 0.0)
            left.append((money(max(0.0, rest), about), rest / facts.max_cost))
        if facts.max_tokens is not None:
            rest = facts.max_tokens - tokens
            left.append((f"{count(max(0, rest))} tokens", rest / facts.max_tokens))
        if facts.max_time:
            rest = facts.max_time - facts.seconds
            left.append((_time(rest), rest / facts.max_time))
        if facts.max_attempts:
            number = max(0, facts.max_attempts - facts.attempts)
            left.append((f"{number} attempt{'' if number == 1 else 's'}", number / facts.max_attempts))
        parts = []
        for number, (text, share) in enumerate(left):
            parts += [Cell(", ")] if number else []
            parts.append(Cell(text, "yellow" if share < LOW else ""))
        return narrow((label_cell("left"), *parts), wide)

    def _below(self, facts: LiveFacts, hand: KeyState, wide: int) -> list[Row]:
        """Return the rows for the keys and the reply to the last one."""
        if not hand.keys:
            return []
        rows = [narrow((label_cell(key, "bold"), Cell(text)), wide) for key, text in HELP if hand.help]
        if hand.answer:
            return [*rows, narrow((Cell(self._safe(hand.answer), "yellow"),), wide)]
        pause = "go on" if facts.pausing or self._run.paused else "pause"
        words = (("p", pause), ("s", "skip"), ("q", "stop after this"), ("?", "close" if hand.help else "help"))
        parts = [part for key, word in words for part in (Cell(f"   {key}", "bold"), Cell(f" {word}", "dim"))]
        return [*rows, narrow((Cell(parts[0].text.lstrip(), "bold"), *parts[1:]), wide)]

    def _safe(self, text: str) -> str:
        """Return the text without control characters and secrets."""
        line = one_line(mask(clean(text), self.secrets), 400)
        return f" {line} " if text.startswith(" ") else line


# ---------------------------------------------------------------- texts


def _when(running: int, several: bool) -> str:
    if not running:
        return "before anything more starts"
    return "after these attempts" if several else "after this attempt"


def _time(seconds: float) -> str:
    """Return the time in whole seconds, so that the text changes only once a second."""
    whole = max(0, int(seconds))
    return f"{whole}s" if whole < 60 else duration(whole)


def _spent(seconds: float, tokens: int, cost: float | None, about: bool) -> str:
    return ", ".join(filter(None, (_time(seconds), *used(tokens, cost, about))))
