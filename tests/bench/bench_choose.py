"""What choosing among many tasks costs: `python tests/bench/bench_choose.py`. Run by hand.

5,000 tasks, half of them with a scope of two patterns; dependencies as chains, a fan, or none; 8 run, 2 more may
start. In `one file` all scopes clash, in `shared` those of nearly all with the last one that runs. `first` is a
choice in a fresh process (no pattern was ever read), `next` the median of the ones after it, each with a task ended
and another one started. The machine decides; the promise is 50 ms a choice.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from ralph.prd import document as prd
from ralph.prd.model import Prd
from ralph.prd.parallel_schedule import ready

TASKS, RUNNING, CHOICES = 5_000, 8, 20


def main() -> None:
    """Print one row for each shape."""
    if len(sys.argv) == 2:
        first, following, open_tasks = measured(sys.argv[1])
        print(f"{sys.argv[1]:9} first {first * 1e3:6.1f} ms   next {following * 1e3:6.1f} ms   ({open_tasks} open)")
        return
    for shape in ("none", "chain", "fan", "one file", "shared", "groups", "phases"):
        subprocess.run([sys.executable, __file__, shape], check=True)


def measured(shape: str) -> tuple[float, float, int]:
    """(seconds of the first choice, median of the next ones, open tasks)."""
    document = document_of(shape)
    running = frozenset(f"T{n}" for n in range(2, 2 + RUNNING))
    times = []
    for _ in range(CHOICES):
        began = time.perf_counter()
        choice = ready(document, running=running, left=2)
        times.append(time.perf_counter() - began)
        ended = min(running, key=lambda task_id: int(task_id[1:]), default="")
        document = prd.tick(document, ended) if ended else document
        running = running - {ended} | {task.id for task in choice.tasks[:1]}
    return times[0], statistics.median(times[1:]), sum(not task.done for task in document.tasks)


def document_of(shape: str) -> Prd:
    """A PRD of that shape; its first tasks are those that run."""
    return prd.parse("".join(lines(shape, n) for n in range(1, TASKS + 1)).encode())


def lines(shape: str, n: int) -> str:
    heading = f"\n## Phase {n}: more\n" if shape == "phases" and n % 100 == 1 else ""
    mark = "[P] " if shape == "phases" and n % 10 else ""
    text = f"{heading}- [ ] T{n} {mark}do what is to be done as number {n}\n"
    if shape == "chain" and n > 2 + RUNNING and n % 10:
        text += f"  - Depends: T{n - 1}\n"
    if shape == "fan" and n > 2 + RUNNING:
        text += f"  - Depends: T{2 + n % RUNNING}\n" if n % 3 else "  - Depends: T1\n"
    if shape == "groups":
        text += f"  - Group: {n // 50}\n"
    if n % 2:
        first = "src/one.py" if shape == "one file" else f"src/part{n}/**/*.py"
        second = "lib/*.py" if shape == "shared" and n > RUNNING else f"tests/test_{n}*.py"
        text += f"  - Files: `{first}`, `{second}`\n"
    return text


if __name__ == "__main__":
    main()
