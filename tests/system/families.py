"""For tests of processes: fake programs, words that find their survivors, and waiting for something to be true."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

AGENTS = Path(__file__).parents[2] / "fixtures" / "agents"
GENEROUS = 30.0  # seconds: the machine is shared


def agent(name: str, *words: object) -> tuple[str, ...]:
    """The command line of one of the programs in fixtures/agents."""
    program = AGENTS / name
    start = [sys.executable, "-S"] if program.suffix == ".py" else ["sh"]
    return (*start, str(program), *map(str, words))


def survivors(word: str) -> list[int]:
    """The processes that have this word on their command line, zombies not."""
    return [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and word in _command(entry)
    ]


def wait_until(true: Callable[[], bool], patience: float = GENEROUS) -> bool:
    """Whether it became true in time."""
    deadline = time.monotonic() + patience
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def open_files() -> int:
    """How many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def resident(pid: int) -> float:
    """Megabytes of memory that a process holds; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0.0
    rows = [line.split() for line in status.splitlines() if line.startswith("VmRSS")]
    return int(rows[0][1]) / 1024 if rows else 0.0


def _command(entry: Path) -> list[str]:
    try:
        return (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return []
