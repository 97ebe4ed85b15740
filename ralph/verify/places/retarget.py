"""A copy of another checkout, with every link to it retargeted to the copy for one run of a gate.

Nothing of the user's changes: the environment is only read. The copy's sources can be broken and restored: a gate
that fails then loads the other checkout.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ralph.git.checkout import away
from ralph.git.client import Git
from ralph.git.index import split_zero
from ralph.verify.places.links import PACKAGES, VARIABLES, Place, SourceLink, naming, path_entries
from ralph.verify.places.probe import sitecustomize

CACHES = frozenset({".git", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"})
THROW = 'throw new Error("ralph broke this copy to see who loads it");\n'
#: extension of a source file -> a text that fails when loaded, and that a place's linters never see
BROKEN = {
    ".py": 'raise RuntimeError("ralph broke this copy to see who loads it")\n',
    ".rb": 'raise "ralph broke this copy to see who loads it"\n',
    ".php": '<?php throw new Exception("ralph broke this copy to see who loads it");\n',
    ".pl": "die;\n", ".pm": "die;\n", ".sh": "exit 1\n",
    **dict.fromkeys((".js", ".cjs", ".mjs", ".jsx", ".ts", ".cts", ".mts", ".tsx"), THROW),
    **dict.fromkeys((".go", ".rs", ".java", ".kt", ".scala", ".groovy", ".c", ".cc", ".cpp", ".h", ".hpp", ".cs",
                     ".fs", ".swift", ".ex", ".exs", ".erl", ".jl", ".lua", ".hs", ".ml", ".vue", ".svelte"),
                    "ralph broke this copy to see who loads it\n"),
}  # fmt: skip


class Copy:
    """A copy of the other checkout in a folder of ralph's own."""

    def __init__(self, git: Git, place: Place, links: Sequence[SourceLink], folder: Path) -> None:
        """Make the copy. `git` is the place's own; paths that its commit does not have are linked."""
        away(folder)
        self.place, self.links, self._git = place, links, git
        self.root, self._overlay = folder.resolve() / place.other.name, folder.resolve() / "overlay"
        self._other = place.other.resolve()
        self.sources = [path for path in self._files() if path.suffix in BROKEN]
        for path in self._files():
            _copy(self._other / path, self.root / path)
        self._link_the_rest()
        self._overlay.mkdir()
        text = sitecustomize(str(self._other), str(self.root), (str(place.root.resolve()), str(self.root)))
        (self._overlay / "sitecustomize.py").write_text(text)

    def _files(self) -> list[Path]:
        """Return the tracked files of the checkout and, besides, the folders of a build that links lead to."""
        tracked = [Path(name) for name in split_zero(self._git.tree("ls-files", "-z"))]
        known, below = set(tracked), {parent for path in tracked for parent in path.parents}
        built = (link.target for link in self.links)
        loose = (target for target in built if target.relative_to(self._other) not in known | below)
        more = (file.relative_to(self._other) for target in loose for file in _walk(target))
        paths = dict.fromkeys((*tracked, *more))
        return [path for path in paths if (self._other / path).is_file()]

    def _link_the_rest(self) -> None:
        """Link what git ignores beside the sources: environments, packages, compiled modules."""
        for folder in sorted({parent for path in self._files() for parent in path.parents}):
            for entry in (self._other / folder).iterdir():
                target = self.root / folder / entry.name
                if entry.name in PACKAGES and entry.is_dir():
                    self._packages(entry, target)
                elif entry.name not in CACHES and not os.path.lexists(target):
                    target.symlink_to(entry)

    def _packages(self, folder: Path, target: Path) -> None:
        """Link the same packages, except links to sources: these lead to the copy."""
        target.mkdir(parents=True, exist_ok=True)
        every = path_entries(folder)
        nested = {entry.parent for entry in every} - {folder}
        for entry in every:
            to = target / entry.relative_to(folder)
            if entry in nested or os.path.lexists(to):
                continue
            to.parent.mkdir(parents=True, exist_ok=True)
            out = self.place.leads_out(entry) if entry.is_symlink() else None
            if out:
                to.symlink_to(self.root / out.relative_to(self._other))
            elif (
                entry.is_file() or entry == folder / "composer"
            ):  # a loader finds its project from its own location
                (shutil.copytree if entry.is_dir() else shutil.copy2)(entry, to)
            else:
                to.symlink_to(entry)

    def broken(self) -> None:
        """Break every source file of the copy."""
        for path in self.sources:
            (self.root / path).unlink()
            (self.root / path).write_text(BROKEN[path.suffix])

    def whole(self) -> None:
        """Restore the source files."""
        for path in self.sources:
            shutil.copyfile(self._other / path, self.root / path)

    # ------------------------------------------------------------ the links

    def moved(self, text: str) -> str:
        """Return a text with the paths of the other checkout replaced by the copy's."""
        for root in sorted({str(self.place.other), str(self._other)}, key=len, reverse=True):
            text = text.replace(f"{root}/", f"{self.root}/")
            text = f"{self.root}{text.removeprefix(root)}" if text == root else text
        return text

    def environment(self) -> dict[str, str]:
        """Return the environment of the gates, with links that lead to the copy."""
        env = {name: self._variable(name, value) for name, value in self.place.env.items()}
        paths = [str(self._overlay), *([env["PYTHONPATH"]] if env.get("PYTHONPATH") else [])]
        return {**env, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}

    def _variable(self, name: str, value: str) -> str:
        return os.pathsep.join(self.moved(part) for part in value.split(os.pathsep)) if name in VARIABLES else value

    @contextmanager
    def linked(self) -> Iterator[None]:
        """Redirect package folders and absolute paths of the place to the copy while the block runs."""
        names = {link.name for link in self.links}
        files = [self.place.root / name for name in naming(self._git, self.place) if name in names]
        folders = [self.place.root / name for name in self.place.brought if Path(name).name in PACKAGES]
        aside = [(folder, folder.with_name(f".{folder.name}.ralph")) for folder in folders if folder.is_dir()]
        old = {file: file.read_bytes() for file in files}
        try:
            for file, content in old.items():
                file.write_text(self.moved(content.decode(errors="surrogateescape")), errors="surrogateescape")
            for folder, backup in aside:
                folder.rename(backup)
                folder.symlink_to(self.root / folder.relative_to(self.place.root))
            yield
        finally:
            _put_back(old, aside)


def _put_back(old: Mapping[Path, bytes], aside: Iterable[tuple[Path, Path]]) -> None:
    for file, content in old.items():
        file.write_bytes(content)
    for folder, backup in aside:
        if os.path.lexists(backup):
            away(folder)
            backup.rename(folder)


def _walk(target: Path) -> Iterator[Path]:
    if target.is_file():
        yield target
    for folder, folders, files in os.walk(target):
        folders[:] = [name for name in folders if name not in CACHES and name not in PACKAGES]
        yield from (Path(folder) / name for name in files)


def _copy(source: Path, target: Path) -> None:
    """Copy a file as a new one, even if a link or a hard link exists at the target."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        shutil.copy2(source, target)
