"""The process beside ralph that tells people: it holds what has to wait, and starts one process for each delivery.

ralph itself never waits for a receiver. It hands over a line and goes on; at its end it gives the courier a few
seconds. A delivery that takes too long is ended, and whatever happens to ralph, courier and deliveries end with it:
each of them is a runner (`runner`).
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

PATIENCE = 10.0  # seconds that one delivery may take
LAST = 5.0  # seconds that are left for all deliveries once ralph has nothing more to say
MARGIN = 1.0  # seconds that the courier has for ending them
BACKLOG = 1_000_000  # bytes that wait for a courier which does not listen
LARGEST = 65_535  # bytes of one line

Deliver = Callable[[Message, Link], str]


@immutable
class Receiver:
    """Who is told: what may be said of it, and what a runner does to tell it."""

    name: str
    deliver: Deliver


class MessageSource(Protocol):
    """What waits: lines are taken, and leave as one letter when it is time."""

    def take(self, line: str) -> None:
        """One more."""

    def due(self) -> float | None:
        """When a letter is due, in seconds of the monotonic clock; None: nothing waits."""

    def leave(self, *, last: bool) -> Message | None:
        """The letter that is due now; the `last` one always is."""


# ---------------------------------------------------------------- deliveries


@immutable
class DeliveryProcess:
    """One that is under way."""

    name: str
    runner: Supervisor
    began: float
    until: float


class Deliveries:
    """All that are under way. Nothing of them is left at the end of `close`."""

    def __init__(self) -> None:
        self.out: list[DeliveryProcess] = []

    def start(self, receiver: Receiver, letter: Message, patience: float) -> None:
        """Send somebody out with the letter."""
        now = time.monotonic()
        sent = runner.start(lambda link: {"said": receiver.deliver(letter, link)})
        sent.go()
        self.out.append(DeliveryProcess(receiver.name, sent, now, now + patience))

    def over(self, until: float = float("inf")) -> list[tuple[str, str, float]]:
        """Those that came to their end: name, what went wrong ("": nothing), seconds. Who has had its time, or is
        still out at `until`, is ended."""
        ended = [(process, said) for process in self.out if (said := self._look(process, until)) is not None]
        self.out = [process for process in self.out if all(process is not other for other, _ in ended)]
        return [(process.name, said, time.monotonic() - process.began) for process, said in ended]

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
        """End all of them, at once."""
        for process in self.out:
            self._bury(process)
        self.out.clear()


def deliver_now(letter: Message, receivers: Sequence[Receiver], patience: float) -> list[tuple[str, str, float]]:
    """Tell all of them, and wait: for each its name, what went wrong, and how long it took."""
    deliveries = Deliveries()
    said: dict[str, tuple[str, str, float]] = {}
    try:
        for receiver in receivers:
            deliveries.start(receiver, letter, patience)
        while deliveries.out:
            _wait(
                [process.runner.fd for process in deliveries.out], min(process.until for process in deliveries.out)
            )
            said |= {entry[0]: entry for entry in deliveries.over()}
    finally:
        deliveries.close()
    return [said[receiver.name] for receiver in receivers]


def _wait(fds: Sequence[int], until: float | None) -> None:
    """Until one of them has something to say, or it is time."""
    waiting = poll()
    for fd in fds:
        waiting.register(fd, POLLIN)
    left = None if until is None else max(0.0, until - time.monotonic()) * 1000 + 1
    waiting.poll(left)


# ---------------------------------------------------------------- the courier's own life


def carry(pile: MessageSource, receivers: Sequence[Receiver]) -> Callable[[Link], WorkerMessage]:
    """What the courier does: take lines, send letters in time, tell the first complaint of each receiver."""

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
    """When to look again although nobody said anything."""
    times = [*(min(process.until, until) for process in deliveries.out), pile.due()]
    return min((other_time for other_time in times if other_time is not None), default=None)


# ---------------------------------------------------------------- ralph's side


class Courier:
    """ralph's end. None of its calls waits, but `close`."""

    def __init__(self, pile: MessageSource, receivers: Sequence[Receiver]) -> None:
        self._spare = tree.children(os.getpid())
        self._runner = runner.start(carry(pile, receivers))
        self._runner.go()
        self.pid = self._runner.pid
        self._left, self._gone = b"", False

    def tell(self, data: Mapping[str, Any]) -> None:
        """Hand it a line; what it has no room for now goes with the next."""
        line = json.dumps(data, ensure_ascii=False, default=str).encode("utf-8", "replace")
        if len(line) <= LARGEST and len(self._left) < BACKLOG:
            self._left += TYPE + len(line).to_bytes(2) + line
        self._push()

    def heard(self, patience: float = 0.0) -> list[tuple[str, str]]:
        """What went wrong since: the name of a receiver, and a sentence."""
        said: list[tuple[str, str]] = []
        while not self._gone:
            try:
                message = self._runner.receive(patience)
            except (EOFError, RuntimeError):
                self._gone = True
                return [*said, ("notifications", "the process that sends them died.")]
            if message is None:
                return said
            self._gone = self._runner.over
            if "said" in message:
                said.append((message["name"], message["said"]))
        return said

    def close(self, hurried: Callable[[], bool] = lambda: False) -> list[tuple[str, str]]:
        """Let it send what it still has; what is not delivered after a few seconds, or when `hurried` says so, is
        given up. Nothing of it is left then."""
        self._left += END
        deadline = time.monotonic() + LAST + MARGIN
        said = []
        while not self._gone and time.monotonic() < deadline and not hurried():
            self._push()
            said += self.heard(runner.TICK)
        self._runner.abandon()
        runner.bury(self._runner, self._spare)
        return said

    def _push(self) -> None:
        with suppress(OSError):  # it is busy, or dead: `heard` tells
            while self._left:
                self._left = self._left[self._runner.put(self._left) :]
