"""Readers for the events of Claude Code's stream, one per type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ralph.agents.claude.errors import STATUS, failed, kind_of
from ralph.agents.claude.models import window
from ralph.agents.json_stream import (
    ASKED,
    COMMAND_CAP,
    arguments,
    at,
    command,
    count,
    digest,
    each,
    ends,
    number,
    of_bytes,
    words,
)
from ralph.agents.model import ModelUse, Signal, SignalKind, Usage
from ralph.text import tokens_in


def _assistant(found: dict[str, Any]) -> Iterator[Signal]:
    """Yield the signals of a message's content blocks, or of an error in message form."""
    blocks = each(at(found, "message", "content"))
    if found.get("error"):
        text = " ".join(words(block.get("text")) for block in blocks)
        yield failed(kind_of(words(found["error"]), text), text)
        return
    for block in blocks:
        yield _block(block, own=not found.get("parent_tool_use_id"))
    yield from _message_usage(found, sum(_wrote(block) for block in blocks))


def _block(block: dict[str, Any], *, own: bool) -> Signal:
    """Return the signal of a block. A sub-agent's text does not count as text; its tool calls count."""
    match block.get("type"):
        case "text" if own:
            return Signal(SignalKind.TEXT, words(block.get("text")))
        case "tool_use":
            return _tool(words(block.get("name")), block.get("input"))
    return Signal(SignalKind.ALIVE)


WRITES = frozenset({"Write", "Edit", "MultiEdit", "NotebookEdit"})


