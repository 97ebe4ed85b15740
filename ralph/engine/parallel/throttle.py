"""Throttle: halves the number of parallel agents after a rate limit, then raises it slowly."""

from __future__ import annotations

from dataclasses import replace

from ralph.immutable import immutable

QUIET = 300.0  # seconds without a limit after which one more may run
SAME = 60.0  # seconds: limits this close together count as one
SPREAD = 3.0  # seconds between two starts while the throttle holds


@immutable
class Throttle:
    """The pace of a run. Times are epoch seconds."""

    limit: int = 0  # most agents at once; 0: no limit
    changed: float = 0.0
    started: float = 0.0  # time of the last start

    def most(self, asked: int) -> int:
        """Return how many agents may run at once; `asked` is the configured number."""
        return min(asked, self.limit) if self.limit else asked

    def slower(self, now: float, asked: int) -> Throttle:
        """Return the throttle after a rate limit: half as many, at least one. Limits within SAME halve it once."""
        if self.limit and now - self.changed < SAME:
            return replace(self, changed=now)
        return replace(self, limit=max(1, self.most(asked) // 2), changed=now)

    def later(self, now: float, asked: int) -> Throttle:
        """Return the throttle at `now`: one agent more after each quiet period, until `asked` may run."""
        if not self.limit or now - self.changed < QUIET:
            return self
        more = self.limit + 1
        return replace(self, limit=0 if more >= asked else more, changed=now)

    def may_start(self, now: float) -> bool:
        """Whether an agent may start at `now`: starts are spread while the throttle holds."""
        return not self.limit or now - self.started >= SPREAD
