"""Names of the refs that ralph makes."""

from __future__ import annotations

from collections.abc import Collection

HEADS = "refs/heads/"
SCRATCH = f"{HEADS}ralph-wip/"


def short_name(branch: str) -> str:
    """Return a branch's name without `refs/heads/`; any other text unchanged."""
    return branch.removeprefix(HEADS)


def scratch(run: str, n: int) -> str:
    """Return the full name of an attempt's own branch."""
    return f"{SCRATCH}{run}-{n}"


def is_foreign(name: str, own: Collection[str]) -> bool:
    """Return whether a ref belongs to a run of ralph's outside of `own`: other checkouts create and delete it."""
    if name.startswith(SCRATCH):
        return name.removeprefix(SCRATCH).rpartition("-")[0] not in own
    return name.startswith("refs/ralph/") and name.split("/")[2] not in own
