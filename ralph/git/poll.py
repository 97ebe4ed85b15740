"""Changes of the work tree while an agent works: polled without ever blocking."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ralph.git.client import Git
from ralph.git.command import GitProcess
from ralph.git.index import UNTRACKED, Stat, split_zero, stat_files

EVERY = 5.0  # minimum seconds between two polls
GONE: Stat = (-1, 0, 0, 0)  # a tracked file that is missing
SHARE = 20  # a poll that took a second is followed by this many seconds without one


class WorktreePoller:
    """Paths that differ from the base, or that git does not track, with their stat data.

    A poll costs two git processes; `poll` starts it, reads its answer when that is complete, and never waits.
    """

    def __init__(self, git: Git, every: float = EVERY) -> None:
        self._git, self._every = git, every
        self._running: list[GitProcess] = []
        self._began, self._due = 0.0, time.monotonic() + every

    def poll(self) -> dict[str, Stat] | None:
        """Return the answer of each poll once; None if there is no new one."""
        now = time.monotonic()
        if not self._running:
            if now >= self._due:
                self._began = now
                self._running = [self._git.begin("diff-files", "--name-only", "-z"), self._git.begin(*UNTRACKED)]
            return None
        if not all(attempt.ready() for attempt in self._running):
            return None
        answers = [attempt.finish() for attempt in self._running]
        self._running, self._due = [], now + max(self._every, SHARE * (now - self._began))
        if any(code for _, _, code in answers):
            return None  # the agent is changing this index, or the repository is gone: freezing the work reports it
        paths = [path for out, _, _ in answers for path in split_zero(out) if path not in self._git.unseen]
        return dict.fromkeys(paths, GONE) | stat_files(self._git.where.root, paths)

    def close(self) -> None:
        """End a poll that is in progress."""
        for attempt in self._running:
            attempt.give_up()
        self._running = []


@contextmanager
def polling(git: Git, every: float = EVERY) -> Iterator[WorktreePoller]:
    """Yield a WorktreePoller; end its processes on exit."""
    looker = WorktreePoller(git, every)
    try:
        yield looker
    finally:
        looker.close()
