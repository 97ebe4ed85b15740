"""Courier: the process that holds notifications until they are due and starts one process per delivery.

ralph never waits for a receiver: it hands over a line and goes on, and gives the courier a few seconds on exit. A
delivery that takes too long is ended. Courier and deliveries end with ralph, because each is a supervised process
(`process.supervisor`).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from select import POLLIN, poll
from typing import Any, Protocol

from ralph.immutable import immutable
from ralph.notify.message import Message
from ralph.process import supervisor as runner
from ralph.process import tree
from ralph.process.supervisor import END, TYPE, Link, Supervisor, WorkerMessage
from ralph.process.workers import WorkerLine

PATIENCE = 10.0  # seconds for one delivery
LAST = 5.0  # seconds for all deliveries after ralph's last line
MARGIN = 1.0  # seconds for the courier to end them
BACKLOG = 1_000_000  # bytes that wait for a busy courier
LARGEST = 65_535  # bytes of one line

Deliver = Callable[[Message, Link], str]


@immutable
class Receiver:
    """One receiver: its public name, and the function that delivers to it."""

    name: str
    deliver: Deliver


class MessageSource(Protocol):
    """The waiting notifications: lines go in, and one message comes out when it is due."""

    def take(self, line: str) -> None:
        """Add a line."""

    def due(self) -> float | None:
        """Return the monotonic time at which a message is due, or None if nothing waits."""

    def leave(self, *, last: bool) -> Message | None:
        """Return the message that is due now, or None. The `last` one is always due."""


# ---------------------------------------------------------------- deliveries


@immutable
class DeliveryProcess:
    """One delivery in progress."""

    name: str
    runner: Supervisor
    began: float
    until: float


class Deliveries:
    """All deliveries in progress. `close` ends them and their processes."""

    def __init__(self) -> None:
        self.out: list[DeliveryProcess] = []

    def start(self, receiver: Receiver, letter: Message, patience: float) -> None:
        """Start the process of a delivery, for at most `patience` seconds."""
        now = time.monotonic()
        sent = runner.start(lambda link: {"said": receiver.deliver(letter, link)})
        sent.go()
        self.out.append(DeliveryProcess(receiver.name, sent, now, now + patience))

    def over(self, until: float = float("inf")) -> list[tuple[str, str, float]]:
        """Return the finished deliveries as (name, error or "", seconds). End those past their time or `until`."""
        ended = [(process, error) for process in self.out if (error := self._look(process, until)) is not None]
        self.out = [process for process in self.out if all(process is not other for other, _ in ended)]
        return [(process.name, error, time.monotonic() - process.began) for process, error in ended]

    def _look(self, process: DeliveryProcess, until: float) -> str | None:
        try:
            message = process.runner.receive(0)
        except (EOFError, RuntimeError):
            message = {"said": "its process died."}
        if message is None and time.monotonic() < min(process.until, until):
            return None
        self._bury(process)
        return (
            str(message["said"])
            if message
            else f"it took longer than {time.monotonic() - process.began:.0f} s and was ended."
        )

    def _bury(self, process: DeliveryProcess) -> None:
        process.runner.abandon()
        runner.bury(process.runner, {other.runner.pid for other in self.out if other is not process})

    def close(self) -> None:
        """End all deliveries at once."""
        for process in self.out:
            self._bury(process)
        self.out.clear()


def deliver_now(letter: Message, receivers: Sequence[Receiver], patience: float) -> list[tuple[str, str, float]]:
    """Deliver to all receivers and wait. Return (name, error or "", seconds) for each."""
    deliveries = Deliveries()
    results: dict[str, tuple[str, str, float]] = {}
    try:
        for receiver in receivers:
            deliveries.start(receiver, letter, patience)
        while deliveries.out:
            _wait(
                [process.runner.fd for process in deliveries.out], min(process.until for process in deliveries.out)
            )
            results |= {entry[0]: entry for entry in deliveries.over()}
    finally:
        deliveries.close()
    return [results[receiver.name] for receiver in receivers]


def _wait(fds: Sequence[int], until: float | None) -> None:
    """Wait until a descriptor is readable or the monotonic time `until` is reached."""
    waiting = poll()
    for fd in fds:
        waiting.register(fd, POLLIN)
    milliseconds = None if until is None else max(0.0, until - time.monotonic()) * 1000 + 1
    waiting.poll(milliseconds)


# ---------------------------------------------------------------- the courier process


def carry(pile: MessageSource, receivers: Sequence[Receiver]) -> Callable[[Link], WorkerMessage]:
    """Return the courier's function: read lines, send due messages, report the first error of each receiver."""

    def live(link: Link) -> WorkerMessage:
        line, deliveries = WorkerLine(link), Deliveries()
        complained: set[str] = set()
        until = float("inf")
        while not (line.ended and not deliveries.out and pile.due() is None):
            _wait([link.fd, *(process.runner.fd for process in deliveries.out)], _next(pile, deliveries, until))
            _take(line, pile)
            if line.ended and until == float("inf"):
                until = time.monotonic() + LAST
            if letter := pile.leave(last=line.ended):
                for receiver in receivers:
                    deliveries.start(receiver, letter, PATIENCE)
            for name, said, _ in deliveries.over(until):
                if said and name not in complained:
                    complained.add(name)
                    line.tell(name=name, said=said)
        return {}

    return live


