"""Refs of ralph's own, created and deleted as files by git's protocol: two processes less for each task.

Only for names that no other program writes. If git stores refs in another way, or a path is in the way, return
False; the caller then uses git.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def make(common: Path, name: str, sha: str) -> bool:
    """Create a ref atomically and durably. Return whether that succeeded; on False nothing changed."""
    path = common / name
    lock = path.with_name(f"{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _locked(lock)
    except OSError:
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(sha.encode() + b"\n")
        file.flush()
        os.fsync(descriptor)
    return _renamed(lock, path)


def drop(common: Path, name: str) -> bool:
    """Delete a ref and its log. Return whether that succeeded; on False nothing changed."""
    path, log = common / name, common / "logs" / name
    lock = path.with_name(f"{path.name}.lock")
    try:
        if _is_packed(common, name):
            return False
        os.close(_locked(lock))
    except OSError:
        return False
    try:
        path.unlink()
    except OSError:
        return False
    finally:
        lock.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    for folder in (path.parent, log.parent):
        with suppress(OSError):
            folder.rmdir()
    return True


def _locked(lock: Path) -> int:
    return os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)


def _renamed(lock: Path, path: Path) -> bool:
    try:
        lock.replace(path)
    except OSError:
        lock.unlink(missing_ok=True)
        return False
    return True


def _is_packed(common: Path, name: str) -> bool:
    try:
        return f" {name}\n".encode() in (common / "packed-refs").read_bytes()
    except FileNotFoundError:
        return False


def named_in(head: Path) -> str:
    """Return the branch that a HEAD file names; "" if it is detached."""
    text = os.fsdecode(head.read_bytes()).strip()
    return text.removeprefix("ref: ") if text.startswith("ref: ") else ""
