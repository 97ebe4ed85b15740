"""A supervisor: a forked process that keeps one child and survives neither its parent nor its child.

The parent stays free of threads and forks (2 ms; a fresh interpreter needs 20). Both talk over a socket pair: the
parent sends GO once it has recorded the supervisor's pid, TYPE with text for the child's terminal, and END to stop
the child; the supervisor sends JSON lines, the last of them with "ended". When the parent dies for any reason, the
supervisor reads the end of the socket and ends everything below it. When the supervisor dies, the parent inherits
its orphans and ends them.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from select import POLLIN, poll
from typing import Any

from ralph.process import tree

WorkerMessage = dict[str, Any]

GO, END, TYPE = b"g", b"e", b"t"
GRACE = 0.7  # seconds between SIGTERM and SIGKILL
TYPED = 1000  # bytes typed at once: they fit into the terminal's buffer even if unread
ANSWER = 1.15  # seconds for the report after END: TERM, grace, KILL and the last message
CLEARING = 0.2  # seconds that an abandoned supervisor has to clean up before its parent does
TICK = 0.1  # seconds between two calls of `over`


class AbandonedError(BaseException):
    """The parent of this supervisor is gone: end everything, report nothing."""


class Link:
    """The supervisor's end of the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.fd = sock.fileno()

    def send(self, **message: object) -> None:
        """Send one message. Block while the parent is busy, so that no backlog builds up here."""
        try:
            self._sock.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            raise AbandonedError from None

    def receive(self) -> bytes:
        """Return the parent's next command: GO, END, or TYPE and the text."""
        word = self._take(1)
        return word + self._take(int.from_bytes(self._take(2))) if word == TYPE else word

    def _take(self, size: int) -> bytes:
        """Return exactly `size` bytes from the parent. Raise AbandonedError if it is gone."""
        try:
            data = self._sock.recv(size, socket.MSG_WAITALL) if size else b""
        except OSError:
            data = b""
        if len(data) < size:
            raise AbandonedError
        return data


Work = Callable[[Link], WorkerMessage]


class Supervisor:
    """The parent's end: the supervisor's pid, its start time, and its messages."""

    def __init__(self, pid: int, sock: socket.socket) -> None:
        self.pid, self._sock, self._buffer = pid, sock, b""
        self.started = tree.start_time(pid) or 0.0
        self.fd = sock.fileno()
        self.over = False  # its last message arrived: nothing is left below it
        self._poll = poll()
        self._poll.register(sock, POLLIN)

    def go(self) -> None:
        """Let the supervisor start its child."""
        self._say(GO)

    def end(self) -> None:
        """Ask the supervisor to end its child: SIGTERM, then SIGKILL."""
        self._say(END)

    def type(self, text: str) -> None:
        """Type a text into the child's terminal, at most TYPED bytes of it, and press Enter."""
        data = text.encode("utf-8", "replace")[:TYPED]
        self._say(TYPE + len(data).to_bytes(2) + data)

    def put(self, data: bytes) -> int:
        """Send as many bytes as fit and return their number. Raise OSError if that is none."""
        return self._sock.send(data, socket.MSG_DONTWAIT)

    def receive(self, patience: float) -> WorkerMessage | None:
        """Return the next message, or None after `patience` seconds. Raise EOFError if the supervisor died."""
        while b"\n" not in self._buffer:
            if not self._poll.poll(patience * 1000):
                return None
            self._buffer += self._read()
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: WorkerMessage = json.loads(line)
        if "broken" in message:
            raise RuntimeError(f"the runner broke:\n{message['broken']}")
        self.over = "ended" in message
        return message

    def abandon(self) -> None:
        """Close the socket: an unfinished supervisor ends everything below it and exits."""
        self._sock.close()

    def _say(self, word: bytes) -> None:
        """Send without blocking: the supervisor may be blocked on us. Bytes that do not fit are lost; abandon()
        then ends it."""
        with suppress(OSError):  # or it died: receive() reports that
            self._sock.send(word, socket.MSG_DONTWAIT)

    def _read(self) -> bytes:
        try:
            data = self._sock.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError
        return data


def start(work: Work) -> Supervisor:
    """Fork a supervisor that does `work` after go(). The caller has to bury it."""
    tree.become_subreaper()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        live(work, theirs)
    theirs.close()
    return Supervisor(pid, ours)


@contextmanager
def fork(work: Work) -> Iterator[Supervisor]:
    """Fork a supervisor that does `work` after go(); its last message is the result of `work`.

    On exit end it and everything that it started.
    """
    spare = tree.children(os.getpid())
    runner = start(work)
    try:
        yield runner
    finally:
        runner.abandon()
        bury(runner, spare)


def follow(
    runner: Supervisor, hear: Callable[[WorkerMessage], None], over: Callable[[bool], bool],
    answer: Callable[[], str | None] | None = None,
) -> WorkerMessage | None:  # fmt: skip
    """Handle a supervisor's messages until the last one, and return that; None if it died or did not answer.

    `over` is called after every message, and with True after TICK seconds of silence; when it returns True, the
    supervisor has ANSWER seconds to end its child. Otherwise, in such a silence, `answer` returns text to type or
    None.
    """
    end_sent: float | None = None
    while end_sent is None or time.monotonic() < end_sent + ANSWER:
        try:
            message = runner.receive(TICK)
        except EOFError:
            return None
        if runner.over:
            return message
        if message is not None:
            hear(message)
        if end_sent is None and over(message is None):
            end_sent = time.monotonic()
            runner.end()
        elif end_sent is None and message is None and answer and (text := answer()) is not None:
            runner.type(text)
    return None


def bury(runner: Supervisor, spare: set[int]) -> None:
    """Kill and reap a supervisor, and end what it left. One without a last message first gets CLEARING seconds."""
    deadline = time.monotonic() + (0 if runner.over else CLEARING)
    while time.monotonic() < deadline and not exited(runner.pid):
        time.sleep(tree.ROUND)
    tree.send(signal.SIGKILL, [runner.pid])
    os.waitpid(runner.pid, 0)
    if not runner.over:
        tree.end_descendants(time.monotonic() + tree.PATIENCE, spare)


def exited(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def live(work: Work, sock: socket.socket) -> None:
    """Run the forked process to its exit. Never return into the parent's code."""
    try:
        _detach(sock.fileno())
        link = Link(sock)
        link.receive()
        last = _last_words(work, link)
        tree.end_descendants(time.monotonic() + GRACE)
        link.send(**last)
    except AbandonedError:
        tree.end_descendants(time.monotonic() + tree.PATIENCE)
    finally:
        os._exit(0)


def _last_words(work: Work, link: Link) -> WorkerMessage:
    try:
        return {**work(link), "ended": True}
    except Exception:
        return {"broken": traceback.format_exc()}


def _detach(keep: int) -> None:
    """Detach from the terminal: own session, signals without effect, no file of the parent's except the socket.

    Signals are caught, not ignored: an ignored one would stay ignored in the child.
    """
    os.setsid()
    tree.become_subreaper()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD, signal.SIGUSR1):
        signal.signal(number, _nothing)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.closerange(3, keep)
    os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))
    gc.freeze()  # a collection would copy every page of the parent's


def _nothing(*_: object) -> None:
    return None
