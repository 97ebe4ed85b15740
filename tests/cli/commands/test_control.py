"""`ralph pause`, `resume`, `skip`, `retry`, `stop`: real runs with an agent that waits, steered from outside."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from ralph.cli.main import main
from ralph.errors import Exit
from ralph.state import events
from ralph.state.control import Control
from ralph.state.journal import Journal
from ralph.state.lock import hold
from tests.conftest import Repository

Capture = pytest.CaptureFixture[str]
PRD = "- [ ] T1 make one\n- [ ] T2 make two\n- [ ] T3 make three\n"
AGENT = 'echo "$RALPH_TASK_ID" > started\nread word < go\necho made > "$REPO/$RALPH_TASK_ID.txt"\n'


@pytest.fixture
def here(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    repo.commit({"PRD.md": PRD}, "the project")
    monkeypatch.chdir(repo.path)
    return repo


class Slow:
    """A run whose agent tells that it started, and works when it is told to."""

    def __init__(self, repo: Repository, process: subprocess.Popen[str], place: Path) -> None:
        self._repo, self._process, self._place = repo, process, place

    def started(self) -> str:
        """Wait until the agent works; the task's id."""
        return (self._place / "started").read_text().strip()

    def work(self) -> None:
        (self._place / "go").write_text("go\n")

    def until(self, name: str) -> dict[str, Any]:
        """Wait for the next event of this name."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event: dict[str, Any] = json.loads(line)
            if event["event"] == name:
                return event
        raise AssertionError(f"the run ended before: {name}")

    def ended(self) -> tuple[int, str]:
        """(exit code, the boxes of the PRD), once it is over."""
        self._process.communicate(timeout=60)
        boxes = [line[3] for line in self._repo.read("PRD.md").splitlines() if line.startswith("- [")]
        return self._process.returncode, "".join(boxes)


@contextmanager
def running(repo: Repository) -> Iterator[Slow]:
    place = repo.path.parent
    for name in ("started", "go"):
        os.mkfifo(place / name)
    agent = place / "agent.sh"
    agent.write_text(f"REPO='{repo.path}'\ncd '{place}'\n{AGENT}")
    argv = [sys.executable, "-m", "ralph", "--json", "--agent-command", f"sh '{agent}'"]
    with subprocess.Popen(
        argv, cwd=repo.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Slow(repo, process, place)
        finally:
            process.kill()


def said(capsys: Capture, *words: str) -> str:
    """What a command prints when it does what it is told."""
    assert main(list(words)) == Exit.DONE
    return capsys.readouterr().out


def refused(capsys: Capture, *words: str) -> str:
    assert main(list(words)) == Exit.REFUSED
    shown = capsys.readouterr()
    assert shown.out == ""
    return shown.err


# ---------------------------------------------------------------- a run that is going on


def test_pause_and_resume(here: Repository, capsys: Capture) -> None:
    with running(here) as run:
        assert run.started() == "T1"
        assert "pauses when its attempt at “T1 make one” is over" in said(capsys, "pause")
        run.work()
        assert "ralph pause" in run.until("paused")["reason"]
        assert "pauses before it starts anything more" in said(capsys, "pause")
        assert "goes on" in said(capsys, "resume")
        assert "is not paused\n" in refused(capsys, "resume")
        assert run.started() == "T2"
        said(capsys, "stop")
        run.work()
        assert run.ended() == (Exit.STOPPED, "xx ")


def test_stop_waits_for_the_attempt(here: Repository, capsys: Capture) -> None:
    with running(here) as run:
        run.started()
        assert "ends when its attempt at “T1 make one” is over" in said(capsys, "stop")
        run.work()
        assert run.ended() == (Exit.STOPPED, "x  ")


def test_stop_now_does_not(here: Repository, capsys: Capture) -> None:
    with running(here) as run:
        run.started()
        assert "ends now; the attempt at “T1 make one” is set aside and uses up no try" in said(
            capsys, "stop", "--now"
        )
        assert run.ended() == (Exit.STOPPED, "   ")


def test_the_next_run_knows_nothing_of_these_orders(here: Repository, capsys: Capture) -> None:
    with running(here) as run:
        run.started()
        for words in (["pause"], ["skip", "T2"], ["stop", "--now"]):
            said(capsys, *words)
        run.ended()
    for name in ("started", "go"):
        (here.path.parent / name).unlink()
    with running(here) as run:
        for task in ("T1", "T2", "T3"):
            assert run.started() == task
            run.work()
        assert run.ended() == (Exit.DONE, "xxx")


def test_skip(here: Repository, capsys: Capture) -> None:
    with running(here) as run:
        run.started()
        assert "“T2 make two” is left out of this run" in said(capsys, "skip", "make two")
        shown = said(capsys, "skip", "T1")
        assert "The attempt at it ends now and uses up no try" in shown
        assert run.started() == "T3"
        run.work()
        assert run.ended() == (Exit.STOPPED, "  x")


def test_retry_puts_a_parked_task_back_while_it_runs(here: Repository, capsys: Capture) -> None:
    here.commit({"PRD.md": PRD.replace("one\n", "one\n  - Parked: too hard\n")}, "parked")
    with running(here) as run:
        assert run.started() == "T2"
        shown = said(capsys, "retry", "1")
        assert "“T1 make one” is back in the queue" in shown
        assert "takes it up in its turn" in shown
        run.work()
        assert run.started() == "T1"
        run.work()
        assert run.started() == "T3"
        run.work()
        assert run.ended() == (Exit.DONE, "xxx")


def test_what_does_not_fit_to_the_run_is_refused(here: Repository, capsys: Capture) -> None:
    here.commit({"other.md": "- [ ] T9 else\n"}, "another")
    with running(here) as run:
        run.started()
        assert "works through PRD.md" in refused(capsys, "pause", "--prd", "other.md")
        assert "works through PRD.md" in refused(capsys, "retry", "T9", "--note", "x", "--prd", "other.md")
        assert "with the flags that it was started with" in refused(capsys, "resume", "--max-cost", "3")
        assert "another ralph holds this checkout" in refused(capsys, "resume", "--keep", "--agent-command", "true")
        assert Control(here.path / ".git/ralph").paused() is None
        said(capsys, "stop", "--now", "--prd", "./PRD.md")
        run.ended()


def test_the_prd_of_the_run_is_meant_where_none_is_named(here: Repository, capsys: Capture) -> None:
    """A run works through plan.md, and there is a PRD.md, too."""
    here.commit({"plan.md": "- [ ] T9 only here\n"}, "a plan")
    with at_work(here, events.RunStarted("r1", "b", "b", "abc", "plan.md", "claude")):
        assert "“T9 only here” is left out" in said(capsys, "skip", "T9")
    assert Control(here.path / ".git/ralph").skipped() == {"T9"}


def test_a_run_that_has_only_just_begun_can_be_steered(here: Repository, capsys: Capture) -> None:
    with at_work(here):
        assert "ends before it starts anything more" in said(capsys, "stop")
    assert Control(here.path / ".git/ralph").stop_asked() == "after"


def test_an_earlier_run_says_nothing_about_the_one_that_has_just_begun(here: Repository, capsys: Capture) -> None:
    started = events.RunStarted("r1", "b", "b", "abc", "plan.md", "claude")
    with at_work(here, started, events.RunEnded(0, "Every task is verified.")):
        assert "“T1 make one” is left out" in said(capsys, "skip", "T1", "--prd", "PRD.md")


@contextmanager
def at_work(repo: Repository, *seen: events.Event) -> Iterator[None]:
    """Somebody holds the lock, and the journal tells this."""
    state = repo.path / ".git/ralph"
    with hold(state / "lock"):
        journal = Journal(state / "journal.jsonl", "r1", 1)
        for event in seen:
            journal.write(event)
        journal.close()
        yield


SEVERAL = (
    events.RunStarted("r1", "ralph/PRD", "main", "abc", "PRD.md", "claude", at_once=3),
    events.Chosen(1, "T1", "T1 make one", 1, "abc"),
    events.Chosen(2, "T2", "T2 make two", 1, "abc"),
    events.Chosen(3, "T3", "T3 make three", 1, "abc"),
    events.Recorded(1, "T1", "feedbee"),
)


def test_with_several_at_once_all_of_them_are_named(here: Repository, capsys: Capture) -> None:
    with at_work(here, *SEVERAL):
        both = "when its 2 attempts are over (“T2 make two”, “T3 make three”)"
        assert f"pauses {both}" in said(capsys, "pause")
        assert f"ends {both}" in said(capsys, "stop")
        lost = "the attempts at “T2 make two”, “T3 make three” are set aside and use up no try"
        assert f"ends now; {lost}" in said(capsys, "stop", "--now")
        assert "The attempt at it ends now" in said(capsys, "skip", "T3")
        assert "The attempt" not in said(capsys, "skip", "T1")


def test_a_task_that_can_not_be_skipped(here: Repository, capsys: Capture) -> None:
    here.write({"PRD.md": "- [x] T1 done\n- [ ] T2 hard\n  - Parked: no\n"})
    with at_work(here):
        assert "“T1 done” is ticked already" in refused(capsys, "skip", "T1")
        assert "“T2 hard” is parked" in refused(capsys, "skip", "T2")
        assert "there is no task “T7”" in refused(capsys, "skip", "T7")
    assert not Control(here.path / ".git/ralph").skipped()


# ---------------------------------------------------------------- no run


@pytest.mark.parametrize("words", [["pause"], ["stop"], ["stop", "--now"], ["skip", "T1"]], ids=" ".join)
def test_without_a_run_there_is_nothing_to_steer(here: Repository, capsys: Capture, words: list[str]) -> None:
    assert refused(capsys, *words).startswith("ralph: no run is going on here\n")
    assert not (here.path / ".git/ralph").exists()


def test_resume_without_a_run_starts_one(here: Repository, capsys: Capture) -> None:
    assert main(["resume", "--agent-command", "true", "--max-tasks", "1", "--max-iterations", "1"]) == Exit.STOPPED
    assert "task     T1 make one" in capsys.readouterr().out


TREE = """\
- [ ] T1 open
- [x] T2 done
- [ ] T3 hard
  - Parked: it broke the tests
  - Files: `a`
  - [ ] T4 below
