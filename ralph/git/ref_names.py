"""Names of the refs that ralph makes."""

from __future__ import annotations

from collections.abc import Collection

HEADS = "refs/heads/"
SCRATCH = f"{HEADS}ralph-wip/"


def short_name(branch: str) -> str:
    """Return a branch's name without `refs/heads/`; any other text unchanged."""
    return branch.removeprefix(HEADS)


def scratch(run: str, n: int) -> str:
    """The full name of an attempt's own branch."""
    return f"{SCRATCH}{run}-{n}"


def is_foreign(name: str, own: Collection[str]) -> bool:
    """Whether a ref is ralph's, but of a run that is none of `own`: it comes and goes as another checkout wants."""
    if name.startswith(SCRATCH):
        return name.removeprefix(SCRATCH).rpartition("-")[0] not in own
    return name.startswith("refs/ralph/") and name.split("/")[2] not in own
