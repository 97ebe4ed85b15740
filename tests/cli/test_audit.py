"""`ralph audit`: history decides, whoever wrote the box."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from conftest import Repository
from demorepo import worked
from syrupy.assertion import SnapshotAssertion

from ralph.cli import audit as room
from ralph.cli.app import main
from ralph.core.prd import parse
from ralph.errors import Exit

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = worked(tmp_path_factory, tmp_path)
    monkeypatch.chdir(made.path)
    return made


def unproven(capsys: Capture) -> dict[str, str]:
    """Task -> why, of the ticks that nothing proves. The exit code agrees."""
    capsys.readouterr()
    code = main(["audit", "--json"])
    found = json.loads(capsys.readouterr().out)
    missing = {tick["task"]: tick["why"] for tick in found["ticks"] if not tick["proven"]}
    assert (code, found["unproven"]) == (Exit.PARKED if missing else Exit.DONE, len(missing))
    return missing


def test_all_is_proven(here: Repository, capsys: Capture, snapshot: SnapshotAssertion) -> None:
    assert main(["audit", "PRD.md"]) == Exit.DONE
    shown = re.sub(r"\b[0-9a-f]{7}\b", "COMMIT", capsys.readouterr().out)
    assert re.sub(r"\S+ -m unittest", "python -m unittest", shown) == snapshot


def test_a_tick_by_hand_is_named(here: Repository, capsys: Capture, snapshot: SnapshotAssertion) -> None:
    here.commit({"PRD.md": here.read("PRD.md").replace("[ ] T3", "[x] T3")}, "docs: tick it")
    assert unproven(capsys) == {"T3": "ticked by hand"}
    main(["audit"])
    shown = re.sub(r"\b[0-9a-f]{7}\b", "COMMIT", capsys.readouterr().out)
    assert re.sub(r"\S+ -m unittest", "python -m unittest", shown) == snapshot


def test_a_tick_that_is_not_committed_is_named(here: Repository, capsys: Capture) -> None:
    here.write({"PRD.md": here.read("PRD.md").replace("[ ] T3", "[x] T3")})
    assert unproven(capsys) == {"T3": "ticked by hand, in no commit yet"}


def test_an_old_proof_does_not_prove_a_new_tick(here: Repository, capsys: Capture) -> None:
    ticked = here.read("PRD.md")
    here.commit({"PRD.md": ticked.replace("[x] T1", "[ ] T1")}, "do it again")
    assert unproven(capsys) == {}
    here.commit({"PRD.md": ticked}, "or not")
    assert unproven(capsys) == {"T1": "ticked by hand"}


def test_a_reverted_task_proves_nothing(here: Repository, capsys: Capture) -> None:
    commit = here.git("log", "--format=%H", "--grep=Ralph-Task: T4")
    here.git("revert", "--no-edit", commit)
    assert unproven(capsys) == {}
    here.write({"PRD.md": here.read("PRD.md").replace("[ ] T4", "[x] T4")})
    assert unproven(capsys) == {"T4": "ticked by hand, in no commit yet"}


def test_a_trailer_alone_proves_nothing(here: Repository, capsys: Capture) -> None:
    here.commit({"x.txt": "x"}, "feat: more\n\nRalph-Task: T3")
    here.commit(
        {"PRD.md": here.read("PRD.md").replace("[ ] T3", "[x] T3")},
        "tick it\n\nRalph-Task: T3\n\nis what it says in the text",
    )
    assert unproven(capsys) == {"T3": "ticked by hand"}


def test_a_trailer_names_only_what_its_commit_ticked(here: Repository, capsys: Capture) -> None:
    both = here.read("PRD.md").replace("[ ] T3", "[x] T3") + "- [x] T5 more\n"
    here.commit({"PRD.md": both}, "feat: T3\n\nRalph-Task: T3")
    assert unproven(capsys) == {"T5": "ticked by hand"}


def test_two_ticks_one_of_them_named(here: Repository, capsys: Capture) -> None:
    here.commit({"PRD.md": here.read("PRD.md") + "- [ ] T5 more\n"}, "one more")
    both = here.read("PRD.md").replace("[ ] T3", "[x] T3").replace("[ ] T5", "[x] T5")
    here.commit({"PRD.md": both}, "feat: T3\n\nRalph-Task: T3")
    assert unproven(capsys) == {"T5": "ticked by hand"}


def test_the_wrong_box_ticked(here: Repository, capsys: Capture) -> None:
    here.commit({"PRD.md": here.read("PRD.md") + "- [ ] T5 more\n"}, "one more")
    here.commit({"PRD.md": here.read("PRD.md").replace("[ ] T5", "[x] T5")}, "feat: T3\n\nRalph-Task: T3")
    assert unproven(capsys) == {"T5": "ticked by hand"}


def test_a_proof_of_one_task_does_not_prove_another(here: Repository, capsys: Capture) -> None:
    here.commit({"PRD.md": here.read("PRD.md").replace("[ ] T3", "[x] T3") + "- [ ] T5 more\n"}, "by hand")
    here.commit({"PRD.md": here.read("PRD.md").replace("[ ] T5", "[x] T5")}, "feat: T3\n\nRalph-Task: T3")
    assert unproven(capsys) == {"T3": "ticked by hand", "T5": "ticked by hand"}


def test_equal_texts_are_kept_apart(repo: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo.path)
    lines = "- [ ] one\n  - [ ] tests\n- [ ] two\n  - [ ] tests\n"
    repo.commit({"PRD.md": lines}, "start")
    first, second = (task.id for task in parse(lines.encode()).tasks if task.text == "tests")
    repo.commit({"PRD.md": lines.replace("[ ] tests", "[x] tests", 1)}, f"feat: tests\n\nRalph-Task: {first}")
    assert unproven(capsys) == {}
    repo.commit({"PRD.md": lines.replace("[ ] tests", "[x] tests")}, f"feat: tests\n\nRalph-Task: {first}")
    assert unproven(capsys) == {second: "ticked by hand"}


def test_reworded_moved_and_merged_it_is_still_proven(here: Repository, capsys: Capture) -> None:
    here.commit({"PRD.md": "New words first.\n\n" + here.read("PRD.md")}, "docs: words")
    here.git("switch", "-q", "main")
    here.commit({"other.txt": "x"}, "other work")
    here.git("merge", "-q", "--no-edit", "ralph/PRD")
    assert unproven(capsys) == {}


def test_amended_is_said(here: Repository, capsys: Capture) -> None:
    here.write({"books.py": here.read("books.py") + "# more\n"})
    here.git("commit", "-q", "-a", "--amend", "--no-edit")
    assert unproven(capsys) == {}
    main(["audit"])
    assert "the gates saw another tree" in capsys.readouterr().out


def test_a_prd_that_came_with_ticks(repo: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo.path)
    repo.write({"PRD.md": "- [x] one\n- [ ] two\n"})
    assert len(unproven(capsys)) == 1
    repo.commit({}, "docs: the PRD")
    assert list(unproven(capsys).values()) == ["ticked by hand"]
    repo.write({"PRD.md": "- [ ] one\n- [ ] two\n"})
    assert main(["audit"]) == Exit.DONE
    assert capsys.readouterr().out == "PRD.md: no box is ticked.\n"


def test_before_the_first_commit(repo: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo.path)
    repo.git("update-ref", "-d", "HEAD")
    repo.write({"PRD.md": "- [x] one\n"})
    assert list(unproven(capsys).values()) == ["ticked by hand, in no commit yet"]


def test_a_path_with_anything_in_it(repo: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "a 'b' \"c\" é*.md"
    repo.commit({name: "- [ ] T1 one\n"}, "start")
    repo.commit({name: "- [x] T1 one\n"}, "feat: one\n\nRalph-Task: T1")
    monkeypatch.chdir(repo.path)
    assert main(["audit", name]) == Exit.DONE
    assert "1 of 1 ticks are proven" in capsys.readouterr().out


def test_long_histories_are_read_in_pieces(
    repo: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo.path)
    monkeypatch.setattr(room, "AT_ONCE", 3)
    boxes = [f"- [ ] T{n} task\n" for n in range(8)]
    repo.commit({"PRD.md": "".join(boxes)}, "start")
    for n in range(8):
        boxes[n] = f"- [x] T{n} task\n"
        repo.commit({"PRD.md": "".join(boxes)}, f"feat: T{n}" + (f"\n\nRalph-Task: T{n}" if n != 2 else ""))
    assert unproven(capsys) == {"T2": "ticked by hand"}
