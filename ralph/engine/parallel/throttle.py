"""How many agents may run at once, after one of them hit a rate limit: half as many, and slowly more again."""

from __future__ import annotations

from dataclasses import replace

from ralph.immutable import immutable

QUIET = 300.0  # seconds without a limit after which one more may run
SAME = 60.0  # seconds: limits so close together are one and the same
SPREAD = 3.0  # seconds between two starts, while fewer run than were asked for


@immutable
class Throttle:
    """The pace of a run. Times are epoch seconds."""

    limit: int = 0  # at most so many; 0: as many as were asked for
    changed: float = 0.0
    started: float = 0.0  # when somebody was last sent out

    def most(self, asked: int) -> int:
        """How many may run at once, of those that were asked for."""
        return min(asked, self.limit) if self.limit else asked

    def slower(self, now: float, asked: int) -> Throttle:
        """A limit was hit: half as many, at least one. Those that hit it together halve it once."""
        if self.limit and now - self.changed < SAME:
            return replace(self, changed=now)
        return replace(self, limit=max(1, self.most(asked) // 2), changed=now)

    def later(self, now: float, asked: int) -> Throttle:
        """Time has passed: one more for each quiet period, until all may run."""
        if not self.limit or now - self.changed < QUIET:
            return self
        more = self.limit + 1
        return replace(self, limit=0 if more >= asked else more, changed=now)

    def may_start(self, now: float) -> bool:
        """Starts are spread while fewer run than were asked for."""
        return not self.limit or now - self.started >= SPREAD
