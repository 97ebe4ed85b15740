"""Single keys from the terminal, without Enter and echo. The terminal is restored afterwards."""

from __future__ import annotations

import os
import signal
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from select import select
from types import FrameType

LINE, CC = 3, 6  # positions of local modes and control characters in termios
MOST = 1024  # bytes of one read
HASTY = 2  # most different keys between two reads; more are a paste


class Keyboard:
    """Polled keys. One process opens and closes it; its forked children have no keys.

    Ctrl-Z and Ctrl-\\ are handled at once, because git may block at the same moment and delay the next poll.
    `leave` is called before, so that a view can be erased.
    """

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave, self._owner = leave, os.getpid()
        self._fd = -1
        self._before: list[object] | None = None  # the terminal's modes
        self._ours = False  # they are as we want them
        self._old: dict[int, object] = {}

    def open(self) -> None:
        """Start reading keys if there is a terminal."""
        with suppress(OSError, ValueError):
            self._fd = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else -1
        handlers = {signal.SIGTSTP: self._lay_aside, signal.SIGQUIT: self._lay_aside, signal.SIGCONT: self._again}
        for number, handler in handlers.items():
            self._old[number] = signal.signal(number, handler)

    def close(self) -> None:
        """Restore the terminal."""
        if os.getpid() != self._owner:
            return
        self._restore()
        for number, handler in self._old.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._old, self._fd = {}, -1

    @property
    def there(self) -> bool:
        """Whether keys can be read."""
        return self._fd >= 0

    def pressed(self) -> str:
        """Return the keys pressed since the last call, each once. Ignore pastes and arrow keys."""
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
        """Restore the modes, but only from the foreground: otherwise the terminal belongs to another program."""
        if self._before is not None and in_front(self._fd):
            with suppress(OSError, termios.error):
                termios.tcsetattr(self._fd, termios.TCSANOW, self._before)  # type: ignore[arg-type]
        self._before, self._ours = None, False

    def _lay_aside(self, number: int, _frame: FrameType | None) -> None:
        """Restore the terminal, then act as the signal does by default."""
        if os.getpid() != self._owner:
            return
        self._leave()
        self._restore()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.signal(number, self._lay_aside)  # it goes on

    def _again(self, _number: int, _frame: FrameType | None) -> None:
        """Set the modes again after a stop without a handler, because the shell has set its own."""
        self._ours = False


def in_front(fd: int) -> bool:
    """Whether this is the foreground program of the terminal."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return True  # a terminal without an owner: then it is ours
