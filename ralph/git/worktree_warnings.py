"""Reasons why tests give wrong results in a worktree although they pass in the checkout. Checked at startup."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ralph.git.client import Git
from ralph.git.config import read_config
from ralph.immutable import immutable

ENVIRONMENTS = (".venv", "venv", "env")
LARGEST = 1_000_000  # maximum bytes of a file that may contain paths
CURES = {
    "node_modules": '`[worktree] link = ["node_modules"]` in ralph.toml gives them this one; '
    "--setup 'npm ci' makes one for each.",
    ".venv": "--setup makes one in each worktree: --setup 'uv sync', or 'python -m venv .venv && ...'.",
    "venv": "--setup makes one in each worktree: --setup 'python -m venv venv && ...'.",
    "vendor": '`[worktree] link = ["vendor"]` in ralph.toml gives them this one; --setup makes one for each.',
    ".env": '`[worktree] copy = [".env"]` in ralph.toml gives each a copy.',
}  # name -> the cure if a worktree needs it


@immutable
class WorktreeWarning:
    """A problem and its cure."""

    what: str
    cure: str


@immutable
class EditableInstall:
    """A package that an environment loads from the checkout itself. `inside`: the environment's name in the
    checkout."""

    name: str
    environment: str
    active: bool = False
    inside: str = ""


@immutable
class WarningContext:
    """The relevant contents of a checkout and its environments."""

    editable: tuple[EditableInstall, ...] = ()
    untracked: tuple[str, ...] = ()  # keys of CURES


def find_warnings(
    git: Git, env: Mapping[str, str], setup: str, brought: Sequence[str]
) -> tuple[WorktreeWarning, ...]:
    """Return the warnings about this checkout. `brought` are the paths that worktrees get as links or copies."""
    return relevant_warnings(inspect_environment(git, env), setup, brought)


def relevant_warnings(seen: WarningContext, setup: str, brought: Sequence[str]) -> tuple[WorktreeWarning, ...]:
    """Return the relevant warnings: an environment used in worktrees, and files missing there."""
    have = {path.strip("/") for path in brought}
    used = [install for install in seen.editable if install.active or install.inside in have]
    missing = [name for name in seen.untracked if name not in have and not _made_by(setup, name)]
    return (*(_lies(install) for install in used), *(_is_missing(name) for name in missing))


def _made_by(setup: str, name: str) -> bool:
    """Return whether a set-up creates this file: it installs dependencies, but creates no file of secrets."""
    return name in setup if name == ".env" else bool(setup)


def _lies(install: EditableInstall) -> WorktreeWarning:
    return WorktreeWarning(
        f"{install.name} is installed in {install.environment} as a link to this checkout (editable): "
        "tests in a worktree may run this checkout's code instead of their own",
        "Let --setup make an environment in each worktree and let the gates use that, e.g. --setup 'python -m venv "
        ".venv && .venv/bin/pip install -e .' --gate '.venv/bin/python -m pytest'.",
    )


def _is_missing(name: str) -> WorktreeWarning:
    return WorktreeWarning(
        f"{name} is in this checkout, but git does not track it: worktrees do not have it", CURES[name]
    )


# ---------------------------------------------------------------- looking


def inspect_environment(git: Git, env: Mapping[str, str]) -> WarningContext:
    """Inspect the environments that may be used, and the top of the checkout."""
    root = git.where.root
    existing = [name for name in CURES if os.path.lexists(root / name)]
    tracked = git.tracked(git.sha("HEAD"), existing) if existing and git.sha("HEAD") else frozenset()
    return WarningContext(tuple(_editable(root, env)), tuple(name for name in existing if name not in tracked))


def _editable(root: Path, env: Mapping[str, str]) -> Iterator[EditableInstall]:
    named = env.get("VIRTUAL_ENV", "")
    active = Path(named).resolve() if named.startswith("/") else None
    places = {(root / name).resolve(): name for name in ENVIRONMENTS if (root / name).is_dir()}
    for place in dict.fromkeys([*([active] if active else []), *places]):
        inside = places.get(place, "")
        for name in sorted(_names(root.resolve(), place)):
            yield EditableInstall(name, inside or str(place), place == active, inside)


def _names(root: Path, environment: Path) -> set[str]:
    """Return the packages that this environment loads from the checkout."""
    return {
        name
        for packages in environment.glob("lib/python*/site-packages")
        for name in (*_by_record(root, environment, packages), *_by_path_file(root, environment, packages))
    }


def _by_record(root: Path, environment: Path, packages: Path) -> Iterator[str]:
    """Yield packages by the records of pip and uv."""
    for record in packages.glob("*.dist-info/direct_url.json"):
        with suppress(ValueError, AttributeError):
            content = json.loads(read_config(record))
            url = urlsplit(content["url"]) if content.get("dir_info", {}).get("editable") is True else None
            if url and url.scheme == "file" and _is_ours(root, environment, unquote(url.path)):
                yield _plain(record.parent.name)


def _by_path_file(root: Path, environment: Path, packages: Path) -> Iterator[str]:
    """Yield packages by their effect: a line of a `.pth` file, or the module that such a line imports."""
    for file in packages.glob("*.pth"):
        lines = _lines(file)
        finders = [
            packages / f"{line.split()[1].rstrip(';')}.py" for line in lines if line[:17] == "import __editable"
        ]
        quoted = [part for finder in finders for line in _lines(finder) for part in line.split("'")]
        if any(_is_ours(root, environment, path) for path in (*lines, *quoted) if path.startswith("/")):
            yield _plain(file.name.removeprefix("__editable__.").removesuffix(".pth"))


def _lines(file: Path) -> Iterable[str]:
    with suppress(OSError):
        if file.stat().st_size <= LARGEST:
            return [line.strip() for line in read_config(file).decode(errors="surrogateescape").splitlines()]
    return []


def _is_ours(root: Path, environment: Path, path: str) -> bool:
    """Return whether the path is in the checkout, but not in an environment there."""
    real = Path(path).resolve()
    return real.is_relative_to(root) and not real.is_relative_to(environment)


def _plain(name: str) -> str:
    """Normalize a name: `my_project-1.2.dist-info` and `_my_project` are my-project."""
    return name.partition("-")[0].strip("_").replace("_", "-")
