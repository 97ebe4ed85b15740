"""A runner: a forked process that keeps one child and survives neither its parent nor its child.

The parent stays free of threads and forks (2 ms; a fresh interpreter needs 20). Both speak over a socket pair:
the parent says GO once it has written down the runner's pid, TYPE with what to type into the child's terminal, and
END when the child shall stop; the runner sends JSON lines, the last of them with "ended". When the parent dies,
however it dies, the runner reads the end of the socket and ends everything below it. When the runner dies, the
parent inherits its orphans and ends them.
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
TYPED = 1000  # bytes typed at once: what nobody reads fits into the terminal all the same
ANSWER = 1.15  # seconds that a runner has to report after END: TERM, grace, KILL and the last words
CLEARING = 0.2  # seconds that an abandoned runner has to clear up before its parent does
TICK = 0.1  # seconds between two questions to the parent whether to stop


class AbandonedError(BaseException):
    """The parent of this runner is gone: end everything, tell nobody."""


class Link:
    """The runner's end of the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.fd = sock.fileno()

    def send(self, **message: object) -> None:
        """Send one message; waits while the parent is busy, so that nothing piles up here."""
        try:
            self._sock.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            raise AbandonedError from None

    def receive(self) -> bytes:
        """The next word of the parent: GO, END, or TYPE and the text."""
        word = self._take(1)
        return word + self._take(int.from_bytes(self._take(2))) if word == TYPE else word

    def _take(self, size: int) -> bytes:
        """So many bytes of the parent."""
        try:
            data = self._sock.recv(size, socket.MSG_WAITALL) if size else b""
        except OSError:
            data = b""
        if len(data) < size:
            raise AbandonedError
        return data


Work = Callable[[Link], WorkerMessage]


class Supervisor:
    """The parent's end: the runner's pid, when it started, and what it says."""

    def __init__(self, pid: int, sock: socket.socket) -> None:
        self.pid, self._sock, self._heard = pid, sock, b""
        self.started = tree.start_time(pid) or 0.0
        self.fd = sock.fileno()
        self.over = False  # it has said its last word, so nothing is left below it
        self._poll = poll()
        self._poll.register(sock, POLLIN)

    def go(self) -> None:
        """Let it start its child."""
        self._say(GO)

    def end(self) -> None:
        """Ask it to end its child: politely, then not."""
        self._say(END)

    def type(self, text: str) -> None:
        """Let it type a text, at most TYPED bytes of it, and press Enter."""
        data = text.encode("utf-8", "replace")[:TYPED]
        self._say(TYPE + len(data).to_bytes(2) + data)

    def put(self, words: bytes) -> int:
        """Say as much of this as there is room for; returns how much that was. OSError where it was nothing."""
        return self._sock.send(words, socket.MSG_DONTWAIT)

    def receive(self, patience: float) -> WorkerMessage | None:
        """The next message, or None after `patience` seconds; EOFError when the runner died."""
        while b"\n" not in self._heard:
            if not self._poll.poll(patience * 1000):
                return None
            self._heard += self._read()
        line, _, self._heard = self._heard.partition(b"\n")
        message: WorkerMessage = json.loads(line)
        if "broken" in message:
            raise RuntimeError(f"the runner broke:\n{message['broken']}")
        self.over = "ended" in message
        return message

    def abandon(self) -> None:
        """Close the socket: an unfinished runner ends everything below it and leaves."""
        self._sock.close()

    def _say(self, word: bytes) -> None:
        """Never waits: it may be waiting for us. What does not fit is lost; then abandon() ends it."""
        with suppress(OSError):  # or it died: receive() tells
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
    """Fork a runner that does `work` after go(). Whoever starts it has to bury it."""
    tree.become_subreaper()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        live(work, theirs)
    theirs.close()
    return Supervisor(pid, ours)


@contextmanager
def fork(work: Work) -> Iterator[Supervisor]:
    """A runner that does `work` after go(), and whose last message is what that returns.

    At the end of the block it is gone, and so is all that it started.
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
    """Hear a runner until its last message, which is returned; None: it died or did not answer.

    `over` is asked after every message, and with True whenever nothing was said for a moment; when it agrees
    the runner is told to end its child, and has ANSWER seconds for that. Else, in such a moment, `answer` is asked
    what to type.
    """
    asked: float | None = None
    while asked is None or time.monotonic() < asked + ANSWER:
        try:
            message = runner.receive(TICK)
        except EOFError:
            return None
        if runner.over:
            return message
        if message is not None:
            hear(message)
        if asked is None and over(message is None):
            asked = time.monotonic()
            runner.end()
        elif asked is None and message is None and answer and (text := answer()) is not None:
            runner.type(text)
    return None


def bury(runner: Supervisor, spare: set[int]) -> None:
    """Its last word said, a runner has nothing left but to die; else it gets a moment to clear up by itself."""
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
    """The whole life of the forked process. It never returns into its parent's code."""
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
    """Out of the terminal's reach: own session, deaf to signals, no file of the parent's but the socket.

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
