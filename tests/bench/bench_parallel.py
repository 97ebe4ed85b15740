"""What several agents at once cost: `python tests/bench/bench_parallel.py [--files 100] [--runs 5]`. Run by hand.

    wall      8 tasks of 2 s with 8 agents, from the command to its end: in a pool that is new, and in a warm one;
              beside it a bash loop that does one task after the other. Asked: 4.0 s at 100 files, 6.0 s at 20,000.
    parent    CPU time of the parent process alone while 8 agents print so much (asked: 10 % of a core)
    child     what each further agent costs: its child and that one's runner, CPU and memory (asked: 25 MB).
              PSS counts a page that n processes share as 1/n of it; private is what nobody shares.

The machine decides, and what else runs on it: the load stands beside the times, the best run is the fairest.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.bench_loop import LOOP, project
from tests.bench.bench_watch import PRINTS, wait_for

ROOT = Path(__file__).parents[2]
AGENTS, SECONDS, WATCHED = 8, 2.0, 6.0
RATE = 100_000  # bytes a second of each agent
WORKS = f"cat > /dev/null; sleep {SECONDS}; echo work > work-$$.txt; echo done"
JOURNAL = ".git/ralph/journal.jsonl"
Cost = tuple[float, float]  # seconds, seconds of CPU time
FORMS = {"text": "lines of text", "events": "JSON events"}


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="*", default=[100, 20_000])
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    for files in options.files:
        show(walls(files, options.runs))
    for form in FORMS:
        show(chatty(form))


def show(rows: Iterable[str]) -> None:
    for row in rows:
        print(row, flush=True)


# ---------------------------------------------------------------- from the command to its end


def walls(files: int, runs: int) -> Iterator[str]:
    """A row for each kind of run."""
    with place(files, AGENTS * (runs + 2)) as (repo, env):
        yield row(files, "pool new", [ralph_run(repo, env)])
        yield row(files, "pool warm", [ralph_run(repo, env) for _ in range(runs)])
        yield row(files, "bash loop", [bash_loop(repo, env)])


def row(files: int, kind: str, costs: list[Cost]) -> str:
    walls, cpus = (sorted(column) for column in zip(*costs, strict=True))
    title = f"{AGENTS} tasks of {SECONDS:.0f} s, {files:6,} files, {kind:9}"
    more = f"; median {statistics.median(walls):.2f}, worst {walls[-1]:.2f}" if len(walls) > 1 else ""
    return f"wall    {title} {walls[0]:6.2f} s   ({cpus[0]:.2f} s of CPU; load {os.getloadavg()[0]:.1f}{more})"


def ralph_run(repo: Path, env: dict[str, str]) -> Cost:
    agent = repo.parent / "agent"
    agent.write_text(WORKS)
    return timed([*words(f"sh {agent}"), "--max-tasks", str(AGENTS)], repo, env, ok=3)


def bash_loop(repo: Path, env: dict[str, str]) -> Cost:
    agent, loop = repo.parent / "agent.sh", repo.parent / "loop.sh"
    agent.write_text(f"#!/bin/sh\n{WORKS}\n")
    agent.chmod(0o755)
    loop.write_text(LOOP.replace("git diff --quiet", '[ -z "$(git status --porcelain)" ]'))  # nobody commits here
    return timed(["bash", str(loop)], repo, {**env, "BENCH_AGENT": str(agent), "BENCH_TASKS": str(AGENTS)})


def words(command: str) -> list[str]:
    several = ["--parallel", "--max-parallel", str(AGENTS), "--quiet"]
    return [sys.executable, "-m", "ralph", *(["--agent-command", command] if command else ["--claude"]), *several]


def timed(argv: list[str], repo: Path, env: dict[str, str], ok: int = 0) -> Cost:
    time.sleep(1.1)  # so that no file is as young as the index
    before, began = used(), time.perf_counter()
    done = subprocess.run(argv, cwd=repo, env=env, capture_output=True, text=True, check=False)
    if done.returncode != ok:
        sys.exit(f"it ended with {done.returncode}: {done.stdout}{done.stderr}")
    return time.perf_counter() - began, used() - before


def used() -> float:
    """Seconds of CPU time of everything that ran and ended."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


@contextmanager
def place(files: int, tasks: int) -> Iterator[tuple[Path, dict[str, str]]]:
    """A repository, and an environment with a home and a cache of its own."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / ".gitconfig").write_text("[user]\n\tname = Bench\n\temail = bench@example.org\n")
        env = {"PATH": f"{name}:{os.environ['PATH']}", "HOME": name, "PYTHONPATH": str(ROOT),
               "XDG_CACHE_HOME": f"{name}/cache", "GIT_CONFIG_NOSYSTEM": "1"}  # fmt: skip
        os.environ |= {"HOME": name}  # for the project's own commit
        yield project(home, files, tasks), env


# ---------------------------------------------------------------- while agents talk


def chatty(form: str) -> Iterator[str]:
    """Rows for 8 agents that print all the time."""
    with place(100, AGENTS) as (repo, env):
        script = repo.parent / "chatty"
        script.write_text(PRINTS.replace("1e6", str(RATE)).replace("20000", "2000"))
        command = f"{sys.executable} -S {script} {form} 1000"
        (repo.parent / "claude").write_text(f"#!/bin/sh\nexec {command}\n")
        (repo.parent / "claude").chmod(0o755)
        ralph = subprocess.Popen(
            words("" if form == "events" else command), cwd=repo, env=env, stdout=subprocess.DEVNULL
        )
        try:
            yield from _watched(repo, ralph.pid, form)
        finally:
            ralph.terminate()
            ralph.wait()


def _watched(repo: Path, ralph: int, form: str) -> Iterator[str]:
    wait_for(lambda: len(pids(repo, "agent started")) == AGENTS)
    time.sleep(1)
    children, runners = pids(repo, "sent"), pids(repo, "agent started")
    everybody = [ralph, *children, *runners]
    before, began, said = [own_cpu(pid) for pid in everybody], time.monotonic(), printed(repo)
    time.sleep(WATCHED)
    took = time.monotonic() - began
    parent, *others = [(own_cpu(pid) - was) / took for pid, was in zip(everybody, before, strict=True)]
    speed = (printed(repo) - said) / took / AGENTS
    yield f"parent  {AGENTS} agents, {FORMS[form]:14} {parent:6.1%} of a core   ({speed / 1000:.0f} KB/s from each)"
    yield f"child   each further one, CPU   {sum(others) / AGENTS:6.1%} of a core"
    for name, key in (("PSS", "Pss"), ("private", "Private_Dirty")):
        one, its = (sum(memory(pid, key) for pid in some) / AGENTS for some in (children, runners))
        yield f"child   each further one, {name:8}{one + its:5.1f} MB          ({one:.1f} child, {its:.1f} runner)"


def pids(repo: Path, event: str) -> list[int]:
    path = repo / JOURNAL
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    events: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return [one["pid"] for one in events if one["event"] == event]


def printed(repo: Path) -> int:
    """Bytes of all transcripts."""
    return sum(one.stat().st_size for one in (repo / ".git/ralph/runs").glob("*/*.log"))


def own_cpu(pid: int) -> float:
    """Seconds of CPU time that a process used, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int, key: str) -> float:
    """Megabytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) / 1024


if __name__ == "__main__":
    main()
