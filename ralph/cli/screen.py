"""What a run shows while it goes: lines, colours on a terminal, or JSON; and its summary."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ralph.cli.output import say
from ralph.config import Settings
from ralph.events import Event, Noted, RunStarted, to_json
from ralph.show.lines import printer
from ralph.show.summary import Outcome, outcome, summary
from ralph.show.teller import Teller
from ralph.system import journal


class Screen:
    """Hands events to the people. The journal has them all; a reader that went away does not stop a run."""

    def __init__(self, settings: Settings, state: Path) -> None:
        self._settings, self._state = settings, state
        self._terminal = not settings.json and sys.stdout.isatty()
        self._show = self._printer()
        self.outcome = Outcome()
        self._teller = Teller()

    def tell(self, event: Event) -> None:
        self.outcome.see(event)
        if self._settings.json:
            say(as_json(event, time.time()))
            return
        for line in self._lines(event):
            self._show(stamped(line, time.time()))

    def _lines(self, event: Event) -> list[str]:
        if isinstance(event, RunStarted) and event.resumed:
            for earlier in self._journal(event.run):
                self._teller.learn(earlier)
        shown = self._teller.lines(event, self._settings.verbose or self._terminal)
        return shown if not self._settings.quiet or (isinstance(event, Noted) and event.loud) else []

    def end(self) -> None:
        """Show the summary; on stderr where stdout is for programs."""
        for line in summary(self._whole(), str(self._state)):
            say(line, error=self._settings.json)

    def _whole(self) -> Outcome:
        """The run, with what it did before it was cut off and taken up again."""
        start = self.outcome.started
        return outcome(self._journal(start.run)) if start and start.resumed else self.outcome

    def _journal(self, run: str) -> Iterator[Event]:
        """What the journal has of a run."""
        entries = journal.read(self._state / "journal.jsonl")
        return (entry.event for entry in entries if entry.event is not None and entry.run == run)

    def _printer(self) -> Callable[[str], object]:
        if not self._terminal or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
            return say
        return printer(sys.stdout)


def stamped(line: str, when: float) -> str:
    """The line with its time of day; an empty line stays empty."""
    return f"{time.strftime('%H:%M:%S', time.localtime(when))} {line}" if line.strip() else ""


def as_json(event: Event, when: float) -> str:
    return json.dumps({"time": round(when, 3), **to_json(event)})
