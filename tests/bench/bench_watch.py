"""What watching an agent costs, and how fast a hang is over: `python tests/bench/bench_watch.py`. Run by hand.

    share of a core   CPU time of ralph and of the agent's runner while an agent prints 1 MB/s, git's looks included
    ended late        seconds from the limit of silence to the journal's `agent stopped`
    tree gone         seconds from the limit to the moment when nothing that the agent started is left

The machine decides; the promises are 5 %, 1 s and 3 s.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SECONDS, SILENCE, RUNS = 10.0, 2.0, 5
TICKS = os.sysconf("SC_CLK_TCK")
RESULT = 20_000  # characters of a tool's result
PRINTS = """import json, os, sys, time
form, seconds = sys.argv[1], float(sys.argv[2])
letters = bytes(b"abcdefghijklmnopqrstuvwxyz      "[n % 32] for n in range(256))
def words(size):
    return os.urandom(size).translate(letters).decode()
def events(n):
    call = {"type": "tool_use", "id": f"t{n}", "name": "Bash", "input": {"command": f"cat {words(20)}"}}
    blocks = [{"type": "text", "text": words(300)}, call]
    said = {"type": "assistant", "message": {"id": f"msg_{n}", "content": blocks, "usage": {"input_tokens": 9}}}
    done = {"type": "user", "message": {"content": [{"type": "tool_result", "content": words(RESULT)}]}}
    return json.dumps(said) + "\\n" + json.dumps(done) + "\\n"
def lines(n):
    return words(80) + "\\n"
line = events if form == "events" else lines
began, sent, n = time.monotonic(), 0, 0
while (now := time.monotonic() - began) < seconds:
    while sent < now * 1e6:
        n += 1
        sent += sys.stdout.write(line(n))
    sys.stdout.flush()
    time.sleep(0.02)
open("../printed", "w").write(str(sent / (time.monotonic() - began)))
while True:
    time.sleep(1000)
""".replace("RESULT", str(RESULT))
HANGS = """trap '' TERM INT HUP
(setsid sleep 7654321 &)
env -i setsid sh -c 'trap "" TERM HUP; sleep 7654321; sleep 7654321' > /dev/null 2>&1 &
date +%s.%N > ../last
echo working
while :; do sleep 7654321; done
"""


def main() -> None:
    """Print one table."""
    for form in ("lines", "events"):
        ours, its, speed = watching(form)
        parts = f"{ours:.1%} ralph, {its:.1%} its runner; {speed / 1e6:.2f} MB/s came"
        print(f"watching 1 MB/s of {form:7} {ours + its:6.1%} of a core ({parts})")
    rows = [hang() for _ in range(RUNS)]
    for name, column in (("ended late", 0), ("tree gone", 1)):
        values = [row[column] for row in rows]
        print(f"a hang: {name:11} {statistics.median(values):6.2f} s ({min(values):.2f} to {max(values):.2f})")


def watching(form: str) -> tuple[float, float, float]:
    """(share of a core that ralph used while the agent printed, share of its runner, bytes a second)."""
    with running(f"{sys.executable} -S ../agent {form} {SECONDS}", PRINTS, form) as (repo, ralph):
        runner = int(happened(repo, "agent started")["pid"])
        before, began = (cpu(ralph.pid), cpu(runner)), time.monotonic()
        wait_for((repo.parent / "printed").exists)
        took = time.monotonic() - began
        ours, its = ((cpu(pid) - was) / took for pid, was in zip((ralph.pid, runner), before, strict=True))
        return ours, its, float((repo.parent / "printed").read_text() or 0)


def hang() -> tuple[float, float]:
    """Seconds after the limit: (until it is told to have ended, until all of it is gone)."""
    with running("sh ../agent", HANGS, "lines", "--silence", f"{SILENCE}s", "--max-retries", "0") as (repo, _):
        stopped = happened(repo, "agent stopped")
        wait_for(lambda: not survivors("7654321"))
        gone = time.time()
        due = float((repo.parent / "last").read_text()) + SILENCE
        return float(stopped["t"]) - due, gone - due


@contextmanager
def running(command: str, script: str, form: str, *flags: str) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """ralph at work in a fresh repository with this agent; ended afterwards."""
    with tempfile.TemporaryDirectory() as name:
        repo = Path(name) / "repo"
        repo.mkdir()
        (repo / "PRD.md").write_text("- [ ] T1 do it\n  - Files: `src/**`\n")
        (repo.parent / "agent").write_text(script)
        env = {"PATH": f"{name}:{os.environ['PATH']}", "HOME": name, "PYTHONPATH": str(Path(__file__).parents[2])}
        (Path(name) / ".gitconfig").write_text("[user]\n\tname = Bench\n\temail = bench@example.org\n")
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "start"]):
            subprocess.run(["git", *words], cwd=repo, env=env, check=True)
        claude = Path(name) / "claude"
        claude.write_text(f"#!/bin/sh\nexec {command}\n")
        claude.chmod(0o755)
        who = ["--agent", "claude"] if form == "events" else ["--agent-command", command]
        ralph = subprocess.Popen([sys.executable, "-m", "ralph", *who, *flags, "--quiet"], cwd=repo, env=env)
        try:
            yield repo, ralph
        finally:
            ralph.kill()
            ralph.wait()
            wait_for(lambda: not survivors(f"{name}/"))


def happened(repo: Path, event: str) -> dict[str, Any]:
    """The journal's line of this event; waits for it."""
    path = repo / ".git/ralph/journal.jsonl"

    def found() -> list[dict[str, Any]]:
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        return [one for one in map(json.loads, lines) if one["event"] == event]

    wait_for(lambda: bool(found()))
    return found()[0]


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        if time.monotonic() > deadline:
            sys.exit("it did not happen within a minute")
        time.sleep(0.01)


def cpu(pid: int) -> float:
    """Seconds of CPU time that a process used, with its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def survivors(word: str) -> list[str]:
    """The processes with this word on their command line."""
    found = []
    for one in Path("/proc").iterdir():
        try:
            if one.name.isdigit() and word in (one / "cmdline").read_bytes().decode(errors="replace"):
                found.append(one.name)
        except OSError:
            continue
    return found


if __name__ == "__main__":
    main()
