"""Ctrl-C, TERM and HUP, counted and checked by every wait."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class StopSignal:
    """Whether Ctrl-C, TERM or HUP arrived. A handler counts them and each wait checks the count.

    Waits check it at least five times a second. `beat` is called then, and drives the live view.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.beat: Callable[[], None] | None = None

    def __bool__(self) -> bool:
        if self.beat is not None:
            self.beat()
        return self.asked > 0

    @contextmanager
    def listening(self) -> Iterator[StopSignal]:
        names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        old = {name: signal.signal(name, self._heard) for name in names}
        try:
            yield self
        finally:
            for name, handler in old.items():
                signal.signal(name, handler)

    def _heard(self, _number: int, _frame: FrameType | None) -> None:
        self.asked += 1
