"""The values that git reports: changed paths, commits, stash entries."""

from __future__ import annotations

from ralph.immutable import immutable


@immutable
class Change:
    """A path that differs between base and work. Modes are git's (`100644`), blobs full object ids."""

    path: str
    status: str  # A M D T
    old_mode: str = "000000"
    new_mode: str = "000000"
    old_blob: str = ""
    new_blob: str = ""

    @property
    def backwards(self) -> Change:
        """The change that undoes it."""
        status = {"A": "D", "D": "A"}.get(self.status, self.status)
        return Change(self.path, status, self.new_mode, self.old_mode, self.new_blob, self.old_blob)


@immutable
class Commit:
    """A commit that the agent made. `body` is its whole message."""

    sha: str
    subject: str
    body: str = ""
    parents: tuple[str, ...] = ()


@immutable
class StashEntry:
    """An entry of the stash list. `message` as in `git stash list`; `who` is name, mail and time as in a reflog, ""
    if unknown."""

    sha: str
    message: str = ""
    who: str = ""

    @property
    def branch(self) -> str:
        """Return the short name of its branch; "" if the message does not name it."""
        words = self.message.removeprefix("WIP on ").removeprefix("On ")
        return words.partition(":")[0] if words != self.message and ":" in words else ""


@immutable
class StashMatch:
    """A stash entry that the attempt did not make, and its part in the work. `whole`: each file, unchanged."""

    entry: StashEntry
    paths: tuple[str, ...]
    whole: bool
    gone: bool  # it left the list during the attempt


@immutable
class StashChange:
    """The changes of the stash list during an attempt."""

    new: tuple[StashEntry, ...] = ()  # new entries: they stay
    gone: tuple[StashEntry, ...] = ()  # entries that left the list and are put back
    lost: tuple[StashEntry, ...] = ()  # made by the attempt, and no longer in the list
    matches: tuple[StashMatch, ...] = ()
