"""The process beside ralph: it is never waited for, sends what it has, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ralph.notify import courier
from ralph.notify.courier import Courier, Receiver
from ralph.notify.message import Message
from ralph.process import tree
from ralph.process.supervisor import Link
from tests.helpers.families import GENEROUS, open_files, survivors, wait_until
from tests.helpers.receivers import web

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@dataclass
class Stack:
    """Every line is a letter of its own, at once."""

    lines: list[str] = field(default_factory=list)

    def take(self, line: str) -> None:
        self.lines.append(line)

    def due(self) -> float | None:
        return 0.0 if self.lines else None

    def leave(self, *, last: bool) -> Message | None:
        del last
        return Message("", self.lines.pop(0), "", {}) if self.lines else None


@dataclass
class Later(Stack):
    """Nothing leaves before the last."""

    def due(self) -> float | None:
        return time.monotonic() + GENEROUS if self.lines else None

    def leave(self, *, last: bool) -> Message | None:
        if not (last and self.lines):
            return None
        told, self.lines = " ".join(self.lines), []
        return Message("", told, "", {})


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Neither a process nor a descriptor."""
    files, others = open_files(), tree.children(os.getpid())
    yield
    assert tree.children(os.getpid()) <= others
    assert open_files() == files


def writes(path: Path) -> Receiver:
    """It appends each letter to a file."""

    def deliver(letter: Message, _: Link) -> str:
        with path.open("a") as file:
            file.write(letter.body + "\n")
        return ""

    return Receiver("file", deliver)


def hangs(_letter: Message, _link: Link) -> str:
    time.sleep(GENEROUS)
    return ""


def fails(letter: Message, _: Link) -> str:
    return f"it does not like {letter.body}"


def breaks(_letter: Message, _link: Link) -> str:
    raise ZeroDivisionError


def test_what_is_told_arrives(tmp_path: Path) -> None:
    sent = Courier(Stack(), [writes(tmp_path / "got")])
    sent.tell({"n": 1})
    assert wait_until((tmp_path / "got").exists)
    assert sent.close() == []
    assert (tmp_path / "got").read_text() == '{"n": 1}\n'


def test_the_last_one_is_sent_although_it_would_wait(tmp_path: Path) -> None:
    sent = Courier(Later(), [writes(tmp_path / "got")])
    sent.tell({"n": 1})
    sent.tell({"n": 2})
    assert sent.close() == []
    assert (tmp_path / "got").read_text() == '{"n": 1} {"n": 2}\n'


def test_the_first_complaint_of_each_is_told() -> None:
    sent = Courier(Stack(), [Receiver("one", fails), Receiver("two", breaks)])
    for n in range(5):
        sent.tell({"n": n})
    said = dict(sent.close())
    assert set(said) == {"one", "two"}
    assert said["one"].startswith('it does not like {"n": ')
    assert said["two"] == "its process died."


def test_one_that_hangs_holds_up_neither_ralph_nor_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "LAST", 0.2)
    sent = Courier(Stack(), [Receiver("slow", hangs), writes(tmp_path / "got")])
    sent.tell({"n": 1})
    assert wait_until((tmp_path / "got").exists)
    assert [name for name, _ in sent.close()] == ["slow"]


def test_who_is_hurried_does_not_wait_at_all() -> None:
    sent = Courier(Stack(), [Receiver("slow", hangs)])
    sent.tell({"n": 1})
    assert sent.close(hurried=lambda: True) == []


def test_a_courier_that_does_not_listen_is_not_waited_for(tmp_path: Path) -> None:
    """What it has no room for goes later, and no line is torn."""
    sent = Courier(Later(), [writes(tmp_path / "got")])
    os.kill(sent.pid, signal.SIGSTOP)
    texts = [f"{n} {'x' * 4000}" for n in range(400)]  # more than a socket holds, and than is kept
    for text in texts:
        sent.tell({"text": text})
    os.kill(sent.pid, signal.SIGCONT)
    assert sent.close() == []
    arrived = (tmp_path / "got").read_text().split("} {")
    assert len(arrived) > 200
    assert [one.split('"')[3] for one in arrived] == texts[: len(arrived)]


def test_a_courier_that_dies_is_told_once(tmp_path: Path) -> None:
    sent = Courier(Stack(), [writes(tmp_path / "got")])
    os.kill(sent.pid, signal.SIGKILL)
    assert sent.heard(GENEROUS) == [("notifications", "the process that sends them died.")]
    assert sent.heard() == []
    sent.tell({"n": 1})
    assert sent.close() == []


PROGRAM = """
import os, sys, time
sys.path[:0] = {paths}
from functools import partial
from tests.notify.test_courier import Stack
from ralph.notify import apprise as post
from ralph.notify import command as hook
from ralph.notify.courier import Courier, Receiver

command = "touch " + sys.argv[1] + "; setsid sleep 60 & exec sleep 61; : " + sys.argv[2]
run = partial(hook.deliver, command=command, cwd="/", env=dict(os.environ), secrets=())
sent = Courier(Stack(), [Receiver("command", run), Receiver("service", partial(post.deliver, address=sys.argv[3]))])
sent.tell({{}})
time.sleep(60)
"""


def works(pid: int) -> bool:
    """It lives, and is no zombie."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


@pytest.mark.parametrize("both", [False, True], ids=["alone", "with its courier"])
def test_nothing_outlives_a_ralph_that_is_killed(tmp_path: Path, both: bool) -> None:
    word, mark = f"word-{uuid.uuid4().hex}", tmp_path / "begun"
    paths = list(map(str, Path(__file__).parents[:3]))
    program = [sys.executable, "-c", PROGRAM.format(paths=paths), str(mark), word]
    with web() as server, subprocess.Popen([*program, server.url("slow?rto=300")]) as parent:
        try:
            assert wait_until(mark.exists)
            assert server.came.wait(GENEROUS)
            family = tree.descendants(parent.pid)
            assert len(family) >= 4  # the courier, two deliveries, the command
        finally:
            for pid in tree.children(parent.pid) if both else ():
                os.kill(pid, signal.SIGKILL)
            parent.kill()
        assert wait_until(lambda: not [pid for pid in family if works(pid)])
    assert survivors(word) == []
    tree.end_descendants(time.monotonic() + 5)  # reaps
