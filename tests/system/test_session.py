"""Sessions with real terminals and real processes: nothing survives, nothing grows, every wait ends."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from families import AGENTS, GENEROUS, agent, open_files, resident, survivors, wait_until

from ralph.model import Kind, Launch, Signal, Stopped, Usage, Why
from ralph.system import capped, keep, session, tree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@dataclass
class Desk:
    """Runs one agent and keeps what the parent was told."""

    here: Path
    log: str = "transcript"
    told: list[Signal] = field(default_factory=list)
    runner: list[tuple[int, float]] = field(default_factory=list)

    @property
    def transcript(self) -> Path:
        return self.here / self.log

    def run(
        self, argv: Sequence[str], *, prompt: bytes = b"do it", env: Mapping[str, str] | None = None,
        read: Callable[[str], Sequence[Signal]] | None = None, silence: float = GENEROUS,
        open_tool_silence: float = 0, wall: float = 2 * GENEROUS, stop: Callable[[], Why | None] = lambda: None,
        cwd: Path | None = None,
    ) -> Stopped:  # fmt: skip
        (self.here / "prompt").write_bytes(prompt)
        return session.run(
            Launch(tuple(argv), env or {}), cwd=cwd or self.here, env=dict(os.environ), prompt=self.here / "prompt",
            transcript=self.transcript, read=read, silence=silence, open_tool_silence=open_tool_silence, wall=wall,
            started=lambda pid, start: self.runner.append((pid, start)), tell=self.told.append, stop=stop,
        )  # fmt: skip

    def events(self, *lines: Mapping[str, Any] | str, **limits: Any) -> Stopped:
        """Run an agent that prints these events; words are commands of events.py."""
        script = self.here / "script"
        script.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
        return self.run(agent("events.py", script), read=read_json, **limits)


def read_json(line: str) -> Sequence[Signal]:
    """The reader of events.py: a line is a Signal as an object; anything else is no event."""
    try:
        event = json.loads(line)
        usage = Usage(**event.pop("usage")) if "usage" in event else None
        paths = tuple(event.pop("paths", ()))
        return [Signal(Kind(event.pop("kind")), usage=usage, paths=paths, **event)]
    except (ValueError, AttributeError):
        return []


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def word() -> str:
    return f"word-{uuid.uuid4().hex}"


class After:
    """A stop() that says INTERRUPTED once something is true, and notes when."""

    def __init__(self, true: Callable[[], bool]) -> None:
        self.true, self.at = true, 0.0

    def __call__(self) -> Why | None:
        if not self.at and self.true():
            self.at = time.monotonic()
        return Why.INTERRUPTED if self.at else None


# ---------------------------------------------------------------- the plain case


def test_an_agent_without_events_says_how_it_ended(desk: Desk) -> None:
    end = desk.run(["sh", "-c", "echo hello; echo problem >&2"])
    assert (end.why, end.code, end.ended, end.well) == (Why.EXITED, 0, True, True)
    assert end.tail == end.said == "hello\nproblem"
    assert end.output == desk.transcript.stat().st_size == len("hello\r\nproblem\r\n")
    assert desk.told[-1] == Signal(Kind.TEXT, "problem")


def test_an_exit_code_is_no_success(desk: Desk) -> None:
    end = desk.run(["sh", "-c", "exit 3"])
    assert (end.why, end.code, end.ended, end.well) == (Why.EXITED, 3, None, False)


def test_a_signal_is_a_negative_exit_code(desk: Desk) -> None:
    assert desk.run(["sh", "-c", "kill -9 $$"]).code == -signal.SIGKILL


def test_the_runner_is_told_before_anything_starts(desk: Desk, tmp_path: Path) -> None:
    seen: list[bool] = []
    (tmp_path / "prompt").write_bytes(b"")

    def started(pid: int, start: float) -> None:
        seen.extend([tree.alive(pid, start), tree.alive(pid, start + 1), (tmp_path / "mark").exists()])

    session.run(
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
        session.run(
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
    assert all(line.split()[1].strip("0") == "" for line in lines[2:4]), "no signal is ignored or blocked"
    assert lines[4] == subprocess.run(["sh", "-c", "ulimit -n"], capture_output=True, text=True).stdout.strip()
    assert int(lines[5]) <= 4, "no descriptor of ralph's reaches the agent"


def test_a_runner_is_out_of_reach_of_the_terminal_and_of_our_files(desk: Desk) -> None:
    seen: list[str] = []

    def look() -> Why | None:
        if desk.told and not seen:
            runner = desk.runner[0][0]
            seen.extend(str(file.readlink()) for file in Path(f"/proc/{runner}/fd").iterdir())
            assert os.getsid(runner) == runner
            for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
                os.kill(runner, number)
        return None

    with (desk.here / "lock").open("wb"):
        end = desk.run(["sh", "-c", "echo ready; sleep 0.5; exit 6"], stop=look)
    assert (end.why, end.code) == (Why.EXITED, 6)
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
    assert end.why is Why.UNSTARTED
    assert end.failure is not None
    assert why in end.failure.text
    assert why in end.tail


def test_a_missing_folder_is_a_start_that_failed(desk: Desk) -> None:
    end = desk.run(["true"], cwd=desk.here / "nowhere")
    assert end.why is Why.UNSTARTED
    assert "nowhere" in end.tail


def test_a_program_of_one_word_may_have_blanks_in_its_path(desk: Desk) -> None:
    program = desk.here / "my 'agent' \\ here"
    program.write_text("#!/bin/sh\necho ran\n")
    program.chmod(0o755)
    assert desk.run([str(program)]).tail == "ran"
    assert desk.run([f"./{program.name}"]).tail == "ran"


# ---------------------------------------------------------------- events


def test_what_a_stream_adds_up_to(desk: Desk) -> None:
    end = desk.events(
        {"kind": "text", "text": "I begin"},
        {"kind": "tool", "tool": "Write", "paths": ["a.py", "b.py"]},
        {"kind": "tool done"},
        {"kind": "tool", "tool": "Bash", "command": "make\n test"},
        "plain words between events",
        {"kind": "tool done"},
        {"kind": "usage", "usage": {"tokens": 10, "cost": 0.5, "key": "m1"}},
        {"kind": "usage", "usage": {"tokens": 30, "cost": 1.0, "key": "m1"}},
        {"kind": "usage", "usage": {"tokens": 5, "key": "m2"}},
        {"kind": "ended", "ok": True, "text": "All done."},
    )
    assert end.well
    assert (end.tokens, end.cost, end.said) == (35, 1.0, "All done.")
    assert end.actions == ("Write: a.py, b.py", "Bash: make test")
    assert (end.wrote, end.commands) == (("a.py", "b.py"), ("make\n test",))
    assert "plain words between events" in end.tail
    assert len(desk.told) == 9


def test_an_event_without_a_line_end_counts(desk: Desk) -> None:
    event = json.dumps({"kind": "ended", "ok": True})
    assert desk.run(["printf", "%s", event], read=read_json).ended is True


def test_exit_0_without_a_last_event_is_no_success(desk: Desk) -> None:
    end = desk.events({"kind": "text", "text": "I am thinking"})
    assert (end.why, end.code, end.ended, end.well) == (Why.EXITED, 0, None, False)


@pytest.mark.parametrize(
    ("after", "kept"),
    [
        ([], True),
        ([{"kind": "text", "text": "oh"}], True),
        ([{"kind": "ended", "ok": False}], True),
        ([{"kind": "tool", "tool": "Read"}], False),
        ([{"kind": "ended", "ok": True}], False),
    ],
)
def test_a_failure_counts_until_the_agent_got_over_it(desk: Desk, after: list[dict[str, Any]], kept: bool) -> None:
    end = desk.events({"kind": "rate limit", "text": "wait", "resets_at": 12.5}, *after)
    assert end.failure == (Signal(Kind.RATE_LIMIT, "wait", resets_at=12.5) if kept else None)


def test_a_final_count_replaces_what_was_before() -> None:
    tally = session.Tally()
    for usage in (Usage(10, 1.0), Usage(20, 2.0, "m1"), Usage(7, None, final=True), Usage(1)):
        tally.add(Signal(Kind.USAGE, usage=usage))
    assert (tally.tokens, tally.cost) == (8, 3.0), "a total without a price forgets no price that was told"
    tally.add(Signal(Kind.ENDED, ok=True, usage=Usage(50, 0.25, final=True)))
    assert (tally.tokens, tally.cost) == (50, 0.25)


def test_a_tally_is_bounded() -> None:
    tally = session.Tally()
    for number in range(30_000):
        tally.add(Signal(Kind.TOOL, tool="t" * 500, paths=(f"{number}",), command=f"c{number}"))
        tally.add(Signal(Kind.USAGE, usage=Usage(1, 0.5, f"m{number}")))
    assert (tally.tokens, tally.cost) == (30_000, 15_000.0)
    assert (len(tally.wrote), len(tally.commands), len(tally.actions)) == (500, 500, 10)
    assert max(map(len, tally.actions)) == 200


def test_a_reader_that_fails_does_not_cost_the_session(desk: Desk) -> None:
    def read(line: str) -> Sequence[Signal]:
        if "bad" in line:
            raise KeyError(line)
        return read_json(line)

    script = desk.here / "script"
    script.write_text('bad one\nbad two\n{"kind": "ended", "ok": true}\n')
    assert desk.run(agent("events.py", script), read=read).well
    assert [one.kind for one in desk.told] == [Kind.TEXT, Kind.ENDED]
    assert "could not read a line" in desk.told[0].text


def test_bytes_that_are_no_text_break_nothing(desk: Desk) -> None:
    lines: list[str] = []

    def read(line: str) -> Sequence[Signal]:
        return [Signal(Kind.TEXT, line)]

    end = desk.run(agent("not_utf8.py"), read=read)
    lines = [one.text for one in desk.told]
    assert end.code == 0
    assert lines == ["caf\ufffd \ufffd\ufffd\x00\x07 \x1b[31mred\x1b[0m \x1b]52;c;aGVsbG8=\x07\ufffd", "\x1b[2Jend"]
    assert end.tail == "caf\ufffd \ufffd\ufffd red \ufffd\nend"


def test_the_last_line_of_an_agent_without_events_is_told(desk: Desk) -> None:
    desk.run(agent("no_newline.sh"))
    assert desk.told[-1] == Signal(Kind.TEXT, "last without an end")


# ---------------------------------------------------------------- limits


def test_silence_ends_an_agent(desk: Desk) -> None:
    end = desk.run(agent("hang.sh"), silence=0.5)
    assert (end.why, end.ended, end.well) == (Why.SILENT, None, False)
    assert end.tail == "working on it"
    assert 0.5 <= end.seconds < GENEROUS


def test_retries_are_no_progress(desk: Desk) -> None:
    retries = [step for _ in range(40) for step in ({"kind": "retry", "text": "again"}, "sleep 0.1")]
    end = desk.events({"kind": "text", "text": "hi"}, *retries, silence=0.8)
    assert end.why is Why.SILENT


def test_noise_between_events_is_no_progress(desk: Desk) -> None:
    noise = [step for _ in range(40) for step in ("Reconnecting...", "sleep 0.1")]
    assert desk.events(*noise, silence=0.8).why is Why.SILENT


def test_events_are_progress(desk: Desk) -> None:
    words = [step for _ in range(10) for step in ({"kind": "text", "text": "on it"}, "sleep 0.2")]
    assert desk.events(*words, {"kind": "ended", "ok": True}, silence=1.5).well


def test_an_open_tool_call_has_more_time(desk: Desk) -> None:
    calls: list[dict[str, Any] | str] = [{"kind": "tool", "tool": "Bash"}, "sleep 1.5", {"kind": "tool done"}]
    assert desk.events(*calls, {"kind": "ended", "ok": True}, silence=0.5, open_tool_silence=GENEROUS).well
    assert desk.events(*calls, "sleep 30", silence=0.5, open_tool_silence=GENEROUS).why is Why.SILENT


def test_output_of_an_agent_without_events_is_progress(desk: Desk) -> None:
    end = desk.run(agent("spinner.py"), silence=0.8, wall=2.0)
    assert end.why is Why.OVERRAN
    assert end.tail.endswith("thinking")
    assert desk.told[-1].text.endswith("thinking")
    assert len(desk.told) < 15, "signs of life are few"


def test_the_wall_clock_ends_an_agent(desk: Desk) -> None:
    end = desk.events({"kind": "text", "text": "hi"}, "sleep 60", wall=0.5)
    assert (end.why, end.ended) == (Why.OVERRAN, None)


def test_a_prompt_on_the_terminal_is_silence_with_the_question_in_evidence(desk: Desk) -> None:
    end = desk.run(agent("prompts.sh"), silence=0.5)
    assert end.why is Why.SILENT
    assert end.tail == "Password:"


def test_stop_is_asked_often_and_after_each_signal(desk: Desk) -> None:
    tally, asked = session.Tally(), [0]

    def stop() -> Why | None:
        asked[0] += 1
        if desk.told:
            tally.add(desk.told.pop())
        return Why.LIMIT if tally.tokens >= 30 else None

    spend = {"kind": "usage", "usage": {"tokens": 10}}
    end = desk.events("sleep 1", spend, spend, spend, spend, spend, "sleep 60", stop=stop)
    assert (end.why, tally.tokens) == (Why.LIMIT, 30)
    assert asked[0] >= 5


@pytest.mark.parametrize("name", ["stubborn.py", "hang.sh", "spinner.py", "prompts.sh"])
def test_a_stop_takes_less_than_a_second_and_a_half(desk: Desk, name: str) -> None:
    stop = After(lambda: bool(desk.told))
    end = desk.run(agent(name), stop=stop)
    assert (end.why, end.code) == (Why.INTERRUPTED, -signal.SIGKILL if name == "stubborn.py" else -signal.SIGTERM)
    assert time.monotonic() - stop.at < 1.5


def test_a_stop_is_quick_in_a_flood_too(desk: Desk, word: str) -> None:
    stop = After(lambda: bool(desk.told))
    assert desk.run(agent("flood.py", 100_000, 80, word), stop=stop).why is Why.INTERRUPTED
    assert time.monotonic() - stop.at < 1.5
    assert survivors(word) == []


def test_a_polite_agent_may_end_by_itself(desk: Desk) -> None:
    script = "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    end = desk.run(["sh", "-c", script], stop=After(lambda: bool(desk.told)))
    assert (end.why, end.code) == (Why.INTERRUPTED, 5)
    assert end.tail.endswith("bye")


def test_a_stopped_runner_does_not_hold_up_a_stop(desk: Desk, word: str) -> None:
    def ready() -> bool:
        if desk.told:
            os.kill(desk.runner[0][0], signal.SIGSTOP)
        return bool(desk.told)

    stop = After(ready)
    assert desk.run(agent("family.py", "hang", word), stop=stop).why is Why.INTERRUPTED
    assert time.monotonic() - stop.at < 2.5
    assert survivors(word) == []


# ---------------------------------------------------------------- nothing survives


@pytest.mark.parametrize("mode", ["exit", "hang"])
def test_no_child_survives_however_it_detached_itself(desk: Desk, mode: str, word: str) -> None:
    seen: list[int] = []

    def all_there() -> bool:
        seen[:] = survivors(word) or seen
        return mode == "hang" and len(seen) == 5

    end = desk.run(agent("family.py", mode, word), stop=After(all_there))
    assert survivors(word) == []
    assert end.tail == "four left"
    assert end.why is (Why.EXITED if mode == "exit" else Why.INTERRUPTED)
    assert mode == "exit" or len(seen) == 5


def test_a_daemon_that_changes_its_pid_does_not_survive(desk: Desk, word: str) -> None:
    assert desk.run(agent("hopper.py", word)).tail == "hopping"
    assert survivors(word) == []


def test_the_exit_ends_it_though_a_child_holds_the_terminal(desk: Desk) -> None:
    end = desk.run(agent("holds_terminal.sh"))
    assert (end.why, end.code, end.tail) == (Why.EXITED, 0, "done")
    assert end.seconds < 10


def test_the_exit_ends_it_though_a_child_goes_on_printing(desk: Desk) -> None:
    end = desk.run(agent("chatty_child.sh"))
    assert (end.why, end.code) == (Why.EXITED, 0)
    assert "still here" in end.tail
    assert keep.LINGER < end.seconds < 10, "it may finish its sentence"


@pytest.mark.parametrize(("seconds", "size"), [(0.03, 0), (0.5, 300_000)])
def test_closing_the_terminal_is_no_end(desk: Desk, seconds: float, size: int) -> None:
    end = desk.run(agent("closes_terminal.sh", seconds, size))
    assert (end.why, end.code, end.tail) == (Why.EXITED, 4, "before\nafter")


def test_orphans_that_ended_leave_no_zombies(desk: Desk) -> None:
    assert desk.run(agent("many.py", 60)).tail == "zombies: 0"


def test_an_agent_that_kills_its_runner_is_ended_and_lost(desk: Desk, word: str) -> None:
    end = desk.run(agent("kills_runner.py", word))
    assert (end.why, end.code, end.well) == (Why.LOST, None, False)
    assert end.tail == "now"
    assert end.output == len("now\r\n")
    assert survivors(word) == []
    assert not tree.children(os.getpid())


PARENT = """
import os, sys
from pathlib import Path
from ralph.model import Launch
from ralph.system import session
here, argv = Path(sys.argv[1]), sys.argv[2:]
(here / "prompt").write_text("")
session.run(Launch(tuple(argv)), cwd=here, env=dict(os.environ), prompt=here / "prompt", transcript=here / "log",
            read=None, silence=600, open_tool_silence=0, wall=600, stop=lambda: None,
            started=lambda pid, start: print(pid, flush=True), tell=lambda signal: print(signal.text, flush=True))
