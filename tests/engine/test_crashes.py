"""kill -9 before every journal line and every git call, then the same command: the state of an unkilled run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Repository, spread
from tests.engine.test_stories import LIMIT, Play
from tests.helpers import loaded

STORY = {
    "prd": "# Plan\r\n\r\n- [ ] T1 all\r\n  - [ ] T2 one\r\n- [ ] T3 never\r\n",
    "files": {"gate.sh": "! grep -rqs broken *.txt\n"},
    "untracked": {"notes.txt": "mine\n"},
    "agent": "good; [ $RALPH_TASK_ID = T3 ] && echo broken > T3.txt; true",
}
FLAGS = ("--gate", "sh gate.sh", "--max-retries", "0")
CHUNKS = 12
PLACES = [(where, chunk) for where in ("git", "journal") for chunk in range(CHUNKS)]


@pytest.fixture(autouse=True, scope="module")
def forked() -> Iterator[None]:
    with loaded.serving():
        yield


@dataclass(frozen=True)
class Outcome:
    """What must not depend on whether ralph was killed on the way."""

    subjects: list[str]
    tree: str
    files: dict[str, bytes]
    branches: list[str]
    status: str
    code: int


def outcome(play: Play, code: int) -> Outcome:
    repo = play.repo
    return Outcome(
        repo.subjects(),
        repo.git("rev-parse", "HEAD^{tree}"),
        play.files(),
        [ref for ref in repo.refs() if not ref.startswith("refs/ralph/")],
        repo.git("status", "--porcelain"),
        code,
    )


def run(play: Play, where: str = "none", number: int = 0) -> int:
    words = [where, number, "--agent-command", f"sh {play.agent}", *FLAGS]
    out = play.repo.path.parent / "said"
    code = loaded.start("killer", words, cwd=play.repo.path, out=out, patience=LIMIT)
    assert "Traceback" not in out.read_text(), out.read_text()
    return code


def fresh(tmp_path: Path, name: str) -> Play:
    path = tmp_path / name / "repo"
    path.mkdir(parents=True)
    repo = Repository(path)
    repo.git("init", "-q")
    repo.commit({"README.md": "# A project\n"}, "start")
    return Play(repo, STORY)


_WHOLE: list[Outcome] = []


def unkilled(tmp_path: Path) -> Outcome:
    """What a run that nobody kills comes to; found out once."""
    if not _WHOLE:
        play = fresh(tmp_path, "whole")
        _WHOLE.append(outcome(play, run(play)))
        assert play.boxes() == "xxp"
        assert _WHOLE[0].code == 1
    return _WHOLE[0]


@pytest.mark.parametrize(("where", "chunk"), spread(PLACES, daily=12, ci=4))
def test_killed_anywhere_the_same_command_ends_the_same(tmp_path: Path, where: str, chunk: int) -> None:
    expected = unkilled(tmp_path)
    number = chunk + 1
    while True:
        play = fresh(tmp_path, f"killed-{number}")
        if run(play, where, number) != -9:
            assert outcome(play, 1) == expected
            break  # it ended before its Nth call: all are done
        code = run(play)
        assert outcome(play, code) == expected, f"killed before {where} {number}"
        play.check_invariants()
        number += CHUNKS


@pytest.mark.parametrize("number", spread([9, 7, 12], daily=3))
def test_killed_twice_at_the_same_place(tmp_path: Path, number: int) -> None:
    expected = unkilled(tmp_path)
    play = fresh(tmp_path, "killed")
    for _ in range(2):
        assert run(play, "journal", number) == -9
    assert outcome(play, run(play)) == expected
