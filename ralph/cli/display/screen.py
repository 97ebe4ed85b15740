"""Output of a run: lines, colours and a live view on a terminal, or JSON; and its summary."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ralph.cli.display.line_prefix import LinePrefix
from ralph.cli.display.lines import printer
from ralph.cli.display.summary import RunSummary, outcome, summary
from ralph.cli.output import say
from ralph.config import Settings
from ralph.state import journal
from ralph.state.events import Event, GateStarted, Noted, RunEnded, RunStarted, to_json

if TYPE_CHECKING:
    from ralph.cli.display.live_view import LiveView
    from ralph.engine.context import RunContext


class Screen:
    """Shows events. A closed output does not stop a run: the journal has all events.

    As a context manager it restores the terminal on exit.
    """

    def __init__(self, settings: Settings, state: Path) -> None:
        self._settings, self._state = settings, state
        self._terminal = not settings.json and sys.stdout.isatty()
        self._panel = self._live_view()
        self._above = CapturedOutput()
        self._show = self._printer()
        self.outcome = RunSummary()
        self._teller = LinePrefix()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._panel is not None:
            self._panel.close()

    def tell(self, event: Event) -> None:
        """Show an event."""
        self.outcome.see(event)
        if self._settings.json:
            self._tell_programs(event)
            return
        for line in self._lines(event):
            self._show(stamped(line, time.time()))
        if self._panel is not None:
            self._panel.above(event, self._above.taken())
            if isinstance(event, RunEnded):
                self._panel.close()

    def _tell_programs(self, event: Event) -> None:
        """Print an event as its journal entry."""
        if not isinstance(event, GateStarted):
            say(as_json(event, time.time()))

    def beat(self, run: RunContext) -> None:
        """Update the live view while the run waits."""
        if self._panel is not None:
            self._panel.beat(run)

    def _lines(self, event: Event) -> list[str]:
        if isinstance(event, RunStarted) and event.resumed:
            for earlier in self._journal(event.run):
                self._teller.learn(earlier)
        shown = self._teller.lines(event, self._settings.verbose or self._terminal)
        return shown if not self._settings.quiet or (isinstance(event, Noted) and event.loud) else []

    def end(self) -> None:
        """Show the summary, on stderr if stdout is for programs."""
        for line in summary(self._whole(), str(self._state)):
            say(line, error=self._settings.json)

    def _whole(self) -> RunSummary:
        """Return the events of the run, with those before an interruption."""
        start = self.outcome.started
        return outcome(self._journal(start.run)) if start and start.resumed else self.outcome

    def _journal(self, run: str) -> Iterator[Event]:
        """Return the journal's events of a run."""
        entries = journal.read_journal(journal.journal_path(self._state))
        return (entry.event for entry in entries if entry.event is not None and entry.run == run)

    def _printer(self) -> Callable[[str], object]:
        if not self._terminal or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
            return say if self._panel is None else self._above.line
        return printer(sys.stdout if self._panel is None else self._above)

    def _live_view(self) -> LiveView | None:
        """Return the live view if the terminal supports it and the settings show all lines, otherwise None."""
        asked = self._terminal and not (self._settings.quiet or self._settings.plain)
        if not asked or os.environ.get("TERM", "dumb") == "dumb":
            return None
        from ralph.cli.display.live_view import LiveView

        return LiveView(sys.stdout)


class CapturedOutput(io.StringIO):
    """Lines above the live view, written together for each event."""

    def isatty(self) -> bool:
        return True

    def line(self, text: str) -> None:
        self.write(f"{text}\n")

    def taken(self) -> str:
        """Return and clear the written text."""
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text


def stamped(line: str, when: float) -> str:
    """Return the line with its time of day. An empty line stays empty."""
    return f"{time.strftime('%H:%M:%S', time.localtime(when))} {line}" if line.strip() else ""


def as_json(event: Event, when: float) -> str:
    return json.dumps({"time": round(when, 3), **to_json(event)})
