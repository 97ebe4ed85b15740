"""What ralph costs per task, beside a 15-line bash loop that greps, starts the agent, diffs, ticks and commits.

    python tests/bench/bench_loop.py [--files 100] [--tasks 20] [--prd-tasks N] [--runs 5] [--gate CMD]

overhead per task = (wall time of the whole run, start-up and pre-flight included, minus the agent's own) / tasks.
Prints medians. Not a test: the machine decides.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

AGENT = """#!/bin/bash
start=$(date +%s%N)
cat > /dev/null
n=$(date +%N)
echo "work $n" > work-$n.txt
git add work-$n.txt
git commit -q -m "work $n"
echo "done"
echo $(( $(date +%s%N) - start )) >> "$BENCH_TIMES"
"""
LOOP = """#!/bin/bash
while line=$(grep -n -m1 '^- \\[ \\] ' PRD.md); do
  number=${line%%:*}
  task=${line#*] }
  before=$(git rev-parse HEAD)
  echo "$task" | "$BENCH_AGENT" > /dev/null || exit 1
  after=$(git rev-parse HEAD)
  if [ "$before" = "$after" ] && git diff --quiet; then
    echo "nothing done for: $task"; exit 1
  fi
  sed -i "${number}s/\\[ \\]/[x]/" PRD.md
  git add -A
  git commit -q -m "done: $task"
  count=$((count + 1))
  [ "$count" = "$BENCH_TASKS" ] && exit 0
done
"""


def project(folder: Path, files: int, tasks: int) -> Path:
    repo = folder / "repo"
    repo.mkdir()
    for number in range(files):
        path = repo / f"d{number // 100:03}" / f"f{number % 100:03}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"file {number}\n" * 5)
    boxes = "".join(f"- [ ] T{n} do number {n}\n" for n in range(1, tasks + 1))
    (repo / "PRD.md").write_text(f"# Plan\n\n{boxes}")
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "start"]):
        subprocess.run(["git", *words], cwd=repo, check=True)
    return repo


def measure(words: list[str], options: argparse.Namespace, env: dict[str, str]) -> float:
    """Seconds of overhead per task."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        repo = project(folder, options.files, options.prd_tasks or options.tasks)
        agent, times = folder / "agent.sh", folder / "times"
        agent.write_text(AGENT)
        agent.chmod(0o755)
        (folder / "loop.sh").write_text(LOOP)
        env = {**env, "BENCH_AGENT": str(agent), "BENCH_TIMES": str(times), "BENCH_TASKS": str(options.tasks)}
        time.sleep(1.1)  # so that no file is as young as the index
        subprocess.run(["git", "status"], cwd=repo, env=env, stdout=subprocess.DEVNULL, check=True)
        start = time.perf_counter()
        argv = [word.format(folder=folder) for word in words]
        done = subprocess.run(argv, cwd=repo, env=env, capture_output=True, check=False)
        wall = time.perf_counter() - start
        own = [int(line) for line in times.read_text().split()]
        if len(own) != options.tasks:
            sys.exit(f"{len(own)} agents ran: {done.stdout.decode()} {done.stderr.decode()}")
        return float((wall - sum(own) / 1e9) / options.tasks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("files", 100), ("tasks", 20), ("prd-tasks", 0), ("runs", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--gate")
    options = parser.parse_args()
    home = tempfile.mkdtemp()
    (Path(home) / ".gitconfig").write_text("[user]\n\tname = Bench\n\temail = bench@example.org\n")
    env = {"PATH": os.environ["PATH"], "HOME": home, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    gate = ["--gate", options.gate] if options.gate else []
    flags = ["--agent-command", "{folder}/agent.sh", "--max-tasks", str(options.tasks), "--quiet", *gate]
    ours = [sys.executable, "-m", "ralph", *flags]
    rows: dict[str, list[float]] = {"bash loop": [], "ralph": []}
    for _ in range(options.runs):
        rows["bash loop"].append(measure(["bash", "{folder}/loop.sh"], options, env))
        rows["ralph"].append(measure(ours, options, env))
    shutil.rmtree(home)
    for name, values in rows.items():
        spread = f"{min(values) * 1000:.1f} to {max(values) * 1000:.1f}"
        print(f"{name:10} {statistics.median(values) * 1000:7.1f} ms per task ({spread}, {len(values)} runs)")
    print(f"ratio      {statistics.median(rows['ralph']) / statistics.median(rows['bash loop']):7.2f}")


if __name__ == "__main__":
    main()
