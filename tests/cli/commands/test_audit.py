"""`ralph audit`: history decides, whoever wrote the box."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from ralph.cli.commands import audit_history as past
from ralph.cli.main import main
from ralph.errors import Exit
from ralph.prd.document import parse
from ralph.state import lock
from tests.conftest import Repository
from tests.helpers.demorepo import worked

Capture = pytest.CaptureFixture[str]
BEFORE = "ticked before ralph recorded anything here"
GATES = "test -f gate"


@pytest.fixture
def here(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = worked(tmp_path_factory, tmp_path)
    monkeypatch.chdir(made.path)
    return made


@pytest.fixture
def small(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Two tasks, of which ralph did the first."""
    monkeypatch.chdir(repo.path)
    repo.commit({"PRD.md": "# Work\n\n- [ ] T1 one\n- [ ] T2 two\n", "gate": ""}, "start")
    done(repo, "T1")
    return repo


def done(repo: Repository, task: str, *, files: dict[str, str] | None = None, **trailers: str) -> str:
    """A commit as ralph makes them, of a task of `small`. Trailers given as `Tree="..."` differ from that."""
    ticked = repo.read("PRD.md").replace(f"[ ] {task}", f"[x] {task}")
    repo.write({"PRD.md": ticked, **(files or {f"{task}.txt": f"{task}\n"})})
    repo.git("add", "-A")
    said = {"Task": task, "Run": "20260102-030405-abcd", "Attempt": "1", "Agent": "claude", "Gates": GATES,
            "Tree": repo.git("write-tree"), **trailers}  # fmt: skip
    block = "\n".join(f"Ralph-{key}: {value}" for key, value in said.items() if value)
    return repo.commit({}, f"feat: {task}\n\n{block}")


def audited(capsys: Capture, *words: str) -> dict[str, Any]:
    """What it says to programs. The exit code agrees with it."""
    capsys.readouterr()
    code = main(["audit", "--json", *words])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    missing = [tick for tick in found["ticks"] if not tick["proven"]]
    assert (code, found["unproven"] + found["reverted"]) == (Exit.PARKED if missing else Exit.DONE, len(missing))
    return found


def unproven(capsys: Capture, *words: str) -> dict[str, str]:
    """Task -> why, of the ticks that nothing proves."""
    return {tick["task"]: tick["why"] for tick in audited(capsys, *words)["ticks"] if not tick["proven"]}


def tick(capsys: Capture, task: str) -> dict[str, Any]:
    return next(one for one in audited(capsys)["ticks"] if one["task"] == task)


def shown(capsys: Capture, *words: str) -> str:
    """What it says to people, without ids."""
    capsys.readouterr()
    main(["audit", *words])
    said = re.sub(r"\b[0-9a-f]{7}\b", "COMMIT", capsys.readouterr().out)
    return re.sub(r"20\d\d-\d\d-\d\d", "DATE", said)


def shown_of_demo(capsys: Capture, *words: str) -> str:
    """The same without the path of python in the demo's gate, on which also depends where its line breaks."""
    joined = re.sub(r"\n {7}(?=\S)", " ", shown(capsys, *words))
    return re.sub(r"\S+ -m unittest", "python -m unittest", joined)


# ---------------------------------------------------------------- who ticked it


def test_all_is_proven(here: Repository, capsys: Capture, snapshot: SnapshotAssertion) -> None:
    assert unproven(capsys, "PRD.md") == {}
    assert shown_of_demo(capsys, "PRD.md") == snapshot


def test_a_tick_by_hand_is_named(here: Repository, capsys: Capture, snapshot: SnapshotAssertion) -> None:
    here.commit({"PRD.md": here.read("PRD.md").replace("[ ] T3", "[x] T3")}, "docs: tick it")
    assert unproven(capsys) == {"T3": "ticked by hand"}
    assert shown_of_demo(capsys) == snapshot


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


