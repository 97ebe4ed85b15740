"""Run a command to its end; know processes by pid and start time; end what is left of them.

A command is kept by a runner as an agent is, without a terminal: whatever it started ends with it, whoever is
killed meanwhile.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ralph.immutable import immutable
from ralph.process import supervisor as runner
from ralph.process.child import ChildSupervisor
from ralph.process.supervisor import Link, WorkerMessage
from ralph.process.transcript import CappedFile
from ralph.process.tree import alive, become_subreaper, end_descendants, end_leftovers, end_tree, start_time

__all__ = [
    "CommandResult",
    "alive",
    "become_subreaper",
    "end_descendants",
    "end_leftovers",
    "end_tree",
    "keep",
    "run_command",
    "start_time",
]

CAP = 20_000_000  # bytes of output kept
CHUNK = 65536
NOT_STARTED = 127  # as a shell says it


@immutable
class CommandResult:
    """How a command ended. `tail` is the end of its output, errors included, control characters left in, without
    secrets."""

    code: int | None  # negative: signal number; 127: not started, `tail` says why; None: its runner was killed
    seconds: float
    timed_out: bool
    stopped: bool  # `stop` said so
    tail: str


def run_command(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float, output: Path | None = None,
    tail: int = 4000, stop: Callable[[], bool] = lambda: False, secrets: Sequence[str] = (),
) -> CommandResult:  # fmt: skip
    """Run a command to its end, with nothing on standard input, and end everything that it started.

    It is ended after `timeout` seconds of the monotonic clock, and when `stop` (asked ten times a second) says
    so. Its output goes to the file `output`: 0600, 20 MB of its beginning and 1 MB of its end. `secrets` and
    all that has the shape of a token are masked in it.
    """
    began = time.monotonic()
    ended: list[str] = []

    def over(_: bool) -> bool:
        if stop():
            ended.append("stopped")
        elif time.monotonic() - began > timeout:
            ended.append("timed out")
        return bool(ended)

    log = output.absolute() if output else None
    with runner.fork(lambda link: keep(link, argv, cwd, env, log, tail=tail, secrets=secrets)) as forked:
        forked.go()
        last = runner.follow(forked, lambda _: None, over) or WorkerMessage(code=None, tail="")
    seconds = time.monotonic() - began
    return CommandResult(last["code"], seconds, "timed out" in ended, "stopped" in ended, last["tail"])


class OutputPipe:
    """A program in a session of its own, without a terminal: output and errors in one pipe."""

    def __init__(
        self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], stdin: int = subprocess.DEVNULL
    ) -> None:
        self._process = subprocess.Popen(
            argv, cwd=cwd, env=env, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, bufsize=0,
        )  # fmt: skip
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        self.pid: int = self._process.pid
        self.fd: int = self._process.stdout.fileno()

    def read(self) -> bytes:
        """What there is to read; EOFError when nobody can write any more."""
        data = os.read(self.fd, CHUNK)
        if not data:
            raise EOFError
        return data

    def code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._process.poll()


def keep(
    link: Link, argv: Sequence[str], cwd: Path, env: Mapping[str, str], output: Path | None = None, *, tail: int,
    secrets: Sequence[str], stdin: int = subprocess.DEVNULL,
) -> WorkerMessage:  # fmt: skip
    """In the runner: start the command, keep it to its end, say how it ended."""
    try:
        pipe = OutputPipe(argv, cwd, env, stdin)
    except OSError as error:
        return {"code": NOT_STARTED, "tail": f"could not be started: {error}"}
    with CappedFile(output, CAP, secrets=secrets) as log:
        code = ChildSupervisor(pipe, link, log.write).keep()
        return {"code": code, "tail": log.tail(4 * tail).decode("utf-8", "replace")[-tail:]}
