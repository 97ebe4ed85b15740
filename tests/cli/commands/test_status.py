"""`ralph status`: the PRD as it is, and the run."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from ralph.cli.main import main
from ralph.errors import Exit
from ralph.state import events
from ralph.state.control import Control
from ralph.state.journal import Journal
from tests.conftest import Repository
from tests.helpers.demorepo import worked

PRD = """\
# Plan

- [ ] T1 Keys
  - Files: `src/**`, `a b.txt`
  - [x] T1.1? no id
  - [ ] limiter
    - Depends: T2
- [x] T2 done already
- [ ] T3 too hard
  - Parked: it broke the tests \x1b[2J three times
- [-] nearly a task
"""
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def here(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    repo.write({"PRD.md": PRD})
    monkeypatch.chdir(repo.path)
    return repo


def answer(capsys: Capture, *words: str) -> dict[str, object]:
    assert main(["status", "--json", *words]) == Exit.DONE
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def running(repo: Repository, *more: events.Event) -> None:
    """A run that started, chose T3's neighbour and is not over."""
    (repo.path / ".git/ralph").mkdir(exist_ok=True)
    journal = Journal(repo.path / ".git/ralph/journal.jsonl", "r1", 1)
    start = events.RunStarted("r1", "ralph/PRD", "main", "abc", "PRD.md", "claude", os.getpid())
    for event in (start, events.Chosen(1, "T3", "T3 too hard", 2, "abc"), *more):
        journal.write(event)
    journal.close()


@contextmanager
def held(repo: Repository, pid: int = 4711) -> Iterator[None]:
    """A ralph works here now."""
    lock = os.open(repo.path / ".git/ralph/lock", os.O_RDWR | os.O_CREAT)
    os.write(lock, json.dumps({"pid": pid, "since": "now"}).encode())
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(lock)


def test_the_table(here: Repository, capsys: Capture, snapshot: SnapshotAssertion) -> None:
    assert main(["status"]) == Exit.DONE
    assert capsys.readouterr().out == snapshot


def test_json_without_any_run(here: Repository, capsys: Capture, snapshot: SnapshotAssertion) -> None:
    assert answer(capsys) == snapshot


def test_outside_of_a_repository(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "PRD.md").write_text(PRD)
    monkeypatch.chdir(tmp_path)
    assert answer(capsys)["run"] is None


def test_a_run_that_goes_on(here: Repository, capsys: Capture) -> None:
    running(here)
    with held(here):
        found = answer(capsys)
        main(["status"])
    tasks, run = found["tasks"], found["run"]
    assert isinstance(tasks, list)
    assert isinstance(run, dict)
    assert {task["id"]: task["state"] for task in tasks}["T3"] == "running"
    assert (run["state"], run["pid"], run["task"], run["attempt"]) == ("running", 4711, "T3", 2)
    shown = capsys.readouterr().out
    assert "[>] T3 too hard" in shown
    assert "(pid 4711)" in shown
    assert "T3 too hard, attempt 2" in shown


def test_a_run_through_another_prd(here: Repository, capsys: Capture) -> None:
    here.write({"other.md": "- [ ] T3 the same id\n"})
    running(here)
    with held(here):
        asked = answer(capsys, "--prd", "other.md")
        main(["status", "--prd", "other.md"])
        shown = capsys.readouterr().out
        here.write({"ralph.toml": 'prd = "other.md"\n'})
        main(["status"])
        unasked = capsys.readouterr().out
    assert isinstance(asked["tasks"], list)
    assert [task["state"] for task in asked["tasks"]] == ["open"]
    assert "Run r1 through PRD.md with claude" in shown
    assert "[>] T3 too hard" in unasked


def test_what_somebody_asked_for_is_told_while_the_run_goes_on(here: Repository, capsys: Capture) -> None:
    running(here)
    orders = Control(here.path / ".git/ralph")
    orders.pause("lunch")
    orders.stop(now=False)
    with held(here):
        run = answer(capsys)["run"]
        main(["status"])
    assert isinstance(run, dict)
    assert (run["pausing"], run["stopping"]) == ("lunch", "after")
    shown = capsys.readouterr().out
    assert "pauses after this attempt: lunch" in shown
    assert "stops after this attempt: somebody asked for it" in shown
    left = answer(capsys)["run"]
    assert isinstance(left, dict)
    assert (left["pausing"], left["stopping"]) == (None, None)  # orders of a run that is gone


def test_a_run_that_was_cut_off(here: Repository, capsys: Capture) -> None:
    running(here)
    run = answer(capsys)["run"]
    assert isinstance(run, dict)
    assert (run["state"], run["pid"]) == ("cut off", None)
    main(["status"])
    assert "the same command continues it" in capsys.readouterr().out


def test_a_run_that_ended(here: Repository, capsys: Capture) -> None:
    running(here, events.SetAside(1, "T3", "no", True), events.RunEnded(3, "a limit is reached", 60.0, 5, 0.5))
    run = answer(capsys)["run"]
    assert isinstance(run, dict)
    assert (run["state"], run["code"], run["why"], run["task"]) == ("ended", 3, "a limit is reached", None)


def test_a_damaged_journal_is_said_and_the_tasks_are_shown(here: Repository, capsys: Capture) -> None:
    running(here, events.RunEnded(0, "x"))
    path = here.path / ".git/ralph/journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b"claude", b"cloude"))
    assert main(["status"]) == Exit.DONE
    shown = capsys.readouterr()
    assert "the journal is damaged" in shown.err
    assert "T2 done already" in shown.out


def test_the_prd_of_the_last_run_is_shown_where_none_is_named(here: Repository, capsys: Capture) -> None:
    (here.path / "PRD.md").rename(here.path / "plan.md")
    assert main(["status"]) == Exit.REFUSED
    start = events.RunStarted("r1", "b", "b", "abc", "plan.md", "claude")
    (here.path / ".git/ralph").mkdir(exist_ok=True)
    journal = Journal(here.path / ".git/ralph/journal.jsonl", "r1", 1)
    journal.write(start)
    journal.close()
    capsys.readouterr()
    assert main(["status"]) == Exit.DONE
    assert capsys.readouterr().out.startswith("plan.md: ")


def test_a_large_prd_is_quick_to_show(here: Repository, capsys: Capture) -> None:
    here.write({"PRD.md": "".join(f"- [ ] task number {n}\n" for n in range(5000))})
    began = time.process_time()
    assert main(["status"]) == Exit.DONE
    assert time.process_time() - began < 20  # a guard against quadratic work, not a benchmark
    assert len(capsys.readouterr().out.splitlines()) == 5003


def test_after_a_real_run(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(worked(tmp_path_factory, tmp_path).path)
    found = answer(capsys)
    tasks, run = found["tasks"], found["run"]
    assert isinstance(tasks, list)
    assert isinstance(run, dict)
    assert [task["state"] for task in tasks] == ["done", "done", "parked", "done"]
    assert (run["code"], run["attempts"], list(run["done"]), list(run["parked"])) == (
        1,
        7,
        ["T1", "T2", "T4"],
        ["T3"],
    )


def test_it_is_named_by_its_path_wherever_one_stands(
    repo: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit({"docs/PRD.md": "- [ ] one\n"})
    monkeypatch.chdir(repo.path / "docs")
    for command in ("status", "audit"):
        assert main([command, "--prd", "PRD.md"]) == Exit.DONE
        assert "docs/PRD.md" in capsys.readouterr().out, command
