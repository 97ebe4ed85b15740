"""Packages that a set-up installs outside of its worktree: detect them, and restore links.

An editable install there would make all the user's programs load a temporary worktree.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from ralph.git.checkout import away
from ralph.immutable import immutable
from ralph.verify.places.links import imports_from, outside

LARGEST = 1_000_000  # maximum bytes of a saved file


@immutable
class Packages:
    """A folder of installed packages: the state of each entry, and the files that are links to sources."""

    folder: Path
    entries: Mapping[str, tuple[int, int]]  # name -> inode, time of change
    links: Mapping[str, bytes]  # path in the folder -> content


def installed_packages(place: Path, env: Mapping[str, str]) -> tuple[Packages, ...]:
    """Return the package folders outside of the place into which a set-up there could install."""
    known = imports_from(outside(place, env), place, env)
    paths = [Path(path) for several in known.values() for path in several]
    folders = dict.fromkeys(
        path for path in paths if path.name in ("site-packages", "dist-packages") and path.is_dir()
    )
    return tuple(Packages(folder, _entries(folder), dict(_links(folder))) for folder in folders)


def _entries(folder: Path) -> dict[str, tuple[int, int]]:
    stats = ((path.name, path.lstat()) for path in folder.iterdir() if path.name != "__pycache__")
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in stats}


def _links(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files of editable installs, with the records that uninstall them."""
    for path in folder.iterdir():
        if path.suffix in (".pth", ".egg-link") or path.name.startswith(("__editable__", "_editable_")):
            yield from _content(path, folder)
        elif path.name.endswith(".dist-info") and b'"editable"' in _read(path / "direct_url.json"):
            for file in path.rglob("*"):
                yield from _content(file, folder)


def _content(file: Path, folder: Path) -> Iterator[tuple[str, bytes]]:
    if file.is_file() and file.stat().st_size <= LARGEST:
        yield str(file.relative_to(folder)), _read(file)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def changed(before: Packages) -> tuple[str, ...]:
    """Return the names of entries that came, went or were written since."""
    now = _entries(before.folder)
    return tuple(sorted(name for name in {*now, *before.entries} if now.get(name) != before.entries.get(name)))


def take_back(before: Packages, place: Path, names: tuple[str, ...]) -> bool:
    """Remove new entries and restore the links if the set-up installed its own folder or removed a link.

    Return whether it did. Packages of another version stay: the old one is gone.
    """
    tops = {path.partition("/")[0] for path in before.links}
    links_now = dict(_links(before.folder))
    lost = any(
        before.links[path] != links_now.get(path) for path in before.links if path.partition("/")[0] in names
    )
    if not (lost or any(_leads_to(before.folder / name, place) for name in names)):
        return False
    for name in names:
        if name in tops or name not in before.entries:
            away(before.folder / name)
    for path, content in before.links.items():
        if path.partition("/")[0] in names:
            (before.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (before.folder / path).write_bytes(content)
    with suppress(OSError):
        shutil.rmtree(before.folder / "__pycache__")
    return True


def _leads_to(entry: Path, place: Path) -> bool:
    """Return whether a link, or a record of an install, names the place."""
    texts = [entry] if entry.is_file() else [entry / "direct_url.json"]
    return any(str(place).encode() in _read(text) or str(place.resolve()).encode() in _read(text) for text in texts)
