"""`ralph demo`, from a checkout and from the built wheel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from ralph.cli.commands import demo
from ralph.cli.main import main
from ralph.errors import Exit, RalphError
from ralph.state.events import Event, Judged, Parked, Recorded
from tests.helpers.demorepo import demo_once, worked

ROOT = Path(__file__).parents[3]


def steady(text: str) -> str:
    """Without what differs from run to run: times, commits, places."""
    text = re.sub(r"\d\d:\d\d:\d\d ", "", text).replace(sys.executable, "python")
    text = re.sub(r"\d+\.\d+s|\d+s", "TIME", text)
    text = re.sub(r"about [\d.]+k? tokens", "about N tokens", text)
    text = re.sub(r"\d{8}-\d{6}-[0-9a-f]{4}", "RUN", text)
    return re.sub(r"/\S*kept", "PLACE", re.sub(r"\b[0-9a-f]{7}\b", "COMMIT", text))


def test_what_it_shows(tmp_path_factory: pytest.TempPathFactory, snapshot: SnapshotAssertion) -> None:
    assert steady(demo_once(tmp_path_factory)[1]) == snapshot


def test_it_leaves_nothing_behind(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "ralph", "demo"]
    place = tmp_path / "place"
    place.mkdir()
    env = {"TMPDIR": str(place)}
    done = subprocess.run(argv, cwd=place, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(place.iterdir()) == []


def test_it_does_not_depend_on_the_users_git(tmp_path: Path, sealed: Path) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    (sealed / ".gitconfig").write_text(
        f"[commit]\n\tgpgsign = true\n[core]\n\thooksPath = {hooks}\n\tautocrlf = true\n"
        "[init]\n\tdefaultBranch = other\n"
    )
    argv = [sys.executable, "-m", "ralph", "demo"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_folder_in_use_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--keep", "."]) == Exit.REFUSED
    assert "this folder is not empty" in capsys.readouterr().err


@pytest.mark.parametrize("lie", ["tick T3", "dirty", "main moved", "red", "code", "not parked"])
def test_it_looks_whether_it_went_well(lie: str, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    repo = worked(tmp_path_factory, tmp_path)
    seen: list[Event] = [
        Recorded(1, "T1", "a"),
        Recorded(3, "T2", "b"),
        Parked("T3", "", ""),
        Recorded(7, "T4", "c"),
    ]
    rejected = [Judged(n, False, "w") for n in (2, 4, 5, 6)]
    demo._look(repo.path, [*seen, *rejected], Exit.PARKED)
    spoil: dict[str, Callable[[], object]] = {
        "tick T3": lambda: repo.write({"PRD.md": repo.read("PRD.md").replace("[ ] T3", "[x] T3")}),
        "dirty": lambda: repo.write({"more.txt": "more"}),
        "main moved": lambda: repo.git("update-ref", "refs/heads/main", "HEAD"),
        "red": lambda: repo.commit({"books.py": "no python"}),
        "code": lambda: None,
        "not parked": lambda: seen.pop(2),
    }
    spoil[lie]()
    with pytest.raises(RalphError, match="did not go as it should"):
        demo._look(repo.path, [*seen, *rejected], Exit.DONE if lie == "code" else Exit.PARKED)


def test_the_wheel_holds_it_all_and_runs_it(tmp_path: Path) -> None:
    alone = ["--no-isolation"] if find_spec("hatchling") else []
    argv = [sys.executable, "-m", "build", "--wheel", *alone, "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("ralph-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        packed.extractall(tmp_path / "site")
    assert {"ralph/data/PRD.example.md", "ralph/data/demo/agent.py", "ralph/data/demo/project/books.py"} <= names
    assert {f"ralph/data/{one.relative_to(ROOT)}" for one in (ROOT / "templates").rglob("*.*")} <= names
    assert not [name for name in names if not name.startswith(("ralph/", "ralph-"))]
    env = {"PYTHONPATH": str(tmp_path / "site"), "TMPDIR": str(tmp_path)}
    where = "import ralph; print(ralph.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert found.stdout.startswith(str(tmp_path / "site")), "the checkout would be tested, not the wheel"
    argv = [sys.executable, "-m", "ralph", "demo"]
    ran = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert os.fspath(tmp_path) not in ran.stdout.replace(sys.executable, "")
