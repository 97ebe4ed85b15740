"""`ralph report` and `ralph explain` in a repository in which ralph worked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ralph.cli.main import main
from ralph.cli.report_data import with_logs
from ralph.errors import Exit
from ralph.git.repository import discover
from ralph.state.events import GateRan
from ralph.state.report_model import AttemptRecord
from tests.conftest import Repository
from tests.helpers.demorepo import worked

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = worked(tmp_path_factory, tmp_path)
    monkeypatch.chdir(made.path)
    monkeypatch.setenv("COLUMNS", "100")
    return made


def shown(capsys: Capture, *words: str) -> str:
    assert main(list(words)) == Exit.DONE
    return capsys.readouterr().out


def test_the_report_of_the_last_run(here: Repository, capsys: Capture) -> None:
    text = shown(capsys, "report")
    for words in ("Report: PRD.md with your command", "3 done, 1 parked, 0 open", "4 times an agent said",
                  "ralph review T3", "T2 #1      rejected", "     3  a gate failed"):  # fmt: skip
        assert words in text
    assert "T4" in shown(capsys, "report", "--since", "9d")
    assert "- **tasks**: 3 done, 1 parked, 0 open" in shown(capsys, "report", "--markdown")


def test_json(here: Repository, capsys: Capture) -> None:
    found = json.loads(shown(capsys, "report", "--json"))
    assert found["tasks"] == {"done": 3, "parked": 1, "split": 0, "working": 0, "open": 0}
    assert (found["attempts"], found["false_claims"], found["running"]) == (7, 4, False)
    assert [one["state"] for one in found["rows"]] == ["done", "done", "parked", "done"]
    assert found["attempts_in_order"][1]["false_claim"] is True


def test_the_page_has_all_of_it_and_is_for_its_owner(
    here: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "FAILED (failures=1)")
    assert "Written: out.html" in shown(capsys, "report", "--html", "out.html")
    text = Path("out.html").read_text()
    for words in ("Its prompt", "Output of ", "AssertionError", "books.py | 2 +-", "[masked]", "</html>"):
        assert words in text
    assert "FAILED (failures=1)" not in text
    assert Path("out.html").stat().st_mode & 0o777 == 0o600
    assert [one.name for one in Path().glob(".out*")] == []


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--html", "a", "--json"), "are different reports"),
        (("--since", "soon"), "`--since soon` is no time"),
        (("--html", "no/such/folder.html"), "it can't be written: No such file or directory"),
    ],
)
def test_what_cannot_be_reported(here: Repository, capsys: Capture, words: tuple[str, ...], what: str) -> None:
    assert main(["report", *words]) == Exit.REFUSED
    assert what in capsys.readouterr().err


@pytest.mark.parametrize("command", [["report"], ["explain", "T1"]])
def test_before_the_first_run(
    repo: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    repo.write({"PRD.md": "- [ ] T1 x\n"})
    monkeypatch.chdir(repo.path)
    assert main(command) == Exit.REFUSED
    assert capsys.readouterr().err == "ralph: there was no run yet\n  Start one: `ralph`.\n"


# ---------------------------------------------------------------- explain


def test_a_lie_is_explained(here: Repository, capsys: Capture) -> None:
    text = shown(capsys, "explain", "T2")
    for words in ("done after 2 attempts", "ticked without work: Ticked without any", "It was tried again:",
                  "The agent said that it was done.", ": accepted", "  commit ", "books.py"):  # fmt: skip
        assert words in text


def test_a_parked_task_shows_what_its_gates_printed(here: Repository, capsys: Capture) -> None:
    found = json.loads(shown(capsys, "explain", "T3 Keep", "--json"))
    assert [one["step"] for one in found["steps"]] == ["attempt", "attempt", "attempt", "parked"]
    assert (found["task"], found["state"]) == ("T3", "parked")
    assert "FAILED (failures=1)" in found["steps"][2]["logs"][0]["tail"]
    assert found["steps"][2]["next"] == "It was left to a human."
    assert "books.py" in found["steps"][0]["stat"]


def test_the_logs_of_an_attempt_that_was_judged_twice(repo: Repository) -> None:
    place = discover(repo.path)
    folder = place.state / "runs/r"
    folder.mkdir(parents=True)
    for name in ("gate-1", "gate-2", "gate-1-base"):
        (folder / f"4.{name}.log").write_text(f"{name} says no\n")
    a, b, base = (GateRan(4, name, ok=False, base_tests=name == "base") for name in ("a", "b", "base"))
    gates = (a, b, a, b, base, GateRan(4, "gone", ok=False))
    one = with_logs(place, AttemptRecord("r", "PRD.md", 4, 1, "T1", "T1 x", gates=gates))
    assert dict(one.logs) == {"a": "gate-1 says no", "b": "gate-2 says no", "base": "gate-1-base says no"}


def test_no_secret_is_told(here: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "AssertionError")
    for words in (["explain", "T3"], ["explain", "T3", "--json"]):
        text = shown(capsys, *words)
        assert "[masked]" in text
        assert "AssertionError" not in text


def test_a_task_that_is_gone_from_the_prd_is_remembered(here: Repository, capsys: Capture) -> None:
    here.write({"PRD.md": "- [ ] T9 new\n"})
    assert "done after 1 attempt" in shown(capsys, "explain", "T1")
    assert main(["explain", "T9"]) == Exit.REFUSED
    assert "T9 was not tried yet" in capsys.readouterr().err
    assert main(["explain", "T77"]) == Exit.REFUSED
    assert "there is no task “T77”" in capsys.readouterr().err


def test_what_git_and_the_logs_forgot_is_left_out(here: Repository, capsys: Capture) -> None:
    for path in (here.path / ".git/ralph/runs").glob("*/*"):
        path.unlink()
    for name in here.git("for-each-ref", "--format=%(refname)", "refs/ralph").split():
        here.git("update-ref", "-d", name)
    text = shown(capsys, "explain", "T3")
    assert "parked after 3 attempts" in text
    assert "changed" not in text
