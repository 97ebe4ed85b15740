"""The end of a session: it comes quickly, and nothing survives it, whoever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from ralph.agents.model import StopReason
from ralph.process import child as keep
from ralph.process import tree
from tests.helpers.families import AGENTS, After, Desk, agent, open_files, survivors, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def word() -> str:
    return f"word-{uuid.uuid4().hex}"


@pytest.fixture(autouse=True)
def reaped() -> Iterator[None]:
    """No test leaves a child. (A killed ralph's runner comes to us, its subreaper, as a zombie.)"""
    yield
    tree.end_descendants(time.monotonic() + 5)


@pytest.mark.parametrize("name", ["stubborn.py", "hang.sh", "spinner.py", "prompts.sh"])
def test_a_stop_takes_less_than_a_second_and_a_half(desk: Desk, name: str) -> None:
    stop = After(lambda: bool(desk.told))
    end = desk.run(agent(name), stop=stop)
    assert (end.why, end.code) == (
        StopReason.INTERRUPTED,
        -signal.SIGKILL if name == "stubborn.py" else -signal.SIGTERM,
    )
    assert time.monotonic() - stop.at < 1.5


def test_a_stop_is_quick_in_a_flood_too(desk: Desk, word: str) -> None:
    stop = After(lambda: bool(desk.told))
    assert desk.run(agent("flood.py", 100_000, 80, word), stop=stop).why is StopReason.INTERRUPTED
    assert time.monotonic() - stop.at < 1.5
    assert survivors(word) == []


def test_a_hang_that_is_deaf_to_politeness_is_gone_with_its_daemons(desk: Desk, word: str) -> None:
    began = time.monotonic()
    end = desk.run(agent("family.py", "hang", word), silence=1.0)
    assert (end.why, end.code, end.tail) == (StopReason.SILENT, -signal.SIGKILL, "four left")
    assert time.monotonic() - began < 1.0 + 3.0
    assert survivors(word) == []


def test_a_polite_agent_may_end_by_itself(desk: Desk) -> None:
    script = "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    end = desk.run(["sh", "-c", script], stop=After(lambda: bool(desk.told)))
    assert (end.why, end.code) == (StopReason.INTERRUPTED, 5)
    assert end.tail.endswith("bye")


def test_a_stopped_runner_does_not_hold_up_a_stop(desk: Desk, word: str) -> None:
    def ready() -> bool:
        if desk.told:
            os.kill(desk.runner[0][0], signal.SIGSTOP)
        return bool(desk.told)

    stop = After(ready)
    assert desk.run(agent("family.py", "hang", word), stop=stop).why is StopReason.INTERRUPTED
    assert time.monotonic() - stop.at < 2.5
    assert survivors(word) == []


@pytest.mark.parametrize("mode", ["exit", "hang"])
def test_no_child_survives_however_it_detached_itself(desk: Desk, mode: str, word: str) -> None:
    seen: list[int] = []

    def all_there() -> bool:
        seen[:] = survivors(word) or seen
        return mode == "hang" and len(seen) == 5

    end = desk.run(agent("family.py", mode, word), stop=After(all_there))
    assert survivors(word) == []
    assert end.tail == "four left"
    assert end.why is (StopReason.EXITED if mode == "exit" else StopReason.INTERRUPTED)
    assert mode == "exit" or len(seen) == 5


def test_a_daemon_that_changes_its_pid_does_not_survive(desk: Desk, word: str) -> None:
    assert desk.run(agent("hopper.py", word)).tail == "hopping"
    assert survivors(word) == []


def test_the_exit_ends_it_though_a_child_holds_the_terminal(desk: Desk) -> None:
    end = desk.run(agent("holds_terminal.sh"))
    assert (end.why, end.code, end.tail) == (StopReason.EXITED, 0, "done")
    assert end.seconds < 10


def test_the_exit_ends_it_though_a_child_goes_on_printing(desk: Desk) -> None:
    end = desk.run(agent("chatty_child.sh"))
    assert (end.why, end.code) == (StopReason.EXITED, 0)
    assert "still here" in end.tail
    assert 0.2 + keep.GAP < end.seconds < 10, "it may finish its sentence, and on a busy machine it pauses in it"


@pytest.mark.parametrize(("seconds", "size"), [(0.03, 0), (0.5, 300_000)])
def test_closing_the_terminal_is_no_end(desk: Desk, seconds: float, size: int) -> None:
    end = desk.run(agent("closes_terminal.sh", seconds, size))
    assert (end.why, end.code, end.output) == (StopReason.EXITED, 4, len("before\r\nafter\r\n") + size)
    assert end.tail.endswith("after")


def test_an_agent_that_closed_its_terminal_can_be_ended(desk: Desk) -> None:
    end = desk.run(["sh", "-c", "exec >/dev/null 2>&1; sleep 1000"], silence=0.5)
    assert (end.why, end.code) == (StopReason.SILENT, -signal.SIGTERM)


def test_orphans_that_ended_leave_no_zombies(desk: Desk) -> None:
    assert desk.run(agent("many.py", 60)).tail == "zombies: 0"


def test_an_agent_that_kills_its_runner_is_ended_and_lost(desk: Desk, word: str) -> None:
    end = desk.run(agent("kills_runner.py", word))
    assert (end.why, end.code, end.well) == (StopReason.LOST, None, False)
    assert end.tail == "now"
    assert end.output == len("now\r\n")
    assert survivors(word) == []
    assert not tree.children(os.getpid())


PARENT = """
import os, sys
from pathlib import Path
from ralph.agents.model import Launch
from ralph.agents.session import session
here, argv = Path(sys.argv[1]), sys.argv[2:]
(here / "prompt").write_text("")
session.run_session(Launch(tuple(argv)), cwd=here, env=dict(os.environ), prompt=here / "prompt",
            transcript=here / "log", read=None, silence=600, open_tool_silence=0, wall=600, stop=lambda: None,
            started=lambda pid, start: print(pid, flush=True), tell=lambda signal: print(signal.text, flush=True))
"""


@contextmanager
def parent(here: Path, argv: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A ralph of its own that runs this agent; its first line is the runner's pid."""
    command = [sys.executable, "-c", PARENT, str(here), *argv]
    env = {**os.environ, "PYTHONPATH": str(AGENTS.parents[1])}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as ralph:
        try:
            yield ralph
        finally:
            ralph.kill()


def test_nothing_survives_a_killed_ralph(tmp_path: Path, word: str) -> None:
    with parent(tmp_path, agent("family.py", "hang", word)) as ralph:
        assert ralph.stdout is not None
        runner = int(ralph.stdout.readline())
        started = tree.start_time(runner) or 0.0
        assert ralph.stdout.readline() == "four left\n"
        assert wait_until(lambda: len(survivors(word)) == 7), "ralph, its runner, the agent and its four"
        ralph.kill()
        assert wait_until(lambda: survivors(word) == [], 5)
        assert wait_until(lambda: not tree.alive(runner, started), 5)


def test_a_runner_whose_parent_is_gone_does_not_wait_for_politeness(tmp_path: Path, word: str) -> None:
    with parent(tmp_path, agent("flood.py", 100_000, 80, word)) as ralph:
        assert ralph.stdout is not None
        runner = int(ralph.stdout.readline())
        started = tree.start_time(runner) or 0.0
        ralph.stdout.readline()
        ralph.kill()
        assert wait_until(lambda: survivors(word) == [] and not tree.alive(runner, started), 3)


def test_twenty_sessions_leave_no_descriptor_and_no_process(desk: Desk) -> None:
    desk.run(["true"])
    before = open_files()
    for _ in range(20):
        desk.run(["true"])
    assert open_files() == before
    assert not tree.children(os.getpid())
