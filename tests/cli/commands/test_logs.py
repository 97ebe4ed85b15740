"""`ralph logs`: the diary, and what an agent printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ralph.cli.commands.logs import goes_on
from ralph.cli.locate import locate
from ralph.cli.main import main
from ralph.errors import Exit
from ralph.state import events
from ralph.state.journal import Journal
from ralph.state.lock import hold
from tests.conftest import Repository
from tests.helpers.demorepo import worked

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = worked(tmp_path_factory, tmp_path)
    monkeypatch.chdir(made.path)
    return made


def more(repo: Repository, run: str, *what: events.Event) -> None:
    path = repo.path / ".git/ralph/journal.jsonl"
    journal = Journal(path, run, len(path.read_bytes().splitlines()) + 1)
    for event in what:
        journal.write(event)
    journal.close()


def test_the_diary_reads_like_the_run(here: Repository, capsys: Capture) -> None:
    assert main(["logs"]) == Exit.DONE
    shown = capsys.readouterr().out
    for word in ("run      PRD.md", "task     T1", "rejected ", "PARKED   T3", "done     T4", "end      "):
        assert word in shown


def test_only_the_last_run_is_shown(here: Repository, capsys: Capture) -> None:
    more(here, "r2", events.RunStarted("r2", "b", "b", "abc", "PRD.md", "codex"))
    assert main(["logs"]) == Exit.DONE
    shown = capsys.readouterr().out
    assert "with codex" in shown
    assert "PARKED" not in shown


def test_json_is_one_event_for_each_line(here: Repository, capsys: Capture) -> None:
    assert main(["logs", "--json"]) == Exit.DONE
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"time", "event"} <= set(found[0])
    assert [one["task"] for one in found if one["event"] == "recorded"] == ["T1", "T2", "T4"]


@pytest.mark.parametrize("name", ["T2", "2", "t2 find"])
def test_what_the_agent_printed_in_its_last_attempt(here: Repository, name: str, capsys: Capture) -> None:
    assert main(["logs", name]) == Exit.DONE
    shown = capsys.readouterr().out
    assert "This time I wrote it." in shown
    assert "I ticked the box" not in shown


def test_a_transcript_is_cleaned(here: Repository, capsys: Capture) -> None:
    (newest,) = (here.path / ".git/ralph/runs").glob("*/3.log")
    newest.write_bytes(b"one\r\n\x1b]0;owned\x07two\x1b[31m red\xff\nlast \x9b2J without newline")
    assert main(["logs", "T2"]) == Exit.DONE
    assert capsys.readouterr().out == "one\ntwo red\ufffd\nlast \ufffd2J without newline\n"


def test_secrets_in_a_transcript_are_masked(
    here: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_API_KEY", "hunter2-hunter2")
    (newest,) = (here.path / ".git/ralph/runs").glob("*/3.log")
    newest.write_bytes(b"the key is hunter2-hunter2\n")
    assert main(["logs", "T2"]) == Exit.DONE
    assert capsys.readouterr().out == "the key is [masked]\n"


def test_a_transcript_that_is_gone_is_said(here: Repository, capsys: Capture) -> None:
    (newest,) = (here.path / ".git/ralph/runs").glob("*/3.log")
    newest.unlink()
    assert main(["logs", "T2"]) == Exit.REFUSED
    assert "there is no transcript of attempt 3" in capsys.readouterr().err


def test_follow_shows_what_comes(here: Repository) -> None:
    argv = [sys.executable, "-m", "ralph", "logs", "-f"]
    with subprocess.Popen(
        argv, cwd=here.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if " end " in line:
                break
        more(here, "r9", events.Noted("here I am"))
        assert "here I am" in process.stdout.readline()
        process.send_signal(2)
        assert process.wait(30) == Exit.INTERRUPTED
        assert process.stderr.read() == ""


def test_one_agent_is_followed_while_others_work_beside_it(here: Repository) -> None:
    state = here.path / ".git/ralph"
    with hold(state / "lock"):
        more(here, "r9", events.RunStarted("r9", "b", "b", "abc", "PRD.md", "codex", at_once=2),
             events.Chosen(41, "T1", "T1", 1, "abc"), events.AgentStarted(41, 1, 1.0),
             events.Chosen(42, "T2", "T2", 1, "abc"), events.AgentStopped(42, "exited", 0))  # fmt: skip
        assert goes_on(locate(None), state / "journal.jsonl", 41)
        assert not goes_on(locate(None), state / "journal.jsonl", 42)
        more(here, "r9", events.AgentStopped(41, "exited", 0))
        assert not goes_on(locate(None), state / "journal.jsonl", 41)


def test_follow_ends_when_nobody_reads(here: Repository) -> None:
    argv = [sys.executable, "-m", "ralph", "logs", "-f"]
    with subprocess.Popen(
        argv, cwd=here.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        os.close(os.dup(process.stdout.fileno()))
        process.stdout.close()
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            more(here, "r9", events.Noted("anybody there?"))
            time.sleep(0.2)
        assert process.poll() == 0
        assert process.stderr.read() == ""
