"""What a worktree of the pool costs: `python tests/bench/bench_worktrees.py [--files 20000]`. Run by hand.

    fresh           the first check-out of all files
    the same        the worktree is warm and holds that commit
    five files      warm, and the commit changes five files
    after work      warm, and an attempt left ten new files and ten changed ones

Prints medians of opening and checking out together; `git status` of the same tree stands beside.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from ralph.git.client import Git  # noqa: E402 - the path comes first
from ralph.git.repository import discover  # noqa: E402 - the path comes first
from ralph.git.worktrees import WorktreePool, check_out  # noqa: E402

RUNS = 7


def project(folder: Path, files: int) -> Path:
    """A repository with so many files in folders of a hundred."""
    repo = folder / "repo"
    repo.mkdir()
    for number in range(files):
        path = repo / f"d{number // 100:03}" / f"f{number % 100:03}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"file {number}\n" * 20)
    call(repo, "init", "-q", "-b", "main")
    commit(repo, "start")
    return repo


def call(repo: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=repo, check=True, capture_output=True, text=True).stdout.strip()


def commit(repo: Path, message: str) -> str:
    call(repo, "add", "-A")
    call(repo, "commit", "-q", "-m", message)
    return call(repo, "rev-parse", "HEAD")


def median(do: Callable[[], object], before: Callable[[], object] = lambda: None, runs: int = RUNS) -> str:
    """Milliseconds, the middle one of some runs."""
    seen = []
    for _ in range(runs):
        before()
        start = time.perf_counter()
        do()
        seen.append(1000 * (time.perf_counter() - start))
    return f"{statistics.median(seen):8.1f} ms  ({min(seen):.1f} to {max(seen):.1f}, {runs} runs)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    files = parser.parse_args().files
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {"HOME": name, "GIT_CONFIG_NOSYSTEM": "1"}
        (folder / ".gitconfig").write_text("[user]\n\tname = Bench\n\temail = bench@example.org\n")
        measure(folder, project(folder, files))


def measure(folder: Path, repo: Path) -> None:
    one = call(repo, "rev-parse", "HEAD")
    for number in range(5):
        (repo / f"d{number:03}" / "f007.txt").write_text("changed\n")
    two = commit(repo, "five files")
    main = Git(discover(repo))
    main.freeze()
    pool = WorktreePool(main, folder / "cache")
    place = pool.repo(1).root
    turn = [one, two]

    def there(commit: str) -> None:
        check_out(pool.open(1, commit), commit, 1)

    def next_one() -> None:
        there(turn[0])
        turn.reverse()

    def work() -> None:
        for number in range(10):
            (place / f"d{number:03}" / "f001.txt").write_text(f"{time.time()}\n")
            (place / f"d{number:03}" / "new.txt").write_text("new\n")

    print(f"fresh       {median(lambda: there(one), pool.forget, 3)}")
    time.sleep(1.1)  # so that no file is as young as the index
    for one_of_them in (two, one):  # an index that is written anew knows the files by their times alone
        there(one_of_them)
    print(f"the same    {median(lambda: there(one))}")
    print(f"five files  {median(next_one)}")
    print(f"after work  {median(lambda: there(one), work)}")
    print(f"git status  {median(lambda: call(place, 'status', '--short'))}")
    pool.forget()


if __name__ == "__main__":
    main()
