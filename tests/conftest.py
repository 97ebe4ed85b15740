"""The seal: a home, an identity and dates of their own for every test. And a repository to work in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.helpers.receivers import Mail, Web, mail, web

DATE = "2026-01-02T03:04:05+00:00"
KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR", "CI", "RALPH_E2E_CLAUDE", "RALPH_E2E_CODEX",
        "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_TESTRUNUID", "VIRTUAL_ENV")  # fmt: skip
HOLDER = """
import sys
from pathlib import Path
from ralph.state import lock
with lock.hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

# The same examples each time, and no clock: this machine is shared. Others: --hypothesis-profile=search
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("daily", settings.get_profile("search"), derandomize=True, database=None)
settings.load_profile("daily")


def spread(cases: Iterable[Any], *, daily: int, ci: int = 1, ids: Callable[[Any], str] | None = None) -> list[Any]:
    """Cases as parameters: every `daily`th runs always, every `ci`th in CI (`slow`), the rest by hand (`long`)."""
    params = []
    for number, case in enumerate(cases):
        mark = None if number % daily == 0 else pytest.mark.slow if number % ci == 0 else pytest.mark.long
        values = case if isinstance(case, tuple) else (case,)
        params.append(pytest.param(*values, id=ids(case) if ids else None, marks=[mark] if mark else []))
    return params


def pytest_configure() -> None:
    """A shell starts programs in the background with SIGINT ignored, and so would each program of a test be."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of the machine's reaches a test: own HOME, no system config, one identity, one date."""
    home = tmp_path / "home"
    home.mkdir()
    for name in list(os.environ):
        if name not in KEPT:
            monkeypatch.delenv(name)
    settings = {"HOME": home, "XDG_CONFIG_HOME": home / ".config", "GIT_CONFIG_NOSYSTEM": "1", "TERM": "dumb",
                "TZ": "UTC", "GIT_AUTHOR_DATE": DATE, "GIT_COMMITTER_DATE": DATE, "COLUMNS": "100"}  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Ada Test\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n"
    )
    return home


@dataclass(frozen=True)
class Repository:
    """A repository for a test, with plain words for what tests do to it."""

    path: Path

    def git(self, *args: str, check: bool = True) -> str:
        done = subprocess.run(["git", *args], cwd=self.path, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"git {' '.join(args)}: {done.stderr}"
        return done.stdout.strip()

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def commit(self, files: Mapping[str, str | bytes], message: str = "change") -> str:
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def read(self, name: str) -> str:
        return (self.path / name).read_bytes().decode()

    def refs(self) -> list[str]:
        return self.git("for-each-ref", "--format=%(refname)").splitlines()

    def subjects(self, rev: str = "HEAD") -> list[str]:
        return self.git("log", "--format=%s", rev).splitlines()

    @contextmanager
    def held(self) -> Iterator[int]:
        """While another process holds ralph's lock here. Its pid."""
        argv = [sys.executable, "-c", HOLDER, str(self.path / ".git/ralph/lock")]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            other.stdout.readline()
            yield other.pid


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """An empty repository with one commit."""
    path = tmp_path / "repo"
    path.mkdir()
    made = Repository(path)
    made.git("init", "-q")
    made.commit({"README.md": "# A project\n"}, "start")
    return made


@pytest.fixture
def server() -> Iterator[Web]:
    with web() as box:
        yield box


@pytest.fixture
def letters() -> Iterator[Mail]:
    with mail() as box:
        yield box


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Twice the cores: half of a story's time is waiting for programs to start, to fall silent or to end."""
    config.option.dist = "worksteal"  # a story takes from 0.01 to 30 s
    return 2 * (os.cpu_count() or 1)