STANDS_ALONE = (
    "its Ralph-Task trailer stands without Ralph-Run and Ralph-Gates and Ralph-Tree: ralph did not write it"
)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("tick it", "ticked by hand"),
        ("tick it\n\nRalph-Task: T2", STANDS_ALONE),
        ("tick it\n\nRalph-Task: T2\n\nis what it says in the text", STANDS_ALONE),
        ("tick it\n\nRalph-Task: T1\nRalph-Run: r\nRalph-Gates: g\nRalph-Tree: t", "ticked by hand"),
        ("tick it\n\n  Ralph-Task: T2\n  Ralph-Run: r\n  Ralph-Gates: g\n  Ralph-Tree: t\n\nend", "ticked by hand"),
    ],
    ids=["no trailer", "one trailer", "in the text", "of another task", "as an agent wrote it"],
)
def test_words_that_prove_nothing(small: Repository, capsys: Capture, message: str, why: str) -> None:
    small.commit({"PRD.md": small.read("PRD.md").replace("[ ] T2", "[x] T2")}, message)
    assert unproven(capsys) == {"T2": why}


def test_a_trailer_without_its_tick_proves_nothing(small: Repository, capsys: Capture) -> None:
    done(small, "T9")  # a commit that is all that it should be, of a task that is not there
    small.commit({"PRD.md": small.read("PRD.md") + "- [x] T9 nine\n"}, "docs: one more")
    assert unproven(capsys) == {"T9": "ticked by hand"}


def test_a_trailer_names_only_what_its_commit_ticked(small: Repository, capsys: Capture) -> None:
    small.write({"PRD.md": small.read("PRD.md") + "- [x] T5 more\n"})
    done(small, "T2")
    assert unproven(capsys) == {"T5": "ticked by hand"}


def test_the_wrong_box_ticked(small: Repository, capsys: Capture) -> None:
    done(small, "T2", Task="T1")
    assert unproven(capsys) == {"T2": "ticked by hand"}


@pytest.mark.slow
def test_equal_texts_are_kept_apart(small: Repository, capsys: Capture) -> None:
    lines = "- [ ] one\n  - [ ] tests\n- [ ] two\n  - [ ] tests\n"
    small.commit({"PRD.md": lines}, "start")
    first, second = (task.id for task in parse(lines.encode()).tasks if task.text == "tests")
    done(small, "tests\n- [ ] two", Task=first, files={"x": "1"})
    assert unproven(capsys) == {}
    done(small, "tests", Task=first, files={"x": "2"})
    assert unproven(capsys) == {second: "ticked by hand"}


def test_reworded_moved_and_merged_it_is_still_proven(here: Repository, capsys: Capture) -> None:
    here.commit({"PRD.md": "New words first.\n\n" + here.read("PRD.md")}, "docs: words")
    here.git("switch", "-q", "main")
    here.commit({"other.txt": "x"}, "other work")
    here.git("merge", "-q", "--no-edit", "ralph/PRD")
    assert unproven(capsys) == {}


@pytest.mark.parametrize(
    "width", [pytest.param(60, marks=pytest.mark.slow), 80, pytest.param(120, marks=pytest.mark.slow)]
)
def test_all_kinds_at_once(
    small: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion, width: int
) -> None:
    """Reverted, proven and changed since, by hand, forged, amended."""
    monkeypatch.setenv("COLUMNS", str(width))
    more = "".join(
        f"- [ ] T{n} Give back what was lent, and say in time when it is due ({n})\n" for n in range(3, 7)
    )
    small.commit({"PRD.md": small.read("PRD.md") + more, "a b.txt": "1\n"}, "docs: more")
    first = small.git("log", "--format=%H", "--grep=Ralph-Task: T1")
    done(small, "T2", files={"a b.txt": "2\n", "src/deep.txt": "3\n"}, Gates="make test; npm run lint -- --strict")
    revert_but_keep_the_tick(small, first)
    small.commit({"a b.txt": "3\n"}, "fix: it")
    done(small, "T3", Run="", Gates="")
    small.commit({"PRD.md": small.read("PRD.md").replace("[ ] T4", "[x] T4")}, "docs: \x1b[31mtick\x1b[0m it")
    done(small, "T5", Tree="00" * 20, Agent="none", Gates="none")
    small.git("rm", "-q", "src/deep.txt")
    small.commit({}, "chore: away with it")
    assert shown(capsys) == snapshot


# ---------------------------------------------------------------- history that was written anew


