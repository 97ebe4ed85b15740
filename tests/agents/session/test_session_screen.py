"""What stands on an agent's terminal, what is typed there, and that no secret is told or kept."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ralph.agents.model import SignalKind, StopReason, Usage
from ralph.process import tree
from tests.helpers.families import AGENTS, GENEROUS, Desk, agent, read_json

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

WELL = '{"kind": "ended", "ok": true}'
ASKS = 'read -r -s -p "Password: " answer </dev/tty; echo "got ${#answer}"'
TTY = 'exec 3<>/dev/tty; printf "Go on? [y/N] " >&3; read -r answer <&3; echo "got ${#answer}"'


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(autouse=True)
def reaped() -> Iterator[None]:
    """No test leaves a child."""
    yield
    tree.end_descendants(time.monotonic() + 5)


def screens(desk: Desk) -> list[str]:
    """What was told of the screen."""
    return [one.text for one in desk.told if one.kind is SignalKind.SCREEN]


class Once:
    """An answer() that types a text once, when what was told last ends with a prompt."""

    def __init__(self, desk: Desk, prompt: str, text: str) -> None:
        self._desk, self._prompt, self._text = desk, prompt, text
        self.typed = 0

    def __call__(self) -> str | None:
        if self.typed or not self._desk.told or not self._desk.told[-1].text.endswith(self._prompt):
            return None
        self.typed += 1
        return self._text


# ---------------------------------------------------------------- the screen


def test_a_question_beside_the_events_is_told(desk: Desk) -> None:
    seen: list[str] = []

    def stop() -> StopReason | None:
        seen.extend(text for text in screens(desk) if text.endswith("Password:"))
        return StopReason.PROMPT if seen else None

    script = f'echo \'{{"kind": "text", "text": "hi"}}\'; echo \'Connecting ...\'; {ASKS}'
    end = desk.run(["bash", "-c", script], read=read_json, stop=stop)
    assert end.why is StopReason.PROMPT
    assert seen[0] == "Connecting ...\nPassword:", "with the lines before it"
    assert (end.said, end.seconds < 10) == ("hi", True)


def test_half_an_event_is_no_screen(desk: Desk) -> None:
    script = f"printf '%s' '{WELL[:12]}'; sleep 1; printf '%s\\n' '{WELL[12:]}'"
    assert desk.run(["sh", "-c", script], read=read_json).well
    assert screens(desk) == []


def test_lines_that_are_no_events_are_told_a_few_times_a_second(desk: Desk) -> None:
    script = f"i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo \"line $i\"; sleep 0.01; done; echo '{WELL}'"
    end = desk.run(["sh", "-c", script], read=read_json)
    assert end.well
    assert screens(desk)[-1].splitlines()[-1] == "line 100"
    assert len(screens(desk)) <= end.seconds * 4 + 2
    assert max(map(len, screens(desk))) <= 4000


def test_colours_blank_lines_and_unknown_events_are_no_words(desk: Desk) -> None:
    unknown = '{"kind": "never heard of"}'
    script = rf"printf '\033[2K\n\033[1mSign in?\033[0m\n\n'; echo '{unknown}'; echo '{WELL}'"
    assert desk.run(["sh", "-c", script], read=read_json).well
    assert screens(desk) == ["Sign in?"]


def test_an_agent_without_events_shows_its_last_lines(desk: Desk) -> None:
    end = desk.run(["sh", "-c", "seq 1 3000; printf 'Sure? '; sleep 1"])
    assert desk.told[-1].text.splitlines()[-3:] == ["2999", "3000", "Sure?"]
    assert len(desk.told[-1].text) <= 4000
    assert end.well


def test_all_that_an_event_says_of_use_arrives(desk: Desk) -> None:
    usage = {"tokens": 9, "cost": 0.5, "key": "m1", "context": 150, "window": 200, "split": [1, 2, 3]}
    desk.events({"kind": "usage", "usage": usage})
    assert desk.told[0].usage == Usage(9, 0.5, "m1", False, 150, 200, (1, 2, 3))


# ---------------------------------------------------------------- answers


def test_an_answer_is_typed_where_a_password_is_asked(desk: Desk) -> None:
    once = Once(desk, "Password:", "open sesame")
    end = desk.run(["bash", "-c", ASKS], answer=once)
    assert (end.well, once.typed) == (True, 1)
    assert "got 11" in end.tail
    assert "sesame" not in desk.transcript.read_text()


def test_an_answer_reaches_an_agent_with_events(desk: Desk) -> None:
    script = f"{ASKS}; echo; echo '{WELL}'"
    end = desk.run(["bash", "-c", script], read=read_json, answer=Once(desk, "Password:", "x"))
    assert end.well
    assert "got 1\n" in f"{end.tail}\n"


def test_an_answer_reaches_a_grandchild_whose_own_streams_are_pipes(desk: Desk) -> None:
    script = f"bash -c '{TTY}' </dev/null 2>&1 | cat >got; cat got; echo '{WELL}'"
    end = desk.run(["bash", "-c", script], read=read_json, answer=Once(desk, "Go on? [y/N]", "yes"))
    assert end.well
    assert (desk.here / "got").read_text() == "got 3\n"


@pytest.mark.parametrize(("text", "got"), [("", 1), ("ye", 3)])
def test_enter_is_a_carriage_return_for_whoever_reads_keys(desk: Desk, text: str, got: int) -> None:
    keys = f"stty raw -echo </dev/tty; printf 'Press Enter'; dd bs=1 count={got} </dev/tty 2>/dev/null | od -An -c"
    end = desk.run(["sh", "-c", keys], answer=Once(desk, "Press Enter", text))
    assert end.well
    assert end.tail.endswith("\\r")


def test_an_answer_is_bounded(desk: Desk) -> None:
    end = desk.run(["sh", "-c", "echo begun; sleep 1; echo done"], answer=lambda: "x" * 3000)
    assert (end.well, end.tail) == (True, "begun\ndone")


def test_answers_in_a_hurry_hold_up_nothing(desk: Desk) -> None:
    words = [{"kind": "text", "text": "on it"}] * 500
    assert desk.events(*words, {"kind": "ended", "ok": True}, answer=lambda: "x" * 1000, silence=5).well


TYPES = """
import os, sys
from pathlib import Path
from ralph.agents.session.pty import Terminal
terminal = Terminal(["sleep", "1000"], os.environ, Path(os.devnull))
for _ in range(500):
    terminal.type(b"x" * 1000)
