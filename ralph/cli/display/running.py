"""The state of a running attempt, from its events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ralph.cli.display.lines import duration, sentence, spent
from ralph.state import events
from ralph.state.events import Event


@dataclass
class Running:
    """One running attempt. `see` takes its events in order, with times (epoch seconds; 0: unknown)."""

    chosen: events.Chosen
    since: float = 0.0
    seen: float = 0.0  # its last event
    place: int = 0  # the number of its worktree; 0: the checkout
    agent: str = ""
    doing: str = "gets ready"
    tokens: int = 0
    cost: float | None = None
    about: bool = False

    def see(self, event: Event, when: float) -> None:
        self.seen = when
        if isinstance(event, events.Sent):
            self.place = event.place
        elif isinstance(event, events.AgentStarted):
            self.agent, self.doing = event.agent, "the agent works"
        elif isinstance(event, events.AgentReported | events.AgentStopped):
            self.tokens, self.cost, self.about = event.tokens, event.cost, event.about
            if isinstance(event, events.AgentStopped):
                self.doing = "its work is examined, or waits for its turn"
            elif event.action:
                self.doing = event.action
        elif isinstance(event, events.GateRan):
            self.doing = f"gates: {event.command} {'passed' if event.ok else 'failed'}"

    def to_json(self, now: float) -> dict[str, Any]:
        return {
            "task": self.chosen.task, "attempt": self.chosen.attempt, "n": self.chosen.n,
            "purpose": self.chosen.purpose or None, "agent": self.agent or None, "worktree": self.place or None,
            "since": self.since, "seconds": round(max(0.0, now - self.since), 1), "seen": self.seen,
            "doing": self.doing, "tokens": self.tokens, "cost": self.cost, "about": self.about,
        }  # fmt: skip

    def as_lines(self, now: float) -> list[str]:
        """Return a line with task, time and cost, and one with the last action and its age."""
        purpose = f" ({self.chosen.purpose})" if self.chosen.purpose else ""
        where = f", in worktree {self.place}" if self.place else ""
        so_far = spent(max(0.0, now - self.since), self.tokens, self.cost, self.about)
        ago = duration(max(0.0, now - self.seen))
        return [
            f"  {sentence(self.chosen.text)}, attempt {self.chosen.attempt}{purpose}: {so_far}{where}",
            f"    {ago} ago: {sentence(self.doing)}",
        ]
