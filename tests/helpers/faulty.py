"""ralph on a machine that fails once: `python faulty.py ENOSPC|EROFS|EMFILE|EDQUOT N ARGS`.

The Nth time that it opens a file to write or makes a folder in the repository (with EMFILE: opens any file in it)
the system refuses. An audit hook raises what the system call would; nothing of ralph is replaced.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ralph.__main__ import main

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def failing(name: str, last: int, below: Path) -> Callable[[str, tuple[Any, ...]], None]:
    """A hook that lets every call pass but number `last`."""
    calls = 0

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal calls
        if not (event == "os.mkdir" or (event == "open" and (name == "EMFILE" or args[2] & WRITES))):
            return
        if isinstance(args[0], int) or not _below(os.fsdecode(args[0]), below):
            return
        calls += 1
        if calls == last:
            mark(str(args[0]))
            number = getattr(errno, name)
            raise OSError(number, os.strerror(number), args[0])

    return hook


def mark(path: str) -> None:
    """Leave word that it happened: beside the repository, where nothing counts."""
    descriptor = os.open(os.environ["FAULTY_MARK"], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    os.write(descriptor, f"{path}\n".encode())
    os.close(descriptor)


def _below(path: str, folder: Path) -> bool:
    return os.path.abspath(path).startswith(f"{folder}{os.sep}")  # noqa: PTH100 - touches no file


if __name__ == "__main__":
    name, number = sys.argv[1], int(sys.argv[2])
    sys.argv[1:] = sys.argv[3:]
    sys.addaudithook(failing(name, number, Path.cwd()))
    sys.exit(main())
