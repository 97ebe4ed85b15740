"""Output on disk, bounded and without secrets: its beginning and, beyond the limit, its newest end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ralph.process.masking import MaskedWriter, Masker
from ralph.text import clean

CAP = 50_000_000  # bytes of the beginning
LAST = 1_000_000  # bytes of the end, kept in memory until then


class CappedFile:
    """A file with mode 0600 that takes any amount of output. A full disk does not raise: see `error`.

    Secrets are masked before anything is written. A few bytes that may become one wait for the next write.
    """

    def __init__(
        self, path: Path | None, cap: int = CAP, last: int = LAST, secrets: Sequence[str] = ()
    ) -> None:  # fmt: skip
        self._cap, self._keep, self._last = cap, last, bytearray()
        self._masker = Masker(secrets)
        self._beginning = MaskedWriter(self._masker)
        self._decided = 0  # bytes of the beginning on disk, once it is full
        self.total = 0  # bytes passed to `write`
        self.error = ""  # why writing to disk stopped
        self._fd = self._open(path) if path else None

    def write(self, data: bytes) -> None:
        """Append output."""
        room = self._cap - self.total
        self.total += len(data)
        if room > 0:
            self._put(self._beginning.feed(data[:room]))
        if 0 <= room < len(data):
            self._decided = self._cap - self._beginning.held
            self._put(_note(f"{self._cap:,} bytes are kept; of what follows only the end is, once it is over"))
        self._last += data
        if len(self._last) > 2 * self._keep + self._masker.reach:
            del self._last[: -self._keep - self._masker.reach]

    def tail(self, size: int) -> bytes:
        """Return the newest `size` bytes (as far as they are kept), without secrets."""
        return self._masker.end(bytes(self._last[-size - self._masker.reach :]), size)

    def close(self) -> None:
        """Write the end of a long output and close the file."""
        if self.total > self._cap:
            rest = self.total - self._decided
            self._put(_note(f"{max(0, rest - self._keep):,} bytes left out here"))
            self._put(self.tail(min(rest, self._keep)))
        else:
            self._put(self._beginning.flush())
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> CappedFile:
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


def plain_output(data: bytes | bytearray) -> str:
    """Return terminal output as text: no escape sequences, no control characters except tab and newline."""
    return clean(data.decode("utf-8", "replace").lstrip("\ufffd"))


def _note(text: str) -> bytes:
    return f"\n[ralph: {text}]\n".encode()
