"""The live view: rows below the lines of a run, repainted periodically, and the keys that control it.

The lines scroll above it as usual: no second screen, the cursor stays visible. A repaint is one write: up, erase,
new lines, rows. There is no thread; the run calls `beat` while it waits.
"""

from __future__ import annotations

import os
import time
from select import select
from typing import TextIO

from ralph.cli.display.columns import Row, wide
from ralph.cli.display.keyboard import Keyboard, in_front
from ralph.cli.display.lines import sentence
from ralph.cli.display.live_rows import KeyState, LiveFacts, LiveState
from ralph.cli.output import write
from ralph.engine import budget
from ralph.engine.context import RunContext
from ralph.errors import RalphError
from ralph.state.attempt import State
from ralph.state.events import AgentReported, Event
from ralph.state.history import History
from ralph.text import clean, mask, one_line, secrets_of

GLANCE = 0.1  # seconds between two reads of the keys
REST = 0.5  # seconds between two repaints
SAID = 6.0  # seconds that an answer stays, and that `s` waits to be pressed again
CODES = {"dim": "2", "bold": "1", "green": "32", "yellow": "33", "red": "31"}
PLAIN = str.maketrans("━┄─…", "=-- ")  # for terminals with ASCII only
BEFORE = (State.CHOSEN, State.PREPARED, State.WORKING)  # the agent can still be ended


