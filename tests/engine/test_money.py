"""The limits of money and tokens hold however an attempt ends, while it runs and after it, alone and side by side.

The agents are programs that print what Claude Code prints, or print what Codex prints and write its rollout file.
Each call of their model costs one dollar at the list price. None reports a cost: no agent that is ended does.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ralph.engine.startup import _about_money
from tests.conftest import Repository, spread
from tests.engine.test_startup import Project

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0  # seconds for one run: the machine is shared
CALLS = 3  # of the model, before an agent does what its ending is about
DOLLAR = 200_000  # tokens of fresh input at 5 USD per million

AGENT = '''\
#!{python}
"""Calls its model a few times, a dollar each, then comes to its end as it is told."""
import datetime, hashlib, json, os, pathlib, sys, time
task = sys.stdin.read()
near = pathlib.Path({near!r})
with (near / "starts").open("a") as file:
    file.write(f"{{os.environ.get('RALPH_TASK_ID', 'review')}} {{' '.join(sys.argv[1:])}}\\n")
start = (near / "starts").read_text().count("\\n")
how = (near / "how").read_text()

def say(**event):
    print(json.dumps(event), flush=True)

class Claude:
    def __init__(self):
        say(type="system", subtype="init", model="claude-opus-4-8")
        self.n = 0
    def call(self, text="", command="", fresh={dollar}, cached=0):
        self.n += 1
        block = {{"type": "tool_use", "id": f"t{{self.n}}", "name": "Bash", "input": {{"command": command}}}}
        usage = {{"input_tokens": fresh, "cache_read_input_tokens": cached, "output_tokens": 1}}
        message = {{"id": f"m{{start}}-{{self.n}}", "model": "claude-opus-4-8", "usage": usage,
                   "content": [block if command else {{"type": "text", "text": text}}]}}
        say(type="assistant", message=message)
        if command:
            answer = {{"type": "tool_result", "tool_use_id": f"t{{self.n}}", "content": "as always"}}
            say(type="user", message={{"content": [answer]}})

class Codex:
    def __init__(self):
        self.thread, self.n, self.sum = f"01a2-{{start:04}}-{{os.getpid()}}-thread", 0, 0
        folder = pathlib.Path(os.environ["CODEX_HOME"], "sessions", f"{{datetime.date.today():%Y/%m/%d}}")
        folder.mkdir(parents=True, exist_ok=True)
        self.file = (folder / f"rollout-2026-11-30T00-00-00-{{self.thread}}.jsonl").open("a")
        self.note("session_meta", id=self.thread, instructions="x" * 2000)
        self.note("turn_context", model="gpt-5.5")
        say(type="thread.started", thread_id=self.thread)
    def note(self, kind, **payload):
        self.file.write(json.dumps({{"timestamp": "", "type": kind, "payload": payload}}) + "\\n")
        self.file.flush()
    def call(self, text="", command="", fresh={dollar}, cached=0):
        self.n, self.sum = self.n + 1, self.sum + fresh
        usage = {{"input_tokens": self.sum, "cached_input_tokens": 0, "output_tokens": 0}}
        self.note("token_usage_record", thread_token_usage=usage)
        item = {{"id": f"i{{self.n}}", "type": "agent_message", "text": text}}
        if command:
            item = {{"id": f"i{{self.n}}", "type": "command_execution", "command": command, "status": "completed",
                    "aggregated_output": "as always"}}
            say(type="item.started", item=item)
        say(type="item.completed", item=item)

agent = Codex() if "exec" in sys.argv else Claude()
if how == "works" and "RALPH_TASK_ID" in os.environ:
    pathlib.Path("T1.txt").write_text("work")
    end = {{"subtype": "success", "is_error": False, "result": "done", "total_cost_usd": 0.5}}
    say(type="result", usage={{"input_tokens": 9}}, **end)
    sys.exit()
for n in range({calls}):
    agent.call(f"I look at part {{n}}.")
    time.sleep(0.6)
    if "stop soon" in task:
        sys.exit()
if how == "full":
    agent.call(command="cat everything", fresh=1000, cached=900_000)
while how == "circles":
    agent.call(command="make test", fresh=1000)
    time.sleep(0.05)
while how == "spends":
    time.sleep(0.5)
    agent.call(hashlib.sha256(os.urandom(9)).hexdigest())  # no circle
(near / f"ready-{{start}}").touch()
time.sleep(300)
'''

FLAGS = {  # how an attempt ends -> what makes it end so
    "silence": ("--silence", "2s"),
    "full": (),
    "circles": (),
    "time": ("--task-timeout", "3s"),
    "kill": (),  # of ralph: the same command goes on with the run
}


@dataclass
class Money:
    """A repository, an agent that spends money, and ralph with a limit."""

    repo: Repository
    agent: str
    env: Mapping[str, str]
    near: Path = field(init=False)

    def __post_init__(self) -> None:
        self.near = self.repo.path.parent
        program = self.near / "bin" / self.agent
        program.parent.mkdir()
        program.write_text(AGENT.format(python=sys.executable, near=str(self.near), dollar=DOLLAR, calls=CALLS))
        program.chmod(0o755)
        self.repo.commit({"PRD.md": "- [ ] T1 make one\n- [ ] T2 make two\n", "ralph.toml": 'backoff = "0.1s"\n'})

    def start(self, *flags: str) -> subprocess.Popen[bytes]:
        words = (f"--{self.agent}", "--gate", "true", "--no-split", "--max-retries", "0", *flags)
        env = {**self.env, "PATH": f"{self.near / 'bin'}:{self.env['PATH']}", "PYTHONPATH": str(ROOT)}
        env["CODEX_HOME"] = str(self.near / "codex")
        command = [sys.executable, "-m", "ralph", *words]
        with (self.near / "out").open("ab") as out:
            return subprocess.Popen(command, cwd=self.repo.path, env=env, stdout=out, stderr=out)

    def run(self, *flags: str) -> int:
        return self.start(*flags).wait(PATIENCE)

    def report(self) -> dict[str, Any]:
        env = {**self.env, "PYTHONPATH": str(ROOT)}
        words = [sys.executable, "-m", "ralph", "report", "--json"]
        done = subprocess.run(words, cwd=self.repo.path, env=env, capture_output=True, check=True)
        return dict(json.loads(done.stdout))

    @property
    def starts(self) -> list[str]:
        path = self.near / "starts"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def out(self) -> str:
        return (self.near / "out").read_text()

    def wait_for(self, name: str) -> None:
        until = time.monotonic() + PATIENCE
        while not (self.near / name).exists():
            assert time.monotonic() < until, self.out
            time.sleep(0.02)


@pytest.fixture
def environment() -> dict[str, str]:
    return {**os.environ, "TERM": "dumb"}


MODES = [
    pytest.param("claude", (), id="claude"),
    pytest.param("codex", (), id="codex"),
    pytest.param("claude", ("--isolate",), id="claude in worktrees", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("agent", "mode"), MODES)
@pytest.mark.parametrize("ending", spread(FLAGS, daily=3, ci=2))
def test_the_money_limit_holds_however_an_attempt_ends(
    repo: Repository, environment: dict[str, str], agent: str, mode: tuple[str, ...], ending: str
) -> None:
    if (agent, ending) == ("codex", "full"):
        pytest.skip("Codex reports no context: it compacts by itself")
    money = Money(repo, agent, environment)
    (money.near / "how").write_text(ending)
    flags = ("--max-cost", "5", *FLAGS[ending], *mode)
    if ending == "kill":
        cut_off(money, signal.SIGKILL, flags)
    assert money.run(*flags) == 3, money.out
    assert "money limit is reached: about $5." in money.out
    assert len(money.starts) == 2, money.out
    report = money.report()
    assert 5.0 <= report["cost"] <= 6.5, report  # one model call beyond it at most, and what a circle adds
    assert report["about"] is True


@pytest.mark.parametrize(("agent", "mode"), MODES)
def test_after_ctrl_c_the_run_tells_what_it_spent(
    repo: Repository, environment: dict[str, str], agent: str, mode: tuple[str, ...]
) -> None:
    """It ends the run: the next one begins with a whole budget."""
    money = Money(repo, agent, environment)
    (money.near / "how").write_text("waits")
    cut_off(money, signal.SIGINT, ("--max-cost", "5", *mode))
    report = money.report()
    assert (report["cost"], report["about"]) == (pytest.approx(3.0, abs=0.1), True), money.out
    assert "600.0k tokens, about $3.00)" in money.out


def cut_off(money: Money, number: int, flags: tuple[str, ...]) -> None:
    """The run ends in the middle of its first attempt."""
    running = money.start(*flags)
    money.wait_for("ready-1")
    running.send_signal(number)
    assert running.wait(PATIENCE) != 0


def test_a_review_that_was_killed_counts(repo: Repository, environment: dict[str, str]) -> None:
    money = Money(repo, "claude", environment)
    (money.near / "how").write_text("works")
    flags = ("--max-cost", "5", "--review-with", "claude")
    running = money.start(*flags)
    money.wait_for("ready-2")
    running.kill()
    running.wait(PATIENCE)
    assert money.run(*flags) == 3, money.out
    assert [line.split()[0] for line in money.starts] == ["T1", "review", "review"]
    assert 5.0 <= money.report()["cost"] <= 6.1, money.report()
    assert "money limit is reached: about $5." in money.out


def test_several_agents_share_one_limit(repo: Repository, environment: dict[str, str]) -> None:
    money = Money(repo, "claude", environment)
    (money.near / "how").write_text("spends")
    assert money.run("--max-cost", "10", "--parallel", "--max-parallel", "2") == 3, money.out
    assert sorted(line.split()[0] for line in money.starts) == ["T1", "T2"]
    assert 10.0 <= money.report()["cost"] <= 15.0, money.report()  # each of them may be in the middle of a call


def test_an_agent_that_starts_later_gets_what_the_others_left(
    repo: Repository, environment: dict[str, str]
) -> None:
    money = Money(repo, "claude", environment)
    repo.commit({"PRD.md": "- [ ] T1 make one\n- [ ] T2 stop soon\n- [ ] T3 make three\n"})
    (money.near / "how").write_text("spends")
    assert money.run("--max-cost", "10", "--parallel", "--max-parallel", "2") == 3, money.out
    budgets = dict(re.findall(r"(T\d) .*--max-budget-usd (\S+)", "\n".join(money.starts)))
    assert (budgets["T1"], budgets["T2"]) == ("10.0000", "10.0000")
    assert 1.0 <= float(budgets["T3"]) <= 8.5, "T2 has spent a dollar by then, and T1 about as much"


def test_the_token_limit_holds_too_where_both_are_given(repo: Repository, environment: dict[str, str]) -> None:
    money = Money(repo, "claude", environment)
    (money.near / "how").write_text("silence")
    assert money.run("--max-cost", "100", "--max-tokens", "700000", "--silence", "2s") == 3, money.out
    assert "token limit is reached" in money.out
    assert (len(money.starts), money.report()["tokens"] // DOLLAR) == (2, 4), money.out


def test_each_attempt_gets_what_is_left(repo: Repository, environment: dict[str, str]) -> None:
    money = Money(repo, "claude", environment)
    (money.near / "how").write_text("silence")
    money.run("--max-cost", "5", "--silence", "2s")
    budgets = [float(re.findall(r"--max-budget-usd (\S+)", line)[0]) for line in money.starts]
    assert budgets == pytest.approx([5.0, 2.0], abs=0.01)


# ---------------------------------------------------------------- what a run says at its start


LIMITS = [
    ("", (), "Limits: 20,000,000 tokens, 8 h"),
    ("", ("--max-cost", "5"), "Limits: $5, 20,000,000 tokens, 8 h"),
    ("", ("--max-tokens", "1000000"), "Limits: 1,000,000 tokens, 8 h"),
    ("[prices]\nmine = [1.0, 0.1, 5.0]\n", ("--model", "mine"), "Limits: $20, 8 h"),
    (
        "[prices]\nmine = [1.0, 0.1, 5.0]\n",
        ("--model", "mine", "--max-tokens", "900"),
        "Limits: $20, 900 tokens, 8 h",
    ),
]


@pytest.mark.parametrize(("settings", "flags", "line"), LIMITS)
def test_the_limits_of_a_program_without_events(
    repo: Repository, settings: str, flags: tuple[str, ...], line: str
) -> None:
    project = Project(repo)
    repo.commit({"ralph.toml": settings})
    out = project.ralph("--gate", "true", *flags).stdout
    assert line in out
    unkept = "--max-cost can't be kept for command: no price is known" in " ".join(out.split())
    assert unkept == ("--max-cost" in flags)
    assert re.search(r"about \$0\.00\)" if "mine" in flags else r"about \d+ tokens\)", out), out


@pytest.mark.parametrize("agent", ["claude", "codex"])
def test_the_limits_of_an_agent_with_prices(repo: Repository, environment: dict[str, str], agent: str) -> None:
    money = Money(repo, agent, environment)
    (money.near / "how").write_text("works")
    money.run()
    assert "Limits: $20, 8 h" in money.out


def test_old_prices_are_named() -> None:
    old = SimpleNamespace(NAME="claude", PRICED="2020-01-01", PRICES={"m": (1.0, 0.1, 5.0)}, REPORTS_COST=True)
    run = SimpleNamespace(workers=(SimpleNamespace(agent=old, model=""),), settings=SimpleNamespace(max_cost=None))
    [line] = _about_money(cast("Any", run))
    assert "list prices of claude that ralph knows are of 2020-01-01" in line
    run.workers[0].agent.PRICED = f"{date.today():%Y-%m-%d}"  # noqa: DTZ011
    assert _about_money(cast("Any", run)) == []
