"""ralph, killed with -9 before its Nth journal line or in its Nth git call: `killer journal|git N ARGS`.

The git that is killed with it has just taken its locks, and done nothing yet.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ralph.__main__ import main as ralph
from ralph.git.client import Git
from ralph.state.journal import Journal

WRITES_INDEX = ("read-tree", "update-index", "checkout-index")


def lock(git: Git, args: Sequence[str], *, own: bool, data: bytes = b"") -> None:
    """Leave what git would hold by now: the lock of the index, or those of the refs it moves."""
    held: list[Path] = []
    if set(args) & set(WRITES_INDEX):
        held.append(git.index if own else git.where.git_dir / "index")
    if "update-ref" in args:
        held += [git.where.common / line.split()[1] for line in data.decode().splitlines()]
    for path in held:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f"{path.name}.lock").touch()


def dying(real: Callable[..., Any], last: int) -> Callable[..., Any]:
    """The same function, but ralph is dead before its call number `last` (0: it lives)."""
    calls = 0

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == last:
            if real is started:
                lock(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)
        count = os.environ.get("KILLER_COUNT")
        if count:
            with open(f"{count}.{real.__name__}", "a") as file:  # noqa: PTH123
                file.write(f"{args[1:2]}\n")
        return real(*args, **kwargs)

    return call


started = Git._start


def main() -> None:
    """Be ralph, for as long as it lasts."""
    where, number = sys.argv[1], int(sys.argv[2])
    Journal.write = dying(Journal.write, number if where == "journal" else 0)  # type: ignore[method-assign]
    Git._start = dying(Git._start, number if where == "git" else 0)  # type: ignore[method-assign]
    sys.argv[1:] = sys.argv[3:]
    sys.exit(ralph())
