"""`ralph doctor`: in real repositories, well and unwell."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from ralph.cli.commands.doctor import finding_lines
from ralph.cli.main import main
from ralph.engine.doctor import DoctorFinding, of_system
from ralph.errors import Exit
from ralph.process import logout
from tests.conftest import Repository

Capture = pytest.CaptureFixture[str]


def levels(capsys: Capture, code: Exit) -> dict[str, str]:
    """The worst level of each thing that was looked at."""
    assert main(["doctor", "--json"]) == code
    return {one["what"]: one["level"] for one in json.loads(capsys.readouterr().out)}


@pytest.fixture
def here(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> Repository:
    repo.commit({"ralph.toml": 'agent-command = "true"\ngate = ["true"]\n'})
    monkeypatch.chdir(repo.path)
    return repo


def test_all_is_well(here: Repository, capsys: Capture) -> None:
    found = levels(capsys, Exit.DONE)
    well = ("system", "python", "git", "repository", "identity", "gates", "memory")
    assert {found[name] for name in well} == {"ok"}
    assert "leftovers" not in found


def test_what_keeps_a_run_from_working(here: Repository, capsys: Capture, sealed: Path) -> None:
    (sealed / ".gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")
    here.write({"CLAUDE.md": "<<<<<<< a\nx\n=======\ny\n>>>>>>> b\n", "ralph.toml": 'agent-command = "no-such"\n'})
    here.git("update-ref", "refs/heads/ralph-wip/r-1", "HEAD")
    here.write({".ralph/x": "of another tool"})
    found = levels(capsys, Exit.PARKED)
    assert [found[name] for name in ("identity", "memory", "agent")] == ["problem"] * 3
    assert [found[name] for name in ("gates", "leftovers")] == ["warning"] * 2


def test_tests_that_can_not_run(
    here: Repository, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A problem, unless the gates are set."""
    for name in ("git", "true"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    here.write({"package.json": '{"scripts": {"test": "node t.js"}}'})
    assert levels(capsys, Exit.DONE)["gates"] == "ok"
    here.write({"ralph.toml": 'agent-command = "true"\n'})
    assert levels(capsys, Exit.PARKED)["gates"] == "problem"


def test_what_does_not_hold_elsewhere_is_named() -> None:
    found = of_system("Darwin", "24.1.0")
    assert (found.level, found.said.split(":")[0]) == ("warning", "macOS, kernel 24.1.0")
    assert all(word in found.said for word in ("daemon", "/dev/tty", "sandbox"))


def test_a_login_that_takes_its_runs_along(
    here: Repository, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logout, "PROC", tmp_path)
    (tmp_path / str(os.getpid())).mkdir()
    (tmp_path / str(os.getpid()) / "cgroup").write_text("0::/user.slice/user-0.slice/session-2.scope\n")
    tool = tmp_path / "loginctl"
    for says, expected in (("yes", "warning"), ("no", None)):
        tool.write_text(f"#!/bin/sh\necho KillUserProcesses={says}\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        assert levels(capsys, Exit.DONE).get("logout") == expected


def test_outside_of_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    assert levels(capsys, Exit.PARKED)["repository"] == "problem"


def test_how_it_looks(snapshot: SnapshotAssertion) -> None:
    found = [DoctorFinding("ok", "git", "2.39.5"), DoctorFinding("warning", "tmux", "not found", "Install it."),
             DoctorFinding("problem", "identity", "git does not know who commits", "Tell it.")]  # fmt: skip
    assert "\n".join(finding_lines(found)) == snapshot
    assert list(finding_lines(found[:1] * 2))[-1] == "0 problems, 0 warnings."
