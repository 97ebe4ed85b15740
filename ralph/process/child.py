"""The supervisor's loop around one child: read its output, obey the parent, wait for the exit."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from select import POLLHUP, POLLIN, poll
from typing import Protocol

from ralph.process import tree
from ralph.process.supervisor import END, GRACE, TYPE, Link

TICK = 0.2  # maximum seconds between two checks of the child
LINGER = 2.0  # maximum seconds that processes which outlive the child may go on printing ...
GAP = 0.05  # ... and the longest pause in that output
STREAM = 0.05  # seconds between two reads of a stream, at most
FLOOD = 4_000_000  # bytes a second: faster output is read immediately
BURST = 0.005  # seconds to collect a burst: one large read costs less than ten small ones
CLOSED = 0.1  # seconds before closed output is polled again: the child can reopen its terminal


class Child(Protocol):
    """A started program: its pid, which is also its process group, and the descriptor of its output."""

    pid: int
    fd: int

    def read(self) -> bytes:
        """Return the available output. Raise EOFError if no process holds the other end."""

    def code(self) -> int | None:
        """Return the exit code, negative for a signal; None while the program runs."""


class ChildSupervisor:
    """Reads a child until it exits. Its exit ends the loop, not the end of its output. The supervisor ends its
    leftovers."""

    def __init__(
        self, child: Child, link: Link, swallow: Callable[[bytes], None],
        type_in: Callable[[bytes], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._child, self._link, self._swallow, self._type = child, link, swallow, type_in
        self._wake, bell = socket.socketpair()
        self._bell = bell  # a reference: garbage collection would close the wakeup socket
        for end in (self._wake, bell):
            end.setblocking(False)
        signal.set_wakeup_fd(bell.fileno(), warn_on_full_buffer=False)
        self._poll = poll()
        for fd in (child.fd, link.fd, self._wake.fileno()):
            self._poll.register(fd, POLLIN)
        self._deaf_until = 0.0
        self._last = 0.0, 0  # time and size of the last read
        self._kill_at: float | None = None

    def keep(self, pulse: Callable[[], float] = lambda: TICK) -> int | None:
        """Return the child's exit code once its output is read; None if it could not be ended.

        Each turn calls `pulse`, which returns the seconds until its next call.
        """
        code = self._child.code()
        while code is None and not self._hopeless():
            if self._turn(min(pulse(), TICK)):
                code = self._child.code()
        self._drain()
        return code

    def _turn(self, patience: float) -> bool:
        """Wait for an event; return True if the child may have exited."""
        if self._deaf_until and time.monotonic() > self._deaf_until:
            self._listen()
        ready = self._take(patience)
        self._kill_if_due()
        return not ready or self._wake.fileno() in ready

    def _take(self, patience: float) -> set[int]:
        """Wait for events and handle them; return the ready descriptors."""
        ready = dict(self._poll.poll(patience * 1000))
        if self._link.fd in ready:
            self._obey()
        if self._child.fd in ready:
            self._read(last=bool(ready[self._child.fd] & POLLHUP))
        if self._wake.fileno() in ready:
            self._wake.recv(4096)
            self._reap_strangers()
        return set(ready)

    def _read(self, *, last: bool) -> None:
        gap = time.monotonic() - self._last[0]
        if self._last[1] / FLOOD < gap < STREAM and not last:
            time.sleep(BURST)
        try:
            data = self._child.read()
            self._last = time.monotonic(), len(data)
        except EOFError:
            self._poll.unregister(self._child.fd)
            self._deaf_until = time.monotonic() + CLOSED
            return
        self._swallow(data)

    def _listen(self) -> None:
        self._deaf_until = 0.0
        self._poll.register(self._child.fd, POLLIN)

    def _obey(self) -> None:
        word = self._link.receive()
        if word == END and self._kill_at is None:
            self._kill_at = time.monotonic() + GRACE
            tree.send_group(signal.SIGTERM, self._child.pid)
        elif word.startswith(TYPE):
            self._type(word.removeprefix(TYPE))

    def _kill_if_due(self) -> None:
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            tree.send_group(signal.SIGKILL, self._child.pid)
            tree.send(signal.SIGKILL, [self._child.pid])

    def _hopeless(self) -> bool:
        return self._kill_at is not None and time.monotonic() > self._kill_at + GRACE / 2

    def _reap_strangers(self) -> None:
        """Reap orphans that ended: a long session must not fill the process table with zombies."""
        while (info := _ended()) is not None and info.si_pid != self._child.pid:
            os.waitpid(info.si_pid, 0)

    def _drain(self) -> None:
        """Read the remaining output, for at most LINGER seconds if processes outlive the child and print."""
        if self._deaf_until:
            self._listen()
        now = time.monotonic()
        deadline, quiet = now + LINGER, now + GAP
        while not self._deaf_until and time.monotonic() < deadline:
            alone = self._kill_at is not None or tree.childless()
            if self._child.fd not in self._take(0 if alone else GAP):
                if alone or time.monotonic() > quiet:
                    return
            elif self._kill_at is not None:
                return
            else:
                quiet = time.monotonic() + GAP


def _ended() -> os.waitid_result | None:
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
