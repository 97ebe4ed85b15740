"""The arguments of some git calls, and the parsers of their answers."""

from __future__ import annotations

import os

from ralph.git.model import Change, Commit

WATCHED = ("refs/heads", "refs/tags", "refs/replace", "refs/ralph")
REFS = ("for-each-ref", "--format=%(objectname) %(refname)", *WATCHED)


def log(base: str, tip: str, limit: int = 50) -> tuple[str, ...]:
    """Return the arguments of the call for `parse_log`: the commits in base..tip, newest first."""
    return ("log", f"-{limit}", "-z", "--format=%H %P%n%B", f"{base}..{tip}")


def parse_log(out: bytes) -> tuple[Commit, ...]:
    return tuple(_commit(entry) for entry in out.decode(errors="replace").split("\0") if entry.strip())


def _commit(entry: str) -> Commit:
    ids, _, body = entry.partition("\n")
    sha, *parents = ids.split()
    return Commit(sha, body.strip().partition("\n")[0], body.strip(), tuple(parents))


def raw_diff(old: str, new: str) -> tuple[str, ...]:
    """Return the arguments of the call for `parse_raw`."""
    return ("diff-tree", "-r", "--raw", "-z", "--no-renames", "--no-abbrev", old, new)


def staged_diff(base: str) -> tuple[str, ...]:
    """Return the same arguments for a commit and the index."""
    return ("diff-index", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", base)


def parse_refs(out: bytes) -> dict[str, str]:
    pairs = (line.split(" ", 1) for line in os.fsdecode(out).splitlines())
    return {name: sha for sha, name in pairs}


def parse_raw(out: bytes) -> tuple[Change, ...]:
    """Parse `--raw -z --no-abbrev` records."""
    fields = os.fsdecode(out).split("\0")
    changes = []
    for meta, path in zip(fields[0::2], fields[1::2], strict=False):
        old_mode, new_mode, old_blob, new_blob, status = meta.lstrip(":").split()
        changes.append(Change(path, status[0], old_mode, new_mode, old_blob, new_blob))
    return tuple(changes)
