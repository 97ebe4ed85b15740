"""Commands that are run to their end, and processes that are found again and ended."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ralph.process import command as proc
from ralph.process import supervisor as runner
from ralph.process import tree
from tests.helpers.families import GENEROUS, agent, open_files, survivors, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def word() -> str:
    return f"word-{uuid.uuid4().hex}"


@pytest.fixture(autouse=True)
def reaped() -> Iterator[None]:
    """No test leaves a child."""
    yield
    tree.end_descendants(time.monotonic() + 5)


def run(
    *argv: str, timeout: float = GENEROUS, output: Path | None = None, tail: int = 4000,
    stop: Callable[[], bool] = lambda: False, cwd: Path = Path("/"),
) -> proc.CommandResult:  # fmt: skip
    return proc.run_command(
        argv, cwd=cwd, env=dict(os.environ), timeout=timeout, output=output, tail=tail, stop=stop
    )


# ---------------------------------------------------------------- run


def test_output_and_errors_come_in_one_stream(tmp_path: Path) -> None:
    done = run("sh", "-c", "echo out; echo err >&2; pwd; exit 3", cwd=tmp_path)
    assert (done.code, done.tail) == (3, f"out\nerr\n{tmp_path}\n")
    assert (done.timed_out, done.stopped) == (False, False)
    assert 0 < done.seconds < GENEROUS


def test_there_is_nothing_to_read_and_no_terminal() -> None:
    assert run("sh", "-c", "cat; ! (: </dev/tty) 2>/dev/null && echo none").tail == "none\n"


def test_control_characters_are_left_in() -> None:
    assert run("printf", r"\033[31mred\033[0m\r\n").tail == "\x1b[31mred\x1b[0m\r\n"


def test_the_tail_is_the_end() -> None:
    assert run("sh", "-c", "seq 100000; echo ünd", tail=10).tail == "0\n100000\nünd\n"[-10:]


def test_what_cannot_be_started_is_code_127(tmp_path: Path) -> None:
    for done in (run("no-such-program"), run("true", cwd=tmp_path / "nowhere")):
        assert done.code == 127
        assert "could not be started" in done.tail


def test_a_killed_command_has_a_negative_code() -> None:
    assert run("sh", "-c", "kill -9 $$").code == -signal.SIGKILL


def test_the_output_file_is_bounded_and_private(tmp_path: Path) -> None:
    run(*agent("flood.py", 30), output=tmp_path / "log")
    log = tmp_path / "log"
    assert 20_000_000 < log.stat().st_size < 22_000_000
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert b"bytes left out here" in log.read_bytes()[-1_100_000:]


def test_a_command_that_overruns_is_ended_with_its_family(word: str) -> None:
    done = run(*agent("family.py", "hang", word), timeout=1)
    assert (done.timed_out, done.stopped) == (True, False)
    assert done.tail == "four left\n"
    assert done.seconds < 1 + 1.5
    assert survivors(word) == []


def test_a_command_can_be_stopped(word: str) -> None:
    asked: list[float] = []

    def stop() -> bool:
        if survivors(word):
            asked.append(time.monotonic())
        return bool(asked)

    done = run(*agent("stubborn.py", word), stop=stop)
    assert (done.timed_out, done.stopped) == (False, True)
    assert time.monotonic() - asked[0] < 1.5
    assert survivors(word) == []


def test_a_green_command_leaves_nothing_either(word: str) -> None:
    done = run(*agent("family.py", "exit", word))
    assert done.code == 0
    assert survivors(word) == []


def test_a_command_that_kills_its_runner_has_no_code(word: str) -> None:
    done = run(*agent("kills_runner.py", word))
    assert (done.code, done.timed_out, done.stopped) == (None, False, False)
    assert survivors(word) == []


def test_twenty_commands_leave_no_descriptor_and_no_process() -> None:
    run("true")
    before = open_files()
    for _ in range(20):
        run("true")
    assert open_files() == before
    assert not tree.children(os.getpid())


def test_an_error_in_the_runner_is_ours() -> None:
    def work(link: runner.Link) -> runner.WorkerMessage:
        raise LookupError("a bug")

    with pytest.raises(RuntimeError, match="LookupError: a bug"), runner.fork(work) as forked:  # noqa: PT012
        forked.go()
        runner.follow(forked, lambda _: None, lambda _: False)


# ---------------------------------------------------------------- who is alive


def test_a_process_is_known_by_pid_and_start_time() -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        started = proc.start_time(process.pid)
        assert started is not None
        assert proc.alive(process.pid, started)
        assert not proc.alive(process.pid, started + 0.01)
        process.kill()
        assert wait_until(lambda: not proc.alive(process.pid, started)), "a zombie is not alive"
    assert proc.start_time(process.pid) is None


def test_a_start_time_survives_the_journal() -> None:
    started = proc.start_time(os.getpid())
    assert started is not None
    assert float(str(started)) == started
    assert proc.start_time(os.getpid()) == started


def test_the_name_of_a_program_does_not_confuse(tmp_path: Path) -> None:
    program = tmp_path / ") R 1 (x"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    with subprocess.Popen([str(program), "1000"]) as process:
        assert wait_until(lambda: process.pid in tree.children(os.getpid()))
        started = proc.start_time(process.pid)
        assert started is not None
        assert 0 <= started - (proc.start_time(os.getpid()) or 0) < 10 * GENEROUS
        assert proc.alive(process.pid, started)
        process.kill()


# ---------------------------------------------------------------- what is left of another ralph


def stray(word: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """A family that nobody keeps (its orphans go where this system's orphans go)."""
    process = subprocess.Popen(agent("family.py", "hang", word), env=env, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_tree_is_ended_from_outside(word: str) -> None:
    sub = "import ctypes, subprocess, sys; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); subprocess.call(sys.argv[1:])"
    with subprocess.Popen([sys.executable, "-c", sub, *agent("family.py", "hang", word)]) as top:
        assert wait_until(lambda: len(survivors(word)) == 6)
        proc.end_tree(top.pid, proc.start_time(top.pid) or 0.0)
        assert survivors(word) == []


def test_a_process_with_a_used_again_pid_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        started = proc.start_time(process.pid) or 0.0
        proc.end_tree(process.pid, started - 1)
        assert proc.alive(process.pid, started)
        process.kill()


def test_leftovers_are_found_by_their_run(word: str) -> None:
    with (
        stray(word, {**os.environ, "RALPH_RUN_ID": word}) as mine,
        stray(word, {"RALPH_RUN_ID": f"{word}2"}) as other,
    ):
        assert wait_until(lambda: len(survivors(word)) == 10)
        proc.end_leftovers(word)
        assert len(survivors(word)) == 5 + 1, "of this run only what hides under `env -i`"
        assert mine.wait(GENEROUS) == -signal.SIGKILL
        assert other.poll() is None
        other.kill()


def test_children_that_were_there_before_are_spared(word: str) -> None:
    proc.become_subreaper()
    with stray(word) as old, stray(word) as new:
        assert wait_until(lambda: len(survivors(word)) == 10)
        new_ones = {new.pid, *tree.descendants(new.pid)}
        spare = tree.children(os.getpid()) - new_ones
        assert proc.end_descendants(time.monotonic() + GENEROUS, spare)
        assert proc.alive(old.pid, proc.start_time(old.pid) or 0.0)
        assert not new_ones & set(survivors(word))
        new.returncode = 0  # reaped by end_descendants
        assert proc.end_descendants(time.monotonic() + GENEROUS)
        assert survivors(word) == []
        old.returncode = 0
