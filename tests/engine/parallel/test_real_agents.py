"""Real Claude Code and Codex agents at the same time on one PRD: a scripted model, no network, worktrees."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.conftest import Repository
from tests.engine.test_real_agents import COMMIT, GATE, ROOT, Drive, told
from tests.engine.test_stories import LIMIT, Play
from tests.helpers.modelserver import ModelServer, Script, Step, asked, hang, limited, shell, text, write
from tests.helpers.realclients import require

pytestmark = pytest.mark.real

AGENTS = {"T1": "claude", "T2": "codex", "T3": "claude", "T4": "codex"}
PRD = "".join(f"- [ ] {task} make it\n  - Agent: {agent}\n" for task, agent in AGENTS.items())
THREE = PRD.partition("- [ ] T4")[0]
LIST = {"list.txt": "one\ntwo\nthree\n"}


class Several(Drive):
    """Both clients in one home, and ralph with three of them at once."""

    def __init__(self, repo: Repository, server: ModelServer, prd: str) -> None:
        Play.__init__(
            self, repo, {"agent": "exit 1", "prd": prd, "files": {"ralph.toml": 'backoff = "1s"\n', **LIST}}
        )
        self.client, other = require("claude"), require("codex")
        self.server, self.home = server, repo.path.parent / "client"
        self.env = self.client.environment(self.home, server.url, subscription=True)
        self.env |= other.environment(self.home, server.url)
        self.env |= {"PYTHONPATH": str(ROOT), "GIT_CONFIG_NOSYSTEM": "1", "TZ": "UTC"}

    def begin(self, *flags: str) -> subprocess.Popen[str]:
        words = ["--claude", "--parallel", "--max-parallel", "3", "--gate", GATE, "--no-split", *flags]
        return subprocess.Popen(
            [*self.server.inside, sys.executable, "-m", "ralph", *words], cwd=self.repo.path, env=self.env,
            start_new_session=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def agents(self) -> dict[str, list[str]]:
        """Who tried each task, in order."""
        tasks = {line["n"]: line["task"] for line in self.events("chosen")}
        tried: dict[str, list[str]] = {task: [] for task in tasks.values()}
        for line in self.events("agent started"):
            tried[tasks[line["n"]]].append(line["agent"])
        return tried

    def wait_for_hangs(self, number: int, running: subprocess.Popen[str]) -> None:
        """So many agents wait for an answer that never comes."""
        deadline = time.monotonic() + LIMIT
        while sum(one["op"] == "hang" for one in self.server.requests()) < number:
            assert running.poll() is None, running.communicate()[0]
            assert time.monotonic() < deadline, "they did not come so far"
            time.sleep(0.02)

    def check_invariants(self) -> None:
        super().check_invariants()
        assert len(self.repo.git("worktree", "list").splitlines()) == 1
        assert not (self.repo.path / ".git/worktrees").exists()
        assert not list((self.home / ".cache/ralph").rglob("tmp/*"))
        assert self.repo.git("status", "--porcelain") == ""
        assert self.left_running() == []


Driving = Callable[..., AbstractContextManager[Several]]


@pytest.fixture
def driving(repo: Repository) -> Driving:
    """`with driving(script) as drive:`; at its end the invariants hold and nothing runs any more."""

    @contextmanager
    def with_script(script: Script, prd: str = PRD) -> Iterator[Several]:
        with ModelServer(script) as server:
            drive = Several(repo, server, prd)
            yield drive
            drive.check_invariants()

    return with_script


def work(task: str, first: str = "true") -> list[Step]:
    """Do the task with the client's own tool, then a command, and commit."""
    return [
        write(f"{task}.txt", f"work of {task}\n", "I begin."),
        shell(f"{first} && {COMMIT}"),
        text("It is done."),
    ]


def together(repo: Repository, task: str) -> str:
    """A command that ends when three agents have come to it."""
    near = repo.path.parent
    return f"touch {near}/here-{task}; until [ $(ls {near} | grep -c '^here-') -ge 3 ]; do sleep 0.05; done"


def test_three_at_once_are_four_proven_commits(driving: Driving, repo: Repository) -> None:
    with driving({task: [work(task, together(repo, task))] for task in AGENTS}) as drive:
        done = drive.run()
        assert (done.code, drive.boxes()) == (0, "xxxx")
        assert drive.agents() == {task: [agent] for task, agent in AGENTS.items()}
        assert drive.trailer("Ralph-Attempt") == ["1"] * 4
        by_task = dict(zip(drive.trailer("Ralph-Task"), drive.trailer("Ralph-Agent"), strict=True))
        assert by_task == AGENTS
        assert [drive.repo.read(f"{task}.txt") for task in AGENTS] == [f"work of {task}\n" for task in AGENTS]


@pytest.mark.slow
def test_two_change_the_same_line_and_the_second_does_it_again(driving: Driving, repo: Repository) -> None:
    def adds(task: str, besides: str) -> list[Step]:
        return [shell(f"sed -i 's/two.*/& {task}/' list.txt; {besides}; {COMMIT}"), text("It is done.")]

    after = "until git log --format=%B ralph/PRD | grep -qx 'Ralph-Task: T1'; do sleep 0.05; done"
    second = asked("Agent: codex")  # its second prompt names T1 before T2
    script: Script = {
        "T1": [adds("T1", together(repo, "T1"))],
        second: [adds("T2", f"{together(repo, 'T2')}; {after}"), adds("T2", "true")],
        "T3": [work("T3", together(repo, "T3"))],
    }
    with driving(script, THREE) as drive:
        done = drive.run()
        assert (done.code, drive.boxes()) == (0, "xxx")
        assert drive.repo.read("list.txt") == "one\ntwo T1 T2\nthree\n"
        assert drive.agents() == {"T1": ["claude"], "T2": ["codex"] * 2, "T3": ["claude"]}
        assert drive.findings() == {"clashes with work that came in meanwhile"}
        again = drive.prompts(second)[1]
        assert "list.txt was changed on both sides at the same place" in again
        assert "<<<<<<< the attempt" in again


@pytest.mark.slow
def test_one_whose_limit_is_used_up_waits_and_the_others_are_done(driving: Driving) -> None:
    script: Script = {"T1": [[limited(2)], work("T1")], "T2": [work("T2")], "T3": [work("T3")]}
    with driving(script, THREE) as drive:
        done = drive.run()
        assert (done.code, drive.boxes()) == (0, "xxx")
        assert {one["task"] for one in drive.events("waiting")} == {"T1"}
        assert len(drive.events("waited")) == 1
        assert [(one["task"], one["counted"]) for one in drive.events("set aside")] == [("T1", False)]
        assert drive.agents() == {"T1": ["claude"] * 2, "T2": ["codex"], "T3": ["claude"]}
        assert drive.trailer("Ralph-Attempt") == ["1"] * 3


@pytest.mark.slow
def test_ctrl_c_ends_all_three_and_the_same_command_goes_on(driving: Driving) -> None:
    script: Script = {task: [[write(f"{task}.txt", "half"), hang()], work(task)] for task in AGENTS}
    with driving(script, THREE) as drive:
        running = drive.begin()
        drive.wait_for_hangs(3, running)
        pressed = time.monotonic()
        os.killpg(running.pid, signal.SIGINT)
        ended = told(running, pressed)
        assert ended.code == 130
        assert ended.seconds < 10  # 3 are promised, on a machine that is not shared
        assert drive.left_running() == []
        drive.check_restored()
        again = drive.run()
        assert (again.code, drive.boxes()) == (0, "xxx")
        assert drive.trailer("Ralph-Attempt") == ["1"] * 3
