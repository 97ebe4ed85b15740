"""The whole of ralph with the real Claude Code and Codex: a scripted model, no network, a throw-away repository."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ralph.agents.registry import get
from tests.conftest import Repository
from tests.engine.test_stories import LIMIT, Play
from tests.helpers.modelserver import ModelServer, Script, Step, asked, drop, error, full, hang, shell, text, write
from tests.helpers.realclients import Client, require

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
GATE = "! grep -rqs broken --include=*.txt ."
CO_AUTHOR = "Co-Authored-By: A Model <model@example.invalid>"
COMMIT = f"git add -A && git commit -qm 'a step' -m '{CO_AUTHOR}'"


def limited(client: Client, until: float) -> Step:
    """The answer of a service whose limit is used up."""
    if client.name == "codex":
        return error(429, {"error": {"type": "usage_limit_reached", "message": "", "resets_at": int(until)}})
    return error(429, headers={
        "anthropic-ratelimit-unified-status": "rejected",
        "anthropic-ratelimit-unified-reset": str(int(until)),
        "anthropic-ratelimit-unified-representative-claim": "five_hour",
    })  # fmt: skip


TOKENS = {"claude": 1_834, "codex": 1_734}  # of one answer of the scripted model


def work(task: str) -> list[Step]:
    """Do the task with the client's own tool, commit, and say so."""
    return [write(f"{task}.txt", f"work of {task}\n", "I begin."), shell(COMMIT), text(f"{task} is done.")]


@dataclass(frozen=True)
class Told:
    """One run of ralph: its exit code and what people saw of it."""

    code: int
    shown: str
    seconds: float


class Drive(Play):
    """A repository, a real client whose model is scripted, and the whole of ralph run on them."""

    def __init__(self, repo: Repository, client: Client, server: ModelServer, subscription: bool) -> None:
        super().__init__(repo, {"agent": "exit 1", "files": {"ralph.toml": 'backoff = "1s"\n'}})
        self.client, self.server = client, server
        self.home = repo.path.parent / "client"
        self.env = client.environment(self.home, server.url, subscription=subscription)
        self.env |= {"PYTHONPATH": str(ROOT), "GIT_CONFIG_NOSYSTEM": "1", "TZ": "UTC"}

    def begin(self, *flags: str) -> subprocess.Popen[str]:
        """ralph as the leader of a process group, as a shell starts it."""
        own = [sys.executable, "-m", "ralph", f"--{self.client.name}", "--gate", GATE, "--no-split", *flags]
        return subprocess.Popen(
            [*self.server.inside, *own], cwd=self.repo.path, env=self.env, start_new_session=True, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *flags: str) -> Told:
        began = time.monotonic()
        return told(self.begin(*flags), began)

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.journal() if line["event"] == name]

    def findings(self) -> set[str]:
        return {found[0] for line in self.events("judged") for found in line["findings"]}

    def prompts(self, task: str) -> list[str]:
        """What each attempt at a task was told."""
        asked = {(one["marker"], one["attempt"]): one["prompt"] for one in self.server.requests()}
        return [prompt for (marker, _), prompt in asked.items() if marker == task]

    def left_running(self) -> list[str]:
        """Processes that live in the client's home: the client, and whatever it started."""
        mark, found = f"HOME={self.home}".encode(), []
        for one in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (one / "environ").read_bytes().split(b"\0"):
                    found.append((one / "cmdline").read_bytes().decode())
            except OSError:
                continue  # it is gone, or not ours
        return found

    def trailer(self, key: str) -> list[str]:
        """Its values in the commits since the start, oldest first; "" where a commit has none."""
        log = self.repo.git(
            "log", "--reverse", f"--format=%(trailers:key={key},valueonly,separator=%x2C)/", "main.."
        )
        return [line.removesuffix("/") for line in log.splitlines()]

    def check_restored(self) -> None:
        """As if the attempt had not been."""
        assert self.files() == self.before
        assert self.repo.git("status", "--porcelain") == ""
        assert self.repo.git("rev-parse", "HEAD") == self.start


