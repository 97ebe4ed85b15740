"""Crash log: the traceback of a bug goes into a file, not to the terminal."""

from __future__ import annotations

import os
import platform
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from ralph import __version__
from ralph.text import mask, secrets_of


def write_log(error: Exception, words: Sequence[str]) -> Path:
    """Write the log (0600) into ralph's state folder, or into the folder for temporary files."""
    name = f"bug-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    told = "".join(traceback.format_exception(error))
    text = f"ralph {__version__}, Python {platform.python_version()}, {platform.platform()}\n{list(words)}\n{told}"
    text = mask(text, secrets_of(os.environ))
    for folder in (_state(), Path(tempfile.gettempdir())):
        path = folder / name if folder else None
        if path and _written(path, text):
            return path
    return Path("(no place to write it)")


def _state() -> Path | None:
    from ralph.git.repository import discover

    try:
        return discover(Path.cwd()).state
    except Exception:  # an error here must not hide the bug
        return None


def _written(path: Path, text: str) -> bool:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o600)
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError:
        return False
    return True
