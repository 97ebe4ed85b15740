"""Retention of what finished runs left: the journal and the age decide what is still needed. Pure."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import field

from ralph.immutable import immutable
from ralph.state import events
from ralph.state.events import Event
from ralph.state.history import History, fold

Step = tuple[float, str, Event]  # epoch time, run, event
Attempt = tuple[str, int]  # run, number in it
REF = re.compile(r"refs/ralph/([^/\s`'\"]+)/(\d+)/[^\s`'\"]+")
STAMP = re.compile(r"\d{8}-\d{6}(?=-)")


@immutable
class InUse:
    """What must stay. `last`: the time of the last event of each run in a journal."""

    runs: frozenset[str] = frozenset()  # unfinished runs
    attempts: frozenset[Attempt] = frozenset()  # of tasks that wait for a human, or whose work is to be continued
    last: dict[str, float] = field(default_factory=dict)

    def __or__(self, other: InUse) -> InUse:
        newest = {run: max(self.last.get(run, 0.0), when) for run, when in other.last.items()}
        return InUse(self.runs | other.runs, self.attempts | other.attempts, {**self.last, **newest})

    def over(self, run: str, before: float, seen: float = 0.0) -> bool:
        """Whether a run has ended and its last event was before `before`. `seen` is its time if no journal has it.
        A run of unknown age stays."""
        return run not in self.runs and 0.0 < (self.last.get(run) or started(run) or seen) < before

    def free(self, run: str, n: int | None, before: float, seen: float = 0.0) -> bool:
        """Whether the data of an attempt (None: of the run) may be removed."""
        return self.over(run, before, seen) and (run, n) not in self.attempts


def started(run: str) -> float:
    """Return the start of a run from its name, or 0 if it is not a name of ralph's."""
    with suppress(ValueError, OverflowError):
        if stamp := STAMP.match(run):
            return time.mktime(time.strptime(stamp[0], "%Y%m%d-%H%M%S"))
    return 0.0


def needed(steps: Iterable[Step], waits: Callable[[str, str], bool]) -> InUse:
    """Return what a journal still needs. `waits(prd, task)`: whether a parked task is still open."""
    history, prd, last = History(), "", dict[str, float]()
    tries: dict[tuple[str, str], set[Attempt]] = {}
    parked: set[tuple[str, str]] = set()
    for when, run, event in steps:
        history, last[run] = fold(history, when, run, event), when
        prd = event.prd if isinstance(event, events.RunStarted) else prd
        if isinstance(event, events.Chosen):
            tries.setdefault((prd, event.task), set()).add((run, event.n))
        elif isinstance(event, events.Recorded):
            tries.pop((prd, event.task), None)
            parked.discard((prd, event.task))
        elif isinstance(event, events.Parked):
            parked.add((prd, event.task))
    waiting = {entry for key in parked if waits(*key) for entry in tries.get(key, ())}
    return InUse(_unfinished(history), frozenset(waiting) | named_in("\n".join(_works(history))), last)


def _unfinished(history: History) -> frozenset[str]:
    """Return the unfinished run and the runs of unfinished attempts."""
    runs = {attempt.run for attempt in history.running.values()}
    return frozenset(runs | ({history.run.run} if history.run else set()))


def _works(history: History) -> list[str]:
    """Return the refs of work to continue or with a pending move, for every PRD."""
    others = history.others.values()
    tallies = [*history.tallies.values(), *(tally for tallies, _, _ in others for tally in tallies.values())]
    owing = [*history.owing.values(), *(aside for _, owing, _ in others for aside in owing.values())]
    return [tally.work for tally in tallies] + [aside.work for aside in owing]


def named_in(text: str) -> frozenset[Attempt]:
    """Return the attempts whose refs a text names, as review files do."""
    return frozenset((run, int(n)) for run, n in REF.findall(text))


def of_ref(name: str) -> tuple[str, int | None]:
    """Return (run, attempt) of a ref of ralph's."""
    _, _, run, *rest = (*name.split("/"), "", "", "")
    return run, int(rest[0]) if rest[0].isdigit() else None


def is_saved(name: str) -> bool:
    """Whether a ref keeps a branch or tag that an agent deleted or moved."""
    return name.split("/")[3:4] == ["saved"]
