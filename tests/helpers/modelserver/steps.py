"""What a scripted model does, one step for each request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]
Step = dict[str, Any]
Script = Mapping[str, Sequence[Sequence[Step]]]  # marker -> attempts -> steps


def text(said: str) -> Step:
    """A final message: the agent's turn ends."""
    return {"op": "text", "text": said}


def shell(command: str, said: str = "") -> Step:
    """A call of the client's shell tool, after some words."""
    return {"op": "shell", "command": command, "text": said}


def write(path: str, content: str, said: str = "") -> Step:
    """A call of the client's tool that writes a file; `path` is relative to where the agent runs."""
    return {"op": "write", "path": path, "content": content, "text": said}


def error(status: int, body: Json | None = None, headers: Mapping[str, str] | None = None, times: int = -1) -> Step:
    """An HTTP error, for `times` requests (-1: for ever). Without a body: the provider's usual one."""
    return {"op": "error", "status": status, "body": body, "headers": dict(headers or {}), "times": times}


def limited(seconds: float) -> Step:
    """The limit of a subscription is used up and begins anew so many seconds after each request.

    Claude heeds it with `subscription=True` only. Codex shows the minute, not the second.
    """
    return {"op": "limited", "seconds": seconds}


def full(step: Step, tokens: int = 165_000) -> Step:
    """The same answer, and its usage says that the context holds so many tokens.

    165,000 are nearly full for a model with 200,000 (`--model claude-sonnet-4-5`); Claude's default has a million.
    """
    return step | {"context": tokens}


def asked(words: str) -> str:
    """A marker that goes before all others, wherever it stands in the prompt: for a question about a task."""
    return f"?{words}"


def hang(after: str = "") -> Step:
    """No answer, ever; with `after="headers"` the stream is opened first."""
    return {"op": "hang", "after": after}


def drop(after: str = "begin") -> Step:
    """The stream begins and the connection closes in mid-message; with `after="request"` there is no answer at all.

    Codex asks again and gets the next step; Claude gives up.
    """
    return {"op": "drop", "after": after}
