"""Every fault of fixtures/faults.toml: shown elsewhere, or played here, and then the same look at what is left."""

from __future__ import annotations

import ast
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Repository, spread
from tests.engine.test_stories import LIMIT, Play

HERE = Path(__file__).parents[1]
FIXTURES = HERE.parent / "fixtures"
FAULTS: list[dict[str, Any]] = tomllib.loads((FIXTURES / "faults.toml").read_text())["fault"]
PLAYED = [fault for fault in FAULTS if "agent" in fault]
SHOWN = [fault for fault in FAULTS if "shown_by" in fault]
TABLES = {
    "story": ("stories.toml", "story"),
    "refusal": ("refusals.toml", "case"),
    "healing": ("healing.toml", "story"),
}
ONE = {"prd": "- [ ] T1 make one\n", "agent": "good"}


class Scene(Play):
    """A play whose ralph may be started in any way."""

    def __init__(self, repo: Repository, fault: dict[str, Any]) -> None:
        out = str(repo.path.parent)
        agent = _filled(fault["agent"], out)
        super().__init__(repo, {**fault, "agent": agent})
        self.out = out

    def begin(self, fault: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        flags = [_filled(word, self.out) for word in fault.get("flags", [])]
        ralph = shlex.join([sys.executable, "-m", "ralph", "--agent-command", f"sh {self.agent}", *flags])
        script = _filled(fault.get("start", "$RALPH"), self.out).replace("$RALPH", ralph)
        return self.sh(script, fault.get("wait", LIMIT))

    def sh(self, script: str, limit: float = LIMIT) -> subprocess.CompletedProcess[str]:
        words = ["sh", "-c", script]
        return subprocess.run(
            words, cwd=self.repo.path, capture_output=True, timeout=limit, check=False, text=True, errors="replace"
        )


def _filled(text: str, out: str) -> str:
    return text.replace("$OUT", out).replace("$FIXTURES", str(FIXTURES)).replace("$PYTHON", sys.executable)


@pytest.mark.parametrize("fault", spread(PLAYED, daily=4, ci=2, ids=itemgetter("name")))
def test_fault(repo: Repository, fault: dict[str, Any]) -> None:
    scene = Scene(repo, fault)
    if "before" in fault:
        done = scene.sh(_filled(fault["before"], scene.out))
        assert done.returncode == 0, done.stderr
    kept = {name: data for name, data in scene.files().items() if name != "PRD.md"}
    done = scene.begin(fault)
    told = f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in told
    assert done.returncode == fault["exit"], told
    assert fault.get("said", "") in told
    assert [sign for sign in fault.get("never", []) if sign in told or sign in repo.read("PRD.md")] == []
    now = scene.files()
    assert {name: now.get(name) for name in kept} == kept, "what was there is there"
    for name, content in fault.get("outside", {}).items():
        assert (repo.path.parent / name).read_text() == content
    if fault.get("lost"):
        return
    assert scene.boxes() == fault["boxes"], told
    scene.check_invariants()


# ---------------------------------------------------------------- the machine


REFUSALS = [
    *(("ENOSPC", number) for number in range(2, 42, 4)), *(("EMFILE", number) for number in (5, 20, 41, 74, 86)),
    ("EROFS", 4), ("EDQUOT", 28),
]  # fmt: skip


@pytest.mark.parametrize(("name", "number"), spread(REFUSALS, daily=6, ci=2))
def test_the_system_refuses_once(repo: Repository, name: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the first run came to, the same command ends well and nothing is left over."""
    play, word = Play(repo, ONE), repo.path.parent / "refused"
    monkeypatch.setenv("FAULTY_MARK", str(word))
    own = ["--agent-command", f"sh {play.agent}", "--max-retries", "0"]
    words = [sys.executable, str(HERE / "helpers" / "faulty.py"), name, str(number), *own]
    first = subprocess.run(words, cwd=repo.path, capture_output=True, text=True, timeout=LIMIT, check=False)
    told = first.stdout + first.stderr
    assert "Traceback" not in told
    assert word.exists() or number > 25, "it came to that"
    assert first.returncode in (0, 2, 3, 70), told  # 70: it calls the machine's fault its own bug, still
    done = play.ralph("--max-retries", "0")
    assert (done.returncode, play.boxes()) == (0, "x"), told + done.stdout + done.stderr
    play.check_invariants()


JUMP = """
import os, sys, time
from ralph.__main__ import main
real = time.time
jump, mark, sys.argv[1:] = float(sys.argv[1]), sys.argv[2], sys.argv[3:]
time.time = lambda: real() + (jump if os.path.exists(mark) else 0)
sys.exit(main())
"""


@pytest.mark.parametrize("hours", [-1, 9])
def test_the_clock_jumps(repo: Repository, hours: int) -> None:
    """While the agent works. Time-outs hold on to a clock that only goes forward, and so do the 8 h of a run."""
    mark = repo.path.parent / "jumped"
    play = Play(repo, {**ONE, "agent": f"sleep 0.3; touch {mark}; sleep 0.7; good"})
    words = [sys.executable, "-c", JUMP, str(3600 * hours), str(mark), "--agent-command", f"sh {play.agent}",
             "--silence", "10m", "--task-timeout", "30m", "--gate", "true", "--gate-timeout", "5m"]  # fmt: skip
    done = subprocess.run(words, cwd=repo.path, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert (done.returncode, play.boxes(), play.attempts()) == (0, "x", 1), done.stdout + done.stderr
    play.check_invariants()


@contextmanager
def working(play: Play) -> Iterator[subprocess.Popen[str]]:
    """ralph, and its agent has begun."""
    words = [sys.executable, "-m", "ralph", "--agent-command", f"sh {play.agent}"]
    ralph = subprocess.Popen(words, cwd=play.repo.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + LIMIT
    while not (play.attempts() or ralph.poll() is not None) and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield ralph
    finally:
        ralph.kill()
        ralph.wait()


@pytest.mark.parametrize("times", [1, 2, 5])
def test_ctrl_c(repo: Repository, times: int) -> None:
    agent = f"[ -e {repo.path.parent}/again ] && good || {{ echo half > half.txt; trap '' INT TERM; sleep 307; }}"
    play = Play(repo, {**ONE, "agent": agent})
    with working(play) as ralph:
        for _ in range(times):
            ralph.send_signal(signal.SIGINT)
            time.sleep(0.05)
        told, _ = ralph.communicate(timeout=LIMIT)
    assert "Traceback" not in told
    assert ralph.returncode == 130, told
    assert (play.boxes(), repo.git("status", "--porcelain")) == (".", "")
    play.check_invariants()
    (repo.path.parent / "again").touch()
    assert (play.ralph().returncode, play.boxes()) == (0, "x")
    play.check_invariants()


# ---------------------------------------------------------------- the table


@pytest.mark.parametrize("fault", SHOWN, ids=[fault["name"] for fault in SHOWN])
def test_what_shows_it_is_there(fault: dict[str, Any]) -> None:
    assert [where for where in fault["shown_by"] if not _there(where)] == []


def test_the_table_is_whole() -> None:
    for fault in FAULTS:
        assert fault["expected"], fault
        assert ("agent" in fault) != ("shown_by" in fault), fault["name"]
    names = [fault["name"] for fault in FAULTS]
    assert len(set(names)) == len(names)


def _there(where: str) -> bool:
    if match := re.match(r"(\w+): (.*)", where):
        file, key = TABLES[match[1]]
        return match[2] in [one["name"] for one in tomllib.loads((FIXTURES / file).read_text())[key]]
    path, _, test = where.partition("::")
    return (HERE.parent / path).is_file() and (not test or test in _tests(HERE.parent / path))


def _tests(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}
