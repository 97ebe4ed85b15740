"""Run a command to its end, and end everything that it started.

A supervisor keeps the command as it keeps an agent, without a terminal: its processes end even if ralph is killed.
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

CAP = 20_000_000  # maximum bytes of output on disk
CHUNK = 65536
NOT_STARTED = 127  # the exit code of a shell


@immutable
class CommandResult:
    """The result of a command. `tail` is the end of output and errors, with control characters, secrets masked."""

    code: int | None  # negative: signal number; 127: not started, reason in `tail`; None: supervisor killed
    seconds: float
    timed_out: bool
    stopped: bool  # `stop` returned True
    tail: str


def run_command(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float, output: Path | None = None,
    tail: int = 4000, stop: Callable[[], bool] = lambda: False, secrets: Sequence[str] = (),
) -> CommandResult:  # fmt: skip
    """Run a command to its end, with empty standard input, and end everything that it started.

    End it after `timeout` seconds of the monotonic clock, or when `stop` (called ten times a second) returns True.
    Write its output to the file `output`: 0600, 20 MB of its beginning and 1 MB of its end. Mask `secrets` and
    everything with the shape of a token.
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
    """A program in its own session, without a terminal: output and errors in one pipe."""

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
        """Return the available output. Raise EOFError if no process can write any more."""
        data = os.read(self.fd, CHUNK)
        if not data:
            raise EOFError
        return data

    def code(self) -> int | None:
        """Return the exit code, negative for a signal; None while the program runs."""
        return self._process.poll()


def keep(
    link: Link, argv: Sequence[str], cwd: Path, env: Mapping[str, str], output: Path | None = None, *, tail: int,
    secrets: Sequence[str], stdin: int = subprocess.DEVNULL,
) -> WorkerMessage:  # fmt: skip
    """Start the command in the supervisor, keep it to its end, and return the message about it."""
    try:
        pipe = OutputPipe(argv, cwd, env, stdin)
    except OSError as error:
        return {"code": NOT_STARTED, "tail": f"could not be started: {error}"}
    with CappedFile(output, CAP, secrets=secrets) as log:
        code = ChildSupervisor(pipe, link, log.write).keep()
        return {"code": code, "tail": log.tail(4 * tail).decode("utf-8", "replace")[-tail:]}
