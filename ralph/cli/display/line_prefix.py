"""The lines of a run by event. With parallel attempts, each line starts with its task's id."""

from __future__ import annotations

from ralph.cli.display.lines import lines, sentence
from ralph.state.events import Chosen, Event, RunStarted

NARROW, WIDE = 4, 10  # columns of a task's id


class LinePrefix:
    """Maps attempts to tasks."""

    def __init__(self) -> None:
        self._several = False
        self._tasks: dict[int, str] = {}  # attempt -> id of its task
        self._width = NARROW

    def lines(self, event: Event, verbose: bool = False) -> list[str]:
        """Return the lines of the next event as `lines.lines`, with the task's id if needed."""
        self.learn(event)
        shown = lines(event, verbose)
        if not self._several or isinstance(event, RunStarted):
            return shown
        whose = self._whose(event)
        return [f"{whose:<{self._width}} {line}" for line in shown if line]

    def learn(self, event: Event) -> None:
        """Take an event without showing it: it was shown before the run was resumed."""
        if isinstance(event, RunStarted):
            self._several = event.at_once > 1
        elif isinstance(event, Chosen):
            self._tasks[event.n] = event.task
            self._width = max(self._width, len(_short(event.task)))

    def _whose(self, event: Event) -> str:
        """Return the task of an event's attempt or decision, or "" if the event is about the run."""
        return _short(getattr(event, "task", "") or self._tasks.get(getattr(event, "n", 0), ""))


def _short(task: str) -> str:
    shown = sentence(task)
    return shown if len(shown) <= WIDE else shown[: WIDE - 1] + "…"
