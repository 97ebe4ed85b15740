"""Output on disk, bounded: all of its beginning as it comes, and its newest end once it is too long."""

from __future__ import annotations

import os
import re
from pathlib import Path

CAP = 50_000_000  # bytes of the beginning
LAST = 1_000_000  # bytes of the end, kept in memory until then

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC, DCS, SOS, PM, APC with their text
    r"|\x1b[ -/]*[0-~]?"
    r"|\x9b[0-?]*[ -/]*[@-~]"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]"
)


class Capped:
    """A file, its owner's only, that takes any amount of output. A full disk does not raise: see `error`."""

    def __init__(self, path: Path | None, cap: int = CAP, last: int = LAST) -> None:
        self._cap, self._keep, self._last = cap, last, bytearray()
        self.total = 0  # bytes written to it, kept or not
        self.error = ""  # why nothing more is written to disk
        self._fd = self._open(path) if path else None

    def write(self, data: bytes) -> None:
        """Take some output."""
        room = self._cap - self.total
        self.total += len(data)
        if room > 0:
            self._put(data[:room])
        if 0 <= room < len(data):
            self._put(_note(f"{self._cap:,} bytes are kept; of what follows only the end is, once it is over"))
        self._last += data
        if len(self._last) > 2 * self._keep:
            del self._last[: -self._keep]

    def tail(self, size: int) -> bytes:
        """The newest `size` bytes (as far as they are kept)."""
        return bytes(self._last[-size:])

    def close(self) -> None:
        """Write the end of a long output and close the file."""
        left_out = self.total - self._cap
        if left_out > 0:
            self._put(_note(f"{max(0, left_out - self._keep):,} bytes left out here"))
            self._put(self.tail(min(left_out, self._keep)))
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Capped:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, path: Path) -> int | None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(path, flags, 0o600)
        except OSError as error:
            self.error = f"{path}: {error.strerror}"
            return None

    def _put(self, data: bytes) -> None:
        try:
            while data and self._fd is not None and not self.error:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            self.error = error.strerror or str(error)


def plain(data: bytes) -> str:
    """Terminal output as text: no escape sequences, no control characters but tab and newline."""
    text = data.decode("utf-8", "replace").lstrip("\ufffd")
    return _ESCAPES.sub("", text.replace("\r\n", "\n")).replace("\r", "\n").replace("\x1b", "")


def _note(words: str) -> bytes:
    return f"\n[ralph: {words}]\n".encode()
