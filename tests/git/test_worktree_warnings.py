"""What makes tests lie in a worktree is found in real environments, and told where it matters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ralph.git.client import Git
from ralph.git.repository import discover
from ralph.git.worktree_warnings import (
    EditableInstall,
    WarningContext,
    find_warnings,
    inspect_environment,
    relevant_warnings,
)
from tests.conftest import Repository

PYTHON = f"lib/python3.{sys.version_info.minor}/site-packages"

PROJECT = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "my-project"
version = "1.0"
[tool.hatch.build]
dev-mode-dirs = ["src"]
"""


@pytest.fixture
def git(repo: Repository) -> Git:
    repo.commit({"src/my_project/__init__.py": "", ".gitignore": "node_modules/\n.venv/\nvendor/\n.env\n"})
    door = Git(discover(repo.path))
    door.freeze()
    return door


def record(environment: Path, url: str, editable: bool = True) -> None:
    """As `pip install -e` leaves it."""
    folder = environment / PYTHON / "my_project-1.0.dist-info"
    folder.mkdir(parents=True)
    info = {"editable": True} if editable else {}
    (folder / "direct_url.json").write_text(json.dumps({"url": url, "dir_info": info}))


def path_file(environment: Path, name: str, *lines: str) -> None:
    (environment / PYTHON).mkdir(parents=True, exist_ok=True)
    (environment / PYTHON / name).write_text("\n".join(lines))


def names(git: Git, env: dict[str, str] | None = None) -> set[str]:
    return {one.name for one in inspect_environment(git, env or {}).editable}


# ---------------------------------------------------------------- seen


def test_an_editable_install_of_this_checkout(git: Git, repo: Repository, tmp_path: Path) -> None:
    record(tmp_path / "elsewhere", f"file://{repo.path}")
    seen = inspect_environment(git, {"VIRTUAL_ENV": str(tmp_path / "elsewhere")})
    assert seen.editable == (EditableInstall("my-project", str(tmp_path / "elsewhere"), active=True),)
    assert inspect_environment(git, {}).editable == ()


@pytest.mark.parametrize(
    ("url", "editable", "found"),
    [
        ("file://{root}", True, True),
        ("file://{root}/packages/my%20one", True, True),
        ("file://{root}", False, False),
        ("file://{root}-other", True, False),
        ("https://example.org{root}", True, False),
        ("", True, False),
    ],
)
def test_which_records_count(git: Git, repo: Repository, url: str, editable: bool, found: bool) -> None:
    record(repo.path / ".venv", url.format(root=repo.path), editable)
    assert names(git) == ({"my-project"} if found else set())


@pytest.mark.parametrize(
    "content", ["", "no json", "[]", '{"url": 3, "dir_info": {"editable": true}}', '{"dir_info": 1}']
)
def test_a_record_that_is_none(git: Git, repo: Repository, content: str) -> None:
    record(repo.path / ".venv", "")
    (repo.path / ".venv" / PYTHON / "my_project-1.0.dist-info/direct_url.json").write_text(content)
    assert names(git) == set()


def test_path_files_as_setuptools_writes_them(git: Git, repo: Repository) -> None:
    venv = repo.path / "venv"
    path_file(venv, "__editable__.one-1.0.pth", f"{repo.path}/src")
    path_file(venv, "__editable__.two-1.0.pth", "import __editable___two_finder; __editable___two_finder.install()")
    path_file(venv, "__editable___two_finder.py", f"MAPPING: dict[str, str] = {{'two': '{repo.path}/src/two'}}")
    path_file(venv, "_three.pth", str(repo.path))
    path_file(venv, "four.pth", "/usr/lib", "relative", "import os", str(venv / PYTHON / "inner"))
    path_file(venv, "five.pth", "import __editable___gone_finder; __editable___gone_finder.install()")
    assert names(git) == {"one", "two", "three"}


@pytest.mark.slow
def test_what_a_real_pip_leaves(git: Git, repo: Repository) -> None:
    hatchling = pytest.importorskip("hatchling.build")
    repo.write({"pyproject.toml": PROJECT})
    subprocess.run([sys.executable, "-m", "venv", str(repo.path / ".venv")], check=True)
    words = ("install", "-q", "--no-index", "--no-build-isolation", "--no-deps", "-e", str(repo.path))
    env = {**os.environ, "PYTHONPATH": str(Path(hatchling.__file__).parents[1])}
    subprocess.run([repo.path / ".venv/bin/pip", *words], check=True, env=env)
    assert names(git) == {"my-project"}


def test_what_git_does_not_track(git: Git, repo: Repository) -> None:
    repo.write({"node_modules/x.js": "", ".env": "", "vendor/lib.go": ""})
    assert inspect_environment(git, {}).untracked == ("node_modules", "vendor", ".env")
    repo.git("add", "-f", "vendor")
    repo.git("commit", "-qm", "vendored")
    assert inspect_environment(git, {}).untracked == ("node_modules", ".env")


# ---------------------------------------------------------------- told

MINE = EditableInstall("mine", ".venv", inside=".venv")
ACTIVE = EditableInstall("mine", "/opt/env", active=True)


@pytest.mark.parametrize(
    ("seen", "setup", "brought", "about"),
    [
        (WarningContext(), "", [], []),
        (WarningContext((ACTIVE,)), "", [], ["mine is installed in /opt/env"]),
        (WarningContext((ACTIVE,)), "make", [], ["mine is installed in /opt/env"]),
        (WarningContext((MINE,)), "", [], []),
        (WarningContext((MINE,), (".venv",)), "", [], [".venv is in this checkout"]),
        (WarningContext((MINE,), (".venv",)), "", [".venv/"], ["mine is installed in .venv"]),
        (WarningContext((MINE,), (".venv",)), "uv sync", [], []),
        (WarningContext((), ("node_modules", ".env")), "", ["node_modules"], [".env is in this checkout"]),
        (WarningContext((), ("node_modules", ".env")), "npm ci", [], [".env is in this checkout"]),
        (WarningContext((), ("node_modules", ".env")), "npm ci && cp .env.example .env", [], []),
    ],
)
def test_what_is_told(seen: WarningContext, setup: str, brought: list[str], about: list[str]) -> None:
    traps = relevant_warnings(seen, setup, brought)
    assert len(traps) == len(about)
    assert all(trap.what.startswith(start) for trap, start in zip(traps, about, strict=True))
    assert all(trap.cure for trap in traps)


def test_all_of_it_at_once(git: Git, repo: Repository) -> None:
    repo.write({"node_modules/x.js": ""})
    record(repo.path / ".venv", f"file://{repo.path}")
    env = {"VIRTUAL_ENV": str(repo.path / ".venv")}
    assert [trap.what.split()[0] for trap in find_warnings(git, env, "", ())] == [
        "my-project",
        "node_modules",
        ".venv",
    ]
    assert [trap.what.split()[0] for trap in find_warnings(git, {}, "make", ())] == []
