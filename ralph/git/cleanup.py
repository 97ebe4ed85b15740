"""Files that may go: how large they are, when they last changed, and away with them. Links are not followed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ralph.git.checkout import away


def folder_entries(folder: Path) -> list[Path]:
    """What is in a folder; nothing where there is none, or where it is a link to somewhere else."""
    if folder.is_symlink():
        return []
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def size(path: Path) -> int:
    """The bytes that it takes on the disk."""
    return sum(_blocks(other_path) for other_path in (path, *_below(path)))


def newest(path: Path) -> float:
    """When it, or something in it, was last changed."""
    return max((changed(other_path) for other_path in (path, *_below(path))), default=0.0)


def remove(path: Path) -> bool:
    """It is gone afterwards, or this is False. Folders that nobody may write in are opened first."""
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
    """When it was last changed; 0 where it is not there."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0