os.kill(terminal.pid, 9)
os._exit(7)
"""


def test_answers_that_nobody_reads_hold_up_nothing() -> None:
    env = {**os.environ, "PYTHONPATH": str(AGENTS.parents[1])}
    assert subprocess.run([sys.executable, "-c", TYPES], env=env, timeout=GENEROUS).returncode == 7


def test_no_answer_is_asked_for_once_it_has_to_end(desk: Desk) -> None:
    asked: list[bool] = []

    def answer() -> str | None:
        asked.append(stopping[0])
        return None

    def stop() -> StopReason | None:
        stopping[0] = bool(desk.told)
        return StopReason.PROMPT if stopping[0] else None

    stopping = [False]
    assert desk.run(agent("stubborn.py"), stop=stop, answer=answer).why is StopReason.PROMPT
    assert True not in asked


# ---------------------------------------------------------------- secrets

SLOWLY = """
import os, sys, time
for byte in sys.argv[1].encode():
    os.write(1, bytes([byte]))
    time.sleep(0.3 if byte == 45 else 0.001)
"""
GIVEN = "ghp_aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1eF3hJ5"
LONG = "hunter2-of-the-long-kind"


def kept(desk: Desk, *more: str) -> str:
    """All that was told or written."""
    told = [part for one in desk.told for part in (one.text, one.command)]
    return "\n".join([*told, *more, desk.transcript.read_text()])


def test_a_secret_in_single_bytes_is_neither_told_nor_kept(desk: Desk) -> None:
    end = desk.run([sys.executable, "-S", "-c", SLOWLY, f"it is {LONG} and {GIVEN}"], secrets=(LONG,))
    assert end.tail == end.said == "it is [masked] and [masked]"
    shown = kept(desk, end.tail)
    assert "hunt" not in shown
    assert GIVEN not in shown
    assert end.output == len(f"it is {LONG} and {GIVEN}")


def test_a_secret_in_an_event_is_neither_told_nor_kept(desk: Desk) -> None:
    end = desk.events(
        {"kind": "tool", "tool": "Bash", "command": f"curl -u me:{LONG} x", "text": GIVEN},
        f"error: no such user {LONG}",
        {"kind": "text", "text": f"the key is {LONG}"},
        {"kind": "error", "text": f"bad key {GIVEN}"},
        secrets=(LONG,),
    )
    assert end.failure is not None
    assert end.failure.text == "bad key [masked]"
    assert end.said == "the key is [masked]"
    shown = kept(desk, end.tail, *end.actions, *end.commands)
    assert "hunt" not in shown
    assert GIVEN not in shown


def test_the_transcript_of_a_killed_runner_has_no_secret(desk: Desk) -> None:
    script = f"echo {LONG}; printf {LONG[:12]}; sleep 0.3; kill -9 $PPID; sleep 1"
    end = desk.run(["sh", "-c", script], secrets=(LONG,))
    assert (end.why, end.tail) == (StopReason.LOST, "[masked]")
