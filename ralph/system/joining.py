"""Three versions of a tree become one: what an attempt changed, on top of what came in meanwhile.

Path by path, without a work tree and without guessing at renames: a path that only one side changed is that side's,
a text that both changed is merged by git, and where that needs a human it is a clash.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ralph.model import Change
from ralph.system.git import Git
from ralph.system.snapshot import tree_with

CONFLICTS = range(1, 128)  # exit codes of `git merge-file`: so many conflicts
LABELS = ("the attempt", "where it began", "what came in meanwhile")
Entry = tuple[str, str]  # mode and blob, as `tree_with` takes them


@dataclass(frozen=True, slots=True)
class Clash:
    """A path that both sides changed in ways that do not fit. `text` shows both, where it is a text."""

    path: str
    why: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """The tree of both, or what stands against it."""

    tree: str
    clashes: tuple[Clash, ...] = ()


def join(git: Git, base: str, work: str, tip: str, leave: Iterable[str] = ()) -> Joined:
    """What changed from `base` to `work` (trees or commits), on top of `tip`. Paths in `leave` are the tip's."""
    left = set(leave)
    mine = {one.path: one for one in git.changes(base, work) if one.path not in left}
    if git.tree_of(base) == git.tree_of(tip):
        theirs = {}
    else:
        theirs = {one.path: one for one in git.changes(base, tip) if one.path not in left}
    clashes = _in_the_way(mine, theirs)
    entries = {path: _entry(one) for path, one in mine.items() if path not in theirs}
    for path in mine.keys() & theirs.keys():
        result = _both(git, mine[path], theirs[path])
        if isinstance(result, Clash):
            clashes.append(result)
        else:
            entries[path] = result
    return Joined("", tuple(clashes)) if clashes else Joined(tree_with(git, tip, entries))


def _entry(change: Change) -> Entry:
    return (change.new_mode, change.new_blob if change.new_blob.strip("0") else "")


def _in_the_way(mine: Mapping[str, Change], theirs: Mapping[str, Change]) -> list[Clash]:
    """A file of one side where the other side has a folder."""
    return [
        Clash(path, f"{path} needs a folder where there is a file now")
        for one, other in ((mine, theirs), (theirs, mine))
        for path in _added(one)
        if any(str(above) in _added(other) for above in Path(path).parents)
    ]


def _added(changes: Mapping[str, Change]) -> set[str]:
    return {path for path, one in changes.items() if one.status == "A"}


def _both(git: Git, mine: Change, theirs: Change) -> Entry | Clash:
    """One path that both sides changed."""
    if _entry(mine) == _entry(theirs):
        return _entry(mine)
    if "D" in (mine.status, theirs.status):
        gone = mine.status == "D"
        who = "was deleted by the attempt and changed" if gone else "was changed by the attempt and deleted"
        return Clash(mine.path, f"{mine.path} {who} meanwhile")
    mode = mine.new_mode if mine.new_mode != mine.old_mode else theirs.new_mode
    if mine.new_blob == theirs.new_blob:
        return mode, mine.new_blob
    if not all(one.new_mode.startswith("100") for one in (mine, theirs)) or not mine.old_blob.strip("0"):
        return Clash(mine.path, f"{mine.path} is new or of another kind on both sides, and not the same")
    texts = (git.blob(mine.new_blob), git.blob(mine.old_blob), git.blob(theirs.new_blob))
    merged, conflicts = merge_texts(git, *texts)
    if conflicts is None:
        return Clash(mine.path, f"{mine.path} was changed on both sides, and is no text that can be merged")
    if conflicts:
        why = f"{mine.path} was changed on both sides at the same place"
        return Clash(mine.path, why, merged.decode(errors="replace"))
    return mode, git.store(merged)


def merge_texts(
    git: Git, mine: bytes, base: bytes, theirs: bytes, *, union: bool = False
) -> tuple[bytes, int | None]:  # fmt: skip
    """The merged text, with conflict markers where there are conflicts, and their number; None: no text.

    `union`: where both sides changed the same place, both stay, one below the other.
    """
    git.spare.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=git.spare) as folder:
        files = [Path(folder) / name for name in ("mine", "base", "theirs")]
        for file, text in zip(files, (mine, base, theirs), strict=True):
            file.write_bytes(text)
        labels = [word for label in LABELS for word in ("-L", label)]
        words = ("merge-file", "-p", *(["--union"] if union else []), *labels, *(str(file) for file in files))
        merged, code = git.outcome(*words)
    return merged, (code if code == 0 or code in CONFLICTS else None)
