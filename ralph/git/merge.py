"""Three-way merge of trees: the changes of an attempt, on top of the changes made meanwhile.

Path by path, without a work tree and without rename detection: a path that only one side changed is that side's;
git merges a text that both changed, and if that needs a person it is a conflict.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ralph.git.client import Git
from ralph.git.index import join as lines
from ralph.git.index import split_zero, tree_with
from ralph.git.model import Change
from ralph.immutable import immutable

CONFLICTS = range(1, 128)  # exit codes of `git merge-file`: the number of conflicts
LABELS = ("the attempt", "where it began", "what came in meanwhile")
Entry = tuple[str, str]  # mode and blob, as `tree_with` takes them


@immutable
class MergeConflict:
    """A path with incompatible changes on both sides. `text` shows both, if it is a text."""

    path: str
    why: str
    text: str = ""


@immutable
class MergeResult:
    """The merged tree, or the conflicts."""

    tree: str
    clashes: tuple[MergeConflict, ...] = ()


def join(git: Git, base: str, work: str, tip: str, leave: Iterable[str] = ()) -> MergeResult:
    """Apply the changes from `base` to `work` (trees or commits) to `tip`. Paths in `leave` are the tip's."""
    excluded = set(leave)
    mine = {change.path: change for change in git.changes(base, work) if change.path not in excluded}
    if git.tree_of(base) == git.tree_of(tip):
        theirs = {}
    else:
        theirs = {change.path: change for change in git.changes(base, tip) if change.path not in excluded}
    clashes = _in_the_way(_added(mine), _added(theirs) | excluded)
    entries = {path: _entry(change) for path, change in mine.items() if path not in theirs}
    for result in _both(git, [(mine[path], theirs[path]) for path in mine if path in theirs]):
        if isinstance(result, MergeConflict):
            clashes.append(result)
        else:
            entries[result[0]] = result[1]
    return MergeResult("", tuple(clashes)) if clashes else MergeResult(tree_with(git, tip, entries))


def _entry(change: Change) -> Entry:
    return (change.new_mode, change.new_blob if change.new_blob.strip("0") else "")


def _in_the_way(mine: set[str], theirs: set[str]) -> list[MergeConflict]:
    """Return conflicts of a file on one side with a folder on the other."""
    return [
        MergeConflict(path, f"{path} needs a folder where there is a file now")
        for other_set, other in ((mine, theirs), (theirs, mine))
        for path in sorted(other_set)
        if any(str(above) in other for above in Path(path).parents)
    ]


def _added(changes: Mapping[str, Change]) -> set[str]:
    return {path for path, change in changes.items() if change.status == "A"}


# ---------------------------------------------------------------- paths changed on both sides


def _both(git: Git, pairs: list[tuple[Change, Change]]) -> Iterator[tuple[str, Entry] | MergeConflict]:
    """Yield the merged entry or the conflict of each of these paths."""
    rules = _merge_rules(git, [mine.path for mine, _ in pairs])
    for mine, theirs in pairs:
        if _entry(mine) == _entry(theirs):
            yield mine.path, _entry(mine)
        elif why := _unlike(mine, theirs):
            yield MergeConflict(mine.path, f"{mine.path} {why}")
        elif mine.new_blob == theirs.new_blob:
            yield mine.path, (_mode(mine, theirs), mine.new_blob)
        else:
            yield _one_text(git, mine, theirs, rules.get(mine.path, ""))


def _unlike(mine: Change, theirs: Change) -> str:
    """Return why the two sides can't be merged as text; "" if they can."""
    if "D" in (mine.status, theirs.status):
        here, there = ("deleted", "changed") if mine.status == "D" else ("changed", "deleted")
        return f"was {here} by the attempt and {there} meanwhile"
    if any(not change.new_mode.startswith("100") for change in (mine, theirs)):
        return "is no plain file on both sides, and not the same"
    if mine.status == "A" and mine.new_mode != theirs.new_mode:
        return "is new on both sides, and executable on one of them"
    return ""


def _mode(mine: Change, theirs: Change) -> str:
    return mine.new_mode if mine.new_mode != mine.old_mode else theirs.new_mode


def _one_text(git: Git, mine: Change, theirs: Change, rule: str) -> tuple[str, Entry] | MergeConflict:
    """Return the merged text. `rule` is the path's `merge` attribute."""
    no_text = MergeConflict(mine.path, f"{mine.path} was changed on both sides, and is no text that can be merged")
    if rule in ("unset", "binary"):
        return no_text
    was_there = mine.old_mode.startswith("100")  # otherwise both are new, without a common text
    base = _content(git, mine.old_blob) if was_there else b""
    both = _content(git, mine.new_blob), _content(git, theirs.new_blob)
    merged, conflicts = merge_texts(git, both[0], base, both[1], union=rule == "union")
    if conflicts is None:
        return no_text
    if conflicts or not was_there:
        where = "at the same place" if was_there else "where there was no such file"
        why = f"{mine.path} was changed on both sides {where}"
        return MergeConflict(mine.path, why, merged.decode(errors="replace"))
    return mine.path, (_mode(mine, theirs), git.store(merged))


def _content(git: Git, blob: str) -> bytes:
    """Return the content of a blob that must exist: an empty text instead would delete the other side's lines."""
    return git.tree("cat-file", "blob", blob)


def _merge_rules(git: Git, paths: list[str]) -> dict[str, str]:
    """Return the `merge` attribute of paths: `unset` or `binary` is no text, `union` keeps the lines of both."""
    if not paths:
        return {}
    values = split_zero(git.tree("check-attr", "--cached", "-z", "--stdin", "merge", data=lines(paths)))
    return dict(zip(values[0::3], values[2::3], strict=True))


def merge_texts(
    git: Git, mine: bytes, base: bytes, theirs: bytes, *, union: bool = False
) -> tuple[bytes, int | None]:  # fmt: skip
    """Return the merged text, with conflict markers, and the number of conflicts; None: not a text.

    `union`: if both sides changed the same place, keep both, one below the other.
    """
    git.spare.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=git.spare) as folder:
        files = [Path(folder) / name for name in ("mine", "base", "theirs")]
        for file, text in zip(files, (mine, base, theirs), strict=True):
            file.write_bytes(text)
        labels = [word for label in LABELS for word in ("-L", label)]
        call = ("merge-file", "-p", *(["--union"] if union else []), *labels, *(str(file) for file in files))
        merged, code = git.outcome(*call)
    return merged, (code if code == 0 or code in CONFLICTS else None)
