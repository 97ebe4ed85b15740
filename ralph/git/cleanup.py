"""Files that may be deleted: their size, their last change, and their removal. Links are not followed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ralph.git.checkout import away


def folder_entries(folder: Path) -> list[Path]:
    """Return the entries of a folder; [] if it does not exist or is a link."""
    if folder.is_symlink():
        return []
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def size(path: Path) -> int:
    """Return the bytes that the path takes on the disk."""
    return sum(_blocks(other_path) for other_path in (path, *_below(path)))


def newest(path: Path) -> float:
    """Return the time of the last change of the path or anything in it."""
    return max((changed(other_path) for other_path in (path, *_below(path))), default=0.0)


def remove(path: Path) -> bool:
    """Remove a path; return whether it is gone. Folders without write permission are made writable first."""
    if path.is_dir() and not path.is_symlink():
        for folder in (
            path,
            *(other_path for other_path in _below(path) if other_path.is_dir() and not other_path.is_symlink()),
        ):
            with suppress(OSError):
                folder.chmod(0o700)
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            away(path)
    return not os.path.lexists(path)


def _below(path: Path) -> Iterator[Path]:
    if path.is_symlink():
        return
    for folder, folders, files in os.walk(path):
        yield from (Path(folder) / name for name in (*folders, *files))


def _blocks(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except OSError:
        return 0


def changed(path: Path) -> float:
    """Return the time of the last change of the path; 0 if it does not exist."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0