- [ ] no id
  - Parked: too vague
"""
RETRIES = {
    "parked": "T3",
    "parked, with a note": "T3 --note 'use tabs'",
    "parked, by its text": "no --note ' '",
    "open, with a note": "T1 --note 'use tabs'",
    "open": "T1",
    "done": "T2",
    "under a parked one": "T4 --note x",
    "unknown": "T7",
}


@pytest.mark.parametrize("case", RETRIES)
def test_retry(case: str, here: Repository, capsys: Capture, snapshot: SnapshotAssertion) -> None:
    here.write({"PRD.md": TREE})
    code = main(["retry", *shlex.split(RETRIES[case])])
    shown = capsys.readouterr()
    gone = [line for line in TREE.splitlines() if line not in here.read("PRD.md").splitlines()]
    notes = {task: Control(here.path / ".git/ralph").note_for(task) for task in ("T1", "T3", "T4")}
    assert (code, shown.out + shown.err, gone, {task: note for task, note in notes.items() if note}) == snapshot


def test_retry_changes_only_that_line_and_leaves_nothing_behind(here: Repository, capsys: Capture) -> None:
    text = TREE.replace("\n", "\r\n") + "\r\n\xa0trailing"
    here.write({"docs/my plan.md": text})
    (here.path / "docs/my plan.md").chmod(0o640)
    assert "Next: `ralph --prd 'docs/my plan.md'`" in said(capsys, "retry", "T3", "--prd", "docs/my plan.md")
    assert here.read("docs/my plan.md") == text.replace("  - Parked: it broke the tests\r\n", "")
    assert (here.path / "docs/my plan.md").stat().st_mode & 0o777 == 0o640
    assert not list((here.path / ".git/ralph").iterdir())


def test_retry_follows_a_link(here: Repository, capsys: Capture) -> None:
    here.write({"docs/real.md": TREE})
    (here.path / "PRD.md").unlink()
    (here.path / "PRD.md").symlink_to("docs/real.md")
    said(capsys, "retry", "T3")
    assert (here.path / "PRD.md").is_symlink()
    assert "it broke" not in here.read("docs/real.md")


def test_outside_of_a_repository(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "PRD.md").write_text(TREE)
    monkeypatch.chdir(tmp_path)
    assert "no git repository" in refused(capsys, "retry", "T3")
    assert "no run is going on here" in refused(capsys, "pause")
    assert (tmp_path / "PRD.md").read_text() == TREE


# ---------------------------------------------------------------- what people call a task


@pytest.mark.parametrize("name", ["t1", "1", "make o", "MAKE ONE", "T1 make", "T1  make one", "T1: another text"])
@pytest.mark.parametrize("command", ["logs", "explain", "review", "skip", "retry"])
def test_every_command_finds_a_task_by_the_same_names(
    command: str, name: str, here: Repository, capsys: Capture
) -> None:
    with at_work(here, *SEVERAL):
        by_id = (main([command, "T1"]), *capsys.readouterr())
        assert (main([command, name]), *capsys.readouterr()) == by_id
        assert main([command, "banana"]) == Exit.REFUSED
    assert "there is no task “banana”" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["t1", "make o", "T1  make one"])
def test_a_task_that_is_gone_is_found_by_the_same_names(name: str, here: Repository, capsys: Capture) -> None:
    here.write({"PRD.md": "- [ ] T9 new\n"})
    with at_work(here, *SEVERAL):
        assert main(["explain", name]) == Exit.DONE
        assert "make one" in capsys.readouterr().out
        assert main(["explain", "make"]) == Exit.REFUSED
