"""Output of commands. A closed pipe (`ralph logs | head`) is not an error."""

from __future__ import annotations

import os
import sys
from typing import TextIO


def say(text: str = "", *, error: bool = False) -> bool:
    """Print one line with any characters. Return False if the output is closed."""
    return write(f"{text}\n", sys.stderr if error else sys.stdout)


def write(text: str, stream: TextIO) -> bool:
    """Write a text unchanged and flush it. Return False if the output is closed."""
    try:
        stream.write(_writable(text, stream))
        stream.flush()
    except OSError:  # a closed pipe, a full disk
        hush(stream)
        return False
    return True


def open_closed() -> None:
    """Replace closed output streams (`ralph >&-`)."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123 - open until the program ends
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123


def hush(stream: TextIO) -> None:
    """Discard the rest, so that Python's last flush does not fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _writable(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)
