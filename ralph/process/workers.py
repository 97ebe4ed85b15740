"""Attempts that run in parallel: each a forked process with its own terminal, connected to one parent.

The parent stays free of threads. A worker is a supervisor whose work is a whole attempt: if the parent dies, it
ends everything below it; if it dies, the parent inherits its orphans and ends them.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from select import POLLIN, poll

from ralph.process import supervisor as runner
from ralph.process import tree
from ralph.process.supervisor import AbandonedError, Link, Supervisor, Work, WorkerMessage

TURN = 100  # messages read from one worker before the others get a turn
PATIENCE = 2.5  # seconds that a worker has to end by itself: its agent's grace, and undoing its changes


class WorkerProcesses:
    """The live workers, by the number of their attempt."""

    def __init__(self) -> None:
        self._living: dict[int, Supervisor] = {}
        self._spare = tree.children(os.getpid())  # other children of this process
        self._broken: RuntimeError | None = None

    def __contains__(self, n: int) -> bool:
        return n in self._living

    def __len__(self) -> int:
        return len(self._living)

    def start(self, n: int, work: Work) -> Supervisor:
        """Fork a worker; it waits for `go` before it does anything."""
        self._living[n] = child = runner.start(work)
        return child

    def say(self, n: int, text: str) -> None:
        """Send an answer to a worker. One that is dead is ignored."""
        if n in self._living:
            self._living[n].type(text)

    def end(self) -> None:
        """Ask all workers to end."""
        for child in self._living.values():
            child.end()

    def hear(self, patience: float) -> list[tuple[int, WorkerMessage | None]]:
        """Return new messages, in order for each worker; wait up to `patience` seconds for a first one.

        None instead of a message: the worker is over, its processes are ended, and it is removed. If a worker
        raised an error, raise RuntimeError once the messages of the others are returned.
        """
        if self._broken:
            raise self._broken
        messages = self._waiting()
        if not messages and self._poll(patience):
            messages = self._waiting()
        return messages

    def _poll(self, patience: float) -> bool:
        waiting = poll()
        for child in self._living.values():
            waiting.register(child.fd, POLLIN)
        return bool(waiting.poll(patience * 1000))

    def _waiting(self) -> list[tuple[int, WorkerMessage | None]]:
        return [(n, message) for n in list(self._living) for message in self._turn(n)]

    def _turn(self, n: int) -> Iterator[WorkerMessage | None]:
        """Yield a worker's messages up to TURN, so that a busy worker does not delay the others."""
        child = self._living[n]
        try:
            for _ in range(TURN):
                if (message := child.receive(0)) is None:
                    return
                yield message
                if child.over:
                    break
            else:
                return
        except EOFError:
            pass
        except RuntimeError as error:
            self._broken = error
        self._bury(n)
        if not self._broken:
            yield None

    def _bury(self, n: int) -> None:
        child = self._living.pop(n)
        child.abandon()
        runner.bury(child, self._spare | {other.pid for other in self._living.values()})

    def close(self) -> None:
        """End all remaining workers at once."""
        for child in self._living.values():
            child.abandon()
        deadline = time.monotonic() + PATIENCE
        for child in self._living.values():
            while time.monotonic() < deadline and not runner.exited(child.pid):
                time.sleep(tree.ROUND)
            tree.send(signal.SIGKILL, [child.pid])
            os.waitpid(child.pid, 0)
        if self._living:
            tree.end_descendants(time.monotonic() + tree.PATIENCE, self._spare)
        self._living.clear()


@contextmanager
def several() -> Iterator[WorkerProcesses]:
    """Yield an empty set of workers; on exit end all of them and everything that they started."""
    children = WorkerProcesses()
    try:
        yield children
    finally:
        children.close()


class WorkerLine:
    """A worker's side: it sends messages and reads answers. Raise AbandonedError if the parent is gone."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._answers: list[str] = []
        self.ended = False  # the parent asked it to end
        self._poll = poll()
        self._poll.register(link.fd, POLLIN)

    def tell(self, **message: object) -> None:
        self._link.send(**message)

    def look(self, patience: float = 0.0) -> None:
        """Read the commands of the parent."""
        while self._poll.poll(patience * 1000):
            word = self._link.receive()
            if word == runner.END:
                self.ended = True
            elif word[:1] == runner.TYPE:
                self._answers.append(word[1:].decode(errors="replace"))
            patience = 0.0

    def answer(self, patience: float) -> str | None:
        """Return the next answer; None after `patience` seconds."""
        if not self._answers:
            self.look(patience)
        return self._answers.pop(0) if self._answers else None


__all__ = ["AbandonedError", "WorkerLine", "WorkerProcesses", "several"]
