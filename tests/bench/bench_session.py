"""What a session costs: `python tests/bench/bench_session.py`. Run by hand; prints medians."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "system")]

from ralph.agents.model import Launch, Signal, SignalKind, Stopped  # noqa: E402
from ralph.agents.session import session  # noqa: E402
from ralph.process import command as proc  # noqa: E402
from ralph.process.masking import MaskedWriter, Masker  # noqa: E402
from tests.helpers.families import agent, resident  # noqa: E402 - the path comes first

TIMES = 60
MEGABYTES = 400


def main() -> None:
    """Print one table."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "prompt").write_text("do it")
        plain = median(lambda: subprocess.run(["true"], check=True))
        print(f"fork and exec of `true`        {plain:7.2f} ms")
        print(f"proc.run of `true`             {median(lambda: gate(here)) - plain:7.2f} ms more")
        print(f"session.run of `true`          {median(lambda: attempt(here, ['true'])) - plain:7.2f} ms more")
        for name, line, read in (
            ("80-column lines", 80, None),
            ("one line", 0, None),
            ("300-byte events", 300, events),
        ):
            print(flood(here, name, line, read))
        print(masking())


def median(work: Callable[[], object]) -> float:
    """Milliseconds."""
    work()
    return statistics.median(timed(work) for _ in range(TIMES)) * 1000


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def gate(here: Path) -> proc.CommandResult:
    """The smallest gate."""
    return proc.run_command(["true"], cwd=here, env=dict(os.environ), timeout=60)


def attempt(
    here: Path, argv: Sequence[str], read: Callable[[str], Sequence[Signal]] | None = None,
    started: Callable[[int, float], None] = lambda *_: None, stop: Callable[[], None] = lambda: None,
) -> Stopped:  # fmt: skip
    """One session."""
    return session.run_session(
        Launch(tuple(argv)), cwd=here, env=dict(os.environ), prompt=here / "prompt", transcript=here / "log",
        read=read, silence=600, open_tool_silence=0, wall=600, started=started, tell=lambda _: None, stop=stop,
    )  # fmt: skip


def events(line: str) -> Sequence[Signal]:
    """As much work as a reader of JSON lines does."""
    return [Signal(SignalKind.TEXT, str(len(line)))] if json.dumps({"line": line}) and line.startswith("{") else []


def flood(here: Path, name: str, line: int, read: Callable[[str], Sequence[Signal]] | None) -> str:
    """Speed, and the most memory that parent and runner held."""
    runner: list[int] = []
    sizes: list[tuple[float, float]] = []

    def look() -> None:
        sizes.append((resident(os.getpid()), resident(runner[0])))

    began = time.perf_counter()
    end = attempt(here, agent("flood.py", MEGABYTES, line), read, lambda pid, _: runner.append(pid), look)
    speed = end.output / 1e6 / (time.perf_counter() - began)
    ours, its = (max(column) for column in zip(*sizes, strict=True))
    return f"flood, {name:22} {speed:7.0f} MB/s, parent {ours:.0f} MB, runner {its:.0f} MB"


def masking() -> str:
    """How fast secrets are looked for in source code, as a terminal gives it; at most 50 MB of a session are."""
    code = b"".join(path.read_bytes() for path in (ROOT / "ralph").rglob("*.py"))
    code *= 8_000_000 // len(code)
    stream = MaskedWriter(Masker([f"secret-number-{number}-{number * 'q'}" for number in range(8)]))
    began = time.process_time()
    for at in range(0, len(code), 4095):
        stream.feed(code[at : at + 4095])
    return f"masking of code, 8 secrets     {len(code) / 1e6 / (time.process_time() - began):7.0f} MB/s"


if __name__ == "__main__":
    main()
