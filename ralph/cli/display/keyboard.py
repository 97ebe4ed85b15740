"""Single keys from the terminal, without Enter and without an echo; the terminal is as before afterwards."""

from __future__ import annotations

import os
import signal
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from select import select
from types import FrameType

LINE, CC = 3, 6  # where termios keeps the local modes, and the control characters
MOST = 1024  # bytes of one look
HASTY = 2  # different keys between two looks: more than that nobody presses


class Keyboard:
    """What is pressed, asked for now and then. Opened and closed by one process: what it forks has no keys.

    Ctrl-Z and Ctrl-\\ are served at once: git may stand still in the same moment, and nobody would ask any more.
    `leave` is called before, so that a view can be taken away.
    """

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave, self._owner = leave, os.getpid()
        self._fd = -1
        self._before: list[object] | None = None  # the terminal's modes
        self._ours = False  # they are as we want them
        self._old: dict[int, object] = {}

    def open(self) -> None:
        """Listen, if there is a terminal to listen to."""
        with suppress(OSError, ValueError):
            self._fd = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else -1
        handlers = {signal.SIGTSTP: self._lay_aside, signal.SIGQUIT: self._lay_aside, signal.SIGCONT: self._again}
        for number, handler in handlers.items():
            self._old[number] = signal.signal(number, handler)

    def close(self) -> None:
        """The terminal as it was."""
        if os.getpid() != self._owner:
            return
        self._restore()
        for number, handler in self._old.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._old, self._fd = {}, -1

    @property
    def there(self) -> bool:
        """Somebody can press a key."""
        return self._fd >= 0

    def pressed(self) -> str:
        """The keys that were pressed since, each once; what looks like a paste, or an arrow key, is none."""
        if self._fd < 0 or not in_front(self._fd):
            return ""
        try:
            if not self._ours:
                self._take()
            typed = os.read(self._fd, MOST) if select([self._fd], [], [], 0)[0] else None
        except (OSError, termios.error):
            typed = b""
        if typed == b"":  # the terminal is gone
            self._fd = -1
        keys = "".join(dict.fromkeys((typed or b"").decode(errors="replace")))
        return keys if len(keys) <= HASTY and "\x1b" not in keys else ""

    def _take(self) -> None:
        modes = termios.tcgetattr(self._fd)
        if self._before is None:
            self._before = [*modes[:CC], list(modes[CC])]
        modes[LINE] &= ~(termios.ICANON | termios.ECHO)
        modes[CC][termios.VMIN], modes[CC][termios.VTIME] = 1, 0
        termios.tcsetattr(self._fd, termios.TCSANOW, modes)  # not DRAIN: that waits where Ctrl-S holds the output
        self._ours = True

    def _restore(self) -> None:
        """From behind another program it is that one's terminal: then nothing is done."""
        if self._before is not None and in_front(self._fd):
            with suppress(OSError, termios.error):
                termios.tcsetattr(self._fd, termios.TCSANOW, self._before)  # type: ignore[arg-type]
        self._before, self._ours = None, False

    def _lay_aside(self, number: int, _frame: FrameType | None) -> None:
        """Leave the terminal, then do what the signal does by itself."""
        if os.getpid() != self._owner:
            return
        self._leave()
        self._restore()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.signal(number, self._lay_aside)  # it goes on

    def _again(self, _number: int, _frame: FrameType | None) -> None:
        """After a pause that nobody could prepare for, the shell has set its own modes."""
        self._ours = False


def in_front(fd: int) -> bool:
    """Whether this is the program that the terminal belongs to now, not one that a shell put behind others."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return True  # nobody's terminal: then it is ours
