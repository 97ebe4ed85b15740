"""What became of a commit since: was it reverted, and which of its files did later commits change. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ralph.immutable import immutable
from ralph.text import one_line

MOST = 20  # commits that are named
REVERTS = re.compile(r"^This reverts commit ([0-9a-f]{7,64})\b", re.MULTILINE)


@immutable
class LaterCommit:
    """A commit of the history since the first proof. `paths` are the files that it changed."""

    commit: str
    parents: tuple[str, ...]
    subject: str
    body: str = ""
    paths: tuple[str, ...] = ()


@immutable
class FileState:
    """A file that a proof's commit changed: its blob before, in it, and at HEAD ("": there is none)."""

    path: str
    before: str
    after: str
    now: str


@immutable
class ChangedFile:
    """A file that is not as the proof's commit left it, and the newest of the commits that changed it since.

    `commits` counts all of them; none: it was changed in a merge.
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
        """The commit that took it back and was not taken back itself."""
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
        """Those of its files that are not as it left them."""
        return tuple(self._changed(commit, file) for file in files if file.now != file.after)

    def _changed(self, commit: str, file: FileState) -> ChangedFile:
        by = tuple(other_commit.commit for other_commit in self._after(commit, self._touched[file.path]))
        return ChangedFile(file.path, not file.now, by[:MOST], len(by))

    def _names(self, text: LaterCommit, commit: str, subject: str) -> bool:
        """Whether it says that it reverts this commit; by its subject where a rebase changed the id."""
        ids = REVERTS.findall(text.body)
        if any(commit.startswith(found) for found in ids):
            return True
        known = any(other.startswith(found) for found in ids for other in self._by_id)
        return not known and text.subject in (f'Revert "{subject}"', f'Revert "{one_line(subject, 100)}"')

    def _after(self, commit: str, some: Sequence[LaterCommit]) -> Iterator[LaterCommit]:
        """Those of them that the commit does not build on: those above it, and what was merged beside it."""
        place = self._place.get(commit, len(self.later))
        return (
            other_commit
            for other_commit in some
            if self._place[other_commit.commit] < place or self._beside(other_commit.commit, commit)
        )

    def _beside(self, text: str, commit: str) -> bool:
        return self._has_merges and text != commit and text not in self._before(commit)

    def _before(self, commit: str) -> frozenset[str]:
        """What a commit builds on, as far as it is part of what is known here."""
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
        found: defaultdict[str, list[LaterCommit]] = defaultdict(list)
        for commit in self.later:
            for path in commit.paths:
                found[path].append(commit)
        return found


def undone(files: Sequence[FileState]) -> bool:
    """Nothing of it is left: each of its files is as before it."""
    return bool(files) and all(file.now == file.before for file in files)
