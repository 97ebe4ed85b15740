"""Which conversation gets which step."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.helpers.modelserver.steps import Script, Step, text


@dataclass
class Conversation:
    """One agent process: its attempt's steps, and how far it is."""

    marker: str
    attempt: int
    steps: Sequence[Step]
    at: int = 0
    refused: int = 0

    def next(self) -> Step:
        if not self.steps:
            return text("done")
        step = self.steps[min(self.at, len(self.steps) - 1)]
        if step["op"] == "error" and step["times"] != self.refused + 1:
            self.refused += 1
            return step
        self.at, self.refused = self.at + 1, 0
        return step


@dataclass
class Plays:
    """All conversations so far. Requests come from several threads."""

    attempts: Script
    seen: dict[str, Conversation] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, conversation: str, prompt: str) -> tuple[Conversation, Step]:
        with self.lock:
            if conversation not in self.seen:
                self.seen[conversation] = self._begin(prompt)
            return self.seen[conversation], self.seen[conversation].next()

    def _begin(self, prompt: str) -> Conversation:
        places = {marker: found.start() for marker in self.attempts if (found := _marked(marker, prompt))}
        marker = min(places, key=lambda one: (one[:1] != "?", one == "", places[one]), default="")
        tries = self.attempts.get(marker) or [[]]
        attempt = 1 + sum(one.marker == marker for one in self.seen.values())
        return Conversation(marker, attempt, tries[min(attempt, len(tries)) - 1])


def _marked(marker: str, prompt: str) -> re.Match[str] | None:
    """The marker as a whole word: T1 does not stand in T10."""
    words = marker.removeprefix("?")
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)" if words else "", prompt)
