"""`ralph demo`: the whole loop on the example, with a scripted agent, in a temporary repository.

It needs no configuration, no HOME and no network, and checks the outcome.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ralph.cli.display.screen import Screen
from ralph.cli.output import say
from ralph.config import Settings, load
from ralph.errors import Exit, RalphError
from ralph.package_data import data
from ralph.state.events import Event, Judged, Parked, Recorded

INTRODUCTION = """\
A small Python project, four tasks in PRD.md, and an agent that follows a script: it does T1 well, lies about T2
and then does it, can't do T3, and does T4 well. The gate is the project's own tests.
"""
EXPLANATION = """\
What this showed:
  T1  was done: its work, its tick and its entry in CLAUDE.md are one commit.
  T2  was a lie at first: the agent ticked the box and had done nothing. ralph looked, put the box back, told the
      agent what it had found, and took the second attempt.
  T3  broke a test three times: it is parked with its reason in PRD.md, its work is kept in a ref, no tick.
  T4  does not depend on T3, so it was done all the same.
The tests are green at the tip of the branch, and `ralph audit` proves each tick from git alone."""


def demo(keep: str) -> int:
    """Run the demo, in the folder `keep` if it is given. Return 0. Raise RalphError if the outcome is wrong."""
    with _place(keep) as folder, _own_world():
        _make_repository(folder)
        say(INTRODUCTION)
        settings = load(folder, {"agent_command": _agent(), "gate": (_tests(),), "split": False})
        seen, code = _run(settings, folder)
        _look(folder, seen, code)
        say(f"\n{EXPLANATION}")
        if keep:
            say(f"The repository is in {folder}: look at it with `git log`, `ralph status`, `ralph logs T2`.")
    return Exit.DONE


def _run(settings: Settings, folder: Path) -> tuple[list[Event], int]:
    from ralph.engine import loop

    seen = list[Event]()
    with Screen(settings, folder / ".git/ralph") as screen:

        def tell(event: Event) -> None:
            seen.append(event)
            screen.tell(event)

        return seen, loop.run(settings, folder, tell, screen.beat)


# ---------------------------------------------------------------- the throw-away repository


@contextmanager
def _place(keep: str) -> Iterator[Path]:
    if not keep:
        with tempfile.TemporaryDirectory(prefix="ralph-demo-") as folder:
            yield Path(folder).resolve()
        return
    place = Path(keep).resolve()
    if place.exists() and any(place.iterdir()):
        raise RalphError("this folder is not empty", "Name a new one: `ralph demo --keep DIR`.", where=keep)
    place.mkdir(parents=True, exist_ok=True)
    yield place


@contextmanager
def _own_world() -> Iterator[None]:
    """Hide the user's git settings (signing, hooks, templates) while the demo runs."""
    ours = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        del os.environ[name]
    os.environ.update(ours)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _make_repository(folder: Path) -> None:
    for file in sorted((data("demo") / "project").iterdir()):
        if file.is_file():
            shutil.copyfile(file, folder / file.name)
    shutil.copyfile(data("PRD.example.md"), folder / "PRD.md")
    (folder / ".gitignore").write_text("__pycache__/\n")
    _git(folder, "init", "-q", "-b", "main")
    for setting in ("user.name=ralph demo", "user.email=demo@example.org"):
        _git(folder, "config", *setting.split("=", 1))
    _git(folder, "add", "-A")
    _git(folder, "commit", "-q", "-m", "a reading list")


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RalphError(f"`git {words[0]}` failed: {done.stderr.strip()}", "ralph needs git 2.31 or newer.")
    return done.stdout


def _agent() -> str:
    return shlex.join([sys.executable, "-I", str(data("demo") / "agent.py")])


def _tests() -> str:
    return f"{shlex.quote(sys.executable)} -m unittest -q"


# ---------------------------------------------------------------- check of the outcome


def _look(folder: Path, seen: list[Event], code: int) -> None:
    """Compare the outcome with the expected one. Raise RalphError with the first difference."""
    for expected, holds in _expectations(folder, seen, code):
        if not holds():
            cure = "Please report this with the lines above. `ralph demo --keep DIR` leaves the repository."
            raise RalphError(f"the demo did not go as it should: {expected}", cure, code=Exit.BUG)


def _expectations(folder: Path, seen: list[Event], code: int) -> list[tuple[str, Callable[[], bool]]]:
    text = (folder / "PRD.md").read_text()
    ticked = [task for task in ("T1", "T2", "T3", "T4") if f"- [x] {task} " in text]
    done = [event.task for event in seen if isinstance(event, Recorded)]
    parked = [event.task for event in seen if isinstance(event, Parked)]
    rejected = [event.n for event in seen if isinstance(event, Judged) and not event.accepted]
    proven = _git(folder, "log", "--format=%(trailers:key=Ralph-Task,valueonly,separator=%x20)").split()
    return [
        ("T1, T2 and T4 are done", lambda: done == ["T1", "T2", "T4"]),
        ("T3 is parked", lambda: parked == ["T3"] and "Parked:" in text),
        ("one lie and three broken attempts were rejected", lambda: len(rejected) == 4),
        ("the boxes of T1, T2 and T4 are ticked", lambda: ticked == ["T1", "T2", "T4"]),
        ("each tick has its commit", lambda: sorted(proven) == ["T1", "T2", "T4"]),
        ("nothing is left uncommitted", lambda: _git(folder, "status", "--porcelain") == ""),
        ("main is where it was", lambda: _git(folder, "log", "--format=%s", "main") == "a reading list\n"),
        ("the tests are green at the tip", lambda: _green(folder)),
        ("the exit code says that something is parked", lambda: code == Exit.PARKED),
    ]


def _green(folder: Path) -> bool:
    return subprocess.run(["sh", "-c", _tests()], cwd=folder, capture_output=True, check=False).returncode == 0
