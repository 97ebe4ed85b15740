"""The lines of a run, one event after the other: with several attempts at once, each line says whose it is."""

from __future__ import annotations

from ralph.cli.display.lines import lines, sentence
from ralph.state.events import Chosen, Event, RunStarted

NARROW, WIDE = 4, 10  # columns of a task's id


class LinePrefix:
    """Knows which attempt is at which task."""

    def __init__(self) -> None:
        self._several = False
        self._tasks: dict[int, str] = {}  # attempt -> id of its task
        self._width = NARROW

    def lines(self, event: Event, verbose: bool = False) -> list[str]:
        """What to show of the next event: as `lines.lines`, behind the task's id where it needs one."""
        self.learn(event)
        shown = lines(event, verbose)
        if not self._several or isinstance(event, RunStarted):
            return shown
        whose = self._whose(event)
        return [f"{whose:<{self._width}} {line}" for line in shown if line]

    def learn(self, event: Event) -> None:
        """Take note of it without showing it: it was shown before the run was taken up again."""
        if isinstance(event, RunStarted):
            self._several = event.at_once > 1
        elif isinstance(event, Chosen):
            self._tasks[event.n] = event.task
            self._width = max(self._width, len(_short(event.task)))

    def _whose(self, event: Event) -> str:
        """The task of the attempt, or the task that something was decided about; "" where it is about the run."""
        return _short(getattr(event, "task", "") or self._tasks.get(getattr(event, "n", 0), ""))


def _short(task: str) -> str:
    shown = sentence(task)
    return shown if len(shown) <= WIDE else shown[: WIDE - 1] + "…"
