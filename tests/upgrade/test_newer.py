"""A journal that a newer ralph went on with: this one changes nothing, and says what to do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.upgrade.archives import signed
from tests.upgrade.test_upgrade import RECORDINGS, Recorded, bystander, number

__all__ = ["bystander"]
KILLED = next(one for one in RECORDINGS if number(one) == "isolate-noted")  # git's locks are there, too
COMMANDS = (
    "resume --set-aside", "status", "status --json", "audit", "report", "logs", "logs T1", "review", "clean",
    "clean --all", "retry T1 --note hm", "skip T1", "pause", "stop",
)  # fmt: skip


@pytest.fixture
def newer(tmp_path: Path, bystander: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """Killed here, taken up by a newer ralph, and killed again."""
    play = Recorded(KILLED, tmp_path / "recorded", bystander.pid, monkeypatch)
    path = play.repo.path / ".git/ralph/journal.jsonl"
    last = play.journal()[-1]
    line = {"v": 2, "seq": last["seq"] + 1, "t": last["t"], "run": last["run"], "event": "dreamt", "of": "sheep"}
    text = json.dumps(line, separators=(",", ":")).encode()
    path.write_bytes(path.read_bytes() + signed(text[:-1] + b',"crc":0}\n'))
    return play


def check_refused(play: Recorded, *words: str) -> None:
    """The command ends with 2, says why and what to do, and everything is as it was."""
    before = {path: (path.lstat().st_mtime_ns, path.lstat().st_ino) for path in play.near.rglob("*")}
    done = play.say(*words)
    assert done.returncode == 2, (words, done.stdout, done.stderr)
    assert "written by a newer ralph" in done.stderr
    assert "Update ralph" in done.stderr
    after = {path: (path.lstat().st_mtime_ns, path.lstat().st_ino) for path in play.near.rglob("*")}
    assert after == before, words


def test_the_loop_refuses(newer: Recorded) -> None:
    check_refused(newer, *(word.replace("@ROOT@", str(newer.near)) for word in newer.told["words"]))


@pytest.mark.parametrize(
    "command", [pytest.param(one, marks=() if one in ("status", "clean") else pytest.mark.slow) for one in COMMANDS]
)
def test_every_command_that_reads_the_journal_says_so(newer: Recorded, command: str) -> None:
    check_refused(newer, *command.split())
