"""One ralph for each checkout: an flock that the kernel frees when its holder dies, however it dies."""

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
    """Hold the lock, or a RalphError that says who has it and since when. True: its last holder was killed."""
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
    """Say in it who holds it, for the second one to tell."""
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps({"pid": os.getpid(), "since": _now()}).encode())
    except OSError as error:
        raise _unwritable(path, error) from error


def holder(path: Path) -> int | None:
    """The pid of the ralph that holds the lock now, or None."""
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                pid = _said(file.read()).get("pid")
                return pid if isinstance(pid, int) else None
    except OSError:
        pass
    return None


def _unwritable(path: Path, error: OSError) -> RalphError:
    what = f"ralph can't write into {path.parent}: {error.strerror}"
    return RalphError(what, "Look at its permissions and at the space on the disk, then start again.")


def _taken(content: bytes) -> RalphError:
    who = _said(content)
    return RalphError(
        f"another ralph holds this checkout (pid {who.get('pid', '?')}, since {who.get('since', '?')})",
        "Wait for it, or stop it with Ctrl-C in its terminal; `ralph status` shows what it does.",
    )


def _said(content: bytes) -> dict[str, object]:
    try:
        said = json.loads(content or b"{}")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _now() -> str:
    return datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
