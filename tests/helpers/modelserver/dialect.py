"""What the server needs to know of an API. A module satisfies it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.helpers.modelserver.steps import Json, Step


@dataclass(frozen=True)
class Call:
    """A tool call in the client's own words."""

    name: str
    given: Json


class Dialect(Protocol):
    """One API, streaming only."""

    def conversation(self, body: Json, headers: Mapping[str, str], /) -> str:
        """What tells one agent process from another: retries of a request are the same conversation.

        `headers` have lower-case names.
        """

    def prompt(self, body: Json) -> str:
        """What the agent was told on its standard input."""

    def main(self, body: Json) -> bool:
        """Not a side request (a title, a summary): it offers tools to work with."""

    def call(self, step: Step, body: Json, /) -> Call:
        """The tool call that does what the step says."""

    def error(self, status: int) -> Json:
        """The provider's usual body of that error."""

    def limit(self, resets_at: int) -> Step:
        """The error of a limit that is used up until then (epoch seconds)."""

    def answer(self, said: str, call: Call | None, context: int = 0) -> Iterator[Json]:
        """The events of one streamed answer; `context`: the tokens of its input, if it matters."""


def last_text(messages: Sequence[Json]) -> str:
    """The prompt stands last; before it stand reminders, CLAUDE.md or AGENTS.md, the environment."""
    content = messages[-1]["content"] if messages else ""
    return content if isinstance(content, str) else str(content[-1].get("text", ""))


def new_id(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex[:20]}"
