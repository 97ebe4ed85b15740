"""Where commands print. A reader that went away (`ralph logs | head`) is no error."""

from __future__ import annotations

import os
import sys
from typing import TextIO


def say(text: str = "", *, error: bool = False) -> bool:
    """Print one line, whatever characters it has; False when nobody can read it any more."""
    return write(f"{text}\n", sys.stderr if error else sys.stdout)


def write(text: str, stream: TextIO) -> bool:
    """Write it as it is, at once; False when nobody can read it any more."""
    try:
        stream.write(_writable(text, stream))
        stream.flush()
    except OSError:  # a closed pipe, a full disk
        hush(stream)
        return False
    return True


def open_closed() -> None:
    """Give closed output somewhere to go (`ralph >&-`)."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123 - as long as the program
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123


def hush(stream: TextIO) -> None:
    """Let the rest go nowhere, so that Python's last flush does not complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _writable(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)
