"""What a run shows while it goes: lines, colours and a live view on a terminal, or JSON; and its summary."""

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
    """Hands events to the people. The journal has them all; a reader that went away does not stop a run.

    A context, at whose end the terminal is as before.
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
        """Show what happened."""
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
        """What the journal has, too."""
        if not isinstance(event, GateStarted):
            say(as_json(event, time.time()))

    def beat(self, run: RunContext) -> None:
        """The run waits for something: the live view goes on."""
        if self._panel is not None:
            self._panel.beat(run)

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

    def _whole(self) -> RunSummary:
        """The run, with what it did before it was cut off and taken up again."""
        start = self.outcome.started
        return outcome(self._journal(start.run)) if start and start.resumed else self.outcome

    def _journal(self, run: str) -> Iterator[Event]:
        """What the journal has of a run."""
        entries = journal.read_journal(journal.journal_path(self._state))
        return (entry.event for entry in entries if entry.event is not None and entry.run == run)

    def _printer(self) -> Callable[[str], object]:
        if not self._terminal or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
            return say if self._panel is None else self._above.line
        return printer(sys.stdout if self._panel is None else self._above)

    def _live_view(self) -> LiveView | None:
        """Where there is a terminal that can be painted on, and somebody who wants all lines."""
        asked = self._terminal and not (self._settings.quiet or self._settings.plain)
        if not asked or os.environ.get("TERM", "dumb") == "dumb":
            return None
        from ralph.cli.display.live_view import LiveView

        return LiveView(sys.stdout)


class CapturedOutput(io.StringIO):
    """Lines that are written above the live view, all those of an event at once."""

    def isatty(self) -> bool:
        return True

    def line(self, text: str) -> None:
        self.write(f"{text}\n")

    def taken(self) -> str:
        """What was written since."""
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text


def stamped(line: str, when: float) -> str:
    """The line with its time of day; an empty line stays empty."""
    return f"{time.strftime('%H:%M:%S', time.localtime(when))} {line}" if line.strip() else ""


def as_json(event: Event, when: float) -> str:
    return json.dumps({"time": round(when, 3), **to_json(event)})
