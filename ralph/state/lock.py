"""The lock of a checkout: an flock that the kernel frees when its holder dies."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from ralph.errors import RalphError


@contextmanager
def hold(path: Path) -> Iterator[bool]:
    """Hold the lock and yield whether its last holder was killed. Raise RalphError if another process holds it."""
    descriptor = _opened(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise _taken(os.read(descriptor, 4096)) from None
        killed = os.fstat(descriptor).st_size > 0
        _sign(descriptor, path)
        try:
            yield killed
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from error


def _sign(descriptor: int, path: Path) -> None:
    """Write pid and time into the lock, for the message of a second ralph."""
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps({"pid": os.getpid(), "since": _now()}).encode())
    except OSError as error:
        raise _unwritable(path, error) from error


def holder(path: Path) -> int | None:
    """Return the pid of the ralph that holds the lock, or None."""
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                pid = _owner_data(file.read()).get("pid")
                return pid if isinstance(pid, int) else None
    except OSError:
        pass
    return None


def _unwritable(path: Path, error: OSError) -> RalphError:
    problem = f"ralph can't write into {path.parent}: {error.strerror}"
    return RalphError(problem, "Look at its permissions and at the space on the disk, then start again.")


def _taken(content: bytes) -> RalphError:
    owner = _owner_data(content)
    return RalphError(
        f"another ralph holds this checkout (pid {owner.get('pid', '?')}, since {owner.get('since', '?')})",
        "Wait for it, or stop it with Ctrl-C in its terminal; `ralph status` shows what it does.",
    )


def _owner_data(content: bytes) -> dict[str, object]:
    try:
        data = json.loads(content or b"{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _now() -> str:
    return datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
