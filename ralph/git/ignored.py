"""Ignored files of a work tree: no commit and no snapshot holds what an agent writes there.

A path that ends in `/` is a folder that is one entry: a result of a build, or a folder with very many files.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ralph.files import replace_file
from ralph.git.client import Git
from ralph.git.index import Stat, split_zero, stat_of
from ralph.git.restore import keep_newest, prune
from ralph.immutable import immutable

MOST = 5_000  # files of one ignored folder
MOST_NAMED = 500  # paths in one command
ROOTS = "roots.json"  # the paths that were moved away


@immutable
class IgnoredWork:
    """What an attempt did to ignored files."""

    new: tuple[str, ...] = ()  # written by it, or by an earlier one that was set aside
    forced: tuple[str, ...] = ()  # new, and put into the index with `git add -f`: they can be recorded
    protected: tuple[str, ...] = ()  # protected ones that were changed, removed or made
    programs: tuple[str, ...] = ()  # untracked programs of the gates that were changed or removed
    copies: Path = Path()  # the folder with the protected ones, and the programs, as they were


@immutable
class Names:
    """Which ignored paths are not looked at, and which folders are one entry."""

    is_left_out: Callable[[str], bool]
    is_built: Callable[[str], bool]


def stat_ignored(git: Git, listed: Sequence[str], names: Names) -> dict[str, Stat]:
    """Return the stat data of the ignored files. `listed` is git's list, in which a folder ends in `/`."""
    root = git.where.root
    paths = (path for entry in listed if entry not in git.unseen for path in _below(root, entry, names))
    return {path: stat for path in paths if (stat := stat_of(root / path)) is not None}


def _below(root: Path, entry: str, names: Names) -> list[str]:
    """Return the files of an entry, and the folders that are one."""
    if names.is_left_out(entry):
        return []
    if not entry.endswith("/") or names.is_built(entry):
        return [entry]
    found: list[str] = []
    for place, folders, files in os.walk(root / entry):
        if ".git" in (*folders, *files) or "pyvenv.cfg" in files:
            folders.clear()  # a repository of its own, or a virtual environment
            continue
        inside = os.path.relpath(place, root)
        below = [f"{inside}/{name}/" for name in folders if not names.is_left_out(f"{inside}/{name}/")]
        built = [path for path in below if names.is_built(path)]
        folders[:] = [path.split("/")[-2] for path in below if path not in built]
        found += [*built, *(path for name in files if not names.is_left_out(path := f"{inside}/{name}"))]
        if len(found) > MOST:
            return [entry]
    return found


def written_since(now: Iterable[str], before: Iterable[str]) -> tuple[str, ...]:
    """Return the paths that are new; not what is in a folder that was one entry before."""
    known = set(before)
    folders = tuple(path for path in known if path.endswith("/"))
    return tuple(path for path in now if path not in known and not path.startswith(folders))


def ignore_rules(git: Git, paths: Sequence[str]) -> dict[str, str]:
    """Return which rule ignores each path: path -> `.gitignore:1: lib/`."""
    data = b"".join(os.fsencode(f"./{path.rstrip('/')}") + b"\0" for path in paths)
    answer = git.repo("check-ignore", "-v", "-z", "--stdin", data=data, ok=(0, 1)).split(b"\0")
    rows = zip(*[map(os.fsdecode, answer)] * 4, strict=False)
    return {path.removeprefix("./"): f"{source}:{line}: {pattern}" for source, line, pattern, path in rows}


def staged_by_force(git: Git, paths: Sequence[str]) -> tuple[str, ...]:
    """Return those of the ignored paths that the user's index holds: `git add -f` put them there."""
    files = [path for path in paths if not path.endswith("/")]
    if len(files) > MOST_NAMED:
        wanted = set(files)
        return tuple(path for path in split_zero(git.repo("ls-files", "-z")) if path in wanted)
    return split_zero(git.repo("ls-files", "-z", "--", *files)) if files else ()


# ---------------------------------------------------------------- out of the way


def move_away(git: Git, paths: Iterable[str]) -> None:
    """Move files out of the work tree until `put_back`, which the next run calls if this one is killed."""
    folder, wanted = _folder(git), [path.rstrip("/") for path in paths]
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / ROOTS, json.dumps(wanted).encode())
    for path in wanted:
        _move(git.where.root / path, folder / "files" / path)
        prune(git.where.root, (git.where.root / path).parent)


def put_back(git: Git) -> None:
    """Put back what `move_away` moved, over what was written there meanwhile. Safe to repeat."""
    folder = _folder(git)
    with suppress(FileNotFoundError, ValueError):
        for path in json.loads((folder / ROOTS).read_bytes()):
            _move(folder / "files" / path, git.where.root / path)
    shutil.rmtree(folder, ignore_errors=True)


def _folder(git: Git) -> Path:
    return git.where.state / "aside"


def _move(source: Path, target: Path) -> None:
    """Move a file or folder, also to another file system. Do nothing if it is gone."""
    if not os.path.lexists(source):
        return
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target, ignore_errors=True)
    target.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(source, target)


# ---------------------------------------------------------------- protected files


def copy_files(git: Git, paths: Mapping[str, Stat], folder: Path, largest: int) -> None:
    """Copy files of at most `largest` bytes into a folder that only this user can read."""
    shutil.rmtree(folder, ignore_errors=True)
    for path, (size, *_) in paths.items():
        source, target = git.where.root / path, folder / path
        if size <= largest and source.is_file() and not source.is_symlink():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def is_changed(git: Git, path: str, before: Stat, folder: Path) -> bool:
    """Return whether a file differs from what it was: by its copy, or without one by its stat data."""
    now, copy = git.where.root / path, folder / path
    stat = stat_of(now)
    if stat == before or stat is None or not copy.is_file() or now.is_symlink():
        return stat != before
    return now.read_bytes() != copy.read_bytes()


def restore_protected(git: Git, work: IgnoredWork, trash: Path) -> None:
    """Give protected files and programs of gates the content that they had. Move what is there now to `trash`."""
    for path in (*work.protected, *work.programs):
        copy, there = work.copies / path, git.where.root / path
        if copy.is_file() or path in work.new:
            _move(there, trash / path)
        if copy.is_file():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(copy, there)
    keep_newest(trash.parent)
