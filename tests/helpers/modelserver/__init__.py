"""A scripted model server on loopback, for driving real agent CLIs without a model and without a network.

    script = {"T1": [[write("a.py", "x = 1\\n"), shell("git add -A && git commit -qm a"), text("done")]],
              "T2": [[text("it is all done")], [write("b.py", ""), text("now it is")]]}
    with ModelServer(script) as server:
        subprocess.run([*server.inside, "claude", ...], env=... server.url ...)
        server.requests()  # what was asked

What goes wrong once and then right is two attempts, for each process of an agent is a conversation of its own:

    {"T1": [[limited(3)], work]}                          # a rate limit that ends in 3 s
    {"T1": [[write("T1.txt", "half"), drop()], work]}     # a stream that is cut
    {"T1": [[hang()], work]}                              # no answer, ever
    {"T1": [[full(write("T1.txt", "half")), hang()], work]}  # the context is nearly full
    {asked("smaller tasks"): [[text("- [ ] one")]], "T1": [...]}  # a question about T1 is no attempt at it

It speaks Anthropic Messages and OpenAI Responses, streaming. A script maps a *marker* to a list of attempts, an
attempt is a list of steps, and each request of a conversation gets the next step. A conversation belongs to the
marker that stands first in its prompt ("" fits any) and plays that marker's next attempt; past the last attempt, or
the last step, the last one repeats; `asked` markers go first. A plain list of steps is one attempt for any prompt.

It runs in a process of its own: ralph forks, and a test that forks should have no threads. Where the system allows
it, that process has a network namespace of its own with nothing but loopback; `server.inside` is the prefix that
starts a command in there (empty where it is not allowed). The prefix execs: the pid is that of the command.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.helpers.modelserver.steps import (
    Json,
    Script,
    Step,
    asked,
    drop,
    error,
    full,
    hang,
    limited,
    shell,
    text,
    write,
)

__all__ = [
    "ModelServer", "Script", "Step", "asked", "drop", "error", "full", "hang", "isolation", "limited", "shell",
    "text", "write",
]  # fmt: skip

HERE = Path(__file__).resolve().parent


class ModelServer:
    """A running server: `url`, `inside`, `requests()`. A context manager."""

    def __init__(self, script: Script | Sequence[Step], headers: Mapping[str, str] | None = None) -> None:
        """`headers` go with every good answer (say, how much of a limit is used up)."""
        attempts = script if isinstance(script, Mapping) else {"": [script]}
        self._script = {"attempts": attempts, "headers": dict(headers or {})}

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="modelserver-")
        self._log = Path(self._folder.name, "requests.jsonl")
        script = Path(self._folder.name, "script.json")
        script.write_text(json.dumps(self._script))
        own = sys.executable, str(HERE / "server.py"), str(script), str(self._log)
        self._process = subprocess.Popen([*isolation(), *own], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.url = self._process.stdout.readline().strip()
        assert self.url, "the model server did not start"
        self.inside = _entrance(self._process.pid) if isolation() else ()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def requests(self) -> list[Json]:
        """What was asked so far: `path`, `marker`, `attempt` (from 1), `op`, `prompt`, in order."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [json.loads(line) for line in lines]

    def wait_for(self, op: str, by: subprocess.Popen[Any], seconds: float = 60) -> None:
        """Returns when a request got a step of that kind; AssertionError after `seconds` or when `by` ended."""
        end = time.monotonic() + seconds
        while not any(asked["op"] == op for asked in self.requests()):
            assert by.poll() is None, f"it ended before its step {op!r}"
            assert time.monotonic() < end, f"no request came to the step {op!r} within {seconds:.0f} s"
            time.sleep(0.02)


@cache
def isolation() -> tuple[str, ...]:
    """What starts a command in a fresh network namespace, keeping its user; empty where that is not allowed."""
    prefix = ("unshare", "-n") if os.geteuid() == 0 else ("unshare", "-cn", "--keep-caps")
    try:
        allowed = subprocess.run([*prefix, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return ()
    return prefix if allowed else ()


def _entrance(pid: int) -> tuple[str, ...]:
    user = () if os.geteuid() == 0 else ("-U", "--preserve-credentials")
    return ("nsenter", "-t", str(pid), *user, "-n", "--")
