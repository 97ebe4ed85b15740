"""A session with a real terminal: how it starts, what arrives, and how large it may grow."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ralph.agents.model import Launch, Signal, SignalKind, StopReason
from ralph.agents.session import session
from ralph.process import transcript as capped
from ralph.process import tree
from tests.helpers.families import GENEROUS, Desk, agent, resident

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(autouse=True)
def reaped() -> Iterator[None]:
    """No test leaves a child. (A killed ralph's runner comes to us, its subreaper, as a zombie.)"""
    yield
    tree.end_descendants(time.monotonic() + 5)


def test_an_agent_without_events_says_how_it_ended(desk: Desk) -> None:
    end = desk.run(["sh", "-c", "echo hello; echo problem >&2"])
    assert (end.why, end.code, end.ended, end.well) == (StopReason.EXITED, 0, True, True)
    assert end.tail == end.said == "hello\nproblem"
    assert end.output == desk.transcript.stat().st_size == len("hello\r\nproblem\r\n")
    assert desk.told[-1] == Signal(SignalKind.TEXT, "hello\nproblem")


def test_an_exit_code_is_no_success(desk: Desk) -> None:
    end = desk.run(["sh", "-c", "exit 3"])
    assert (end.why, end.code, end.ended, end.well) == (StopReason.EXITED, 3, None, False)


def test_a_signal_is_a_negative_exit_code(desk: Desk) -> None:
    assert desk.run(["sh", "-c", "kill -9 $$"]).code == -signal.SIGKILL


def test_the_runner_is_told_before_anything_starts(desk: Desk, tmp_path: Path) -> None:
    seen: list[bool] = []
    (tmp_path / "prompt").write_bytes(b"")

    def started(pid: int, start: float) -> None:
        seen.extend([tree.alive(pid, start), tree.alive(pid, start + 1), (tmp_path / "mark").exists()])

    session.run_session(
        Launch(("touch", "mark")), cwd=tmp_path, env=dict(os.environ), prompt=tmp_path / "prompt",
        transcript=tmp_path / "log", read=None, silence=GENEROUS, open_tool_silence=0, wall=GENEROUS,
        started=started, tell=lambda _: None, stop=lambda: None,
    )  # fmt: skip
    assert seen == [True, False, False]
    assert (tmp_path / "mark").exists()


def test_nothing_starts_when_the_start_cannot_be_written_down(desk: Desk, tmp_path: Path) -> None:
    class FullError(Exception):
        pass

    def started(_: int, __: float) -> None:
        raise FullError

    (tmp_path / "prompt").write_bytes(b"")
    with pytest.raises(FullError):
        session.run_session(
            Launch(("touch", "mark")), cwd=tmp_path, env=dict(os.environ), prompt=tmp_path / "prompt",
            transcript=tmp_path / "log", read=None, silence=GENEROUS, open_tool_silence=0, wall=GENEROUS,
            started=started, tell=lambda _: None, stop=lambda: None,
        )  # fmt: skip
    assert not (tmp_path / "mark").exists()
    assert not tree.children(os.getpid())


def test_the_prompt_arrives_byte_by_byte(desk: Desk, tmp_path: Path) -> None:
    prompt = bytes(range(256)) * 4096 + b"\x03\x04\x1a the end, without a newline"
    assert desk.run(agent("keeps_stdin.sh", tmp_path / "got"), prompt=prompt).well
    assert (tmp_path / "got").read_bytes() == prompt


def test_the_agent_has_a_terminal_its_environment_and_normal_signals(desk: Desk) -> None:
    end = desk.run(
        ["sh", "-c", 'test -t 1 && test -t 2 && ! test -t 0 && stty size </dev/tty && echo "$A $PWD" && '
                     "grep -E 'Sig(Ign|Blk)' /proc/self/status && ulimit -n && ls /proc/self/fd | wc -l"],
        env={"A": "b"},
    )  # fmt: skip
    lines = end.tail.splitlines()
    assert lines[:2] == ["50 200", f"b {desk.here}"]
    libc = 0b11 << 31  # 32 and 33 are the C library's own: what it spawns begins with them ignored
    assert all(int(line.split()[1], 16) & ~libc == 0 for line in lines[2:4]), "no signal is ignored or blocked"
    assert lines[4] == subprocess.run(["sh", "-c", "ulimit -n"], capture_output=True, text=True).stdout.strip()
    assert int(lines[5]) <= 4, "no descriptor of ralph's reaches the agent"


def test_a_runner_is_out_of_reach_of_the_terminal_and_of_our_files(desk: Desk) -> None:
    seen: list[str] = []

    def look() -> StopReason | None:
        if desk.told and not seen:
            runner = desk.runner[0][0]
            seen.extend(str(file.readlink()) for file in Path(f"/proc/{runner}/fd").iterdir())
            assert os.getsid(runner) == runner
            for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
                os.kill(runner, number)
        return None

    with (desk.here / "lock").open("wb"):
        end = desk.run(["sh", "-c", "echo ready; sleep 0.5; exit 6"], stop=look)
    assert (end.why, end.code) == (StopReason.EXITED, 6)
    assert seen
    assert str(desk.here / "lock") not in seen


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["no-such-program-anywhere"], "no-such-program-anywhere was not found"),
        (["./plain"], "./plain is not executable"),
        (["./empty-interpreter"], "No such file or directory"),
        (["true", "x" * 200_000], "Argument list too long"),
    ],
)
def test_what_cannot_be_started_says_why(desk: Desk, argv: list[str], why: str) -> None:
    (desk.here / "plain").write_text("no program")
    (desk.here / "empty-interpreter").write_text("#!/no/such/interpreter\n")
    (desk.here / "empty-interpreter").chmod(0o755)
    end = desk.run(argv)
    assert end.why is StopReason.UNSTARTED
    assert end.failure is not None
    assert why in end.failure.text
    assert why in end.tail


