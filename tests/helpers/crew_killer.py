"""ralph with several agents, where somebody is killed with -9: `crew_killer VICTIM OWNER PLACE N ARGS`.

VICTIM  parent, child (of the attempt OWNER), both, or all: every process that there is, as when the power fails
OWNER   whose calls are counted: 0 is the parent, else the number of an attempt; -1: of each attempt
PLACE   journal (lines of the parent), word (what a child tells), or git: all of these calls; or one sort of them:
        publishing, recorded ... (an event in the journal), door, built ... (a word), update-ref ... (of git)
N       right before which of them; in it, if it is git's: it holds its locks by then. With 0 nobody is killed.
        $KILLER_COUNT gets a line for each call

It happens once. Forked processes share nothing, so each counts its own calls; the runner below a child is another
process and counts none.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ralph.__main__ import main as ralph
from ralph.git.client import Git
from ralph.process import supervisor as runner
from ralph.process import tree
from ralph.process import workers as children
from ralph.state.journal import Journal
from tests.helpers.killer import lock


@dataclass
class Here:
    """Who this process is. A fork takes a copy along."""

    parent: int
    pid: int  # that of the parent or of a child; a runner below it has another
    n: int = 0  # of the attempt; 0: the parent
    again: bool = False  # a child that looks at what a dead one left


@dataclass(frozen=True)
class Plan:
    """Who dies, and when."""

    victim: str
    owner: int
    place: str
    number: int


def counted(here: Here, plan: Plan, place: str, real: Callable[..., Any], sort: Callable[..., str]) -> Any:
    """The same function, but somebody is dead before the call that the plan names."""
    calls: Counter[tuple[int, str]] = Counter()

    def call(*args: Any, **kwargs: Any) -> Any:
        if os.getpid() == here.pid and not here.again:
            kind = sort(*args[1:], **kwargs)
            tell(here.n, place, kind)
            for name in (place, kind):
                calls[here.n, name] += 1
                owner = -1 if plan.owner < 0 and here.n else here.n
                if (owner, name, calls[here.n, name]) == (plan.owner, plan.place, plan.number):
                    if place == "git":
                        lock(*args, **kwargs)
                    kill(here, plan.victim)
        return real(*args, **kwargs)

    return call


def verb(args: Sequence[str]) -> str:
    """`read-tree` of `-c name=value read-tree -u`."""
    return next(one for at, one in enumerate(args) if one[0] != "-" and (not at or args[at - 1] != "-c"))


def tell(n: int, place: str, kind: str) -> None:
    if count := os.environ.get("KILLER_COUNT"):
        with open(count, "a") as file:  # noqa: PTH123
            file.write(f"{n} {place} {kind}\n")


def kill(here: Here, victim: str) -> None:
    """Once, by whoever comes first."""
    try:
        os.close(os.open(os.environ["KILLER_MARK"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    if victim == "all":
        cut_power(here.parent)
    if victim in ("parent", "both"):
        os.kill(here.parent, signal.SIGKILL)
    if victim in ("child", "both") or here.pid == here.parent:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)  # the parent is dying: this child comes to hear of it


def cut_power(parent: int) -> None:
    """Stop everything first, so that nobody gets to clear up after another."""
    stopped: set[int] = set()
    while below := ({parent} | tree.descendants(parent)) - stopped - {os.getpid()}:
        for pid in below:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        stopped |= below
    for pid in stopped - {parent}:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    os.kill(parent, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def knowing(here: Here) -> Callable[..., Any]:
    """`Children.start`, after which the child knows whose attempt it is."""
    real, sent = children.WorkerProcesses.start, set()

    def start(self: children.WorkerProcesses, n: int, work: runner.Work) -> runner.Supervisor:
        before = n in sent
        sent.add(n)

        def live(link: runner.Link) -> runner.WorkerMessage:
            here.pid, here.n, here.again = os.getpid(), n, before
            return work(link)

        return real(self, n, live)

    return start


def main() -> None:
    """Be ralph, for as long as it lasts."""
    plan = Plan(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    here = Here(os.getpid(), os.getpid())
    children.WorkerProcesses.start = knowing(here)  # type: ignore[method-assign]
    Journal.write = counted(  # type: ignore[method-assign]
        here, plan, "journal", Journal.write, lambda event: event.NAME
    )
    runner.Link.send = counted(  # type: ignore[method-assign]
        here, plan, "word", runner.Link.send, lambda **said: str(said.get("kind"))
    )
    Git._start = counted(  # type: ignore[method-assign]
        here, plan, "git", Git._start, lambda args, **_: verb(args)
    )
    sys.argv[1:] = sys.argv[5:]
    sys.exit(ralph())
