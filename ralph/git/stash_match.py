"""Whether an attempt's work contains a stash entry. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ralph.git.model import Change, StashEntry, StashMatch

Content = Sequence[tuple[str, str, str]]  # (path, blob before, blob after)
Read = Callable[[str], bytes]  # the content of a blob; b"" for ""
SHORTEST = 4  # characters: a shorter line (`}`, `end`) does not identify its origin


def match(entry: StashEntry, content: Content, changes: Iterable[Change], read: Read, *, gone: bool) -> StashMatch:
    """Return what the work took from this entry; `paths` is empty if nothing.

    A file counts if the work has it unchanged, under any name, or has at the same path at least half of the lines
    that the entry adds there.
    """
    by_path = {change.path: change for change in changes if change.new_blob.strip("0")}
    blobs = {change.new_blob for change in by_path.values()}
    complete = {path for path, _, new in content if new in blobs and read(new)}
    part = {
        path for path, old, new in content
        if path not in complete and path in by_path and _adds(by_path[path], old, new, read)
    }  # fmt: skip
    paths = tuple(path for path, _, _ in content if path in complete | part)
    return StashMatch(entry, paths, whole=bool(content) and len(complete) == len(content), gone=gone)


def _adds(change: Change, old: str, new: str, read: Read) -> bool:
    base = read(change.old_blob if change.old_blob.strip("0") else "")
    mine = _lines(read(change.new_blob)) - _lines(base)
    theirs = _lines(read(new)) - _lines(read(old)) - _lines(base)
    return bool(theirs) and 2 * len(theirs & mine) >= len(theirs)


def _lines(content: bytes) -> set[bytes]:
    return {line.strip() for line in content.splitlines() if len(line.strip()) >= SHORTEST}
