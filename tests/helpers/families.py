"""For tests of sessions and processes: a desk that runs fake programs, and ways to find what survives them."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ralph.agents.model import Launch, Signal, SignalKind, Stopped, StopReason, Usage
from ralph.agents.session import session

AGENTS = Path(__file__).parents[2] / "fixtures" / "agents"
GENEROUS = 60.0  # seconds: the machine is shared


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


@dataclass
class Desk:
    """Runs one agent and keeps what the parent was told."""

    here: Path
    log: str = "transcript"
    told: list[Signal] = field(default_factory=list)
    runner: list[tuple[int, float]] = field(default_factory=list)

    @property
    def transcript(self) -> Path:
        return self.here / self.log

    def run(
        self, argv: Sequence[str], *, prompt: bytes = b"do it", env: Mapping[str, str] | None = None,
        read: Callable[[str], Sequence[Signal]] | None = None, silence: float = GENEROUS,
        open_tool_silence: float = 0, wall: float = 2 * GENEROUS, stop: session.Stop = lambda: None,
        cwd: Path | None = None, tell: session.Tell = lambda _: None,
        answer: Callable[[], str | None] | None = None, secrets: Sequence[str] = (),
    ) -> Stopped:  # fmt: skip
        def told(signal: Signal) -> bool | None:
            self.told.append(signal)
            return tell(signal)

        (self.here / "prompt").write_bytes(prompt)
        return session.run_session(
            Launch(tuple(argv), env or {}), cwd=cwd or self.here, env=dict(os.environ), prompt=self.here / "prompt",
            transcript=self.transcript, read=read, silence=silence, open_tool_silence=open_tool_silence, wall=wall,
            started=lambda pid, start: self.runner.append((pid, start)), tell=told, stop=stop,
            answer=answer, secrets=secrets,
        )  # fmt: skip

    def events(self, *lines: Mapping[str, Any] | str, **limits: Any) -> Stopped:
        """Run an agent that prints these events; words are commands of events.py."""
        script = self.here / "script"
        script.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
        return self.run(agent("events.py", script), read=read_json, **limits)


def read_json(line: str) -> Sequence[Signal]:
    """The reader of events.py: a line is a Signal as an object; anything else is no event."""
    try:
        event = json.loads(line)
        usage = Usage(**event.pop("usage")) if "usage" in event else None
        paths = tuple(event.pop("paths", ()))
        return [Signal(SignalKind(event.pop("kind")), usage=usage, paths=paths, **event)]
    except (ValueError, AttributeError):
        return []


class After:
    """A stop() that says INTERRUPTED once something is true, and notes when."""

    def __init__(self, true: Callable[[], bool]) -> None:
        self.true, self.at = true, 0.0

    def __call__(self) -> StopReason | None:
        if not self.at and self.true():
            self.at = time.monotonic()
        return StopReason.INTERRUPTED if self.at else None


def _command(entry: Path) -> list[str]:
    try:
        return (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return []
