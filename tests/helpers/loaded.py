"""ralph for stories with hundreds of starts: forked from a process that has its modules loaded already.

    with loaded.serving():
        code = loaded.start("killer", ["git", 3, ...], cwd=..., out=..., patience=120)

Each start is a process of its own, with its own arguments, folder, environment and output; what comes before the
first line of a program (a fresh interpreter, 350 imports) is left out. That part is tested by all other stories.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

PARTS = ("ralph.engine.loop", "ralph.engine.parallel.pool", "ralph.cli.commands.run", "ralph.engine.attempt.judge",
         "pexpect.fdpexpect", "pathspec", "tests.helpers.killer", "tests.helpers.crew_killer")  # fmt: skip
ROOT = Path(__file__).parents[2]
_servers: list[subprocess.Popen[str]] = []


@contextmanager
def serving() -> Iterator[None]:
    """What the first start in this block loads serves all; it is gone at the end of the block."""
    try:
        yield
    finally:
        while _servers:
            with _servers.pop():  # its input is closed: it ends
                pass


def start(
    program: str, words: Sequence[object], *, cwd: Path, out: Path, patience: float,
    env: Mapping[str, str] = os.environ,
) -> int:  # fmt: skip
    """Call `main` of a module in a new process. Its exit code, or minus the signal; output is added to a file."""
    if not _servers:
        _servers.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.helpers.loaded"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
        )
    server = _servers[0]
    assert server.stdin
    assert server.stdout
    order = {"program": program, "argv": [program, *map(str, words)], "cwd": str(cwd), "out": str(out)}
    print(json.dumps({**order, "patience": patience, "env": dict(env)}), file=server.stdin, flush=True)
    code = json.loads(server.stdout.readline())
    assert code is not None, f"it went on for more than {patience:g} s"
    return int(code)


# ---------------------------------------------------------------- the other process


def serve() -> None:
    """Obey orders, one a line, until there are no more."""
    for part in PARTS:
        import_module(part)
    for line in sys.stdin:
        print(json.dumps(_played(json.loads(line))), flush=True)


def _played(order: dict[str, Any]) -> int | None:
    pid = os.fork()
    if pid == 0:
        _be(order)
    return ended(pid, order["patience"])


def ended(pid: int, patience: float) -> int | None:
    """The exit code of a child, or minus its signal. None: it did not end in so many seconds, and was killed."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return None


def _be(order: dict[str, Any]) -> NoReturn:
    """In the forked process."""
    code: object = 70
    try:
        out = os.open(order["out"], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for there, here in ((null, 0), (out, 1), (out, 2)):
            os.dup2(there, here)
        os.environ.clear()
        os.environ.update(order["env"])
        os.chdir(order["cwd"])
        sys.argv = order["argv"]
        import_module(f"tests.helpers.{order['program']}").main()
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 70)


if __name__ == "__main__":
    serve()
