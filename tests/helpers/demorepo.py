"""A repository in which ralph worked: the demo's, made once and copied for each test."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import Repository


def demo_once(factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """(its repository, what it printed); in an empty environment."""
    return _demo(factory.getbasetemp() / "demo" / "kept")


@cache
def _demo(place: Path) -> tuple[Path, str]:
    place.parent.mkdir()
    argv = [sys.executable, "-m", "ralph", "demo", "--keep", str(place)]
    done = subprocess.run(argv, cwd=place.parent, env={}, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return place, done.stdout


def worked(factory: pytest.TempPathFactory, place: Path) -> Repository:
    """A copy in which T1, T2 and T4 are done and T3 is parked."""
    return Repository(Path(shutil.copytree(demo_once(factory)[0], place / "worked", symlinks=True)))
