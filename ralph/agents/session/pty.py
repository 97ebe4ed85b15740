"""The pseudo-terminal of an agent."""

from __future__ import annotations

import os
import shutil
import signal
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

SIZE = (50, 200)  # rows, columns: full-screen programs wrap at less
CHUNK = 65536
LOUD = (signal.SIGPIPE, signal.SIGXFSZ)  # Python ignores them, and its children would inherit that


class Terminal:
    """A program on its own pty: standard input is a file, output and errors are the terminal.

    Raise OSError if it can't be started. It is spawned, because a fork would take 4 ms. As the leader of a new
    session it gets the first terminal that it opens as its controlling one (on Linux). Only `read_nonblocking` of
    pexpect is used: its other functions wait, search, or grow with the output.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], stdin: Path) -> None:
        from pexpect.fdpexpect import fdspawn

        program = _found(argv[0], env.get("PATH"))
        ours, theirs = _pair()
        opened = [
            (os.POSIX_SPAWN_OPEN, 0, str(stdin), os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.ttyname(theirs), os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        try:
            self.pid = os.posix_spawn(
                program, list(argv), {**env}, file_actions=opened, setsid=True, setsigdef=LOUD
            )
        finally:
            os.close(theirs)
        self.fd = ours
        self._output: Any = fdspawn(ours, timeout=None, maxread=CHUNK)

    def read(self) -> bytes:
        """Return the available output. Raise EOFError if no process holds the terminal."""
        import pexpect

        try:
            return bytes(self._output.read_nonblocking(CHUNK, timeout=0))
        except pexpect.TIMEOUT:
            return b""
        except pexpect.EOF:
            raise EOFError from None

    def type(self, text: bytes) -> None:
        """Type a text and Enter, which sends a carriage return. Do nothing if the terminal can't take it."""
        os.set_blocking(self.fd, False)
        with suppress(OSError):
            os.write(self.fd, text + b"\r")
        os.set_blocking(self.fd, True)

    def code(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None


def _found(program: str, path: str | None) -> str:
    if executable := shutil.which(program, path=path):
        return str(Path(executable).absolute())
    exists = "/" in program and Path(program).exists()
    raise OSError(f"{program} is not executable" if exists else f"{program} was not found")


def _pair() -> tuple[int, int]:
    """Return both ends of a new terminal without echo: ours, and the program's."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(ours, SIZE)
    settings = termios.tcgetattr(theirs)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    return ours, theirs