class LiveView:
    """The rows on the terminal. `above` prints lines over them; `beat` repaints them and reads a key."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._owner = stream, os.getpid()
        self._live = LiveState()
        self._colour = "NO_COLOR" not in os.environ
        self._keyboard = Keyboard(self._lay_aside)
        self._facts = LiveFacts()
        self._open = self._closed = False
        self._shown: list[int] = []  # the columns of each row on the terminal
        self._size = (0, 0)
        self._glanced = self._painted = 0.0  # monotonic
        self._answer, self._said = "", 0.0
        self._help = False
        self._skip = ""  # the task that a second `s` skips

    def above(self, event: Event, text: str) -> None:
        """Take an event and print its lines above the rows, if there are rows."""
        try:
            self._live.see(event, time.time())
            if not isinstance(event, AgentReported):
                self._painted = 0.0  # state without events has changed, too
            if text and self._open and self._mine():
                self._paint(text)
                return
        except Exception as error:
            self._broke(error)
        write(text, self._stream)

    def beat(self, run: RunContext) -> None:
        """Read the keys and repaint if it is time. Called often while the run waits."""
        now = time.monotonic()
        if self._closed or now - self._glanced < GLANCE or os.getpid() != self._owner:
            return
        self._glanced = now
        try:
            self._look(run, now)
        except Exception as error:
            self._broke(error)

    def _look(self, run: RunContext, now: float) -> None:
        if not self._open:
            self._open, self._live.secrets = True, run.secrets
            self._keyboard.open()
        keys = self._keyboard.pressed()
        for key in keys:
            self._press(run, key)
        if (keys or now - self._painted >= REST or self._size != self._now()) and self._may_write():
            self._facts, self._painted = facts(run), now
            self._paint()

    def close(self) -> None:
        """Erase the rows and restore the terminal."""
        if os.getpid() != self._owner or self._closed:
            return
        self._closed = True
        if self._open and self._mine():
            write(self._away(), self._stream)
        self._open, self._shown = False, []
        self._keyboard.close()

    def _broke(self, error: Exception) -> None:
        """Switch the view off after an error: a run must not end because of its display."""
        self.close()
        said = one_line(mask(clean(f"{type(error).__name__}: {error}"), secrets_of(os.environ)))
        write(f"The live view broke and is switched off: {said}\n", self._stream)

    # ------------------------------------------------------------ painting

    def _paint(self, text: str = "") -> None:
        self._size = self._now()
        columns, height = self._size
        if time.monotonic() - self._said > SAID:
            self._answer = self._skip = ""
        hand = KeyState(self._keyboard.there, self._answer, self._help)
        rows = self._live.rows(self._facts, time.time(), columns, height, hand)
        away = self._away()
        # no wrapping, whatever width the terminal gives a character
        drawn = "\n".join(map(self._drawn, rows))
        whole = f"{away}{text}\x1b[?7l{drawn}\x1b[?7h"
        if write(whole, self._stream):
            self._shown = [wide(row) for row in rows]
        else:
            self.close()  # the output is closed

    def _away(self) -> str:
        """Return the codes that erase each row: tmux keeps a copy of a screen that is erased from its top.

        Count the rows that a narrower terminal has wrapped meanwhile.
        """
        if not self._shown:
            return ""
        columns = max(1, self._now()[0])
        wraps = "XTERM_VERSION" not in os.environ or "TMUX" in os.environ
        rows = sum(max(1, -(-number // columns)) if wraps else 1 for number in self._shown)
        return "\r\x1b[2K" + "\x1b[A\x1b[2K" * (rows - 1)

    def _drawn(self, row: Row) -> str:
        text = "".join(self._styled(part.text, part.style) for part in row)
        return text if "utf" in (self._stream.encoding or "utf-8").lower() else text.translate(PLAIN)

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{CODES[style]}m{text}\x1b[0m" if self._colour and style else text

    def _now(self) -> tuple[int, int]:
        """Return (columns, rows) of the terminal, with defaults if it does not know them."""
        try:
            columns, rows = os.get_terminal_size(self._stream.fileno())
        except OSError:
            columns = rows = 0
        return (columns or 80, rows or 24)

    def _mine(self) -> bool:
        return in_front(self._stream.fileno())

    def _may_write(self) -> bool:
        """Whether the terminal is ours and writable: after Ctrl-S a write would block the run."""
        return self._mine() and bool(select([], [self._stream], [], 0)[1])

    def _lay_aside(self) -> None:
        """Write in a signal handler, bypassing the stream, which may be in the middle of a write."""
        away, self._shown, self._painted = self._away(), [], 0.0
        if away and self._may_write():
            os.write(self._stream.fileno(), away.encode())

    # ------------------------------------------------------------ keys

    def _press(self, run: RunContext, key: str) -> None:
        sure, self._skip, self._answer = self._skip, "", ""
        try:
            if key == "p":
                self._pause(run)
            elif key == "s":
                self._leave_out(run, sure)
            elif key == "q":
                run.control.stop(now=False)
            elif key == "?":
                self._help = not self._help
        except RalphError as error:
            self._say(str(error))

    def _pause(self, run: RunContext) -> None:
        if not run.control.resume():
            run.control.pause("asked for with the key p")

    def _leave_out(self, run: RunContext, sure: str) -> None:
        """Ask for confirmation on the first press, and skip on the second."""
        task, text = skippable(run.state.history)
        if not task:
            self._say("Nothing is at work that could be skipped.")
        elif sure == task:
            run.control.skip(task)
            self._say(f"Skipped: “{text}” is left out of this run, its box stays empty.")
        else:
            self._skip = task
            self._say(f"Skip “{one_line(text, 40)}”? s again: yes. Any other key: no.")

    def _say(self, text: str) -> None:
        self._answer, self._said = text, time.monotonic()


def skippable(history: History) -> tuple[str, str]:
    """Return id and text of the task for the key `s`: of the oldest agent at work, or the task of the wait."""
    for attempt in history.running.values():
        if attempt.state in BEFORE:
            return attempt.task, sentence(attempt.text)
    waiting = history.waiting
    return (waiting.task, sentence(waiting.task)) if waiting and waiting.task else ("", "")


def facts(run: RunContext) -> LiveFacts:
    """Return the state without events."""
    history, settings = run.state.history, run.settings
    leaves = [task for task in run.state.reading.prd.tasks if task.leaf] if run.state.reading.prd else []
    open_ones = [task for task in leaves if not task.done]
    parked = sum(task.fields.parked is not None for task in open_ones)
    done = len(leaves) - len(open_ones)
    return LiveFacts(
        done, parked, len(open_ones) - parked, run.seconds, settings.max_time,
        history.attempts, settings.max_iterations, history.tokens, budget.max_tokens(run), history.cost,
        budget.max_cost(run),
        about=history.about, pausing=run.control.paused() is not None, stopping=run.control.stop_asked() or "",
    )  # fmt: skip
