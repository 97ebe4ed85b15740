"""The notify command: it gets the event, and whatever it does is a sentence at worst."""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ralph.notify import command as hook
from ralph.notify.courier import Receiver, deliver_now
from ralph.notify.message import Message
from ralph.text import secrets_of
from tests.helpers.families import agent, survivors

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
PARKED = {"event": "parked", "task": "T3", "reason": "a gate failed", "commits": ("abc", "def"), "at": None}


def tell(command: str, cwd: Path, event: Mapping[str, Any] = PARKED, patience: float = 20.0) -> str:
    """What is said of it; "": nothing went wrong."""
    env = dict(os.environ)
    told = Message("ralph in shop: parked", "T3", "ralph in shop: parked: T3", event)
    deliver = partial(hook.deliver, command=command, cwd=cwd, env=env, secrets=secrets_of(env))
    ((_, said, _),) = deliver_now(told, [Receiver("command", deliver)], patience)
    return said


def test_it_gets_the_event(tmp_path: Path) -> None:
    command = 'cat >got; printf %s "$RALPH_EVENT" >name; printf %s "$RALPH_MESSAGE" >line; pwd >where'
    assert tell(command, tmp_path) == ""
    text = (tmp_path / "got").read_text()
    assert json.loads(text) == {**PARKED, "commits": ["abc", "def"]}
    assert text.count("\n") == 1
    assert (tmp_path / "name").read_text() == "parked"
    assert (tmp_path / "line").read_text() == "ralph in shop: parked: T3"
    assert (tmp_path / "where").read_text() == f"{tmp_path}\n"


def test_the_command_is_a_command_and_the_event_is_none(tmp_path: Path) -> None:
    event = {"event": "noted", "text": '\'; touch planted; "$(touch planted)" `touch planted`'}
    assert tell("read -r line && printf '%s\\n' \"$line\" | wc -l >lines", tmp_path, event) == ""
    assert sorted(one.name for one in tmp_path.iterdir() if one.name != "home") == ["lines"]


def test_a_command_may_leave_its_input_unread(tmp_path: Path) -> None:
    assert tell("true", tmp_path, {"event": "noted", "text": "x" * 1_000_000}) == ""


def test_what_it_says_is_told_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "hunter2-and-more")
    assert tell("echo no hunter2-and-more; exit 4", tmp_path) == "it ended with exit code 4: no [masked]"


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("exit 3", "it ended with exit code 3."),
        ("echo the server is down >&2; exit 1", "it ended with exit code 1: the server is down"),
        ("kill -9 $$", "it ended with exit code -9."),
    ],
)
def test_a_failure_is_a_sentence(tmp_path: Path, command: str, complaint: str) -> None:
    assert tell(command, tmp_path) == complaint


def test_what_can_not_be_run_is_a_sentence(tmp_path: Path) -> None:
    assert "exit code 127" in tell("no-such-program", tmp_path)
    assert "exit code 2" in tell("echo 'open", tmp_path)
    assert "could not be" in tell("true", tmp_path / "nowhere")
    assert "could not be run" in tell("true \0", tmp_path)


def test_a_slow_one_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    word = f"word-{uuid.uuid4().hex}"
    said = tell(f": {word}; {sys.executable} -c 'import time; time.sleep(60)' {word} & sleep 60", tmp_path,
                patience=0.3)  # fmt: skip
    assert said == "it took longer than 0 s and was ended."
    assert survivors(word) == []


def test_nothing_that_it_left_goes_on(tmp_path: Path) -> None:
    word = f"word-{uuid.uuid4().hex}"
    assert (
        tell(f"setsid {sys.executable} -c 'import time; time.sleep(60)' {word} >/dev/null 2>&1 &", tmp_path) == ""
    )
    assert survivors(word) == []


def test_a_flood_is_bounded(tmp_path: Path) -> None:
    said = tell(f"{' '.join(agent('flood.py', 30))}; exit 1", tmp_path, patience=60)
    assert len(said) < 300


def test_the_event_is_private_and_never_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert tell("stat -L -c %a /proc/self/fd/0 >mode; ls ralph-notify-* >files", tmp_path) != ""
    assert (tmp_path / "mode").read_text().strip() == "600"
    assert (tmp_path / "files").read_text() == ""