def test_amended_is_said(small: Repository, capsys: Capture) -> None:
    assert (tick(capsys, "T1")["standing"], tick(capsys, "T1")["same_tree"]) == ("proven", True)
    small.write({"T1.txt": "more\n"})
    small.git("commit", "-q", "-a", "--amend", "--no-edit")
    assert (tick(capsys, "T1")["standing"], tick(capsys, "T1")["same_tree"]) == ("altered", False)
    assert "the gates saw another tree" in shown(capsys)
    assert (main(["audit"]), main(["audit", "--strict"])) == (Exit.DONE, Exit.PARKED)


@pytest.mark.slow
def test_only_the_message_amended_is_no_difference(small: Repository, capsys: Capture) -> None:
    message = small.git("log", "-1", "--format=%B").replace("feat: T1", "feat: the first")
    small.git("commit", "-q", "--amend", "-m", message)
    assert tick(capsys, "T1")["standing"] == "proven"


@pytest.mark.slow
def test_rebased(small: Repository, capsys: Capture) -> None:
    small.git("switch", "-q", "-c", "other", "HEAD~1")
    small.commit({"other.txt": "x"}, "other work")
    small.git("switch", "-q", "main")
    small.git("rebase", "-q", "other")
    assert (unproven(capsys), tick(capsys, "T1")["standing"]) == ({}, "altered")


@pytest.mark.parametrize(
    "moved_on", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["same base", "another"]
)
@pytest.mark.parametrize("kept", ["messages", "branch", "nothing"])
def test_squashed(small: Repository, capsys: Capture, kept: str, moved_on: bool) -> None:
    done(small, "T2")
    small.git("branch", "-q", "work")
    small.git("reset", "-q", "--hard", "HEAD~2")
    if moved_on:
        small.commit({"other.txt": "x"}, "other work")
    small.git("merge", "-q", "--squash", "work")
    small.git("commit", "-q", *(["--no-edit"] if kept == "messages" else ["-m", "all of it (#7)"]))
    if kept != "branch":
        small.git("branch", "-q", "-D", "work")
    found = {one["task"]: one["standing"] for one in audited(capsys)["ticks"]}
    good = kept == "messages" or (kept == "branch" and not moved_on)
    assert found == dict.fromkeys(("T1", "T2"), "squashed" if good else "unproven")
    why = tick(capsys, "T1")["why"]
    expected = {
        "messages": "the gates saw other trees" if moved_on else "the last of their gates saw this very tree",
        "branch": "on work) is no part of HEAD's history" if moved_on else "on work, the same tree",
        "nothing": BEFORE,
    }
    assert expected[kept] in why


def test_squashed_by_a_forge(small: Repository, capsys: Capture) -> None:
    """One after the other, not indented; the trailers of the last one are those of the squash."""
    done(small, "T2")
    both = [small.git("log", "-1", "--format=* %B", rev) for rev in ("HEAD~1", "HEAD")]
    small.git("reset", "-q", "--soft", "HEAD~2")
    small.git("commit", "-q", "-m", "all of it (#7)\n\n" + "\n\n".join(both))
    assert [one["standing"] for one in audited(capsys)["ticks"]] == ["squashed", "proven"]


