"""The runner's side of a session: an agent on a pseudo-terminal, its output split into lines, its lines read."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ralph.model import Kind, Signal, Usage
from ralph.system.capped import plain
from ralph.system.runner import Link

SIZE = (50, 200)  # rows, columns: full-screen programs wrap at less
CHUNK = 65536
LINE = 1_000_000  # bytes of one line; what is beyond is cut
TEXT = 4000  # characters of a text on its way to the parent
PATHS = 500
BEAT = 0.25  # seconds between two signs of life of an agent without events

Read = Callable[[str], Sequence[Signal]]


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

    def code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None


class Lines:
    """Bytes in pieces -> lines. One line is never longer than LINE bytes; the rest of it is dropped."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that became complete."""
        *whole, rest = data.split(b"\n")
        for part in whole:
            yield from self._take(part)
        self._add(rest)

    def flush(self) -> Iterator[str]:
        """What is left when nothing more comes."""
        if self._rest:
            yield from self._take(b"")

    def _take(self, part: bytes) -> Iterator[str]:
        self._add(part)
        yield self._rest.removesuffix(b"\r").decode("utf-8", "replace")
        self._rest.clear()

    def _add(self, part: bytes) -> None:
        self._rest += part[: LINE - len(self._rest)]


class Events:
    """An agent with events: every line is read, every signal told to the parent."""

    def __init__(self, read: Read, link: Link) -> None:
        self._read, self._link, self._lines, self._complained = read, link, Lines(), False

    def swallow(self, data: bytes) -> None:
        """Read the lines that these bytes complete."""
        for line in self._lines.feed(data):
            self._tell(line)

    def pulse(self) -> float:
        """Nothing is due without output."""
        return 1.0

    def flush(self) -> None:
        """Read a last line without an end."""
        for line in self._lines.flush():
            self._tell(line)

    def _tell(self, line: str) -> None:
        for one in self._signals(line):
            self._link.send(signal=pack(one))

    def _signals(self, line: str) -> Sequence[Signal]:
        try:
            return self._read(line)
        except Exception as error:  # a reader's bug must not cost the work of an hour; once is told
            told, self._complained = self._complained, True
            return [] if told else [Signal(Kind.TEXT, f"ralph could not read a line of the agent: {error!r}")]


class Beats:
    """An agent without events: a few signs of life a second, with its last line. No work per line."""

    def __init__(self, link: Link) -> None:
        self._link, self._total, self._told, self._next, self._last = link, 0, 0, 0.0, b""

    def swallow(self, data: bytes) -> None:
        """Note that there was output."""
        self._total += len(data)
        self._last = data if len(data) >= TEXT else self._last[-TEXT:] + data

    def pulse(self) -> float:
        """Tell the parent if there is something new and it is time; when to ask again, in seconds."""
        now = time.monotonic()
        if self._total != self._told and now >= self._next:
            self.flush()
            self._next = now + BEAT
        return max(0.001, self._next - now) if self._total != self._told else 1.0

    def flush(self) -> None:
        """Tell the parent what was not told yet."""
        if self._total != self._told:
            self._told = self._total
            lines = plain(self._last[-TEXT:]).strip().splitlines() or [""]
            self._link.send(signal=pack(Signal(Kind.TEXT, lines[-1].strip())))


def pack(one: Signal) -> dict[str, object]:
    """A signal on its way to the parent: bounded, and plain enough for JSON."""
    usage = one.usage and [one.usage.tokens, one.usage.cost, one.usage.key[:TEXT], one.usage.final]
    return {
        "kind": one.kind.value, "text": one.text[:TEXT], "tool": one.tool[:TEXT], "command": one.command[:TEXT],
        "paths": [path[:TEXT] for path in one.paths[:PATHS]], "usage": usage,
        "resets_at": one.resets_at, "ok": one.ok,
    }  # fmt: skip


def unpack(sent: Mapping[str, Any]) -> Signal:
    """The signal that was packed."""
    usage = Usage(*sent["usage"]) if sent["usage"] else None
    fields = {**sent, "kind": Kind(sent["kind"]), "paths": tuple(sent["paths"]), "usage": usage}
    return Signal(**fields)


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
