"""What happened to a commit later: whether it was reverted, and which of its files later commits changed. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ralph.immutable import immutable
from ralph.text import one_line

MOST = 20  # commits listed by name
REVERTS = re.compile(r"^This reverts commit ([0-9a-f]{7,64})\b", re.MULTILINE)


@immutable
class LaterCommit:
    """A commit since the first proof. `paths` are the files that it changed."""

    commit: str
    parents: tuple[str, ...]
    subject: str
    body: str = ""
    paths: tuple[str, ...] = ()


@immutable
class FileState:
    """A file that a proof's commit changed: its blob before, in it, and at HEAD ("": no such file)."""

    path: str
    before: str
    after: str
    now: str


@immutable
class ChangedFile:
    """A file that differs from the proof's commit, and the newest commits that changed it since.

    `commits` counts all of them; none: a merge changed it.
    """

    path: str
    gone: bool
    by: tuple[str, ...]
    commits: int = 0


@dataclass(frozen=True)
class Aftereffects:
    """The commits since the first proof, from new to old, each before its parents."""

    later: Sequence[LaterCommit]
    ancestors: dict[str, frozenset[str]] = field(default_factory=dict)

    def reverted(self, commit: str, subject: str) -> LaterCommit | None:
        """Return the commit that reverted it and was not reverted itself; None if there is none."""
        named = [revert for revert in self._reverts if self._names(revert, commit, subject)]
        return next(
            (
                other_commit
                for other_commit in self._after(commit, named)
                if self.reverted(other_commit.commit, other_commit.subject) is None
            ),
            None,
        )

    def changed(self, commit: str, files: Sequence[FileState]) -> tuple[ChangedFile, ...]:
        """Return those of its files that changed since."""
        return tuple(self._changed(commit, file) for file in files if file.now != file.after)

    def _changed(self, commit: str, file: FileState) -> ChangedFile:
        by = tuple(other_commit.commit for other_commit in self._after(commit, self._touched[file.path]))
        return ChangedFile(file.path, not file.now, by[:MOST], len(by))

    def _names(self, text: LaterCommit, commit: str, subject: str) -> bool:
        """Return whether the text says that it reverts this commit; by its subject if a rebase changed the id."""
        ids = REVERTS.findall(text.body)
        if any(commit.startswith(sha) for sha in ids):
            return True
        known = any(other.startswith(sha) for sha in ids for other in self._by_id)
        return not known and text.subject in (f'Revert "{subject}"', f'Revert "{one_line(subject, 100)}"')

    def _after(self, commit: str, some: Sequence[LaterCommit]) -> Iterator[LaterCommit]:
        """Yield the commits that are not ancestors of the commit: newer ones, and those merged beside it."""
        place = self._place.get(commit, len(self.later))
        return (
            other_commit
            for other_commit in some
            if self._place[other_commit.commit] < place or self._beside(other_commit.commit, commit)
        )

    def _beside(self, text: str, commit: str) -> bool:
        return self._has_merges and text != commit and text not in self._before(commit)

    def _before(self, commit: str) -> frozenset[str]:
        """Return the known ancestors of a commit."""
        if commit not in self.ancestors:
            seen: set[str] = set()
            todo = [commit]
            while todo:
                parents = self._by_id[name].parents if (name := todo.pop()) in self._by_id else ()
                todo += [parent for parent in parents if parent not in seen]
                seen.update(parents)
            self.ancestors[commit] = frozenset(seen)
        return self.ancestors[commit]

    @cached_property
    def _place(self) -> Mapping[str, int]:
        return {commit.commit: number for number, commit in enumerate(self.later)}

    @cached_property
    def _has_merges(self) -> bool:
        return any(len(commit.parents) > 1 for commit in self.later)

    @cached_property
    def _reverts(self) -> list[LaterCommit]:
        return [
            commit for commit in self.later if commit.subject.startswith("Revert ") or REVERTS.search(commit.body)
        ]

    @cached_property
    def _by_id(self) -> Mapping[str, LaterCommit]:
        return {commit.commit: commit for commit in self.later}

    @cached_property
    def _touched(self) -> Mapping[str, list[LaterCommit]]:
        commits: defaultdict[str, list[LaterCommit]] = defaultdict(list)
        for commit in self.later:
            for path in commit.paths:
                commits[path].append(commit)
        return commits


def undone(files: Sequence[FileState]) -> bool:
    """Return whether each of its files is as before it."""
    return bool(files) and all(file.now == file.before for file in files)
