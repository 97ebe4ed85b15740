"""One git process that reads a file and answers on a pipe, with a deadline."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

PATIENCE = 600.0  # seconds: a signing key that waits for a person must not block the night


class GitProcess:
    """A git process. Its input and its errors are files, its answer is one pipe: `communicate` with three pipes
    took 3.5 ms a call, this takes 1.4."""

    def __init__(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], data: bytes) -> None:
        self._parts: list[bytes] = []
        with _scratch(data) as given:
            self._err = _scratch(b"")
            self._process = subprocess.Popen(
                argv, cwd=cwd, env=env, stdin=given if data else subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=self._err,
                process_group=0,  # a Ctrl-C at the terminal is for ralph, not for a half-done git call
            )  # fmt: skip

    def ready(self) -> bool:
        """Read the available output without waiting; return True once it is complete."""
        assert self._process.stdout is not None  # noqa: S101 - it was asked for above
        while select.select([self._process.stdout], [], [], 0)[0]:
            if not (part := os.read(self._process.stdout.fileno(), 1 << 16)):
                return True
            self._parts.append(part)
        return False

    def give_up(self) -> None:
        """End the process and discard its answer."""
        self._process.kill()
        self.finish()

    def finish(self) -> tuple[bytes, bytes, int]:
        """Return (output, errors, exit code). Kill the process at the deadline."""
        deadline = time.monotonic() + PATIENCE
        out = b"".join((*self._parts, *self._answer(deadline)))
        if self._process.returncode is None and not _gone(self._process.pid, deadline):
            self._process.kill()
        code = self._process.wait()
        with self._err as err:
            err.seek(0)
            return out, err.read(), code

    def _answer(self, deadline: float) -> Iterator[bytes]:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for above
        with self._process.stdout as pipe:
            while select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                if not (part := os.read(pipe.fileno(), 1 << 16)):
                    return
                yield part


def _scratch(data: bytes) -> BinaryIO:
    """Return a file in memory, or at least without a name."""
    if sys.platform == "linux":
        file: BinaryIO = os.fdopen(os.memfd_create("git", os.MFD_CLOEXEC), "w+b", buffering=0)
    else:
        file = cast("BinaryIO", tempfile.TemporaryFile(buffering=0))  # noqa: SIM115
    for at in range(0, len(data), 1 << 24):
        file.write(data[at : at + (1 << 24)])
    file.seek(0)
    return file


def _gone(pid: int, deadline: float) -> bool:
    """Wait for a process that has closed its output: it ends at once, or never."""
    if sys.platform != "linux":
        return True
    descriptor = os.pidfd_open(pid)
    try:
        return bool(select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0])
    finally:
        os.close(descriptor)
