"""Anthropic Messages, as Claude Code speaks it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.helpers.modelserver.dialect import Call, last_text, new_id
from tests.helpers.modelserver.steps import Json, Step
from tests.helpers.modelserver.steps import error as failing

ERRORS = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error",
          429: "rate_limit_error", 529: "overloaded_error"}  # fmt: skip


def conversation(_body: Json, headers: Mapping[str, str]) -> str:
    return headers["x-claude-code-session-id"]


def prompt(body: Json) -> str:
    return last_text([one for one in body["messages"] if one["role"] == "user"][:1])


def main(body: Json) -> bool:
    """Titles, summaries and the like offer no tools to work with."""
    return any(tool.get("name") in {"Bash", "Read"} for tool in body.get("tools") or [])


def call(step: Step, body: Json) -> Call:
    if step["op"] == "shell":
        return Call("Bash", {"command": step["command"], "description": "as scripted"})
    return Call("Write", {"file_path": str(_folder(body) / step["path"]), "content": step["content"]})


def _folder(body: Json) -> Path:
    """Write wants absolute paths; the instructions name the folder that the agent runs in."""
    found = re.search(r"working directory: (.+)", "\n".join(_instructions(body)))
    assert found, "Claude's instructions name no working directory"
    return Path(found[1])


def _instructions(body: Json) -> Iterator[str]:
    """The texts of `system`; since 2.1.332 also of messages with that role, or, for models that know no such
    message, of the reminders before the prompt.
    """
    messages = body["messages"]
    yield from _texts(body["system"])
    for one in messages:
        if one["role"] == "system":
            yield from _texts(one["content"])
    yield from list(_texts(messages[0]["content"]))[:-1]


def _texts(content: str | list[Json]) -> Iterator[str]:
    yield from (content,) if isinstance(content, str) else (str(block.get("text", "")) for block in content)


def error(status: int) -> Json:
    kind = ERRORS.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": kind}, "request_id": "req_0"}


def limit(resets_at: int) -> Step:
    claim = {"status": "rejected", "reset": str(resets_at), "representative-claim": "five_hour"}
    return failing(429, headers={f"anthropic-ratelimit-unified-{name}": value for name, value in claim.items()})


def answer(said: str, call: Call | None, context: int = 0) -> Iterator[Json]:
    fresh = context - 600 if context else 1200
    usage = {"input_tokens": fresh, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 500}
    message: Json = {
        "id": new_id("msg"),
        "type": "message",
        "role": "assistant",
        "model": "scripted",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage | {"output_tokens": 1},
    }
    yield {"type": "message_start", "message": message}
    if said:
        yield from _block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": said})
    if call:
        block = {"type": "tool_use", "id": new_id("toolu"), "name": call.name, "input": {}}
        given = {"type": "input_json_delta", "partial_json": json.dumps(call.given)}
        yield from _block(int(bool(said)), block, given)
    stop = {"stop_reason": "tool_use" if call else "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 34}}
    yield {"type": "message_stop"}


def _block(index: int, block: Json, delta: Json) -> Iterator[Json]:
    yield {"type": "content_block_start", "index": index, "content_block": block}
    yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}