def _take(line: WorkerLine, pile: MessageSource) -> None:
    line.look()
    while (text := line.answer(0)) is not None:
        pile.take(text)


def _next(pile: MessageSource, deliveries: Deliveries, until: float) -> float | None:
    """Return the monotonic time of the next deadline, or None."""
    times = [*(min(process.until, until) for process in deliveries.out), pile.due()]
    return min((other_time for other_time in times if other_time is not None), default=None)


# ---------------------------------------------------------------- ralph's side


class Courier:
    """ralph's side of the courier. Only `close` waits."""

    def __init__(self, pile: MessageSource, receivers: Sequence[Receiver]) -> None:
        self._spare = tree.children(os.getpid())
        self._runner = runner.start(carry(pile, receivers))
        self._runner.go()
        self.pid = self._runner.pid
        self._left, self._gone = b"", False

    def tell(self, data: Mapping[str, Any]) -> None:
        """Send a line. Bytes that don't fit into the pipe now go with the next line."""
        line = json.dumps(data, ensure_ascii=False, default=str).encode("utf-8", "replace")
        if len(line) <= LARGEST and len(self._left) < BACKLOG:
            self._left += TYPE + len(line).to_bytes(2) + line
        self._push()

    def heard(self, patience: float = 0.0) -> list[tuple[str, str]]:
        """Return the errors reported since the last call, as (receiver name, sentence)."""
        errors: list[tuple[str, str]] = []
        while not self._gone:
            try:
                message = self._runner.receive(patience)
            except (EOFError, RuntimeError):
                self._gone = True
                return [*errors, ("notifications", "the process that sends them died.")]
            if message is None:
                return errors
            self._gone = self._runner.over
            if "said" in message:
                errors.append((message["name"], message["said"]))
        return errors

    def close(self, hurried: Callable[[], bool] = lambda: False) -> list[tuple[str, str]]:
        """Let the courier send what waits, for a few seconds or until `hurried()`. Then end it and its processes.

        Return the errors.
        """
        self._left += END
        deadline = time.monotonic() + LAST + MARGIN
        errors = []
        while not self._gone and time.monotonic() < deadline and not hurried():
            self._push()
            errors += self.heard(runner.TICK)
        self._runner.abandon()
        runner.bury(self._runner, self._spare)
        return errors

    def _push(self) -> None:
        with suppress(OSError):  # it is busy or dead: `heard` reports that
            while self._left:
                self._left = self._left[self._runner.put(self._left) :]
