"""OpenAI Responses, as Codex speaks it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from tests.helpers.modelserver.dialect import Call, last_text, new_id
from tests.helpers.modelserver.steps import Json, Step
from tests.helpers.modelserver.steps import error as failing


def conversation(_body: Json, headers: Mapping[str, str]) -> str:
    return headers["session-id"]


def prompt(body: Json) -> str:
    return last_text([item for item in body["input"] if item.get("role") == "user"])


def main(body: Json) -> bool:
    return bool(body.get("tools"))


def call(step: Step, _body: Json) -> Call:
    command = step["command"] if step["op"] == "shell" else _patch(step["path"], step["content"])
    return Call("exec_command", {"cmd": command})


def error(status: int) -> Json:
    return {"error": {"message": f"scripted {status}", "type": "scripted", "code": None}}


def limit(resets_at: int) -> Step:
    return failing(429, {"error": {"type": "usage_limit_reached", "message": "", "resets_at": resets_at}})


def answer(said: str, call: Call | None, context: int = 0) -> Iterator[Json]:
    items: list[Json] = []
    if said:
        content = [{"type": "output_text", "text": said, "annotations": []}]
        items.append({"type": "message", "id": new_id("msg"), "role": "assistant", "content": content})
    if call:
        given = json.dumps(call.given)
        items.append({"type": "function_call", "id": new_id("fc"), "call_id": new_id("call"), "name": call.name,
                      "arguments": given})  # fmt: skip
    yield {"type": "response.created", "response": {"id": new_id("resp")}}
    for index, item in enumerate(items):
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    size = context or 1700
    usage = {"input_tokens": size, "input_tokens_details": {"cached_tokens": 500}, "output_tokens": 34,
             "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": size + 34}  # fmt: skip
    yield {"type": "response.completed", "response": {"id": new_id("resp"), "usage": usage}}


def _patch(path: str, content: str) -> str:
    """Codex has no tool that writes: its shell knows `apply_patch` and reports it as a file change."""
    lines = "".join(f"+{line}\n" for line in content.splitlines())
    return f"apply_patch <<'PATCH'\n*** Begin Patch\n*** Add File: {path}\n{lines}*** End Patch\nPATCH"
