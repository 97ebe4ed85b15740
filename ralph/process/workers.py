"""Attempts that run side by side: each a forked process with its own terminal, heard by one parent.

The parent stays free of threads. A child is a runner (`runner`) whose work is a whole attempt: when the parent dies
it ends everything below it, when it dies the parent inherits what it left and ends that.
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

TURN = 100  # messages of one child after which the others are heard
PATIENCE = 2.5  # seconds that a child has to end by itself: its agent's grace, and undoing what it left


class WorkerProcesses:
    """The children that live, by the number of their attempt."""

    def __init__(self) -> None:
        self._living: dict[int, Supervisor] = {}
        self._spare = tree.children(os.getpid())  # whoever else works for this process
        self._broken: RuntimeError | None = None

    def __contains__(self, n: int) -> bool:
        return n in self._living

    def __len__(self) -> int:
        return len(self._living)

    def start(self, n: int, work: Work) -> Supervisor:
        """Fork a child; it waits for `go` before it does anything."""
        self._living[n] = child = runner.start(work)
        return child

    def say(self, n: int, text: str) -> None:
        """Answer a child; what a dead one does not hear does not matter."""
        if n in self._living:
            self._living[n].type(text)

    def end(self) -> None:
        """Ask all of them to end what they do."""
        for child in self._living.values():
            child.end()

    def hear(self, patience: float) -> list[tuple[int, WorkerMessage | None]]:
        """What was said since, in order for each child; waits so many seconds for a first word.

        None instead of a message: the child is over. What it left is ended, and it is forgotten. Where a child
        broke down by an error of ours that is raised, once all is told that others said before.
        """
        if self._broken:
            raise self._broken
        said = self._waiting()
        if not said and self._poll(patience):
            said = self._waiting()
        return said

    def _poll(self, patience: float) -> bool:
        waiting = poll()
        for child in self._living.values():
            waiting.register(child.fd, POLLIN)
        return bool(waiting.poll(patience * 1000))

    def _waiting(self) -> list[tuple[int, WorkerMessage | None]]:
        return [(n, message) for n in list(self._living) for message in self._turn(n)]

    def _turn(self, n: int) -> Iterator[WorkerMessage | None]:
        """What one child said, up to a number: who never stops talking must not keep the others waiting."""
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
        """End all that are left, at once."""
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
    """Children that are all gone at the end of the block, with all that they started."""
    children = WorkerProcesses()
    try:
        yield children
    finally:
        children.close()


class WorkerLine:
    """A child's side: what it tells, and what its parent answers. Abandoned where the parent is gone."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._answers: list[str] = []
        self.ended = False  # the parent wants it to end
        self._poll = poll()
        self._poll.register(link.fd, POLLIN)

    def tell(self, **message: object) -> None:
        self._link.send(**message)

    def look(self, patience: float = 0.0) -> None:
        """Take in what the parent said."""
        while self._poll.poll(patience * 1000):
            word = self._link.receive()
            if word == runner.END:
                self.ended = True
            elif word[:1] == runner.TYPE:
                self._answers.append(word[1:].decode(errors="replace"))
            patience = 0.0

    def answer(self, patience: float) -> str | None:
        """The next answer; None after so many seconds."""
        if not self._answers:
            self.look(patience)
        return self._answers.pop(0) if self._answers else None


__all__ = ["AbandonedError", "WorkerLine", "WorkerProcesses", "several"]