def test_a_missing_folder_is_a_start_that_failed(desk: Desk) -> None:
    end = desk.run(["true"], cwd=desk.here / "nowhere")
    assert end.why is StopReason.UNSTARTED
    assert "nowhere" in end.tail


def test_a_program_of_one_word_may_have_blanks_in_its_path(desk: Desk) -> None:
    program = desk.here / "my 'agent' \\ here"
    program.write_text("#!/bin/sh\necho ran\n")
    program.chmod(0o755)
    assert desk.run([str(program)]).tail == "ran"
    assert desk.run([f"./{program.name}"]).tail == "ran"


def test_the_transcript_is_whole_and_private(desk: Desk) -> None:
    end = desk.run(agent("flood.py", 3, 100))
    assert end.output == desk.transcript.stat().st_size == 3_030_000
    assert stat.S_IMODE(desk.transcript.stat().st_mode) == 0o600
    assert set(desk.transcript.read_bytes().splitlines()) == {b"x" * 99}


def test_a_long_output_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    with capped.CappedFile(tmp_path / "log", cap=100, last=20) as log:
        for number in range(1000):
            log.write(f"{number:04d}\n".encode())
    kept = (tmp_path / "log").read_text()
    assert kept.startswith("0000\n0001\n")
    assert kept.endswith("0998\n0999\n")
    assert "100 bytes are kept" in kept
    assert "4,880 bytes left out here" in kept
    assert log.total == 5000


def test_a_disk_that_is_full_does_not_end_a_session(desk: Desk) -> None:
    desk.log = "/dev/full"
    end = desk.run(["echo", "hello"])
    assert (end.why, end.code, end.output) == (StopReason.EXITED, 0, len("hello\r\n"))
    assert end.tail == "hello\n[ralph: the transcript is incomplete: No space left on device]"


@pytest.mark.parametrize(("megabytes", "line", "events"), [(150, 80, False), (100, 0, False), (100, 0, True)])
def test_memory_is_bounded_in_a_flood(desk: Desk, megabytes: int, line: int, events: bool) -> None:
    sizes: list[float] = []
    longest: list[int] = []

    def read(text: str) -> Sequence[Signal]:
        longest.append(len(text))
        return [Signal(SignalKind.TEXT, f"{len(text)}")]

    def stop() -> None:
        sizes.append(resident(desk.runner[0][0]))

    end = desk.run(agent("flood.py", megabytes, line), read=read if events else None, stop=stop)
    assert end.output >= megabytes * 1_000_000
    assert desk.transcript.stat().st_size < 52_000_000
    assert max(sizes) - min(filter(None, sizes)) < 15, "flat"
    assert not events or desk.told == [Signal(SignalKind.TEXT, "1000000")]
