"""Links from an environment into another checkout, which make tests in a worktree load the other's sources.

An editable install, `PYTHONPATH` and similar variables, a linked package folder in `node_modules` or `vendor`, an
absolute path in a tracked file. The only programs run here are the interpreters, which report their import paths.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from shutil import which

from ralph.git.client import Git
from ralph.git.index import split_zero
from ralph.immutable import immutable
from ralph.verify.places.probe import PROBE

ENVIRONMENTS = (".venv", "venv", "env")
PACKAGES = ("node_modules", "vendor")
#: where programs search for sources besides their own folder
VARIABLES = (
    "PYTHONPATH", "MYPYPATH", "NODE_PATH", "GOWORK", "GOFLAGS", "GOPATH", "RUBYLIB", "RUBYOPT", "BUNDLE_GEMFILE",
    "PERL5LIB", "CLASSPATH", "ERL_LIBS", "LUA_PATH", "JULIA_LOAD_PATH", "CPATH", "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PKG_CONFIG_PATH", "RUSTFLAGS",
)  # fmt: skip
TEXTS = (".md", ".rst", ".txt", ".log", ".lock")  # may contain paths, but load no code through them
PATIENCE = 20.0  # seconds for an interpreter to answer


@immutable
class SourceLink:
    """A link into another checkout: its display name, and the folder or file that it leads to."""

    name: str
    target: Path


@immutable
class Place:
    """The folder of the gates, and the other checkout that they may load. `brought` are its links and copies."""

    here: Path  # where gates start
    root: Path
    other: Path
    brought: tuple[str, ...]
    env: Mapping[str, str]

    def leads_out(self, path: str | Path) -> Path | None:
        """Return the real path if it lies in the other checkout and not in this place; else None."""
        real, root = Path(os.path.realpath(path)), self.other.resolve()
        if not real.is_relative_to(root) or real.is_relative_to(self.root.resolve()):
            return None
        hidden = {".git", "site-packages", "dist-packages", *PACKAGES} & set(real.relative_to(root).parts)
        return None if hidden else real


def find_links(git: Git, place: Place, commands: Sequence[str]) -> tuple[SourceLink, ...]:
    """Return the links from this place, its environment and these gates into the other checkout."""
    every = (
        *_variables(place), *_commands(place, commands), *_packages(place), *_tracked(git, place),
        *_python(place, commands),
    )  # fmt: skip
    return tuple(dict.fromkeys(every))


def _variables(place: Place) -> Iterator[SourceLink]:
    for name in VARIABLES:
        for target in _named(place.env.get(name, ""), place):
            yield SourceLink(name, target)


def _commands(place: Place, commands: Sequence[str]) -> Iterator[SourceLink]:
    for command in commands:
        for target in _named(command, place):
            yield SourceLink(f"the gate `{command}`", target)


def _named(text: str, place: Place) -> Iterator[Path]:
    """Yield the paths in a text that lead into the other checkout, but not into an environment there."""
    for root in {str(place.other), str(place.other.resolve())}:
        for match in re.finditer(re.escape(root) + r"(?![\w.-])([^\s:;'\"]*)", text):
            target = place.leads_out(root + match[1])
            if target and not _in_environment(target, place.other):
                yield target


def _in_environment(path: Path, root: Path) -> bool:
    return any((folder / "pyvenv.cfg").exists() for folder in path.parents if folder.is_relative_to(root.resolve()))


def _packages(place: Place) -> Iterator[SourceLink]:
    """Yield package folders that a linked folder takes from the other checkout. PHP's autoloader finds its project
    from the real location of `vendor`."""
    for name in place.brought:
        folder = place.root / name
        for entry in path_entries(folder):
            if entry.is_symlink() and (target := place.leads_out(entry)):
                yield SourceLink(f"{name}/{entry.relative_to(folder)}", target)
        if (folder / "autoload.php").exists() and folder.resolve().is_relative_to(place.other.resolve()):
            yield SourceLink(f"{name}/autoload.php", place.other.resolve())


def path_entries(folder: Path) -> list[Path]:
    """Return the packages of `node_modules` or `vendor`; those of a scope or vendor one by one."""
    if folder.name not in PACKAGES or not folder.is_dir():
        return []
    top = sorted(folder.iterdir())
    nested = [path for path in top if path.is_dir() and not path.is_symlink()
              and (path.name.startswith("@") or folder.name == "vendor")]  # fmt: skip
    return [*top, *(below for path in nested for below in sorted(path.iterdir()))]


def _tracked(git: Git, place: Place) -> Iterator[SourceLink]:
    """Yield tracked files with an absolute path: go.mod, Cargo.toml, Gemfile, composer.json, pytest's `pythonpath`
    ..."""
    for name in naming(git, place):
        with suppress(OSError):
            text = (place.root / name).read_text("utf-8", "replace")
            for target in _named(text, place):
                yield SourceLink(name, target)


def naming(git: Git, place: Place) -> list[str]:
    """Return the tracked files of the place that contain the path of the other checkout."""
    roots = {str(place.other), str(place.other.resolve())}
    patterns = [word for root in sorted(roots) for word in ("-e", root)]
    names = split_zero(git.tree("grep", "-I", "-l", "-z", "-F", *patterns, "--", ok=(0, 1)))
    return [name for name in names if not name.endswith(TEXTS)]


# ---------------------------------------------------------------- Python


def _python(place: Place, commands: Sequence[str]) -> Iterator[SourceLink]:
    for python, paths in imports_from(_interpreters(place, commands), place.here, place.env).items():
        for path in paths:
            if target := place.leads_out(path):
                yield SourceLink(f"an editable install in {python}", target)


def _interpreters(place: Place, commands: Sequence[str]) -> Iterator[str]:
    """Yield the interpreters that gates may use: those in the place, the active one, those on PATH, those named."""
    active = place.env.get("VIRTUAL_ENV", "")
    folders = [*(place.root / name for name in ENVIRONMENTS), *([Path(active)] if active.startswith("/") else [])]
    yield from (str(folder / "bin/python") for folder in folders if (folder / "bin/python").exists())
    path = place.env.get("PATH")
    for word in ("python", "python3", *_words(commands)):
        if program := which(word, path=path) if "/" not in word else _executable(place.here / word):
            yield from _interpreter_of(Path(program))


def outside(place: Path, env: Mapping[str, str]) -> list[str]:
    """Return the interpreters that a set-up may install into though they are not in its worktree."""
    names = [*([f"{env['VIRTUAL_ENV']}/bin/python"] if env.get("VIRTUAL_ENV") else []), "python", "python3"]
    programs = dict.fromkeys(which(name, path=env.get("PATH")) for name in names)
    return [program for program in programs if program and not Path(program).is_relative_to(place)]


def _words(commands: Iterable[str]) -> Iterator[str]:
    for command in commands:
        with suppress(ValueError):
            yield from (word for word in shlex.split(command) if re.fullmatch(r"[\w./+~-]+", word))


def _executable(path: Path) -> str:
    return str(path) if path.is_file() and os.access(path, os.X_OK) else ""


def _interpreter_of(program: Path) -> Iterator[str]:
    """Yield a program that is an interpreter, or the one in a script's first line."""
    if re.fullmatch(r"(python|pypy)[\d.]*", program.name):
        yield str(program)
        return
    with suppress(OSError), program.open("rb") as file:
        first = file.readline(500).decode(errors="replace")
        if first.startswith("#!/") and re.search(r"/(python|pypy)[\d.]*\s*$", first):
            yield first[2:].strip()


def imports_from(pythons: Iterable[str], here: Path, env: Mapping[str, str]) -> dict[str, list[str]]:
    """Return for each interpreter its import paths, without PYTHONPATH; [] if it does not answer.

    All run at the same time: pyenv's takes 60 ms to start.
    """
    environment = {name: value for name, value in env.items() if name != "PYTHONPATH"}
    processes = {python: _ask(python, here, environment) for python in dict.fromkeys(pythons)}
    deadline = time.monotonic() + PATIENCE
    return {python: _answer(process, deadline) for python, process in processes.items()}


def _ask(python: str, here: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
    try:
        return subprocess.Popen(
            [python, "-c", f"{PROBE}\nprint(json.dumps(known()))"], cwd=here, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return None


def _answer(process: subprocess.Popen[bytes] | None, deadline: float) -> list[str]:
    if process is None:
        return []
    with process:
        try:
            out, _ = process.communicate(timeout=max(0.0, deadline - time.monotonic()))
            return [str(path) for path in json.loads(out.splitlines()[-1])]
        except (subprocess.TimeoutExpired, ValueError, IndexError):
            process.kill()
            return []