def told(running: subprocess.Popen[str], began: float) -> Told:
    try:
        shown = running.communicate(timeout=LIMIT)[0]
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        raise
    print(shown)
    assert "Traceback" not in shown
    return Told(running.returncode, shown, time.monotonic() - began)


@pytest.fixture(params=["claude", "codex"])
def client(request: pytest.FixtureRequest) -> Client:
    return require(request.param)


Driving = Callable[..., AbstractContextManager[Drive]]


@pytest.fixture
def driving(repo: Repository, client: Client) -> Driving:
    """`with driving(script) as drive:`; at its end the invariants hold and nothing runs any more."""

    @contextmanager
    def with_script(script: Script, *, subscription: bool = False) -> Iterator[Drive]:
        with ModelServer(script) as server:
            drive = Drive(repo, client, server, subscription)
            yield drive
            drive.check_invariants()
            assert drive.left_running() == []

    return with_script


def test_two_tasks_become_two_proven_commits(driving: Driving) -> None:
    with driving({"T1": [work("T1")], "T2": [work("T2")]}) as drive:
        done = drive.run()
        assert (done.code, drive.boxes()) == (0, "xx")
        assert drive.repo.subjects("main..HEAD") == ["feat: T2 make two", "feat: T1 make one"]
        assert drive.repo.git("show", "HEAD~1:T1.txt") == "work of T1"
        assert drive.repo.git("show", "HEAD:T2.txt") == "work of T2"
        assert drive.trailer("Ralph-Agent") == [drive.client.name] * 2
        assert drive.trailer("Ralph-Gates") == [GATE] * 2
        assert drive.trailer("Co-authored-by") == [CO_AUTHOR.partition(": ")[2]] * 2
        assert drive.repo.git("status", "--porcelain") == ""


@pytest.mark.slow
def test_what_it_spent_is_in_the_journal(driving: Driving) -> None:
    with driving({"T1": [work("T1")]}) as drive:
        drive.run("--max-tasks", "1")
        name = drive.client.name
        for event in (*drive.events("agent stopped"), *drive.events("run ended")):
            assert event["tokens"] == 3 * TOKENS[name]
            assert 0 < event["cost"] < 1
            assert event["about"] is not get(name).REPORTS_COST


def test_what_an_ended_attempt_spent_is_estimated_while_it_works(driving: Driving) -> None:
    """Its last call never comes back: no report of the client's tells what it spent."""
    with driving({"T1": [[shell("true", "I begin."), shell("true"), hang()]]}) as drive:
        done = drive.run("--silence", "8s", "--max-retries", "0", "--max-tasks", "1", "--only", "T1")
        [event] = drive.events("agent stopped")
        least = 2 * (TOKENS[drive.client.name] - 34)  # Claude's stream holds no count of what it wrote
        assert (event["about"], event["why"]) == (True, "silent")
        assert least <= event["tokens"] <= 2 * TOKENS[drive.client.name]
        assert 0.003 <= event["cost"] < 0.05
        assert f"about ${event['cost']:.2f}" in done.shown


def test_an_agent_that_ticks_boxes_is_found_out_and_its_work_accepted(driving: Driving) -> None:
    ticks = shell("sed -i 's/\\[ \\]/[x]/' PRD.md")
    with driving({"T1": [[ticks, *work("T1")]], "T2": [work("T2")]}) as drive:
        done = drive.run("--max-tasks", "1")
        assert (done.code, drive.boxes()) == (3, "x.")
        assert drive.findings() == {"ticked boxes itself"}
        assert "The agent ticked T1, T2" in done.shown
        assert drive.run().code == 0


@pytest.mark.slow
def test_an_agent_that_rewrites_the_prd_is_told_and_tries_again(driving: Driving) -> None:
    rewrites = [[shell("sed -i '1s/$/ or two/' PRD.md"), *work("T1")], work("T1")]
    with driving({"T1": rewrites, "T2": [work("T2")]}) as drive:
        assert (drive.run().code, drive.boxes()) == (0, "xx")
        assert drive.findings() == {"rewrote the PRD"}
        assert "The agent changed the text of the PRD" in drive.prompts("T1")[1]
        assert drive.trailer("Ralph-Attempt") == ["2", "1"]


