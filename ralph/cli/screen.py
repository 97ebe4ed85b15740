"""What a run shows while it goes: lines, colours on a terminal, or JSON; and its summary."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ralph.cli.output import say
from ralph.config import Settings
from ralph.events import Event, Noted, to_json
from ralph.show.lines import lines, printer
from ralph.show.summary import Outcome, outcome, summary
from ralph.system import journal


class Screen:
    """Hands events to the people. The journal has them all; a reader that went away does not stop a run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._terminal = not settings.json and sys.stdout.isatty()
        self._show = self._printer()
        self.outcome = Outcome()

    def tell(self, event: Event) -> None:
        self.outcome.see(event)
        if self._settings.json:
            say(as_json(event, time.time()))
            return
        if self._settings.quiet and not (isinstance(event, Noted) and event.loud):
            return
        for line in lines(event, self._settings.verbose or self._terminal):
            self._show(stamped(line, time.time()))

    def end(self, state: Path) -> None:
        """Show the summary; on stderr where stdout is for programs."""
        for line in summary(self._whole(state), str(state)):
            say(line, error=self._settings.json)

    def _whole(self, state: Path) -> Outcome:
        """The run, with what it did before it was cut off and taken up again."""
        start = self.outcome.started
        if start is None or not start.resumed:
            return self.outcome
        entries = journal.read(state / "journal.jsonl")
        return outcome(entry.event for entry in entries if entry.event is not None and entry.run == start.run)

    def _printer(self) -> Callable[[str], object]:
        if not self._terminal or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
            return say
        return printer(sys.stdout)


def stamped(line: str, when: float) -> str:
    """The line with its time of day; an empty line stays empty."""
    return f"{time.strftime('%H:%M:%S', time.localtime(when))} {line}" if line.strip() else ""


def as_json(event: Event, when: float) -> str:
    return json.dumps({"time": round(when, 3), **to_json(event)})