def test_a_shallow_clone_is_no_proof(small: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    done(small, "T2")
    clone = small.path.parent / "clone"
    for depth, expected in ((1, {"T1": "unknown", "T2": "proven"}), (2, {"T1": "proven", "T2": "proven"})):
        shutil.rmtree(clone, ignore_errors=True)
        small.git("clone", "-q", "--depth", str(depth), f"file://{small.path}", str(clone))
        monkeypatch.chdir(clone)
        assert {one["task"]: one["standing"] for one in audited(capsys)["ticks"]} == expected
        assert ("git fetch --unshallow" in shown(capsys)) is (depth == 1)


def test_a_fresh_clone_knows_as_much(here: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    known = audited(capsys)
    here.git("clone", "-q", ".", str(here.path.parent / "clone"))
    monkeypatch.chdir(here.path.parent / "clone")
    assert audited(capsys) == known
    assert len(known["ticks"]) == 3


def test_a_prd_that_was_renamed(small: Repository, capsys: Capture) -> None:
    (small.path / "docs").mkdir()
    small.git("mv", "PRD.md", "docs/first plan.md")
    small.commit({}, "chore: move it")
    plan = small.read("docs/first plan.md")
    small.git("mv", "docs/first plan.md", "plan.md")
    small.commit({"plan.md": plan + "\nMore words.\n"}, "chore: move it again")
    assert unproven(capsys, "plan.md") == {}
    small.git("rm", "-q", "plan.md")
    small.commit({}, "chore: lose it")
    small.commit({"plan.md": "Quite other words, a lot of them.\n\n- [x] T1 one\n"}, "docs: begin anew")
    assert unproven(capsys, "plan.md") == {"T1": "ticked by hand"}


# ---------------------------------------------------------------- what became of it


def revert_but_keep_the_tick(repo: Repository, commit: str) -> str:
    repo.git("revert", "--no-commit", commit, check=False)  # the PRD may clash: it stays as it is
    repo.git("checkout", "-q", "HEAD", "--", "PRD.md")
    subject = repo.git("log", "-1", "--format=%s", commit)
    return repo.commit({}, f'Revert "{subject}"\n\nThis reverts commit {commit}.')


def test_reverted_with_its_tick_left(small: Repository, capsys: Capture) -> None:
    commit = small.git("rev-parse", "HEAD")
    by = revert_but_keep_the_tick(small, commit)
    found = tick(capsys, "T1")
    assert (found["standing"], found["reverted_by"], found["commit"]) == ("reverted", by, commit)
    assert "REVERTED, line 3: by COMMIT, which left its box ticked" in shown(capsys)


def test_a_revert_that_was_reverted_is_none(small: Repository, capsys: Capture) -> None:
    revert_but_keep_the_tick(small, small.git("rev-parse", "HEAD"))
    small.git("revert", "--no-edit", "HEAD")
    assert tick(capsys, "T1")["standing"] == "proven"


@pytest.mark.slow
def test_a_revert_is_known_after_a_rebase(small: Repository, capsys: Capture) -> None:
    revert_but_keep_the_tick(small, small.git("rev-parse", "HEAD"))
    small.git("switch", "-q", "-c", "other", "HEAD~2")
    small.commit({"other.txt": "x"}, "other work")
    small.git("switch", "-q", "main")
    small.git("rebase", "-q", "other")
    assert tick(capsys, "T1")["standing"] == "reverted"


def test_a_revert_of_another_commit_of_that_name_is_none(small: Repository, capsys: Capture) -> None:
    other = small.commit({"x.txt": "x"}, "feat: T1")
    small.git("revert", "--no-edit", other)
    assert tick(capsys, "T1")["standing"] == "proven"


def test_what_changed_since_is_told_and_no_failure(small: Repository, capsys: Capture) -> None:
    assert tick(capsys, "T1")["changed"] == []
    done(small, "T2")
    assert tick(capsys, "T1")["changed"] == []  # the PRD is ralph's paper
    by = small.commit({"T1.txt": "better\n"}, "fix: T1")
    small.git("rm", "-q", "T2.txt")
    gone = small.commit({}, "chore: tidy up")
    assert tick(capsys, "T1")["changed"] == [{"path": "T1.txt", "gone": False, "by": [by], "commits": 1}]
    assert tick(capsys, "T2")["changed"] == [{"path": "T2.txt", "gone": True, "by": [gone], "commits": 1}]
    assert (tick(capsys, "T1")["undone"], tick(capsys, "T2")["undone"]) == (False, True)
    assert unproven(capsys) == {}


@pytest.mark.slow
def test_work_beside_that_came_in_with_a_merge(small: Repository, capsys: Capture) -> None:
    small.git("switch", "-q", "-c", "beside", "HEAD~1")
    theirs = small.commit({"T1.txt": "theirs\n"}, "feat: beside")
    small.git("switch", "-q", "main")
    small.git("merge", "-q", "-X", "theirs", "--no-edit", "beside")
    assert tick(capsys, "T1")["changed"] == [{"path": "T1.txt", "gone": False, "by": [theirs], "commits": 1}]


# ---------------------------------------------------------------- the gates, now


def test_the_gates_here_and_in_a_fresh_checkout(small: Repository, capsys: Capture) -> None:
    small.commit({"ralph.toml": f'gate = ["{GATES}", "grep -q one PRD.md"]\n', ".gitignore": "helper\n"}, "gates")
    assert main(["audit", "--run-gates"]) == Exit.DONE
    small.commit({"ralph.toml": 'gate = ["test -f helper"]\n'}, "a gate that needs what git ignores")
    small.write({"helper": ""})
    found = audited(capsys, "--run-gates")["gates"]
    assert (found["ok"], found["fresh"], found["results"][0]["command"]) == (True, False, "test -f helper")
    capsys.readouterr()
    assert main(["audit", "--run-gates", "--fresh"]) == Exit.PARKED
    assert "RED  test -f helper" in capsys.readouterr().out
    assert small.git("worktree", "list").count("\n") == 0
    assert small.git("status", "--porcelain") == ""


def test_the_checks_of_what_is_ticked_are_gates(small: Repository, capsys: Capture) -> None:
    checked = small.read("PRD.md").replace("T1 one\n", "T1 one\n  - Check: `false`\n") + "  - Check: `exit 9`\n"
    small.commit({"PRD.md": checked, "ralph.toml": f'gate = ["{GATES}"]\n'}, "docs: checks")
    assert main(["audit", "--run-gates", "--json"]) == Exit.PARKED
    results = json.loads(capsys.readouterr().out)["gates"]["results"]
    assert [(one["command"], one["ok"]) for one in results] == [(GATES, True), ("false", False)]


def test_gates_here_say_what_they_saw_beside_the_commit(small: Repository, capsys: Capture) -> None:
    small.commit({"ralph.toml": f'gate = ["{GATES}"]\n'}, "gates")
    small.write({"T1.txt": "changed\n", "new.txt": ""})
    assert main(["audit", "--run-gates"]) == Exit.DONE
    assert "changes that are not committed, too: T1.txt, new.txt." in capsys.readouterr().out


def test_gates_do_not_run_beside_a_run(small: Repository, capsys: Capture) -> None:
    with small.held() as pid:
        assert main(["audit", "--run-gates"]) == Exit.REFUSED
        assert f"another ralph holds this checkout (pid {pid}" in capsys.readouterr().err
        assert main(["audit"]) == Exit.DONE
    assert lock.holder(small.path / ".git/ralph/lock") is None


def test_where_there_is_no_gate_nothing_is_called_green(small: Repository, capsys: Capture) -> None:
    assert main(["audit", "--run-gates"]) == Exit.REFUSED
    assert "no gates were found here" in capsys.readouterr().err
    assert main(["audit", "--fresh"]) == Exit.REFUSED


# ---------------------------------------------------------------- anything else


def test_a_prd_that_came_with_ticks(repo: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo.path)
    repo.write({"PRD.md": "- [x] one\n- [ ] two\n"})
    assert len(unproven(capsys)) == 1
    repo.commit({}, "docs: the PRD")
    assert list(unproven(capsys).values()) == [BEFORE]
    repo.write({"PRD.md": "- [ ] one\n- [ ] two\n"})
    assert main(["audit"]) == Exit.DONE
    assert capsys.readouterr().out == "PRD.md: no box is ticked.\n"


def test_before_the_first_commit(repo: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo.path)
    repo.git("update-ref", "-d", "HEAD")
    repo.write({"PRD.md": "- [x] one\n"})
    assert list(unproven(capsys).values()) == ["ticked by hand, in no commit yet"]


@pytest.mark.slow
def test_a_path_with_anything_in_it(small: Repository, capsys: Capture) -> None:
    name = "a 'b' \"c\" é*.md"
    small.git("mv", "PRD.md", name)
    small.commit({}, "chore: a good name")
    assert unproven(capsys, name) == {}


def test_long_histories_are_read_in_pieces(
    small: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "AT_ONCE", 3)
    small.commit({"PRD.md": "".join(f"- [ ] T{n} task\n" for n in range(8))}, "start")
    for n in range(8):
        done(small, f"T{n}", Task="" if n == 2 else f"T{n}")
    assert unproven(capsys) == {"T2": "ticked by hand"}