def test_an_agent_that_only_claims_is_told_so_and_its_task_parked(driving: Driving) -> None:
    with driving({"T1": [[text("T1 is done, and all tests pass.")]], "T2": [work("T2")]}) as drive:
        done = drive.run("--max-retries", "1")
        assert (done.code, drive.boxes()) == (1, "px")
        first, second = drive.prompts("T1")
        found = "No file changed although the agent says that it is finished."
        assert found not in first
        assert found in second
        assert "T1 is done, and all tests pass." in second
        assert f"Parked: {found}" in drive.repo.read("PRD.md")


def test_a_refused_login_stops_at_once_with_the_cure(driving: Driving) -> None:
    with driving({"": [[error(401)]]}) as drive:
        drive.env.pop("CLAUDE_CODE_MAX_RETRIES", None)  # its own ten tries would take three minutes
        done = drive.run()
        assert (done.code, drive.boxes()) == (3, "..")
        assert "not logged in" in done.shown
        assert get(drive.client.name).CURE in done.shown
        assert len(drive.events("agent started")) == 1
        assert done.seconds < 60
        drive.check_restored()


@pytest.mark.slow
def test_a_used_up_limit_is_waited_out_and_costs_no_try(driving: Driving, client: Client) -> None:
    script: Script = {"T1": [[limited(client, time.time() + 8)], work("T1")], "T2": [work("T2")]}
    with driving(script, subscription=True) as drive:
        done = drive.run()
        assert (done.code, drive.boxes()) == (0, "xx")
        assert [one["task"] for one in drive.events("waiting")] == ["T1"]
        assert len(drive.events("waited")) == 1
        assert drive.trailer("Ralph-Attempt") == ["1", "1"]


@pytest.mark.slow
def test_a_limit_that_ends_too_late_tells_when_to_start_again(driving: Driving, client: Client) -> None:
    until = time.time() + 3_600
    with driving({"T1": [[limited(client, until)]]}, subscription=True) as drive:
        done = drive.run("--max-wait", "10m")
        assert (done.code, drive.boxes()) == (3, "..")
        if client.name == "claude":
            assert f"Start again after {datetime.fromtimestamp(int(until), UTC):%H:%M}" in done.shown
        assert "--max-wait" in done.shown
        drive.check_restored()


@pytest.mark.slow
def test_a_stream_that_breaks_off_is_nobodys_fault(driving: Driving) -> None:
    script: Script = {"T1": [[write("T1.txt", "half"), drop()], work("T1")], "T2": [work("T2")]}
    with driving(script) as drive:
        done = drive.run()
        assert (done.code, drive.boxes()) == (0, "xx")
        assert "The agent could not reach its service" in done.shown
        aside = drive.events("set aside")
        assert [(one["counted"], one["move"]) for one in aside] == [(False, "wait")]
        assert drive.repo.git("show", f"{aside[0]['work']}:T1.txt") == "half"
        assert drive.trailer("Ralph-Attempt") == ["1", "1"]


@pytest.mark.slow
def test_an_agent_that_hangs_is_ended_with_all_that_it_started(driving: Driving) -> None:
    hangs = [shell("setsid -f sleep 1000 </dev/null >/dev/null 2>&1"), hang()]
    with driving({"T1": [hangs, work("T1")], "T2": [work("T2")]}) as drive:
        done = drive.run("--silence", "6s")  # the newest Claude needs up to 4 s to start under load
        assert (done.code, drive.boxes()) == (0, "xx")
        assert drive.events("agent stopped")[0]["why"] == "silent"
        assert [(one["counted"], one["move"]) for one in drive.events("set aside")] == [(False, "retry")]
        assert drive.left_running() == []