def _tool(name: str, given: object) -> Signal:
    """Return the signal of a tool call. Its text distinguishes calls: the path and the other input (a digest of an
    edit).

    A long path or command is included again, because the difference may be in the part that is cut. The description
    of a shell command is left out.
    """
    key = "file_path" if at(given, "file_path") else "notebook_path"
    path, shell_command = words(at(given, key)), command(at(given, "command"))
    shown = [text for text, value in ((key, path), ("command", shell_command)) if len(value) <= ASKED // 2]
    rest = arguments(given, *shown, *(["description"] if name == "Bash" else []))
    writes = name in WRITES and path
    text = " ".join(part for part in (path[: ASKED // 2], digest(rest) if writes else rest) if part)
    return Signal(SignalKind.TOOL, text, name, (path,) if writes else (), shell_command)


def _wrote(block: dict[str, Any]) -> int:
    """Estimate the tokens of a block. Thoughts, whose text may be omitted, have their own events."""
    if block.get("type") == "tool_use":
        return tokens_in(of_bytes(block.get("input")))
    return tokens_in(of_bytes(block.get("text")))


def _message_usage(found: dict[str, Any], wrote: int) -> Iterator[Signal]:
    """Yield the usage of a message. It repeats with each block, hence the key; its output tokens are a placeholder.

    All its input is in the context window. A sub-agent has its own window.
    """
    usage, key = at(found, "message", "usage"), words(at(found, "message", "id"))
    split = _split(usage, MESSAGE)
    if tokens := sum(split):
        context = 0 if found.get("parent_tool_use_id") else tokens - split[2]
        written, model = count(at(usage, MESSAGE[1])), words(at(found, "message", "model"), NAME)
        yield Signal(SignalKind.USAGE, usage=Usage(
            tokens, key=key, context=context, split=split, written=written, wrote=wrote, model=model
        ))  # fmt: skip


def _user(found: dict[str, Any]) -> Iterator[Signal]:
    for block in each(at(found, "message", "content")):
        if block.get("type") == "tool_result":
            yield Signal(SignalKind.TOOL_DONE, _output(block.get("content")), ok=block.get("is_error") is not True)


def _output(content: object) -> str:
    """Return the text of a tool result, which is a string or a list of blocks."""
    if isinstance(content, str):
        return ends(content)
    texts = (words(block.get("text"), COMMAND_CAP) for block in each(content))
    return ends("\n".join(text for text in texts if text))


def _system(found: dict[str, Any]) -> Iterator[Signal]:
    match found.get("subtype"):
        case "init":
            yield from _begun(words(found.get("model")))
        case "api_retry":
            yield _retry(found)
        case "thinking_tokens":
            yield Signal(SignalKind.ALIVE, usage=Usage(wrote=count(found.get("estimated_tokens_delta"))))
        case "task_started" | "task_progress" | "task_notification":
            yield Signal(SignalKind.ALIVE)


def _begun(model: str) -> Iterator[Signal]:
    """Yield the model of the session. Only this event has its `[1m]` suffix."""
    if model:
        yield Signal(SignalKind.USAGE, usage=Usage(window=window(model), model=model[:NAME]))


def _retry(found: dict[str, Any]) -> Signal:
    """Return the signal of a retry, whose text starts with the kind of the error.

    An expired token is refreshed and tried again; a login that was refused three times is invalid.
    """
    error, attempt = words(found.get("error")), count(found.get("attempt"))
    if error == "authentication_failed" and attempt >= 3:
        return Signal(SignalKind.AUTH, f"The login was refused {attempt} times.")
    status = count(found.get("error_status"))
    kind = kind_of(error, "") if status else SignalKind.NETWORK
    reason = f"status {status}" if status else "no answer"
    return Signal(SignalKind.RETRY, f"{kind.value}: {reason}, try {attempt} of {count(found.get('max_retries'))}")


def _rate_limit(found: dict[str, Any]) -> Iterator[Signal]:
    """Yield a signal if a subscription limit refuses requests: not for warnings, nor with paid overage."""
    info = found.get("rate_limit_info")
    if at(info, "status") == "rejected" and at(info, "isUsingOverage") is not True:
        name = words(at(info, "rateLimitType")).replace("_", " ")
        yield Signal(SignalKind.RATE_LIMIT, f"{name} limit reached", resets_at=number(at(info, "resetsAt")))


def _result(found: dict[str, Any]) -> Iterator[Signal]:
    """Yield the signals of the terminal event."""
    yield Signal(SignalKind.USAGE, usage=_total(found))
    text = words(found.get("result")) or "; ".join(words(entry) for entry in _list(found.get("errors")))
    if found.get("is_error") and (kind := STATUS.get(count(found.get("api_error_status")))):
        yield failed(kind, text)
    denied = ", ".join(sorted({words(entry.get("tool_name")) for entry in each(found.get("permission_denials"))}))
    if denied:  # no failure: the agent was notified at once and could do it in another way
        text = f"It was not permitted to use {denied}. {text}"
    ok = found.get("subtype") == "success" and found.get("is_error") is False
    yield Signal(SignalKind.ENDED, words(text), ok=ok)


def _total(found: dict[str, Any]) -> Usage:
    """Return the final usage from `modelUsage`, which includes sub-agents and is right even if `usage` is all 0
    (after a reached budget)."""
    told = at(found, "modelUsage")
    models = tuple(_use(name, entry) for name, entry in told.items()) if isinstance(told, dict) else ()
    split = tuple(sum(model.split[place] for model in models) for place in range(3))
    written = sum(model.written for model in models)
    if not sum(split):
        split, written = _split(found.get("usage"), MESSAGE), count(at(found, "usage", MESSAGE[1]))
    largest = max((model.window for model in models), default=0)
    cost = number(found.get("total_cost_usd"))
    return Usage(
        sum(split), cost, final=True, window=largest, split=(split[0], split[1], split[2]), written=written,
        models=models,
    )  # fmt: skip


def _use(name: str, report: object) -> ModelUse:
    """Return the reported usage of one model, without the price of web searches."""
    cost = number(at(report, "costUSD"))
    if cost is not None:
        cost = max(0.0, cost - SEARCH * count(at(report, "webSearchRequests")))
    written, size = count(at(report, MODEL[1])), count(at(report, "contextWindow"))
    return ModelUse(name[:NAME], _split(report, MODEL), written, cost, size)


# field names of fresh input, cache writes, cache reads, output
MESSAGE = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
SEARCH = 0.01  # USD for one search of the web
NAME = 200  # characters of a model's name
MODEL = ("inputTokens", "cacheCreationInputTokens", "cacheReadInputTokens", "outputTokens")


def _split(usage: object, names: tuple[str, str, str, str]) -> tuple[int, int, int]:
    fresh, written, read, output = (count(at(usage, name)) for name in names)
    return fresh + written, read, output


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


READERS: dict[str, Callable[[dict[str, Any]], Iterator[Signal]]] = {
    "assistant": _assistant,
    "user": _user,
    "system": _system,
    "rate_limit_event": _rate_limit,
    "result": _result,
}
