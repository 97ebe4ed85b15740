"""ralph, killed with -9 right before its Nth journal line or git call: `python killer.py journal|git N ARGS`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from ralph.__main__ import main
from ralph.system.git import Git
from ralph.system.journal import Journal


def dying(real: Callable[..., Any], last: int) -> Callable[..., Any]:
    """The same function, but ralph is dead before its call number `last` (0: it lives)."""
    calls = 0

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == last:
            os.kill(os.getpid(), signal.SIGKILL)
        count = os.environ.get("KILLER_COUNT")
        if count:
            with open(f"{count}.{real.__name__}", "a") as file:  # noqa: PTH123
                file.write(f"{args[1:2]}\n")
        return real(*args, **kwargs)

    return call


if __name__ == "__main__":
    where, number = sys.argv[1], int(sys.argv[2])
    Journal.write = dying(Journal.write, number if where == "journal" else 0)  # type: ignore[method-assign]
    Git._start = dying(Git._start, number if where == "git" else 0)  # type: ignore[method-assign]
    sys.argv[1:] = sys.argv[3:]
    sys.exit(main())