@pytest.mark.slow
def test_a_full_context_is_handed_over(driving: Driving, client: Client) -> None:
    """The next attempt has the note and the work so far, and no try is used up."""
    if client.name == "codex":
        pytest.skip("Codex does not tell how full its context is")
    goes_on = [shell('test "$(cat T1.txt)" = half && echo whole > T1.txt'), text("T1 is done.")]
    script: Script = {
        asked("A note for the one who goes on"): [[text("One half is written, the other is not.")]],
        "T1": [[full(write("T1.txt", "half")), hang()], goes_on],
        "T2": [work("T2")],
    }
    with driving(script) as drive:
        done = drive.run("--model", "claude-sonnet-4-5")
        assert (done.code, drive.boxes()) == (0, "xx")
        assert [one["move"] for one in drive.events("set aside")] == ["hand over", "asked"]
        assert drive.repo.read("T1.txt").strip() == "whole"
        assert any("One half is written, the other is not." in prompt for prompt in drive.prompts("T1"))
        assert drive.trailer("Ralph-Attempt") == ["1", "1"]


@pytest.mark.slow
def test_a_task_that_is_too_large_is_split(driving: Driving) -> None:
    parts = ["Write the first half of it", "Write the second half of it", "Join the two halves of it"]
    plan = "I looked.\n\n" + "\n".join(f"- [ ] {part}" for part in parts)
    doing: Script = {asked(part): [[write(f"p{n}.txt", "x"), text("done")]] for n, part in enumerate(parts)}
    script: Script = {
        asked("A task that was too large"): [[text(plan)]],
        asked("Done already, as parts of this task"): [[text("I compared it. Nothing is missing.")]],
        **doing,
        "T1": [[text("All done!")], [text("All done!")]],
        "T2": [work("T2")],
    }
    with driving(script) as drive:
        done = drive.run("--max-retries", "1", "--split")
        assert (done.code, drive.boxes()) == (0, "xxxxx")
        assert [one["into"] for one in drive.events("split")] == [parts]
        assert len(drive.trailer("Ralph-Task")) == 6


@pytest.mark.slow
def test_a_second_agent_looks_at_the_work(driving: Driving, client: Client) -> None:
    refuses, accepts = [text("VERDICT: REFUSE\n- T1.txt:1: it says nothing")], [text("VERDICT: ACCEPT")]
    script: Script = {
        asked("Look at this change"): [refuses, accepts, accepts],
        "T1": [work("T1"), work("T1")],
        "T2": [work("T2")],
    }
    with driving(script) as drive:
        done = drive.run("--review-with", client.name)
        assert (done.code, drive.boxes()) == (0, "xx")
        assert [one["ok"] for one in drive.events("reviewed")] == [False, True, True]
        assert "it says nothing" in drive.prompts("T1")[-1]
        assert drive.trailer("Ralph-Attempt") == ["2", "1"]


@pytest.mark.slow
def test_a_tool_that_runs_for_long_is_no_silence(driving: Driving) -> None:
    slow = [shell("sleep 8; echo late > T1.txt"), text("done")]
    with driving({"T1": [slow], "T2": [work("T2")]}) as drive:
        done = drive.run("--silence", "6s", "--max-tasks", "1")
        assert (done.code, drive.boxes()) == (3, "x.")
        assert drive.events("agent stopped")[0]["seconds"] > 8


@pytest.mark.slow
def test_a_token_limit_ends_an_agent_while_it_works(driving: Driving, client: Client) -> None:
    if client.name == "codex":
        pytest.skip("Codex tells its tokens only at the end of a turn")
    with driving({"T1": [[shell("echo half > T1.txt"), hang()]]}) as drive:
        done = drive.run("--max-tokens", "1000")
        assert (done.code, drive.boxes()) == (3, "..")
        assert drive.events("agent stopped")[0]["why"] == "over a limit"
        assert len(drive.events("agent started")) == 1
        drive.check_restored()


def test_ctrl_c_ends_it_and_the_same_command_goes_on(driving: Driving) -> None:
    with driving({"T1": [[write("T1.txt", "half"), hang()], work("T1")], "T2": [work("T2")]}) as drive:
        running = drive.begin()
        drive.server.wait_for("hang", running)
        pressed = time.monotonic()
        os.killpg(running.pid, signal.SIGINT)
        ended = told(running, pressed)
        assert ended.code == 130
        assert ended.seconds < 5  # 2 are promised, on a machine that is not shared
        assert drive.left_running() == []
        drive.check_restored()
        assert drive.run().code == 0
        assert drive.trailer("Ralph-Attempt") == ["1", "1"]
