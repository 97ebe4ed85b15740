"""An agent on a pseudo-terminal of its own."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

SIZE = (50, 200)  # rows, columns: full-screen programs wrap at less
CHUNK = 65536


class Terminal:
    """A program on a pty of its own: standard input is a file, output and errors are the terminal.

    OSError if it can't be started. Only pexpect's `read_nonblocking` is used: everything else in it waits,
    searches, or grows with the output.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], stdin: Path) -> None:
        import pexpect

        program = _found(argv[0], env.get("PATH"))
        files = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, files[0]), files[1]))  # it closes each one by one
        try:
            spawn: Any = pexpect.spawn(
                program if argv[1:] else _unsplit(program), list(argv[1:]), env={**env}, echo=False,
                dimensions=SIZE, maxread=CHUNK, timeout=None, preexec_fn=lambda: _ready(stdin, files),
            )  # fmt: skip
        except pexpect.ExceptionPexpect as error:
            raise OSError(str(error)) from None
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, files)
        spawn.isalive = lambda: True  # it would wait for the exit of a child that closed its terminal,
        spawn.ptyproc.closed = True  # and so would this when it is collected; it would also sleep and kill
        self._spawn = spawn
        self.pid: int = spawn.pid
        self.fd: int = spawn.child_fd

    def read(self) -> bytes:
        """What there is to read; EOFError when nobody holds the terminal."""
        import pexpect

        try:
            return bytes(self._spawn.read_nonblocking(CHUNK, timeout=0))
        except pexpect.TIMEOUT:
            return b""
        except pexpect.EOF:
            raise EOFError from None

    def type(self, text: bytes) -> None:
        """Type a text and press Enter, which sends a carriage return. Nothing happens if nobody can take it."""
        os.set_blocking(self.fd, False)
        with suppress(OSError):
            os.write(self.fd, text + b"\r")
        os.set_blocking(self.fd, True)

    def code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None


def _found(program: str, path: str | None) -> str:
    if found := shutil.which(program, path=path):
        return str(Path(found).absolute())
    there = "/" in program and Path(program).exists()
    raise OSError(f"{program} is not executable" if there else f"{program} was not found")


def _unsplit(program: str) -> str:
    """pexpect takes a command without arguments for a line, and splits it at its blanks."""
    return "".join(f"\\{character}" for character in program)


def _ready(stdin: Path, files: tuple[int, int]) -> None:
    """In the forked child, before the program: its standard input, and what Python changed put back."""
    fd = os.open(stdin, os.O_RDONLY)
    os.dup2(fd, 0)
    os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, files)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
