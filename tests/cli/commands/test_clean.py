"""`ralph clean`: what is over goes; what somebody needs stays, whatever is asked for."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from ralph.cli.main import main
from ralph.errors import Exit
from ralph.git.client import Git
from ralph.git.repository import discover
from ralph.git.worktrees import WorktreePool, cache_folder
from ralph.state.events import RunEnded, RunStarted
from ralph.state.journal import open_for
from tests.conftest import Repository
from tests.helpers.demorepo import worked

Capture = pytest.CaptureFixture[str]
OLD, GONE = "20250101-010101-aaaa", "20250102-010101-bbbb"


@pytest.fixture
def here(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A run that is over, of today: T3 is parked. And what is left of one that was long ago."""
    made = worked(tmp_path_factory, tmp_path)
    monkeypatch.chdir(made.path)
    for name in (f"{OLD}/1/work", f"{OLD}/2/gates", f"{OLD}/saved/heads/mine"):
        made.git("update-ref", f"refs/ralph/{name}", "HEAD")
    state = made.path / ".git/ralph"
    for path in (state / "runs" / OLD / "1.log", state / "trash/1/x", state / "bug-1.log"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("old\n" * 5000)
        for one in (path, path.parent):
            os.utime(one, (1e9, 1e9))
    return made


def cleaned(capsys: Capture, *words: str) -> tuple[set[str], list[str]]:
    """(what went, by the last two parts of its name; what is said to stay)."""
    capsys.readouterr()
    assert main(["clean", "--json", *words]) == Exit.DONE
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert all(item["removed"] is not said["dry_run"] for item in said["items"])
    return {"/".join(item["name"].split("/")[-2:]) for item in said["items"]}, said["kept"]


def kept_refs(repo: Repository) -> set[str]:
    return {name.removeprefix("refs/ralph/") for name in repo.refs() if name.startswith("refs/ralph/")}


def unfinished(folder: Path, run: str) -> None:
    """A journal that tells of a run which did not end."""
    kept, _, _ = open_for(folder / "journal.jsonl", run)
    kept.write(RunStarted(run, "main", "main", "c0", "PRD.md", "claude"))
    kept.close()


def test_what_is_long_over_goes(here: Repository, capsys: Capture) -> None:
    today = {name for name in kept_refs(here) if not name.startswith(OLD)}
    gone, _ = cleaned(capsys)
    assert gone == {"1/work", "2/gates", f"runs/{OLD}", "trash/1", "ralph/bug-1.log"}
    assert kept_refs(here) == {*today, f"{OLD}/saved/heads/mine"}
    assert cleaned(capsys) == (
        set(),
        ["3 attempts at tasks that wait for you (`ralph review`) or are gone on with"],
    )


def test_all_leaves_what_a_parked_task_needs(here: Repository, capsys: Capture) -> None:
    (review,) = (here.path / ".git/ralph/review").glob("*.md")
    named = set(re.findall(r"refs/ralph/([^`\s]+)", review.read_text()))
    assert named
    numbers = {name.split("/")[1] for name in named}
    cleaned(capsys, "--all")
    assert kept_refs(here) == named
    for name in ("T3", "T1"):
        expected = Exit.DONE if name == "T3" else Exit.REFUSED
        assert main(["logs", name]) == expected
    kept = {path.name.partition(".")[0] for path in (here.path / ".git/ralph/runs").glob("*/*")}
    assert kept == numbers
    assert main(["review", "T3"]) == main(["report"]) == Exit.DONE


def test_what_is_parked_no_more_is_over(here: Repository, capsys: Capture) -> None:
    here.write({"PRD.md": here.read("PRD.md").replace("[ ] T3", "[x] T3")})
    cleaned(capsys, "--all")
    assert kept_refs(here) == set()


def test_a_review_file_protects_what_it_names_where_the_journal_is_lost(here: Repository, capsys: Capture) -> None:
    named = set(re.findall(r"refs/ralph/([^`\s]+)", here.read(".git/ralph/review/T3.md")))
    (here.path / ".git/ralph/journal.jsonl").unlink()
    cleaned(capsys, "--all")
    assert kept_refs(here) == named


def test_dry_run_lists_and_leaves(here: Repository, capsys: Capture, snapshot: SnapshotAssertion) -> None:
    refs = kept_refs(here)
    assert main(["clean", "--dry-run"]) == Exit.DONE
    shown = re.sub(r"(?m)^ *\d+d ", "   AGE ", capsys.readouterr().out.replace(str(here.path), "REPO"))
    assert re.sub(r"\d+ kB", "SIZE", shown) == snapshot
    assert kept_refs(here) == refs
    assert (here.path / ".git/ralph/runs" / OLD).is_dir()


def test_a_run_that_did_not_end_loses_nothing(here: Repository, capsys: Capture) -> None:
    unfinished(here.path / ".git/ralph", OLD)
    pool = WorktreePool(Git(discover(here.path)), cache_folder(dict(os.environ)))
    (pool.folder / "1/worked/x").mkdir(parents=True)
    gone, kept = cleaned(capsys, "--all")
    assert not {name for name in gone if "trash" in name or OLD in name or name in ("1/work", "2/gates")}
    assert {f"{OLD}/1/work", f"{OLD}/2/gates", f"{OLD}/saved/heads/mine"} <= kept_refs(here)
    assert (pool.folder / "1/worked/x").is_dir()
    assert f"everything of {OLD}, which did not end, and the worktrees" in kept


def test_a_run_of_another_checkout_that_did_not_end(here: Repository, capsys: Capture) -> None:
    """They share their refs."""
    here.git("worktree", "add", "-q", "../other")
    (folder,) = (here.path / ".git/worktrees").iterdir()
    unfinished(here.path / ".git/ralph/worktrees" / folder.name, OLD)
    cleaned(capsys, "--all")
    assert f"{OLD}/1/work" in kept_refs(here)


def test_worktrees_by_their_last_use(here: Repository, capsys: Capture) -> None:
    pool = WorktreePool(Git(discover(here.path)), cache_folder(dict(os.environ)))
    for number, age in ((1, 1e9), (2, time.time())):
        place = pool.folder / str(number)
        (place / "worked").mkdir(parents=True)
        (place / "worked").chmod(0o500)
        index = pool.repo(number).state / "git/index"
        index.parent.mkdir(parents=True)
        index.touch()
        for one in (place, index):
            os.utime(one, (age, age))
    assert {name for name in cleaned(capsys)[0] if name.startswith(pool.folder.name)} == {f"{pool.folder.name}/1"}
    assert [path.name for path in pool.folder.iterdir()] == ["2"]
    cleaned(capsys, "--all")
    assert not pool.folder.exists()
    assert list((here.path / ".git/ralph/worktrees").iterdir()) == []


def test_links_are_not_followed(here: Repository, capsys: Capture, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "file").write_text("mine")
    runs = here.path / ".git/ralph/runs"
    (runs / GONE).symlink_to(mine)
    (runs / OLD / "link").symlink_to(mine)
    cleaned(capsys, "--all")
    assert (mine / "file").read_text() == "mine"
    runs.rename(runs.with_name("runs-before"))
    runs.symlink_to(mine)
    cleaned(capsys, "--all")
    assert (mine / "file").read_text() == "mine"


def test_not_while_a_run_goes_on(here: Repository, capsys: Capture) -> None:
    refs = kept_refs(here)
    with here.held() as pid:
        assert main(["clean", "--all"]) == Exit.REFUSED
        assert f"another ralph holds this checkout (pid {pid}" in capsys.readouterr().err
    assert kept_refs(here) == refs


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--older-than", "soon"], "`--older-than soon` is no time"),
        (["--older-than", "500d"], ""),
    ],
)
def test_ages(here: Repository, capsys: Capture, words: list[str], said: str) -> None:
    code = main(["clean", *words])
    shown = capsys.readouterr()
    assert (code, shown.err.partition("\n")[0]) == ((Exit.REFUSED, f"ralph: {said}") if said else (Exit.DONE, ""))
    assert f"{OLD}/1/work" in kept_refs(here) or not said


def test_a_damaged_journal_tells_nothing(here: Repository, capsys: Capture) -> None:
    path = here.path / ".git/ralph/journal.jsonl"
    path.write_bytes(b"broken\n" + path.read_bytes())
    assert main(["clean", "--all"]) == Exit.REFUSED
    assert "a journal is damaged" in capsys.readouterr().err


def test_where_ralph_never_was(repo: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo.path)
    assert main(["clean"]) == Exit.REFUSED
    assert not (repo.path / ".git/ralph").exists()


def test_a_run_that_ended_is_over(here: Repository, capsys: Capture) -> None:
    unfinished(here.path / ".git/ralph", OLD)
    kept, _, _ = open_for(here.path / ".git/ralph/journal.jsonl", OLD)
    kept.write(RunEnded(0, "done"))
    kept.close()
    assert "1/work" not in cleaned(capsys)[0]  # it was heard of just now
    assert "1/work" in cleaned(capsys, "--all")[0]
