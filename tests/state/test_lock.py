"""One ralph for each checkout; a dead one holds nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ralph.errors import RalphError
from ralph.state.lock import hold, holder

HOLD = """
import sys, time
from pathlib import Path
from ralph.state.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def another(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_the_second_is_told_who_has_it(tmp_path: Path) -> None:
    path = tmp_path / "state/lock"
    with another(path) as process:
        assert holder(path) == process.pid
        with pytest.raises(RalphError, match=rf"pid {process.pid}, since \d{{4}}-\d\d-\d\d \d\d:\d\d"), hold(path):
            pass
        assert holder(path) == process.pid


def test_it_is_free_after_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with another(path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert holder(path) is None
        with hold(path):
            assert holder(path) == os.getpid()


def test_it_is_free_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), hold(path):
        raise ZeroDivisionError
    assert holder(path) is None
    with hold(path):
        pass


@pytest.mark.parametrize("content", [b"", b"nonsense", b"[1]", b'{"pid": "x"}'])
def test_what_stands_in_the_file_is_only_told(tmp_path: Path, content: bytes) -> None:
    """A full disk or another program may have written anything: only the kernel's lock counts."""
    path = tmp_path / "lock"
    path.write_bytes(content)
    with hold(path):
        pass
    with another(path):
        path.write_bytes(content)
        assert holder(path) is None
        with pytest.raises(RalphError, match="another ralph holds this checkout"), hold(path):
            pass


def test_nobody_holds_what_is_not_there(tmp_path: Path) -> None:
    assert holder(tmp_path / "lock") is None


def test_where_nothing_can_be_written_there_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    with pytest.raises(RalphError, match="can't write into"), hold(tmp_path / "state/lock"):
        pass