"""


@pytest.fixture(autouse=True)
def reaped() -> Iterator[None]:
    """No test leaves a child. (A killed ralph's runner comes to us, its subreaper, as a zombie.)"""
    yield
    tree.end_descendants(time.monotonic() + 5)


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


# ---------------------------------------------------------------- bounds


def test_the_transcript_is_whole_and_private(desk: Desk) -> None:
    end = desk.run(agent("flood.py", 3, 100))
    assert end.output == desk.transcript.stat().st_size == 3_030_000
    assert stat.S_IMODE(desk.transcript.stat().st_mode) == 0o600
    assert set(desk.transcript.read_bytes().splitlines()) == {b"x" * 99}


def test_a_long_output_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    with capped.Capped(tmp_path / "log", cap=100, last=20) as log:
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
    assert (end.why, end.code, end.output) == (Why.EXITED, 0, len("hello\r\n"))
    assert end.tail == "hello\n[ralph: the transcript is incomplete: No space left on device]"


@pytest.mark.parametrize(("megabytes", "line", "events"), [(150, 80, False), (100, 0, False), (100, 0, True)])
def test_memory_is_bounded_in_a_flood(desk: Desk, megabytes: int, line: int, events: bool) -> None:
    sizes: list[float] = []
    longest: list[int] = []

    def read(text: str) -> Sequence[Signal]:
        longest.append(len(text))
        return [Signal(Kind.TEXT, f"{len(text)}")]

    def stop() -> None:
        sizes.append(resident(desk.runner[0][0]))

    end = desk.run(agent("flood.py", megabytes, line), read=read if events else None, stop=stop)
    assert end.output >= megabytes * 1_000_000
    assert desk.transcript.stat().st_size < 52_000_000
    assert max(sizes) - min(filter(None, sizes)) < 15, "flat"
    assert not events or desk.told == [Signal(Kind.TEXT, "1000000")]
