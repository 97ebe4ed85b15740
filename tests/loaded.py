"""ralph for stories with hundreds of starts: forked from a process that has its modules loaded already.

Each start is a process of its own, with its own arguments, folder, environment and output; what comes before the
first line of a program (a fresh interpreter, 350 imports) is left out. That part is tested by all other stories.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

PARTS = ["ralph.loop", "ralph.parallel", "ralph.cli.run", "ralph.judging", "ralph.reviewing", "pexpect.fdpexpect",
         "pathspec", "killer", "crew_killer"]  # fmt: skip


@cache
def _server() -> ForkServerContext:
    context = get_context("forkserver")
    context.set_forkserver_preload(PARTS)
    return context


def start(
    program: str, words: Sequence[object], *, cwd: Path, out: Path, patience: float,
    env: Mapping[str, str] = os.environ,
) -> int:  # fmt: skip
    """Call `main` of a module in a new process. Its exit code, or minus the signal; output is added to a file."""
    argv = [program, *map(str, words)]
    process = _server().Process(target=_be, args=(program, argv, str(cwd), str(out), dict(env)))
    with patch.dict(sys.modules, {"__main__": ModuleType("__main__")}):  # else each one loads pytest again
        process.start()
    try:
        process.join(patience)
        assert process.exitcode is not None, f"it goes on after {patience:g} s"
        return process.exitcode
    finally:
        process.kill()
        process.join()


def _be(program: str, argv: list[str], cwd: str, out: str, env: dict[str, str]) -> None:
    """In the new process."""
    file = os.open(out, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.close(file)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = argv
    import_module(program).main()
