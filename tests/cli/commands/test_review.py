"""`ralph review`: what waits for a human, as a list, as a file, as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from ralph.cli.main import main
from ralph.engine.review_file import dossier
from ralph.errors import Exit
from ralph.prd import document as prd
from ralph.state.control import Control
from tests.conftest import Repository
from tests.helpers.demorepo import worked

Capture = pytest.CaptureFixture[str]
PRD = """\
- [ ] T1 open
- [ ] T2 hard
  - Parked: It asks: Should old keys stay valid?
- [ ] by hand \x1b[2J
  - Parked:
- [x] T4 done
  - Parked: not any more
"""


@pytest.fixture
def here(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    repo.write({"PRD.md": PRD})
    (task,) = (one for one in prd.parse(PRD.encode()).tasks if one.id == "T2")
    text = dossier(task, (), reason="no", question="Should old keys\nstay valid?", prd_name="PRD.md", branch="b")
    Control(repo.path / ".git/ralph").keep_review("T2", text)
    monkeypatch.chdir(repo.path)
    return repo


def shown(here: Repository, capsys: Capture, *words: str) -> str:
    assert main(["review", *words]) == Exit.DONE
    return capsys.readouterr().out.replace(str(here.path), "REPO")


def test_the_list(here: Repository, capsys: Capture, snapshot: SnapshotAssertion) -> None:
    assert shown(here, capsys) == snapshot


def test_json(here: Repository, capsys: Capture, snapshot: SnapshotAssertion) -> None:
    assert json.loads(shown(here, capsys, "--json")) == snapshot


def test_nothing_is_parked(here: Repository, capsys: Capture) -> None:
    here.write({"PRD.md": "- [ ] T1 open\n"})
    assert shown(here, capsys) == "PRD.md: nothing is parked.\n"
    assert json.loads(shown(here, capsys, "--json")) == {"parked": []}


def test_one_task(here: Repository, capsys: Capture) -> None:
    path = Control(here.path / ".git/ralph").review_path("T2")
    assert shown(here, capsys, "hard") == path.read_text()
    found = json.loads(shown(here, capsys, "T2", "--json"))
    assert (found["id"], found["review"]) == ("T2", path.read_text())


def test_a_file_that_somebody_wrote_into_is_harmless(
    here: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "hunter2-hunter2")
    Control(here.path / ".git/ralph").keep_review("T2", "\x1b]0;title\x07 hunter2-hunter2\n")
    found = shown(here, capsys, "T2")
    assert "\x1b" not in found
    assert "hunter2" not in found


@pytest.mark.parametrize("task", ["T1", "T4", "3", "T9"])
def test_a_task_without_a_file(here: Repository, capsys: Capture, snapshot: SnapshotAssertion, task: str) -> None:
    assert main(["review", task]) == Exit.REFUSED
    assert capsys.readouterr().err == snapshot


def test_outside_of_a_repository(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "PRD.md").write_text(PRD)
    monkeypatch.chdir(tmp_path)
    assert main(["review"]) == Exit.DONE
    assert "2 tasks are parked" in capsys.readouterr().out


def test_after_a_real_run(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = worked(tmp_path_factory, tmp_path)
    monkeypatch.chdir(made.path)
    assert "file:     REPO/.git/ralph/review/T3.md" in shown(made, capsys)
    found = shown(made, capsys, "T3")
    assert found.startswith("# Parked: T3 ")
    assert found.count("### Attempt ") == 3
    assert "ralph retry T3 --note" in found
