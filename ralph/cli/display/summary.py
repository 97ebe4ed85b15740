"""What a run came to: folded from its events while it goes, shown at its end.

It takes each event at once and holds little; what is read from a whole journal comes from `state/projection.py`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field

from ralph.cli.display.lines import sentence, spent, title_with_id, with_level
from ralph.cli.display.running import Running
from ralph.errors import Exit
from ralph.state import events
from ralph.state.events import Event

MEANING = {
    Exit.DONE: "every task is done",
    Exit.PARKED: "finished, but something is parked for a human",
    Exit.REFUSED: "refused, nothing was changed",
    Exit.STOPPED: "stopped with work left: the same command continues",
    Exit.INTERRUPTED: "interrupted: the same command continues",
}


@dataclass
class RunSummary:
    """One run so far. `see` takes its events in order."""

    started: events.RunStarted | None = None
    ended: events.RunEnded | None = None
    attempts: int = 0
    texts: dict[str, str] = field(default_factory=dict)  # tasks attempted: id -> text
    done: dict[str, str] = field(default_factory=dict)  # id -> commit
    ungated: set[str] = field(default_factory=set)  # those that no gate and no Check proved
    levels: dict[str, str] = field(default_factory=dict)  # id -> how strongly it is proven
    parked: dict[str, str] = field(default_factory=dict)  # id -> reason
    split: dict[str, str] = field(default_factory=dict)  # id -> into how many
    aside: dict[str, str] = field(default_factory=dict)  # id -> why its last attempt was set aside
    running: dict[int, Running] = field(default_factory=dict)  # attempts that are not over, by number
    waiting: events.Waiting | None = None  # also when the run is cut off meanwhile: it goes on waiting
    paused: events.Paused | None = None
    tokens: int = 0
    cost: float | None = None
    about: bool = False  # an estimate, at least in part

    @property
    def current(self) -> events.Chosen | None:
        """The attempt that is going on: the oldest of them, where there are several."""
        return next((attempt.chosen for attempt in self.running.values()), None)

    def see(self, event: Event, when: float = 0.0) -> None:
        """The next event, and its time (epoch seconds) where somebody asks for how long."""
        if going := self.running.get(getattr(event, "n", 0)):
            going.see(event, when)
        if isinstance(event, events.RunStarted):
            self.started, self.ended, self.paused = event, None, None
        elif isinstance(event, events.RunEnded):
            self.ended, self.paused = event, None
            self.running.clear()
        elif isinstance(event, events.Chosen):
            self._choose(event, when)
        elif isinstance(event, events.AgentStopped | events.Reviewed):
            self._add(event)
        elif isinstance(event, events.Waiting | events.Waited):
            self.waiting = event if isinstance(event, events.Waiting) else None
        elif isinstance(event, events.Paused | events.Resumed):
            self.paused = event if isinstance(event, events.Paused) else None
        else:
            self._see_verdict(event)

    def _add(self, event: events.AgentStopped | events.Reviewed | events.SetAside) -> None:
        """What was spent; by an attempt that was killed, what was counted afterwards."""
        self.tokens += event.tokens
        self.cost = self.cost if event.cost is None else (self.cost or 0.0) + event.cost
        self.about = self.about or event.about

    def _choose(self, event: events.Chosen, when: float) -> None:
        self.attempts += event.purpose != "check"
        self.texts[event.task] = event.text
        if self.started is None or self.started.at_once <= 1:
            self.running.clear()
        self.running[event.n] = Running(event, when, when)

    def _see_verdict(self, event: Event) -> None:
        if isinstance(event, events.Recorded):
            self.done |= dict.fromkeys((event.task, *event.also), event.commit)
            self.levels |= event.levels
            self.ungated -= {event.task, *event.also}
            self.ungated |= set() if event.proved else {event.task, *event.also}
            self.aside.pop(event.task, None)
            self.running.pop(event.n, None)
        elif isinstance(event, events.SetAside):
            self._add(event)
            over = self.running.pop(event.n, None)
            if over is None or not over.chosen.purpose:
                self.aside[event.task] = event.reason
        elif isinstance(event, events.Parked):
            self.texts.setdefault(event.task, event.text)
            self.parked[event.task] = event.reason
            self.aside.pop(event.task, None)
        elif isinstance(event, events.Reopened):
            self.done.pop(event.task, None)
            self.aside[event.task] = event.reason
        elif isinstance(event, events.Split):
            self.split[event.task] = f"into {len(event.into)} tasks"
            self.aside.pop(event.task, None)
        elif isinstance(event, events.Skipped):
            self.aside[event.task] = "skipped in this run"


def outcome(seen: Iterable[Event]) -> RunSummary:
    """The outcome of one run, from all of its events."""
    found = RunSummary()
    for event in seen:
        found.see(event)
    return found


def summary(run: RunSummary, logs: str) -> list[str]:
    """The end of a run for people: what was attempted, what worked, what needs a human, what it cost, what now.

    `logs` is the folder that holds journal and transcripts.
    """
    if run.started is None or run.ended is None:
        return []
    how_long = spent(run.ended.seconds, run.ended.tokens, run.ended.cost, run.ended.about)
    shown = ["", f"Summary: {sentence(run.ended.why)}", ""]
    shown += _row("attempted", [f"{_many(len(run.texts), 'task')} in {_many(run.attempts, 'attempt')}, {how_long}"])
    shown += _row("done", [_commit(run, task) for task in run.done])
    shown += _row("split", _reasons(run, run.split))
    shown += _row("parked", _reasons(run, run.parked))
    shown += _row("still open", _reasons(run, run.aside))
    shown += _row("logs", [logs, "`ralph logs` shows the diary, `ralph logs TASK` what the agent said"])
    shown += _row("what now", _what_now(run.started, run))
    return [*shown, *_row(f"exit {run.ended.code}", [_meaning(run.ended.code)])]


def _row(label: str, values: list[str]) -> list[str]:
    return [f"  {label if not number else '':<12}{value}" for number, value in enumerate(values)]


def _many(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _name(run: RunSummary, task: str) -> str:
    return sentence(title_with_id(task, run.texts.get(task, ""))) or task


def _commit(run: RunSummary, task: str) -> str:
    name = f"{run.done[task][:7]}  {_name(run, task)}"
    return f"{name} (nothing proved it)" if task in run.ungated else with_level(name, run.levels.get(task, ""))


def _reasons(run: RunSummary, tasks: dict[str, str]) -> list[str]:
    return [line for task, why in tasks.items() for line in (_name(run, task), f"  {sentence(why)}")]


def _what_now(start: events.RunStarted, run: RunSummary) -> list[str]:
    home, branch = shlex.quote(start.home), shlex.quote(start.branch)
    advice = []
    if run.parked:
        advice.append(
            "a parked task: `ralph review TASK` shows all of it, `ralph retry TASK --note TEXT` puts it back"
        )
    if run.done:
        advice.append("undo one task and its tick: git revert COMMIT")
    if start.home != start.branch and run.done:
        advice += [f"merge:   git switch {home} && git merge {branch}", f"go back: git switch {home}"]
    return advice


def _meaning(code: int) -> str:
    return MEANING.get(Exit(code), "") if code in list(Exit) else ""
